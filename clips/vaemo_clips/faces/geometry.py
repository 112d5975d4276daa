"""From a 468-point mesh to the few numbers that face cues are made of.

Points are looked at in a frame of the head itself (x to the picture's right along the eyes, y down the
middle of the face, origin between the eyes), so that turning the head changes them little. Lengths are in
*eye distances*, the distance between the outer corners of the two eyes. Point numbers are those of the
MediaPipe face mesh (Kartynnik et al. 2019, arXiv 1907.06724); left and right are the picture's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

GEOMETRY: Final = (
    "yaw_deg",  # towards the picture's right: positive
    "pitch_deg",  # up: positive; 0 is where people look straight ahead only after the population's mean is taken off
    "roll_deg",  # the head's top towards the picture's right: positive
    "brow_raise",  # height of the brows over the line of the eye corners
    "brow_furrow",  # AU4: how far the brows reach over the inner eye corners, in eye widths, from eyes.py
    "eye_opening",  # height of the lid gap over the eye's width (EAR of Soukupova and Cech 2016), from eyes.py
    "mouth_opening",  # gap between the lips
    "lip_corner_pull",  # AU12: corners up and apart
    "lip_corner_depress",  # AU15: how far the corners lie below nose and upper lip
    "lip_press",  # AU23/24: how little red of the lips shows against the skin, from lips.py
    "face_motion",  # mean speed of brows and lips in eye distances a second; NaN for the first picture of a shot
)
"""Names of the columns that `GeometryMeter.measure` returns."""

_OUTER_LEFT, _INNER_LEFT, _INNER_RIGHT, _OUTER_RIGHT = 33, 133, 362, 263
_EYE_CORNERS = [_OUTER_LEFT, _INNER_LEFT, _INNER_RIGHT, _OUTER_RIGHT]
# Pairs of points that mirror one another, and pairs one below the other on the middle line; no jaw, no lips.
_LEFT, _RIGHT = [33, 133, 98, 234, 127, 162], [263, 362, 327, 454, 356, 389]
_ABOVE, _BELOW = [10, 151, 9], [2, 94, 2]
_BROWS = [63, 105, 66, 107, 293, 334, 296, 336]
_CORNERS = (61, 291)
_NOSE_BASE, _LIP_TOP, _LIP_UPPER, _LIP_LOWER, _LIP_BOTTOM = 2, 0, 13, 14, 17
_MOVING = [*_BROWS, *_CORNERS, _LIP_UPPER, _LIP_LOWER, _LIP_TOP, _LIP_BOTTOM]


class Details(NamedTuple):
    """What a mesh hardly moves for and what is therefore looked at apart (eyes.py, lips.py)."""

    eye_opening: float
    inner_brow: float
    lip_redness: float


class GeometryMeter:
    """Measures one face's meshes in time order."""

    def __init__(self) -> None:
        """Start a face."""
        self._last: tuple[float, Points] | None = None

    def measure(self, mesh_px: Points, time_s: float, details: Details) -> Points:
        """Return the values of `GEOMETRY`, (G,), of a mesh (468, 3): x right, y down, z in the same scale."""
        axes = head_axes(mesh_px)
        points = _in_head_frame(mesh_px, axes)
        upper = (_brow_raise(points), details.inner_brow, details.eye_opening)
        values = (*head_pose_deg(axes), *upper, *_mouth(points), -details.lip_redness, self._motion(points, time_s))
        return np.array(values, np.float32)

    def _motion(self, points: Points, time_s: float) -> float:
        moving = points[_MOVING, :2]
        last, self._last = self._last, (time_s, moving)
        if last is None or time_s <= last[0]:
            return float("nan")
        return float(np.linalg.norm(moving - last[1], axis=1).mean() / (time_s - last[0]))


def head_axes(mesh_px: Points) -> Points:
    """Return the head's right, down and backward axes as rows of a rotation, (3, 3)."""
    right = _unit((mesh_px[_RIGHT] - mesh_px[_LEFT]).mean(0))
    down = (mesh_px[_BELOW] - mesh_px[_ABOVE]).mean(0)
    down = _unit(down - (down @ right) * right)
    return np.stack([right, down, np.cross(right, down)])


def _unit(vector: Points) -> Points:
    unit: Points = vector / np.float32(max(float(np.linalg.norm(vector)), 1e-6))
    return unit


def _in_head_frame(mesh_px: Points, axes: Points) -> Points:
    origin = mesh_px[_EYE_CORNERS].mean(0)
    turned: Points = (mesh_px - origin) @ axes.T
    return turned / np.float32(_distance(mesh_px, _OUTER_LEFT, _OUTER_RIGHT))


def head_pose_deg(axes: Points) -> tuple[float, float, float]:
    """Return yaw, pitch and roll of `head_axes`; z grows away from the camera."""
    right, down, _ = axes
    yaw = np.arctan2(right[2], np.hypot(right[0], right[1]))
    pitch = np.arcsin(np.clip(-down[2], -1, 1))
    roll = np.arctan2(right[1], right[0])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def _brow_raise(points: Points) -> float:
    return float(points[_EYE_CORNERS, 1].mean() - points[_BROWS, 1].mean())


def _mouth(points: Points) -> tuple[float, float, float]:
    opening = _distance(points, _LIP_UPPER, _LIP_LOWER)
    width = _distance(points, *_CORNERS)
    # Nose and upper lip hardly move when the jaw drops.
    drop = float(points[[*_CORNERS], 1].mean() - points[[_NOSE_BASE, _LIP_TOP], 1].mean())
    return opening, 0.5 * width - drop, drop


def _distance(points: Points, one: int, other: int) -> float:
    return max(float(np.linalg.norm(points[one] - points[other])), 1e-6)
