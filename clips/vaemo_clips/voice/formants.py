"""The lowest two formants, from a linear prediction of the spectrum below 5 kHz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LAST_HZ = 5000.0
_ORDER = 10  # five resonances below 5 kHz, as in an adult's vocal tract
_LOWEST_HZ = 200.0
_STEP_HZ = 20.0
_REGULAR = 1e-4  # white noise 40 dB down keeps the recursion stable
_EMPHASIS = 0.97


class Formants:
    """Peaks of the all-pole envelope of power spectra.

    The autocorrelation of the part below 5 kHz is the inverse transform of that part alone:
    selective linear prediction, Makhoul (1975), "Linear prediction: a tutorial review", section V.
    """

    def __init__(self, rate_hz: int, n_fft: int) -> None:
        last_hz = min(_LAST_HZ, rate_hz / 2)
        num_bins = round(last_hz / (rate_hz / n_fft)) + 1
        angles = np.pi * np.arange(num_bins) / (num_bins - 1)
        emphasis = 1 + _EMPHASIS**2 - 2 * _EMPHASIS * np.cos(angles)
        ends = np.where((angles == 0) | (angles == angles[-1]), 0.5, 1.0)
        self._to_lags = np.asarray(
            np.cos(np.outer(angles, np.arange(_ORDER + 1))) * (emphasis * ends)[:, None], np.float32
        )
        self._grid_hz = np.arange(_LOWEST_HZ, last_hz - 200, _STEP_HZ)
        turns = np.pi * np.outer(np.arange(_ORDER + 1), self._grid_hz) / last_hz
        self._cos, self._sin = np.cos(turns).astype(np.float32), np.sin(turns).astype(np.float32)

    def lowest_two(self, power: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """F1 and F2 in Hz of power spectra (F, n_fft / 2 + 1), NaN where the envelope has no such peak."""
        lags = power[:, : len(self._to_lags)] @ self._to_lags
        filters = _levinson(lags)
        envelope = 1 / np.maximum((filters @ self._cos) ** 2 + (filters @ self._sin) ** 2, 1e-12)
        is_peak = np.zeros(envelope.shape, bool)
        is_peak[:, 1:-1] = (envelope[:, 1:-1] > envelope[:, :-2]) & (envelope[:, 1:-1] >= envelope[:, 2:])
        first = is_peak.argmax(axis=1)
        rows = np.arange(len(power))
        has_first = is_peak[rows, first]
        is_peak[rows, first] = False
        second = is_peak.argmax(axis=1)
        return self._at(first, has_first), self._at(second, is_peak[rows, second])

    def _at(self, places: NDArray[np.intp], exists: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.where(exists, self._grid_hz[places], np.nan).astype(np.float32)


def _levinson(lags: NDArray[np.float32]) -> NDArray[np.float32]:
    """Prediction error filters (F, order + 1) of autocorrelations (F, order + 1): Makhoul (1975), eq. 38."""
    scaled = lags / np.maximum(lags[:, :1], 1e-20)
    error = scaled[:, 0] + np.float32(_REGULAR)
    filters = np.zeros_like(scaled)
    filters[:, 0] = 1
    for order in range(1, scaled.shape[1]):
        reflection = -(filters[:, :order] * scaled[:, order:0:-1]).sum(axis=1) / error
        filters[:, 1 : order + 1] += reflection[:, None] * filters[:, order - 1 :: -1][:, :order]
        error = np.maximum(error * (1 - reflection * reflection), np.float32(1e-6))
    return np.asarray(filters, np.float32)
