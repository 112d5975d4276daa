"""At which rank does a query meet the first candidate that fits it? Ties are resolved in expectation.

Shapes: Q queries, N candidates, P width of an embedding. Ranks count from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TIE = 1e-6
_CELLS_AT_ONCE = 4_000_000
_ROUNDING = 1e-9

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MatchRanks:
    """The first match of each query (Q,): `ahead` candidates are certainly before it; it is among the `tied` after
    them, which are equally alike and stand in random order, `matching` of them matches.

    So its rank is `ahead` plus the place of the first of `matching` marked ones in a shuffled row of `tied`.
    """

    ahead: Ints
    tied: Ints
    matching: Ints

    @classmethod
    def of_chance(cls, matching: Ints, num_candidates: int) -> MatchRanks:
        """Where all candidates are equally alike: with m matches among n, nothing but chance decides."""
        return cls(np.zeros_like(matching), np.full_like(matching, num_candidates), matching)

    def found_within(self, k: int) -> NDArray[np.float64]:
        """(Q,) probability that a match is among the first k candidates: 1 - C(t - m, j) / C(t, j), hypergeometric.

        t are the tied, m the matching of them, j the places of the first k that the tied take.
        """
        logs = np.concatenate([[0.0], np.log(np.arange(1, self.tied.max(initial=0) + 1)).cumsum()])  # log i!
        places = np.clip(k - self.ahead, 0, self.tied)
        others = self.tied - self.matching
        left = np.maximum(others - places, 0)
        none = np.exp(logs[others] - logs[left] - logs[self.tied] + logs[self.tied - places])
        return np.where(places > others, 1.0, 1.0 - none)

    def median(self) -> float:
        """The median rank of all queries, each of which counts with all the ranks that ties leave it.

        As `numpy.median` where nothing is tied: halfway between the two middle ranks of an even number.
        """
        most = int((self.ahead + self.tied).max())
        return (self._first_rank(0.5 - _ROUNDING, most) + self._first_rank(0.5 + _ROUNDING, most)) / 2

    def _first_rank(self, share: float, most: int) -> int:
        """The least rank within which at least this share of queries has its match."""
        low, high = 1, most
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.found_within(middle).mean() >= share else (middle + 1, high)
        return low


def match_ranks(queries_QP: NDArray[Any], candidates_NP: NDArray[Any], is_match_QN: NDArray[np.bool_]) -> MatchRanks:
    """Rank candidates by their dot product with each query, which has a match; memory holds some rows at a time.

    Products within 1e-6 of that of the best match are tied with it, so that collapsed embeddings score chance.
    """
    candidates = candidates_NP.astype(np.float32)
    step = max(1, _CELLS_AT_ONCE // max(len(candidates), 1))
    ranks = np.zeros((3, len(queries_QP)), np.int64)
    for first in range(0, len(queries_QP), step):
        rows = slice(first, first + step)
        likeness = queries_QP[rows].astype(np.float32) @ candidates.T
        best = np.where(is_match_QN[rows], likeness, -np.inf).max(axis=1, keepdims=True)
        is_ahead = likeness > best + _TIE
        is_tied = np.logical_not(is_ahead) & (likeness >= best - _TIE)
        ranks[:, rows] = [is_ahead.sum(1), is_tied.sum(1), (is_tied & is_match_QN[rows]).sum(1)]
    return MatchRanks(*ranks)
