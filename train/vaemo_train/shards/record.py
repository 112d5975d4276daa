"""What became of the clips of a shard, and of all clips of a folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vaemo_clips.clip import CLIP_SCHEMA, Clip
from vaemo_clips.errors import ShardError
from vaemo_train.shards.row import FORMAT_VERSION, ShardSettings

PASSING_REASONS = frozenset({"not_found", "unreadable", "decoder_timeout", "decoder_crashed", "decoder_failed"})
"""Of rejects that another try may end otherwise: a disk that was away, a machine that was busy or out of memory."""

_Record = TypeVar("_Record", bound=BaseModel)
_NAMES = [field.name for field in fields(Clip) if field.name in CLIP_SCHEMA.names]


def clip_digest(clip: Clip) -> str:
    """What a row holds of its clip's columns, as 16 hex digits of a sha256."""
    values = [getattr(clip, name) for name in _NAMES]
    return hashlib.sha256(repr((values, dict(clip.extra))).encode()).hexdigest()[:16]


class RowCounts(BaseModel):
    """How many rows have what, and how much of it there is. `left_out`: parts of accepted clips without a row."""

    model_config = ConfigDict(extra="forbid")

    both: int = 0
    picture_only: int = 0
    sound_only: int = 0
    left_out: int = 0
    seconds: float = 0.0
    sound_s: float = 0.0
    num_bytes: int = 0

    @property
    def rows(self) -> int:
        """Rows in all."""
        return self.both + self.picture_only + self.sound_only

    @classmethod
    def sum(cls, counts: Iterable[RowCounts]) -> RowCounts:
        """All together."""
        total = Counter[str]()
        for one in counts:
            total.update(one.model_dump())
        return cls.model_validate(dict(total))


class Reject(BaseModel):
    """A clip that gave no row."""

    model_config = ConfigDict(extra="forbid")

    reason: str
    detail: str


class ShardRecord(BaseModel):
    """A finished shard: the digest of each of its clips by clip_id, those rejected, and what accepted ones lack.

    `without_picture` and `without_sound` count accepted clips of which no row has that modality, by reason; what was
    not asked for is not counted.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    number: int
    clips: dict[str, str] = Field(default_factory=dict)
    rejects: dict[str, Reject] = Field(default_factory=dict)
    without_picture: dict[str, int] = Field(default_factory=dict)
    without_sound: dict[str, int] = Field(default_factory=dict)
    counts: RowCounts = Field(default_factory=RowCounts)


class Job(BaseModel):
    """What all shards of a folder have in common; two commands with the same one may fill it in turn."""

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    settings: ShardSettings
    columns: list[str]


class ShardEntry(BaseModel):
    """A shard in the marker."""

    model_config = ConfigDict(extra="forbid")

    file: str
    rows: int
    clips: int
    num_bytes: int


class Marker(BaseModel):
    """The content of shards.json: accepted + rejected = clips."""

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    settings: ShardSettings
    manifest_sha256: str
    clips: int
    accepted: int
    rejects: dict[str, int]
    without_picture: dict[str, int]
    without_sound: dict[str, int]
    counts: RowCounts
    shards: list[ShardEntry]

    @property
    def rejected(self) -> int:
        """Rejects of all reasons."""
        return sum(self.rejects.values())

    @property
    def passing_rejects(self) -> int:
        """Those that may end otherwise when they are tried again."""
        return sum(count for reason, count in self.rejects.items() if reason in PASSING_REASONS)


def read_record(path: Path, kind: type[_Record], remedy: str, remedy_of_damage: str | None = None) -> _Record:
    """Read one of these records. Raises ShardError for another version, or a damaged file, with its remedy."""
    try:
        text = path.read_text(encoding="utf-8")
        version = _Version.model_validate_json(text).format_version
        if version != FORMAT_VERSION:
            raise ShardError(
                f"{path}: format {version}, this vaemo reads format {FORMAT_VERSION}; "
                f"{'upgrade vaemo' if version > FORMAT_VERSION else remedy}"
            )
        return kind.model_validate_json(text)
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ShardError(
            f"{path}: cannot be read as {kind.__name__} ({one_line(error)}); {remedy_of_damage or remedy}"
        ) from error


class _Version(BaseModel):
    format_version: int


def one_line(error: Exception) -> str:
    """What an error says, in one line; of pydantic's faults the first."""
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        return ": ".join(filter(None, (".".join(map(str, fault["loc"])), fault["msg"])))
    return " ".join(str(error).split())
