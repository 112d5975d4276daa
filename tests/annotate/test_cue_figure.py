"""The figure of a clip's cues: planted curves come out as planted, and everything stays on the page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray

from tests.support.measured_clip import measured_clip, picture_times, planted_face, planted_voice, silent_voice
from vaemo_annotate.cue_figure import SUFFIXES, Plotted, cue_figure, save_figure
from vaemo_annotate.figure.curve import thinned
from vaemo_annotate.figure.face_strip import Crop, strip_times
from vaemo_annotate.figure.log_mel import picture_sound
from vaemo_annotate.figure.style import BLUE, MAX_COLUMNS, VERMILION
from vaemo_clips.cues.measure import Measured
from vaemo_clips.cues.norms import population_norms
from vaemo_clips.faces.target import NoFace

RATE_HZ = 16000


def figure_of(measured: Measured, strip: list[Crop] | None = None, title: str = "clip.mp4") -> Figure:
    duration_s = measured.measurement.facts.duration_s
    sound = None
    if measured.voice_curves is not None:
        noise = 0.1 * np.random.default_rng(0).standard_normal(round(duration_s * RATE_HZ)).astype(np.float32)
        sound = picture_sound([noise], duration_s, RATE_HZ)
    if strip is None and measured.face_curves is not None:
        grey = np.full((192, 192, 3), 128, np.uint8)
        strip = [Crop(time_s, grey) for time_s in strip_times(measured.face_curves.times_s, duration_s)]
    return cue_figure(Plotted(title, measured, strip or [], sound, population_norms()))


def lines(figure: Figure, colour: str) -> list[Line2D]:
    """The curves of a colour from top to bottom, without the dots that mark single values."""
    found = [line for axes in figure.axes for line in axes.get_lines()]
    return [line for line in found if line.get_color() == colour and line.get_linestyle() != "None"]


def xs(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xdata(), np.float64)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]


def test_a_curve_is_drawn_as_distance_from_peoples_norm() -> None:
    planted = np.linspace(-1, 2, len(picture_times(4.0)))
    figure = figure_of(measured_clip(face=planted_face(sd={"brow_raise": planted})))
    drawn = np.asarray(lines(figure, BLUE)[0].get_ydata(), np.float64)
    np.testing.assert_allclose(drawn, planted, atol=1e-4)


def test_a_gap_stays_a_gap() -> None:
    figure = figure_of(measured_clip(face=planted_face(absent_s=(1.0, 2.0))))
    curve = lines(figure, VERMILION)[0]
    times_s, drawn = (np.asarray(data, np.float64) for data in curve.get_data())
    np.testing.assert_array_equal(np.isnan(drawn), (times_s >= 1.0) & (times_s < 2.0))


def test_a_cue_without_a_norm_is_drawn_in_its_own_unit() -> None:
    plotted = Plotted("clip.mp4", measured_clip(face=planted_face()), [], None, {})
    figure = cue_figure(plotted)
    drawn = np.asarray(lines(figure, BLUE)[0].get_ydata(), np.float64)
    np.testing.assert_allclose(drawn, population_norms()["brow_raise"].mean, rtol=1e-4)
    assert "eye dist." in texts(figure)


def test_only_the_stretch_that_stands_out_is_filled() -> None:
    times_s = picture_times(4.0)
    smile = np.where((times_s >= 1.0) & (times_s < 3.0), 4.0, 0.0)
    figure = figure_of(measured_clip(face=planted_face(sd={"lip_corner_pull": smile})))
    fills = [fill for axes in figure.axes for fill in axes.findobj(FillBetweenPolyCollection) if _has_area(fill)]
    assert len(fills) == 1
    (path,) = fills[0].get_paths()
    filled_s = np.asarray(path.vertices, np.float64)[:, 0]
    assert filled_s.min() == pytest.approx(1.0)
    assert filled_s.max() == pytest.approx(times_s[times_s < 3.0].max())
    assert "filled: stands out" in texts(figure)


def _has_area(fill: Any) -> bool:
    return any(len(path.vertices) for path in fill.get_paths())


def test_an_absent_face_is_a_hatched_place_in_the_strip() -> None:
    grey = np.full((192, 192, 3), 128, np.uint8)
    strip = [Crop(time_s, grey if time_s < 2 else None) for time_s in strip_times(picture_times(4.0), 4.0)]
    figure = figure_of(measured_clip(face=planted_face(absent_s=(2.0, 4.0))), strip)
    top = figure.axes[0]
    hatched = [patch for patch in top.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    assert (len(top.findobj(AxesImage)), len(hatched)) == (4, 4)


def test_cuts_are_marked_in_every_panel_of_the_face() -> None:
    figure = figure_of(measured_clip(face=planted_face(cuts_s=(1.5,))))
    marked = [any(xs(line).tolist() == [1.5, 1.5] for line in axes.get_lines()) for axes in figure.axes[:6]]
    assert marked == [True] * 6


def test_what_a_clip_lacks_is_one_line_that_says_so() -> None:
    unseen = NoFace("no_face", "no face was found in 100 pictures")
    assert "no face was found in 100 pictures" in texts(figure_of(measured_clip(face=unseen, voice=planted_voice())))
    assert "no picture" in texts(figure_of(measured_clip(voice=planted_voice())))
    assert "no sound track" in texts(figure_of(measured_clip(face=planted_face())))
    assert "the sound track is silent" in texts(figure_of(measured_clip(face=planted_face(), voice=silent_voice())))


def test_a_clip_with_neither_is_a_small_figure() -> None:
    full = figure_of(measured_clip(face=planted_face(), voice=planted_voice()))
    bare = figure_of(measured_clip(face=NoFace("no_face", "no face was found in 100 pictures")))
    assert bare.get_figheight() < 0.35 * full.get_figheight()
    assert [text for text in texts(bare) if len(text) == 1 and text.isalpha()] == ["a", "b"]


CASES: dict[str, Callable[[], Measured]] = {
    "whole": lambda: measured_clip(face=planted_face(), voice=planted_voice()),
    "far off": lambda: measured_clip(
        face=planted_face(sd={"brow_raise": np.full(100, 40.0), "mouth_opening": np.full(100, -40.0)}, cuts_s=(1.0,)),
        voice=planted_voice(),
    ),
    "five pictures": lambda: measured_clip(0.2, face=planted_face(0.2), voice=planted_voice(0.2)),
    "one picture": lambda: measured_clip(0.04, face=planted_face(0.04)),
    "three minutes": lambda: measured_clip(180.0, face=planted_face(180.0), voice=planted_voice(180.0)),
    "speech only": lambda: measured_clip(voice=planted_voice()),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_text_is_on_the_page_and_at_least_7_points_high(case: str) -> None:
    figure = figure_of(CASES[case]())
    figure.canvas.draw()
    page = figure.bbox
    for text in figure.findobj(Text):
        if not (isinstance(text, Text) and text.get_visible() and text.get_text() and _is_drawn(text)):
            continue
        box = text.get_window_extent()
        assert float(text.get_fontsize()) >= 7, text
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text


def _is_drawn(text: Text) -> bool:
    """Tick labels beyond the axis limits exist without being drawn."""
    axes = text.axes
    if axes is None or text not in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        return True
    x, y = text.get_position()
    (low, high), at = (axes.get_xlim(), x) if text in axes.get_xticklabels() else (axes.get_ylim(), y)
    return low <= at <= high


def test_the_data_of_a_long_clip_are_thinned_to_the_print() -> None:
    figure = figure_of(CASES["three minutes"]())
    assert max(len(xs(line)) for axes in figure.axes for line in axes.get_lines()) <= MAX_COLUMNS


def test_thinning_takes_means_and_keeps_gaps_but_makes_none() -> None:
    times_s = np.arange(10_000) / 100
    values = np.where((times_s >= 40) & (times_s < 60), np.nan, times_s)
    at_s, means = thinned(times_s, values, 100.0, 50)
    np.testing.assert_allclose(at_s, np.arange(50) * 2 + 1)
    np.testing.assert_array_equal(np.isnan(means), (at_s > 40) & (at_s < 60))
    np.testing.assert_allclose(means[at_s < 40], at_s[at_s < 40] - 0.005)
    slow_s = np.arange(60) * 10.0
    assert not np.isnan(thinned(slow_s, slow_s, 600.0, 50)[1]).any()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_clip_gives_the_same_file(suffix: str, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}{suffix}"
        save_figure(figure_of(measured_clip(face=planted_face(), voice=planted_voice())), path)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"one{suffix}", f"two{suffix}"]


def test_a_dollar_in_a_name_is_no_formula() -> None:
    title = "a$b_{c$.mp4, 4.00 s"
    figure = figure_of(measured_clip(face=planted_face()), title=title)
    figure.canvas.draw()
    assert title in texts(figure)


def test_a_long_name_in_another_script_is_shortened_without_a_warning(tmp_path: Path) -> None:
    figure = figure_of(measured_clip(face=planted_face()), title=f"{'表情' * 80}.mp4, 4.00 s")
    save_figure(figure, tmp_path / "cues.png")
    title = next(text for text in texts(figure) if "…" in text)
    assert len(title) < 80
    assert title.endswith(".mp4, 4.00 s")


def test_drawing_leaves_matplotlibs_settings_alone() -> None:
    before = dict(rcParams)
    figure_of(measured_clip(face=planted_face(), voice=planted_voice()))
    assert dict(rcParams) == before


def test_the_command_imports_matplotlib_only_to_draw() -> None:
    code = "import sys, vaemo_annotate.cues_command; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
