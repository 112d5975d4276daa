"""Does a caption agree with itself: its emotions with valence and arousal, with its words, with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from vaemo_annotate.quality.affect_lexicon import valence_of
from vaemo_annotate.quality.agreement import is_stated
from vaemo_annotate.quality.finding import Finding, Findings
from vaemo_annotate.quality.refusal import find_refusal
from vaemo_annotate.quality.wheel import (
    Emotion,
    NamedEmotion,
    Sign,
    are_opposed,
    emotion_words,
    emotions_in_label,
    emotions_in_text,
    names_no_emotion,
)

_SIDE = {"up": 1.0, "down": -1.0}
_TEXT = "affect_description"


class ConsistencySettings(BaseModel):
    """Section `consistency` of check.yaml: stated values nearer to 0 than this, in [0, 1], have no side."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    valence_margin: Annotated[float, Field(ge=0, le=1)]
    arousal_margin: Annotated[float, Field(ge=0, le=1)]


class ConsistencyCheck:
    """Looks for emotions that do not go with the caption's valence, arousal or words, or with each other."""

    def __init__(self, settings: ConsistencySettings) -> None:
        """Check with these margins."""
        self._settings = settings

    def __call__(self, row: Mapping[str, Any]) -> Findings:
        """Return findings `consistency.*`.

        Scores, where they are known: consistency.expected_valence (mean rating of the words in [-1, 1], of those that
        have a side), .valence_gap (stated less expected), .expected_arousal (mean side, -1 or 1),
        .unknown_emotions (how many labels name no emotion that the wheel knows).
        """
        labels = [str(label) for label in row.get("emotions") or () if str(label).strip()]
        text = str(row.get(_TEXT) or "")
        emotions = [emotion for label in labels for emotion in emotions_in_label(label)]
        return Findings.together(
            [
                self._valence(emotions, row.get("valence")),
                self._arousal(emotions, row.get("arousal")),
                _unknown(labels),
                _opposed(emotions, " ".join([*labels, text])),
                _other_words(emotions, "" if find_refusal(text) else text),
            ]
        )

    def _valence(self, emotions: Sequence[Emotion], stated: float | None) -> Findings:
        ratings = [rating for e in emotions if e.valence != "either" and (rating := valence_of(e.word)) is not None]
        if not ratings or _is_mixed([e.valence for e in emotions]):
            return Findings()
        expected = sum(ratings) / len(ratings)
        scores = {"consistency.expected_valence": expected}
        if stated is None or not is_stated(stated):
            return Findings((), scores)
        scores["consistency.valence_gap"] = stated - expected
        names = ", ".join(emotion.word for emotion in emotions)
        detail = f"valence {stated:+.2f} beside {names}, which people rate {expected:+.2f}"
        return Findings(
            _if_across("consistency.valence", stated, expected, self._settings.valence_margin, detail), scores
        )

    def _arousal(self, emotions: Sequence[Emotion], stated: float | None) -> Findings:
        sides = [_SIDE[emotion.arousal] for emotion in emotions if emotion.arousal != "either"]
        if not sides or len(sides) < len(emotions) or len({*sides}) > 1:
            return Findings()
        scores = {"consistency.expected_arousal": sides[0]}
        if stated is None or not is_stated(stated):
            return Findings((), scores)
        side = "high" if sides[0] > 0 else "low"
        names = ", ".join(emotion.word for emotion in emotions)
        detail = f"arousal {stated:+.2f} beside {names}, which stands for {side} arousal"
        return Findings(
            _if_across("consistency.arousal", stated, sides[0], self._settings.arousal_margin, detail), scores
        )


def says_mixed(text: str) -> bool:
    """Return whether a text says that feelings are mixed, masked or changing."""
    padded = f" {text.lower()}"
    return any(f" {beginning}" in padded for beginning in emotion_words().mixing_words)


def _if_across(reason: str, stated: float, expected: float, margin: float, detail: str) -> list[Finding]:
    """Return the finding where they lie on opposite sides of 0, the stated value farther from it than the margin.

    What is expected has a side already: words that can mean either do not count.
    """
    is_across = stated * expected < 0 and abs(stated) > margin
    return [Finding(reason, f"{detail}; opposite sides of 0, beyond {margin:g}")] if is_across else []


def _is_mixed(sides: Sequence[Sign]) -> bool:
    return {"up", "down"} <= {*sides}


def _unknown(labels: Sequence[str]) -> Findings:
    unknown = [label for label in labels if not emotions_in_label(label) and not names_no_emotion(label)]
    findings = [Finding("consistency.unknown_emotion", f"{label!r} names no emotion of the wheel") for label in unknown]
    return Findings(findings, {"consistency.unknown_emotions": float(len(unknown))} if labels else {})


def _opposed(emotions: Sequence[Emotion], text: str) -> Findings:
    pairs = [(a, b) for a, b in combinations(emotions, 2) if are_opposed(a.family.name, b.family.name)]
    if not pairs or says_mixed(text):
        return Findings()
    first, second = pairs[0]
    detail = f"{first.word} ({first.family.name}) beside {second.word} ({second.family.name}), not said to be mixed"
    return Findings([Finding("consistency.opposed", detail)])


def _other_words(emotions: Sequence[Emotion], text: str) -> Findings:
    """Find a description that names only other families than the list does, all on the other side of valence."""
    sides = {emotion.valence for emotion in emotions}
    families = {emotion.family.name for emotion in emotions}
    named = [one for one in emotions_in_text(text) if one.emotion.family.name != "neutral"]
    if not named or any(not _is_against(one, families, sides) for one in named):
        return Findings()
    first = named[0]
    listed = ", ".join(emotion.word for emotion in emotions)
    detail = f"the description names {first.emotion.word} ({first.emotion.family.name}), the emotions are {listed}"
    return Findings([Finding("consistency.valence", detail, _TEXT, first.span)])


def _is_against(named: NamedEmotion, families: set[str], sides: set[Sign]) -> bool:
    """Return whether an emotion of the text stands on the other side of valence than all those listed."""
    other: Mapping[Sign, set[Sign]] = {"up": {"down"}, "down": {"up"}}
    return named.emotion.family.name not in families and sides == other.get(named.emotion.valence)
