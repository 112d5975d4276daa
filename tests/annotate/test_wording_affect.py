"""What the rules read out of cues: directions as in the literature, doubts wherever something is missing or weak."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.annotate.wording_clips import (
    FACE_NAMES,
    VOICE_NAMES,
    changed,
    clip_facts,
    cue,
    made_clip,
    still_cues,
    weak,
)
from vaemo_annotate.wording.affect import Affect, judge
from vaemo_annotate.wording.rules import Term, load_rules
from vaemo_annotate.wording.score import ModalityScores, patterns_of, score_modality, term_evidence
from vaemo_clips.cues.cue import Cue, by_name
from vaemo_clips.cues.event import Event

RULES = load_rules()
_SURE = RULES.model_copy(update={"against_people": {}})
ALL_TERMS = [
    (modality, name, term)
    for modality in ("face", "voice")
    for name, pattern in patterns_of(modality, RULES)
    for term in pattern.terms
]
LOUD_AND_FAST = {
    "loudness_level": 2.5,
    "spectral_tilt": 2.5,
    "speech_rate": 2.0,
    "loudness_range": 1.5,
    "f0_median": 2.2,
}
SOFT_AND_SLOW = {
    "loudness_level": -2.5, "spectral_tilt": -2.0, "speech_rate": -2.5, "loudness_range": -2.0,
    "f0_median": -2.0, "f0_range": -2.0, "f0_slope": -1.5, "pause_share": 2.0,
}  # fmt: skip


def verdict(cues: list[Cue], **facts: object) -> Affect:
    return judge(cues, clip_facts(**facts))


def face_only(**sds: float) -> list[Cue]:
    return [c for c in changed(**sds) if c.name in FACE_NAMES]


def voice_only(**sds: float) -> list[Cue]:
    return [c for c in changed(**sds) if c.name in VOICE_NAMES]


@pytest.mark.parametrize(("modality", "emotion", "term"), ALL_TERMS, ids=lambda value: getattr(value, "cue", value))
def test_each_term_raises_its_emotion_in_its_direction_only(modality: str, emotion: str, term: Term) -> None:
    def score(sd: float) -> ModalityScores:
        return score_modality(by_name([cue(term.cue, sd)]), modality, RULES, speaking=False)  # type: ignore[arg-type]

    toward, away = score(2.5 * term.sign), score(-2.5 * term.sign)
    assert away.scores[emotion] < 0  # type: ignore[index]
    one_sided = term.counts == "against_only"
    assert (toward.scores[emotion] == 0) if one_sided else (toward.scores[emotion] > 0)  # type: ignore[index]
    telling, sd = (away, -2.5 * term.sign) if one_sided else (toward, 2.5 * term.sign)
    evidence = [part for part in telling.evidence if part.rule == f"{emotion}/{modality}"]
    assert [(part.cue, part.sd) for part in evidence] == [(term.cue, sd)]
    assert evidence[0].source.startswith(term.source.split(": ", 1)[1])


def test_a_sign_that_is_no_part_of_a_pattern_counts_against_it_only() -> None:
    for _, _, term in ALL_TERMS:
        assert (" is no part of " in term.source) == (term.counts == "against_only"), term.source
    assert not [term for term in RULES.terms() if term.source.startswith("emfacs") and " not" in term.source]


def test_a_whole_pattern_without_unmeasured_signs_would_score_1() -> None:
    for _, pattern in patterns_of("face", RULES):
        own = {term.cue: 3.0 * term.sign for term in pattern.terms if term.counts == "both_ways"}
        evidence = term_evidence(by_name([cue(n, sd) for n, sd in own.items()]), "x", pattern.terms, _SURE, False)
        assert sum(part.weight for part in evidence) == pytest.approx(pattern.total_weight - pattern.unmeasured)


@pytest.mark.parametrize(
    ("sds", "first"),
    [
        ({"lip_corner_pull": 2.8}, "happiness"),
        ({"lip_corner_depress": 2.8, "lip_corner_pull": -1.5, "brow_furrow": 2.0}, "sadness"),
        ({"brow_furrow": 3.0, "brow_raise": -2.5, "lip_press": 2.5}, "anger"),
        ({"brow_raise": 2.5, "eye_opening": 2.8, "mouth_opening": 2.8}, "surprise"),
        ({"brow_raise": 2.0, "eye_opening": 2.5, "brow_furrow": 3.0, "lip_corner_pull": -1.5}, "fear"),
    ],
)
def test_a_prototype_face_gets_its_emotion(sds: dict[str, float], first: str) -> None:
    assert verdict(face_only(**sds), has_audio=False).names[0] == first


@pytest.mark.parametrize(
    ("sds", "first"),
    [
        (LOUD_AND_FAST, "anger"),
        (SOFT_AND_SLOW, "sadness"),
        ({"f0_median": 2.5, "f0_range": 2.8, "speech_rate": 1.5, "f0_slope": 1.0}, "happiness"),
        ({"f0_median": 3.0, "f0_range": -2.0, "speech_rate": 2.0, "loudness_level": -1.0}, "fear"),
        ({"f0_median": 3.0, "f0_range": -2.0, "speech_rate": 2.0, "loudness_level": 0.0}, "fear"),
    ],
)
def test_a_pattern_of_the_voice_gets_its_emotion(sds: dict[str, float], first: str) -> None:
    assert verdict(voice_only(**sds), has_video=False).names[0] == first


def test_arousal_follows_the_voice_and_valence_the_lip_corners() -> None:
    assert (verdict(voice_only(**LOUD_AND_FAST)).arousal or 0) > 0.3
    assert (verdict(voice_only(**SOFT_AND_SLOW)).arousal or 0) < -0.3
    assert (verdict(face_only(lip_corner_pull=2.5)).valence or 0) > 0.3
    assert (verdict(face_only(lip_corner_depress=2.5)).valence or 0) < -0.3


def test_valence_from_a_voice_alone_is_pulled_towards_zero() -> None:
    alone = verdict(voice_only(**LOUD_AND_FAST)).valence
    assert alone is not None
    assert -0.5 <= alone < 0
    assert verdict(voice_only()).valence is None


def test_a_still_face_and_voice_are_neutral_and_too_few_measurements_are_unclear() -> None:
    assert verdict(still_cues()).names == ["neutral"]
    few = verdict([cue("brow_raise", 0.0), cue("f0_median", 0.0)])
    assert few.names == ["unclear"]
    assert few.confidence <= RULES.confidence.unclear_ceiling


def test_a_lively_face_without_a_known_pattern_is_unclear_and_not_neutral() -> None:
    assert verdict(changed(brow_raise_range=4.0)).names == ["neutral"]
    assert verdict(changed(brow_raise_range=4.0, eye_opening_range=4.0)).names == ["unclear"]


def test_cues_without_a_reference_give_no_verdict() -> None:
    found = verdict([cue(name) for name in (*FACE_NAMES, *VOICE_NAMES)])
    assert (found.names, found.valence, found.arousal, found.confidence) == (["unclear"], None, None, 0.0)


def test_face_and_voice_agree_conflict_or_stand_alone() -> None:
    smile, drooping = {"lip_corner_pull": 2.8}, {"lip_corner_depress": 2.8, "lip_corner_pull": -2.0}
    lively = {"f0_range": 2.8, "f0_median": 2.5, "speech_rate": 2.0}
    assert verdict(changed(**smile, **lively)).agreement == "agree"
    conflict = verdict(changed(**drooping, **lively))
    assert (conflict.agreement, conflict.face_emotion, conflict.voice_emotion) == ("conflict", "sadness", "happiness")
    assert sorted(conflict.names) == ["happiness", "sadness"]
    assert verdict(changed(**smile)).agreement == "only_face"
    assert verdict(changed(**lively)).agreement == "only_voice"
    assert verdict(still_cues()).agreement == "neither"


def test_agreement_raises_confidence_and_conflict_lowers_it() -> None:
    smile, lively = {"lip_corner_pull": 2.8}, {"f0_range": 2.8, "f0_median": 2.5, "speech_rate": 2.0}
    agreed, face_alone = verdict(changed(**smile, **lively)), verdict(changed(**smile))
    torn = verdict(changed(**smile, **SOFT_AND_SLOW))
    assert agreed.confidence > face_alone.confidence > torn.confidence


def test_less_coverage_and_weak_cues_carry_less() -> None:
    full = [cue(name, 2.8 if name == "lip_corner_pull" else 0.0) for name in FACE_NAMES]
    seldom = [cue(c.name, c.population_sd, coverage=0.15) for c in full]
    rough = [weak(c.name, c.population_sd or 0.0, "too_dark") for c in full]
    sure = verdict(full).confidence
    assert verdict(seldom).confidence < 0.6 * sure
    assert verdict(rough).confidence < 0.6 * sure


def test_the_speaker_counts_before_people() -> None:
    always_smiling = [Cue("lip_corner_pull", 0.3, "x", 1.0, population_sd=3.0, speaker_sd=0.0)]
    assert verdict(always_smiling).names == ["unclear"]
    smiling_more = [Cue("lip_corner_pull", 0.3, "x", 1.0, population_sd=0.0, speaker_sd=3.0)]
    assert verdict(smiling_more).names == ["happiness"]


def test_speaking_takes_the_weight_off_an_open_mouth() -> None:
    open_mouth = [cue("brow_raise", 1.2), cue("eye_opening", 1.0), cue("mouth_opening", 3.0)]
    speech = cue("speech_rate", 0.0)

    def surprise(cues: list[Cue], speaking: bool) -> float:
        return score_modality(by_name(cues), "face", RULES, speaking).scores["surprise"]

    assert surprise(open_mouth, False) > 1.5 * surprise(open_mouth, True)
    assert verdict(open_mouth, has_audio=False).names == ["surprise"]
    assert verdict([*open_mouth, speech]).names != ["surprise"]


def test_pitch_against_people_is_evidence_only_beyond_its_threshold() -> None:
    def pitch(people: float | None, speaker: float | None = None) -> list[float]:
        made = [Cue("f0_median", 200.0, "Hz", 1.0, population_sd=people, speaker_sd=speaker)]
        return [part.weight for part in verdict(made, has_video=False).evidence]

    assert RULES.people_threshold["f0_median"] == 1.8
    assert not any(pitch(sd) for sd in (-1.79, -1.0, 1.0, 1.79))
    assert pitch(2.5)
    assert pitch(None, 1.0)


def test_a_rate_of_speech_without_a_speaker_is_no_evidence() -> None:
    slow = [cue("speech_rate", -3.0)]
    assert slow[0].population_sd is None
    assert verdict(slow, has_video=False).evidence
    assert not verdict([cue("speech_rate")], has_video=False).evidence


@pytest.mark.parametrize("against", ["people", "speaker"])
def test_an_open_mouth_rules_out_pressed_lips(against: str) -> None:
    def evidence(opening: float, event: Event | None = None, press: float = 3.0) -> set[str]:
        distances = {"lip_press": press, "mouth_opening": opening}
        cues = [cue(n, sd) if against == "people" else cue(n, speaker_sd=sd) for n, sd in distances.items()]
        found = judge(cues, clip_facts(has_audio=False), [event] if event else [])
        return {part.cue for part in found.evidence}

    assert "lip_press" in evidence(0.9)
    assert "lip_press" not in evidence(1.0)
    assert "lip_press" in evidence(1.0, press=-3.0)
    assert "lip_press" not in evidence(0.0, Event("mouth_opening", 0.5, 1.5, "up", 2.0))
    assert "lip_press" in evidence(0.0, Event("mouth_opening", 0.5, 1.5, "down", 2.0))


def test_distances_saturate_and_small_ones_are_nothing() -> None:
    assert verdict(face_only(lip_corner_pull=3.0)) != verdict(face_only(lip_corner_pull=2.0))
    huge, large = verdict(face_only(lip_corner_pull=50.0)), verdict(face_only(lip_corner_pull=3.0))
    assert (huge.emotions, huge.valence, huge.confidence) == (large.emotions, large.valence, large.confidence)
    assert verdict(face_only(lip_corner_pull=0.4)).evidence == ()


def test_what_happens_for_a_part_of_the_clip_counts_by_its_share() -> None:
    def happiness(end_s: float, against: str = "people") -> float:
        event = Event("lip_corner_pull", 0.0, end_s, "up", 3.0, against)  # type: ignore[arg-type]
        found = judge(face_only(), clip_facts(has_audio=False), [event])
        return sum(part.weight for part in found.evidence if part.rule == "happiness/face")

    assert 0 == happiness(0.05) < happiness(0.6) < happiness(1.5) < happiness(3.0) == happiness(9.0)
    assert happiness(3.0, "speaker") == 0
    gone = [Cue.missing("lip_corner_pull", "x", "profile")]
    assert judge(gone, clip_facts(), [Event("lip_corner_pull", 0.0, 3.0, "up", 3.0)]).evidence == ()


def test_unknown_cues_and_a_noise_without_speech_do_not_count() -> None:
    assert verdict([*changed(lip_corner_pull=2.8), cue("glottal_quotient", 9.0)]) == verdict(
        changed(lip_corner_pull=2.8)
    )
    noise = verdict(voice_only(**LOUD_AND_FAST), voice_reason="no_speech")
    assert (noise.names, noise.arousal) == (["unclear"], None)


def test_emotions_whose_main_signs_no_cue_measures_stay_low() -> None:
    everything = face_only(lip_corner_depress=9, eye_opening=-9, brow_raise=-9, lip_corner_pull=-9)
    assert verdict(everything, has_audio=False).names[0] != "disgust"
    disgust = RULES.emotions["disgust"].face
    assert disgust is not None
    assert disgust.unmeasured / disgust.total_weight > 0.5


@given(st.integers(0, 10**9))
def test_every_verdict_is_within_its_ranges(seed: int) -> None:
    clip = made_clip(seed)
    found = judge(clip.cues, clip.facts, clip.events)
    assert 0 <= found.confidence <= 0.8
    assert all(-1 <= value <= 1 for value in (found.valence, found.arousal) if value is not None)
    assert 1 <= len(found.emotions) <= 2
    assert all(0 <= score <= 1 for _, score in found.emotions)
    assert found == judge(list(reversed(clip.cues)), clip.facts, clip.events)
    measured = {c.name for c in clip.cues if c.value is not None}
    assert {part.cue for part in found.evidence} <= measured
