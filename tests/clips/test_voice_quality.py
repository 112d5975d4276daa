"""Voice quality against planted tilt, formants, jitter, shimmer and noise, and on acted speech."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.clips.test_voice_pitch import measured, value
from tests.support.real_data import real_data
from tests.support.synthetic_voices import VOWELS, intonation, noise, silence, voice
from vaemo_clips.audio import iterate_audio
from vaemo_clips.voice.curves import VoiceCurves
from vaemo_clips.voice.measure import measure_voice


@pytest.mark.parametrize("f0_hz", [80, 120, 200, 300, 400, 500])
@pytest.mark.parametrize("tilt_db", [-3, -6, -12, -18])
def test_tilt_is_the_source_s(f0_hz: float, tilt_db: float) -> None:
    curves = measured(silence(0.2), voice(intonation(0.6, [(0, f0_hz)]), 0.6, tilt_db, None), silence(0.2))
    assert value(curves, "spectral_tilt") == pytest.approx(tilt_db, abs=1.0)
    assert value(curves, "h1_h2") == pytest.approx(-tilt_db, abs=1.0)


def test_a_brighter_voice_is_brighter_in_every_cue() -> None:
    dark, bright = (measured(silence(0.2), voice(intonation(0.6, [(0, 130)]), 0.6, t), silence(0.2)) for t in (-15, -6))
    for name, sign in (("alpha_ratio", 1), ("hammarberg_index", -1), ("spectral_centroid", 1), ("low_band_ratio", 1)):
        assert sign * (value(bright, name) - value(dark, name)) > 0, name


@pytest.mark.parametrize("vowel", ["a", "i", "u"])
@pytest.mark.parametrize("f0_hz", [100, 140])
def test_formants_are_the_vowel_s(vowel: str, f0_hz: float) -> None:
    curves = measured(silence(0.2), voice(intonation(0.6, [(0, f0_hz)]), 0.6, -12, vowel), silence(0.2))
    first_hz, second_hz = VOWELS[vowel][:2]
    assert value(curves, "first_formant") == pytest.approx(first_hz, abs=0.75 * f0_hz)
    assert value(curves, "second_formant") == pytest.approx(second_hz, abs=0.75 * f0_hz)


@pytest.mark.parametrize("ratio_db", [5, 10, 20])
def test_harmonicity_is_the_ratio_of_voice_to_noise(ratio_db: float) -> None:
    sound = voice(intonation(1.0, [(0, 130)], wobble=0), 1.0) + noise(1.0, -20 - ratio_db)
    assert value(measured(silence(0.2), sound, silence(0.2)), "harmonicity") == pytest.approx(ratio_db, abs=1.5)


def test_uneven_cycles_are_jitter_and_uneven_heights_are_shimmer() -> None:
    even, trembling, rough = pulses(0, 0), pulses(0.01, 0), pulses(0, 0.1)
    assert value(even, "jitter") < 0.5
    assert value(even, "shimmer") < 0.1
    # The median of |N(0, s)| is 0.67 s; lengths and heights of two cycles differ by sqrt(2) times the sd of one.
    assert value(trembling, "jitter") == pytest.approx(100 * 0.01 * np.sqrt(2) * 0.67, rel=0.35)
    assert value(rough, "shimmer") == pytest.approx(20 * np.log10(1 + 0.1 * np.sqrt(2) * 0.67), rel=0.35)


def pulses(jitter: float, shimmer: float) -> VoiceCurves:
    """Curves of decaying pulses at 120 Hz whose lengths and heights vary at random, as shares (sd)."""
    rng = np.random.default_rng(1)
    rate_hz, f0_hz, num = 16000, 120, 240
    lengths_s = (1 + jitter * rng.standard_normal(num)) / f0_hz
    signal = np.zeros(round((lengths_s.sum() + 0.1) * rate_hz))
    times_s = np.arange(len(signal)) / rate_hz
    for begin_s, height in zip(np.cumsum(lengths_s), 1 + shimmer * rng.standard_normal(num), strict=True):
        near = slice(max(round((begin_s - 0.001) * rate_hz), 0), round((begin_s + 0.007) * rate_hz))
        since_s = times_s[near] - begin_s
        ring = np.where(since_s > 0, np.exp(-since_s / 0.0012) * np.sin(2 * np.pi * 600 * since_s), 0)
        signal[near] += height * ring
    return measured(silence(0.2), (0.2 * signal).astype(np.float32), silence(0.2))


def test_anger_is_louder_higher_and_sharper_than_neutral_in_every_one_of_six_actors() -> None:
    folder = real_data("ravdess_speech")
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = {row["clip_id"]: row for row in csv.DictReader(file)}
    for actor in (2, 5, 9, 14, 18, 23):
        neutral, angry = (
            measure_voice(iterate_audio(folder / row["path"], 0.0, float(row["duration_s"])))
            for row in (rows[f"03-01-01-01-01-01-{actor:02d}"], rows[f"03-01-05-02-01-01-{actor:02d}"])
        )
        assert value(angry, "loudness_level") > value(neutral, "loudness_level") + 5, actor
        assert value(angry, "f0_median") > value(neutral, "f0_median"), actor
        assert value(angry, "low_band_ratio") > value(neutral, "low_band_ratio"), actor
