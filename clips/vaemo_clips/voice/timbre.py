"""Voice quality over time, from power spectra: balance, brightness, change, first harmonics, formants.

Definitions follow the Geneva minimalistic acoustic parameter set (GeMAPS), Eyben et al. (2016), IEEE
Trans. Affective Computing 7(2), section 3, unless a function says otherwise. All are ratios within one
frame or between neighbours, so recording gain does not change them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.voice.formants import Formants

TIMBRE_CURVES = (
    "alpha_ratio",
    "hammarberg",
    "low_band_ratio",
    "centroid",
    "flux",
    "h1_h2",
    "f1",
    "f2",
    "harmonicity",
    "jitter",
    "shimmer",
)
"""Curves of a frame's voice quality, in dB, Hz or percent as the cue of the same name."""

_FLOOR = 1e-12
_TILT_CENTRES_HZ = 250.0 * 2 ** (np.arange(7) / 2)  # 250 ... 2000: the top band ends at 2.8 kHz
_CLEAR_OF_F0 = 1.05  # the first harmonic's own width
_FLUX_EDGES_HZ = 100.0 * 2 ** (np.arange(11) / 2)  # half octaves up to 3.2 kHz


class Timbre:
    """Curves of voice quality from power spectra, stretch after stretch."""

    def __init__(self, rate_hz: int, n_fft: int) -> None:
        self._bin_hz = rate_hz / n_fft
        self._nyquist_hz = rate_hz / 2
        self._tilt_bands = self._bands(_TILT_CENTRES_HZ / np.sqrt(2), _TILT_CENTRES_HZ * np.sqrt(2))
        self._flux_bands = self._bands(_FLUX_EDGES_HZ[:-1], _FLUX_EDGES_HZ[1:])
        self._formants = Formants(rate_hz, n_fft)
        self._last_bands: NDArray[np.float32] | None = None

    def curves(
        self, power: NDArray[np.float32], f0_hz: NDArray[np.float32], is_clear: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.float32]]:
        """Curves (F,) by name from power spectra (F, n_fft / 2 + 1) and each frame's likely F0 (F,).

        Formants only where the frame `is_clear`ly voiced, NaN elsewhere.
        """
        f1_hz, f2_hz = np.full((2, len(power)), np.nan, np.float32)
        f1_hz[is_clear], f2_hz[is_clear] = self._formants.lowest_two(power[is_clear])
        return {
            "tilt": self._tilt_db(power, f0_hz),
            **self._balance(power),
            "flux": self._flux_db(power),
            "h1_h2": self._h1_h2_db(power, f0_hz),
            "f1": f1_hz,
            "f2": f2_hz,
        }

    def _bands(self, low_hz: NDArray[np.float64], high_hz: NDArray[np.float64]) -> NDArray[np.float32]:
        """Matrix that averages a power spectrum over bands, (n_fft / 2 + 1, B)."""
        centres_hz = np.arange(round(self._nyquist_hz / self._bin_hz) + 1) * self._bin_hz
        inside = (centres_hz[:, None] >= low_hz) & (centres_hz[:, None] < high_hz)
        return np.asarray(inside / np.maximum(inside.sum(axis=0), 1), np.float32)

    def _tilt_db(self, power: NDArray[np.float32], f0_hz: NDArray[np.float32]) -> NDArray[np.float32]:
        """Slope in dB an octave of the power density in octave-wide bands from 177 Hz to 2.8 kHz.

        A band as wide as an octave holds a harmonic of every voice that is not above it, so the gaps
        between harmonics do not count; bands below F0 are left out. Below 4 kHz, so that telephone
        sound has it too. The level of a harmonic source that falls by n dB an octave gives -n.
        """
        levels_db = _db(power @ self._tilt_bands)
        octaves = np.log2(_TILT_CENTRES_HZ).astype(np.float32)
        weights = (_TILT_CENTRES_HZ * np.sqrt(2) > _CLEAR_OF_F0 * f0_hz[:, None]).astype(np.float32)
        weights /= weights.sum(axis=1, keepdims=True)
        offsets = octaves - (weights @ octaves)[:, None]
        slope = (weights * offsets * levels_db).sum(axis=1) / (weights * offsets**2).sum(axis=1)
        return np.asarray(slope, np.float32)

    def _balance(self, power: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Ratios of low to high bands in dB, and the spectrum's centre of gravity in Hz."""
        at = self._bin
        low, high = power[:, at(50) : at(1000)].sum(axis=1), power[:, at(1000) : at(5000)].sum(axis=1)
        peaks = power[:, : at(2000)].max(axis=1), power[:, at(2000) : at(5000)].max(axis=1)
        first, second = power[:, at(100) : at(500)].mean(axis=1), power[:, at(500) : at(1500)].mean(axis=1)
        frequencies_hz = np.arange(power.shape[1], dtype=np.float32) * np.float32(self._bin_hz)
        return {
            "alpha_ratio": _db(high) - _db(low),
            "hammarberg": _db(peaks[0]) - _db(peaks[1]),
            "low_band_ratio": _db(second) - _db(first),
            "centroid": (power @ frequencies_hz) / np.maximum(power.sum(axis=1), _FLOOR),
        }

    def _flux_db(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean change of half-octave levels against the frame before, less the change common to all."""
        levels_db = _db(power @ self._flux_bands)
        before = levels_db[:1] if self._last_bands is None else self._last_bands
        self._last_bands = levels_db[-1:]
        change = np.diff(levels_db, axis=0, prepend=before)
        return np.asarray(np.abs(change - change.mean(axis=1, keepdims=True)).mean(axis=1), np.float32)

    def _h1_h2_db(self, power: NDArray[np.float32], f0_hz: NDArray[np.float32]) -> NDArray[np.float32]:
        """Level of the first harmonic above the second: high in a breathy voice, low in a pressed one."""
        first, second = (_db(self._harmonic(power, number * f0_hz)) for number in (1, 2))
        return first - second

    def _harmonic(self, power: NDArray[np.float32], frequency_hz: NDArray[np.float32]) -> NDArray[np.float32]:
        """Power of the strongest bin within one and a half bins of a frequency, (F,)."""
        centre = np.clip(np.rint(np.nan_to_num(frequency_hz) / self._bin_hz).astype(np.intp), 1, power.shape[1] - 2)
        rows = np.arange(len(power))
        around = power[rows[:, None], centre[:, None] + np.array([-1, 0, 1])]
        return np.asarray(around.max(axis=1), np.float32)

    def _bin(self, frequency_hz: float) -> int:
        return round(min(frequency_hz, self._nyquist_hz) / self._bin_hz)


def _db(power: NDArray[np.float32]) -> NDArray[np.float32]:
    return 10 * np.log10(np.maximum(power, np.float32(_FLOOR)))
