"""Learning curves of all folds and seeds: what each lost in training, and what it scored on validation clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import FigureError
from vaemo_train.training.picture import STYLE, rastered

SCORES: Final = {
    "monitor/validation_uar": "UAR, %",
    "monitor/validation_ccc": "CCC",
    "monitor/validation_war": "WAR, %",
    "monitor/validation_wf1": "WF1, %",
}
"""Keys of metrics.jsonl that hold scores of validation clips: the first that any run has is drawn."""
_STYLE: Final[Any] = {**STYLE, "font.size": 7.5, "axes.spines.top": False, "axes.spines.right": False}
_SIZE_IN: Final = (7.7, 3.1)
_DPI: Final = 130
_COLOUR: Final = "#0B5394"

Metrics = Sequence[Mapping[str, Any]]
"""Lines of metrics.jsonl, as `RunFolder.read_metrics` gives them."""
Runs = Sequence[tuple[str, int, Metrics]]
"""Trainings by fold and seed."""


def learning_curves(runs: Runs, title: str = "") -> NDArray[np.uint8]:
    """Return curves of trainings (fold, seed, metrics), a thin line each and their mean, as a picture (H, W, 3).

    The mean spans the steps that all have, between its steps each run is a straight line. Validation scores are drawn
    where there are some. Raises FigureError where nothing was logged.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    plots = {"loss": _curves(runs, "loss")}
    key = next((key for key in SCORES if _curves(runs, key)), None)
    if key is not None:
        plots[key] = _curves(runs, key)
    if not plots["loss"]:
        raise FigureError(f"none of {len(runs)} runs has logged a loss; learning curves need one that has")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
        figure.suptitle(f"{title + ': ' if title else ''}{_counted(runs)}", x=0.01, ha="left", size=8.5)
        for number, (name, curves) in enumerate(plots.items()):
            axis = figure.add_subplot(1, len(plots), number + 1)
            _draw(axis, curves, scale=100 if SCORES.get(name, "").endswith("%") else 1)
            axis.set_title(
                "training: loss" if name == "loss" else f"validation clips: {SCORES[name]}", loc="left", size=7.5
            )
            if name == "loss":
                axis.set_ylim(bottom=0)
        return rastered(figure)


Curve = NDArray[np.float64]
"""(2, L) steps, ascending, and values."""


def _curves(runs: Runs, key: str) -> list[Curve]:
    curves = []
    for _, _, metrics in runs:
        points = {line["step"]: float(line[key]) for line in metrics if line.get(key) is not None}
        if points:
            curves.append(np.array(sorted(points.items()), np.float64).T)
    return curves


def _draw(axis: Any, curves: Sequence[Curve], scale: float) -> None:
    thin = {"color": _COLOUR, "alpha": 0.25, "lw": 0.7}
    for number, (steps, values) in enumerate(curves):
        dot = {"marker": "o", "ms": 2.5} if len(steps) == 1 else {}
        axis.plot(steps, scale * values, label=None if number else "one training", zorder=2, **thin, **dot)
    mean = _mean(curves)
    if len(curves) > 1 and mean.shape[1] > 1:
        axis.plot(mean[0], scale * mean[1], color=_COLOUR, lw=1.9, label=f"mean of {len(curves)}", zorder=3)
        axis.legend(frameon=False, fontsize=6.5)
    axis.grid(axis="y", color="0.92", lw=0.6)
    axis.set_axisbelow(True)
    axis.set_xlim(left=0)
    axis.set_xlabel("step")


def _mean(curves: Sequence[Curve]) -> Curve:
    """Over the steps that all curves span."""
    first, last = max(curve[0, 0] for curve in curves), min(curve[0, -1] for curve in curves)
    steps = np.unique(np.concatenate([curve[0] for curve in curves]))
    steps = steps[(steps >= first) & (steps <= last)]
    values = [np.interp(steps, curve[0], curve[1]) for curve in curves]
    return np.stack([steps, np.mean(values, axis=0)])


def _counted(runs: Runs) -> str:
    folds, seeds = len({fold for fold, _, _ in runs}), len({seed for _, seed, _ in runs})
    return f"{folds} fold{'' if folds == 1 else 's'}, {seeds} seed{'' if seeds == 1 else 's'}"
