"""How the figure looks: sizes in inches and points, and colours that colour-blind readers tell apart."""

from __future__ import annotations

from typing import Any, Final

WIDTH_IN: Final = 7.0
"""Two columns of a journal page."""
LEFT_IN: Final = 0.7
RIGHT_IN: Final = 1.12
PLOT_WIDTH_IN: Final = WIDTH_IN - LEFT_IN - RIGHT_IN
DPI: Final = 300
MAX_COLUMNS: Final = 1570
"""Places along the time axis: one a dot at 300 dpi, so nothing finer could be seen."""

# Okabe & Ito (2008), Color Universal Design: https://jfly.uni-koeln.de/color/
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
SKY: Final = "#56B4E9"
ORANGE: Final = "#E69F00"
INK: Final = "#222222"
QUIET: Final = "#6B6B6B"
FAINT: Final = "#D0D0D0"
BAND: Final = "#EDEDED"

SMALL_PT: Final = 7.0
STYLE: Final[Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the figure is the same on every machine
    "font.size": SMALL_PT,
    "axes.titlesize": 8.0,
    "axes.labelsize": SMALL_PT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "axes.linewidth": 0.5,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a file's name begins no formula
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "lines.linewidth": 0.9,
    "lines.solid_capstyle": "round",
    "hatch.linewidth": 0.4,
    "pdf.fonttype": 42,  # TrueType: editable, and what publishers ask for
    "svg.hashsalt": "vaemo",  # ids that do not change from run to run
}
