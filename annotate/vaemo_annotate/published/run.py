"""What a reader of the Hub may know of a run: a view of run.json that leaves machine, paths and keys behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from vaemo_clips.errors import RunFolderError
from vaemo_clips.hub.portable import portable_json, portable_text, without_folders
from vaemo_clips.hub.refusal import one_line
from vaemo_clips.settings_file import pydantic_faults

Text = Annotated[str, AfterValidator(portable_text)]
"""A text without folders, hosts and keys; so a model in a local folder is known by the folder's name alone."""


class PromptRecord(BaseModel):
    """The prompt of a run; `text` is the YAML, published as a file of its own, `is_cut` tells that it is not whole.

    It is cut where it names folders, hosts or keys; `sha256` is that of the whole.
    """

    name: Text
    version: Text | int | float
    sha256: Text
    description: Text | None = None
    text: str | None = Field(default=None, exclude=True)
    is_cut: bool = Field(default=False, exclude=True)

    @model_validator(mode="after")
    def _cut(self) -> Self:
        shared = None if self.text is None else without_folders(self.text)
        self.is_cut, self.text = shared != self.text, shared
        return self


class EngineRecord(BaseModel):
    """What answered."""

    name: Text
    model: Text | None = None
    model_revision: Text | None = None
    server_version: Text | None = None


class SettingsRecord(BaseModel):
    """The settings that decide which captions a run writes."""

    seed: int | None = None
    samples: int = 1
    shard: dict[str, int] | Text | None = None
    limit: int | None = None


class CountsRecord(BaseModel):
    """What became of the clips."""

    clips: int
    accepted: int
    rejected: int
    rejects_by_reason: dict[str, int] = {}


class TokensRecord(BaseModel):
    """Tokens over the whole run."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


class RunRecord(BaseModel):
    """What a reader of the Hub may know of a run.

    A view of `run.json` that names what is published; whatever else stands there (paths, hosts,
    the machine, keys) is left behind because it is not named here.
    """

    vaemo_version: Text
    complete: bool
    pilot: bool = False
    prompt: PromptRecord
    engine: EngineRecord
    settings: SettingsRecord = SettingsRecord()
    counts: CountsRecord
    tokens: TokensRecord = TokensRecord()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    canaries: Annotated[Any, AfterValidator(portable_json)] = None

    def to_json(self) -> str:
        """The run.json that is published; without canaries where none were asked."""
        return self.model_dump_json(indent=2, exclude={"canaries"} if self.canaries is None else None) + "\n"


def read_run(out: Path) -> RunRecord:
    """What a reader may know of the run in `out`. Raises RunFolderError: no run, an unfinished or a broken one."""
    path = out / "run.json"
    if not path.is_file():
        raise RunFolderError(f"{out} is not a run folder: it has no run.json; give a folder that `run` wrote")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        is_complete = isinstance(settings, dict) and settings.get("complete") is True
        if isinstance(settings, dict) and not is_complete:
            raise RunFolderError(f"{out} holds an unfinished run; run it again to finish it, then push")
        return RunRecord.model_validate(settings)
    except ValidationError as error:
        faults = one_line("; ".join(pydantic_faults(error, "run.json")))
        raise RunFolderError(f"{path} cannot be read as a run: {faults}; run it again") from error
    except ValueError as error:
        raise RunFolderError(f"{path} cannot be read as a run: {one_line(error)}; run it again") from error


@dataclass(frozen=True, slots=True)
class Tally:
    """How many captions a run made and how many of them are published.

    `unchecked` counts accepted captions that `check` never judged, `verdicts` the published verdicts, `strange` those
    left out because the run has no such caption.
    """

    accepted: int
    dropped: int
    fixed: int
    rejects_by_reason: Mapping[str, int]
    unchecked: int = 0
    verdicts: int = 0
    strange: int = 0

    @property
    def published(self) -> int:
        """Captions in the pushed dataset."""
        return self.accepted - self.dropped

    @property
    def rejected(self) -> int:
        """Rejects of all reasons."""
        return sum(self.rejects_by_reason.values())

    @property
    def total(self) -> int:
        """Accepted and rejected together."""
        return self.accepted + self.rejected
