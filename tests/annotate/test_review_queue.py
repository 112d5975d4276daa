"""The order of the review: risk first, chance beside it, the same for everybody."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vaemo_annotate.review.queue import RISK_SHARE, Order, Queue, doubts_of, risk_of, share_with_interval
from vaemo_annotate.review.tally import agreement, captions_per_hour, estimate
from vaemo_clips.errors import UserError
from vaemo_clips.verdict import Verdict, Word

Course = Callable[[Queue, NDArray[np.float64]], tuple[Queue, NDArray[np.int64]]]
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
        judged = queue.rows[:400]
        shares.append(is_good[queue.random_sample(judged)].mean())
        biased.append(is_good[judged].mean())
    assert np.mean(shares) == pytest.approx(is_good.mean(), abs=0.02)
    assert abs(np.mean(biased) - is_good.mean()) > 0.2, "else this shows nothing"


def in_another_order(queue: Queue, risks: NDArray[np.float64]) -> tuple[Queue, NDArray[np.int64]]:
    return Queue.of("random", risks, 0), queue.rows[:100]


def after_another_check(queue: Queue, risks: NDArray[np.float64]) -> tuple[Queue, NDArray[np.int64]]:
    return Queue.of("risk", np.random.default_rng(9).permutation(risks), 0), queue.rows[:100]


def with_a_look_at_the_end(queue: Queue, risks: NDArray[np.float64]) -> tuple[Queue, NDArray[np.int64]]:
    return queue, np.append(queue.rows[:100], queue.rows[-1])


def with_some_passed_by(queue: Queue, risks: NDArray[np.float64]) -> tuple[Queue, NDArray[np.int64]]:
    return queue, queue.rows[:100][np.arange(100) % 25 != 24]


@pytest.mark.parametrize("course", [in_another_order, after_another_check, with_a_look_at_the_end, with_some_passed_by])
def test_the_sample_is_fair_in_whatever_course_captions_are_judged(course: Course) -> None:
    rng = np.random.default_rng(0)
    num_good = num_judged = 0
    for _ in range(120):
        is_good = rng.random(1000) >= 0.2
        risks = rng.random(1000) + 0.5 * ~is_good
        queue, judged = course(Queue.of("risk", risks, 0), risks)
        sample = queue.random_sample(judged)
        num_good, num_judged = num_good + is_good[sample].sum(), num_judged + len(sample)
        assert is_good[judged].mean() < 0.7, "else this shows nothing"
    assert num_judged > 120 * 5
    assert num_good / num_judged == pytest.approx(0.8, abs=0.03)


def test_the_sample_ends_before_the_first_caption_of_the_random_order_that_is_not_judged() -> None:
    queue = Queue.of("random", RISKS, 0, count=10)
    first = queue.rows.tolist()
    assert queue.random_sample([first[2], first[0], first[1], first[4]]) == [first[2], first[0], first[1]]
    assert queue.random_sample(first[1:]) == []
    assert queue.random_sample([]) == []
    assert sorted(queue.random_sample(range(2000))) == list(range(2000))


def test_next_skips_what_is_judged_and_comes_back_to_what_was_passed_by() -> None:
    queue = Queue.of("dataset", RISKS, 0, count=5)
    assert queue.next_place(-1, []) == 0
    assert queue.next_place(0, [1, 2]) == 3
    assert queue.next_place(4, [1, 3, 4]) == 0
    assert queue.next_place(2, range(5)) is None


def test_a_finding_outweighs_low_confidence_and_a_contradiction_outweighs_form() -> None:
    def found(*reasons: str, word: Word = "keep", **scores: float) -> Verdict:
        return Verdict("clip", 0, word, reasons, {name.replace("__", "."): value for name, value in scores.items()})

    unsure, sure = doubts_of(np.array([0.0, 1.0]))
    plain = risk_of(found()) + sure
    flagged = risk_of(found("agreement.low", agreement__entropy_bits=1.2))
    bad_form = risk_of(found("form.too_long"))
    contradicted = risk_of(found("grounding.contradicted", word="drop", grounding__contradicted=2.0))
    assert plain < unsure < bad_form < flagged + 1 < contradicted
    assert risk_of(found("grounding.contradicted", grounding__contradicted=math.nan)) == 2.0
    assert risk_of(found("new.reason")) == 1.0
    assert doubts_of(np.array([math.nan, math.inf, -7.0])).tolist() == [0.0, 0.0, unsure]


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
