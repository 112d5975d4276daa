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
_Z_95 = 1.96


def risk_of(verdict: Verdict | None, confidence: float | None) -> float:
    """How likely a caption is wrong, without unit: the more and the graver its findings, the higher.

    What `check` wrote counts: severity of each finding, claims that the measured cues contradict, entropy of the
    clip's samples; and the model's own confidence in [0, 1], which alone never outweighs a finding.
    """
    doubt = 0.0 if confidence is None or not math.isfinite(confidence) else 0.4 * (1 - min(max(confidence, 0.0), 1.0))
    if verdict is None:
        return doubt
    severity = sum(_SEVERITY.get(reason.partition(".")[0], _UNKNOWN_SEVERITY) for reason in verdict.reasons)
    contradicted = _finite(verdict.scores.get("grounding.contradicted"))
    entropy_bits = _finite(verdict.scores.get("agreement.entropy_bits"))
    dropped = _DROPPED if verdict.verdict == "drop" else 0.0
    return severity + dropped + _CONTRADICTED * contradicted + _ENTROPY * entropy_bits + doubt


@dataclass(frozen=True, slots=True)
class Queue:
    """The captions in the order in which everybody is asked about them.

    `rows` (Q,): row numbers of the dataset, by place. `random_ranks` (N,): of each row its rank in one random order
    of all rows. `drawn` (Q,): how many of that order the queue up to and with each place has come through; 0
    throughout where the order says nothing about chance.
    """

    rows: NDArray[np.int64]
    random_ranks: NDArray[np.int64]
    drawn: NDArray[np.int64]

    @classmethod
    def of(cls, order: Order, risks: NDArray[np.float64], seed: int, count: int | None = None) -> Queue:
        """Order rows with `risks` (N,); the same for the same seed. Raises UserError for another order."""
        if order not in get_args(Order):
            raise UserError(f"--order {order!r} is not known; give one of {', '.join(get_args(Order))}")
        random_order = np.random.default_rng(seed).permutation(len(risks)).astype(np.int64)
        ranks = np.empty_like(random_order)
        ranks[random_order] = np.arange(len(risks))
        if order == "risk":
            rows, drawn = _mixed(np.lexsort((ranks, -risks)), random_order, seed)
        elif order == "random":
            rows, drawn = random_order, np.arange(1, len(risks) + 1)
        else:
            rows, drawn = np.arange(len(risks)), np.zeros(len(risks), np.int64)
        return cls(rows[:count], ranks, drawn[:count])

    def next_place(self, after: int, done: Iterable[int]) -> int | None:
        """Return the first place after `after` that is not in `done`, else the first of all, else None."""
        left = np.ones(len(self.rows), bool)
        left[[place for place in done if 0 <= place < len(left)]] = False
        places = np.flatnonzero(left)
        if not len(places):
            return None
        later = places[places > after]
        return int(later[0] if len(later) else places[0])

    def random_sample(self, judged_places: Sequence[int]) -> list[int]:
        """Return those of the judged places that were drawn at random, whatever their risk.

        The random order is followed from its begin, and how far it has come does not depend on what was said:
        the rows it has come through are a fair sample of all.
        """
        if not judged_places:
            return []
        reached = self.drawn[max(judged_places)]
        return [place for place in judged_places if self.random_ranks[self.rows[place]] < reached]


def _mixed(
    risky: NDArray[np.int64], random_order: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take each next row from one of two orders of the same rows, by chance, passing by what was taken before."""
    from_risky = np.random.default_rng([seed, 1]).random(len(risky)) < RISK_SHARE
    is_taken = np.zeros(len(risky), bool)
    rows, drawn = np.empty_like(random_order), np.empty_like(random_order)
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
            at_random += 1
        is_taken[row] = True
        rows[place], drawn[place] = row, at_random
    return rows, drawn


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
