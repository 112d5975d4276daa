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

from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.measure import measure
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.probe import probe

_MIN_PEOPLE = 5


def main(
    files: Annotated[list[Path], typer.Argument(help="Neutral clips, one or more a person.")],
    out: Annotated[Path, typer.Option(help="The norms' YAML file.")] = Path("clips/vaemo_clips/cues/face_norms.yaml"),
) -> None:
    """Measure every clip and write the norms."""
    models = FaceModels.load()
    people: dict[str, list[dict[str, Cue]]] = {}
    for file in files:
        facts = probe(file)
        found = measure(file, facts.duration_s, models, has_audio=facts.has_audio).measurement
        if found.facts.face_coverage:
            people.setdefault(file.stem.partition("-")[0], []).append({cue.name: cue for cue in found.cues})
    lines = [_HEADER.format(people=len(people), files=len(files))]
    names = [name for name in next(iter(people.values()))[0] if name in _face_names()]
    for name in names:
        values = [mean for clips in people.values() if (mean := _mean(clips, name)) is not None]
        if len(values) >= _MIN_PEOPLE and len(set(values)) > 1:
            lines.append(f"{name}: {{mean: {statistics.fmean(values):.4f}, sd: {statistics.stdev(values):.4f}}}")
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(out.read_text(encoding="utf-8"))


def _face_names() -> frozenset[str]:
    from vaemo_clips.cues.face_cues import FACE_CUES

    return frozenset(name for name, _ in FACE_CUES)


def _mean(clips: list[dict[str, Cue]], name: str) -> float | None:
    values = [clip[name].value for clip in clips]
    there = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.fmean(there) if there else None


_HEADER = """# What is usual for faces of people who talk without acting: mean and standard deviation, {people} people
# ({files} clips), each person once. A small, chance sample: distances against it are rough. Aggregate numbers only.
# Made by benchmarks/face_norms.py."""


if __name__ == "__main__":
    typer.run(main)
