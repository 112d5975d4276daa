"""What is drawn of a sound: envelope and log-mel spectrogram, however the sound comes in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vaemo_annotate.figure.log_mel import LOW_HZ, NUM_BANDS, mel, mel_filters, picture_sound
from vaemo_annotate.figure.style import MAX_COLUMNS

RATE_HZ = 16000


def tone(frequency_hz: float, duration_s: float, amplitude: float = 1.0) -> NDArray[np.float32]:
    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * frequency_hz * times_s)).astype(np.float32)


@pytest.mark.parametrize("frequency_hz", [100.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_is_loudest_in_the_band_of_its_frequency(frequency_hz: float) -> None:
    middle = picture_sound([tone(frequency_hz, 1.0)], 1.0, RATE_HZ).log_mel_db[:, 50]
    step = (mel(RATE_HZ / 2) - mel(LOW_HZ)) / (NUM_BANDS + 1)
    centre_mel = mel(LOW_HZ) + step * (int(middle.argmax()) + 1)
    assert abs(centre_mel - mel(frequency_hz)) <= step


def test_the_levels_add_up_to_that_of_the_sound() -> None:
    """Triangles of height 1 that overlap by half share a tone's power out among them."""
    levels_db = picture_sound([tone(1000.0, 1.0)], 1.0, RATE_HZ).log_mel_db[:, 50]
    assert 10 * np.log10((10 ** (levels_db / 10)).sum()) == pytest.approx(-3.01, abs=0.1)


def test_the_mel_scale_is_that_of_the_htk_book() -> None:
    assert float(mel(1000.0)) == pytest.approx(1000.0, abs=0.1)
    assert float(mel(0.0)) == 0


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_no_band_is_empty(rate_hz: int) -> None:
    n_fft = 2 ** int(np.ceil(np.log2(0.05 * rate_hz)))
    assert (mel_filters(NUM_BANDS, n_fft, rate_hz).sum(axis=0) > 0).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2000), max_size=12), st.integers(1, 8000))
def test_the_blocks_do_not_matter(cuts: list[int], num_samples: int) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, num_samples).astype(np.float32)
    whole = picture_sound([samples], num_samples / RATE_HZ, RATE_HZ)
    blocks = np.split(samples, np.minimum(np.cumsum(cuts), num_samples))
    parts = picture_sound(blocks, num_samples / RATE_HZ, RATE_HZ)
    np.testing.assert_array_equal(parts.low, whole.low)
    np.testing.assert_array_equal(parts.high, whole.high)
    np.testing.assert_allclose(parts.log_mel_db, whole.log_mel_db, atol=1e-3)


def test_one_loud_sample_of_a_long_sound_is_seen() -> None:
    samples = np.zeros(60 * RATE_HZ, np.float32)
    samples[30 * RATE_HZ] = 0.8
    picture = picture_sound(np.split(samples, 6), 60.0, RATE_HZ)
    assert len(picture.high) == MAX_COLUMNS
    assert picture.high.argmax() == pytest.approx(MAX_COLUMNS / 2, abs=1)
    assert picture.high.max() == pytest.approx(0.8)
    assert picture.log_mel_db.shape == (NUM_BANDS, MAX_COLUMNS)


def test_samples_that_are_no_numbers_count_as_silence() -> None:
    samples = tone(440.0, 0.5)
    samples[100:200] = np.nan
    samples[300] = np.inf
    picture = picture_sound([samples], 0.5, RATE_HZ)
    assert np.isfinite(picture.log_mel_db).all()
    assert picture.high.max() <= 1


def test_missing_and_surplus_samples_are_silence_and_nothing() -> None:
    """A decoder may give a sample more or less than the duration asks for."""
    short = picture_sound([tone(440.0, 0.4)], 0.5, RATE_HZ)
    assert (short.high[-100:] == 0).all()
    surplus = picture_sound([tone(440.0, 0.6)], 0.5, RATE_HZ)
    assert surplus.log_mel_db.shape == short.log_mel_db.shape
    assert picture_sound([], 0.01, RATE_HZ).log_mel_db.shape == (NUM_BANDS, 1)
