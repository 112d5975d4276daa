"""Population norms of the face cues: mean and spread over people who talk without acting.

    python -m benchmarks.face_norms FILE... --out clips/vaemo_clips/cues/face_norms.yaml

FILE... are one or more neutral clips a person. The person is the part of a file's name up to the first `-`,
the whole name where there is none; each person counts once, with the mean over their clips.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Annotated

import typer

from vaemo_clips.cues.cue import by_name
from vaemo_clips.cues.face_cues import FACE_CUES
from vaemo_clips.cues.measure import Measured, measure
from vaemo_clips.cues.outline import OUTLINED
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.probe import probe

_MIN_PEOPLE = 5


def main(
    files: Annotated[list[Path], typer.Argument(help="Neutral clips, one or more a person.")],
    out: Annotated[Path, typer.Option(help="The norms' YAML file.")] = Path("clips/vaemo_clips/cues/face_norms.yaml"),
) -> None:
    """Measure every clip and write the norms."""
    models = FaceModels.load()
    people: dict[str, list[Measured]] = {}
    for file in files:
        facts = probe(file)
        found = measure(file, facts.duration_s, models, has_audio=facts.has_audio)
        if found.face_curves is not None:
            people.setdefault(file.stem.partition("-")[0], []).append(found)
    lines = [_HEADER.format(people=len(people), files=len(files))]
    lines += [line for name, _ in FACE_CUES if (line := _line(name, list(people.values())))]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(out.read_text(encoding="utf-8"))


def _line(name: str, people: list[list[Measured]]) -> str | None:
    values = [statistics.fmean(found) for clips in people if (found := _values(clips, name))]
    if len(values) < _MIN_PEOPLE or len(set(values)) == 1:
        return None
    sd = statistics.stdev(values)
    parts = {"mean": statistics.fmean(values), "sd": sd}
    if name in OUTLINED:
        within = statistics.fmean(_variance_over_time(clips, name) for clips in people)
        parts["moment_sd"] = math.sqrt(sd**2 + within)
    return f"{name}: {{{', '.join(f'{key}: {value:.4f}' for key, value in parts.items())}}}"


def _values(clips: list[Measured], name: str) -> list[float]:
    cues = [by_name(clip.measurement.cues)[name].value for clip in clips]
    return [value for value in cues if value is not None]


def _variance_over_time(clips: list[Measured], name: str) -> float:
    """Mean variance of a person's cue over the steps of an outline."""
    courses = [[v for v in clip.measurement.outline.values[name] if v is not None] for clip in clips]
    return statistics.fmean(statistics.pvariance(course) for course in courses if course)


_HEADER = """# What is usual for faces of people who talk without acting: mean and standard deviation, {people} people
# ({files} clips), each person once. A small, chance sample: distances against it are rough. Aggregate numbers only.
# `moment_sd` is the spread of single moments: that of people and, within a person, that over time.
# Made by benchmarks/face_norms.py."""


if __name__ == "__main__":
    typer.run(main)
