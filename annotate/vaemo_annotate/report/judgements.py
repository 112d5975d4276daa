"""What software and people said of a run's captions, counted, and how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vaemo_annotate.quality.krippendorff import alpha
from vaemo_clips.verdict import Verdict, decide


@dataclass(slots=True)
class JudgementTally:
    """What came of all verdicts: which word counts, which reasons software gave, and what people said."""

    words: Counter[str] = field(default_factory=Counter)
    software: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    dropped_for: Counter[str] = field(default_factory=Counter)
    people_reasons: Counter[str] = field(default_factory=Counter)
    by_person: dict[str, Counter[str]] = field(default_factory=dict)
    software_people: Counter[tuple[str, str]] = field(default_factory=Counter)
    units: list[dict[str, str]] = field(default_factory=list)

    def note(self, verdicts: Sequence[Verdict]) -> Verdict | None:
        """Count the verdicts on one caption; return the one that counts."""
        counting = decide(verdicts)
        if counting is None:
            return None
        self.words[counting.verdict] += 1
        software = decide([verdict for verdict in verdicts if verdict.is_by_software])
        if software is not None:
            self._note_software(software)
        people = {verdict.by: verdict for verdict in verdicts if not verdict.is_by_software}
        if people:
            self._note_people(people, software, counting)
        return counting

    @property
    def agreement(self) -> float | None:
        """Krippendorff's alpha between people, keeping (as it is or fixed) against dropping."""
        names = sorted(self.by_person)
        return alpha([[unit.get(name) for unit in self.units] for name in names]) if len(names) > 1 else None

    @property
    def judged_twice(self) -> int:
        """Captions that two people or more judged."""
        return sum(len(unit) > 1 for unit in self.units)

    def _note_software(self, software: Verdict) -> None:
        self.software[software.verdict] += 1
        self.reasons.update(software.reasons)
        if software.verdict == "drop":
            self.dropped_for.update(software.reasons)

    def _note_people(self, people: Mapping[str, Verdict], software: Verdict | None, counting: Verdict) -> None:
        for name, verdict in people.items():
            self.by_person.setdefault(name, Counter())[verdict.verdict] += 1
            self.people_reasons.update(verdict.reasons)
        self.units.append({name: _side(verdict) for name, verdict in people.items()})
        if software is not None:
            self.software_people[_side(software), _side(counting)] += 1


def _side(verdict: Verdict) -> str:
    return "drop" if verdict.verdict == "drop" else "keep"
