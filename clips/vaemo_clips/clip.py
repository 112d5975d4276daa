"""One clip: a media file, or a half-open segment [start_s, end_s) of one, and its Arrow schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from vaemo_clips.errors import ManifestError

CLIP_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

CLIP_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("duration_s", pa.float64(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("fps", pa.float64()),
        pa.field("n_frames", pa.int64()),
        pa.field("has_audio", pa.bool_(), nullable=False),
        pa.field("audio_rate_hz", pa.int32()),
        pa.field("audio_channels", pa.int32()),
    ]
)
"""What is true of a clip on any machine; the first columns of a manifest and of a caption dataset."""

FILE_SCHEMA = pa.schema(
    [
        pa.field("file_bytes", pa.int64(), nullable=False),
        pa.field("file_mtime_ns", pa.int64(), nullable=False),
    ]
)
"""The file as `index` saw it; in the manifest only, so that unchanged files are not hashed again."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of a manifest.

    `path` is POSIX and relative to the manifest's root. `start_s` and `end_s` are seconds on the
    picture's clock, half-open, both None for a whole file. `width`, `height` (pixels, after
    rotation), `fps` and `n_frames` are None for a file without a picture; `audio_rate_hz` and
    `audio_channels` are None for one without sound. `extra` holds the source's other columns.
    """

    clip_id: str
    path: str
    sha256: str
    start_s: float | None
    end_s: float | None
    duration_s: float
    width: int | None
    height: int | None
    fps: float | None
    n_frames: int | None
    has_audio: bool
    audio_rate_hz: int | None
    audio_channels: int | None
    file_bytes: int
    file_mtime_ns: int
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ManifestError where a field breaks the contract."""
        if not CLIP_ID_PATTERN.fullmatch(self.clip_id):
            raise ManifestError(
                f"clip_id {self.clip_id!r} (path {self.path!r}) is not path-safe: it must match "
                f"{CLIP_ID_PATTERN.pattern}; rename it in the source manifest"
            )
        parts = PurePosixPath(self.path).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise ManifestError(f"clip {self.clip_id!r}: path {self.path!r} must lie inside the manifest's root")
        if not self.duration_s > 0:
            raise ManifestError(f"clip {self.clip_id!r}: duration_s is {self.duration_s}, it must be above 0")
        if not (self.has_video or self.has_audio):
            raise ManifestError(f"clip {self.clip_id!r} has neither picture nor sound")

    @property
    def has_video(self) -> bool:
        """Whether the clip has a picture."""
        return self.width is not None

    @property
    def begin_s(self) -> float:
        """Where the clip begins in its file, in seconds."""
        return self.start_s or 0.0

    @property
    def finish_s(self) -> float:
        """Where the clip ends in its file (exclusive), in seconds."""
        return self.begin_s + self.duration_s
