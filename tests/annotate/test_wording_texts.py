"""The descriptions: right grammar, true to the cues, no word of emotion before its time, and many ways to say it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.annotate.wording_clips import (
    FACE_NAMES,
    FACE_REASONS,
    REASONS,
    VOICE_NAMES,
    VOICE_REASONS,
    changed,
    clip_facts,
    cue,
    made_clip,
    only_face,
    said,
    sentences,
    still_cues,
    texts,
    told,
)
from vaemo_annotate.wording.affect import judge
from vaemo_annotate.wording.describe import Description, describe
from vaemo_annotate.wording.facts import Unmeasured, unmeasured
from vaemo_annotate.wording.phrasing import Phrasing, load_bank
from vaemo_annotate.wording.sentence import MAX_CHARS
from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.event import Event

EMOTION_WORDS = re.compile(
    r"\b(happ|sad|ang(?:er|ry)|fear|afraid|surpris|disgust|contempt|calm|neutral|emotion|affect|mood|joy|cheer|smil|frown"
    r"|tense|nervous|excit|upset|worr|annoy|pleas|unpleas|arous|valence|bored|tired|amus|serious|friendly|aggress)",
    re.IGNORECASE,
)
NEUTRAL_PEOPLE = re.compile(r"neutral (faces|voices|readers|read speech)|read neutral speech")
"""The reference is one of neutral people; the word says nothing of the clip."""
PERSON_WORDS = re.compile(r"\b(he|she|his|her|him|man|woman|boy|girl|male|female|young|old|elderly)\b", re.I)
LIMIT_WORDS = ("could not", "nothing can be said", "no measurement", "nothing is known", "no value")
STYLE_FAULTS = [
    r"  ", r"\s[,.;:)]", r"\(\s", r"[,;:]{2}", r"\.\.", r"[,;:]\.", r"[{}]", r"\bNone\b", r"\bnan\b", r"_",
    r"\b[Aa] [aeio]", r"\b[Aa]n [^aeiou ]", r"(?i)\b(\w+) \1\b", r"\ba (?:a|an|the)\b", r"\bthe (?:a|an|the)\b",
    r"-0\b(?!\.)", r"\d\.\d{3}", r"\d+ %\d",
]  # fmt: skip
SLOW = {"speech_rate": -2.5, "loudness_level": -2.5, "f0_median": -2.2, "f0_range": -2.0, "loudness_range": -2.0}
LIVELY = {"f0_range": 3.0, "f0_median": 3.0, "speech_rate": 3.0, "loudness_level": 2.0, "f0_slope": 2.0}
RARE = [
    changed(**SLOW, pause_share=-3.0, lip_corner_depress=2.5),
    changed(**SLOW, lip_corner_depress=-3.0, brow_raise=2.0, eye_opening=1.5, mouth_opening=1.0),
    changed(**LIVELY, lip_corner_pull=-2.5, lip_corner_depress=1.8),
    only_face(face_motion=-3, head_motion=1.5, lip_press=-3, brow_furrow=-3),
    only_face(face_motion=1.5, head_motion=-3, lip_press=-3, brow_furrow=-3),
]
"""Expressions with a sign that does not fit, as chance seldom makes them."""
anyone = st.integers(0, 10**9)


def grammar_faults(text: str) -> list[str]:
    faults = [fault for fault in STYLE_FAULTS if re.search(fault, text)]
    faults += [
        part for part in sentences(text) if not re.match(r"[A-Z0-9]", part) or not re.search(r"[\w%)°]\.$", part)
    ]
    if text.count("(") != text.count(")"):
        faults.append("brackets")
    return faults


@given(anyone)
def test_every_text_is_grammatical_and_bounded(seed: int) -> None:
    for text in texts(told(made_clip(seed))):
        assert 1 <= len(text) <= MAX_CHARS
        assert not grammar_faults(text), text


@given(
    st.lists(st.sampled_from([*FACE_NAMES, *VOICE_NAMES, "glottal_quotient"]), unique=True),
    st.data(),
    st.binary(min_size=1, max_size=8),
)
def test_any_cues_at_all_are_put_into_words(names: list[str], data: st.DataObject, key: bytes) -> None:
    distance = st.none() | st.floats(-1e6, 1e6) | st.just(float("nan"))
    cues = []
    for name in names:
        made = replace(cue(name), population_sd=data.draw(distance), speaker_sd=data.draw(distance))
        reason = data.draw(st.sampled_from(REASONS))
        missing = Cue.missing(name, "x", reason)
        cues.append(data.draw(st.sampled_from([made, made.weakened(reason), missing])))
    facts = clip_facts(
        has_video=data.draw(st.booleans()),
        has_audio=data.draw(st.booleans()),
        num_faces=data.draw(st.integers(0, 30)),
        face_coverage=data.draw(st.floats(0, 1)),
        face_reasons=tuple(data.draw(st.lists(st.sampled_from(FACE_REASONS), max_size=3, unique=True))),
        voice_reason=data.draw(st.none() | st.sampled_from(VOICE_REASONS)),
    )
    description = describe(cues, [], facts, judge(cues, facts), key)
    for text in texts(description):
        assert 1 <= len(text) <= MAX_CHARS
        assert not grammar_faults(text), text


@given(anyone)
def test_equal_clips_get_equal_words_whatever_the_order_of_their_cues(seed: int) -> None:
    clip = made_clip(seed)
    assert told(clip) == told(clip)
    assert told(replace(clip, cues=list(clip.cues[::-1]))).emotions == told(clip).emotions


@given(anyone)
def test_what_is_seen_and_heard_is_told_without_words_of_emotion_or_identity(seed: int) -> None:
    description = told(made_clip(seed))
    for text in texts(description)[:2]:
        assert not EMOTION_WORDS.search(NEUTRAL_PEOPLE.sub("", text)), text
    for text in texts(description):
        assert not PERSON_WORDS.search(text), text


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (["brow_raise", "brow_raise_range", "brow_furrow"], r"brow"),
        (["eye_opening", "eye_opening_range", "blink_rate"], r"\beyes\b|eyelid|\blids\b|blink"),
        (["f0_median", "f0_range", "f0_slope", "f0_end"], r"pitch|melody"),
    ],
)
def test_nothing_is_said_of_what_was_not_measured_but_that_it_was_not(missing: list[str], words: str) -> None:
    for seed in range(150):
        clip = made_clip(seed)
        gone = [Cue.missing(c.name, c.unit, "not_finite") if c.name in missing else c for c in clip.cues]
        description = told(replace(clip, cues=gone))
        for part in [part for text in texts(description) for part in sentences(text)]:
            if not any(limit in part.lower() for limit in LIMIT_WORDS):
                place_of_brows = r"between brows and eyes|(above|over) the eyes"
                assert not re.search(words, re.sub(place_of_brows, "", part), re.I), part


def test_200_clips_get_more_than_150_sentences_and_other_keys_other_words() -> None:
    clips = [made_clip(seed) for seed in range(200)]
    assert len({part for clip in clips for text in texts(told(clip)) for part in sentences(text)}) >= 500
    cues = changed(lip_corner_pull=2.5, f0_median=2.0)
    openings = {said(cues, key=bytes([key])).affect_description for key in range(100)}
    assert len(openings) > 95


def test_every_phrase_of_the_bank_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[tuple[str, int]] = set()
    original = Phrasing.chosen

    def watched(self: Phrasing, slot: str, index: int) -> str:
        reached.add((slot, index))
        return original(self, slot, index)

    monkeypatch.setattr(Phrasing, "chosen", watched)
    everything = {(slot, index) for slot, phrases in load_bank().items() for index in range(len(phrases))}
    for key in range(40):
        said([], key=bytes([key]))
        for cues in RARE:
            said(cues, key=bytes([key]))
        for reason in REASONS:
            said([*still_cues()[1:-1], Cue.missing("brow_raise", "x", reason)], key=bytes([key]))
    for seed in range(9000):
        if reached == everything:
            break
        told(made_clip(seed))
    assert everything - reached == set()


def test_strength_time_and_reference_are_told() -> None:
    smile = cue("lip_corner_pull", 0.2)
    event = Event("lip_corner_pull", 0.4, 1.9, "up", 3.0, "speaker")
    text = said([smile], event).visual_description
    assert re.search(r"0\.4 s (to|and) 1\.9 s", text)
    assert re.search(r"speaker|same person", text)
    assert "corners" in text
    slight = said([cue("lip_corner_pull", 1.2)]).visual_description
    assert re.search("slightly|a little|somewhat|mildly|faintly|a touch|a bit|marginally", slight)
    assert "people" in slight or "face" in slight


@pytest.mark.parametrize(
    ("event", "pattern"),
    [
        (Event("brow_raise", 0.0, 9.0, "up", 2.0), "throughout|all the way|start to end|whole|the whole time"),
        (Event("brow_raise", 0.0, 1.0, "up", 2.0), r"until 1\.0 s|first 1\.0 s"),
        (Event("brow_raise", 2.0, 9.0, "up", 2.0), r"2\.0 s"),
        (Event("brow_raise", 2.01, 2.02, "up", 2.0), r"(at|at about|around) 2\.0 s"),
        (Event("brow_raise", 7.0, 8.0, "up", 2.0), r"^(?!.*(7|8)\.0 s)"),
    ],
)
def test_the_time_of_an_event_is_kept_within_the_clip(event: Event, pattern: str) -> None:
    for key in range(30):
        text = said([cue("brow_raise", 0.0)], event, key=bytes([key])).visual_description
        assert re.search(pattern, text), text
        assert "9.0 s" not in text


def test_events_of_cues_that_were_not_measured_are_not_told() -> None:
    missing = [Cue.missing("brow_raise", "x", "too_dark"), cue("eye_opening", 0.0)]
    text = said(missing, Event("brow_raise", 0.4, 1.9, "up", 3.0)).visual_description
    assert "0.4 s" not in text


@pytest.mark.parametrize(
    ("facts", "visual", "acoustic"),
    [
        ({"has_video": False}, "picture|nothing to see", ""),
        ({"has_audio": False}, "", "[Nn]o sound|without sound|sound track"),
        ({"voice_reason": "silent"}, "", "silen|hardly any sound|faint"),
        ({"voice_reason": "no_speech"}, "", "[Nn]o speech was found|none of it was found to be speech"),
        ({"num_faces": 3}, "3 faces", ""),
        ({"face_coverage": 0.4}, "40 %|60 %", ""),
    ],
)
def test_what_could_not_be_seen_or_heard_is_said(facts: dict[str, object], visual: str, acoustic: str) -> None:
    for key in range(30):
        description = said(still_cues(), key=bytes([key]), **facts)
        assert re.search(visual, description.visual_description)
        assert re.search(acoustic, description.acoustic_description)


@pytest.mark.parametrize("reason", FACE_REASONS[1:])
def test_a_face_without_measurements_gets_its_reason(reason: str) -> None:
    gone = [Cue.missing(name, "x", reason) for name in FACE_NAMES]  # type: ignore[arg-type]
    text = said([*gone, cue("f0_median", 0.0)], face_reasons=(reason,)).visual_description
    assert any(phrase in text[0].lower() + text[1:] or phrase in text for phrase in load_bank()[f"because.{reason}"])


def test_where_nothing_was_measured_there_is_a_typed_reason_and_no_caption() -> None:
    gone = [Cue.missing(name, "x", "profile") for name in FACE_NAMES]
    found = unmeasured(gone, clip_facts(voice_reason="no_speech"))
    assert found == Unmeasured("face: profile; voice: no_speech", "nothing_measured")
    noise = [*gone, cue("loudness_level", speaker_sd=3.0)]
    assert isinstance(unmeasured(noise, clip_facts(voice_reason="no_speech")), Unmeasured)
    voiced, facts = [*gone, cue("f0_median", 0.0)], clip_facts()
    assert unmeasured(voiced, facts) is None
    assert isinstance(describe(voiced, [], facts, judge(voiced, facts), b"key"), Description)
