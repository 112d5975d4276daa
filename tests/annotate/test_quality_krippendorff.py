"""Krippendorff's alpha: the worked examples of Krippendorff (2011), and what must hold for any data."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaemo_annotate.quality.krippendorff import Level, alpha

MEG = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
OWEN = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
BEN = list("aabbdcccedda")
GERRY = list("babbbccceddd")
N = None
FOUR_JUDGES = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")

ratings = st.one_of(st.none(), st.integers(1, 4))
reliability_data = st.integers(1, 6).flatmap(
    lambda units: st.lists(st.lists(ratings, min_size=units, max_size=units), min_size=2, max_size=4)
)


def test_two_judges_of_binary_data() -> None:
    assert alpha([MEG, OWEN], "nominal") == pytest.approx(0.095, abs=5e-4)


def test_two_judges_of_nominal_data() -> None:
    assert alpha([BEN, GERRY], "nominal") == pytest.approx(0.692, abs=5e-4)


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_four_judges_with_missing_values(level: Level, expected: float) -> None:
    assert alpha(FOUR_JUDGES, level) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("level", LEVELS)
def test_a_nan_is_a_missing_value(level: Level) -> None:
    with_nan = [[math.nan if value is None else value for value in judge] for judge in FOUR_JUDGES]
    assert alpha(with_nan, level) == pytest.approx(alpha(FOUR_JUDGES, level))


@pytest.mark.parametrize("level", LEVELS)
def test_perfect_agreement_is_one(level: Level) -> None:
    assert alpha([[1, 2, 3, 1], [1, 2, 3, 1], [N, 2, N, 1]], level) == 1.0


def test_systematic_disagreement_lies_below_chance() -> None:
    disagreeing = alpha([[0, 1, 0, 1], [1, 0, 1, 0]], "nominal")
    assert disagreeing is not None
    assert disagreeing < 0


@pytest.mark.parametrize(
    "data",
    [[], [[1, 2]], [[1, N], [N, 2]], [[1, 1], [1, 1]], [[1, 1, 2], [1, 1, N]]],
    ids=["no judge", "one judge", "no pair", "one value", "one value among those in pairs"],
)
@pytest.mark.parametrize("level", LEVELS)
def test_undefined_is_none(data: list[list[Any]], level: Level) -> None:
    assert alpha(data, level) is None


def test_judges_of_unequal_numbers_of_units_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"judges have \[1, 2\] units; give each the same units"):
        alpha([[1, 2], [1]])


@pytest.mark.parametrize("level", LEVELS)
@given(data=reliability_data, random=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_judges_and_units_does_not_matter(data: list[list[int | None]], random: Any, level: Level) -> None:
    expected = alpha(data, level)
    units = list(zip(*random.sample(data, len(data)), strict=True))
    shuffled = [list(judge) for judge in zip(*random.sample(units, len(units)), strict=True)]
    found = alpha(shuffled, level)
    assert found is None if expected is None else found == pytest.approx(expected)
    assert expected is None or expected <= 1 + 1e-12


@given(data=reliability_data)
@settings(max_examples=60, deadline=None)
def test_interval_alpha_does_not_depend_on_zero_and_unit(data: list[list[int | None]]) -> None:
    moved = [[None if value is None else 3.0 * value - 7 for value in judge] for judge in data]
    found, expected = alpha(moved, "interval"), alpha(data, "interval")
    assert found is None if expected is None else found == pytest.approx(expected)
