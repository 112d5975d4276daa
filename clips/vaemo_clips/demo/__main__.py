"""`python -m vaemo_clips.demo FOLDER`: write demo clips."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from vaemo_clips.demo.clips import LABELS, make_demo_clips
from vaemo_clips.errors import UserError


def main(
    folder: Annotated[Path, typer.Argument(help="Where the clips go; made if it is not there.")],
    count: Annotated[int, typer.Option(min=1, help="How many clips.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Other seeds give other speakers and clips.")] = 0,
    speakers: Annotated[int, typer.Option(min=1, help="At most so many speakers; each shows every emotion.")] = 24,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make clips.")] = 1,
) -> None:
    """Make talking-head clips with labels and planted truth."""
    console = Console(stderr=True)
    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("clips", total=count)
            clips = make_demo_clips(
                folder, count, seed, num_speakers=speakers, workers=workers,
                on_clip=lambda done: progress.update(task, completed=done),
            )  # fmt: skip
    except UserError as error:
        console.print(f"error: {error}", style="red", markup=False)
        sys.exit(2)
    num_speakers = len({clip.speaker for clip in clips})
    typer.echo(f"{len(clips)} clips of {num_speakers} speakers in {folder}, listed in {folder / LABELS}")
    typer.echo(f"next: vaemo-annotate index {folder / LABELS} --out {folder.with_suffix('.parquet')}")


if __name__ == "__main__":
    typer.run(main)
