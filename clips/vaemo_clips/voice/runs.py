"""Runs: stretches of a curve in which something holds, as half-open (first, last) places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def runs_of(is_on: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Half-open runs of true values, (R, 2) in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_on, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2)


def from_runs(runs: NDArray[np.intp], num_values: int) -> NDArray[np.bool_]:
    """The curve (T,) that is true inside half-open runs (R, 2), which may overlap."""
    steps = np.zeros(num_values + 1, np.int32)
    np.add.at(steps, runs[:, 0], 1)
    np.subtract.at(steps, runs[:, 1], 1)
    return np.cumsum(steps[:-1]) > 0


def without_gaps(is_on: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """The curve with gaps between two runs filled where they are shorter than `shortest` values."""
    gaps = runs_of(~is_on)
    inner = (gaps[:, 0] > 0) & (gaps[:, 1] < len(is_on)) & (gaps[:, 1] - gaps[:, 0] < shortest)
    return is_on | from_runs(gaps[inner], len(is_on))


def without_short(is_on: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """The curve without runs of fewer than `shortest` values."""
    runs = runs_of(is_on)
    return from_runs(runs[runs[:, 1] - runs[:, 0] >= shortest], len(is_on))
