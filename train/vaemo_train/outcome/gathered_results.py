"""Gathers an outcome, and what is known about how it was reached, to the content of results.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vaemo_train.evaluate.scores import Estimate
from vaemo_train.outcome.outcome import ANY, Outcome
from vaemo_train.outcome.predictions_file import SHORT
from vaemo_train.outcome.results_file import CLASSIFICATION, FORMAT_VERSION, REGRESSION, Known, PastEntry, Results


def results_of(
    outcome: Outcome,
    *,
    folds: str,
    selection: str,
    recipe: Mapping[str, Any],
    data: Mapping[str, Any] | None = None,
    pretraining: Mapping[str, Known] | None = None,
    past: Mapping[str, PastEntry] | None = None,
    speaker_disjoint: bool | None = None,
    versions: Mapping[str, Any] | None = None,
    machine: Mapping[str, Any] | None = None,
    command: Sequence[str] = (),
    seconds: float | None = None,
) -> Results:
    """Gather what an outcome says and what is known about how it was reached.

    `folds` and `selection` are words for people; `pretraining` says of folds by name whether the weights that the
    training began with were trained on clips of speakers who are tested there ("unknown"), `past` what they were
    trained on; `speaker_disjoint` is what `speakers_disjoint` gives.
    """
    is_class = not outcome.is_regression
    modalities = outcome.modalities
    summaries = {name: outcome.summary(name) for name in modalities}
    chance = {name: outcome.chance(name) for name in modalities}
    content = {
        "format_version": FORMAT_VERSION,
        "task": CLASSIFICATION if is_class else REGRESSION,
        "classes": list(outcome.names) if is_class else None,
        "targets": None if is_class else list(outcome.names),
        "main": outcome.main,
        "protocol": {
            "folds": folds,
            "num_folds": len(outcome.fold_names),
            "seeds": list(outcome.seeds),
            "selection": selection,
            "num_windows": outcome.num_windows,
            "trained_on": ANY if outcome.trained_on == "any" else SHORT[outcome.trained_on],
            "speaker_disjoint": speaker_disjoint,
            "intervals": summaries[outcome.main].resampled,
        },
        "scores": {
            name: {"num_clips": int(outcome.has(name).sum()), **summary.as_dict()}
            for name, summary in summaries.items()
        },
        "chance": {name: {"named": one.named, "scores": one.scores} for name, one in chance.items()},
        "over_folds": {name: _over_folds(outcome, name) for name in modalities},
        "recalls": {name: _recalls(outcome, name) for name in modalities} if is_class else {},
        "confusion": {name: outcome.confusion(name).tolist() for name in modalities} if is_class else {},
        "folds": [
            _fold(outcome, name, (pretraining or {}).get(name, "unknown"), (past or {}).get(name))
            for name in outcome.fold_names
        ],
        "data": {**_counts(outcome), **(data or {})},
        "recipe": dict(recipe),
        "versions": dict(sorted((versions or {}).items())),
        "machine": dict(sorted((machine or {}).items())),
        "command": list(command),
        "seconds": seconds,
    }
    return Results.model_validate(_plain(content))


def _over_folds(outcome: Outcome, modality: str) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation over folds of the means over seeds."""
    by_fold = [_means(outcome, modality, fold) for fold in outcome.fold_names]
    kept = [scores for scores in by_fold if scores]
    return {name: Estimate.of([scores[name] for scores in kept]).as_dict() for name in kept[0]}


def _means(outcome: Outcome, modality: str, fold: str) -> dict[str, float]:
    runs = outcome.fold_scores(modality, fold)
    return {name: Estimate.of([run[name] for run in runs]).mean for name in runs[0]} if runs else {}


def _recalls(outcome: Outcome, modality: str) -> dict[str, dict[str, float | None]]:
    return {name: estimate.as_dict() for name, estimate in outcome.recalls(modality).items()}


def _fold(outcome: Outcome, name: str, pretraining: Known, past: PastEntry | None) -> dict[str, Any]:
    tested = outcome.folds == name
    speakers = None if outcome.known_speakers is None else sorted(set(outcome.speakers[tested].tolist()))
    absent = [] if outcome.is_regression else [one for one in outcome.names if one not in outcome.truth[tested]]
    return {
        "name": name,
        "num_clips": int(tested.sum()),
        "speakers": speakers,
        "absent": absent,
        "pretraining_saw_test_speakers": pretraining,
        "past": None if past is None else past.model_dump(),
        "scores": {one: means for one in outcome.modalities if (means := _means(outcome, one, name))},
    }


def _counts(outcome: Outcome) -> dict[str, Any]:
    known = outcome.known_speakers
    counts: dict[str, Any] = {
        "num_clips": len(outcome.clip_ids),
        "num_speakers": None if known is None else len(set(known.tolist())),
    }
    if not outcome.is_regression:
        return {**counts, "clips_by_class": {name: int((outcome.truth == name).sum()) for name in outcome.names}}
    spans = {
        name: {"mean": own.mean(), "deviation": own.std(), "least": own.min(), "most": own.max()}
        for name, own in zip(outcome.names, outcome.truth.T, strict=True)
    }
    return {**counts, "values_by_target": spans}


def _plain(value: Any) -> Any:
    """As JSON holds it: null for what is no number or infinite, lists for tuples, text for what JSON has no kind of."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [_plain(one) for one in (sorted(value) if isinstance(value, set) else value)]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
