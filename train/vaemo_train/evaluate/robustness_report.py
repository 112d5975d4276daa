"""What noise, blur and lost frames cost, as a table to read on a screen."""

from __future__ import annotations

from rich import box
from rich.table import Table

from vaemo_train.evaluate.outcome_report import GIVEN
from vaemo_train.evaluate.regression import shown_share
from vaemo_train.evaluate.robustness_scores import NoisyScores, RobustnessScores
from vaemo_train.evaluate.scores import Estimate


def robustness_report(found: RobustnessScores, title: str = "") -> Table:
    """Clips as they are in the first row, then a row for each corruption: by modality the score and what it lost.

    UAR in percent, or the mean CCC: mean over seeds ± their standard deviation, then the difference to the first row.
    """
    table = Table(title=title or None, box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("CCC" if found.is_regression else "UAR, %", no_wrap=True)
    for modality in found.modalities:
        table.add_column(f"{modality}\n{GIVEN[modality]}", justify="right", no_wrap=True)
    table.add_row(found.clean.told, *(_clean(found, modality) for modality in found.modalities))
    table.add_section()
    for row in found.noisy:
        table.add_row(row.told, *(_noisy(found, row, modality) for modality in found.modalities))
    table.caption, table.caption_justify = _caption(found), "left"
    return table


def _clean(found: RobustnessScores, modality: str) -> str:
    width = 6 + len(_signed(found, 0.0)) - len("+0.0")
    return f"{_shown(found, found.clean.score(modality))}{'':{width}}"


def _noisy(found: RobustnessScores, row: NoisyScores, modality: str) -> str:
    if not row.touches(modality):
        return "as clean"
    return f"{_shown(found, row.score(modality))} {_signed(found, found.difference(row, modality)):>5}"


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
