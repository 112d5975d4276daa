"""How our programs end: a user's mistake is one line on stderr and exit code 2, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Collection

import typer

from vaemo_clips.errors import MissingExtraError, UserError


def run_program(app: typer.Typer, extra: str, modules: Collection[str]) -> None:
    """Run a command line; a module of `modules` that is not installed is told with the `extra` that brings it."""
    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in modules:
            raise
        typer.echo(f"error: {MissingExtraError(module, extra)}", err=True)
        sys.exit(2)
