"""Bootstrap intervals of a score, by resampling clusters: a score of few speakers is less sure than its clips suggest.

Legend: G clusters, R resamples, ... the shape of a cluster's additive part (what a score is computed from: counts of a
confusion matrix, hits and tries).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_train.evaluate.folds import Column, texts

NUM_RESAMPLES = 2000
_LEVEL = 0.95
_CELLS_AT_ONCE = 4_000_000

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From parts summed over clusters (R, ...) to scores (R,)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """[low, high], in the unit of the score; both ends belong to it."""

    low: float
    high: float

    def __str__(self) -> str:
        """In percent: [49.0, 54.0]."""
        return f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"


def bootstrap_interval(
    parts: NDArray[Any],
    statistic: Statistic,
    *,
    counts: NDArray[np.int64] | None = None,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval | None:
    """95 % percentile interval of `statistic` over resamples of the clusters; None for fewer than two clusters.

    `parts` (G, ...) is what each cluster adds to the score; `counts` (G,) says how many clusters add just this (1).
    Clusters are drawn with replacement, as many as there are, and their parts are summed: Efron & Tibshirani, An
    Introduction to the Bootstrap (1993), chapter 13; with speakers as clusters, Bisani & Ney, ICASSP 2004, section 3.
    Below some twenty clusters such intervals are too narrow.
    """
    counts = np.ones(len(parts), np.int64) if counts is None else counts
    num_clusters = int(counts.sum())
    if num_clusters < 2:
        return None
    rng = np.random.default_rng(seed)
    flat = parts.reshape(len(parts), -1).astype(np.float64)
    step = max(1, _CELLS_AT_ONCE // max(flat.shape))
    scores = []
    for first in range(0, num_resamples, step):
        times = rng.multinomial(num_clusters, counts / num_clusters, size=min(step, num_resamples - first))
        # (R, G) @ (G, X) -> (R, X)
        scores.append(statistic((times @ flat).reshape(-1, *parts.shape[1:])))
    low, high = np.nanquantile(np.concatenate(scores), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(float(low), float(high))


def cluster_sums(parts: NDArray[Any], clusters: Column | None) -> NDArray[Any]:
    """(n, ...) parts of n clips summed by their cluster (n,), to (G, ...); None: each clip is its own."""
    if clusters is None:
        return parts
    _, numbers = np.unique(texts(clusters).astype(str), return_inverse=True)
    sums = np.zeros((numbers.max(initial=-1) + 1, *parts.shape[1:]), parts.dtype)
    np.add.at(sums, numbers, parts)
    return sums


def ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R, 2) hits and tries to the share of hits (R,); NaN where nothing was tried."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[:, 0] / sums[:, 1])
