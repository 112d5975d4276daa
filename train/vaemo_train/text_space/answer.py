"""What the commands leave behind: tables as people read them, numbers in a file, the likely next command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from vaemo_clips.errors import FigureError
from vaemo_clips.whole_file import write_text
from vaemo_train.text_space.find import Found


def console() -> Console:
    """Standard output; captions, labels and clip_ids are shown as they are, whatever brackets or colons they have."""
    return Console(markup=False, emoji=False, highlight=False)


def found_table(found: Sequence[Found], clip_column: str, words_column: str) -> Table:
    """A row for each, best first; without a column of words where there are none."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("", "cosine"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(clip_column, overflow="fold")
    with_words = any(one.words for one in found)
    if with_words:
        table.add_column(words_column, overflow="fold")
    for number, one in enumerate(found, 1):
        table.add_row(str(number), f"{one.score:.3f}", one.clip_id, *([one.words] if with_words else []))
    return table


def write_numbers(out: Path | None, values: Mapping[str, Any]) -> None:
    """Write JSON to the file of --out, if one is given. Raises FigureError where it cannot be written."""
    if out is None:
        return
    try:
        write_text(out, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise FigureError(f"--out {out} cannot be written ({error.strerror}); give another file") from error
    typer.echo(f"numbers: {out}")


def check_out(out: Path | None) -> None:
    """Raise FigureError for an --out that could not be written, before anything is computed for it."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        fault = "is a folder" if out.is_dir() else f"cannot be written (there is no folder {out.parent})"
        raise FigureError(f"--out {out} {fault}; give a file")
