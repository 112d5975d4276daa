"""`vaemo-train stage1` as a user sees it: settings from options, progress, the words at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vaemo_clips.errors import RecipeError, TrainingError, UserError

if TYPE_CHECKING:
    from vaemo_train.stage1.run import RunSummary


def run_stage1(
    recipe: Path, data: Path | None, out: Path, changes: Sequence[str], holdout: str | None, resume: bool
) -> None:
    """Train and print a summary; leaves with 130 where the run was interrupted. Raises the UserErrors of `train`."""
    first = os.environ.get("RANK", "0") == "0"
    try:
        summary = _run(recipe, data, out, changes, holdout, resume)
    except KeyboardInterrupt:
        if first:
            typer.echo("stopped at once; --resume goes on from the last checkpoint, if there is one", err=True)
        raise typer.Exit(130) from None
    except UserError as error:
        if first or isinstance(error, TrainingError):
            raise
        raise typer.Exit(2) from None  # the first process tells it
    if first:
        for line in summary_lines(summary):
            typer.echo(line)
    if summary.state == "interrupted":
        raise typer.Exit(130)


def _run(
    recipe: Path, data: Path | None, out: Path, changes: Sequence[str], holdout: str | None, resume: bool
) -> RunSummary:
    from vaemo_train.evaluate.folds import Holdout
    from vaemo_train.stage1.environment import num_processes
    from vaemo_train.stage1.recipe_file import load_recipe
    from vaemo_train.stage1.run import train

    settings = load_recipe(recipe, changes, num_processes())
    shards = data or settings.data.folder
    if shards is None:
        raise RecipeError(f"{recipe}: names no data.folder; give --data FOLDER, written by `vaemo-train prepare`")
    return train(settings, shards, out, holdout=Holdout.parse(holdout) if holdout is not None else None, resume=resume)


def summary_lines(summary: RunSummary) -> Iterator[str]:
    """Yield what a user wants to know at the end of a run, and the likely next command."""
    from vaemo_train.stage1.monitor_table import monitor_lines

    if summary.state == "interrupted":
        yield (
            f"interrupted after step {summary.step:,} of {summary.total_steps:,}; checkpoint {summary.checkpoint}: "
            "the same command with --resume goes on"
        )
        return
    losses = "  ".join(
        f"{name.removeprefix('loss/')} {value:.4g}" for name, value in summary.losses.items() if name.startswith("loss")
    )
    yield f"done: {summary.total_steps:,} steps in {duration_text(summary.wall_s)}; last losses: {losses or 'none'}"
    if summary.diagnostics is not None:
        yield from monitor_lines(summary.step, summary.diagnostics)
    yield f"model: {summary.folder.model}   recipe: {summary.folder.recipe}   numbers: {summary.folder.metrics}"
    yield f"next: tensorboard --logdir {summary.folder.tensorboard}"


def duration_text(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
