"""What run.json, the marker of a finished run of `vaemo-annotate run`, tells a reader of its captions."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vaemo_clips.caption import CAPTION_SCHEMA_VERSION
from vaemo_clips.errors import CaptionError
from vaemo_train.captions.arrow_rows import ANEW
from vaemo_train.shards.record import one_line

RECORD, LEDGER, VERDICTS = "run.json", "ledger.sqlite", "verdicts.parquet"


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Counts(_Lenient):
    accepted: int | None = None


class _Version(_Lenient):
    caption_schema_version: int = 1


class RunMarker(_Version):
    """Of run.json what is needed here; what a run of an earlier version does not tell has a default."""

    complete: bool = True
    pilot: bool = False
    merged_from: int | None = None
    counts: _Counts = _Counts()


def read_marker(run: Path) -> RunMarker | None:
    """Read a run folder's run.json; None where there is none.

    Raises CaptionError for one that is damaged, not complete, or of a caption schema that this version cannot read.
    """
    path = run / RECORD
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CaptionError(f"{path}: cannot be read ({one_line(error)}); {ANEW}") from error
    try:
        version = _Version.model_validate_json(text).caption_schema_version
        if version > CAPTION_SCHEMA_VERSION:
            raise CaptionError(
                f"{path}: captions of schema {version}, this vaemo reads up to {CAPTION_SCHEMA_VERSION}; upgrade vaemo"
            )
        marker = RunMarker.model_validate_json(text)
    except ValidationError as error:
        raise CaptionError(f"{path}: not the record of a run ({one_line(error)}); {ANEW}") from error
    if not marker.complete:
        raise CaptionError(f"{path}: its run is not complete; run the same `vaemo-annotate run` command again")
    return marker
