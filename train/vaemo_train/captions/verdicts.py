"""Verdicts of quality control on captions: verdicts.parquet beside a dataset (`VERDICT_SCHEMA`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from vaemo_clips.caption import VERDICT_SCHEMA
from vaemo_clips.errors import CaptionError
from vaemo_train.captions.arrow_rows import conform
from vaemo_train.captions.found import CaptionDataset
from vaemo_train.captions.run_marker import VERDICTS
from vaemo_train.shards.record import one_line

KEEP, DROP, FIXED = WORDS = ("keep", "drop", "fixed")
_AGAIN: Final = "mend the file, or delete it so that every caption counts"
_SCHEMA = pa.schema(
    [VERDICT_SCHEMA.field(name) for name in ("clip_id", "sample_index", "verdict", "at", "fixed_description")]
)

VerdictKey = tuple[str, int]
"""clip_id and sample_index."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """keep, drop, or fixed with the description that takes the place of affect_description."""

    word: str
    at: datetime | None = None
    fixed_description: str | None = None

    @property
    def age_key(self) -> tuple[datetime, str, str]:
        """Ascends with the time; a verdict without one is older than all, of two at once the word decides."""
        return self.at or datetime.min.replace(tzinfo=UTC), self.word, self.fixed_description or ""


def read_verdicts(dataset: CaptionDataset) -> dict[VerdictKey, Verdict]:
    """The verdicts on a dataset's captions; of two on the same caption the later one. None: every caption counts.

    Raises CaptionError for a file that cannot be read, another word than keep, drop and fixed, a fixed one without
    its description, or a verdict on a caption that the dataset does not have.
    """
    path = dataset.run / VERDICTS
    if not path.exists():
        return {}
    verdicts: dict[VerdictKey, Verdict] = {}
    for row in _read(path):
        key, verdict = (row["clip_id"], row["sample_index"]), _verdict(row, path)
        if key not in verdicts or verdict.age_key > verdicts[key].age_key:
            verdicts[key] = verdict
    _check_captions(verdicts, dataset, path)
    return verdicts


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise CaptionError(f"{path}: cannot be read ({one_line(error)}); {_AGAIN}") from error
    rows: list[dict[str, Any]] = conform(table, _SCHEMA, path, _AGAIN).to_pylist()
    return rows


def _verdict(row: dict[str, Any], path: Path) -> Verdict:
    word, fixed = row["verdict"], (row["fixed_description"] or "").strip()
    where = f"{path}: the verdict on clip {row['clip_id']!r}, sample {row['sample_index']}"
    if word not in WORDS:
        raise CaptionError(f"{where}, is {word!r}; it must be one of {', '.join(WORDS)}: {_AGAIN}")
    if word == FIXED and not fixed:
        raise CaptionError(f"{where}, is {FIXED!r} with an empty fixed_description; {_AGAIN}")
    return Verdict(word, row["at"], fixed if word == FIXED else None)


def _check_captions(verdicts: dict[VerdictKey, Verdict], dataset: CaptionDataset, path: Path) -> None:
    columns = (dataset.rows[name].to_pylist() for name in ("clip_id", "sample_index"))
    there = set(zip(*columns, strict=True))
    if missing := [key for key in verdicts if key not in there]:
        clip_id, sample = missing[0]
        raise CaptionError(
            f"{path}: of the captions judged, {dataset.path} does not have {len(missing):,} (the first: clip "
            f"{clip_id!r}, sample {sample}); they are of another run: {_AGAIN}"
        )
