"""The affect description: what the rules conclude, from which evidence, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

from vaemo_annotate.wording.affect import Affect
from vaemo_annotate.wording.measures import TWINS, modality
from vaemo_annotate.wording.paragraph import Parts, ordered
from vaemo_annotate.wording.phrasing import Phrasing
from vaemo_annotate.wording.score import Evidence
from vaemo_annotate.wording.sentence import MAX_CHARS, listed

_MOST_EVIDENCE = 3
_EVIDENCE_SHARE = 0.03
"""Evidence that moves a score by less is not worth a word."""
_SURE = ((0.15, "faint"), (0.35, "weak"), (0.55, "fair"), (1.01, "clear"))
_PLACES = ((-0.4, "very_low"), (-0.12, "low"), (0.12, "middle"), (0.4, "high"), (1.01, "very_high"))


def affect_description(affect: Affect, key: bytes) -> str:
    """Return the account of at most `MAX_CHARS`: with less evidence where it does not all fit."""
    for most in range(_MOST_EVIDENCE, -1, -1):
        phrasing = Phrasing(b"affect\0" + key)
        text = _account(affect, phrasing, most)
        if len(text) <= MAX_CHARS:
            return text
    raise AssertionError(f"an account without evidence has {len(text)} characters; shorten phrases.yaml")


def _account(affect: Affect, phrasing: Phrasing, most: int) -> str:
    order = phrasing.pick("affect.orders")
    parts: Parts = {
        "lead": [_lead(affect, phrasing)],
        "agreement": _agreement(affect, phrasing),
        "place": [_place(affect, phrasing)],
        "sure": _sure(affect, phrasing),
        **_evidence(affect, phrasing, most, before_lead=order.startswith("evidence")),
    }
    return ordered(order, parts)


def _lead(affect: Affect, phrasing: Phrasing) -> str:
    if affect.verdict == "named":
        return phrasing.pick(f"affect.lead.{band(affect.confidence)}", emotion=_emotion(affect, phrasing))
    if not (affect.face_counts or affect.voice_counts):
        return phrasing.pick("affect.lead.no_reference")
    return phrasing.pick(f"affect.lead.{affect.verdict}")


def _emotion(affect: Affect, phrasing: Phrasing) -> str:
    names = affect.names
    return names[0] if len(names) == 1 else phrasing.pick("affect.blend", first=names[0], second=names[1])


def _agreement(affect: Affect, phrasing: Phrasing) -> list[str]:
    """Return how face and voice go together; nothing where neither tells anything, or one tells too little."""
    if affect.agreement == "neither" or (affect.verdict == "unclear" and affect.agreement != "conflict"):
        return []
    if affect.agreement == "agree":
        return [phrasing.pick("affect.agreement.agree")]
    if affect.agreement == "conflict":
        face, voice = str(affect.face_emotion), str(affect.voice_emotion)
        return [phrasing.pick("affect.agreement.conflict", face=face, voice=voice)]
    other_counts = affect.voice_counts if affect.agreement == "only_face" else affect.face_counts
    return [phrasing.pick(f"affect.agreement.{affect.agreement}.{'measured' if other_counts else 'missing'}")]


def _evidence(affect: Affect, phrasing: Phrasing, most: int, before_lead: bool) -> Parts:
    """Return the strongest cues for the first emotion, and the strongest against it."""
    if affect.verdict != "named":
        return {}
    telling = {"only_face": "face", "only_voice": "voice"}.get(affect.agreement, "")
    own = [e for e in affect.evidence if e.rule.startswith(f"{affect.names[0]}/{telling}")]
    ranked = sorted((e for e in own if abs(e.weight) >= _EVIDENCE_SHARE), key=lambda e: -abs(e.weight))
    told = [e for n, e in enumerate(ranked) if not any(_is_same_movement(e, other) for other in ranked[:n])]
    speaks_for = [e for e in told if e.weight > 0][:most]
    against = [e for e in told if e.weight < 0][: min(1, most)]
    slot = "affect.evidence_first" if before_lead else "affect.evidence"
    return {
        "evidence": [phrasing.pick(slot, nouns=_nouns(speaks_for, phrasing))] if speaks_for else [],
        "against": [phrasing.pick("affect.against", nouns=_nouns(against, phrasing))] if against else [],
    }


def _is_same_movement(one: Evidence, other: Evidence) -> bool:
    return TWINS.get(one.cue) == other.cue and one.sd * other.sd < 0


def _nouns(evidence: Sequence[Evidence], phrasing: Phrasing) -> str:
    """Return cues as things, those of the face first."""
    in_order = sorted(evidence, key=lambda e: modality(e.cue))
    return listed([phrasing.pick(f"noun.{e.cue}.{'up' if e.sd > 0 else 'down'}") for e in in_order])


def _place(affect: Affect, phrasing: Phrasing) -> str:
    """Return valence and arousal in words, or that they are not known."""
    words = {}
    if affect.valence is not None:
        words["valence"] = phrasing.pick(f"affect.valence.{place(affect.valence)}")
    if affect.arousal is not None:
        words["arousal"] = phrasing.pick(f"affect.arousal.{place(affect.arousal)}")
    if len(words) == 2:
        return phrasing.pick("affect.place.both" if affect.face_counts else "affect.place.voice_alone", **words)
    return phrasing.pick(f"affect.place.{next(iter(words), 'none')}", **words)


def _sure(affect: Affect, phrasing: Phrasing) -> list[str]:
    """Return the confidence; where neither a name nor a place is given, there is nothing to be sure of."""
    if affect.verdict == "unclear" and affect.valence is None and affect.arousal is None:
        return []
    return [phrasing.pick(f"affect.sure.{band(affect.confidence)}", confidence=f"{affect.confidence:.2f}")]


def band(confidence: float) -> str:
    """Return the words' step of a confidence."""
    return next(name for limit, name in _SURE if confidence < limit)


def place(value: float) -> str:
    """Return the words' step of valence or arousal."""
    return next(name for limit, name in _PLACES if value < limit)
