"""What a check finds: typed findings on a caption, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DESCRIPTIONS = ("visual_description", "acoustic_description", "affect_description")
"""The three texts of a caption."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one caption.

    `reason` is typed, `group.name` (`leak.transcript`); `detail` is one line for people: the value and the rule.
    `column` names the description it was found in and `span` the characters [begin, end) there, where that is known.
    """

    reason: str
    detail: str
    column: str | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What one check says about one caption: findings, and scores by name (`grounding.supported`: 3.0)."""

    findings: Sequence[Finding] = ()
    scores: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def together(cls, parts: Sequence[Findings]) -> Findings:
        """Join what several checks said of one caption."""
        findings = [finding for part in parts for finding in part.findings]
        return cls(findings, {name: value for part in parts for name, value in part.scores.items()})
