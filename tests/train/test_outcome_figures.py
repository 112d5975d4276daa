"""Figures of a cross-validation show each number that they are about, at a width that people can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.synthetic_outcome import synthetic_outcome
from vaemo_clips.errors import FigureError
from vaemo_train.outcome.curves import learning_curves
from vaemo_train.outcome.figures import confusion_figure, recall_figure, scatter_figure, write_figures
from vaemo_train.outcome.gathered_results import results_of
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.results_file import Results

ELEVEN = (
    "anger", "anxiety", "contempt", "disappointment", "disgust", "fear", "happiness", "helplessness", "neutral",
    "sadness", "surprise",
)  # fmt: skip


def gathered(outcome: Outcome) -> Results:
    return results_of(outcome, folds="column fold", selection="last epoch", recipe={})


@pytest.fixture(scope="module")
def results() -> Results:
    return gathered(synthetic_outcome(num_speakers=6, clips_each=20, num_folds=3, num_seeds=2))


@pytest.fixture(scope="module")
def values() -> Outcome:
    return synthetic_outcome(num_speakers=6, clips_each=20, num_folds=3, num_seeds=2, is_regression=True)


def test_a_confusion_matrix_is_a_thousand_pixels_wide(results: Results) -> None:
    picture = confusion_figure(results)
    assert picture.dtype == np.uint8
    assert picture.shape[1] == pytest.approx(1000, abs=2)
    many = gathered(synthetic_outcome(num_speakers=4, clips_each=30, num_folds=2, num_seeds=1, names=ELEVEN))
    assert confusion_figure(many).shape[1] == picture.shape[1]


def test_every_cell_of_a_confusion_matrix_is_drawn(results: Results) -> None:
    before = confusion_figure(results, "VA")
    for row, column in ((0, 0), (7, 7), (2, 5)):
        confusion = np.array(results.confusion["VA"])
        confusion[row, column] += 10
        changed = results.model_copy(update={"confusion": {"VA": confusion.tolist()}})
        assert not np.array_equal(before, confusion_figure(changed, "VA"))


def test_a_class_without_clips_leaves_its_row_empty(results: Results) -> None:
    confusion = np.array(results.confusion["VA"])
    confusion[3] = 0
    assert confusion_figure(results.model_copy(update={"confusion": {"VA": confusion.tolist()}})).ndim == 3


def test_each_modality_has_its_confusion_matrix_and_unknown_ones_are_refused(results: Results, values: Outcome) -> None:
    assert not np.array_equal(confusion_figure(results, "V"), confusion_figure(results, "A"))
    with pytest.raises(FigureError, match=r"^no confusion matrix of any; there are V, A, VA$"):
        confusion_figure(results, "any")
    with pytest.raises(FigureError, match=r"^no confusion matrix of VA; there are none$"):
        confusion_figure(gathered(values))


@pytest.mark.parametrize("modality", ["V", "A", "VA"])
@pytest.mark.parametrize("change", [{"mean": 0.99}, {"low": 0.01}, {"mean": None, "low": None, "high": None}])
def test_each_recall_is_drawn_with_its_interval(modality: str, change: dict[str, Any], results: Results) -> None:
    own = results.recalls[modality]
    changed = {**results.recalls, modality: {**own, "sad": own["sad"].model_copy(update=change)}}
    other = results.model_copy(update={"recalls": changed})
    assert not np.array_equal(recall_figure(results), recall_figure(other))


def test_a_scatter_has_axes_for_each_target(values: Outcome, results: Results) -> None:
    picture = scatter_figure(values, gathered(values))
    assert picture.shape[1] == pytest.approx(1000, abs=2)
    with pytest.raises(FigureError, match=r"^no values of any to draw; a regression has those of V, A, VA$"):
        scatter_figure(values, gathered(values), "any")
    with pytest.raises(FigureError, match=r"^a figure of recalls needs classes; a regression has none$"):
        recall_figure(gathered(values))


def lines(steps: int, scale: float = 1.0, key: str = "monitor/validation_uar") -> list[dict[str, Any]]:
    trained = [{"step": step, "loss": scale / step} for step in range(1, steps)]
    return [*trained, *({"step": step, key: scale * 0.1 * step} for step in range(2, steps, 2))]


def test_learning_curves_draw_every_training() -> None:
    runs = [("1", 0, lines(8)), ("1", 1, lines(8, 0.9)), ("2", 0, lines(10, 0.8))]
    drawn = learning_curves(runs)
    assert drawn.shape[1] == pytest.approx(1000, abs=2)
    assert not np.array_equal(drawn, learning_curves([*runs[:2], ("2", 0, lines(10, 0.7))]))
    assert not np.array_equal(drawn, learning_curves([*runs[:2], ("2", 1, lines(10, 0.8, "monitor/validation_ccc"))]))


def test_learning_curves_without_validation_show_the_loss_alone() -> None:
    runs = [("1", 0, [line for line in lines(8) if "loss" in line]), ("2", 0, lines(1))]
    assert learning_curves(runs).ndim == 3
    assert learning_curves([("1", 0, [{"step": 5, "loss": 1.0}])]).ndim == 3
    with pytest.raises(FigureError, match=r"^none of 1 runs has logged a loss; learning curves need one that has$"):
        learning_curves([("1", 0, [])])


def test_figures_are_written_of_what_there_is(values: Outcome, results: Results, tmp_path: Path) -> None:
    outcome = synthetic_outcome(num_speakers=6, clips_each=20, num_folds=3, num_seeds=2)
    written = write_figures(outcome, results, [("1", 0, lines(8))], tmp_path)
    assert [path.name for path in written] == [
        *[f"confusion-{name}.png" for name in results.scores], "recalls.png", "curves.png",
    ]  # fmt: skip
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in written)
    of_values = write_figures(values, gathered(values), [], tmp_path / "values")
    assert [path.name for path in of_values] == [f"scatter-{name}.png" for name in gathered(values).scores]
