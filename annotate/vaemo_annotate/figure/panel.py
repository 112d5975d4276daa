"""A panel: a row of the figure that knows its height and how to draw itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaemo_annotate.figure.style import INK, QUIET, SMALL_PT

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Panel:
    """A row: `draw` gets its axes, whose x limits are the clip's seconds; `begins_part`: it gets the next letter."""

    height_in: float
    draw: Callable[[Axes], None]
    begins_part: bool = False
    gap_in: float = 0.07


def message_panel(text: str) -> Panel:
    """A panel that says why there is nothing to be drawn."""

    def draw(axes: Axes) -> None:
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.patch.set(facecolor="#F6F6F6", hatch="////", edgecolor="#E4E4E4")
        box = {"facecolor": "white", "edgecolor": "none", "pad": 3.0}
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=QUIET, bbox=box)

    return Panel(0.42, draw, begins_part=True)


_SYMBOLS = "■▬▨┆"


def label_right(axes: Axes, lines: list[tuple[str, str]]) -> None:
    """Write (text, colour) lines into the margin right of the axes, around its middle.

    Of a line that begins with a symbol only the symbol is coloured.
    """
    box_in = [size * side for size, side in zip(_figure_size_in(axes), axes.get_position().size, strict=True)]
    step = 1.25 * SMALL_PT / 72 / box_in[1]
    top = 0.5 + step * (len(lines) - 1) / 2
    for number, (text, colour) in enumerate(lines):
        height = top - number * step
        pieces = [(0.07, text, colour)]
        if text[0] in _SYMBOLS:
            pieces = [(0.07, text[0], colour), (0.19, text[2:], INK)]
        for at_in, piece, piece_colour in pieces:
            axes.text(1 + at_in / box_in[0], height, piece, transform=axes.transAxes, va="center", color=piece_colour)


def _figure_size_in(axes: Axes) -> tuple[float, float]:
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes are made by a figure"
    width, height = figure.get_size_inches()
    return float(width), float(height)
