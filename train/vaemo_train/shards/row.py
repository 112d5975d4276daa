"""A row of a training shard: at most ten seconds of a clip, and its Arrow schema.

Shapes: K picture slots, S samples of sound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

FORMAT_VERSION = 1
MAX_ROW_S = 10.0
MIN_ROW_S = 0.5
SAMPLE_RATE_HZ = 16_000
FULL_SCALE = 32767
"""Of the stored sound: the integer that is 1.0."""
FRAME_STRIDE_S = 0.16
"""Between the pictures of a training window. Every stored rate has a whole number of slots in it."""
MAX_FPS = 60.0

ROW_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int32(), nullable=False),
        pa.field("row_begin_s", pa.float64(), nullable=False),
        pa.field("row_duration_s", pa.float64(), nullable=False),
        pa.field("has_picture", pa.bool_(), nullable=False),
        pa.field("has_sound", pa.bool_(), nullable=False),
    ]
)
"""What a row says of itself, after the clip's own columns; in a shard and in the list of all rows."""

MEDIA_SCHEMA = pa.schema(
    [
        pa.field("jpegs", pa.large_binary()),
        pa.field("jpeg_ends", pa.list_(pa.int32())),
        pa.field("sound", pa.large_binary()),
    ]
)
"""The media, in a shard only. One blob with the ends of its pictures, since a list of blobs would be copied whole."""


class ShardSettings(BaseModel):
    """How clips are stored: aligned faces of `size_px` at `fps` as JPEGs, mono sound of 16 bits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fps: float = Field(default=12.5, gt=0, le=MAX_FPS)
    size_px: int = Field(default=192, ge=64, le=512)
    jpeg_quality: int = Field(default=90, ge=30, le=100)
    sample_rate_hz: int = Field(default=SAMPLE_RATE_HZ, ge=8_000, le=48_000)
    modality: str = Field(default="any", pattern="^(any|both|audio|video)$")

    @field_validator("fps")
    @classmethod
    def _check_fps(cls, fps: float) -> float:
        """Training windows show a slot every 0.16 s: at other rates picture and sound would drift apart and back."""
        slots = fps * FRAME_STRIDE_S
        if abs(slots - round(slots)) > 1e-6 or slots < 0.5:
            most = math.floor(MAX_FPS * FRAME_STRIDE_S)
            near = sorted({min(max(one, 1), most) for one in (math.floor(slots), math.floor(slots) + 1)})
            rates = ", ".join(f"{one / FRAME_STRIDE_S:g}" for one in near)
            raise ValueError(
                f"pictures must be a whole number of slots apart in the {FRAME_STRIDE_S} s steps of training; "
                f"the nearest that fit: {rates}"
            )
        return fps


@dataclass(frozen=True, slots=True)
class ShardRow:
    """[begin_s, begin_s + duration_s) of a clip, counted from the clip's own begin.

    `jpeg_ends` (K,): slot k covers [k, k + 1) / fps of the row, shows the picture of its middle, and is
    `jpegs[jpeg_ends[k - 1] : jpeg_ends[k]]`, empty where the face was not seen; K is 0 without a picture.
    `sound` (S,) int16, None without sound. Both are views on the shard's memory map. `columns` are the clip's.
    """

    clip_id: str
    row: int
    begin_s: float
    duration_s: float
    fps: float
    jpegs: memoryview
    jpeg_ends: NDArray[np.int32]
    sound: NDArray[np.int16] | None
    columns: Mapping[str, Any] = field(default_factory=dict)

    def only(self, modality: str) -> ShardRow:
        """The row with nothing but its "audio" or its "video"; as it is for anything else."""
        if modality == "audio":
            return replace(self, jpegs=memoryview(b""), jpeg_ends=np.zeros(0, np.int32))
        return replace(self, sound=None) if modality == "video" else self

    def jpeg(self, slot: int) -> memoryview | None:
        """The picture of a slot, None where the face was not seen or the row has ended."""
        if not 0 <= slot < len(self.jpeg_ends):
            return None
        begin = int(self.jpeg_ends[slot - 1]) if slot else 0
        end = int(self.jpeg_ends[slot])
        return self.jpegs[begin:end] if end > begin else None
