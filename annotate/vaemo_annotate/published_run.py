"""What a reader of the Hub may know of a run: a view of run.json that leaves machine, paths and keys behind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PureWindowsPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

_ABSOLUTE = re.compile(r"file://|~?/[^/]+/|~/|[A-Za-z]:[\\/]|\\\\")


def portable_name(value: str) -> str:
    """The last part of an absolute path, anything else as it is: a reader's machine has other folders."""
    is_path = _ABSOLUTE.match(value) and not value.endswith(("/", "\\"))
    return PureWindowsPath(value).name if is_path else value


ModelName = Annotated[str, AfterValidator(portable_name)]
"""A model's repository; a model in a local folder is known by the folder's name alone."""


class PromptRecord(BaseModel):
    """The prompt of a run; `text` is the whole YAML and is published as a file of its own."""

    name: str
    version: str | int | float
    sha256: str
    description: str | None = None
    text: str | None = Field(default=None, exclude=True)


class EngineRecord(BaseModel):
    """What answered."""

    name: str
    model: ModelName | None = None
    model_revision: str | None = None
    server_version: str | None = None


class SettingsRecord(BaseModel):
    """The settings that decide which captions a run writes."""

    seed: int | None = None
    samples: int = 1
    shard: dict[str, int] | str | None = None
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

    vaemo_version: str
    complete: bool
    pilot: bool = False
    prompt: PromptRecord
    engine: EngineRecord
    settings: SettingsRecord = SettingsRecord()
    counts: CountsRecord
    tokens: TokensRecord = TokensRecord()
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many captions a run made and how many of them are published."""

    accepted: int
    dropped: int
    fixed: int
    rejects_by_reason: Mapping[str, int]

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
