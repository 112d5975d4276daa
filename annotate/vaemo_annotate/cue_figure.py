"""The figure of a clip's cues: face over voice on one axis of time, of the size of a journal page's two columns."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING

from vaemo_annotate.figure.face_panels import FacePanels
from vaemo_annotate.figure.panel import Panel, message_panel
from vaemo_annotate.figure.style import DPI, LEFT_IN, PLOT_WIDTH_IN, STYLE, WIDTH_IN
from vaemo_annotate.figure.voice_panels import VoicePanels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vaemo_annotate.figure.face_strip import Crop
    from vaemo_annotate.figure.log_mel import SoundPicture
    from vaemo_clips.cues.measure import Measured
    from vaemo_clips.cues.norms import Norm

SUFFIXES = (".png", ".pdf", ".svg")
_TOP_IN, _BOTTOM_IN = 0.24, 0.42
_LABEL_IN = 0.46
_LONGEST_TITLE = 80
_NO_DATE = {".png": {"Software": None}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


@dataclass(frozen=True, slots=True)
class Plotted:
    """What is drawn: a title, the measurement, and what was looked up again in the file for the eye."""

    title: str
    measured: Measured
    strip: Sequence[Crop]
    sound: SoundPicture | None
    norms: Mapping[str, Norm]


def cue_figure(plotted: Plotted) -> Figure:
    """Draw the figure; what the clip does not have is one line that says so."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [*_face_panels(plotted), *_voice_panels(plotted)]
    height_in = _TOP_IN + sum(panel.gap_in + panel.height_in for panel in panels) + _BOTTOM_IN
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI)
        FigureCanvasAgg(figure)
        title = _shortened(plotted.title)
        figure.text(LEFT_IN / WIDTH_IN, 1 - 0.15 / height_in, title, va="center", fontsize=8, weight="bold")
        _lay_out(figure, panels, plotted.measured.measurement.facts.duration_s)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as the path's suffix says (one of SUFFIXES); the same figure gives the same file."""
    from matplotlib import rc_context

    suffix = path.suffix.lower()
    half_done = path.with_name(f".{path.name}.tmp")
    try:
        with rc_context(STYLE), warnings.catch_warnings():
            # A name in a script that the font does not have is drawn as boxes; the rest of the figure is sound.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(half_done, format=suffix[1:], dpi=DPI, metadata=_NO_DATE[suffix])
        half_done.replace(path)
    finally:
        half_done.unlink(missing_ok=True)


def _shortened(title: str) -> str:
    """The title, its middle left out where it is too long for the page; durations stand at its end."""
    return title if len(title) <= _LONGEST_TITLE else f"{title[:40]}…{title[-38:]}"


def _lay_out(figure: Figure, panels: Sequence[Panel], duration_s: float) -> None:
    """Stack the panels; only the last one shows the seconds."""
    from matplotlib.ticker import MaxNLocator

    width_in, height_in = figure.get_size_inches()
    at_in = height_in - _TOP_IN
    letters = iter(ascii_lowercase)
    for number, panel in enumerate(panels):
        at_in -= panel.gap_in + panel.height_in
        box = (LEFT_IN / width_in, at_in / height_in, PLOT_WIDTH_IN / width_in, panel.height_in / height_in)
        axes = figure.add_axes(box)
        axes.set_xlim(0, duration_s)
        panel.draw(axes)
        is_last = number == len(panels) - 1
        axes.tick_params(labelbottom=is_last, bottom=is_last)
        axes.spines["bottom"].set_visible(is_last)
        if is_last:
            axes.set_xlabel("time (s)", labelpad=2)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
        # One distance for all labels, so that they stand in a column; matplotlib's own depends on the ticks.
        axes.yaxis.set_label_coords(-_LABEL_IN / PLOT_WIDTH_IN, axes.yaxis.label.get_position()[1])
        if panel.begins_part:
            top = (at_in + panel.height_in) / height_in
            figure.text(0.04 / width_in, top, next(letters), weight="bold", fontsize=8, va="top")


def _face_panels(plotted: Plotted) -> list[Panel]:
    from vaemo_clips.faces.target import NoFace

    measured = plotted.measured
    facts = measured.measurement.facts
    if not facts.has_video:
        return [message_panel("no picture")]
    if isinstance(measured.face, NoFace) or measured.face_curves is None:
        detail = measured.face.detail if isinstance(measured.face, NoFace) else "not measured"
        return [message_panel(detail)]
    events = measured.measurement.events()
    cuts_s = measured.face.cuts_s
    face = FacePanels(facts.duration_s, measured.face_curves, plotted.strip, cuts_s, events, plotted.norms)
    return face.panels()


def _voice_panels(plotted: Plotted) -> list[Panel]:
    voice, duration_s = plotted.measured.voice_curves, plotted.measured.measurement.facts.duration_s
    if voice is None or plotted.sound is None:
        return [message_panel("no sound track")]
    if voice.reason == "silent":
        return [message_panel("the sound track is silent")]
    return VoicePanels(duration_s, voice, plotted.sound).panels()
