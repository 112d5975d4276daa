"""The tables and lists of numbers in a model card, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vaemo_train.outcome.outcome import CLASS_SCORES, REGRESSION_SCORES
from vaemo_train.outcome.report import commonest, given, shown_score
from vaemo_train.outcome.results_file import ClassScores, EstimateEntry, Results


def score_table(results: Results) -> str:
    """A row for each modality (of a regression, and target), and what a guess scores last."""
    rows: list[list[str]] = []
    for modality, scores in results.scores.items():
        first = [given(modality), f"{scores.num_clips:,}"]
        if isinstance(scores, ClassScores):
            rows.append([*first, *_cells(scores, CLASS_SCORES)])
        else:
            targets = {**scores.targets, **({"mean": scores} if len(scores.targets) > 1 else {})}
            rows += [[*first, target, *_cells(own, REGRESSION_SCORES)] for target, own in targets.items()]
    chance = [_shown(name, value) for name, value in results.chance[results.main].items()]
    if results.is_regression:
        return _table(["given", "clips", "target", "CCC", "PCC", "RMSE"], [*rows, ["always the mean", "", "", *chance]])
    return _table(["given", "clips", "WAR %", "UAR %", "WF1 %"], [*rows, [f"always {commonest(results)}", "", *chance]])


def recall_table(results: Results) -> str:
    """A row for each class, a column for each modality."""
    counts = results.data.get("clips_by_class", {})
    rows = [
        [name, f"{counts.get(name, 0):,}", *(shown_score("recall", own[name]) for own in results.recalls.values())]
        for name in results.names
    ]
    return _table(["class", "clips", *map(given, results.recalls)], rows)


def noise_table(results: Results) -> str:
    """A row for each way in which clips were made worse, a column for each modality; UAR, or the mean CCC."""
    name = "ccc" if results.is_regression else "uar"
    rows = []
    for row in results.noise:
        entries = [row.entry(modality, name) for modality in results.scores]
        rows.append([row.noise, *("-" if entry is None else shown_score(name, entry) for entry in entries)])
    return _table(["noise", *(f"{name.upper()} {modality}" for modality in results.scores)], rows)


def fold_table(results: Results) -> str:
    """A row for each fold: who is tested, and the main modality's scores, means over seeds."""
    names = REGRESSION_SCORES if results.is_regression else CLASS_SCORES
    rows = []
    for fold in results.folds:
        scores = fold.scores.get(results.main, {})
        speakers = "unknown" if fold.speakers is None else str(len(fold.speakers))
        cells = [_shown(name, scores.get(name)) for name in names]
        rows.append([fold.name, f"{fold.num_clips:,}", speakers, fold.pretraining_saw_test_speakers, *cells])
    heads = [f"{results.main} {name.upper()}" for name in names]
    return _table(["fold", "clips", "speakers", "speakers seen in pre-training", *heads], rows)


def split_lines(results: Results) -> Iterator[str]:
    """What the protocol was, a line each."""
    protocol = results.protocol
    yield f"- Folds: {protocol.num_folds} ({protocol.folds}); seeds: {', '.join(map(str, protocol.seeds))}."
    if protocol.speaker_disjoint:
        yield "- No speaker is in training and test of the same fold."
    else:
        yield "- Not every clip says who speaks: speakers may be in training and test of the same fold."
    yield f"- Whose weights were tested: {protocol.selection}. No checkpoint was chosen on a test fold."
    yield (
        f"- A clip is judged by the mean over {protocol.num_windows} evenly spaced windows of each ten seconds at most."
    )
    yield "- V, A and VA are the same model, given only that; clips that lack it are left out of the row."
    if not results.is_regression:
        yield "- WAR is accuracy, UAR the mean of the classes' recalls, WF1 the F1 weighted by support."
    for fold in results.folds:
        if fold.absent:
            yield f"- Fold {fold.name} has no clip of {', '.join(fold.absent)} in test."


def data_lines(results: Results, corpus: str | None) -> Iterator[str]:
    """What the data are, a line each."""
    data = results.data
    speakers = "an unknown number of" if data.get("num_speakers") is None else f"{data['num_speakers']:,}"
    yield f"- Corpus: {corpus or 'not named'}; {data['num_clips']:,} tested clips of {speakers} speakers."
    for name, count in data.get("clips_by_class", {}).items():
        yield f"- {name}: {count:,} clips"
    for name, span in data.get("values_by_target", {}).items():
        yield (
            f"- {name}: {span['least']:.3g} to {span['most']:.3g}, mean {span['mean']:.3g}, standard deviation "
            f"{span['deviation']:.3g}"
        )
    yield (
        "- In each fold the clips of the others were trained on, less those kept for validation."
        if results.protocol.num_folds > 1
        else ("- The clips that were trained on are not counted here.")
    )


def _cells(scores: Any, names: Sequence[str]) -> list[str]:
    return [shown_score(name, getattr(scores, name)) for name in names]


def _shown(name: str, value: float | None) -> str:
    return shown_score(name, EstimateEntry(mean=value, deviation=None, low=None, high=None))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * 1 + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """A name as it is, on one line: no bar of a table, no HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
