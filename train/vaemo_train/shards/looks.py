"""When a clip's pictures are looked at, and which picture is on screen then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_train.shards.span import num_slots

TimedPicture = tuple[float, NDArray[np.uint8]]
"""When a picture came, in seconds of the clip, and the picture: (H, W, 3) uint8 RGB."""

_MIN_RATE_HZ = 12.5  # of looks: a face is followed well enough
_LONGEST_S = 0.5  # a picture that stands for longer shows no face in motion
_SNAP_S = 1e-3  # a picture that comes so soon after a look is meant by it, however times were rounded


@dataclass(frozen=True, slots=True)
class Looks:
    """Look j is at (j + 0.5) / (per_slot * fps) seconds; `per_slot` is odd, so one is at the middle of each slot."""

    fps: float
    per_slot: int
    num_slots: int

    @classmethod
    def of(cls, fps: float, duration_s: float) -> Looks:
        """One look a slot, more where slots are long."""
        per_slot = 1
        while per_slot * fps < _MIN_RATE_HZ:
            per_slot += 2
        return cls(fps, per_slot, num_slots(duration_s, fps))

    @property
    def rate_hz(self) -> float:
        """Looks a second."""
        return self.per_slot * self.fps

    def on_screen(self, pictures: Iterable[TimedPicture]) -> Iterator[tuple[TimedPicture, range]]:
        """The pictures that are on screen at a look, each once and in order, and the slots that show it in the middle.

        On screen is the last picture that has come, for at most half a second; at the begin it is the first to come.
        """
        num_looks = self.per_slot * self.num_slots
        first, held = 0, None
        for picture in pictures:
            end = min(self._next_look(picture[0]), num_looks)
            if held is not None and end > first:
                yield from self._shown(held, first, end)
                first = end
            held = picture
        if held is not None and first < num_looks:
            yield from self._shown(held, first, num_looks)

    def _next_look(self, time_s: float) -> int:
        """The first look that is not before a picture that comes at `time_s`."""
        return max(int(np.ceil((time_s - _SNAP_S) * self.rate_hz - 0.5)), 0)

    def _shown(self, picture: TimedPicture, first: int, end: int) -> Iterator[tuple[TimedPicture, range]]:
        """The picture, if it comes within half a second of a look in [first, end)."""
        first = max(first, self._next_look(picture[0] - _LONGEST_S))
        end = min(end, self._next_look(picture[0] + _LONGEST_S))
        if end > first:
            yield picture, range(self._slot_from(first), self._slot_from(end))

    def _slot_from(self, look: int) -> int:
        """The first slot whose middle is at or after a look."""
        return -(-(look - self.per_slot // 2) // self.per_slot)
