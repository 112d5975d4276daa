"""Syllable-like peaks of the voice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.voice.curves import HOP_S
from vaemo_clips.voice.runs import runs_of

_DIP_DB = 2.5
_BELOW_PEAK_DB = 25.0


def syllable_peaks(
    sonority_db: NDArray[np.float32], is_speech: NDArray[np.bool_], is_voiced: NDArray[np.bool_]
) -> tuple[float, ...]:
    """Times in seconds of the voiced peaks of the vowels' level that dips of at least 2.5 dB set apart.

    de Jong & Wempe (2009), "Praat script to detect syllable nuclei and measure speech rate
    automatically", Behavior Research Methods 41, with the level of 300 Hz to 2.5 kHz, where vowels are
    strongest, in place of the whole sound's.
    """
    if not is_speech.any():
        return ()
    least_db = np.percentile(sonority_db[is_speech], 95) - _BELOW_PEAK_DB
    places = [first + place for first, last in runs_of(is_speech) for place in _peaks(sonority_db[first:last])]
    return tuple(float((place + 0.5) * HOP_S) for place in places if is_voiced[place] and sonority_db[place] > least_db)


def _peaks(levels_db: NDArray[np.float32]) -> list[int]:
    """Places of the highest values between dips."""
    peaks: list[int] = []
    top, bottom, rises = 0, 0, True
    for place, level in enumerate(levels_db.tolist()):
        if rises and level > levels_db[top]:
            top = place
        elif rises and level < levels_db[top] - _DIP_DB:
            peaks.append(top)
            rises, bottom = False, place
        elif not rises and level < levels_db[bottom]:
            bottom = place
        elif not rises and level > levels_db[bottom] + _DIP_DB:
            rises, top = True, place
    return [*peaks, top] if rises else peaks
