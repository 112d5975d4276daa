"""Figures of a cross-validation: who is taken for whom, recall of each class, predicted beside true values.

Shapes: n clips, C classes or targets, S seeds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import FigureError
from vaemo_train.outcome.curves import Runs, learning_curves
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.report import caption, given, shown_score
from vaemo_train.outcome.results_file import ClassScores, Results
from vaemo_train.training.picture import STYLE, rastered, write_png

_STYLE: Final[Any] = {**STYLE, "font.size": 7.5, "axes.spines.top": False, "axes.spines.right": False}
# Okabe & Ito, Color Universal Design (2008): told apart by colour-blind eyes, and in grey.
COLOURS: Final = {"V": "#56B4E9", "A": "#E69F00", "VA": "#0B5394", "any": "#999999"}
_DPI: Final = 130
_WIDTH_IN: Final = 7.7
"""1,000 pixels."""
_MAX_POINTS: Final = 3000
_DARK: Final = 0.6
"""The share from which white letters are read best."""


def write_figures(outcome: Outcome, results: Results, runs: Runs, folder: Path, title: str = "") -> list[Path]:
    """Write what there is to draw to a folder, and return the files.

    confusion-V.png and so on, and recalls.png; of a regression scatter-V.png and so on; curves.png where `runs` (see
    `learning_curves`) logged a loss. Raises FigureError where a file cannot be written.
    """
    pictures: dict[str, NDArray[np.uint8]] = {}
    for modality in results.scores:
        if results.is_regression:
            pictures[f"scatter-{modality}"] = scatter_figure(outcome, results, modality, title)
        else:
            pictures[f"confusion-{modality}"] = confusion_figure(results, modality, title)
    if not results.is_regression:
        pictures["recalls"] = recall_figure(results, title)
    if any(line.get("loss") is not None for _, _, metrics in runs for line in metrics):
        pictures["curves"] = learning_curves(runs, title)
    for name, picture in pictures.items():
        write_png(picture, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in pictures]


def confusion_figure(results: Results, modality: str | None = None, title: str = "") -> NDArray[np.uint8]:
    """Return a confusion matrix, the main modality's by default, as a picture (H, W, 3).

    A cell has the percent of the clips of its class (row) that were called so (column), and how many these are, added
    over seeds. Raises FigureError for a modality without a confusion matrix.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    modality = results.main if modality is None else modality
    if modality not in results.confusion:
        raise FigureError(f"no confusion matrix of {modality}; there are {', '.join(results.confusion) or 'none'}")
    counts = np.array(results.confusion[modality], np.int64)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    with mpl.rc_context(_STYLE):
        height = 1.4 + min(0.52 * len(counts) + 0.6, 6.4)
        figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, layout="constrained")
        figure.suptitle(_confusion_title(results, modality, title), x=0.01, ha="left", size=8.5)
        axis = figure.add_subplot()
        image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        _write_cells(axis, counts, shares)
        num_seeds = len(results.protocol.seeds)
        clips = [f"{name}\n{total // num_seeds:,} clips" for name, total in zip(results.names, totals, strict=True)]
        axis.set_yticks(range(len(counts)), clips)
        slanted: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        long = max(map(len, results.names)) * len(counts) > 90
        axis.set_xticks(range(len(counts)), results.names, **(slanted if long else {}))
        axis.set_xlabel("called")
        axis.set_ylabel("true class")
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axis, shrink=0.6, pad=0.015, aspect=25)
        bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
        bar.set_label("% of the true class")
        bar.outline.set_visible(False)
        return rastered(figure)


