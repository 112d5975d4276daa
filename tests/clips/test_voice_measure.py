"""What must not change the curves (blocks, gain, silence around), and bad sound."""

from __future__ import annotations

from dataclasses import fields
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.clips.test_audio import write_wav
from tests.support.synthetic_voices import faded, intonation, noise, silence, syllables, voice
from vaemo_clips.audio import iterate_audio
from vaemo_clips.cues.cue import Cue, by_name
from vaemo_clips.voice.cues import VOICE_CUES, WITHOUT_NORM, voice_cues
from vaemo_clips.voice.curves import VoiceCurves
from vaemo_clips.voice.measure import measure_voice
from vaemo_clips.voice.timbre import TIMBRE_CURVES

TALK = np.concatenate([silence(0.4), syllables(9, 4.0), silence(0.5), syllables(7, 5.0, 150), silence(0.3)])
TALK = (TALK + noise(len(TALK) / 16000, -65)).astype(np.float32)


def cues_of(sound: NDArray[np.float32], rate_hz: int = 16000) -> dict[str, Cue]:
    """Cues of a sound by name."""
    return by_name(voice_cues(measure_voice([sound], rate_hz)))


def assert_equal(one: VoiceCurves, other: VoiceCurves) -> None:
    """Every curve the same, bit by bit."""
    for field in fields(VoiceCurves):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if field.name == "timbre":
            for name in TIMBRE_CURVES:
                np.testing.assert_array_equal(left[name], right[name], err_msg=name)
        else:
            np.testing.assert_array_equal(left, right, err_msg=field.name)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, len(TALK)), max_size=8))
def test_the_blocks_do_not_matter(cuts: list[int]) -> None:
    blocks = np.split(TALK, sorted(cuts))
    assert_equal(measure_voice(blocks), measure_voice([TALK]))


def test_tiny_blocks_do_not_matter() -> None:
    assert_equal(measure_voice(np.split(TALK[:32000], range(7, 32000, 7))), measure_voice([TALK[:32000]]))


def test_every_curve_has_a_value_each_10_ms() -> None:
    curves = measure_voice([TALK[: 16000 + 50]])
    assert curves.duration_s == pytest.approx(16050 / 16000)
    assert set(curves.timbre) == set(TIMBRE_CURVES)
    lengths = {len(c) for c in (curves.loudness_db, curves.is_speech, curves.f0_hz, curves.tilt_db)}
    assert lengths | {len(c) for c in curves.timbre.values()} == {101}
    assert np.isnan(curves.tilt_db[~curves.is_speech]).all()


@pytest.mark.parametrize("gain_db", [-20, -10, 10])
def test_only_the_loudness_level_hangs_on_the_gain(gain_db: float) -> None:
    before, after = cues_of(TALK), cues_of((TALK * 10 ** (gain_db / 20)).astype(np.float32))
    for name, cue in before.items():
        shift = gain_db if name == "loudness_level" else 0
        assert cue.value is not None
        assert after[name].value == pytest.approx(cue.value + shift, rel=0.02, abs=0.1), name


def test_silence_around_changes_coverage_only() -> None:
    before, after = cues_of(TALK), cues_of(np.concatenate([silence(2), TALK, silence(3)]))
    share = len(TALK) / (len(TALK) + 80000)
    for name, cue in before.items():
        assert cue.value is not None
        assert after[name].value == pytest.approx(cue.value, rel=0.03, abs=0.05), name
        assert after[name].coverage == pytest.approx(cue.coverage * share, abs=0.02), name


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(0, np.float32), "silent"),
        (silence(0.001), "silent"),
        (silence(3.0), "silent"),
        (noise(2.0, -85), "silent"),
        (noise(2.0, -62), "no_speech"),
        (noise(2.0, -20), "no_speech"),
        (np.full(32000, np.nan, np.float32), "not_finite"),
    ],
)
def test_every_cue_says_why_it_is_not_there(sound: NDArray[np.float32], reason: str) -> None:
    cues = voice_cues(measure_voice([sound]))
    assert [(cue.name, cue.unit) for cue in cues] == list(VOICE_CUES)
    assert {(cue.state, cue.reason, cue.coverage) for cue in cues} == {("not_measurable", reason, 0.0)}


