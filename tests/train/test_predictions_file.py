"""Predictions are read as they were written; what is no such file is told in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vaemo_clips.errors import RunFolderError, SplitError
from vaemo_train.evaluate.predict import Predictions
from vaemo_train.outcome.predictions_file import read_predictions, write_predictions


def predictions(is_regression: bool = False) -> Predictions:
    both = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]], np.float32)
    return Predictions(
        clip_ids=np.array(["a", "b", "c"], object), values={"audio": np.abs(both[::-1] - 0.05), "both": both},
        names=("calm", "sad"), is_regression=is_regression, num_windows=3, windows_used=np.array([3, 1, 6]),
    )  # fmt: skip


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "fold-1" / "seed-0" / "predictions.parquet"
    write_predictions(path, predictions(), np.array([0, 1, 1]), fold="1", seed=7, speakers=["01", None, 3.0])
    found = read_predictions(path)
    assert (found.fold, found.seed, found.names, found.num_windows) == ("1", 7, ("calm", "sad"), 3)
    assert (found.is_regression, found.trained_on) == (False, "both")
    assert found.truth.tolist() == ["calm", "sad", "sad"]
    assert found.speakers.tolist() == ["01", None, "3"]
    assert list(found.values) == ["audio", "both"]
    for name, values in predictions().values.items():
        np.testing.assert_array_equal(found.values[name], values)
    assert [one.name for one in path.parent.iterdir()] == ["predictions.parquet"], "no draft is left"


def test_values_of_a_regression_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    truth = np.array([[0.5, -1.0], [0.0, 0.25], [1.0, 1.0]])
    write_predictions(path, predictions(is_regression=True), truth, fold="s03", seed=0, trained_on="audio")
    found = read_predictions(path)
    np.testing.assert_array_equal(found.truth, truth)
    assert found.is_regression
    assert found.trained_on == "audio"
    assert found.speakers.tolist() == [None] * 3


def test_tested_clips_have_a_truth_that_the_model_knows(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    with pytest.raises(SplitError, match=r"^1 of 3 tested clips have no truth; label them or leave them out$"):
        write_predictions(path, predictions(), ["calm", None, "sad"], fold="1", seed=0)
    with pytest.raises(SplitError, match=r"^1 of 3 tested clips have no truth"):
        write_predictions(path, predictions(), np.array([0, -1, 1]), fold="1", seed=0)
    with pytest.raises(SplitError, match=r"^label 'joy' of a tested clip is none of the model's classes calm, sad; "):
        write_predictions(path, predictions(), ["calm", "joy", "sad"], fold="1", seed=0)
    values = np.array([[0, 1], [np.nan, 1], [2, 1]])
    with pytest.raises(SplitError, match=r"^1 of 3 tested clips have no truth"):
        write_predictions(path, predictions(is_regression=True), values, fold="1", seed=0)
    with pytest.raises(ValueError, match=r"^3 predicted clips, 2 truths"):
        write_predictions(path, predictions(), ["calm", "sad"], fold="1", seed=0)
    assert not path.exists()


def test_a_file_that_holds_no_predictions_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    with pytest.raises(RunFolderError, match=r"there is no such file; finish this fold's training first$"):
        read_predictions(path)
    path.write_text("not parquet")
    with pytest.raises(RunFolderError, match=r"^[^\n]*is no file of predictions \([^\n]*; take it away and train"):
        read_predictions(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_predictions(path, predictions(), ["calm"] * 3, fold="1", seed=0)
