"""`vaemo-annotate push` as a user sees it: the files, the card, and where it went."""

from __future__ import annotations

from pathlib import Path

import typer

from vaemo_annotate.hub import push


def push_with_summary(out: Path, repo: str, *, private: bool, dry_run: bool, license_id: str | None = None) -> None:
    """Push (or show what would be pushed) and print a summary. Raises UserError."""
    result = push(out, repo, private=private, dry_run=dry_run, license_id=license_id)
    if dry_run:
        typer.echo(result.card)
        typer.echo("-" * 72)
    for file in result.files:
        typer.echo(f"  {file.path}  {file.size_bytes:,} bytes")
    if dry_run:
        typer.echo(f"dry run: nothing was sent; next: vaemo-annotate push {out} --repo {repo}")
    else:
        typer.echo(f"pushed to {result.url}\nnext: datasets.load_dataset({repo!r})")
