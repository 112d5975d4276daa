"""Where speech is: pauses, loudness and rhythm against planted truth, and sound that holds no voice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.clips.test_voice_pitch import measured, value
from tests.support.real_data import real_data
from tests.support.synthetic_voices import faded, intonation, noise, silence, syllables, voice
from vaemo_clips.audio import iterate_audio
from vaemo_clips.probe import probe
from vaemo_clips.voice.measure import measure_voice


@settings(max_examples=15, deadline=None)
@given(
    lengths_s=st.lists(st.floats(0.2, 1.5), min_size=1, max_size=3),
    noise_db=st.sampled_from([None, -60.0, -45.0]),
    level_db=st.floats(-35, -10),
)
def test_pauses_are_where_they_were_put(lengths_s: list[float], noise_db: float | None, level_db: float) -> None:
    talk = faded(voice(intonation(0.6, [(0, 130), (0.6, 110)]), 0.6, level_db=level_db), 0.01)
    parts, truth, time_s = [silence(0.3), talk], [], 0.9
    for length_s in lengths_s:
        parts += [silence(length_s), talk]
        truth.append((time_s, time_s + length_s))
        time_s += length_s + 0.6
    sound = np.concatenate([*parts, silence(0.3)])
    curves = measure_voice([sound if noise_db is None else sound + noise(len(sound) / 16000, level_db + 20 + noise_db)])
    assert len(curves.pauses_s) == len(truth)
    for found, planted in zip(curves.pauses_s, truth, strict=True):
        assert found == pytest.approx(planted, abs=0.05)
    span_s = time_s - 0.3
    assert value(curves, "pause_share") == pytest.approx(sum(lengths_s) / span_s, abs=0.05)
    assert value(curves, "pause_length") == pytest.approx(np.mean(lengths_s), abs=0.05)


def test_a_closure_of_a_plosive_is_no_pause() -> None:
    talk = faded(voice(intonation(0.4, [(0, 130), (0.4, 110)]), 0.4), 0.01)
    curves = measured(silence(0.3), talk, silence(0.1), talk, silence(0.3))
    assert curves.pauses_s == ()
    assert value(curves, "pause_share") == value(curves, "pause_length") == 0


@pytest.mark.parametrize("rate", [2, 3, 4, 5, 6])
def test_syllables_are_counted(rate: float) -> None:
    curves = measured(silence(0.4), syllables(12, rate), silence(0.4))
    assert len(curves.syllables_s) == 12
    assert value(curves, "speech_rate") == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("level_db", [-45, -30, -12])
def test_loudness_is_the_level_of_speech_whatever_the_silence_around(level_db: float) -> None:
    talk = voice(intonation(1.0, [(0, 130)]), 1.0, level_db=level_db)
    for pad_s in (0.3, 3.0):
        curves = measured(silence(pad_s), talk, silence(pad_s))
        assert value(curves, "loudness_level") == pytest.approx(level_db, abs=0.5)


def test_a_constant_offset_of_the_recording_does_not_count() -> None:
    talk = np.concatenate([silence(0.5), faded(voice(intonation(1.0, [(0, 130)]), 1.0)), silence(0.5)])
    plain, shifted = measure_voice([talk]), measure_voice([talk + np.float32(0.3)])
    assert (plain.is_speech == shifted.is_speech).mean() > 0.97
    assert value(shifted, "loudness_level") == pytest.approx(value(plain, "loudness_level"), abs=0.1)


def test_growing_speech_has_a_loudness_slope() -> None:
    ramp = 10 ** (np.linspace(-6, 6, 24000) / 20)
    talk = (voice(intonation(1.5, [(0, 130)]), 1.5, level_db=-25) * ramp).astype(np.float32)
    curves = measured(silence(0.3), talk, silence(0.3))
    assert value(curves, "loudness_slope") == pytest.approx(8, abs=1)
    assert value(curves, "loudness_range") == pytest.approx(0.85 * 12, abs=1.5)


@pytest.mark.parametrize("sound", [noise(3.0, -20), noise(3.0, -45), np.zeros(48000, np.float32) + np.float32(0.2)])
def test_noise_is_no_speech(sound: NDArray[np.float32]) -> None:
    assert measure_voice([sound]).reason in ("no_speech", "silent")


def test_real_clips_agree_with_their_speech_share() -> None:
    folder = real_data("clips")
    truth = {"debate_shot_change.mp4": 0.98, "talk_face_5.mp4": 0.82, "vfr_22fps_office.mp4": 0.59}
    truth |= {"low_light_half_shadow.mp4": 0.76, "multi_stream_8k_audio.mp4": 0.82, "silent_audio_20s.mp4": 0}
    truth |= {"near_silent_mp3_in_mp4.mp4": 0, "hevc_mov_face_then_none.mov": 0.0}
    for name, share in truth.items():
        curves = measure_voice(iterate_audio(folder / name, 0.0, probe(folder / name).duration_s))
        assert curves.is_speech.mean() == pytest.approx(share, abs=0.1), name
