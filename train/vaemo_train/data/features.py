"""Log-mel spectrograms of a batch of sounds, on whatever device they lie.

Shapes: B clips, S samples at 16 kHz, F frames of 10 ms, L samples of a window, K bins, M mel bands.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vaemo_train.shards.row import SAMPLE_RATE_HZ

HOP_SAMPLES = 160
WINDOW_SAMPLES = 400
NUM_FFT = 1024
NUM_BANDS = 128
LOW_HZ, HIGH_HZ = 20.0, 8000.0

POWER_FLOOR = 1e-10
"""Added to a band's power before the logarithm: -100 dB re full scale, a little above the noise of 16 bits."""

LOG_MEL_MEAN, LOG_MEL_STD = -17.5, 4.5
"""Of the logarithms, so that sources recorded loud and faint all come near 0 and 1, and digital silence is -1.2.

Measured (mean, deviation): RAVDESS, recorded faint, -20.4, 3.5; Emo-DB -16.5, 5.1; talking heads of several
sources -17.4, 4.5; demo clips -17.1, 3.6.
"""


def log_mel(sound_BS: Tensor, mean: float = LOG_MEL_MEAN, std: float = LOG_MEL_STD) -> Tensor:
    """Natural logarithms of mel band power, less `mean`, over `std`: (B, S) in [-1, 1] -> (B, S // 160, 128) float32.

    Frame i is seen through a Hann window of 25 ms centred at (i + 0.5) * 10 ms; before and after the sound is
    silence. A band's power is its share of the window's mean square (Parseval), so that a full-scale square
    wave has 1 in all bands together, and `POWER_FLOOR` is what digital silence has in each.
    """
    num_frames = sound_BS.shape[1] // HOP_SAMPLES
    margin = (WINDOW_SAMPLES - HOP_SAMPLES) // 2
    with torch.autocast(sound_BS.device.type, enabled=False):
        window_L, filters_KM = _analysis(sound_BS.device)
        padded_BS = functional.pad(sound_BS[:, : num_frames * HOP_SAMPLES].float(), (margin, margin))
        frames_BFL = padded_BS.unfold(1, WINDOW_SAMPLES, HOP_SAMPLES) * window_L
        spectra_BFK = torch.fft.rfft(frames_BFL, NUM_FFT)
        power_BFK = spectra_BFK.real.square() + spectra_BFK.imag.square()
        mel_BFM: Tensor = power_BFK @ filters_KM
        return ((mel_BFM + POWER_FLOOR).log() - mean) / std


def mel(frequency_hz: NDArray[np.floating[Any]] | float) -> NDArray[np.float64]:
    """The mel scale of HTK: 2595 log10(1 + f / 700) (Young et al. 2006, The HTK Book, eq. 5.13)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(frequency_hz) / 700), np.float64)


def mel_filters() -> NDArray[np.float64]:
    """Triangles of height 1, equally wide in mel from LOW_HZ to HIGH_HZ, (K, M): section 5.4 of the HTK Book."""
    edges = np.linspace(mel(LOW_HZ), mel(HIGH_HZ), NUM_BANDS + 2)
    bins = mel(np.arange(NUM_FFT // 2 + 1) * (SAMPLE_RATE_HZ / NUM_FFT))
    return np.asarray(np.maximum(1 - np.abs(bins[:, None] - edges[1:-1]) / (edges[1] - edges[0]), 0), np.float64)


@lru_cache(maxsize=8)
def _analysis(device: torch.device) -> tuple[Tensor, Tensor]:
    """Window (L,) and filter bank (K, M) on a device, scaled so that one-sided power adds up to the mean square."""
    window = torch.hann_window(WINDOW_SAMPLES, periodic=True, dtype=torch.float64)
    window *= math.sqrt(2 / (NUM_FFT * float(window.square().sum())))
    filters = torch.from_numpy(mel_filters())
    return window.float().to(device), filters.float().to(device)
