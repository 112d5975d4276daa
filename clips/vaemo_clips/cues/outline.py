"""The coarse course of a clip's cues over time, and the stretches in which one of them stands out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from vaemo_clips.cues.event import Against, Event
from vaemo_clips.cues.face_curves import Curve, FaceCurves, blinks
from vaemo_clips.cues.norms import Norm

STEP_S = 0.2
MAX_STEPS = 300
"""Longer clips get wider steps, so that an outline stays small."""
OUTLINED = {
    "brow_raise": "brow_raise",
    "eye_opening": "eye_opening",
    "lip_corner_pull": "lip_corner_pull",
    "lip_corner_depress": "lip_corner_depress",
    "head_yaw": "yaw_deg",
    "head_pitch": "pitch_deg",
}
"""Cues whose course is kept, and the curve each is read from; a mouth that opens is speech more often than not."""
_STANDS_OUT_SD = 1.5
_MIN_EVENT_S = 0.4
_BLINK_EDGE = 2  # pictures before and after in which lids fall and rise
_WHOLE_CLIP = 0.9  # of what was measured


@dataclass(frozen=True, slots=True)
class Outline:
    """Means of the cues in `OUTLINED` over equal steps of a clip, None where nothing was measured."""

    step_s: float
    values: Mapping[str, tuple[float | None, ...]]

    @classmethod
    def of(cls, curves: FaceCurves | None, duration_s: float) -> Outline:
        """Sum the curves up, blinks left out; times count from the clip's begin."""
        step_s = max(STEP_S, duration_s / MAX_STEPS)
        if curves is None or duration_s <= 0:
            return cls(step_s, {})
        num_steps = max(int(np.ceil(duration_s / step_s)), 1)
        steps = np.clip((curves.times_s / step_s).astype(np.int64), 0, num_steps - 1)
        courses = {cue: curves.values[curve] for cue, curve in OUTLINED.items()}
        courses["eye_opening"] = _without_blinks(curves.times_s, courses["eye_opening"])
        return cls(step_s, {cue: _means(course, steps, num_steps) for cue, course in courses.items()})

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Outline:
        """Read what `to_dict` wrote."""
        return cls(content["step_s"], {name: tuple(values) for name, values in content["values"].items()})

    def to_dict(self) -> dict[str, Any]:
        """Return the outline as plain lists."""
        return {"step_s": self.step_s, "values": {name: list(values) for name, values in self.values.items()}}

    def events(self, people: Mapping[str, Norm], speaker: Mapping[str, Norm]) -> tuple[Event, ...]:
        """Return the stretches that lie beyond 1.5 standard deviations for at least 0.4 s, in time order.

        A cue is held against the `speaker` where that norm is known, else against `people`; both are of single
        moments. What holds over the whole clip is no event: the cue itself says it, and against people it may be
        no more than a person's look.
        """
        found: list[Event] = []
        for cue, values in self.values.items():
            course = np.array([np.nan if value is None else value for value in values])
            if cue in speaker:
                found += self._events(cue, course, speaker[cue], "speaker")
            elif cue in people:
                found += self._events(cue, course, people[cue], "people")
        return tuple(sorted(found, key=lambda event: (event.begin_s, event.cue)))

    def _events(self, cue: str, values: Curve, norm: Norm, against: Against) -> list[Event]:
        distances = np.nan_to_num((values - norm.mean) / norm.sd)
        sides = np.where(distances > _STANDS_OUT_SD, 1, np.where(distances < -_STANDS_OUT_SD, -1, 0))
        borders = [0, *(np.flatnonzero(np.diff(sides)) + 1).tolist(), len(sides)]
        return [
            Event(
                cue=cue,
                begin_s=round(first * self.step_s, 3),
                end_s=round(last * self.step_s, 3),
                direction="up" if sides[first] > 0 else "down",
                sd=float(distances[first:last].mean()),
                against=against,
            )
            for first, last in pairwise(borders)
            if sides[first] and self._is_event(last - first, values)
        ]

    def _is_event(self, num_steps: int, values: Curve) -> bool:
        is_long = num_steps * self.step_s >= _MIN_EVENT_S - 1e-9
        return is_long and num_steps < _WHOLE_CLIP * int(np.isfinite(values).sum())


def _without_blinks(times_s: Curve, opening: Curve) -> Curve:
    kept = opening.copy()
    for first, last in blinks(times_s, opening):
        kept[max(first - _BLINK_EDGE, 0) : last + _BLINK_EDGE] = np.nan
    return kept


def _means(values: Curve, steps: np.ndarray, num_steps: int) -> tuple[float | None, ...]:
    is_there = np.isfinite(values)
    counts = np.bincount(steps[is_there], minlength=num_steps)
    sums = np.bincount(steps[is_there], weights=values[is_there], minlength=num_steps)
    return tuple(round(float(s / c), 4) if c else None for s, c in zip(sums, counts, strict=True))
