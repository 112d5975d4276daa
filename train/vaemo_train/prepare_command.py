"""`vaemo-train prepare` as a user sees it: a progress bar, then what there is to train on and what was rejected."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vaemo_clips.errors import UserError
from vaemo_train.shards.layout import REJECTS
from vaemo_train.shards.prepare import PrepareOptions, PrepareSummary, prepare
from vaemo_train.shards.row import ShardSettings


def read_options(modality: str, fps: float, jpeg_quality: int, **options: Any) -> PrepareOptions:
    """What to prepare. Raises UserError that names the option."""
    try:
        settings = ShardSettings(modality=modality, fps=fps, jpeg_quality=jpeg_quality)
    except ValidationError as error:
        fault = error.errors()[0]
        option = str(fault["loc"][0]).replace("_", "-")
        raise UserError(f"--{option} {fault['input']}: {_rule(fault)}") from error
    return PrepareOptions(settings=settings, **options)


def prepare_with_progress(options: PrepareOptions) -> float:
    """Prepare, print a summary, and return the share of rejects. Exits with 130 when interrupted."""
    columns = (
        TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rejected]} rejected"),
        TimeRemainingColumn(),
    )  # fmt: skip
    try:
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            task = bar.add_task("preparing", total=None, rejected=0)
            summary = prepare(
                options,
                lambda done, total, rejected: bar.update(task, completed=done, total=total, rejected=rejected),
            )
    except KeyboardInterrupt:
        typer.echo("interrupted; every finished shard is kept, the same command goes on", err=True)
        raise typer.Exit(130) from None
    for line in summary_lines(summary):
        typer.echo(line)
    return summary.marker.rejected / max(summary.marker.clips, 1)


def summary_lines(summary: PrepareSummary) -> Iterator[str]:
    """Yield what a user wants to know at the end, and the likely next command."""
    marker, counts = summary.marker, summary.marker.counts
    yield (
        f"{marker.accepted:,} clips accepted + {marker.rejected:,} rejected = {marker.clips:,}; "
        f"{len(marker.shards):,} shards in {summary.folder}"
    )
    for reason, count in marker.rejects.items():
        yield f"  rejected, {reason}: {count:,} (see {summary.folder / REJECTS})"
    if marker.passing_rejects:
        yield f"  {marker.passing_rejects:,} of these may end otherwise; --retry-rejects tries them again"
    yield (
        f"{counts.rows:,} rows: {counts.both:,} with picture and sound, {counts.picture_only:,} picture only, "
        f"{counts.sound_only:,} sound only; {counts.seconds / 3600:.2f} h, of which {counts.sound_s / 3600:.2f} h "
        f"with sound; {_size(counts.num_bytes)}"
    )
    if marker.without_picture:
        yield f"  clips without picture: {_reasons(marker.without_picture)}"
    if marker.without_sound:
        yield f"  clips without sound: {_reasons(marker.without_sound)}"
    if counts.left_out:
        yield f"  parts of clips left out, with neither or not both of what was asked for: {counts.left_out:,}"
    rate = f", {summary.new_clips / summary.seconds:.1f} clips/s" if summary.new_clips else ""
    yield f"{summary.new_clips:,} clips prepared now in {summary.seconds:.1f} s{rate}"
    if counts.rows:
        yield f"next: vaemo-train stage1 --data {summary.folder}"


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items())


def _size(num_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes / 1e3:.1f} kB"


def _rule(fault: Any) -> str:
    """Pydantic's message, or the choices where it shows a pattern."""
    pattern = fault.get("ctx", {}).get("pattern")
    choices = str(pattern).strip("^$()").replace("|", ", ")
    return f"it must be one of {choices}" if pattern else str(fault["msg"]).removeprefix("Value error, ")
