"""The face's part of the figure: the strip of crops, four cues as distances from the usual, and the head's pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaemo_annotate.figure.curve import Values, draw_curve, reach, thinned
from vaemo_annotate.figure.face_strip import Crop
from vaemo_annotate.figure.panel import Panel, label_right
from vaemo_annotate.figure.style import (
    BAND,
    BLUE,
    FAINT,
    GREEN,
    INK,
    PLOT_WIDTH_IN,
    PURPLE,
    QUIET,
    VERMILION,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vaemo_clips.cues.event import Event
    from vaemo_clips.cues.face_curves import FaceCurves
    from vaemo_clips.cues.norms import Norm

_STRIP_IN, _ROW_IN, _ROW_GAP_IN = 0.62, 0.46, 0.05
_LEAST_SD, _MOST_SD = 3.0, 20.0
_LEAST_DEG, _MOST_DEG = 12.0, 90.0


@dataclass(frozen=True, slots=True)
class _Row:
    cue: str  # also the name of its curve
    label: str
    unit: str
    colour: str


_ROWS = (
    _Row("brow_raise", "brow height", "eye dist.", BLUE),
    _Row("eye_opening", "eye opening", "eye widths", GREEN),
    _Row("lip_corner_pull", "lip-corner pull", "eye dist.", VERMILION),
    _Row("mouth_opening", "mouth opening", "eye dist.", PURPLE),
)
_CUES = frozenset(row.cue for row in _ROWS)
_POSE = (
    _Row("head_yaw", "head yaw (+ right)", "deg", BLUE),
    _Row("head_pitch", "head pitch (+ up)", "deg", VERMILION),
    _Row("head_roll", "head roll (+ right)", "deg", INK),
)
_CURVES = {"head_yaw": "yaw_deg", "head_pitch": "pitch_deg", "head_roll": "roll_deg"}
_DASHED: dict[str, Any] = {"head_roll": {"linestyle": (0, (4, 1.5))}}  # it often runs along with the yaw


@dataclass(frozen=True, slots=True)
class FacePanels:
    """What the face's panels are drawn from; times count from the clip's begin."""

    duration_s: float
    curves: FaceCurves
    strip: Sequence[Crop]
    cuts_s: Sequence[float]
    events: Sequence[Event]
    norms: Mapping[str, Norm]

    def panels(self) -> list[Panel]:
        """Return the panels from top to bottom."""
        first, *others = (partial(self._cue, row=row) for row in _ROWS)
        return [
            Panel(_STRIP_IN, self._strip, begins_part=True),
            Panel(_ROW_IN, first, begins_part=True, gap_in=0.1),
            *(Panel(_ROW_IN, draw, gap_in=_ROW_GAP_IN) for draw in others),
            Panel(0.68, self._pose, begins_part=True, gap_in=0.12),
        ]

    def _distances(self, row: _Row) -> Values:
        """The row's curve in standard deviations from people's norm; as it is where there is no norm."""
        values = self.curves.values[row.cue]
        norm = self.norms.get(row.cue)
        return values if norm is None else (values - norm.mean) / norm.sd

    def _strip(self, axes: Axes) -> None:
        """Squares of one size on the page, each around its time."""
        half_s = 0.5 * self.duration_s * _STRIP_IN / PLOT_WIDTH_IN
        axes.set_ylim(0, 1)
        axes.axis("off")
        for crop in self.strip:
            extent = (crop.time_s - half_s, crop.time_s + half_s, 0, 1)
            if crop.image is None:
                _placeholder(axes, extent)
            else:
                axes.imshow(crop.image, extent=extent, aspect="auto", interpolation="antialiased", zorder=2)
        axes.set_xlim(0, self.duration_s)
        self._mark_cuts(axes)
        absent = [("▨ not seen", FAINT)] if any(crop.image is None for crop in self.strip) else []
        cut = [("┆ shot cut", INK)] if self.cuts_s else []
        label_right(axes, [("aligned face", INK), *absent, *cut])

    def _mark_cuts(self, axes: Axes) -> None:
        for cut_s in self.cuts_s:
            axes.axvline(cut_s, color=INK, linewidth=0.7, linestyle=(0, (3, 2)), zorder=3)

    def _cue(self, axes: Axes, row: _Row) -> None:
        """A curve over the band of +-1 sd, filled from its middle where it stands out."""
        distances = self._distances(row)
        if row.cue in self.norms:
            axes.axhspan(-1, 1, color=BAND, linewidth=0, zorder=0)
            axes.axhline(0, color=FAINT, linewidth=0.5, zorder=1)
            _scale_in_sd(axes, distances)
            outstanding = np.where(self._is_outstanding(row), distances, np.nan)
            at_s, shown = thinned(self.curves.times_s, outstanding, self.duration_s)
            axes.fill_between(at_s, 0, shown, color=row.colour, alpha=0.25, linewidth=0, zorder=2)
        else:
            axes.set_ylabel(row.unit)
        self._mark_cuts(axes)
        draw_curve(axes, self.curves.times_s, distances, self.duration_s, row.colour, zorder=4)
        self._explain(axes, row)

    def _explain(self, axes: Axes, row: _Row) -> None:
        """Name the row; the first ones also say what all four have in common."""
        lines = [(row.label, row.colour)]
        if row is _ROWS[0] and row.cue in self.norms:
            lines.append(("■ ±1 sd of people", FAINT))
        elif row is _ROWS[1] and any(event.cue in _CUES for event in self.events):
            lines.append(("filled: stands out", QUIET))
        elif row is _ROWS[2] and row.cue in self.norms:
            # Between the second and the third row: the middle of the four.
            middle = 0.5 + 0.5 * (_ROW_IN + _ROW_GAP_IN) / _ROW_IN
            axes.set_ylabel("distance from people's norm (sd)", y=middle)
        label_right(axes, lines)

    def _is_outstanding(self, row: _Row) -> NDArray[np.bool_]:
        times_s = self.curves.times_s
        is_in = np.zeros(len(times_s), bool)
        for event in self.events:
            if event.cue == row.cue:
                is_in |= (times_s >= event.begin_s) & (times_s < event.end_s)
        return is_in

    def _pose(self, axes: Axes) -> None:
        """The head's three angles."""
        angles = {row.cue: self.curves.values[_CURVES[row.cue]] for row in _POSE}
        low = max(reach(-angle, _LEAST_DEG, _MOST_DEG) for angle in angles.values())
        high = max(reach(angle, _LEAST_DEG, _MOST_DEG) for angle in angles.values())
        axes.axhline(0, color=FAINT, linewidth=0.5, zorder=1)
        for row in _POSE:
            style = _DASHED.get(row.cue, {})
            draw_curve(axes, self.curves.times_s, angles[row.cue], self.duration_s, row.colour, zorder=4, **style)
        self._mark_cuts(axes)
        axes.set_ylim(-low, high)
        axes.set_ylabel("deg")
        label_right(axes, [(row.label, row.colour) for row in _POSE])


def _scale_in_sd(axes: Axes, distances: Values) -> None:
    """A scale of the row's own: one for all would be that of the blinks."""
    low, high = -reach(-distances, _LEAST_SD, _MOST_SD), reach(distances, _LEAST_SD, _MOST_SD)
    axes.set_ylim(low, high)
    step = next(step for step in (2, 4, 8, 16) if high - low <= 3.5 * step)
    ticks = [tick for tick in range(-32, 33, step) if low < tick < high]
    axes.set_yticks(ticks, [f"{tick:+d}".replace("-", "−") if tick else "0" for tick in ticks])


def _placeholder(axes: Axes, extent: tuple[float, float, float, float]) -> None:
    from matplotlib.patches import Rectangle

    left, right, bottom, top = extent
    corner, size = (left, bottom), (right - left, top - bottom)
    axes.add_patch(Rectangle(corner, *size, facecolor="#F3F3F3", edgecolor=FAINT, hatch="////", linewidth=0))
