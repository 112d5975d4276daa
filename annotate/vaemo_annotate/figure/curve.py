"""A curve over time: no more values than the print can show, and gaps that stay gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaemo_annotate.figure.style import MAX_COLUMNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.floating[Any]]
_FEW = 12  # so few values are shown as dots too


def thinned(
    times_s: Values, values: Values, duration_s: float, max_columns: int = MAX_COLUMNS
) -> tuple[Values, Values]:
    """Return times and values (N,), as means over equal columns of the clip where N is above `max_columns`.

    A column's mean is that of its finite values, NaN where it has none.
    """
    if len(values) <= max_columns:
        return times_s, values
    width_s = duration_s / max_columns
    columns = np.clip((times_s / width_s).astype(np.int64), 0, max_columns - 1)
    is_there = np.isfinite(values)
    counts = np.bincount(columns[is_there], minlength=max_columns)
    sums = np.bincount(columns[is_there], weights=values[is_there], minlength=max_columns)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    # A column between two pictures of a slow clip is empty, but no gap in the curve.
    has_picture = np.bincount(columns, minlength=max_columns) > 0
    return ((np.arange(max_columns) + 0.5) * width_s)[has_picture], means[has_picture]


def draw_curve(axes: Axes, times_s: Values, values: Values, duration_s: float, colour: str, **style: Any) -> None:
    """Draw `values` (N,) over `times_s` (N,), broken where they are NaN; a value between two gaps is a dot."""
    at_s, shown = thinned(times_s, values, duration_s)
    axes.plot(at_s, shown, color=colour, **style)
    is_there = np.isfinite(shown)
    padded = np.concatenate([[False], is_there, [False]])
    is_dot = is_there & ~padded[:-2] & ~padded[2:] if is_there.sum() > _FEW else is_there
    axes.plot(at_s[is_dot], shown[is_dot], ".", color=colour, markersize=2.5, zorder=style.get("zorder", 2))


def reach(values: Values, least: float, most: float) -> float:
    """Return where an axis ends that holds all but 3 of 1000 values, a whole number within [least, most]."""
    finite = values[np.isfinite(values)]
    top = float(np.percentile(finite, 99.7)) if len(finite) else 0.0
    return float(np.clip(np.ceil(1.05 * top), least, most))
