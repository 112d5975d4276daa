"""Level of the sound every 10 ms, and which part of it stands out of the background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.voice.framing import Stretch

FLOOR_DB = -100.0
SILENT_DB = -70.0
"""Sound that never rises above this level is silence: 16-bit sound's own noise lies below it."""


def level_db(stretch: Stretch) -> NDArray[np.float32]:
    """Level in dB re full scale (a full-scale square wave is 0 dB) of the 20 ms around each hop's centre.

    The variance, so that a constant offset of the recording does not count; short, so that the edges of
    speech are kept to 10 ms.
    """
    halves = stretch.samples.reshape(-1, stretch.hop // 2).astype(np.float64)
    sums, squares = halves.sum(axis=1), (halves * halves).sum(axis=1)
    first = 3  # two hops of context, less the half hop by which the window reaches out
    num_hops = len(stretch.is_broken)
    mean, power = np.zeros(num_hops), np.zeros(num_hops)
    for step in range(4):
        mean += sums[first + step :: 2][:num_hops]
        power += squares[first + step :: 2][:num_hops]
    num_samples = 2 * stretch.hop
    variance = np.maximum(power / num_samples - (mean / num_samples) ** 2, 10 ** (FLOOR_DB / 10))
    return (10 * np.log10(variance)).astype(np.float32)


def mean_level_db(levels_db: NDArray[np.float32]) -> float:
    """Level of the mean power of `levels_db`, (T,) not empty."""
    return float(10 * np.log10(np.mean(10 ** (levels_db.astype(np.float64) / 10))))
