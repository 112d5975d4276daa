"""How far the captions' claims about face and voice are borne out by what was measured, by aspect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vaemo_annotate.quality.checked import Checked
from vaemo_annotate.quality.grounding import segments
from vaemo_annotate.report.charts import Figure, Series, stacked_bars
from vaemo_annotate.report.collection import Candidate

STATES = (
    Series("supported", "supported"),
    Series("contradicted", "contradicted"),
    Series("unclear", "unclear"),
    Series("not_measurable", "not_measurable"),
)
Aspects = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class CueSupport:
    """Claims by aspect and state; `captions` they were counted in, a fair draw where `is_sample`."""

    aspects: Aspects
    captions: int
    is_sample: bool

    @property
    def totals(self) -> dict[str, int]:
        """Claims by state, over all aspects."""
        return {part.name: sum(found.get(part.name, 0) for found in self.aspects.values()) for part in STATES}

    @property
    def contradicted_share(self) -> float | None:
        """Contradicted claims among those that are decided either way; None where none is."""
        totals = self.totals
        decided = totals["supported"] + totals["contradicted"]
        return totals["contradicted"] / decided if decided else None

    def figure(self) -> Figure:
        """One stacked bar an aspect, the most frequent first."""
        named = sorted(self.aspects.items(), key=lambda item: (-sum(item[1].values()), item[0]))
        items = [(aspect.replace("_", " "), [found.get(part.name, 0) for part in STATES]) for aspect, found in named]
        return stacked_bars(
            "Claims by aspect", items, STATES, "" if items else "no claim about face or voice was found in the captions"
        )


def cue_support(checked: Checked, drawn: Sequence[Candidate]) -> CueSupport:
    """Read the counts of the check; of a run that was not checked, count them in the captions drawn."""
    if checked.record is not None:
        return CueSupport(checked.record.get("grounding", {}), checked.record.get("captions", 0), False)
    counted: dict[str, Counter[str]] = {}
    for candidate in drawn:
        row = {**candidate.row, "cues": checked.cues_of(candidate.row)}
        for found in segments(row, checked.settings.grounding).values():
            for _, _, judged in found:
                counted.setdefault(judged.claim.aspect, Counter())[judged.state] += 1
    return CueSupport(counted, len(drawn), True)
