"""What noise, blur and lost frames cost, as a table to read on a screen."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.table import Table

from vaemo_train.evaluate.regression import shown_share
from vaemo_train.evaluate.scores import Estimate
from vaemo_train.outcome.report import GIVEN
from vaemo_train.outcome.robustness_scores import NoisyScores, RobustnessScores

_MOST_BESIDE: Final = 3
"""Modalities whose differences fit beside their scores in 80 columns; of more, they stand below."""


def robustness_report(found: RobustnessScores, title: str = "") -> Table:
    """Clips as they are in the first row, then a row for each corruption: by modality the score and what it lost.

    UAR in percent, or the mean CCC: mean over seeds ± their standard deviation, then the difference to the first row.
    """
    table = Table(title=title or None, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("CCC" if found.is_regression else "UAR, %", no_wrap=True)
    beside = len(found.modalities) <= _MOST_BESIDE
    for modality in found.modalities:
        table.add_column(f"{modality}\n{GIVEN[modality]}", justify="right", no_wrap=True)
        if beside:
            table.add_column("minus\nclean", justify="right", no_wrap=True)
    for row in (found.clean, *found.noisy):
        cells = [_cells(found, row, name) for name in found.modalities]
        shown = [one for pair in cells for one in pair] if beside else ["\n".join(filter(None, pair)) for pair in cells]
        table.add_row(row.told, *shown, end_section=row is found.clean)
    table.caption, table.caption_justify = _caption(found), "left"
    return table


def _cells(found: RobustnessScores, row: NoisyScores, modality: str) -> tuple[str, str]:
    """The score, and the difference to clean where there is one."""
    if row is found.clean:
        return _of(found, row, modality), ""
    if not row.touches(modality):
        return "as clean", ""
    return _of(found, row, modality), _signed(found, found.difference(row, modality))


def _of(found: RobustnessScores, row: NoisyScores, modality: str) -> str:
    return _shown(found, row.score(modality))


def _shown(found: RobustnessScores, score: Estimate) -> str:
    if score.mean != score.mean:
        return "-"
    bare = Estimate(score.mean, score.deviation)
    return shown_share(bare) if found.is_regression else str(bare)


def _signed(found: RobustnessScores, difference: float) -> str:
    if difference != difference:
        return "-"
    return f"{difference:+.3f}".replace("0.", ".") if found.is_regression else f"{100 * difference:+.1f}"


def _caption(found: RobustnessScores) -> str:
    chance = "always the mean: 0" if found.is_regression else f"always the commonest class: {100 * found.chance:.1f}"
    seeds = next(iter(found.clean.summaries.values())).num_runs
    of_seeds = "one seed" if seeds == 1 else f"mean ± standard deviation over {seeds} seeds"
    return (
        f"{found.num_clips:,} clips; {of_seeds}, then the difference to clean; {chance}\n"
        "the same models on the same windows; noise is white, blur a Gaussian, for a lost frame the last one stays"
    )
