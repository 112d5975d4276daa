"""Have embeddings collapsed? Their effective rank, their likeness across clips, and their dead dimensions.

Shapes: n embeddings of width D.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import TrainingError
from vaemo_train.evaluate.folds import Column, texts

MAX_ROWS = 4096
DEAD_SPREAD = 0.01
COLLAPSED_OWN_SHARE = 0.01
COLLAPSED_RANK = 2.0
FEWEST_ROWS = 8
NARROW_COSINE = 0.9
NARROW_RANK_SHARE = 0.05
NARROW_DEAD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Spread:
    """How embeddings fill their space.

    effective_rank: RankMe, exp of the entropy of the singular values over their sum, of the embeddings as they are
    (Garrido et al., ICML 2023, equation 2); in [1, largest_rank]. centred_rank: the same of what each has beyond their
    mean, which is what a probe sees; at most n - 1. largest_rank: the smaller of n and D. mean_cosine: between
    embeddings of different clips. own_share: root mean square of what each has beyond their mean, over that of all.
    dead_share: of the D dimensions, those whose standard deviation is below 1 % of the root mean square of all values.
    """

    effective_rank: float
    centred_rank: float
    largest_rank: int
    mean_cosine: float
    own_share: float
    dead_share: float
    num_rows: int

    @property
    def verdict(self) -> str:
        """`collapsed`: all the same but for 1 %, or beyond their mean on fewer than 2 directions; `narrow`: a cosine
        above 0.9, fewer directions than 5 % of the largest rank, or more than half the dimensions dead; else `healthy`.

        The thresholds are ours: they tell failures from workable embeddings and do not grade the latter. A large common
        part alone is no collapse: a probe's intercept takes it off. Of fewer than 8 embeddings the rank says nothing.
        """
        is_rank_known = self.num_rows >= FEWEST_ROWS
        if self.own_share <= COLLAPSED_OWN_SHARE or (is_rank_known and self.centred_rank < COLLAPSED_RANK):
            return "collapsed"
        is_narrow = (
            self.mean_cosine > NARROW_COSINE
            or (is_rank_known and self.centred_rank < NARROW_RANK_SHARE * self.largest_rank)
            or self.dead_share > NARROW_DEAD_SHARE
        )
        return "narrow" if is_narrow else "healthy"

    def __str__(self) -> str:
        """One line: healthy: rank 41.3, 48.0 centred, of 192; cosine 0.12; 0% of dimensions dead (512 windows)."""
        return (
            f"{self.verdict}: rank {self.effective_rank:.1f}, {self.centred_rank:.1f} centred, of {self.largest_rank}; "
            f"cosine {self.mean_cosine:.2f}; {self.dead_share:.0%} of dimensions dead ({self.num_rows:,} windows)"
        )

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs; no undefined values."""
        return {name: float(value) for name, value in asdict(self).items() if not np.isnan(value)}


def spread(embeddings: NDArray[Any], clips: Column | None = None) -> Spread:
    """Of embeddings (n, D); `clips` (n,) says which rows are of one clip and so not compared (each its own).

    Of more than 4,096 rows, as many evenly spaced ones are taken. The cosine is NaN where all are of one clip.
    Raises TrainingError for fewer than two rows or values that are no numbers.
    """
    if len(embeddings) < 2:
        raise TrainingError(f"the spread of {len(embeddings)} embeddings; it needs two or more")
    faults = ~np.isfinite(embeddings).all(axis=1)
    if faults.any():
        raise TrainingError(f"{faults.sum()} of {len(faults)} embeddings hold values that are no numbers")
    rows = np.linspace(0, len(embeddings) - 1, min(len(embeddings), MAX_ROWS)).round().astype(np.int64)
    chosen = embeddings[rows].astype(np.float64)
    centred = chosen - chosen.mean(axis=0)
    size = np.sqrt((chosen**2).mean())
    return Spread(
        effective_rank=effective_rank(chosen),
        centred_rank=effective_rank(centred),
        largest_rank=min(chosen.shape),
        mean_cosine=mean_cosine(chosen, None if clips is None else np.asarray(clips, object)[rows]),
        own_share=float(np.sqrt((centred**2).mean()) / size) if size > 0 else 0.0,
        dead_share=float((chosen.std(0) <= DEAD_SPREAD * size).mean()),
        num_rows=len(chosen),
    )


def effective_rank(embeddings: NDArray[np.float64]) -> float:
    """RankMe of (n, D): exp(-sum p log p), p the singular values over their sum; 1 where all values are 0."""
    values = np.linalg.svd(embeddings, compute_uv=False)
    if not values.sum() > 0:
        return 1.0
    shares = values / values.sum()
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def mean_cosine(embeddings: NDArray[np.float64], clips: Column | None = None) -> float:
    """Mean cosine of all pairs of rows (n, D) from different clips; rows of length 0 have cosine 0 with all.

    The sum over all pairs is |sum of unit rows|^2; that over pairs within clips is taken off: O(n D).
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    units = embeddings / np.where(lengths > 0, lengths, 1)
    numbers = np.arange(len(units)) if clips is None else np.unique(texts(clips).astype(str), return_inverse=True)[1]
    sums = np.zeros((numbers.max() + 1, units.shape[1]))
    np.add.at(sums, numbers, units)
    num_pairs = len(units) ** 2 - (np.bincount(numbers) ** 2).sum()
    across = (units.sum(0) ** 2).sum() - (sums**2).sum()
    return float(across / num_pairs) if num_pairs else float("nan")
