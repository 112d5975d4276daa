"""What a run used: tokens, seconds and attempts of every prompt step, and what that cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vaemo_annotate.report.charts import Figure, Series, stacked_bars
from vaemo_annotate.report.tallies import LatencyQuantiles

_MILLION = 1e6
_TOKENS = (
    Series("prompt, cached", "mark-soft"),
    Series("prompt, read anew", "mark"),
    Series("generated", "mark-2"),
)


@dataclass(slots=True)
class StepTally:
    """Sums over all outcomes of one prompt step; attempts beyond the first are included."""

    name: str
    outcomes: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cut_off: int = 0
    latency: LatencyQuantiles = field(default_factory=LatencyQuantiles)

    def add(self, step: Mapping[str, Any]) -> None:
        """Count one step of one outcome (`vaemo_clips.caption.STEP_TYPE`)."""
        self.outcomes += 1
        self.attempts += step["attempts"] or 0
        self.prompt_tokens += step["prompt_tokens"] or 0
        self.cached_tokens += step["cached_tokens"] or 0
        self.completion_tokens += step["completion_tokens"] or 0
        self.cut_off += step["finish_reason"] == "length"
        self.latency.add(step["latency_s"] or 0.0)


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a million tokens, in one currency; None where it was not given."""

    prompt: float | None = None
    completion: float | None = None

    @property
    def given(self) -> bool:
        """Whether any price is known."""
        return self.prompt is not None or self.completion is not None

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost; cached tokens cost as much as others."""
        return (prompt_tokens * (self.prompt or 0.0) + completion_tokens * (self.completion or 0.0)) / _MILLION


class StepTallies:
    """The steps of a prompt in the order they came first, and how their replies ended."""

    def __init__(self) -> None:
        self._steps: dict[str, StepTally] = {}
        self.endings: Counter[str] = Counter()

    def add(self, steps: Iterable[Mapping[str, Any]]) -> float:
        """Count the steps of one outcome; return the seconds they took together."""
        seconds = 0.0
        for step in steps:
            name = step["name"] or "?"
            self._steps.setdefault(name, StepTally(name)).add(step)
            self.endings[step["finish_reason"] or "unknown"] += 1
            seconds += step["latency_s"] or 0.0
        return seconds

    def __iter__(self) -> Any:
        return iter(self._steps.values())

    def total(self, name: str) -> int:
        """Sum a count over all steps, by its field's name."""
        return sum(getattr(step, name) for step in self._steps.values())

    def tokens_figure(self) -> Figure:
        """Tokens of each step: read from the cache, read anew, generated."""
        items = [
            (
                step.name,
                (step.cached_tokens, max(step.prompt_tokens - step.cached_tokens, 0), step.completion_tokens),
            )
            for step in self._steps.values()
            if step.prompt_tokens or step.completion_tokens
        ]
        return stacked_bars("Tokens by step", items, _TOKENS, "" if items else "no tokens: no model was asked")
