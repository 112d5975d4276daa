"""Lids and inner brows. The face mesh hardly moves them, so a network of their own looks.

Ablavatski et al. (2020), Real-time Pupil Tracking from Monocular Video for Digital Puppetry, arXiv:2006.11341.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from vaemo_clips.faces.geometry import head_axes, head_pose_deg
from vaemo_clips.faces.mesh import Mesh
from vaemo_clips.faces.network import Network
from vaemo_clips.faces.region import Region

_CORNERS = ((33, 133), (362, 263))  # of the mesh: left to right in the picture, left eye, then right eye
_EYE_TO_REGION = 2.3
_NUM_POINTS, _NUM_IRIS_POINTS = 71, 5
_OUTER, _INNER, _LOWER, _UPPER = 0, 8, slice(2, 7), slice(10, 15)  # lids at the same distances from the corners
_INNER_BROW = 68
_FAR_EYE_DEG = 20.0  # beyond it the eye that is turned away is not looked at


class Eye(NamedTuple):
    """What one eye shows, in widths of the eye: the lids' mean distance, and how far the inner end of the brow
    reaches over the inner corner of the eye towards the nose."""

    opening: float
    inner_brow: float


class EyeReader:
    """The eye network."""

    def __init__(self, content: bytes) -> None:
        self._network = Network(content)

    def read(self, mesh: Mesh, is_right: bool) -> Eye:
        """The picture's left or right eye.

        Looked at in the mesh's own patch, whose eyes are as large as the network wants them.
        """
        side = self._network.side_px
        patch = _eye_region(mesh, is_right).patch(Image.fromarray(mesh.patch), side)
        if is_right:  # the network knows one eye; the other is its mirror image
            patch = np.ascontiguousarray(patch[:, ::-1])
        shapes = ((1, 3 * _NUM_POINTS), (1, 3 * _NUM_IRIS_POINTS))
        points = self._network.run(patch, 1 / 255, 0, *shapes)[0].reshape(_NUM_POINTS, 3)
        width = max(float(np.linalg.norm(points[_INNER, :2] - points[_OUTER, :2])), 1.0)
        gap = max(float((points[_LOWER, 1] - points[_UPPER, 1]).mean()), 0.0)
        return Eye(gap / width, float(points[_INNER_BROW, 0] - points[_INNER, 0]) / width)


class EyeWatch:
    """One face's eyes over time: one eye a picture, in turn, since two would cost twice as much."""

    def __init__(self, reader: EyeReader) -> None:
        self._reader = reader
        self._last: dict[bool, Eye] = {}
        self._is_right = False

    def forget(self) -> None:
        """Forget what was seen: the next picture belongs to another shot."""
        self._last.clear()

    def measure(self, mesh: Mesh) -> Eye:
        """Return the mean of both eyes as seen last; the near eye where the head is turned.

        The two differ in how far the brow reaches, so `inner_brow` is NaN where only one of them is known.
        """
        yaw_deg = head_pose_deg(head_axes(mesh.points_px))[0]
        if abs(yaw_deg) > _FAR_EYE_DEG:  # a head turned to the right shows its left half
            self.forget()
            return self._reader.read(mesh, is_right=yaw_deg < 0)._replace(inner_brow=math.nan)
        self._is_right = not self._is_right
        self._last[self._is_right] = self._reader.read(mesh, self._is_right)
        if len(self._last) < 2:
            return self._last[self._is_right]._replace(inner_brow=math.nan)
        one, other = self._last.values()
        return Eye((one.opening + other.opening) / 2, (one.inner_brow + other.inner_brow) / 2)


def _eye_region(mesh: Mesh, is_right: bool) -> Region:
    """The square around one eye, level with it, in pixels of the mesh's patch."""
    start, end = mesh.in_patch(_CORNERS[is_right])
    (x, y), (along_x, along_y) = (start + end) / 2, end - start
    side = _EYE_TO_REGION * math.hypot(along_x, along_y)
    return Region(float(x), float(y), side, math.atan2(along_y, along_x))
