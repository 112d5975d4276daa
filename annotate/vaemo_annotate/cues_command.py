"""`vaemo-annotate cues`: what can be measured in one file, as a table and as a figure."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from vaemo_annotate.cue_figure import SUFFIXES, Plotted, cue_figure, save_figure
from vaemo_annotate.cue_table import WHY, cue_table
from vaemo_annotate.show import printable
from vaemo_clips.cues.cue import Cue
from vaemo_clips.errors import FigureError, ManifestError, MediaError, MissingExtraError
from vaemo_clips.probe import MediaInfo, probe
from vaemo_clips.whole_file import write_text

if TYPE_CHECKING:
    from vaemo_annotate.figure.face_strip import Crop
    from vaemo_clips.cues.measure import Measured

_END_SLACK_S = 0.05  # what a player shows as the end, rounded


@dataclass(frozen=True, slots=True)
class Segment:
    """The stretch [begin_s, begin_s + duration_s) of a media file, and the facts of the whole file."""

    path: Path
    info: MediaInfo
    begin_s: float
    duration_s: float

    @property
    def title(self) -> str:
        """The file's name and the duration; of a part also where it lies."""
        part = ""
        if self.duration_s < self.info.duration_s - 1e-6:
            part = f" ({self.begin_s:.2f}–{self.begin_s + self.duration_s:.2f} s of {self.info.duration_s:.2f} s)"
        return f"{printable(self.path.name)}, {self.duration_s:.2f} s{part}"


def show_cues(
    file: Path, *, plot: Path | None, start_s: float | None, end_s: float | None, json_out: Path | None
) -> None:
    """Measure [start_s, end_s) of a file, print its cues, and write the figure and the JSON that are asked for.

    Raises a UserError where the file, the stretch or an output cannot be used, or something is not installed;
    all but the face networks are checked before the measuring begins.
    """
    _check_outputs(file, plot, json_out)
    segment = open_segment(file, start_s, end_s)
    try:
        measured = measure_segment(segment)
        if plot is not None:
            save_figure(cue_figure(plotted(segment, measured)), plot)
    except MediaError as error:
        raise ManifestError(f"{file}: {error}; give a media file with picture or sound") from error
    if json_out is not None:
        _write_json(json_out, segment, measured)
    _print(segment, measured, plot, json_out)


def _check_outputs(file: Path, plot: Path | None, json_out: Path | None) -> None:
    if plot is not None and plot.suffix.lower() not in SUFFIXES:
        raise FigureError(f"--plot {plot}: suffix {plot.suffix!r} is none of {', '.join(SUFFIXES)}; name it cues.png")
    for option, path in (("--plot", plot), ("--json", json_out)):
        if path is not None:
            _check_writable(f"{option} {path}", file, path)
    if plot is not None and json_out is not None and plot.resolve() == json_out.resolve():
        raise FigureError(f"--plot and --json both name {plot}; give two names")
    if plot is not None and find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "cues")


