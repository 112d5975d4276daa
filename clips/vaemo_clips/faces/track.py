"""A face over time: what every face cue and every aligned crop is computed from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One person's face, one row for each picture in which it was seen (F rows, in time order).

    `frame_index` (F,): place in `FaceTracks.times_s`. `box_px` (F, 4): x0, y0, x1, y1 of the mesh.
    `anchors_px` (F, 5, 2): the alignment points (outer and inner eye corner of the picture's left eye,
    inner and outer corner of its right eye, nose bridge), x right, y down. `geometry` (F, G): see
    `geometry.GEOMETRY`. `presence` (F,): the mesh's own certainty that this is a face, in [0, 1].
    `brightness` (F,): mean luma of the face in [0, 255].
    """

    frame_index: NDArray[np.int32]
    box_px: NDArray[np.float32]
    anchors_px: NDArray[np.float32]
    geometry: NDArray[np.float32]
    presence: NDArray[np.float32]
    brightness: NDArray[np.float32]

    @property
    def size_px(self) -> float:
        """Median height of the face's mesh in pixels."""
        return float(np.median(self.box_px[:, 3] - self.box_px[:, 1])) if len(self.box_px) else 0.0


@dataclass(frozen=True, slots=True)
class FaceTracks:
    """All faces of a clip.

    `times_s` (N,): every picture that was looked at; `width` and `height` of those pictures in pixels, which all
    coordinates refer to; `cuts_s`: shot changes. `brightness` (N,): the luma in [0, 255] that a twentieth of the
    picture exceeds; it tells a dark clip from a dark background.
    """

    times_s: NDArray[np.float64]
    width: int
    height: int
    cuts_s: tuple[float, ...]
    tracks: tuple[FaceTrack, ...]
    brightness: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
