"""Cues as text for a prompt: one line a cue, compact, honest about what is weak or missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.annotate.wording_clips import FACE_NAMES, REASONS, clip_facts, cue, made_clip, still_cues, weak
from vaemo_annotate.wording.cue_text import HEADER, MAX_CHARS, cue_text, cue_texts
from vaemo_annotate.wording.measures import human_name, reason_name
from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.event import Event


def test_a_line_holds_value_unit_distances_coverage_and_doubt() -> None:
    cues = [
        Cue("f0_range", 9.6, "semitones", 0.4, population_sd=1.26, speaker_sd=-0.51),
        Cue("speech_rate", 4.21, "syllables/s", 0.8, speaker_sd=0.1),
        Cue("pause_share", 0.2, "share", 0.8),
        weak("brow_furrow", 2.0),
        Cue.missing("mouth_opening", "eye distances", "profile"),
    ]
    lines = cue_text(cues, [], clip_facts()).splitlines()
    assert lines[0] == HEADER
    assert "pitch range: 9.6 semitones, people +1.3 sd, speaker -0.5 sd, from 40 %" in lines
    assert "speech rate: 4.2 syllables/s, speaker +0.1 sd" in lines
    assert any(line.startswith("VOICE (from 80 % of the clip unless noted; ") for line in lines)
    assert "not measurable, profile: mouth opening" in lines
    assert any(line.startswith("brow furrow") and line.endswith("weak: measured only roughly") for line in lines)


def test_events_are_listed_in_time_and_only_for_measured_cues() -> None:
    events = [
        Event("lip_corner_pull", 1.0, 9.0, "up", 2.4, "speaker"),
        Event("brow_raise", 0.2, 0.8, "down", -1.5),
        Event("eye_opening", 0.2, 0.8, "up", 2.0),
        Event("brow_raise", 5.0, 6.0, "up", 2.0),
    ]
    cues = [cue("lip_corner_pull", 0.0), cue("brow_raise", 0.0), Cue.missing("eye_opening", "x", "too_dark")]
    lines = cue_text(cues, events, clip_facts()).splitlines()
    assert [line for line in lines if " s to " in line] == [
        "0.2 s to 0.8 s: brow height, people -1.5 sd",
        "1.0 s to 3.0 s: lip-corner pull, speaker +2.4 sd",
    ]


def test_face_and_voice_stand_apart_for_steps_that_get_one_of_them() -> None:
    both = cue_texts(still_cues(), [], clip_facts())
    assert set(both) == {"all", "face", "voice"}
    assert human_name("brow_raise") in both["face"]
    assert human_name("brow_raise") not in both["voice"]
    assert "VOICE" not in both["face"]
    assert all(text.startswith(HEADER) for text in both.values())


def test_a_modality_that_was_not_measured_is_one_line_with_the_reason() -> None:
    gone = [Cue.missing(name, "x", "profile") for name in FACE_NAMES]
    lines = cue_text(gone, [], clip_facts(voice_reason="silent")).splitlines()
    assert lines[1:] == ["FACE: not measurable (profile)", "VOICE: not measurable (silent or nearly so)"]


def test_unknown_cues_are_listed_last_and_left_out_first() -> None:
    many = [cue(f"measure_{index}_with_a_long_name", 1.0) for index in range(100)]
    text = cue_text([*many, *still_cues()], [], clip_facts())
    assert len(text) <= MAX_CHARS
    assert "pitch, median: 180 Hz" in text
    assert text.endswith("(further cues left out)")


def test_pitch_against_people_is_given_only_beyond_its_threshold() -> None:
    def line(people: float) -> str:
        made = Cue("f0_median", 220.4, "Hz", 1.0, population_sd=people, speaker_sd=0.5)
        return cue_text([made], [], clip_facts()).splitlines()[-1]

    assert line(1.79) == "pitch, median: 220 Hz, speaker +0.5 sd"
    assert line(-1.81) == "pitch, median: 220 Hz, people -1.8 sd, speaker +0.5 sd"


def test_pressed_lips_in_an_open_mouth_have_no_distance() -> None:
    text = cue_text([cue("lip_press", 2.0), cue("mouth_opening", 1.5)], [], clip_facts())
    assert "lip press: 0.16 redness, negated" in text.splitlines()


def test_reasons_are_short_and_promise_nothing_that_was_not_checked() -> None:
    names = [reason_name(reason) for reason in (*REASONS, "weak_source", "no_colour")]
    assert all(len(name) <= 30 and "_" not in name for name in names)
    assert reason_name("silent") == "silent or nearly so"
    assert reason_name("no_speech") == "no speech was found"


@given(st.integers(0, 10**9))
def test_the_text_is_bounded_whatever_the_clip(seed: int) -> None:
    clip = made_clip(seed)
    for text in cue_texts(clip.cues, clip.events, clip.facts).values():
        assert len(text) < 3_000
        assert "None" not in text
        assert "-0.0 sd" not in text
        assert "nan" not in text
