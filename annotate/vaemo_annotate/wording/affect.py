"""The verdict: emotions, valence, arousal and confidence that written rules read out of measured cues."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vaemo_annotate.wording.contradiction import without_contradictions
from vaemo_annotate.wording.deviation import deviation, notable, reliability, with_events
from vaemo_annotate.wording.facts import speaks, usable
from vaemo_annotate.wording.measures import TOLD
from vaemo_annotate.wording.rules import Dimension, EmotionName, Rules, load_rules
from vaemo_annotate.wording.score import Evidence, ModalityScores, score_modality, shares, term_evidence
from vaemo_clips.cues.cue import Cue, by_name
from vaemo_clips.cues.event import Event
from vaemo_clips.cues.measurement import Facts

Agreement = Literal["agree", "conflict", "only_face", "only_voice", "neither"]
Verdict = Literal["named", "neutral", "unclear"]
_UNCLEAR = (("unclear", 0.0),)


@dataclass(frozen=True, slots=True)
class Affect:
    """What the rules conclude.

    `emotions` are names with scores in [0, 1], the best first: one or two of the rules' emotions where
    `verdict` is `named`, else the single word `neutral` (enough was measured, and nothing stands out) or
    `unclear`. valence and arousal in [-1, 1], None where nothing measured speaks of them. confidence in
    [0, 0.8]. `face_emotion` and `voice_emotion` are what each alone points to, None where it does not;
    `face_counts` and `voice_counts` tell whether any cue of theirs could be set against a reference.
    """

    emotions: tuple[tuple[str, float], ...]
    valence: float | None
    arousal: float | None
    confidence: float
    evidence: tuple[Evidence, ...]
    agreement: Agreement
    verdict: Verdict
    face_emotion: EmotionName | None = None
    voice_emotion: EmotionName | None = None
    face_counts: bool = False
    voice_counts: bool = False

    @property
    def names(self) -> list[str]:
        """The emotions without their scores."""
        return [name for name, _ in self.emotions]


def judge(cues: Iterable[Cue], facts: Facts, events: Sequence[Event] = (), rules: Rules | None = None) -> Affect:
    """Read the affect out of cues and their events. Cues that the rules do not name are ignored."""
    rules = rules or load_rules()
    sound, lasting = without_contradictions(usable(cues, facts), events, rules)
    named = by_name(with_events(sound, lasting, facts.duration_s))
    speaking = speaks(named, facts)
    face = score_modality(named, "face", rules, speaking)
    voice = score_modality(named, "voice", rules, speaking)
    scores = fuse(face, voice, rules)
    agreement, face_emotion, voice_emotion = compare(face, voice, rules)
    candidates = torn(face, voice, rules) if agreement == "conflict" else scores
    emotions, verdict = name_emotions(candidates, agreement, face, voice, rules)
    if verdict == "neutral" and num_strong(named.values(), rules) > rules.naming.neutral_most_strong:
        emotions, verdict = _UNCLEAR, "unclear"
    valence, for_valence = _dimension(named, "valence", rules, scores, speaking)
    arousal, for_arousal = _dimension(named, "arousal", rules, scores, speaking)
    if valence is not None and face.num_cues == 0:
        valence = round(valence * rules.voice_only_valence, 2) + 0.0
    return Affect(
        emotions=emotions,
        valence=valence,
        arousal=arousal,
        confidence=confidence(candidates, verdict, agreement, face, voice, rules),
        evidence=(*face.evidence, *voice.evidence, *for_valence, *for_arousal),
        agreement=agreement,
        verdict=verdict,
        face_emotion=face_emotion,
        voice_emotion=voice_emotion,
        face_counts=face.num_cues > 0,
        voice_counts=voice.num_cues > 0,
    )


def fuse(face: ModalityScores, voice: ModalityScores, rules: Rules) -> dict[EmotionName, float]:
    """Return the emotions' scores over both modalities, weighted by what each is worth and how much of it was measured.

    A modality that was measured but says nothing pulls a score down: it had its chance to confirm it.
    """
    face_weight = rules.modality_weight["face"] * face.quality
    voice_weight = rules.modality_weight["voice"] * voice.quality
    fused: dict[EmotionName, float] = {}
    for name in rules.emotions:
        in_face, in_voice = name in face.scores and face_weight > 0, name in voice.scores and voice_weight > 0
        if in_face and in_voice:
            both = face_weight * face.scores[name] + voice_weight * voice.scores[name]
            fused[name] = both / (face_weight + voice_weight)
        else:
            alone = face.scores[name] if in_face else voice.scores[name] if in_voice else 0.0
            unconfirmed = face_weight > 0 and voice_weight > 0
            fused[name] = alone * (rules.naming.one_modality_factor if unconfirmed else 1.0)
    return fused


def torn(face: ModalityScores, voice: ModalityScores, rules: Rules) -> dict[EmotionName, float]:
    """Return the two emotions between which a conflict of face and voice leaves the choice.

    A mean of both would name a third one that neither shows.
    """
    face_weight = rules.modality_weight["face"] * face.quality
    voice_weight = rules.modality_weight["voice"] * voice.quality
    both = face_weight + voice_weight
    (face_name, face_best), (voice_name, voice_best) = face.best, voice.best
    return {face_name: face_best * face_weight / both, voice_name: voice_best * voice_weight / both}


def name_emotions(
    scores: Mapping[EmotionName, float], agreement: Agreement, face: ModalityScores, voice: ModalityScores, rules: Rules
) -> tuple[tuple[tuple[str, float], ...], Verdict]:
    """Return what to call it: up to two emotions, or `neutral` where enough was measured, or `unclear`.

    A conflict of face and voice is told by both of their emotions.
    """
    naming = rules.naming
    second_from = 0.0 if agreement == "conflict" else naming.second_ratio
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    best = ranked[0][1]
    if best >= naming.from_score:
        kept = [(name, round(score, 3)) for name, score in ranked[:2] if score >= second_from * best]
        return tuple(kept), "named"
    activity = max((m.activity for m in (face, voice) if m.num_cues), default=1.0)
    if max(face.quality, voice.quality) >= naming.neutral_min_quality and activity < naming.neutral_below:
        return (("neutral", round(1 - activity, 3)),), "neutral"
    return _UNCLEAR, "unclear"


def num_strong(cues: Iterable[Cue], rules: Rules) -> int:
    """Return how many measured cues are strongly off the usual; where the head points does not count."""
    known = {*TOLD} - {"head_yaw", "head_pitch", "head_roll"}
    measured = [cue for cue in cues if cue.name in known and cue.state == "measured"]
    return sum(notable(cue.name, d, rules) == "strong" for cue in measured if (d := deviation(cue)))


def compare(
    face: ModalityScores, voice: ModalityScores, rules: Rules
) -> tuple[Agreement, EmotionName | None, EmotionName | None]:
    """Return whether face and voice point the same way, and where each points."""
    (face_name, face_best), (voice_name, voice_best) = face.best, voice.best
    face_tells = face_best >= rules.naming.modality_from_score
    voice_tells = voice_best >= rules.naming.modality_from_score
    if not (face_tells and voice_tells):
        agreement: Agreement = "only_face" if face_tells else "only_voice" if voice_tells else "neither"
        return agreement, face_name if face_tells else None, voice_name if voice_tells else None
    shared = max(voice.scores.get(face_name, 0) / voice_best, face.scores.get(voice_name, 0) / face_best)
    return ("agree" if shared >= rules.naming.agree_ratio else "conflict"), face_name, voice_name


def confidence(
    scores: Mapping[EmotionName, float],
    verdict: Verdict,
    agreement: Agreement,
    face: ModalityScores,
    voice: ModalityScores,
    rules: Rules,
) -> float:
    """Return how far the verdict is to be trusted: ceiling x (amount and margin) x quality x agreement.

    Amount is the best score, margin its lead over the second; both saturate. Quality is that of the better
    measured modality, raised by the other. For `neutral`, amount is how little moves, and quality is that of
    both: what was not measured may well move. `unclear` stays below its own ceiling.
    These are rules of thumb, made by hand on few measurements: hence the ceiling.
    """
    settings, share = rules.confidence, rules.modality_weight
    better, other = sorted((face.quality, voice.quality), reverse=True)
    quality = min(1.0, better + 0.25 * other)
    least = settings.unclear_ceiling * quality
    if verdict == "unclear":
        return round(least, 2)
    if verdict == "neutral":
        activity = max(m.activity for m in (face, voice) if m.num_cues)
        sure = 1 - activity / rules.naming.neutral_below
        of_both = share["face"] * face.quality + share["voice"] * voice.quality
        return round(max(settings.ceiling * sure * of_both * settings.agreement[agreement], least), 2)
    first, second = sorted(scores.values(), reverse=True)[:2]
    amount = min(1.0, first / settings.full_score)
    margin = min(1.0, (first - second) / settings.full_margin)
    sure = (1 - settings.margin_share) * amount + settings.margin_share * margin
    return round(settings.ceiling * sure * quality * settings.agreement[agreement], 2)


def _dimension(
    cues: Mapping[str, Cue],
    which: Literal["valence", "arousal"],
    rules: Rules,
    scores: Mapping[EmotionName, float],
    speaking: bool,
) -> tuple[float | None, list[Evidence]]:
    """Return valence or arousal in [-1, 1] with its evidence: its own cues blended with the places of the emotions."""
    dimension: Dimension = getattr(rules, which)
    evidence = term_evidence(cues, which, dimension.terms, rules, speaking)
    carried = sum(t.weight * reliability(cues[t.cue], rules, speaking) for t in dimension.terms if t.cue in cues)
    has_own = carried >= dimension.min_weight
    if not has_own and max(scores.values()) < rules.naming.from_score:
        return None, []
    weight = max(carried, dimension.full_weight)
    own = sum(part.weight for part in evidence) / weight
    share = dimension.share if has_own else 0.0
    value = share * own + (1 - share) * _placed(scores, which, rules)
    return round(min(1.0, max(-1.0, value)), 2) + 0.0, shares(evidence, weight)


def _placed(scores: Mapping[EmotionName, float], which: Literal["valence", "arousal"], rules: Rules) -> float:
    """Return the mean place of the emotions that have evidence; little evidence pulls towards 0."""
    positive = {name: max(0.0, score) for name, score in scores.items()}
    weight = max(sum(positive.values()), 2 * rules.naming.from_score)
    return float(sum(score * getattr(rules.emotions[name], which) for name, score in positive.items())) / weight
