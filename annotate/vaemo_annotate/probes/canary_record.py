"""Canaries as run.json keeps them, of several shards: each had a server of its own, and one may have been deaf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_WORST_FIRST = ("invented", "ignored", "inconclusive", "passed")


def merged_canaries(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return one record of several: of each canary the worst outcome, with its samples; None of none.

    Replies are summed; where the shards were told differently what to do about faults, `mode` names all ways.
    """
    if not records:
        return None
    outcomes: dict[str, Any] = {}
    for record in records:
        for name, outcome in record["outcomes"].items():
            if name not in outcomes or _rank(outcome) < _rank(outcomes[name]):
                outcomes[name] = outcome
    return {
        "mode": ", ".join(sorted({record["mode"] for record in records})),
        "asked": sum(record["asked"] for record in records),
        "replies_asked_now": sum(record["replies_asked_now"] for record in records),
        "outcomes": outcomes,
    }


def _rank(outcome: Mapping[str, Any]) -> int:
    return _WORST_FIRST.index(outcome["outcome"])
