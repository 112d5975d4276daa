"""Whether the captions stay the same over a run: means over stretches of it, in the order they were made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vaemo_annotate.report.charts import Figure, run_line

_WORDS_IN_STRETCH = 200


@dataclass(slots=True)
class _Part:
    """What one stretch of the run holds."""

    captions: int = 0
    rejects: int = 0
    words: int = 0
    kept: int = 0
    judged: int = 0
    valence: list[float] = field(default_factory=lambda: [0.0, 0.0])
    latency: list[float] = field(default_factory=lambda: [0.0, 0.0])
    distinct: list[float] = field(default_factory=lambda: [0.0, 0.0])
    seen: set[str] = field(default_factory=set)
    seen_words: int = 0

    def read(self, words: Sequence[str]) -> None:
        self.words += len(words)
        for word in words:
            self.seen.add(word.lower())
            self.seen_words += 1
            if self.seen_words == _WORDS_IN_STRETCH:
                _add(self.distinct, len(self.seen) / _WORDS_IN_STRETCH)
                self.seen, self.seen_words = set(), 0


class Drift:
    """Counts per stretch of the run, in memory that does not grow with it."""

    def __init__(self, middles: list[float]) -> None:
        self._middles = middles
        self._parts = [_Part() for _ in middles]

    def note_caption(
        self, place: int, words: Sequence[str], valence: float | None, latency_s: float, kept: bool | None
    ) -> None:
        """Count one caption; `kept` is None where nobody judged it."""
        part = self._parts[place]
        part.captions += 1
        part.read(words)
        if valence is not None:
            _add(part.valence, valence)
        _add(part.latency, latency_s)
        if kept is not None:
            part.judged += 1
            part.kept += kept

    def note_reject(self, place: int) -> None:
        """Count one reject."""
        self._parts[place].rejects += 1

    def figures(self, *, rejects_known: bool) -> list[Figure]:
        """Six lines over the run."""
        parts = self._parts
        rejects = [_share(part.rejects, part.rejects + part.captions) if rejects_known else None for part in parts]
        return [
            self._line("Length of a caption", (_share(part.words, part.captions) for part in parts), "words"),
            self._line(
                "Distinct words",
                (_mean(part.distinct) for part in parts),
                f"share of {_WORDS_IN_STRETCH} running words",
                f"no stretch of {_WORDS_IN_STRETCH} words" if not any(part.distinct[1] for part in parts) else "",
            ),
            self._line("Mean valence", (_mean(part.valence) for part in parts), "valence"),
            self._line("Rejected", rejects, "share of outcomes", from_zero=True),
            self._line(
                "Kept",
                (_share(part.kept, part.judged) for part in parts),
                "share of judged captions",
                "" if any(part.judged for part in parts) else "no verdicts yet",
                from_zero=True,
            ),
            self._line(
                "Latency of a caption",
                (_mean(part.latency) for part in parts),
                "seconds, all its steps",
                from_zero=True,
            ),
        ]

    def _line(
        self, title: str, values: Iterable[float | None], unit: str, note: str = "", *, from_zero: bool = False
    ) -> Figure:
        return run_line(title, self._middles, list(values), unit, note, from_zero=from_zero)


def _add(pair: list[float], value: float) -> None:
    """Add a value to sum and number; NaN and infinity are no values."""
    if not math.isfinite(value):
        return
    pair[0] += value
    pair[1] += 1


def _mean(pair: list[float]) -> float | None:
    return pair[0] / pair[1] if pair[1] else None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
