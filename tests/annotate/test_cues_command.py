"""`vaemo-annotate cues`: a table that fits a terminal, a figure and numbers in files, mistakes in one line."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from tests.support.measured_clip import measured_clip, planted_face, planted_voice, silent_voice
from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.real_data import real_data
from vaemo_annotate.cue_table import WHY, cue_table, scale
from vaemo_annotate.cues_command import open_segment, show_cues, split_cues
from vaemo_clips.cues.cue import Cue, Reason
from vaemo_clips.cues.face_cues import FACE_CUES
from vaemo_clips.cues.measure import Measured
from vaemo_clips.cues.measurement import Measurement
from vaemo_clips.cues.norms import population_norms
from vaemo_clips.errors import FigureError, ManifestError, MissingExtraError
from vaemo_clips.faces.target import NoFace
from vaemo_clips.voice.cues import VOICE_CUES

WIDTH = 80


def table_of(measured: Measured) -> list[str]:
    """The table's lines as they go into a pipe."""
    console = Console(width=WIDTH, record=True, file=io.StringIO(), highlight=False)
    console.print(cue_table(*split_cues(measured.measurement.cues)))
    return console.export_text().splitlines()


def show(file: Path, **options: Any) -> None:
    settings: dict[str, Any] = {"plot": None, "start_s": None, "end_s": None, "json_out": None, **options}
    show_cues(file, **settings)


def test_every_cue_has_a_name_and_every_reason_words() -> None:
    assert set(WHY) == set(get_args(Reason))


def test_the_widest_row_fits_80_columns() -> None:
    far, face = Cue("x", -0.123, "eye distances/s", 1.0, population_sd=-12.3), []
    for name, unit in (*FACE_CUES, *VOICE_CUES):
        face += [replace(far, name=name, unit=unit).weakened(reason) for reason in get_args(Reason)]
    console = Console(width=WIDTH, record=True, file=io.StringIO())
    console.print(cue_table(face, []))
    text = console.export_text()
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert any("weak: broken sound" in line for line in text.splitlines())


def test_a_row_tells_value_unit_distance_coverage_and_state() -> None:
    lines = table_of(measured_clip(face=planted_face(), voice=planted_voice()))
    pitch = next(line for line in lines if line.startswith("pitch, median"))
    sd = population_norms()["f0_median"].distance(200.0)
    assert pitch.split() == ["pitch,", "median", "200", "Hz", f"{sd:+.1f}", scale(sd), "80%", "measured"]
    furrow = next(line for line in lines if line.startswith("brow furrow"))
    assert furrow.rstrip().endswith("100% weak: rough")
    assert sum(line.startswith("rough: ") for line in lines) == 1


def test_a_group_without_any_value_is_one_row_and_one_reason_with_a_remedy() -> None:
    unseen = NoFace("no_face", "no face was found in 100 pictures")
    lines = table_of(measured_clip(face=unseen, voice=silent_voice()))
    assert [line.split() for line in lines if line.startswith("all ")] == [
        ["all", str(len(FACE_CUES)), "cues", "–", "not", "measurable"],
        ["all", str(len(VOICE_CUES)), "cues", "–", "not", "measurable"],
    ]
    assert sum("no face was found" in line for line in lines) == 1
    assert sum("the sound track is silent" in line for line in lines) == 1
    assert any("check the recording" in line for line in lines)


