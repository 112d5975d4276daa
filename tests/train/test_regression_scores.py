"""CCC, PCC, RMSE, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import pearsonr
from sklearn.metrics import root_mean_squared_error

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.interval import Interval
from vaemo_train.evaluate.moments import ccc, moments, pcc, rmse
from vaemo_train.evaluate.regression import RegressionScores, RegressionSummary, shown_error, shown_share
from vaemo_train.evaluate.scores import Estimate

Floats = NDArray[np.float64]
PAIRS = st.integers(2, 30).flatmap(lambda count: arrays(np.float64, (2, count), elements=st.floats(-5, 5, width=32)))


def concordance(x: Floats, y: Floats) -> float:
    """Lin 1989, written out."""
    cov = ((x - x.mean()) * (y - y.mean())).mean()
    return float(2 * cov / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def test_scores_by_hand() -> None:
    scores = RegressionScores.of([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    # Variances 2/3, covariance 2/3, means 1 apart.
    assert scores.ccc == pytest.approx((4 / 3) / (4 / 3 + 1))
    assert scores.pcc == pytest.approx(1)
    assert scores.rmse == pytest.approx(1)
    assert scores.num_clips == 3


@settings(max_examples=100, deadline=None)
@given(pair=PAIRS)
def test_scores_agree_with_what_is_written_out(pair: Floats) -> None:
    x, y = pair
    assume(min(x.std(), y.std()) > 1e-3)
    scores = RegressionScores.of(x, y)
    assert scores.ccc == pytest.approx(concordance(x, y), abs=1e-9)
    assert scores.pcc == pytest.approx(pearsonr(x, y).statistic, abs=1e-6)
    assert scores.rmse == pytest.approx(root_mean_squared_error(x, y), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(pair=PAIRS, scale=st.floats(0.1, 10), offset=st.floats(-100, 100))
def test_concordance_is_symmetric_within_the_correlation_and_blind_to_units(
    pair: Floats, scale: float, offset: float
) -> None:
    x, y = pair
    assume(min(x.std(), y.std()) > 1e-2)
    scores = RegressionScores.of(x, y)
    assert abs(scores.ccc) <= abs(scores.pcc) + 1e-9
    assert RegressionScores.of(y, x).ccc == pytest.approx(scores.ccc, abs=1e-9)
    other = RegressionScores.of(scale * x + offset, scale * y + offset)
    assert other.ccc == pytest.approx(scores.ccc, abs=1e-7)
    assert other.rmse == pytest.approx(scale * scores.rmse, abs=1e-7)
    assert RegressionScores.of(x, x).ccc == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(pair=PAIRS, cut=st.integers(1, 29))
def test_moments_of_parts_add_up(pair: Floats, cut: int) -> None:
    each = moments(*pair)
    whole = each.sum(axis=0)
    added = each[:cut].sum(axis=0) + each[cut:].sum(axis=0)
    for score in (ccc, pcc, rmse):
        np.testing.assert_allclose(score(added[None]), score(whole[None]), atol=1e-6)


def test_a_collapsed_prediction_scores_0_whatever_is_lost_in_rounding() -> None:
    truth = np.random.default_rng(0).normal(size=37)
    for level in (0.0, 1e6, *np.random.default_rng(1).normal(size=50)):
        scores = RegressionScores.of(truth, np.full(37, level))
        assert scores.ccc == 0
        assert scores.pcc == 0
        assert scores.rmse > 0


def test_a_constant_truth_correlates_with_nothing() -> None:
    scores = RegressionScores.of([0.3] * 3, [0.1, 0.2, 0.4])
    assert scores.ccc == 0
    assert math.isnan(scores.pcc)
    assert math.isnan(RegressionScores.of([0.5, 0.5], [0.5, 0.5]).ccc)


def test_no_digits_are_lost_far_from_0() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = 0.5 * x + rng.normal(size=200)
    assert RegressionScores.of(x + 1e7, y + 1e7).ccc == pytest.approx(concordance(x, y), abs=1e-6)


def test_a_float32_prediction_that_hardly_varies_is_not_constant() -> None:
    x = np.linspace(-1, 1, 50)
    y = np.asarray(1 + 1e-5 * x, np.float32)
    assert RegressionScores.of(x, y).pcc == pytest.approx(pearsonr(x, y).statistic, abs=1e-3)


def two_targets(num_runs: int = 3) -> tuple[Floats, Floats, list[str]]:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(120, 2))
    predictions = truth + rng.normal(size=(num_runs, 120, 2)) * [0.5, 2.0]
    return truth, predictions, [f"speaker {number % 12}" for number in range(120)]


def test_a_summary_is_of_the_mean_over_targets_and_runs() -> None:
    truth, predictions, speakers = two_targets()
    summary = RegressionSummary.of_predictions(truth, predictions, ["valence", "arousal"], speakers)
    each = [[concordance(truth[:, target], run[:, target]) for target in range(2)] for run in predictions]
    assert summary.ccc.mean == pytest.approx(np.mean(each))
    assert summary.ccc.deviation == pytest.approx(np.mean(each, axis=1).std(ddof=1))
    assert list(summary.targets) == ["valence", "arousal"]
    assert summary.targets["valence"]["ccc"].mean == pytest.approx(np.mean(each, axis=0)[0])
    assert summary.targets["arousal"]["rmse"].mean == pytest.approx(2, rel=0.15)
    assert summary.num_runs == 3
    assert summary.resampled == "12 speakers"
    for estimate in (summary.ccc, summary.pcc, summary.rmse, *summary.targets["arousal"].values()):
        assert estimate.interval is not None
        assert estimate.interval.low < estimate.mean < estimate.interval.high
    found = summary.as_dict()
    assert found["ccc"] == summary.ccc.as_dict()
    assert found["targets"]["arousal"]["rmse"] == summary.targets["arousal"]["rmse"].as_dict()
    assert (found["num_runs"], found["resampled"]) == (3, "12 speakers")


def test_the_interval_over_speakers_is_that_of_resampled_speakers() -> None:
    truth, predictions, speakers = two_targets(num_runs=1)
    summary = RegressionSummary.of_predictions(truth[:, :1], predictions[..., :1], ["valence"], speakers)
    rng = np.random.default_rng(5)
    own = [np.flatnonzero(np.array(speakers) == name) for name in sorted(set(speakers))]
    found = []
    for _ in range(2000):
        rows = np.concatenate([own[number] for number in rng.integers(0, 12, 12)])
        found.append(concordance(truth[rows, 0], predictions[0, rows, 0]))
    assert summary.ccc.interval is not None
    assert summary.ccc.interval.low == pytest.approx(np.quantile(found, 0.025), abs=0.01)
    assert summary.ccc.interval.high == pytest.approx(np.quantile(found, 0.975), abs=0.01)


def test_without_speakers_clips_are_resampled_and_one_speaker_has_no_interval() -> None:
    truth, predictions, _ = two_targets()
    names = ["valence", "arousal"]
    assert RegressionSummary.of_predictions(truth, predictions, names).resampled == "120 clips"
    one = RegressionSummary.of_predictions(truth, predictions[:1], names, ["x"] * 120)
    assert one.ccc.interval is None
    assert one.resampled == ""
    assert math.isnan(one.ccc.deviation)


def test_the_same_seed_gives_the_same_interval() -> None:
    truth, predictions, speakers = two_targets()
    first, again, other = (
        RegressionSummary.of_predictions(truth, predictions, ["v", "a"], speakers, seed=seed) for seed in (3, 3, 4)
    )
    assert first == again
    assert first.ccc.interval != other.ccc.interval


def test_an_undefined_score_has_no_interval_and_shows_as_such() -> None:
    summary = RegressionSummary.of_predictions(np.full((4, 1), 0.3), np.arange(4.0).reshape(1, 4, 1), ["v"])
    assert math.isnan(summary.pcc.mean)
    assert summary.pcc.interval is None
    assert summary.as_dict()["pcc"]["mean"] is None
    assert "PCC nan" in str(summary)


def test_scores_read_as_one_text() -> None:
    assert shown_share(Estimate.of([0.508, 0.512, 0.516], Interval(0.494, 0.531))) == ".512 ± .004 [.49, .53]"
    assert shown_share(Estimate.of([-0.0304], Interval(-0.2, 1.0))) == "-.030 [-.20, 1.00]"
    assert shown_error(Estimate.of([0.2134], Interval(0.2, 0.2251))) == "0.213 [0.200, 0.225]"
    assert shown_error(Estimate.of([15.26, 15.46])) == "15.4 ± 0.1"
    assert shown_error(Estimate.of([1234.5])) == "1234"
    assert shown_error(Estimate.of([0.0])) == "0.000"
    summary = RegressionSummary.of_predictions([[0.0], [1.0]], [[[0.0], [1.0]]], ["valence"], ["x", "x"])
    assert str(summary) == "CCC 1.000  PCC 1.000  RMSE 0.000"
    assert summary.lines() == ["valence: CCC 1.000  PCC 1.000  RMSE 0.000"]


def test_scores_need_clips_with_numbers() -> None:
    with pytest.raises(SplitError, match=r"^no clip to score; scores need at least one$"):
        RegressionScores.of([], [])
    with pytest.raises(SplitError, match=r"^1 of 2 clips have no true value that is a number; leave these clips out$"):
        RegressionScores.of([math.nan, 1], [1, 1])
    with pytest.raises(SplitError, match=r"^2 of 2 clips have no predicted value of arousal that is a number; leave"):
        RegressionSummary.of_predictions([[1, 1], [2, 2]], [[[1, math.nan], [2, math.inf]]], ["valence", "arousal"])
    with pytest.raises(ValueError, match=r"^true values \(2, 1\) and predictions \(1, 1, 1\) of 1 targets; they must"):
        RegressionScores.of([1, 2], [1])