def _check_writable(what: str, file: Path, path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise FigureError(f"{what}: there is no folder {folder}; make it first: mkdir -p {folder}")
    if path.is_dir():
        raise FigureError(f"{what} is a folder; give the name of a file")
    if path.resolve() == file.resolve():
        raise FigureError(f"{what} is the clip itself; give another name")
    if not os.access(folder, os.W_OK):
        raise FigureError(f"{what}: the folder {folder} cannot be written to; choose another one")


def open_segment(file: Path, start_s: float | None, end_s: float | None) -> Segment:
    """Look at a file and choose a stretch of it. Raises ManifestError where there is no such file or stretch."""
    try:
        info = probe(file)
    except MediaError as error:
        raise ManifestError(f"{error}; give a media file with picture or sound") from error
    begin_s, finish_s = start_s or 0.0, info.duration_s if end_s is None else end_s
    if not 0 <= begin_s < info.duration_s:
        raise ManifestError(f"{file}: --start {begin_s:g} must lie in its [0, {info.duration_s:.2f}) s")
    if not begin_s < finish_s <= info.duration_s + _END_SLACK_S:
        raise ManifestError(
            f"{file}: --end {finish_s:g} must be above --start {begin_s:g} and at most its {info.duration_s:.2f} s; "
            "leave it out for the file's end"
        )
    return Segment(file, info, begin_s, min(finish_s, info.duration_s) - begin_s)


def measure_segment(segment: Segment) -> Measured:
    """Measure with a bar over the clip's seconds on stderr."""
    from vaemo_clips.cues.measure import measure
    from vaemo_clips.faces.models import FaceModels

    models = FaceModels.load() if segment.info.width is not None else None
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("listening", total=None, at="")

        def on_progress(seconds: float) -> None:
            at = f"{seconds:.1f}/{segment.duration_s:.1f} s"
            bar.update(task, description="measuring", completed=seconds, total=segment.duration_s, at=at)

        return measure(
            segment.path,
            segment.duration_s,
            models,
            begin_s=segment.begin_s,
            has_audio=segment.info.has_audio,
            on_progress=on_progress,
        )


def plotted(segment: Segment, measured: Measured) -> Plotted:
    """Look up in the file what the figure shows besides the curves. Raises MediaError."""
    from vaemo_annotate.figure.face_strip import face_strip
    from vaemo_annotate.figure.log_mel import picture_sound
    from vaemo_clips.audio import iterate_audio
    from vaemo_clips.cues.measure import RATE_HZ
    from vaemo_clips.cues.norms import population_norms
    from vaemo_clips.faces.target import TargetFace

    path, begin_s, duration_s = segment.path, segment.begin_s, segment.duration_s
    face, curves = measured.face, measured.face_curves
    strip: tuple[Crop, ...] = ()
    if isinstance(face, TargetFace) and curves is not None:
        strip = face_strip(path, face, curves.times_s, duration_s, measured.picture_width, begin_s)
    sound = None
    if measured.voice_curves is not None:
        sound = picture_sound(iterate_audio(path, begin_s, duration_s, RATE_HZ), duration_s, RATE_HZ)
    return Plotted(segment.title, measured, strip, sound, population_norms())


def _print(segment: Segment, measured: Measured, plot: Path | None, json_out: Path | None) -> None:
    console = Console(highlight=False)
    for line in (*_header(segment, measured), ""):
        console.print(Text(line), soft_wrap=True)
    face, voice = split_cues(measured.measurement.cues)
    console.print(cue_table(face, voice))
    console.print()
    for line in _footer(segment, plot, json_out):
        console.print(Text(line), soft_wrap=not line.startswith("sd:"))


def split_cues(cues: tuple[Cue, ...]) -> tuple[list[Cue], list[Cue]]:
    """Return the face's cues and the voice's."""
    from vaemo_clips.cues.face_cues import FACE_CUES

    names = {name for name, _ in FACE_CUES}
    return [cue for cue in cues if cue.name in names], [cue for cue in cues if cue.name not in names]


def _header(segment: Segment, measured: Measured) -> Iterator[str]:
    """What the file is, and what of it could be used."""
    from vaemo_clips.faces.target import NoFace

    info, facts, voice = segment.info, measured.measurement.facts, measured.voice_curves
    picture = f"{info.width} x {info.height} px, {info.fps:.4g} pictures/s" if info.width else "no picture"
    sound = f"sound {info.audio_rate_hz} Hz" if info.has_audio else "no sound track"
    yield f"{segment.title}; {picture}; {sound}"
    if isinstance(measured.face, NoFace):
        yield f"face:  {measured.face.detail}"
    else:
        faces, cuts = _count(facts.num_faces, "face"), _count(facts.num_cuts, "shot cut")
        yield f"face:  {faces} at once, the described one in {facts.face_coverage:.0%} of the pictures, {cuts}"
    if voice is not None and voice.reason is not None:
        yield f"voice: {WHY[voice.reason].sentence}"
    elif voice is not None:
        share = float(voice.is_speech.mean()) if len(voice.is_speech) else 0.0
        pause_s = sum(end_s - begin_s for begin_s, end_s in voice.pauses_s)
        pauses = _count(len(voice.pauses_s), "pause")
        yield f"voice: speech in {share:.0%} of the sound, {pauses} ({pause_s:.2f} s)"
    else:
        yield "voice: no sound track"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _footer(segment: Segment, plot: Path | None, json_out: Path | None) -> Iterator[str]:
    yield (
        "sd: standard deviations from people's neutral clips. That norm comes from few people, and one file has no "
        "speaker to compare with: `run` holds a clip against the speaker's other ones where the manifest names them."
    )
    for path in (plot, json_out):
        if path is not None:
            yield f"written: {path}"
    if plot is None:
        yield f"next: vaemo-annotate cues {segment.path} --plot cues.png"
    else:
        yield "next: vaemo-annotate index FOLDER, then vaemo-annotate run --engine cues --prompt prompts/cot_v2.yaml"


def _write_json(path: Path, segment: Segment, measured: Measured) -> None:
    """Write the measurement and its events, whole or not at all."""
    from dataclasses import asdict

    content: dict[str, Any] = {
        "file": str(segment.path),
        "begin_s": segment.begin_s,
        **measured.measurement.to_dict(),
        "events": [asdict(event) for event in measured.measurement.events()],
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
