"""`vaemo-train stage1` as a user sees it: settings from options, progress, the words at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from vaemo_clips.errors import MissingExtraError, RecipeError, RunFolderError, SplitError, UserError
from vaemo_train.stage1.checkpoint import JointCheckpointError
from vaemo_train.stage1.environment import num_processes, rank
from vaemo_train.stage1.shipped import choose_recipe

if TYPE_CHECKING:
    from vaemo_train.stage1.run import RunSummary

_ON_ALL: Final = (RecipeError, SplitError, RunFolderError, MissingExtraError, JointCheckpointError)
"""Errors that every process of a training finds alike; the first one tells them."""


def run_stage1(
    recipe: str | None, data: Path | None, out: Path, changes: Sequence[str], holdout: str | None, resume: bool
) -> None:
    """Train and print a summary; leaves with 130 where the run was interrupted.

    `recipe` is as `choose_recipe` takes it. Raises the UserErrors of `train` on the first process; the others say
    what is theirs alone, and leave with 2.
    """
    first = rank() == 0
    try:
        summary = _run(recipe, data, out, changes, holdout, resume)
    except KeyboardInterrupt:
        if first:
            typer.echo("stopped at once; --resume goes on from the last checkpoint, if there is one", err=True)
        raise typer.Exit(130) from None
    except UserError as error:
        if first:
            raise
        if not isinstance(error, _ON_ALL):
            typer.echo(f"error on process {rank()}: {error}", err=True)
        raise typer.Exit(2) from None
    if first:
        for line in summary_lines(summary):
            typer.echo(line)
    if summary.state == "interrupted":
        raise typer.Exit(130)


def _run(
    recipe: str | None, data: Path | None, out: Path, changes: Sequence[str], holdout: str | None, resume: bool
) -> RunSummary:
    from vaemo_train.evaluate.folds import Holdout
    from vaemo_train.stage1.recipe_file import load_recipe
    from vaemo_train.stage1.run import train

    chosen = choose_recipe(recipe)
    settings = load_recipe(chosen.path, changes, num_processes())
    shards = data or settings.data.folder
    if shards is None:
        raise RecipeError(f"{chosen.path}: names no data.folder; give --data FOLDER, written by `vaemo-train prepare`")
    kept_out = Holdout.parse(holdout) if holdout is not None else None
    return train(settings, shards, out, holdout=kept_out, resume=resume, opening=chosen.words)


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
    if summary.folder.curves.exists():
        yield f"curves: {summary.folder.curves}   reconstructions: {summary.folder.figures}/step-*.png"
    yield f"next: tensorboard --logdir {summary.folder.tensorboard}"


def duration_text(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
