"""`vaemo-annotate check` as a user sees it: a progress bar, then what was found, how often, and what follows."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from vaemo_annotate.quality.check import check
from vaemo_annotate.quality.check_record import CheckSummary
from vaemo_annotate.show import printable
from vaemo_clips.verdict import VERDICTS_FILE


def check_with_summary(out: Path, rules: Path | None, workers: int | None, measure: bool) -> None:
    """Check a run and print the summary. Raises UserError."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("checking", total=None)
        summary = check(
            out,
            rules,
            workers,
            measure,
            on_progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    console = Console(soft_wrap=True)
    if any(reason["captions"] for reason in summary.record["reasons"].values()):
        console.print(_table(summary.record))
    for line in _lines(summary, measure):
        console.print(Text(line))


def _table(record: Mapping[str, Any]) -> Table:
    """One row a reason that was found, in the order of the rules."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for name, justify in (("reason", "left"), ("action", "left"), ("captions", "right"), ("share", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    table.add_column("for example", overflow="ellipsis", no_wrap=True)
    for reason, found in record["reasons"].items():
        if found["captions"]:
            style = "red" if found["action"] == "drop" else "yellow"
            share = f"{found['captions'] / record['captions']:.1%}"
            example = Text(printable(found["example"]["clip_id"]))
            table.add_row(reason, Text(found["action"], style), f"{found['captions']:,}", share, example)
    return table


def _lines(summary: CheckSummary, measure: bool) -> Iterator[str]:
    record, out = summary.record, summary.folder
    captions = record["captions"]
    share = f" ({record['kept'] / captions:.0%})" if captions else ""
    yield (
        f"kept {record['kept']:,} of {captions:,} captions{share}, dropped {record['dropped']:,}; "
        f"{record['flagged']:,} of the kept are flagged"
    )
    if record["judged_by_people"]:
        yield f"{record['judged_by_people']:,} captions were judged by people, whose word outranks this"
    if record["judged_in_other_words"]:
        yield (
            f"{record['judged_in_other_words']:,} captions were judged by people in other words than they have now, "
            f"which does not count; judge them again: vaemo-annotate review {shlex.quote(str(out))}"
        )
    yield f"verdicts: {out / VERDICTS_FILE} ({record['seconds']:.1f} s)"
    yield from _cue_lines(record, measure)
    yield f"next: vaemo-annotate report {shlex.quote(str(out))}"


def _cue_lines(record: Mapping[str, Any], measure: bool) -> Iterator[str]:
    """Yield what keeps captions from being held against measured cues."""
    cues = record["cues"]
    if failed := sum(cues["failed"].values()):
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in cues["failed"].items())
        note = f"; {cues['note']}" if cues["note"] else ""
        yield f"{failed:,} clips could not be measured ({reasons}){printable(note)}"
    if cues["without"] and not measure:
        yield (
            f"grounding not judged for {cues['without']:,} captions: they carry no measured cues; "
            "--measure measures their clips"
        )
