"""Scores of one modality: each emotion's pattern against the measured cues, with the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vaemo_annotate.wording.deviation import deviation, reliability, strength
from vaemo_annotate.wording.measures import Modality
from vaemo_annotate.wording.rules import EmotionName, Pattern, Rules, Term
from vaemo_clips.cues.cue import Cue


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one cue says for (or, with a negative `weight`, against) one rule.

    `rule` is `happiness/face`, `valence`, …; `weight` is the cue's share of that rule's score; `sd` its distance.
    """

    rule: str
    source: str
    weight: float
    cue: str
    sd: float


@dataclass(frozen=True, slots=True)
class ModalityScores:
    """The emotions of one modality, in [-1, 1] each, for those that have a pattern there.

    `quality` in [0, 1] is how much of what the rules ask for was measured, and how well; `activity` in [0, 1]
    how far the measured cues are off the usual on the whole; `num_cues` how many the rules could use.
    """

    scores: dict[EmotionName, float]
    quality: float
    activity: float
    num_cues: int
    evidence: tuple[Evidence, ...]

    @property
    def best(self) -> tuple[EmotionName, float]:
        """The emotion with the highest score; of equal ones the first in the rules."""
        name = max(self.scores, key=lambda emotion: self.scores[emotion])
        return name, self.scores[name]


def score_modality(cues: Mapping[str, Cue], modality: Modality, rules: Rules, speaking: bool) -> ModalityScores:
    """Score every emotion that has a pattern in a modality."""
    patterns = patterns_of(modality, rules)
    evidence = {name: term_evidence(cues, f"{name}/{modality}", p.terms, rules, speaking) for name, p in patterns}
    scores = {name: sum(e.weight for e in evidence[name]) / pattern.total_weight for name, pattern in patterns}
    names = {term.cue for _, pattern in patterns for term in pattern.terms}
    carried = {name: reliability(cues[name], rules, speaking) for name in sorted(names) if name in cues}
    moved = sum(carried[name] * abs(_cue_strength(cues[name], rules)) for name in carried)
    return ModalityScores(
        scores=scores,
        quality=sum(carried.values()) / len(names),
        activity=moved / max(sum(carried.values()), 1e-9),
        num_cues=sum(value > 0 for value in carried.values()),
        evidence=tuple(part for name, pattern in patterns for part in shares(evidence[name], pattern.total_weight)),
    )


def patterns_of(modality: Modality, rules: Rules) -> list[tuple[EmotionName, Pattern]]:
    """Return the patterns of a modality, in the order of the rules."""
    found: list[tuple[EmotionName, Pattern]] = []
    for name, emotion in rules.emotions.items():
        pattern = emotion.face if modality == "face" else emotion.voice
        if pattern is not None:
            found.append((name, pattern))
    return found


def term_evidence(
    cues: Mapping[str, Cue], rule: str, terms: Sequence[Term], rules: Rules, speaking: bool
) -> list[Evidence]:
    """Return what each term adds: weight x direction x strength x reliability.

    Terms that say nothing are left out, and so is what would speak for a rule by a term that counts against it only.
    """
    found = []
    for term in terms:
        cue = cues.get(term.cue)
        distance = deviation(cue)
        if cue is not None and distance is not None:
            weight = term.weight * term.sign * strength(term.cue, distance, rules)
            weight *= reliability(cue, rules, speaking)
            if term.counts == "against_only":
                weight = min(weight, 0.0)
            found.append(Evidence(rule, expanded(term.source, rules), weight, term.cue, distance.sd))
    return [part for part in found if part.weight]


def shares(evidence: Sequence[Evidence], total_weight: float) -> list[Evidence]:
    """Return evidence with weights as shares of a rule's whole weight."""
    return [Evidence(e.rule, e.source, round(e.weight / total_weight, 4), e.cue, e.sd) for e in evidence]


def expanded(source: str, rules: Rules) -> str:
    """Return `emfacs: AU12 …` with the reference written out."""
    key, statement = source.split(": ", 1)
    return f"{statement} ({rules.sources[key]})"


def _cue_strength(cue: Cue, rules: Rules) -> float:
    distance = deviation(cue)
    return 0.0 if distance is None else strength(cue.name, distance, rules)
