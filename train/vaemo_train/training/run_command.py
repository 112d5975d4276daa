"""A training as a user of a command sees it: errors of several processes, interruptions, the words at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from vaemo_clips.errors import (
    CaptionError,
    MissingExtraError,
    RecipeError,
    RunFolderError,
    SplitError,
    TextModelError,
    UserError,
)
from vaemo_train.training.checkpoint import JointCheckpointError
from vaemo_train.training.environment import rank

if TYPE_CHECKING:
    from vaemo_train.training.run import RunSummary

_ON_ALL: Final = (
    CaptionError, JointCheckpointError, MissingExtraError, RecipeError, RunFolderError, SplitError, TextModelError,
)  # fmt: skip
"""Errors that every process of a training finds alike; the first one tells them."""


def run_training(train: Callable[[], RunSummary]) -> None:
    """Train and print a summary; leaves with 130 where the run was interrupted.

    Raises the UserErrors of `train` on the first process; the others say what is theirs alone, and leave with 2.
    """
    with leaving_together():
        summary = train()
        if rank() == 0:
            for line in summary_lines(summary):
                typer.echo(line)
    if summary.state == "interrupted":
        raise typer.Exit(130)


@contextmanager
def leaving_together() -> Iterator[None]:
    """Run a block that trains on every process, and part in peace.

    Leaves with 130 at a second Ctrl-C. Raises the block's UserErrors on the first process; the others say what is
    theirs alone, and leave with 2.
    """
    first = rank() == 0
    try:
        yield
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
    _part_from_others()


def _part_from_others() -> None:
    """Leave the process group in peace once all are done: torch warns, or aborts, at an exit within one."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def summary_lines(summary: RunSummary) -> Iterator[str]:
    """Yield what a user wants to know at the end of a run, and the likely next command."""
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
        yield from summary.diagnostics.lines(summary.step)
    yield f"model: {summary.folder.model}   recipe: {summary.folder.recipe}   numbers: {summary.folder.metrics}"
    if summary.folder.curves.exists():
        yield f"curves: {summary.folder.curves}   other figures: {summary.folder.figures}"
    for command in (f"tensorboard --logdir {summary.folder.tensorboard}", *summary.next_commands):
        yield f"next: {command}"


def duration_text(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