def test_a_fifth_of_a_second_of_voice_is_weak() -> None:
    cues = cues_of(faded(voice(intonation(0.2, [(0, 130)]), 0.2)))
    assert cues["f0_median"].state == "weak"
    assert cues["f0_median"].reason == "too_little_speech"
    assert cues["f0_median"].value == pytest.approx(130, rel=0.03)


def test_a_syllable_cut_off_is_too_little_speech() -> None:
    short = np.concatenate([silence(0.5), faded(voice(intonation(0.07, [(0, 200)]), 0.07), 0.005), silence(0.5)])
    assert {cue.reason for cue in cues_of(short).values()} <= {"too_little_speech", "no_speech"}


def test_a_few_bad_samples_are_silence_and_many_are_not_finite() -> None:
    few, many = TALK.copy(), TALK.copy()
    few[8000:8100] = np.nan
    many[: len(many) // 5] = np.inf
    assert measure_voice([few]).reason is None
    assert cues_of(few)["f0_median"].value == pytest.approx(cues_of(TALK)["f0_median"].value, rel=0.03)
    assert measure_voice([many]).reason == "not_finite"


def test_eight_bit_sound_keeps_its_pitch() -> None:
    coarse = (np.round(TALK * 4 * 127) / 127 / 4).astype(np.float32)
    before, after = cues_of(TALK), cues_of(coarse)
    assert after["f0_median"].value == pytest.approx(before["f0_median"].value, rel=0.02)
    assert after["pause_share"].value == pytest.approx(before["pause_share"].value, abs=0.05)


def test_telephone_sound_has_no_cue_that_needs_high_frequencies() -> None:
    spectrum = np.fft.rfft(TALK + noise(len(TALK) / 16000, -45))
    spectrum[round(len(spectrum) / 2) :] = 0
    cues = cues_of(np.fft.irfft(spectrum, len(TALK)).astype(np.float32))
    narrow = {name for name, cue in cues.items() if cue.reason == "narrow_band"}
    assert narrow == {"alpha_ratio", "hammarberg_index", "spectral_centroid", "fricative_ratio"}
    assert cues["spectral_tilt"].value is not None


def test_other_rates_give_the_same_voice() -> None:
    slow = voice(intonation(1.0, [(0, 120), (1, 100)], rate_hz=8000), 1.0, rate_hz=8000)
    fast = voice(intonation(1.0, [(0, 120), (1, 100)], rate_hz=44000), 1.0, rate_hz=44000)
    low, high = cues_of(slow, 8000), cues_of(fast, 44000)
    for name in ("f0_median", "f0_slope", "loudness_level", "spectral_tilt"):
        assert low[name].value == pytest.approx(high[name].value, rel=0.05, abs=0.3), name
    with pytest.raises(ValueError, match="8000 Hz or more"):
        measure_voice([slow], 4000)


def test_the_shipped_norms_are_of_every_cue_that_people_have_in_common() -> None:
    names = [name for name, _ in VOICE_CUES]
    norms = yaml.safe_load((resources.files("vaemo_clips.cues") / "voice_norms.yaml").read_text(encoding="utf-8"))
    assert len(set(names)) == len(names)
    assert set(names) > WITHOUT_NORM
    assert list(norms) == [name for name in names if name not in WITHOUT_NORM]
    assert all(norm["sd"] > 0 and np.isfinite(norm["mean"]) for norm in norms.values())


def test_a_file_at_8_khz_is_narrow_at_any_analysis_rate(tmp_path: Path) -> None:
    contour = intonation(1.0, [(0, 120), (1, 100)], rate_hz=8000)
    talk = np.concatenate([silence(0.3, 8000), voice(contour, 1.0, rate_hz=8000), noise(0.3, -40, rate_hz=8000)])
    path = write_wav(tmp_path / "telephone.wav", talk[None].astype(np.float64), 8000)
    for rate_hz in (8000, 16000, 48000):
        curves = measure_voice(iterate_audio(path, 0.0, 1.6, rate_hz), rate_hz)
        cues = by_name(voice_cues(curves))
        assert curves.bandwidth_hz == pytest.approx(4000, abs=300)
        assert cues["alpha_ratio"].reason == "narrow_band"
        assert cues["f0_median"].value == pytest.approx(109.5, rel=0.02)
