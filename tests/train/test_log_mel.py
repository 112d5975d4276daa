"""Log-mel spectrograms in batch, against numpy written down from the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaemo_annotate.figure.log_mel import mel_filters as figure_filters
from vaemo_train.data.features import (
    LOG_MEL_MEAN,
    LOG_MEL_STD,
    NUM_BANDS,
    NUM_FFT,
    POWER_FLOOR,
    log_mel,
    mel,
    mel_filters,
)

RATE_HZ, WINDOW, HOP = 16000, 400, 160


def raw(sound: Tensor) -> Tensor:
    return log_mel(sound, mean=0.0, std=1.0)


def tone(frequency_hz: float, amplitude: float = 0.5, num_samples: int = 40960) -> Tensor:
    return (amplitude * torch.sin(2 * math.pi * frequency_hz * torch.arange(num_samples) / RATE_HZ))[None]


def reference(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frame by frame and band by band, (F, M)."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    edges = np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 8000 / 700), NUM_BANDS + 2)
    frames = []
    for index in range(len(sound) // HOP):
        begin = round((index + 0.5) * HOP) - WINDOW // 2
        piece = [sound[at] if 0 <= at < len(sound) else 0.0 for at in range(begin, begin + WINDOW)]
        power = np.abs(np.fft.rfft(window * piece, NUM_FFT)) ** 2 * 2 / (NUM_FFT * (window**2).sum())
        bins = 2595 * np.log10(1 + np.arange(NUM_FFT // 2 + 1) * RATE_HZ / NUM_FFT / 700)
        bands = [
            sum(power * np.interp(bins, [edges[band], edges[band + 1], edges[band + 2]], [0, 1, 0]))
            for band in range(NUM_BANDS)
        ]
        frames.append(np.log(np.array(bands) + POWER_FLOOR))
    return np.array(frames)


def test_it_is_the_definition() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 10 * HOP + 70))
    sound[1] *= np.linspace(0, 1e-3, sound.shape[1])
    found = log_mel(torch.from_numpy(sound))
    assert found.shape == (2, 10, 128)
    assert found.dtype == torch.float32
    for clip in range(2):
        expected = (reference(sound[clip, : 10 * HOP]) - LOG_MEL_MEAN) / LOG_MEL_STD
        np.testing.assert_allclose(found[clip].numpy(), expected, atol=2e-4)


def test_a_window_s_sound_has_256_frames() -> None:
    assert log_mel(torch.zeros(3, 40960)).shape == (3, 256, 128)


def test_twice_as_loud_adds_the_logarithm_of_four() -> None:
    sound = 0.1 * torch.randn(1, 40960, generator=torch.Generator().manual_seed(0))
    is_above_floor = raw(sound) > math.log(1e4 * POWER_FLOOR)
    difference = (raw(2 * sound) - raw(sound))[is_above_floor]
    assert is_above_floor.float().mean() > 0.9
    assert difference.numpy() == pytest.approx(math.log(4), abs=1e-3)


def test_a_click_is_in_the_middle_of_its_frame() -> None:
    """The frame of the click has the window's full height, its neighbours the same lesser one."""
    sound = torch.zeros(1, 40960)
    sound[0, 100 * HOP + HOP // 2] = 1
    levels = raw(sound)[0].mean(dim=1)
    assert levels.argmax() == 100
    assert levels[99] == pytest.approx(float(levels[101]), abs=0.05)
    silent = torch.cat([levels[:99], levels[102:]])
    assert silent.numpy() == pytest.approx(math.log(POWER_FLOOR))


@pytest.mark.parametrize("frequency_hz", [100.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_is_loudest_in_the_band_of_its_frequency(frequency_hz: float) -> None:
    band = int(raw(tone(frequency_hz))[0, 128].argmax())
    step = (mel(8000.0) - mel(20.0)) / (NUM_BANDS + 1)
    assert abs(float(mel(20.0) + step * (band + 1) - mel(frequency_hz))) <= step


def test_the_bands_of_a_tone_add_up_to_its_mean_square() -> None:
    powers = raw(tone(1000.0))[0, 128].exp()
    assert 10 * math.log10(float(powers.sum())) == pytest.approx(-9.03, abs=0.1)


def test_no_band_is_empty() -> None:
    assert mel_filters().sum(axis=0).min() > 0.8


def test_the_filters_are_those_of_the_figures() -> None:
    np.testing.assert_allclose(mel_filters(), figure_filters(NUM_BANDS, NUM_FFT, RATE_HZ), atol=1e-12)


def test_digital_silence_is_no_outlier() -> None:
    silence = log_mel(torch.zeros(1, 40960))
    assert float(silence.min()) == float(silence.max()) == pytest.approx(-1.23, abs=0.01)


def test_autocast_does_not_touch_it() -> None:
    sound = 0.1 * torch.randn(1, 40960, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = log_mel(sound)
    assert torch.equal(under_autocast, log_mel(sound))
