"""Pitch that cannot be the speaker's: short bursts far off, as hissing consonants give them in compressed sound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_JUMP_OCTAVES = 0.25  # within 10 ms; a voice glides less
_SHORTEST = 10  # values: a tenth of a second
_FAR_OCTAVES = 1.0


def without_strays(f0_hz: NDArray[np.float32]) -> NDArray[np.float32]:
    """F0 (T,) with NaN for unbroken runs under 0.1 s whose median lies over an octave from that of all voice."""
    octaves = np.log2(f0_hz)
    is_voiced = ~np.isnan(octaves)
    if not is_voiced.any():
        return f0_hz
    middle = float(np.nanmedian(octaves))
    kept = f0_hz.copy()
    for first, last in _unbroken(octaves, is_voiced):
        if last - first < _SHORTEST and abs(float(np.median(octaves[first:last])) - middle) > _FAR_OCTAVES:
            kept[first:last] = np.nan
    return kept


def _unbroken(octaves: NDArray[np.float32], is_voiced: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open runs of voice without a jump."""
    places = np.flatnonzero(is_voiced)
    is_break = (np.diff(places) > 1) | (np.abs(np.diff(octaves[places])) > _JUMP_OCTAVES)
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(places, np.flatnonzero(is_break) + 1)]