@pytest.mark.parametrize(
    ("sd", "shown"),
    [
        (None, ""), (0.0, "····●····"), (1.6, "····|·●··"), (-3.0, "●···|····"), (3.0, "····|···●"),
        (-7.0, "◀···|····"), (99.0, "····|···▶"),
    ],
)  # fmt: skip
def test_the_scale_reaches_three_sd_to_both_sides(sd: float | None, shown: str) -> None:
    assert scale(sd) == shown


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of bars with clicks: no face, no speech."""
    path = tmp_path_factory.mktemp("clips") / "bars.mp4"
    write_media(path, Picture(steady(75)), Sound([1.0]))
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_s": 3.5}, r"bars\.mp4: --start 3\.5 must lie in its \[0, 3\.00\) s$"),
        ({"end_s": 9.0}, r"bars\.mp4: --end 9 must be above --start 0 and at most its 3\.00 s; leave it out for"),
        ({"start_s": 2.0, "end_s": 1.0}, r"--end 1 must be above --start 2 "),
    ],
)
def test_a_stretch_outside_the_file_is_one_line(clip: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        show(clip, **options)


def test_no_file_and_no_media_are_one_line_each(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"not_found: .*no\.mp4: .*; give a media file with picture or sound$"):
        show(tmp_path / "no.mp4")
    (tmp_path / "text.mp4").write_text("words")
    with pytest.raises(ManifestError, match=r"not_media: .*text\.mp4: .*; give a media file"):
        show(tmp_path / "text.mp4")


def test_an_output_that_cannot_be_written_stops_before_the_measuring(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(FigureError, match=r"suffix '\.gif' is none of \.png, \.pdf, \.svg; name it cues\.png$"):
        show(clip, plot=tmp_path / "cues.gif")
    with pytest.raises(FigureError, match=r"--plot .*: there is no folder .*/none; make it first: mkdir -p .*/none$"):
        show(clip, plot=tmp_path / "none" / "cues.png")
    with pytest.raises(FigureError, match=r"--json .* is a folder; give the name of a file$"):
        show(clip, json_out=tmp_path)
    with pytest.raises(FigureError, match=r"--json .*bars\.mp4 is the clip itself; give another name$"):
        show(clip, json_out=clip.parent / "." / clip.name)


def test_a_figure_without_matplotlib_names_the_extra(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib is not installed; .* 'vaemo\[cues\]'"):
        show(clip, plot=tmp_path / "cues.png")


def test_a_little_past_the_end_is_the_end(clip: Path) -> None:
    assert open_segment(clip, 1.0, 3.04).duration_s == pytest.approx(2.0)
    assert open_segment(clip, None, None).title == "bars.mp4, 3.00 s"
    assert open_segment(clip, 1.0, 2.0).title == "bars.mp4, 1.00 s (1.00–2.00 s of 3.00 s)"


def test_a_clip_of_bars_says_that_there_is_nobody(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(clip, plot=tmp_path / "cues.svg", json_out=tmp_path / "cues.json")
    out = capsys.readouterr().out
    assert "no face was found in 75 pictures" in out
    assert "\x1b" not in out
    assert f"written: {tmp_path / 'cues.svg'}\nwritten: {tmp_path / 'cues.json'}\nnext: " in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cues.json", "cues.svg"]


def test_a_talking_face_is_measured_drawn_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = real_data("clips") / "talk_face_5.mp4"
    show(file, start_s=3.0, end_s=4.5, plot=tmp_path / "cues.png", json_out=tmp_path / "cues.json")
    out = capsys.readouterr().out
    assert out.startswith("talk_face_5.mp4, 1.50 s (3.00–4.50 s of ")
    assert "the described one in 100% of the pictures" in out
    assert "sd: standard deviations from people's neutral clips." in out
    content = json.loads((tmp_path / "cues.json").read_text())
    measurement = Measurement.from_dict(content)
    assert measurement.facts.duration_s == pytest.approx(1.5)
    assert [cue.name for cue in measurement.cues] == [name for name, _ in (*FACE_CUES, *VOICE_CUES)]
    smile = [event for event in content["events"] if event["cue"] == "lip_corner_pull"]
    assert [event["direction"] for event in smile] == ["up"]
    assert 0.6 < smile[0]["begin_s"] < 1.1  # she smiles from 3.8 s of the file on
    assert (tmp_path / "cues.png").read_bytes().startswith(b"\x89PNG")


def test_the_strip_shows_the_face_of_a_large_picture(tmp_path: Path) -> None:
    """Faces are followed in smaller pictures than the crops are cut from."""
    from vaemo_annotate.cues_command import measure_segment, plotted

    segment = open_segment(real_data("clips") / "five_frames_1080p_silent.mp4", None, None)
    strip = plotted(segment, measure_segment(segment)).strip
    assert len(strip) == 5
    for crop in strip:
        assert crop.image is not None
        middle = crop.image[64:128, 64:128].reshape(-1, 3).astype(float).mean(axis=0)
        assert middle[0] > middle[2] + 15  # skin, not the white wall beside it


def test_speech_alone_has_a_voice_and_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = min((real_data("ravdess_speech") / "actor_05").glob("*.flac"))
    show(file, plot=tmp_path / "cues.png")
    out = capsys.readouterr().out
    assert "face:  the clip has no picture" in out
    assert "pitch, median" in out
