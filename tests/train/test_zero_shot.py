"""Clips named by descriptions alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from vaemo_clips.errors import SplitError, TrainingError
from vaemo_train.evaluate.text_report import zero_shot_report
from vaemo_train.evaluate.zero_shot import label_vectors, zero_shot

NAMES = ("anger", "calm", "fear")


def scores_of(predicted: list[int]) -> NDArray[np.float64]:
    return np.eye(len(NAMES))[predicted]


def test_clips_are_named_by_the_highest_score() -> None:
    found = zero_shot(scores_of([0, 0, 1, 2]), ["anger", "anger", "calm", "calm"], NAMES)
    assert found.scores.names == NAMES
    assert found.scores.confusion.tolist() == [[2, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert found.summary.war.mean == pytest.approx(0.75)
    assert found.summary.uar.mean == pytest.approx(0.75)
    assert found.uar_chance == 0.5, "two classes occur"
    assert found.war_largest_class == 0.5
    assert found.lines() == []


def test_intervals_are_over_speakers() -> None:
    truth = ["anger", "calm"] * 5
    right, wrong = [0, 1], [1, 0]
    found = zero_shot(scores_of(right * 4 + wrong), truth, NAMES, speakers=np.repeat(np.arange(5), 2))
    assert found.summary.resampled == "5 speakers"
    assert found.summary.war.interval is not None
    assert zero_shot(scores_of(right * 5), truth, NAMES).summary.resampled == "10 clips"


def test_clips_of_other_labels_are_left_out_and_told() -> None:
    truth = ["anger", None, "contempt", "fear", "contempt", ""]
    found = zero_shot(scores_of([0, 0, 0, 2, 1, 1]), truth, NAMES, speakers=list("abcdef"))
    assert found.scores.num_clips == 2
    assert found.left_out == {"": 2, "contempt": 2}
    assert found.summary.resampled == "2 speakers"
    assert found.lines() == [
        "2 clips without a label left out",
        "2 clips of contempt, which is none of the labels, left out",
    ]


def test_a_clip_without_a_label_is_not_of_a_label_none() -> None:
    found = zero_shot(np.eye(2)[[0, 1]], ["anger", None], ["anger", "None"])
    assert found.left_out == {"": 1}


def test_collapsed_embeddings_score_chance_and_are_told() -> None:
    found = zero_shot(np.ones((6, 3)), ["anger", "calm", "fear"] * 2, NAMES)
    assert found.summary.uar.mean == pytest.approx(found.uar_chance)
    assert found.num_tied == 6
    assert found.lines() == ["6 of 6 clips fit several labels equally well"]


def test_labels_that_are_numbers_compare_as_text() -> None:
    assert zero_shot(np.eye(2), [1.0, 2], ["1", "2"]).summary.war.mean == 1.0


def test_logs_are_flat_and_tables_readable() -> None:
    found = zero_shot(scores_of([0, 0, 1, 2]), ["anger", "anger", "calm", "x"], NAMES)
    logs = found.as_dict()
    assert logs["war"] == logs["uar"] == logs["recall_calm"] == 1.0
    assert logs["war_largest_class"] == pytest.approx(2 / 3)
    assert (logs["uar_chance"], logs["num_labels"], logs["num_left_out"]) == (0.5, 3, 1)
    assert "recall_fear" not in logs
    console = Console(width=80, record=True)
    console.print(zero_shot_report({"visual": found}, "zero-shot"))
    shown = console.export_text()
    assert "…" not in shown
    for part in (
        "visual",
        "100.0",
        "largest class 66.7",
        "chance 50.0",
        "intervals over 3 clips",
        "1 clip of x, which",
    ):
        assert part in shown


def test_a_label_s_vector_is_the_mean_of_its_descriptions() -> None:
    descriptions = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    vectors = label_vectors(descriptions, ["a", "a", "b"], ["b", "a"])
    assert vectors == pytest.approx(np.array([[0, 1], [0.5**0.5, 0.5**0.5]]))


@pytest.mark.parametrize(
    ("vectors", "labels", "message"),
    [
        (np.eye(2), ["a", "a"], r"^label b has no description; write one or leave the label out$"),
        (
            np.array([[1.0, 0], [0, 1], [0, -1]]),
            ["a", "b", "b"],
            r"^the 2 descriptions of label b cancel out; write oth",
        ),
        (2 * np.eye(2), ["a", "b"], r"^a description embedding has length 2; to be compared all must have length 1"),
    ],
)
def test_descriptions_that_make_no_vector(vectors: NDArray[Any], labels: list[str], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        label_vectors(vectors, labels, ["a", "b"])


@pytest.mark.parametrize(
    ("scores", "names", "message"),
    [
        (
            np.ones((3, 2)),
            ("a", "b"),
            r"^zero-shot naming with scores \(3, 2\) for 2 clips and 2 labels; it needs a line",
        ),
        (np.ones((2, 2)), ("a", "a"), r"and labels that differ$"),
        (np.ones((2, 1)), ("a",), r"^zero-shot naming among 1 labels; it needs two or more to choose from$"),
        (np.full((2, 2), np.inf), ("a", "b"), r"^2 of 2 clips have scores that are no numbers$"),
    ],
)
def test_scores_that_cannot_be_used(scores: NDArray[Any], names: tuple[str, ...], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        zero_shot(scores, ["a", "b"], names)


def test_labels_that_no_clip_has() -> None:
    message = (
        r"^no clip to name: their labels are ANG, SAD, those to choose from anger, calm, fear; name the labels as the"
    )
    with pytest.raises(SplitError, match=message):
        zero_shot(scores_of([0, 1]), ["ANG", "SAD"], NAMES)
    with pytest.raises(SplitError, match=r"^no clip to name: their labels are empty, those"):
        zero_shot(scores_of([0, 1]), [None, ""], NAMES)
