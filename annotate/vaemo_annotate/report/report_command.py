"""`vaemo-annotate report`: read a run once, write its page, say what is in it."""

from __future__ import annotations

from pathlib import Path

import typer

from vaemo_annotate.quality.checked import Checked
from vaemo_annotate.report.collection import Collection, collect
from vaemo_annotate.report.page import render_page
from vaemo_annotate.report.step_tally import Prices
from vaemo_clips.errors import RunFolderError
from vaemo_clips.whole_file import write_text

REPORT_FILE = "report.html"


def report_with_summary(
    out: Path, file: Path | None, price_in: float | None, price_out: float | None, examples: int, seed: int
) -> None:
    """Write the report of a run and print a summary. Raises UserError."""
    target = file or out / REPORT_FILE
    checked, gathered = write_report(out, target, price_in=price_in, price_out=price_out, examples=examples, seed=seed)
    judged = gathered.judged.words
    kept = f" ({gathered.captions - judged['drop']:,} kept)" if judged else ""
    typer.echo(f"{gathered.captions:,} captions{kept} + {gathered.rejects.total():,} rejects = {gathered.outcomes:,}")
    typer.echo(f"report: {target} ({target.stat().st_size / 1e6:.1f} MB)")
    if checked.record is None:
        typer.echo(f"next: vaemo-annotate check {out}, then the report again: captions were not checked yet")
    else:
        typer.echo(f"next: vaemo-annotate review {out}")


def write_report(
    out: Path,
    target: Path,
    *,
    price_in: float | None = None,
    price_out: float | None = None,
    examples: int = 8,
    seed: int = 0,
) -> tuple[Checked, Collection]:
    """Write the report of the run in `out` to `target`, whole or not at all; return what it was made of.

    Prices are of a million tokens; `examples` are drawn by `seed`, and as many are shown that are at risk.
    Raises RunFolderError where there is no finished run or `target` cannot be written, CaptionError for verdicts that
    cannot be read.
    """
    checked = Checked.open(out)
    gathered = collect(checked, examples, seed)
    page = render_page(checked, gathered, Prices(price_in, price_out), examples)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, page)
    except OSError as error:
        raise RunFolderError(
            f"the report {target} cannot be written ({error.strerror}); give another place with --out FILE.html"
        ) from error
    return checked, gathered
