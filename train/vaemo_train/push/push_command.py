"""`vaemo-train push` as a user sees it: the files, the card, and where it went."""

from __future__ import annotations

from pathlib import Path

import typer


def push_with_summary(run: Path, repo: str, *, private: bool, dry_run: bool, license_id: str | None = None) -> None:
    """Push (or show all that would be pushed) and print a summary. Raises UserError."""
    from vaemo_train.push.push import push

    result = push(run, repo, private=private, dry_run=dry_run, license_id=license_id)
    if dry_run:
        typer.echo(result.card)
        typer.echo("-" * 72)
    for file in result.files:
        typer.echo(f"  {file}")
    for note in result.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"a model of {result.stage}: {len(result.files):,} files, {result.size_bytes:,} bytes")
    if result.pushed is None:
        options = " --private" * private + (f" --license {license_id}" if license_id else "")
        typer.echo(f"dry run: nothing was sent; next: vaemo-train push {run} --repo {repo}{options}")
        return
    for path in result.pushed.removed:
        typer.echo(f"  removed, of an earlier push: {path}")
    typer.echo(f"pushed to {result.url}" if result.pushed.is_new else f"{result.url} holds all of this already")
    typer.echo(f'next: VAEmoModel.from_pretrained("{repo}"), as its card says')
