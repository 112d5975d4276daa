"""A figure of what noise, blur and lost frames cost: a panel for each, a line for each modality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import FigureError
from vaemo_train.data.corruption import Corruption
from vaemo_train.outcome.figures import COLOURS
from vaemo_train.outcome.report import GIVEN
from vaemo_train.outcome.robustness_scores import NoisyScores, RobustnessScores
from vaemo_train.training.picture import STYLE, rastered

_STYLE: Final[Any] = {**STYLE, "font.size": 7.5, "axes.spines.top": False, "axes.spines.right": False}
_MARKERS: Final = {"V": "s", "A": "^", "VA": "o", "any": "D"}
_DPI: Final = 130
_WIDTH_IN: Final = 7.7
_HEIGHT_IN: Final = 3.3
_CHANCE: Final[Any] = {"color": "0.25", "lw": 1, "ls": "--"}
_BESIDE: Final = 0.05
"""How far modalities stand apart, of the way from one corruption to the next: bars are not to hide one another."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One way of being made worse: how strong a corruption is, mildest first, and what stands below the axis."""

    title: str
    axis: str
    severity: Callable[[Corruption], float | None]
    tick: Callable[[Corruption], str]


_KINDS: Final = (
    _Kind(
        "noise on the sound", "signal-to-noise ratio, dB",
        lambda one: None if one.audio_snr_db is None else -one.audio_snr_db, lambda one: f"{one.audio_snr_db:g}",
    ),
    _Kind(
        "blur of the pictures", "standard deviation, px", lambda one: one.blur_px, lambda one: f"{one.blur_px:g}",
    ),
    _Kind(
        "frames that do not arrive", "share of frames lost, %",
        lambda one: one.dropped_frames, lambda one: f"{100 * (one.dropped_frames or 0):g}",
    ),
)  # fmt: skip


def robustness_figure(found: RobustnessScores, title: str = "") -> NDArray[np.uint8]:
    """Return scores over how strongly clips were made worse, as a picture (H, W, 3).

    A panel for each way, where there is a corruption of this way alone, and one for those of several at once. Bars are
    the standard deviation over seeds; a dotted line is a modality that the panel's corruption does not touch.
    Raises FigureError without a corruption.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = _panels(found)
    if not panels:
        raise FigureError("a figure of robustness needs at least one corruption; ask for some with --noise")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN), dpi=_DPI, layout="constrained")
        figure.suptitle(_heading(found, title), x=0.01, ha="left", size=8.5)
        # a panel is as wide as what stands in it
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False, width_ratios=[2 + len(p[1]) for p in panels])
        for axis, (kind, rows) in zip(axes[0], panels, strict=True):
            _draw(axis, found, kind, rows)
        axes[0, 0].set_ylabel("CCC, mean over targets" if found.is_regression else "UAR, %")
        if not found.is_regression:
            axes[0, 0].set_ylim(bottom=0)
        keys = _keys(found)
        figure.legend(handles=keys, loc="outside lower left", ncols=len(keys), frameon=False, columnspacing=1.4)
        return rastered(figure)


def _keys(found: RobustnessScores) -> list[Any]:
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], color=COLOURS[name], marker=_MARKERS[name], ms=4, lw=1.6, label=f"{name} ({GIVEN[name]})")
        for name in found.modalities
    ]
    keys.append(Line2D([], [], color="0.5", lw=1.1, ls=":", label="not touched"))
    return [*keys, Line2D([], [], label="always the mean" if found.is_regression else "chance", **_CHANCE)]


def _panels(found: RobustnessScores) -> list[tuple[_Kind | None, list[NoisyScores]]]:
    """Rows by their way, the mildest first; None is for those of several at once."""
    panels: list[tuple[_Kind | None, list[NoisyScores]]] = []
    for kind in _KINDS:
        own = [row for row in found.noisy if _kinds_of(row) == [kind]]
        if own:
            panels.append((kind, sorted(own, key=lambda row: _strength(kind, row))))
    mixed = [row for row in found.noisy if len(_kinds_of(row)) > 1]
    return [*panels, (None, mixed)] if mixed else panels


def _kinds_of(row: NoisyScores) -> list[_Kind]:
    return [kind for kind in _KINDS if row.corruption is not None and kind.severity(row.corruption) is not None]


def _strength(kind: _Kind, row: NoisyScores) -> float:
    assert row.corruption is not None
    return kind.severity(row.corruption) or 0.0


def _draw(axis: Any, found: RobustnessScores, kind: _Kind | None, rows: list[NoisyScores]) -> None:
    every = [found.clean, *rows]
    scale = 1.0 if found.is_regression else 100.0
    for number, modality in enumerate(found.modalities):
        beside = _BESIDE * (number - (len(found.modalities) - 1) / 2)
        is_touched = any(row.touches(modality) for row in rows)
        means = scale * np.array([row.score(modality).mean for row in every])
        bars = scale * np.nan_to_num([row.score(modality).deviation for row in every])
        joined = "" if kind is None else "-" if is_touched else ":"
        look: dict[str, Any] = {"color": COLOURS[modality], "ls": joined or "none", "lw": 1.6 if is_touched else 1.1}
        look |= {"marker": _MARKERS[modality] if is_touched else "none", "ms": 4, "elinewidth": 0.9, "capsize": 2}
        axis.errorbar(np.arange(len(every)) + beside, means, bars if is_touched else None, zorder=3, **look)
    axis.axhline(scale * found.chance, zorder=1, **_CHANCE)
    axis.grid(axis="y", color="0.92", lw=0.6)
    axis.set_axisbelow(True)
    axis.set_xlim(-0.3, len(every) - 0.7)
    axis.set_title("several at once" if kind is None else kind.title, loc="left", size=8)
    if kind is None:
        axis.set_xticks(range(len(every)), [row.name.replace(",", "\n") for row in every])
    else:
        ticks = [kind.tick(row.corruption) for row in rows if row.corruption is not None]
        axis.set_xticks(range(len(every)), ["clean", *ticks])
        axis.set_xlabel(kind.axis)


def _heading(found: RobustnessScores, title: str) -> str:
    seeds = next(iter(found.clean.summaries.values())).num_runs
    bars = f"; bars: standard deviation over {seeds} seeds" if seeds > 1 else ""
    return f"{title + ': ' if title else ''}made worse on purpose, {found.num_clips:,} clips{bars}"
