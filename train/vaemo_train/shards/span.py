"""How a clip is cut into the rows of a shard: equal parts of at most ten seconds, with borders between slots."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vaemo_clips.timeline import seconds_to_frames, seconds_to_samples
from vaemo_train.shards.row import MAX_ROW_S

_ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class Span:
    """Part `row` of a clip: [begin_s, begin_s + duration_s) in the clip, its slots [first_slot, end_slot)."""

    row: int
    begin_s: float
    duration_s: float
    first_slot: int
    end_slot: int

    def samples(self, rate_hz: int) -> slice:
        """Place of the part's sound in the clip's."""
        end_s = self.begin_s + self.duration_s
        return slice(seconds_to_samples(self.begin_s, rate_hz), seconds_to_samples(end_s, rate_hz))

    @property
    def slots(self) -> slice:
        """Place of the part's slots among the clip's."""
        return slice(self.first_slot, self.end_slot)


def num_slots(duration_s: float, fps: float) -> int:
    """Slots whose middle lies in the clip: slot k covers [k, k + 1) / fps and shows the picture of its middle."""
    return seconds_to_frames(duration_s, fps)


def spans(duration_s: float, fps: float) -> list[Span]:
    """Cut a clip into the fewest parts of at most MAX_ROW_S seconds, as equal as whole slots allow.

    They lie end to end; the last one ends with the clip, the others on a multiple of 1 / fps. Raises ValueError for
    a duration or rate that is not above 0.
    """
    if not (duration_s > 0 and fps > 0):
        raise ValueError(f"duration_s={duration_s} and fps={fps} must be above 0")
    num_parts = math.ceil(duration_s / MAX_ROW_S)
    while True:
        parts = _parts(duration_s, fps, num_parts)
        if all(part.duration_s <= MAX_ROW_S + _ROUNDING_S for part in parts):
            return parts
        num_parts += 1  # whole slots of an odd rate do not fill ten seconds


def _parts(duration_s: float, fps: float, num_parts: int) -> list[Span]:
    slots = num_slots(duration_s, fps)
    borders = [-(-slots * part // num_parts) for part in range(num_parts + 1)]  # the longer parts come first
    times_s = [border / fps for border in borders[:-1]] + [duration_s]
    return [
        Span(part, times_s[part], times_s[part + 1] - times_s[part], borders[part], borders[part + 1])
        for part in range(num_parts)
    ]
