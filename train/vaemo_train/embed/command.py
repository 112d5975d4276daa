"""`vaemo-train embed` as a user sees it: a progress bar, then what there is, what was rejected, and how to load it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vaemo_clips.errors import UserError
from vaemo_train.embed.opened import OpenedModel
from vaemo_train.embed.precision import resolve_precision
from vaemo_train.embed.rejects import rejects_path
from vaemo_train.embed.run import EmbedSummary, check_out, embed
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.source import check_source
from vaemo_train.embed.sources import InterruptedIndexing, open_source

_BATCH_OF_GPU = 64


def embed_with_progress(
    source: Path, model: str, out: Path, *, precision: str, workers: int | None, **values: Any
) -> EmbedSummary:
    """Embed, print a summary, and return it. Exits with 130 when interrupted. Raises UserErrors."""
    check_out(out)
    check_source(source)
    given = {name: value for name, value in values.items() if value is not None}
    if {"windows", "window_step_s"} <= given.keys():
        raise UserError("--windows and --window-step exclude one another; give one of them")
    if torch.cuda.is_available():
        given.setdefault("batch_size", _BATCH_OF_GPU)
    settings = EmbedSettings.read(**given, bf16=resolve_precision(precision))
    opened = OpenedModel.open(model)
    try:
        with _bar() as bar:
            summary = embed(
                lambda: open_source(source, out, opened, settings, workers, _shown(bar, "indexing")),
                opened, out, settings, threads=workers, on_progress=_shown(bar, "embedding"),
            )  # fmt: skip
    except InterruptedIndexing:
        typer.echo(
            "interrupted while the files were indexed: no clip was embedded yet; the same command indexes them again, "
            "and does not read those that an earlier one had indexed to the end",
            err=True,
        )
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        typer.echo("interrupted; every finished part of 256 clips is kept, the same command goes on", err=True)
        raise typer.Exit(130) from None
    for line in summary_lines(summary):
        typer.echo(line)
    return summary


def summary_lines(summary: EmbedSummary) -> Iterator[str]:
    """Yield what a user wants to know at the end, and three lines of Python to go on with."""
    accepted = summary.clips - summary.rejected
    yield f"{accepted:,} clips embedded + {summary.rejected:,} rejected = {summary.clips:,}"
    for reason, count in summary.rejects.items():
        yield f"  rejected, {reason}: {count:,} (see {rejects_path(summary.out)})"
    vectors = ", ".join(f"{name} ({width:,})" for name, width in summary.widths.items())
    yield f"{summary.rows:,} rows in {summary.out}; vectors: {vectors}"
    if summary.was_finished:
        yield "nothing was left to do: the file is of these clips, this model and these settings"
    elif summary.new_clips:
        rate = summary.new_clips / summary.seconds
        yield f"{summary.new_clips:,} clips embedded now in {summary.seconds:.1f} s, {rate:.1f} clips/s"
    else:
        yield "no clip was left to embed; the parts of an interrupted command were joined"
    column = next(iter(summary.widths))
    yield "next:"
    yield "  import numpy, pandas"
    yield f'  table = pandas.read_parquet("{summary.out}").dropna(subset="{column}")'
    yield f'  vectors = numpy.stack(table["{column}"])  # (rows, {summary.widths[column]})'


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rejected]} rejected"), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(file=sys.stderr)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _shown(bar: Progress, noun: str) -> Callable[[int, int, int], None]:
    """Shows how far something has come, from its first call on."""
    tasks: list[Any] = []

    def show(done: int, total: int, rejected: int) -> None:
        if not tasks:
            tasks.append(bar.add_task(noun, rejected=rejected))
        bar.update(tasks[0], completed=done, total=total, rejected=rejected)

    return show
