"""A target face over time: one value for each picture that was looked at, NaN where nothing was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.track import FaceTrack

Curve = NDArray[np.float64]

MAX_YAW_DEG = 45.0
"""Beyond this half of the face is hidden: the mesh invents it, so only the pose counts."""
_POSE = ("yaw_deg", "pitch_deg", "roll_deg")
_MOTION_SIGMA_S = 0.08  # the mesh's own tremble is faster than a head


@dataclass(frozen=True, slots=True)
class FaceCurves:
    """Curves of one face, (N,) each: the names of `GEOMETRY` and `head_motion_deg_per_s`.

    `times_s` (N,) are the pictures' times. `is_seen` (N,): the face was found; `is_frontal` (N,): and turned
    little enough for its parts to be measured.
    """

    times_s: Curve
    values: Mapping[str, Curve]
    is_seen: NDArray[np.bool_]
    is_frontal: NDArray[np.bool_]

    @classmethod
    def of(cls, times_s: Curve, track: FaceTrack) -> FaceCurves:
        """Spread a track's rows over all pictures."""
        values = {name: np.full(len(times_s), np.nan) for name in GEOMETRY}
        for column, name in enumerate(GEOMETRY):
            values[name][track.frame_index] = track.geometry[:, column]
        is_seen = np.zeros(len(times_s), bool)
        is_seen[track.frame_index] = True
        is_frontal = is_seen & (np.abs(np.nan_to_num(values["yaw_deg"])) <= MAX_YAW_DEG)
        for name in values.keys() - set(_POSE):
            values[name][~is_frontal] = np.nan
        values["head_motion_deg_per_s"] = _head_motion(times_s, [values[name] for name in _POSE])
        return cls(times_s, values, is_seen, is_frontal)


def _head_motion(times_s: Curve, angles_deg: list[Curve]) -> Curve:
    """Angular speed of the head in degrees a second, of the smoothed angles."""
    if len(times_s) < 2:
        return np.full(len(times_s), np.nan)
    speeds = [np.gradient(smoothed(times_s, angle, _MOTION_SIGMA_S), times_s) for angle in angles_deg]
    return np.asarray(np.sqrt(np.sum(np.square(speeds), axis=0)), np.float64)


def smoothed(times_s: Curve, values: Curve, sigma_s: float) -> Curve:
    """Gaussian mean of `values` (N,) over time; NaN where the value itself is, which never spreads."""
    if len(times_s) < 2:
        return values.copy()
    step_s = float(np.median(np.diff(times_s)))
    reach = max(int(np.ceil(3 * sigma_s / max(step_s, 1e-3))), 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step_s / sigma_s) ** 2)
    is_there = np.isfinite(values)
    total = np.convolve(np.where(is_there, values, 0.0), kernel, "full")[reach:-reach]
    weight = np.convolve(is_there.astype(np.float64), kernel, "full")[reach:-reach]
    return np.where(is_there, total / np.maximum(weight, 1e-12), np.nan)
