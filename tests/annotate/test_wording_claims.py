"""The descriptions claim no more than was measured: references, doubts, hedges, and signs that rule each other out."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.annotate.wording_clips import (
    VOICE_NAMES,
    changed,
    clip_facts,
    cue,
    made_clip,
    only_face,
    said,
    sentences,
    still_cues,
    told,
    weak,
)
from vaemo_annotate.wording.affect import judge


def test_the_reference_is_named_once_and_as_the_small_sample_it_is() -> None:
    face = [cue("lip_corner_pull", 2.5), cue("eye_opening", 2.0), weak("brow_furrow", 2.5)]
    for key in range(40):
        description = said([*face, cue("f0_range", 2.5)], key=bytes([key]))
        assert len(re.findall("small|few|handful", description.visual_description)) == 1, description
        assert len(re.findall("neutral", description.acoustic_description)) == 1, description
        both = said([*face[:2], replace(face[2], speaker_sd=2.5)], key=bytes([key])).visual_description
        assert re.search("small|few|handful", both)
        assert re.search("speaker|same person", both)


def test_what_lies_far_from_people_only_because_people_differ_is_not_told() -> None:
    for key in range(20):
        text = said([cue("f0_median", 1.7), cue("f0_range", 0.0)], key=bytes([key])).acoustic_description
        assert "higher" not in text
        assert "higher" in said([cue("f0_median", speaker_sd=1.7)], key=bytes([key])).acoustic_description


def test_lips_are_not_pressed_in_an_open_mouth() -> None:
    for key in range(30):
        shut, gaping = (
            said([weak("lip_press", 3.0), cue("mouth_opening", sd)], key=bytes([key])).visual_description
            for sd in (0.9, 1.0)
        )
        assert re.search("press|tight", shut)
        assert not re.search("press|tight|red of", gaping)


@given(st.integers(0, 10**9))
def test_where_valence_or_arousal_is_given_the_account_ends_with_the_confidence(seed: int) -> None:
    description = told(made_clip(seed))
    if description.valence is None and description.arousal is None and not description.emotions:
        assert "onfidence" not in description.affect_description
    else:
        assert f"{description.confidence:.2f}" in sentences(description.affect_description)[-1]


def test_hedges_follow_the_confidence_and_a_lone_voice_says_little_of_pleasantness() -> None:
    voice = {"loudness_level": 2.5, "spectral_tilt": 2.5, "speech_rate": 2.0, "loudness_range": 1.5, "f0_median": 2.2}
    alone = [c for c in changed(**voice) if c.name in VOICE_NAMES]
    for key in range(20):
        text = said(alone, key=bytes([key]), has_video=False).affect_description
        assert re.search("pleasant", text)
        assert re.search("hardly|little|poor guide|less sure|weak evidence", text)
        assert re.search(r"\(?0\.\d\d", text)


def test_speech_is_named_as_a_reason_for_a_mouth_that_moves() -> None:
    for key in range(20):
        text = said([cue("mouth_opening", 2.5), cue("speech_rate", 0.0)], key=bytes([key])).visual_description
        assert re.search("speech|speak|talking", text, re.I)
        alone = said([cue("mouth_opening", 2.5)]).visual_description.replace("talking faces", "faces")
        assert not re.search("speech|speak|talking", alone)


def test_of_lip_corners_drawn_down_and_not_up_the_stronger_is_told() -> None:
    for pull, depress, down in ((-1.2, 2.5, r"down|lower"), (2.5, -1.2, r"drawn up|raised|higher|lifted|pulled up")):
        text = said([cue("lip_corner_pull", pull), cue("lip_corner_depress", depress)]).visual_description
        assert re.search(down, text)
        assert len(re.findall("corners", text)) == 1


def test_one_movement_is_named_once_as_evidence() -> None:
    both = only_face(lip_corner_pull=2.8, lip_corner_depress=-2.8)
    for key in range(20):
        assert len(re.findall("corners", said(both, key=bytes([key])).affect_description)) == 1


def test_where_only_the_face_tells_anything_no_evidence_comes_from_the_voice() -> None:
    cues = changed(lip_corner_pull=2.8, f0_median=0.9, f0_slope=0.9)
    assert judge(cues, clip_facts()).agreement == "only_face"
    for key in range(20):
        assert "pitch" not in said(cues, key=bytes([key])).affect_description


def test_the_longest_pause_and_the_pitch_in_hz_are_told() -> None:
    text = said(still_cues(), pauses_s=((0.2, 0.4), (1.0, 1.8))).acoustic_description
    assert re.search(r"1\.0 s (to|and) 1\.8 s", text)
    assert "180 Hz" in text


def test_weak_cues_are_told_with_their_doubt() -> None:
    for key in range(20):
        text = said([weak("brow_furrow", 2.5), cue("eye_opening", 0.0)], key=bytes([key])).visual_description
        assert "rough" in text
