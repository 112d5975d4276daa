"""What is drawn of a sound: its waveform's envelope and its log-mel spectrogram, in one pass and little memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vaemo_annotate.figure.style import MAX_COLUMNS

Array = NDArray[np.float32]

NUM_BANDS = 80
LOW_HZ = 20.0
_WINDOW_S, HOP_S = 0.025, 0.01
_FLOOR_DB = -120.0
_FRAMES_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class SoundPicture:
    """A sound over C columns of time that span `duration_s`.

    `low`, `high` (C,): the waveform's least and greatest sample, in [-1, 1]. `log_mel_db` (B, C'): mean power
    in each mel band, in dB re full scale; its columns span `mel_duration_s`, a whole number of hops.
    `top_hz`: upper end of the highest band.
    """

    duration_s: float
    low: Array
    high: Array
    log_mel_db: Array
    mel_duration_s: float
    top_hz: float


def picture_sound(blocks: Iterable[Array], duration_s: float, rate_hz: int) -> SoundPicture:
    """Sum up consecutive blocks of mono samples, of any length each, `duration_s` in all."""
    envelope = _Envelope(max(round(duration_s * rate_hz), 1))
    log_mel = _LogMel(envelope.num_samples, rate_hz)
    for block in blocks:
        clean = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        envelope.add(clean)
        log_mel.add(clean)
    mel_duration_s = log_mel.num_frames * HOP_S
    return SoundPicture(duration_s, envelope.low, envelope.high, log_mel.finish(), mel_duration_s, rate_hz / 2)


class _Envelope:
    """Least and greatest sample of each column."""

    def __init__(self, num_samples: int) -> None:
        self.num_samples = num_samples
        num_columns = min(MAX_COLUMNS, num_samples)
        self.low, self.high = np.zeros((2, num_columns), np.float32)
        self._count = 0

    def add(self, block: Array) -> None:
        """Take the next samples."""
        block = block[: self.num_samples - self._count]
        if not len(block):
            return
        columns = (self._count + np.arange(len(block))) * len(self.low) // self.num_samples
        begins = np.flatnonzero(np.diff(columns, prepend=-1))
        at = columns[begins]
        self.low[at] = np.minimum(self.low[at], np.minimum.reduceat(block, begins))
        self.high[at] = np.maximum(self.high[at], np.maximum.reduceat(block, begins))
        self._count += len(block)


class _LogMel:
    """Mel spectra of Hann windows of 25 ms every 10 ms, centred on the hops, averaged over columns of time."""

    def __init__(self, num_samples: int, rate_hz: int) -> None:
        self._length, self._hop = round(_WINDOW_S * rate_hz), round(HOP_S * rate_hz)
        self.num_frames = math.ceil(num_samples / self._hop)
        num_columns = min(MAX_COLUMNS, self.num_frames)
        # Twice as fine as the window needs: with less, the lowest mel bands lie between two bins.
        n_fft = 2 ** math.ceil(math.log2(2 * self._length))
        self._n_fft = n_fft
        self._window = np.hanning(self._length + 1)[:-1].astype(np.float32)
        # One-sided spectra whose bins add up to the mean square (Parseval), as `VoiceCurves.loudness_db` counts.
        self._gain = math.sqrt(2 / (n_fft * float((self._window**2).sum())))
        self._filters = mel_filters(NUM_BANDS, n_fft, rate_hz)
        self._sums = np.zeros((num_columns, NUM_BANDS))
        self._counts = np.zeros(num_columns)
        self._rest = np.zeros((self._length - self._hop) // 2, np.float32)
        self._done = 0

    def add(self, block: Array) -> None:
        """Take the next samples."""
        self._rest = np.concatenate([self._rest, block])
        while len(self._rest) >= self._length:
            frames = sliding_window_view(self._rest, self._length)[:: self._hop][:_FRAMES_AT_ONCE]
            self._sum_up(frames)
            self._rest = self._rest[len(frames) * self._hop :]

    def _sum_up(self, frames: Array) -> None:
        frames = frames[: self.num_frames - self._done]
        spectra = np.fft.rfft(frames * self._window, self._n_fft, axis=1) * self._gain
        power = (np.square(spectra.real) + np.square(spectra.imag)) @ self._filters  # (F, bins) -> (F, B)
        columns = (self._done + np.arange(len(frames))) * len(self._counts) // self.num_frames
        np.add.at(self._sums, columns, power)
        np.add.at(self._counts, columns, 1)
        self._done += len(frames)

    def finish(self) -> Array:
        """Return the mean power in dB re full scale (a square wave from -1 to 1), (B, C)."""
        left = max(self.num_frames - self._done, 0) * self._hop + self._length
        self.add(np.zeros(left, np.float32))
        means = self._sums / np.maximum(self._counts, 1)[:, None]
        return (10 * np.log10(np.maximum(means, 10 ** (_FLOOR_DB / 10)))).astype(np.float32).T


def mel(frequency_hz: float | NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The mel scale of HTK: 2595 log10(1 + f / 700) (Young et al. 2006, The HTK Book, eq. 5.13)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(frequency_hz) / 700), np.float64)


def mel_filters(num_bands: int, n_fft: int, rate_hz: int) -> NDArray[np.float64]:
    """Triangles of height 1, equally wide in mel, from LOW_HZ to half the rate, (n_fft / 2 + 1, num_bands).

    The filter bank of the HTK Book, section 5.4: each triangle reaches from its lower neighbour's centre
    to its upper one's, and is linear in mel.
    """
    edges = np.linspace(mel(LOW_HZ), mel(rate_hz / 2), num_bands + 2)
    bins = mel(np.arange(n_fft // 2 + 1) * (rate_hz / n_fft))
    step = edges[1] - edges[0]
    return np.asarray(np.maximum(1 - np.abs(bins[:, None] - edges[1:-1]) / step, 0), np.float64)
