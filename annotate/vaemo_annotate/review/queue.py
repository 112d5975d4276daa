"""In which order captions are asked about: what is likely wrong first, with a random part to estimate from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import UserError
from vaemo_clips.verdict import CaptionKey, Verdict

Order = Literal["risk", "random", "dataset"]
RISK_SHARE: Final = 0.7
"""Of the queue in order `risk`; the rest is drawn at random from all captions."""

_SEVERITY: Final = {"grounding": 2.0, "leak": 1.5, "ablation": 1.5, "form": 1.0, "consistency": 1.0, "agreement": 0.5}
_UNKNOWN_SEVERITY = 1.0
_DROPPED = 1.0  # the software is sure of something: worth a look, whether it is right
_CONTRADICTED = 0.5  # a claim
_ENTROPY = 0.5  # a bit
_UNSURE = 0.4
_Z_95 = 1.96


def doubts_of(confidences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Risks (N,) by the model's own confidences in [0, 1] (NaN: unknown), which alone never outweigh a finding."""
    return np.where(np.isfinite(confidences), _UNSURE * (1 - np.clip(confidences, 0.0, 1.0)), 0.0)


def risk_of(verdict: Verdict) -> float:
    """How likely a caption is wrong by what `check` found, without unit: the more and the graver, the higher.

    Severity of each finding, claims that the measured cues contradict, and entropy of the clip's samples.
    """
    severity = sum(_SEVERITY.get(reason.partition(".")[0], _UNKNOWN_SEVERITY) for reason in verdict.reasons)
    contradicted = _finite(verdict.scores.get("grounding.contradicted"))
    entropy_bits = _finite(verdict.scores.get("agreement.entropy_bits"))
    dropped = _DROPPED if verdict.verdict == "drop" else 0.0
    return severity + dropped + _CONTRADICTED * contradicted + _ENTROPY * entropy_bits


@dataclass(frozen=True, slots=True)
class Queue:
    """The captions in the order in which everybody is asked about them.

    `rows` (Q,): row numbers of the dataset, by place. `random_ranks` (N,): of each row its rank in one random order
    of all rows, which depends on nothing but their number and the seed.
    """

    rows: NDArray[np.int64]
    random_ranks: NDArray[np.int64]

    @classmethod
    def of(cls, order: Order, risks: NDArray[np.float64], seed: int, count: int | None = None) -> Queue:
        """Order rows with `risks` (N,); the same for the same seed. Raises UserError for another order."""
        if order not in get_args(Order):
            raise UserError(f"--order {order!r} is not known; give one of {', '.join(get_args(Order))}")
        random_order = np.random.default_rng(seed).permutation(len(risks)).astype(np.int64)
        ranks = np.empty_like(random_order)
        ranks[random_order] = np.arange(len(risks))
        if order == "risk":
            rows = _mixed(np.lexsort((ranks, -risks)), random_order, seed)
        else:
            rows = random_order if order == "random" else np.arange(len(risks))
        return cls(rows[:count], ranks)

    def next_place(self, after: int, done: Iterable[int]) -> int | None:
        """Return the first place after `after` that is not in `done`, else the first of all, else None."""
        left = np.ones(len(self.rows), bool)
        left[[place for place in done if 0 <= place < len(left)]] = False
        places = np.flatnonzero(left)
        if not len(places):
            return None
        later = places[places > after]
        return int(later[0] if len(later) else places[0])

    def random_sample(self, judged_rows: Iterable[int]) -> list[int]:
        """Return the judged rows that stand at the begin of the random order, up to the first that is not judged.

        They are a fair sample of all, in whatever order they were judged. A row further on is none: it may have been
        judged for its risk alone. A caption that people pass by ends the sample.
        """
        judged = np.fromiter(judged_rows, np.int64)
        is_judged = np.zeros(len(self.random_ranks) + 1, bool)  # by rank; after the last there is none
        is_judged[self.random_ranks[judged]] = True
        reached = int(np.argmin(is_judged))
        return [int(row) for row in judged if self.random_ranks[row] < reached]


def _mixed(risky: NDArray[np.int64], random_order: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Take each next row from one of two orders of the same rows, by chance, passing by what was taken before."""
    from_risky = np.random.default_rng([seed, 1]).random(len(risky)) < RISK_SHARE
    is_taken = np.zeros(len(risky), bool)
    rows = np.empty_like(random_order)
    at_risk = at_random = 0
    risk_list, random_list = risky.tolist(), random_order.tolist()
    for place, by_risk in enumerate(from_risky.tolist()):
        if by_risk:
            while is_taken[risk_list[at_risk]]:
                at_risk += 1
            row = risk_list[at_risk]
        else:
            while is_taken[random_list[at_random]]:
                at_random += 1
            row = random_list[at_random]
        is_taken[row] = True
        rows[place] = row
    return rows


def places_of(queue: Queue, keys: Sequence[CaptionKey]) -> Mapping[CaptionKey, int]:
    """Return the place of each caption of the queue; `keys` are those of the dataset's rows."""
    return {keys[row]: place for place, row in enumerate(queue.rows.tolist())}


def share_with_interval(successes: int, trials: int) -> tuple[float, float, float]:
    """Share and its 95 % interval (Wilson 1927, eq. of the score interval); (nan, 0, 1) without a trial."""
    if not trials:
        return math.nan, 0.0, 1.0
    share, z2 = successes / trials, _Z_95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return share, max(middle - half, 0.0), min(middle + half, 1.0)


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0
