"""`vaemo-annotate index` as a user sees it: a progress bar, then what was found and what was rejected."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vaemo_clips.index import IndexSummary, index, rejects_path


def index_with_progress(
    source: Path, out: Path, root: Path | None, workers: int | None, corpus: str | None = None
) -> None:
    """Index and print a summary. Raises ManifestError where the source cannot be used, or no such corpus is known."""
    began = time.monotonic()
    columns = (
        TextColumn("indexing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rejected]} rejected"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("indexing", total=None, rejected=0)
        summary = index(
            source,
            out,
            root=root,
            corpus=corpus,
            workers=workers,
            on_progress=lambda done, total, rejected: bar.update(task, completed=done, total=total, rejected=rejected),
        )
    _report(summary, out, time.monotonic() - began)


def _report(summary: IndexSummary, out: Path, seconds: float) -> None:
    reused = f", {summary.reused:,} unchanged since the last time" if summary.reused else ""
    typer.echo(
        f"{summary.accepted:,} clips + {summary.num_rejected:,} rejects = {summary.found:,} found in {seconds:.1f} s"
        f"{reused}; manifest: {out}"
    )
    for reason, count in sorted(summary.rejected.items(), key=lambda item: -item[1]):
        typer.echo(f"  rejected, {reason}: {count:,} (see {rejects_path(out)})")
    if summary.ignored_by_extension:
        shown = ", ".join(f"{name or 'no extension'} {count:,}" for name, count in summary.ignored_by_extension.items())
        typer.echo(f"  not media, ignored: {shown}")
    for reason, count in summary.left_out.items():
        typer.echo(f"  left out, {reason}: {count:,} file{'' if count == 1 else 's'}")
    for note in summary.notes:
        typer.echo(f"  {note}")
