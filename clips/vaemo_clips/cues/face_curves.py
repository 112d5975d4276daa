"""A target face over time: one value for each picture that was looked at, NaN where nothing was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.track import FaceTrack

Curve = NDArray[np.float64]

MAX_YAW_DEG = 45.0
"""Beyond this half of the face is hidden: the mesh invents it, so only the pose counts."""
_POSE = ("yaw_deg", "pitch_deg", "roll_deg")
HELD_SHUT = 0.1  # eye widths: half of what an ordinary eye opens
_BLINK_DEPTH = 0.6  # of the eye's own usual opening
_LONGEST_BLINK_S = 0.5
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
    def of(cls, times_s: Curve, track: FaceTrack, cuts_s: Sequence[float] = ()) -> FaceCurves:
        """Spread a track's rows over all pictures; a head does not move over a cut."""
        values = {name: np.full(len(times_s), np.nan) for name in GEOMETRY}
        for column, name in enumerate(GEOMETRY):
            values[name][track.frame_index] = track.geometry[:, column]
        is_seen = np.zeros(len(times_s), bool)
        is_seen[track.frame_index] = True
        is_frontal = is_seen & (np.abs(np.nan_to_num(values["yaw_deg"])) <= MAX_YAW_DEG)
        for name in values.keys() - set(_POSE):
            values[name][~is_frontal] = np.nan
        shots = np.split(np.arange(len(times_s)), np.searchsorted(times_s, np.sort(cuts_s)))
        motion = [_head_motion(times_s[shot], [values[name][shot] for name in _POSE]) for shot in shots]
        values["head_motion_deg_per_s"] = np.concatenate(motion)
        return cls(times_s, values, is_seen, is_frontal)


def _head_motion(times_s: Curve, angles_deg: list[Curve]) -> Curve:
    """Angular speed of the head in degrees a second, of the smoothed angles."""
    if len(times_s) < 2:
        return np.full(len(times_s), np.nan)
    speeds = [np.gradient(smoothed(times_s, angle, _MOTION_SIGMA_S), times_s) for angle in angles_deg]
    return np.asarray(np.sqrt(np.sum(np.square(speeds), axis=0)), np.float64)


def smoothed(times_s: Curve, values: Curve, sigma_s: float) -> Curve:
    """Gaussian mean of `values` (N,) over time; NaN where the value itself is, which never spreads."""
    rows = np.arange(len(times_s))
    reach = int((np.searchsorted(times_s, times_s + 3 * sigma_s, side="right") - rows).max(initial=1)) - 1
    is_there = np.isfinite(values)
    known = np.where(is_there, values, 0.0)
    total, weights = np.zeros(len(rows)), np.zeros(len(rows))
    for offset in range(-reach, reach + 1):
        other = np.clip(rows + offset, 0, len(rows) - 1)
        counts = is_there[other] & (other == rows + offset)
        weight = np.exp(-0.5 * ((times_s[other] - times_s) / sigma_s) ** 2) * counts
        total, weights = total + weight * known[other], weights + weight
    return np.where(is_there, total / np.maximum(weights, 1e-12), np.nan)


def blinks(times_s: Curve, opening: Curve) -> list[tuple[int, int]]:
    """Half-open runs of places in which the eyes are shut for less than half a second; none in eyes held shut."""
    is_known = np.isfinite(opening)
    usual = float(np.median(opening[is_known])) if is_known.any() else 0.0
    if usual < HELD_SHUT:
        return []
    is_shut = is_known & (np.nan_to_num(opening, nan=1.0) < _BLINK_DEPTH * usual)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_shut.astype(np.int8), [0]])))
    runs = [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
    return [(first, last) for first, last in runs if times_s[last - 1] - times_s[first] < _LONGEST_BLINK_S]
