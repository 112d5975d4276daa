"""One face while it is followed from picture to picture."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.faces.detector import iou
from vaemo_clips.faces.eyes import EyeReader, EyeWatch
from vaemo_clips.faces.geometry import Details, GeometryMeter
from vaemo_clips.faces.lips import lip_redness
from vaemo_clips.faces.mesh import Mesh
from vaemo_clips.faces.region import Region
from vaemo_clips.faces.rows import TrackRows

_THUMBNAIL = 16
_NUM_LOOKS = 8
_NEW_LOOK = 0.97  # a thumbnail that correlates less with all that are remembered is remembered too
_STEP_S = 0.1  # a face cannot jump far between pictures that are this close
_MAX_STEP = 0.6  # of its size
_MAX_GROWTH = 1.6


class FollowedFace:
    """Where a face was seen last, what it looks like, and its rows."""

    region: Region
    box_px: NDArray[np.float32]
    seen_s: float
    confirmed_s: float

    def __init__(self, eyes: EyeReader) -> None:
        self.rows = TrackRows()
        self._eyes = EyeWatch(eyes)
        self._meter = GeometryMeter()
        self._looks: deque[NDArray[np.float32]] = deque(maxlen=_NUM_LOOKS)

    @property
    def size_px(self) -> float:
        """Height of the face when it was seen last."""
        return float(self.box_px[3] - self.box_px[1])

    def add(self, index: int, time_s: float, mesh: Mesh) -> None:
        """Take `mesh` as this face in the picture `index` at `time_s`."""
        self.region, self.box_px, self.seen_s = mesh.region, mesh.box_px, time_s
        details = Details(*self._eyes.measure(mesh), lip_redness(mesh))
        self.rows.add(index, mesh, self._meter.measure(mesh.points_px, time_s, details))

    def confirm(self, time_s: float, mesh: Mesh | None = None) -> None:
        """A detector has seen the face too; with `mesh`, remember how it looks."""
        self.confirmed_s = time_s
        if mesh is not None and self.likeness(mesh) < _NEW_LOOK:
            self._looks.append(thumbnail(mesh))

    def begin_shot(self) -> None:
        """Forget the last mesh's motion: the next one belongs to another shot."""
        self._meter = GeometryMeter()
        self._eyes.forget()

    def can_become(self, mesh: Mesh, time_s: float) -> bool:
        """Whether `mesh` is where this face can be by `time_s`: no leap, no sudden growth."""
        return self.is_near(mesh, math.inf if time_s - self.seen_s > _STEP_S else _MAX_STEP)

    def is_near(self, mesh: Mesh, sizes: float) -> bool:
        """Whether `mesh` is of about the last size and within so many `sizes` of the last place."""
        size, box = max(self.size_px, 1.0), mesh.box_px
        growth = float(box[3] - box[1]) / size
        step = float(np.abs(np.mean((box - self.box_px).reshape(2, 2), axis=0)).max())
        return 1 / _MAX_GROWTH < growth < _MAX_GROWTH and step <= sizes * size

    def overlap(self, box_px: NDArray[np.float32]) -> float:
        """Intersection over union of the last box with `box_px`, in [0, 1]."""
        return float(iou(box_px, self.box_px[None])[0])

    def likeness(self, mesh: Mesh) -> float:
        """Best correlation in [-1, 1] of a remembered look with that of `mesh`; -1 where none is remembered."""
        now = thumbnail(mesh)
        return max((float((look * now).mean()) for look in self._looks), default=-1.0)


def thumbnail(mesh: Mesh) -> NDArray[np.float32]:
    """The face's patch as (16, 16, 3), with mean 0 and deviation 1 over all values."""
    block = mesh.patch.shape[0] // _THUMBNAIL
    # (192, 192, 3) -> (16, 12, 16, 12, 3)
    small = mesh.patch.reshape(_THUMBNAIL, block, _THUMBNAIL, block, 3).mean(axis=(1, 3), dtype=np.float32)
    small -= small.mean()
    return np.asarray(small / max(float(small.std()), 1.0), dtype=np.float32)
