"""The order of the review: risk first, chance beside it, the same for everybody."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.review.queue import RISK_SHARE, Order, Queue, risk_of, share_with_interval
from vaemo_annotate.review.tally import agreement, captions_per_hour, estimate
from vaemo_clips.errors import UserError
from vaemo_clips.verdict import Verdict, Word

RISKS = np.random.default_rng(5).random(2000)


@given(st.lists(st.floats(0, 9), max_size=60), st.integers(0, 5), st.sampled_from(["risk", "random", "dataset"]))
def test_every_caption_comes_once_in_every_order(risks: list[float], seed: int, order: Order) -> None:
    queue = Queue.of(order, np.array(risks), seed)
    assert sorted(queue.rows.tolist()) == list(range(len(risks)))


def test_the_riskiest_come_first_among_seven_of_ten() -> None:
    queue = Queue.of("risk", RISKS, seed=0)
    first = queue.rows[:200].tolist()
    riskiest = set(np.argsort(-RISKS)[:200].tolist())
    share = sum(row in riskiest for row in first) / 200
    assert RISK_SHARE - 0.08 < share < RISK_SHARE + 0.12


def test_the_order_is_the_same_for_everybody_and_another_with_another_seed() -> None:
    one, same, other = (Queue.of("risk", RISKS, seed) for seed in (3, 3, 4))
    assert one.rows.tolist() == same.rows.tolist() != other.rows.tolist()


def test_the_random_part_is_a_fair_sample_whatever_the_risk() -> None:
    is_good = np.sort(np.random.default_rng(1).random(2000))[::-1] < 0.6  # as good as its risk is low
    risks = np.linspace(0, 9, 2000)[::-1].copy()
    shares, biased = [], []
    for seed in range(40):
        queue = Queue.of("risk", risks, seed)
        judged = list(range(400))
        sample = queue.random_sample(judged)
        shares.append(np.mean([is_good[queue.rows[place]] for place in sample]))
        biased.append(np.mean([is_good[queue.rows[place]] for place in judged]))
    assert np.mean(shares) == pytest.approx(is_good.mean(), abs=0.02)
    assert abs(np.mean(biased) - is_good.mean()) > 0.2, "else this shows nothing"


def test_of_the_order_of_the_dataset_nothing_is_a_random_sample() -> None:
    assert Queue.of("dataset", RISKS, 0).random_sample([0, 1, 2]) == []
    assert Queue.of("random", RISKS, 0).random_sample([0, 1, 2]) == [0, 1, 2]


def test_next_skips_what_is_judged_and_comes_back_to_what_was_passed_by() -> None:
    queue = Queue.of("dataset", RISKS, 0, count=5)
    assert queue.next_place(-1, []) == 0
    assert queue.next_place(0, [1, 2]) == 3
    assert queue.next_place(4, [1, 3, 4]) == 0
    assert queue.next_place(2, range(5)) is None


def test_a_finding_outweighs_low_confidence_and_a_contradiction_outweighs_form() -> None:
    def found(*reasons: str, word: Word = "keep", **scores: float) -> Verdict:
        return Verdict("clip", 0, word, reasons, {name.replace("__", "."): value for name, value in scores.items()})

    unsure, plain = risk_of(None, 0.0), risk_of(found(), 1.0)
    flagged = risk_of(found("agreement.low", agreement__entropy_bits=1.2), 1.0)
    bad_form = risk_of(found("form.too_long"), 0.9)
    contradicted = risk_of(found("grounding.contradicted", word="drop", grounding__contradicted=2.0), 0.9)
    assert plain < unsure < bad_form < flagged + 1 < contradicted
    assert risk_of(found("grounding.contradicted", grounding__contradicted=math.nan), math.nan) == 2.0
    assert risk_of(found("new.reason"), None) == 1.0


def test_an_unknown_order_names_those_there_are() -> None:
    with pytest.raises(UserError, match="--order 'worst' is not known; give one of risk, random, dataset"):
        Queue.of("worst", RISKS, 0)  # type: ignore[arg-type]


def said(clip: str, by: str, word: Word) -> Verdict:
    return Verdict(clip, 0, word, by=by, fixed_description="calm" if word == "fixed" else None)


def test_agreement_counts_captions_of_several_people_only() -> None:
    verdicts = [said("a", "Anna", "keep"), said("a", "Ben", "keep"), said("b", "Anna", "drop")]
    verdicts += [
        said("b", "Ben", "drop"),
        said("c", "Anna", "fixed"),
        said("c", "Ben", "keep"),
        said("d", "Ben", "drop"),
    ]
    found = agreement(verdicts)
    assert (found["captions"], found["agreed"]) == (3, 2)
    # 6 values: 3 keep, 2 drop, 1 fixed; observed disagreement 1/3, expected 1 - (3*2 + 2*1) / (6*5) = 22/30.
    assert found["alpha"] == pytest.approx(1 - (1 / 3) / (22 / 30))
    assert found["alpha_usable"] == pytest.approx(1.0)
    assert found["people"][1] == {"name": "Ben", "judged": 4, "keep": 2, "fixed": 0, "drop": 2}
    assert agreement([])["alpha"] is None


def test_the_estimate_counts_the_majority_of_the_sampled_captions() -> None:
    verdicts = [said("a", "Anna", "keep"), said("a", "Ben", "drop"), said("b", "Ben", "keep"), said("c", "Ben", "drop")]
    found = estimate(verdicts, {("a", 0): True, ("b", 0): True})
    assert (found["captions"], found["share"]) == (2, 0.5)
    assert estimate(verdicts, {})["share"] is None


def test_the_interval_is_wilsons() -> None:
    assert share_with_interval(8, 10) == pytest.approx((0.8, 0.4902, 0.9433), abs=2e-4)
    assert share_with_interval(0, 0)[1:] == (0.0, 1.0)


def test_speed_leaves_pauses_out() -> None:
    from datetime import UTC, datetime, timedelta

    begin = datetime(2026, 1, 1, tzinfo=UTC)
    seconds = [0, 10, 20, 4000, 4010]
    own = [Verdict("a", number, "keep", by="Anna", at=begin + timedelta(seconds=s)) for number, s in enumerate(seconds)]
    assert captions_per_hour(own) == pytest.approx(360)
    assert captions_per_hour(own[:2]) is None
