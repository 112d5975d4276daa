"""WAR, UAR, WF1, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.interval import Interval, bootstrap_interval, cluster_sums, ratio
from vaemo_train.evaluate.scores import Estimate, Scores, ScoreSummary

LABELS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=40)


def test_scores_by_hand() -> None:
    scores = Scores.of(["a", "a", "a", "b"], ["a", "a", "b", "b"])
    assert scores.confusion.tolist() == [[2, 1], [0, 1]]
    assert scores.war == pytest.approx(3 / 4)
    assert scores.uar == pytest.approx((2 / 3 + 1) / 2)
    assert scores.wf1 == pytest.approx(3 / 4 * (4 / 5) + 1 / 4 * (2 / 3))
    assert scores.recalls == pytest.approx({"a": 2 / 3, "b": 1.0})
    assert scores.num_clips == 4


@settings(max_examples=80, deadline=None)
@given(data=st.data(), truth=LABELS)
@pytest.mark.filterwarnings("ignore:(y_pred contains classes|A single label):UserWarning")
def test_scores_agree_with_scikit_learn(data: st.DataObject, truth: list[str]) -> None:
    predicted = data.draw(st.lists(st.sampled_from("abcd"), min_size=len(truth), max_size=len(truth)))
    scores = Scores.of(truth, predicted, "abcd")
    assert scores.war == pytest.approx(accuracy_score(truth, predicted))
    assert scores.uar == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert scores.wf1 == pytest.approx(f1_score(truth, predicted, average="weighted", zero_division=0))
    assert (scores.confusion == confusion_matrix(truth, predicted, labels=list("abcd"))).all()


def test_a_class_without_clips_has_no_recall_and_does_not_count_in_uar() -> None:
    scores = Scores.of(["a", "b"], ["a", "c"], "abc")
    assert math.isnan(scores.recalls["c"])
    assert scores.uar == 0.5


def test_labels_are_compared_as_text() -> None:
    assert Scores.of([1, 2], ["1", "2"]).war == 1.0


def test_scores_need_clips_with_known_labels() -> None:
    with pytest.raises(SplitError, match=r"^no clip to score; scores need at least one$"):
        Scores.of([], [])
    with pytest.raises(SplitError, match=r"^1 of 2 clips have no label; label them or leave them out$"):
        Scores.of(["a", None], ["a", "a"])
    with pytest.raises(ValueError, match=r"^label 'c' is none of the classes a, b$"):
        Scores.of(["a"], ["c"], ("a", "b"))
    with pytest.raises(ValueError, match=r"^2 true and 1 predicted labels; there must be one each a clip$"):
        Scores.of(["a", "b"], ["a"])


def test_an_estimate_reads_as_one_text() -> None:
    assert str(Estimate.of([0.511, 0.515, 0.519], Interval(0.49, 0.54))) == "51.5 ± 0.4 [49.0, 54.0]"
    assert str(Estimate.of([0.515])) == "51.5"
    assert Estimate.of([0.5]).as_dict() == {"mean": 0.5, "deviation": None, "low": None, "high": None}


def test_a_summary_is_of_the_mean_over_runs() -> None:
    truth = ["a", "a", "b", "b"]
    summary = ScoreSummary.of_predictions(truth, [["a", "a", "b", "b"], ["a", "a", "b", "a"]], ["x", "x", "y", "y"])
    assert summary.war.mean == pytest.approx(7 / 8)
    assert summary.war.deviation == pytest.approx(np.std([1, 0.75], ddof=1))
    # Resamples of the two speakers: only x (1.0), only y (0.75) or both.
    assert summary.war.interval == Interval(0.75, 1.0)
    assert summary.resampled == "2 speakers"
    assert str(summary).startswith("WAR 87.5 ± 17.7 [75.0, 100.0]  UAR 87.5 ± 17.7 [75.0, 100.0]  WF1 ")
    assert summary.as_dict()["num_runs"] == 2


def test_a_summary_of_one_speaker_has_no_interval() -> None:
    summary = ScoreSummary.of_predictions(["a", "b"], [["a", "b"]], ["x", "x"])
    assert summary.war.interval is None
    assert summary.resampled == ""
    assert str(summary) == "WAR 100.0  UAR 100.0  WF1 100.0"


def test_the_interval_over_clips_is_that_of_a_binomial() -> None:
    rng = np.random.default_rng(0)
    truth = np.array(["a", "b"] * 500)
    predicted = np.where(rng.random(1000) < 0.7, truth, "a")
    interval = ScoreSummary.of_predictions(truth, [predicted]).war.interval
    assert interval is not None
    share = (truth == predicted).mean()
    half = 1.96 * math.sqrt(share * (1 - share) / 1000)
    assert interval.low == pytest.approx(share - half, abs=0.004)
    assert interval.high == pytest.approx(share + half, abs=0.004)


def test_clips_of_the_same_speaker_widen_the_interval() -> None:
    speakers = np.repeat(np.arange(20), 50)
    hits = np.random.default_rng(1).random(20)[speakers] > 0.5  # a speaker is all right or all wrong
    predicted = np.where(hits, "a", "b")
    over_clips, over_speakers = (
        ScoreSummary.of_predictions(["a"] * 1000, [predicted], clusters).war.interval for clusters in (None, speakers)
    )
    assert over_clips is not None
    assert over_speakers is not None
    assert over_speakers.high - over_speakers.low > 4 * (over_clips.high - over_clips.low)


def test_counted_parts_are_as_good_as_repeated_ones() -> None:
    hits = np.array([[1, 1]] * 30 + [[0, 1]] * 70)
    repeated = bootstrap_interval(hits, ratio, num_resamples=20_000)
    counted = bootstrap_interval(np.array([[1, 1], [0, 1]]), ratio, counts=np.array([30, 70]), num_resamples=20_000)
    assert repeated is not None
    assert counted is not None
    assert repeated.low == pytest.approx(counted.low, abs=0.011)
    assert repeated.high == pytest.approx(counted.high, abs=0.011)


def test_the_same_seed_gives_the_same_interval() -> None:
    hits = np.random.default_rng(0).integers(1, 3, (40, 2))
    assert bootstrap_interval(hits, ratio, seed=3) == bootstrap_interval(hits, ratio, seed=3)
    assert bootstrap_interval(hits[:1], ratio) is None


def test_parts_are_summed_by_cluster() -> None:
    parts = np.array([[1, 1], [0, 1], [1, 1]])
    assert cluster_sums(parts, ["x", "y", "x"]).tolist() == [[2, 2], [0, 1]]
    assert cluster_sums(parts, None) is parts
