"""The figures of a cross-validation: who is taken for whom, how well each class is known, how training went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_train.evaluate.outcome import Outcome
from vaemo_train.evaluate.outcome_curves import learning_curves
from vaemo_train.evaluate.outcome_figures import confusion_figure, recall_figure, scatter_figure
from vaemo_train.evaluate.results_file import Results
from vaemo_train.training.picture import write_png


def write_figures(
    folder: Path, outcome: Outcome, results: Results, runs: Sequence[tuple[str, int, list[dict[str, Any]]]]
) -> None:
    """Write confusion-VA.png and so on, recalls.png (or scatter.png), curves.png. Raises FigureError.

    `runs` are the fold, the seed and the lines of metrics.jsonl of each training.
    """
    for name, picture in _figures(outcome, results, runs):
        write_png(picture, folder / f"{name}.png")


def _figures(
    outcome: Outcome, results: Results, runs: Sequence[tuple[str, int, list[dict[str, Any]]]]
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for modality in results.scores:
        if outcome.is_regression:
            yield f"scatter-{modality}", scatter_figure(outcome, results, modality)
        else:
            yield f"confusion-{modality}", confusion_figure(results, modality)
    if not outcome.is_regression:
        yield "recalls", recall_figure(results)
    if any(metrics for _, _, metrics in runs):
        yield "curves", learning_curves(runs)
