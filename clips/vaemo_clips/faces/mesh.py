"""The 468 points of a face: MediaPipe's face mesh network.

Kartynnik et al. (2019), Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs, arXiv:1907.06724.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vaemo_clips.faces.network import Network
from vaemo_clips.faces.region import Region

NUM_POINTS = 468
ANCHOR_POINTS = (33, 133, 362, 263, 168)
"""Outer and inner corner of the picture's left eye, inner and outer corner of its right eye, nose bridge."""

_MESH_TO_REGION = 1.5
_MAX_LOGIT = 100.0


@dataclass(frozen=True, slots=True)
class Mesh:
    """A face's points (468, 3) in pixels of the picture (x right, y down, z in the same scale), its presence in
    [0, 1], and the patch (192, 192, 3) uint8 in which it was found, with that patch's place in the picture."""

    points_px: NDArray[np.float32]
    presence: float
    patch: NDArray[np.uint8]
    patch_region: Region

    @property
    def box_px(self) -> NDArray[np.float32]:
        """x0, y0, x1, y1 around the points, (4,)."""
        xy = self.points_px[:, :2]
        return np.concatenate([xy.min(axis=0), xy.max(axis=0)])

    @property
    def anchors_px(self) -> NDArray[np.float32]:
        """The alignment points (5, 2)."""
        return self.points_px[list(ANCHOR_POINTS), :2]

    def in_patch(self, points: Sequence[int]) -> NDArray[np.float32]:
        """The places (K, 2) of some of the points in the patch's own pixels."""
        region, side = self.patch_region, self.patch.shape[0]
        cos, sin = (part / region.side for part in region.axes)
        moved = self.points_px[list(points), :2] - np.array([region.x, region.y], np.float32)
        level = moved @ np.array([[cos, -sin], [sin, cos]], np.float32)
        return np.asarray(level * np.float32(side / region.side) + np.float32(side / 2), np.float32)

    @property
    def region(self) -> Region:
        """The square in which the next picture's face is looked for: level eyes, 1.5 times the points' extent."""
        along = self.points_px[263, :2] - self.points_px[33, :2]
        angle = math.atan2(float(along[1]), float(along[0]))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=np.float32)
        level = self.points_px[:, :2] @ turn
        low, high = level.min(axis=0), level.max(axis=0)
        x, y = turn @ ((low + high) / 2)
        return Region(float(x), float(y), _MESH_TO_REGION * float((high - low).max()), angle)


class FaceMesher:
    """The mesh network."""

    def __init__(self, content: bytes) -> None:
        self._network = Network(content)

    def measure(self, picture: Image.Image, region: Region) -> Mesh | None:
        """The mesh of the face in `region` of an RGB picture; None where the network gives no finite points."""
        side = self._network.side_px
        patch = region.patch(picture, side)
        shapes = ((1, 1, 1, 3 * NUM_POINTS), (1, 1, 1, 1))
        points, logit = self._network.run(patch, 1 / 255, 0, *shapes)
        if not (np.isfinite(points).all() and np.isfinite(logit).all()):
            return None
        placed = region.to_picture(points.reshape(NUM_POINTS, 3), side)
        bounded = min(max(float(logit.item()), -_MAX_LOGIT), _MAX_LOGIT)
        return Mesh(placed, 1 / (1 + math.exp(-bounded)), patch, region)
