"""Tables of scores to read on a screen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rich import box
from rich.table import Table

from vaemo_train.evaluate.probe import ProbeResult
from vaemo_train.evaluate.scores import Scores

_LEAST_WIDTH = 10


def probe_report(results: Mapping[str, ProbeResult], title: str = "") -> Table:
    """One row for each probe by its name, then what it scores to name always the commonest class.

    Scores in percent: mean over seeds ± their standard deviation, below it the 95 % interval over speakers; then the
    standard deviation of UAR between folds, and the C chosen. Classes that a fold's test part lacks are told below.
    """
    table = Table(title=title or None, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.caption, table.caption_justify = _caption(results) or None, "left"
    table.add_column("features", min_width=_LEAST_WIDTH)
    for name in ("D", "WAR", "UAR", "WF1", "sd of\nfolds", "C"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, result in results.items():
        summary = result.summary
        scores = [str(score).replace(" [", "\n[") for score in (summary.war, summary.uar, summary.wf1)]
        spread = _percent(result.by_fold.uar.deviation) if len(result.folds) > 1 else "-"
        table.add_row(name, str(result.num_features), *scores, spread, _penalties(result))
    table.add_section()
    guesses = {
        (f"always {_commonest(result)}", "", *map(_percent, _of_commonest(result))) for result in results.values()
    }
    for guess in sorted(guesses):
        table.add_row(*guess)
    return table


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _penalties(result: ProbeResult) -> str:
    chosen = sorted({penalty for fold in result.folds for penalty in fold.penalties})
    return f"{chosen[0]:.2g}" + (f"\nto {chosen[-1]:.2g}" if len(chosen) > 1 else "")


def _commonest(result: ProbeResult) -> str:
    return result.scores[0].names[int(result.scores[0].confusion.sum(1).argmax())]


def _of_commonest(result: ProbeResult) -> tuple[float, float, float]:
    truth = result.scores[0].confusion.sum(1)
    guessed = np.zeros_like(result.scores[0].confusion)
    guessed[:, truth.argmax()] = truth
    scores = Scores(result.scores[0].names, guessed)
    return scores.war, scores.uar, scores.wf1


def _caption(results: Mapping[str, ProbeResult]) -> str:
    lines: dict[str, None] = {}
    for result in results.values():
        over = f", intervals over {result.summary.resampled}" if result.summary.resampled else ""
        num_clips, num_folds = result.scores[0].num_clips, len(result.folds)
        folds = f"{num_folds} fold{'s' if num_folds > 1 else ''}"
        lines[f"{num_clips:,} clips, {folds}, {result.summary.num_runs} seeds{over}"] = None
        for fold in result.folds:
            if fold.absent:
                lines[f"fold {fold.name}: no clip of {', '.join(fold.absent)} in test, so no recall of it"] = None
    return "\n".join(lines)


def confusion_report(scores: Scores, title: str = "") -> Table:
    """Percent of the clips of each class (rows) that were called each class, and how many clips there are."""
    table = Table(title=title or None, box=box.SIMPLE_HEAD, padding=0)
    table.add_column("true \\\ncalled", no_wrap=True)
    for name in (*scores.names, "clips"):
        table.add_column(name, justify="right", overflow="fold")
    for name, row in zip(scores.names, scores.confusion, strict=True):
        shares = [f"{100 * cell / row.sum():.0f}" if row.sum() else "" for cell in row]
        table.add_row(name, *shares, f"{row.sum():,}")
    return table
