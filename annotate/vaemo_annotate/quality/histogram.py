"""A histogram over values whose range is not known before: its bins double in width as it widens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

NUM_BINS: Final = 20
_FIRST_WIDTH: Final = 0.05


@dataclass(slots=True)
class Histogram:
    """Counts in `NUM_BINS` bins [low + k width, low + (k + 1) width), the last with its upper end; at first [0, 1]."""

    low: float = 0.0
    width: float = _FIRST_WIDTH
    counts: list[int] = field(default_factory=lambda: [0] * NUM_BINS)
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    at_high: int = 0

    @property
    def high(self) -> float:
        """The upper end."""
        return self.low + NUM_BINS * self.width

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def add(self, value: float) -> None:
        """Count a value; one that is no finite number is an error of the check that gave it."""
        if not math.isfinite(value):
            raise ValueError(f"a score is {value}; it must be a finite number")
        while value > self.high or value < self.low:
            self._widen(upwards=value > self.high)
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)
        self.at_high += value == self.high
        self.counts[self._bin(value)] += 1

    def to_dict(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        if not self.count:
            return {"count": 0}
        return {
            "count": self.count, "mean": self.total / self.count, "least": self.least, "most": self.most,
            "low": self.low, "width": self.width, "counts": self.counts,
        }  # fmt: skip

    def _bin(self, value: float) -> int:
        return min(int((value - self.low) / self.width), NUM_BINS - 1)

    def _widen(self, upwards: bool) -> None:
        """Double the width; what lay at the upper end, in the last bin, goes to the bin that begins there."""
        old_high, at_old_high = self.high, self.at_high
        pairs = [self.counts[k] + self.counts[k + 1] for k in range(0, NUM_BINS, 2)]
        empty = [0] * (NUM_BINS // 2)
        if upwards:
            self.counts = [*pairs, *empty]
            self.width, self.at_high = 2 * self.width, 0
            self.counts[NUM_BINS // 2 - 1] -= at_old_high
            self.counts[self._bin(old_high)] += at_old_high
        else:
            self.low -= NUM_BINS * self.width
            self.width *= 2
            self.counts = [*empty, *pairs]
