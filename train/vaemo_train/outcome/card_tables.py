"""The tables and lists of numbers in a model card, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vaemo_train.outcome.outcome import CLASS_SCORES, REGRESSION_SCORES
from vaemo_train.outcome.past import began_with
from vaemo_train.outcome.report import given, shown_score
from vaemo_train.outcome.results_file import ClassScores, EstimateEntry, PastEntry, Results


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
    chance = results.chance[results.main]
    guessed = [_shown(name, value) for name, value in chance.scores.items()]
    if results.is_regression:
        return _table(["given", "clips", "target", "CCC", "PCC", "RMSE"], [*rows, [chance.words, "", "", *guessed]])
    return _table(["given", "clips", "WAR %", "UAR %", "WF1 %"], [*rows, [chance.words, "", *guessed]])


def recall_table(results: Results) -> str:
    """A row for each class, a column for each modality."""
    counts = results.data.get("clips_by_class", {})
    rows = [
        [name, f"{counts.get(name, 0):,}", *(shown_score("recall", own[name]) for own in results.recalls.values())]
        for name in results.names
    ]
    return _table(["class", "clips", *map(given, results.recalls)], rows)


def fold_table(results: Results) -> str:
    """A row for each fold: on what it was trained and tested, and the main modality's scores, means over seeds."""
    names = REGRESSION_SCORES if results.is_regression else CLASS_SCORES
    rows = []
    for fold in results.folds:
        scores = fold.scores.get(results.main, {})
        speakers = "unknown" if fold.speakers is None else str(len(fold.speakers))
        cells = [_shown(name, scores.get(name)) for name in names]
        trained = ["unknown", "unknown"] if fold.past is None else counted(fold.past)
        tested = [f"{fold.num_clips:,}", speakers, fold.pretraining_saw_test_speakers]
        rows.append([fold.name, *trained, *tested, *cells])
    heads = [f"{results.main} {name.upper()}" for name in names]
    parts = [f"{noun} {part}" for part in ("trained on", "tested") for noun in ("clips", "speakers")]
    return _table(["fold", *parts, "speakers seen in pre-training", *heads], rows)


def counted(past: PastEntry) -> list[str]:
    """How many clips and speakers a fold was trained on."""
    return [f"{past.num_clips:,}", "unknown" if past.num_speakers is None else f"{past.num_speakers:,}"]


def split_lines(results: Results) -> Iterator[str]:
    """What the protocol was, a line each."""
    protocol = results.protocol
    yield f"- Folds: {protocol.num_folds} ({protocol.folds}); seeds: {', '.join(map(str, protocol.seeds))}."
    if protocol.speaker_disjoint is None:
        yield "- Not every clip says who speaks: speakers may be in training and test of the same fold."
    elif protocol.speaker_disjoint:
        yield "- No speaker is in training and test of the same fold."
    else:
        yield "- **Speakers who are tested were trained on.**"
    yield f"- Weights that were tested: {protocol.selection}. No checkpoint was chosen on a test fold."
    windows = "one window" if protocol.num_windows == 1 else f"at most {protocol.num_windows} evenly spaced windows"
    yield f"- Each clip is judged by the mean of {windows} of every ten seconds."
    yield "- The rows V, A and VA are of the same models, given only that; clips that lack it are left out of a row."
    if not results.is_regression:
        yield "- WAR is accuracy, UAR the mean of the classes' recalls, WF1 the F1 weighted by support."
    for fold in results.folds:
        if fold.absent:
            yield f"- Fold {fold.name} has no clip of {', '.join(fold.absent)} in test."


def data_lines(results: Results, corpus: str | None) -> Iterator[str]:
    """What the data are that were tested and trained on, and what the training began with, a line each."""
    data = results.data
    yield f"- Corpus: {corpus or 'not named'}; {data['num_clips']:,} clips of {_people(data)} are tested."
    for name, count in data.get("clips_by_class", {}).items():
        yield f"- {name}: {count:,} clips"
    for name, span in data.get("values_by_target", {}).items():
        yield (
            f"- {name}: {span['least']:.3g} to {span['most']:.3g}, mean {span['mean']:.3g}, standard deviation "
            f"{span['deviation']:.3g}"
        )
    yield from _trained_lines(results)


def _people(data: Mapping[str, Any]) -> str:
    number = data.get("num_speakers")
    return "an unknown number of speakers" if number is None else f"{number:,} speakers"


def _trained_lines(results: Results) -> Iterator[str]:
    """How much each fold was trained on; what it began with, once where that is the same for all."""
    pasts = {fold.name: fold.past for fold in results.folds if fold.past is not None}
    if len(pasts) < len(results.folds):
        yield "- It is not recorded which clips were trained on."
    if pasts:
        clips = _span([past.num_clips for past in pasts.values()])
        speakers = [past.num_speakers for past in pasts.values() if past.num_speakers is not None]
        people = f"{_span(speakers)} speakers" if len(speakers) == len(pasts) else "an unknown number of speakers"
        yield f"- {clips} clips of {people} are trained on in each fold."
    beginnings: dict[str, list[str]] = {}
    for name, past in pasts.items():
        beginnings.setdefault(began_with(past), []).append(name)
    for told, names in beginnings.items():
        whose = "Every fold" if len(names) == len(results.folds) else f"Fold {', '.join(names)}"
        yield f"- {whose} began with {told}."


def _span(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _cells(scores: Any, names: Sequence[str]) -> list[str]:
    return [shown_score(name, getattr(scores, name)) for name in names]


def _shown(name: str, value: float | None) -> str:
    return shown_score(name, EstimateEntry(mean=value, deviation=None, low=None, high=None))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *(["---:"] * (len(heads) - 1))], *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """A name as it is, on one line: no bar of a table, no HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
