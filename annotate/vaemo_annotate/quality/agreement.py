"""Do the samples of one clip agree: votes on the families of their emotions, and the spread of their numbers."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from vaemo_annotate.quality.finding import Finding, Findings
from vaemo_annotate.quality.wheel import family_of


class AgreementSettings(BaseModel):
    """Section `agreement` of check.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_entropy_bits: Annotated[float, Field(ge=0)]


def agree(rows: Sequence[Mapping[str, Any]], settings: AgreementSettings) -> list[Findings]:
    """Return what the samples of one clip say of each other, one Findings a row in the rows' order.

    A sample votes for the family of its first emotion that the wheel knows; without one it does not vote, and is in no
    minority. `agreement.minority` stands where more than half of the votes went to another family, `agreement.low`
    on every row where the entropy is above `max_entropy_bits`. Scores, equal in every row: agreement.samples,
    .votes, .share (of the most frequent family), .entropy_bits (Shannon), and, where at least two samples state them,
    .valence_sd and .arousal_sd (of the samples, dividing by their number). One sample has neither, and what is no
    finite number is not stated.
    """
    if len(rows) < 2:
        return [Findings()] * len(rows)
    families = [voted_family(row) for row in rows]
    votes = Counter(family for family in families if family is not None)
    scores = {"agreement.samples": float(len(rows)), "agreement.votes": float(votes.total()), **_spreads(rows)}
    common: list[Finding] = []
    if votes.total() > 1:
        bits = entropy_bits(votes)
        scores |= {"agreement.share": max(votes.values()) / votes.total(), "agreement.entropy_bits": bits}
        if bits > settings.max_entropy_bits:
            told = ", ".join(f"{family} {count}" for family, count in votes.most_common())
            detail = f"{bits:.2f} bits over the samples ({told}), more than {settings.max_entropy_bits:g}"
            common = [Finding("agreement.low", detail)]
    winner = majority(votes)
    return [Findings([*_minority(family, winner, votes), *common], scores) for family in families]


def voted_family(row: Mapping[str, Any]) -> str | None:
    """Return the name of the family of a caption's first emotion that the wheel knows; None where it knows none."""
    families = (family_of(str(label)) for label in row.get("emotions") or ())
    return next((family.name for family in families if family), None)


def majority(votes: Counter[str]) -> str | None:
    """Return what more than half of the votes went to; None where nothing did."""
    return next((name for name, count in votes.items() if 2 * count > votes.total()), None)


def entropy_bits(votes: Counter[str]) -> float:
    """Return the Shannon entropy of votes in bits: 0 where all are equal, log2(k) where k families have as many."""
    return sum(count / votes.total() * math.log2(votes.total() / count) for count in votes.values())


def _minority(family: str | None, winner: str | None, votes: Counter[str]) -> list[Finding]:
    if family is None or winner is None or family == winner:
        return []
    detail = f"{family}, where {votes[winner]} of {votes.total()} samples say {winner}"
    return [Finding("agreement.minority", detail)]


def _spreads(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    stated = {name: [row[name] for row in rows if is_stated(row.get(name))] for name in ("valence", "arousal")}
    return {f"agreement.{name}_sd": statistics.pstdev(values) for name, values in stated.items() if len(values) > 1}


def is_stated(number: float | None) -> bool:
    """Return whether a caption gives a number that can be reckoned with."""
    return number is not None and math.isfinite(number)