def _write_cells(axis: Any, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    large = 9.5 if len(counts) <= 9 else 8.5
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > _DARK else "0.15" if counts[row, column] else "0.65"
        weight = "bold" if row == column else "normal"
        text = {"ha": "center", "color": colour}
        axis.text(column, row - 0.02, f"{100 * share:.0f}", va="bottom", size=large, weight=weight, **text)
        axis.text(column, row + 0.08, f"{counts[row, column]:,}", va="top", size=6, **text)
    for edge in np.arange(0.5, len(counts) - 1):
        axis.axhline(edge, color="white", lw=1)
        axis.axvline(edge, color="white", lw=1)


def _confusion_title(results: Results, modality: str, title: str) -> str:
    scores = results.scores[modality]
    assert isinstance(scores, ClassScores)
    seeds = len(results.protocol.seeds)
    added = f"counts (below, small) are added over {seeds} seeds" if seeds > 1 else "counts are below, small"
    first = f"{title + ': ' if title else ''}{given(modality)}, {scores.num_clips:,} clips; {added}"
    return f"{first}\nWAR {shown_score('war', scores.war)} %    UAR {shown_score('uar', scores.uar)} %"


def recall_figure(results: Results, title: str = "") -> NDArray[np.uint8]:
    """Return each class's recall by modality, with its 95 % interval, and chance, as a picture (H, W, 3).

    Raises FigureError without classes.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if not results.recalls:
        raise FigureError("a figure of recalls needs classes; a regression has none")
    places = np.arange(len(results.names), dtype=np.float64)
    width = 0.84 / len(results.recalls)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, 3.6), dpi=_DPI, layout="constrained")
        figure.suptitle(title or "recall of each class", x=0.01, ha="left", size=8.5)
        axis = figure.add_subplot()
        axis.grid(axis="y", color="0.9", lw=0.6)
        axis.set_axisbelow(True)
        for number, modality in enumerate(results.recalls):
            offset = (number - (len(results.recalls) - 1) / 2) * width
            _bars(axis, places + offset, width, results, modality)
        axis.axhline(100 / len(places), color="0.25", lw=1, ls="--", label="chance", zorder=3)
        slanted: dict[str, Any] = {"rotation": 20, "ha": "right"} if len(places) > 9 else {}
        axis.set_xticks(places, results.names, **slanted)
        axis.tick_params(axis="x", length=0)
        axis.set_xlim(-0.6, len(places) - 0.4)
        axis.set_ylim(0, 100)
        axis.set_ylabel("recall, %")
        figure.legend(
            loc="outside lower left", ncols=len(results.recalls) + 1 if len(results.recalls) < 4 else 3, frameon=False
        )
        axis.set_xlabel(caption(results).split("\n")[0], loc="left", color="0.35", size=6.5)
        return rastered(figure)


def _bars(axis: Any, places: NDArray[np.float64], width: float, results: Results, modality: str) -> None:
    entries = [entry.estimate for entry in results.recalls[modality].values()]
    means = np.array([100 * entry.mean for entry in entries])
    label = f"{given(modality)}, UAR {_uar(results, modality)}"
    axis.bar(places, np.nan_to_num(means), 0.9 * width, color=COLOURS[modality], label=label, zorder=2)
    for place, mean, entry in zip(places, means, entries, strict=True):
        if np.isnan(mean):
            axis.text(place, 1, "no clips", rotation=90, ha="center", va="bottom", size=6, color="0.4")
        elif entry.interval is not None:
            axis.plot([place] * 2, [100 * entry.interval.low, 100 * entry.interval.high], color="0.15", lw=1, zorder=4)


def _uar(results: Results, modality: str) -> str:
    scores = results.scores[modality]
    return f"{100 * scores.uar.estimate.mean:.1f} %" if isinstance(scores, ClassScores) else ""


def scatter_figure(
    outcome: Outcome, results: Results, modality: str | None = None, title: str = ""
) -> NDArray[np.uint8]:
    """Return true and predicted values of each target of a regression as a picture (H, W, 3).

    Predictions are means over seeds; of more than 3,000 clips as many evenly spaced ones are shown. The scores are
    those of the seeds apart. Raises FigureError for a classification or an unknown modality.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    modality = results.main if modality is None else modality
    if not outcome.is_regression or modality not in results.scores:
        raise FigureError(f"no values of {modality} to draw; a regression has those of {', '.join(results.scores)}")
    has = np.flatnonzero(outcome.has(modality))
    shown = has[np.linspace(0, len(has) - 1, min(len(has), _MAX_POINTS)).round().astype(np.int64)]
    predicted = outcome.values[modality][:, shown].mean(axis=0)
    columns = min(len(outcome.names), 3)
    rows = -(-len(outcome.names) // columns)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, rows * _WIDTH_IN / max(columns, 2) + 0.4), dpi=_DPI, layout="constrained")
        heading = f"{title + ': ' if title else ''}{given(modality)}, {len(has):,} clips"
        figure.suptitle(f"{heading}; {caption(results).splitlines()[0]}", x=0.01, ha="left", size=8)
        for number, name in enumerate(outcome.names):
            axis = figure.add_subplot(rows, columns, number + 1)
            _scatter(axis, outcome.truth[shown, number], predicted[:, number])
            axis.set_title(_scores_of(results, modality, name), loc="left", size=7.5)
        return rastered(figure)


def _scores_of(results: Results, modality: str, target: str) -> str:
    own = results.scores[modality]
    assert not isinstance(own, ClassScores)
    scores = own.targets[target]
    return f"{target}: CCC {shown_score('ccc', scores.ccc)}\nRMSE {shown_score('rmse', scores.rmse)}"


def _scatter(axis: Any, truth: NDArray[Any], predicted: NDArray[Any]) -> None:
    low, high = _limits(truth, predicted)
    axis.plot([low, high], [low, high], color="0.5", lw=0.9, ls="--", zorder=3)
    size = float(np.clip(3000 / len(truth), 2, 14))
    axis.scatter(truth, predicted, s=size, color=COLOURS["VA"], alpha=0.4, linewidths=0, zorder=2)
    axis.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axis.set_xlabel("true")
    axis.set_ylabel("predicted, mean over seeds")


def _limits(*values: NDArray[Any]) -> tuple[float, float]:
    low, high = min(float(one.min()) for one in values), max(float(one.max()) for one in values)
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin
