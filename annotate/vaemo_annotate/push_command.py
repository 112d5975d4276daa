"""`vaemo-annotate push` as a user sees it: the files, the card, and where it went."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from vaemo_annotate.hub import PushResult, push


def push_with_summary(
    out: Path,
    repo: str,
    *,
    private: bool,
    dry_run: bool,
    license_id: str | None = None,
    with_media: bool = False,
) -> None:
    """Push (or show all that would be pushed) and print a summary. Raises UserError."""
    result = push(out, repo, private=private, dry_run=dry_run, license_id=license_id, with_media=with_media)
    if dry_run:
        typer.echo(result.card)
        typer.echo("-" * 72)
    for line in summary_lines(result):
        typer.echo(line)
    if dry_run:
        options = "".join(
            [" --private" * private, f" --license {license_id}" if license_id else "", " --with-media" * with_media]
        )
        typer.echo(f"dry run: nothing was sent; next: vaemo-annotate push {out} --repo {repo}{options}")
    else:
        typer.echo(f"next: datasets.load_dataset({repo!r})")


def summary_lines(result: PushResult) -> Iterator[str]:
    """Every file, what stays here and why, what a user must know, and where it went."""
    tally = result.tally
    for file in result.files:
        yield f"  {file}"
    for left in result.left_out:
        yield f"  not uploaded: {left.path}: {left.reason}"
    for column, count in result.shortened.items():
        yield f"note: {count:,} texts of column {column} named folders or hosts and were cut"
    yield f"columns of the source manifest that are published: {', '.join(result.columns) or 'none'}"
    for note in result.notes:
        yield f"note: {note}"
    media = f", {len(result.left_out):,} media files stay here" if result.left_out else ""
    yield (
        f"{tally.published:,} captions ({tally.dropped:,} dropped, {tally.fixed:,} fixed), {tally.verdicts:,} "
        f"verdicts, {tally.rejected:,} rejects; {len(result.files):,} files, {result.size_bytes:,} bytes{media}"
    )
    if result.pushed is not None:
        for path in result.pushed.removed:
            yield f"  removed, of an earlier push: {path}"
        yield f"pushed to {result.url}" if result.pushed.is_new else f"{result.url} holds all of this already"
