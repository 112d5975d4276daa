"""The face cues of a clip: its curves in sum, each with a coverage and a state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from vaemo_clips.cues.cue import Cue, Reason
from vaemo_clips.cues.face_curves import HELD_SHUT, Curve, FaceCurves, blinks
from vaemo_clips.faces.target import NoFace, TargetFace

EYE_DISTANCES, EYE_WIDTHS, DEGREES = "eye distances", "eye widths", "deg"
_MIN_PICTURES, _MIN_RANGE_PICTURES, _MIN_RANGE_S, _MIN_BLINK_S = 2, 8, 0.5, 2.0
_SURE_BLINK_S = 10.0  # one blink more or less is a lot in a shorter clip


@dataclass(frozen=True, slots=True)
class _Measure:
    name: str
    unit: str
    curve: str
    sum_up: Callable[[Curve, Curve], float | None]
    is_weak: bool = False


def _median(_: Curve, values: Curve) -> float | None:
    return float(np.median(values)) if len(values) >= _MIN_PICTURES else None


def _mean(_: Curve, values: Curve) -> float | None:
    return float(values.mean()) if len(values) >= _MIN_PICTURES else None


def _range(times_s: Curve, values: Curve) -> float | None:
    """5th to 95th percentile over time."""
    if len(values) < _MIN_RANGE_PICTURES or times_s[-1] - times_s[0] < _MIN_RANGE_S:
        return None
    low, high = np.percentile(values, [5, 95])
    return float(high - low)


def _blinks_per_minute(times_s: Curve, values: Curve) -> float | None:
    """Short dips of the lids' opening, a minute; None where the eyes are held shut or the clip is short."""
    span_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    if len(values) < _MIN_RANGE_PICTURES or span_s < _MIN_BLINK_S or float(np.median(values)) < HELD_SHUT:
        return None
    return 60 * len(blinks(times_s, values)) / span_s


_MEASURES: Final = (
    _Measure("brow_raise", EYE_DISTANCES, "brow_raise", _median),
    _Measure("brow_raise_range", EYE_DISTANCES, "brow_raise", _range),
    _Measure("brow_furrow", EYE_WIDTHS, "brow_furrow", _median, is_weak=True),
    _Measure("eye_opening", EYE_WIDTHS, "eye_opening", _median),
    _Measure("eye_opening_range", EYE_WIDTHS, "eye_opening", _range),
    _Measure("blink_rate", "1/min", "eye_opening", _blinks_per_minute),
    _Measure("mouth_opening", EYE_DISTANCES, "mouth_opening", _mean),
    _Measure("mouth_opening_range", EYE_DISTANCES, "mouth_opening", _range),
    _Measure("lip_corner_pull", EYE_DISTANCES, "lip_corner_pull", _median),
    _Measure("lip_corner_pull_range", EYE_DISTANCES, "lip_corner_pull", _range),
    _Measure("lip_corner_depress", EYE_DISTANCES, "lip_corner_depress", _median),
    _Measure("lip_press", "redness, negated", "lip_press", _median, is_weak=True),
    _Measure("head_pitch", DEGREES, "pitch_deg", _median),
    _Measure("head_yaw", DEGREES, "yaw_deg", _median),
    _Measure("head_roll", DEGREES, "roll_deg", _median),
    _Measure("head_motion", "deg/s", "head_motion_deg_per_s", _mean),
    _Measure("face_motion", "eye distances/s", "face_motion", _median),
)

FACE_CUES: Final = tuple((measure.name, measure.unit) for measure in _MEASURES)
"""Name and unit of every face cue, in the order in which `face_cues` returns them."""


def face_cues(face: TargetFace | NoFace, curves: FaceCurves | None) -> tuple[Cue, ...]:
    """Return all face cues of a clip; without a face, without a value and with the reason."""
    if isinstance(face, NoFace) or curves is None:
        reason: Reason = face.reason if isinstance(face, NoFace) else "no_face"
        return tuple(Cue.missing(name, unit, reason) for name, unit in FACE_CUES)
    return tuple(_cue(measure, face, curves) for measure in _MEASURES)


def _cue(measure: _Measure, face: TargetFace, curves: FaceCurves) -> Cue:
    values = curves.values[measure.curve]
    is_there = np.isfinite(values)
    value = measure.sum_up(curves.times_s[is_there], values[is_there])
    coverage = float(is_there.mean())
    if value is None:
        return Cue.missing(measure.name, measure.unit, _why_missing(measure, curves, is_there), coverage)
    cue = Cue(measure.name, value, measure.unit, coverage)
    if measure.is_weak:
        return cue.weakened("weak_source")
    if measure.name == "blink_rate" and curves.times_s[-1] - curves.times_s[0] < _SURE_BLINK_S:
        return cue.weakened("too_few_frames")
    return cue.weakened(face.reasons[0]) if face.state == "weak" and face.reasons else cue


def _why_missing(measure: _Measure, curves: FaceCurves, is_there: np.ndarray) -> Reason:
    if measure.name == "lip_press" and curves.is_frontal.sum() >= _MIN_PICTURES:
        return "no_colour"
    if is_there.sum() < _MIN_PICTURES and curves.is_seen.sum() >= 2 * max(int(curves.is_frontal.sum()), 1):
        return "profile"
    return "too_few_frames"
