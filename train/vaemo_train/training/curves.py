"""The curves of a run: what it learns, on the clips that it trains on and on those that it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vaemo_train.training.picture import STYLE, rastered

_SIZE_IN: Final = (8.4, 5.2)
_STYLE: Final[Any] = {**STYLE, "font.size": 7.5, "axes.spines.top": False, "axes.spines.right": False}


@dataclass(frozen=True, slots=True)
class _Plot:
    """One set of axes: its title, the names of its curves by the keys of metrics.jsonl, and a level to compare with."""

    title: str
    names: Mapping[str, str]
    level: float | None = None
    level_name: str = ""
    is_over_chance: bool = False
    is_logarithmic: bool = False


_PARTS: Final = {"video_pixels": "pixels", "video_motion": "motion", "audio": "audio"}
_SEARCHES: Final = {"visual": "visual", "acoustic": "acoustic", "affect": "affect", "all_paths": "all together"}
_PLOTS: Final = (
    _Plot("training: error on masked tokens", {f"loss/{key}": name for key, name in _PARTS.items()}),
    _Plot(
        "held out: error over that of each position's mean",
        {f"monitor/{key}_ratio": name for key, name in _PARTS.items()},
        level=1.0,
        level_name="the mean",
    ),
    _Plot(
        "held out: video and audio found by one another, top-1 over chance",
        {
            "monitor/top1": "all clips",
            "monitor/label_within": "same label only",
            "monitor/speaker_within": "same speaker only",
        },
        level=1.0,
        level_name="chance",
        is_over_chance=True,
    ),
    _Plot(
        "training: contrast of clips with their descriptions",
        {
            "loss/visual": "visual",
            "loss/acoustic": "acoustic",
            "loss/affect": "affect",
            "loss/affect_video": "affect, video alone",
            "loss/affect_audio": "affect, audio alone",
        },
    ),
    _Plot(
        "held out: clips found by their descriptions, recall at 1 over chance",
        {f"monitor/{name}_text_to_clip_recall1": label for name, label in _SEARCHES.items()},
        level=1.0,
        level_name="chance",
        is_over_chance=True,
    ),
    _Plot("gradient norm", {"grad_norm": ""}, is_logarithmic=True),
)


def draw_curves(metrics: Sequence[Mapping[str, Any]], title: str) -> NDArray[np.uint8]:
    """Return a figure of what a run has logged so far as a picture (H, W, 3); plots without a value are left out."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    plots = [plot for plot in _PLOTS if any(key in line for line in metrics for key in plot.names)]
    with mpl.rc_context(_STYLE):
        rows = (len(plots) + 1) // 2
        figure = Figure(figsize=(_SIZE_IN[0], max(rows, 1) * _SIZE_IN[1] / 2), dpi=130, layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", size=8)
        for number, plot in enumerate(plots):
            _draw(figure.add_subplot(rows, 2, number + 1), plot, metrics)
        return rastered(figure)


def _draw(axis: Any, plot: _Plot, metrics: Sequence[Mapping[str, Any]]) -> None:
    axis.set_title(plot.title, loc="left", size=7.5)
    for key, name in plot.names.items():
        points = [(line["step"], value) for line in metrics if (value := _value(line, key, plot)) is not None]
        if points:
            few = len(points) < 40
            axis.plot(*zip(*points, strict=True), label=name or None, marker="o" if few else None, ms=3, lw=1.1)
    if plot.level is not None:
        axis.axhline(plot.level, color="0.6", lw=0.8, ls="--", label=plot.level_name)
    if plot.is_logarithmic and any(line.get(key, 0) > 0 for line in metrics for key in plot.names):
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")  # the default is set as mathematics, which _STYLE switches off
        low, high = axis.get_ylim()
        axis.yaxis.set_minor_formatter("{x:g}" if high < 20 * low else "")
    else:
        axis.set_ylim(bottom=0)
    axis.set_xlim(left=0)
    axis.set_xlabel("step")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False, fontsize=6.5)


def _value(line: Mapping[str, Any], key: str, plot: _Plot) -> float | None:
    """What a line says, in multiples of the chance beside it where the plot wants that; None where it says nothing."""
    if key not in line:
        return None
    if not plot.is_over_chance:
        return float(line[key])
    chance = line.get(f"{key}_chance") or 0
    return float(line[key]) / float(chance) if chance > 0 else None
