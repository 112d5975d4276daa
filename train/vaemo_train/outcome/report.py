"""What a cross-validation came to, as tables to read on a screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich import box
from rich.table import Table

from vaemo_train.evaluate.regression import shown_error, shown_share
from vaemo_train.outcome.outcome import ANY, CLASS_SCORES, REGRESSION_SCORES
from vaemo_train.outcome.results_file import EstimateEntry, RegressionScoresEntry, Results

GIVEN = {"V": "video alone", "A": "sound alone", "VA": "both", ANY: "what there is"}


def outcome_report(results: Results, title: str = "") -> Table:
    """One row for each modality, what always the commonest class (or the mean) scores last.

    In percent, or correlations and errors: mean over seeds ± their standard deviation, the 95 % interval below; then
    the standard deviation between folds of the first two scores.
    """
    table = _table(title)
    table.add_column("given", no_wrap=True)
    table.add_column("clips", justify="right", no_wrap=True)
    if results.is_regression:
        _fill_regression(table, results)
    else:
        _fill_classification(table, results)
    table.caption, table.caption_justify = caption(results), "left"
    return table


def _table(title: str) -> Table:
    return Table(title=title or None, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def _fill_classification(table: Table, results: Results) -> None:
    for name in ("WAR", "UAR", "WF1"):
        table.add_column(name, justify="right", no_wrap=True)
    has_folds = results.protocol.num_folds > 1
    if has_folds:
        table.add_column("sd of folds\nWAR   UAR", justify="right", no_wrap=True)
    for modality, scores in results.scores.items():
        cells = [shown_score(name, getattr(scores, name)).replace(" [", "\n[") for name in CLASS_SCORES]
        spread = [_percent(results.over_folds[modality][name].deviation) for name in ("war", "uar")]
        folds = [f"{spread[0]:>4}  {spread[1]:>4}"] if has_folds else []
        table.add_row(given(modality), f"{scores.num_clips:,}", *cells, *folds)
    table.add_section()
    chance = results.chance[results.main]
    table.add_row(chance.words, "", *(_percent(chance.scores[name]) for name in CLASS_SCORES))


def _fill_regression(table: Table, results: Results) -> None:
    table.add_column("target", no_wrap=True)
    for name in ("CCC", "PCC", "RMSE"):
        table.add_column(name, justify="right", no_wrap=True)
    for modality, scores in results.scores.items():
        assert isinstance(scores, RegressionScoresEntry)
        first = (given(modality), f"{scores.num_clips:,}")
        for target, own in scores.targets.items():
            cells = [shown_score(name, getattr(own, name)).replace(" [", "\n[") for name in REGRESSION_SCORES]
            table.add_row(*first, target, *cells)
            first = ("", "")
        if len(scores.targets) > 1:
            cells = [shown_score(name, getattr(scores, name)).replace(" [", "\n[") for name in REGRESSION_SCORES]
            table.add_row("", "", "mean", *cells)
        table.add_section()
    chance = results.chance[results.main]
    table.add_row(chance.words, "", "", *(_plain_score(name, chance.scores[name]) for name in REGRESSION_SCORES))


def recall_report(results: Results, title: str = "") -> Table:
    """Each class's recall in percent, by modality: mean over seeds ± their standard deviation, its interval below."""
    table = _table(title)
    table.add_column("class", no_wrap=True)
    table.add_column("clips", justify="right", no_wrap=True)
    for modality in results.recalls:
        table.add_column(f"{modality}\n{GIVEN[modality]}", justify="right", no_wrap=True)
    counts: Mapping[str, int] = results.data.get("clips_by_class", {})
    for name in results.names:
        cells = [shown_score("recall", own[name]).replace(" [", "\n[") for own in results.recalls.values()]
        table.add_row(name, f"{counts.get(name, 0):,}", *cells)
    table.add_section()
    table.add_row("chance", "", *(_percent(1 / max(len(results.names), 1)) for _ in results.recalls))
    table.caption, table.caption_justify = caption(results), "left"
    return table


def given(modality: str) -> str:
    """A modality with what it means: VA (both)."""
    return f"{modality} ({GIVEN[modality]})"


def shown_score(name: str, entry: EstimateEntry) -> str:
    """An estimate as its score is written: a share in percent, ccc and pcc as .512, an error in the target's unit."""
    if entry.mean is None:
        return "-"
    estimate = entry.estimate
    if name in ("ccc", "pcc"):
        return shown_share(estimate)
    return shown_error(estimate) if name == "rmse" else str(estimate)


def _plain_score(name: str, value: float | None) -> str:
    return shown_score(name, EstimateEntry(mean=value, deviation=None, low=None, high=None))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def caption(results: Results) -> str:
    """What the numbers are over, and what they do not hold."""
    protocol = results.protocol
    seeds, folds = _times(len(protocol.seeds), "seed"), _times(protocol.num_folds, "fold")
    intervals = f"; 95 % intervals over {protocol.intervals}" if protocol.intervals else ""
    lines = [f"over {seeds}{intervals}; {folds} ({protocol.folds})"]
    lines.append(f"{protocol.selection}; {_times(protocol.num_windows, 'window')} of every ten seconds, at most")
    if protocol.speaker_disjoint is None:
        lines.append("nobody knows whether speakers are in training and test: not every clip's is known")
    elif not protocol.speaker_disjoint:
        lines.append("speakers who are tested were trained on")
    lines += _pretraining(results)
    for fold in results.folds:
        if fold.absent:
            lines.append(f"fold {fold.name}: no clip of {', '.join(fold.absent)} in test, so no recall of it there")
    return "\n".join(lines)


def _pretraining(results: Results) -> Iterator[str]:
    """Folds whose test speakers the encoder saw, without labels, or may have seen."""
    told = {"yes": "pre-training saw speakers", "unknown": "nobody knows whether pre-training saw the speakers"}
    for known, words in told.items():
        names = [fold.name for fold in results.folds if fold.pretraining_saw_test_speakers == known]
        if names:
            yield f"{words} who are tested in {_times(len(names), 'fold')} ({', '.join(names)})"


def _times(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
