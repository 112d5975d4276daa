"""What a stream of numbers and words leaves behind in constant memory: histograms, grids, quantiles, a fair draw."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_LOWEST_S = 1e-3
_RATIO = 1.02
_MOST_WORDS = 20_000
_MOST_NAMES = 5_000


@dataclass(slots=True)
class Histogram:
    """Counts in `bins` equal bins of [low, high]; what lies outside counts in the outermost bin, None and NaN apart."""

    low: float
    high: float
    bins: int
    counts: list[int] = field(default_factory=list)
    missing: int = 0
    total: float = 0.0

    def __post_init__(self) -> None:
        """Begin with empty bins, unless counts are given."""
        self.counts = self.counts or [0] * self.bins

    def add(self, value: float | None) -> None:
        """Count one value."""
        if value is None or not math.isfinite(value):
            self.missing += 1
            return
        place = int((value - self.low) / (self.high - self.low) * self.bins)
        self.counts[min(max(place, 0), self.bins - 1)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Mean of the values themselves, not of the bins."""
        return self.total / self.count if self.count else None

    def trimmed(self) -> Histogram:
        """The same counts without the empty bins at the upper end."""
        bins = max(4, *(index + 1 for index, count in enumerate(self.counts) if count), 0)
        high = self.low + (self.high - self.low) * bins / self.bins
        return Histogram(self.low, high, bins, self.counts[:bins], self.missing, self.total)

    def edges(self) -> list[float]:
        """The `bins` + 1 edges."""
        return [self.low + (self.high - self.low) * index / self.bins for index in range(self.bins + 1)]


@dataclass(slots=True)
class Grid:
    """Counts over [-1, 1] x [-1, 1] in `bins` x `bins` equal cells, rows from -1 up."""

    bins: int
    counts: list[list[int]] = field(default_factory=list)
    missing: int = 0

    def __post_init__(self) -> None:
        """Begin with empty cells."""
        self.counts = [[0] * self.bins for _ in range(self.bins)]

    def add(self, x: float | None, y: float | None) -> None:
        """Count one point; one without both coordinates apart."""
        if x is None or y is None or not (math.isfinite(x) and math.isfinite(y)):
            self.missing += 1
            return
        self.counts[self._place(y)][self._place(x)] += 1

    def _place(self, value: float) -> int:
        return min(max(int((value + 1) / 2 * self.bins), 0), self.bins - 1)


@dataclass(slots=True)
class LatencyQuantiles:
    """Quantiles of durations in seconds, to within 1 %: counts in bins that grow by 2 %."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[round(math.log(max(seconds, _LOWEST_S) / _LOWEST_S, _RATIO))] += 1

    def quantile(self, share: float) -> float | None:
        """The duration below which `share` of them lie; None where there is none."""
        wanted, seen = share * self.counts.total(), 0
        for place in sorted(self.counts):
            seen += self.counts[place]
            if seen >= wanted:
                return _LOWEST_S * _RATIO**place if place else 0.0
        return None


class WordCounts:
    """How often each word came, in memory that has a bound: of very many different ones the rare are forgotten."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, word: str) -> None:
        """Count one word."""
        self._counts[word] += 1
        if len(self._counts) > _MOST_WORDS:
            self._counts = Counter(dict(self._counts.most_common(_MOST_WORDS // 2)))

    def most_common(self, count: int) -> list[tuple[str, int]]:
        """The most frequent words; of equally frequent ones the first in the alphabet."""
        return heapq.nsmallest(count, self._counts.items(), key=lambda item: (-item[1], item[0]))

    def __len__(self) -> int:
        return len(self._counts)


class NameCounts:
    """Captions by name and kind, in memory that has a bound: names beyond the first `most` are only counted together.

    `by_kind` counts those with a name; `beyond` how many captions have a name that came too late for it.
    """

    def __init__(self, most: int = _MOST_NAMES) -> None:
        self.most = most
        self.beyond = 0
        self.by_kind: dict[str, Counter[Any]] = {}

    def add(self, name: str, kind: Any) -> None:
        """Count one caption."""
        if name in self.by_kind or len(self.by_kind) < self.most:
            self.by_kind.setdefault(name, Counter())[kind] += 1
        else:
            self.beyond += 1

    @property
    def cut(self) -> str:
        """Where the counting was cut off; empty where it was not."""
        if not self.beyond:
            return ""
        return f"only the first {self.most:,} names are told apart: {self.beyond:,} captions have others"


class Draw:
    """A fair draw of `size` things from a stream of unknown length (reservoir sampling, Vitter 1985, algorithm R)."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._chance = random.Random(seed)
        self._seen = 0
        self.kept: list[Any] = []

    def offer(self, thing: Any) -> None:
        """Take the next thing of the stream, or pass it by."""
        self._seen += 1
        if len(self.kept) < self._size:
            self.kept.append(thing)
            return
        place = self._chance.randrange(self._seen)
        if place < self._size:
            self.kept[place] = thing
