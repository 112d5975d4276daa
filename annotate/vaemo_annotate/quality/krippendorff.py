"""Krippendorff's alpha: how far judges agree beyond chance.

Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, University of Pennsylvania: alpha = 1 - Do / De from a
matrix of coincidences and the squared differences of three levels of measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, Literal

import numpy as np

Level = Literal["nominal", "ordinal", "interval"]


def alpha(data: Sequence[Sequence[Any]], level: Level = "nominal") -> float | None:
    """Return Krippendorff's alpha of reliability data, at most 1; 0 is chance.

    `data` has a row for each judge and a column for each unit; None or a NaN is a missing value, and any number of
    judges may be missing at a unit. Values are hashable; for `ordinal` they are ordered by `<`, for `interval` they
    are numbers. None where alpha is not defined: no unit has two values, or all values that can be paired are equal.
    Raises ValueError where judges have unequal numbers of units.
    """
    coincidences = coincidence_counts(data)
    values = list({value: None for pair in coincidences for value in pair})
    if level != "nominal":
        values.sort()
    if len(values) < 2:
        return None
    place = {value: at for at, value in enumerate(values)}
    observed = np.zeros((len(values), len(values)))
    for (first, second), count in coincidences.items():
        observed[place[first], place[second]] = count
    totals = observed.sum(axis=1)
    expected = np.outer(totals, totals)
    difference = _differences(values, totals, level)
    pairable = totals.sum()
    return float(1 - (pairable - 1) * (observed * difference).sum() / (expected * difference).sum())


def coincidence_counts(data: Sequence[Sequence[Any]]) -> Mapping[tuple[Any, Any], float]:
    """Return how often two values stand at one unit: ordered pairs of judges, each weighing 1 / (values there - 1).

    Raises ValueError where judges have unequal numbers of units.
    """
    lengths = {len(judge) for judge in data}
    if len(lengths) > 1:
        raise ValueError(
            f"judges have {sorted(lengths)} units; give each the same units, None where a value is missing"
        )
    weights: dict[tuple[Any, Any], float] = {}
    for unit in zip(*data, strict=True):
        given = [value for value in unit if not _is_missing(value)]
        for pair in permutations(given, 2):
            weights[pair] = weights.get(pair, 0.0) + 1 / (len(given) - 1)
    return weights


def _is_missing(value: Any) -> bool:
    return value is None or bool(value != value)


def _differences(values: Sequence[Any], totals: np.ndarray, level: Level) -> np.ndarray:
    """Squared differences (V, V) between V values, of which `totals` (V,) are in pairs."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    if level == "interval":
        numbers = np.array(values, dtype=float)
        return np.asarray((numbers[:, None] - numbers) ** 2)
    middles = np.cumsum(totals) - totals / 2
    return np.asarray((middles[:, None] - middles) ** 2)
