"""A linear probe of encoders that were not fine-tuned: how well do their frozen features tell the labels apart?

Shapes: n clips, D features, S seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import CheckpointError, SplitError
from vaemo_train.embed.opened import OpenedModel
from vaemo_train.evaluate.features import MODALITIES, Features, extract
from vaemo_train.evaluate.folds import Fold
from vaemo_train.evaluate.probe import ProbeResult, linear_probe
from vaemo_train.evaluate.scores import Scores, ScoreSummary
from vaemo_train.finetune.seen import Seen, saw_test_speakers
from vaemo_train.finetune.selection import modalities_of
from vaemo_train.models.token_pooling import Pooling
from vaemo_train.outcome.predictions_file import SHORT
from vaemo_train.protocol.splits import Split, make_splits
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2.beginning import find_init


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What is probed: the run or model `model`, in which {fold} stands for the fold, by clips of the shards `data`."""

    model: str
    data: Path
    label_column: str = "label"
    manifest: Path | None = None
    folds: str | None = None
    skip_unlabelled: bool = False
    windows: int = 2
    batch_size: int = 16
    pooling: Pooling = "statistics"


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """Results by V, A and VA; the encoders' folders and SHA-256 by fold; whether they saw the folds' test speakers."""

    results: Mapping[str, ProbeResult]
    encoders: Mapping[str, tuple[Path, str]]
    seen: Mapping[str, Seen]
    folder: ShardFolder
    reason: str
    notes: tuple[str, ...]


def probe(request: ProbeRequest, on_encoder: Callable[[str], None] | None = None) -> Probed:
    """Extract the features of every fold's encoder and probe them; the test part has no say in anything.

    Encoders of several folds (with {fold}) are probed fold by fold, and the predictions pooled. `on_encoder` is told of
    each before it is run. Raises CheckpointError for a model that is none of pre-training, SplitError for labels and
    folds that cannot be used, ShardError for shards of another size of faces.
    """
    folder = ShardFolder.open(request.data)
    targets = Targets.read(
        folder, label_column=request.label_column, manifest=request.manifest, skip_unlabelled=request.skip_unlabelled
    )
    splits = make_splits(targets.rows, targets, folds=request.folds, validation_share=0.0, seed=0)
    if not all(len(split.test) for split in splits):
        raise SplitError(f"--folds {request.folds}: nothing is tested; a probe needs a test part, as --folds speaker")
    encoders = {split.name: _encoder(request.model, split.name) for split in splits}
    parts: dict[str, list[_Part]] = {}
    digests: dict[str, tuple[Path, str]] = {}
    for group in _groups(splits, encoders):
        place = encoders[group[0].name]
        if on_encoder is not None:
            on_encoder(f"{place}: features for {_told(group)}")
        opened = OpenedModel.open(str(place))
        opened.check_faces(folder)
        rows = np.flatnonzero(targets.is_labelled)
        features = extract(
            opened.model, folder, rows, modalities=modalities_of(folder, rows), pooling=request.pooling,
            num_windows=request.windows, batch_size=request.batch_size,
        )  # fmt: skip
        for name, part in _parts(features, targets, group):
            parts.setdefault(name, []).append(part)
        digests |= {split.name: (place, opened.weights_sha256) for split in group}
    return Probed(
        results={name: _pooled(own) for name, own in parts.items()},
        encoders=digests,
        seen={split.name: saw_test_speakers(encoders[split.name], targets.rows, split.test) for split in splits},
        folder=folder,
        reason=splits[0].reason.partition(";")[0],
        notes=tuple(dict.fromkeys((*targets.notes, *(note for split in splits for note in split.notes)))),
    )


def _groups(splits: Sequence[Split], encoders: Mapping[str, Path]) -> list[list[Split]]:
    """Splits that are probed together: all with one encoder, else each alone."""
    return [[split] for split in splits] if len(set(encoders.values())) > 1 else [list(splits)]


def _told(group: Sequence[Split]) -> str:
    return f"fold {group[0].name}" if len(group) == 1 else f"{len(group)} folds"


def _encoder(given: str, fold: str) -> Path:
    """The model's folder of a fold. Raises CheckpointError for a size, or for a model that has seen labels."""
    place = find_init(given.replace("{fold}", fold))
    if isinstance(place, str):
        raise CheckpointError(f"--model {place}: a probe needs trained weights; give a run of stage1 or stage2")
    kinds = json.loads((place / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    if "VAEmoForClassification" in kinds:
        raise CheckpointError(
            f"{place}: it was fine-tuned with labels, so a probe of it says little; leave --probe out, or give a run "
            f"of stage1 or stage2"
        )
    return place


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What a probe of some folds came to, with the labels and speakers of the clips (n,) that have the modality."""

    result: ProbeResult
    labels: NDArray[np.object_]
    speakers: NDArray[np.object_] | None


def _parts(features: Features, targets: Targets, splits: Sequence[Split]) -> Iterator[tuple[str, _Part]]:
    """By modality the result of the clips that have it."""
    first = {clip_id: row for row, clip_id in reversed(list(enumerate(targets.clip_ids.tolist())))}
    rows = np.array([first[clip_id] for clip_id in features.clip_ids.tolist()], np.int64)
    names = np.array(targets.names, object)[targets.values[rows]]
    for modality in (one for one in MODALITIES if one in features.vectors):
        has = features.has(modality)
        if not has.any():
            continue
        speakers = None if targets.speakers is None else targets.speakers[rows[has]]
        folds = [_fold(split, targets, features.clip_ids[has]) for split in splits]
        result = linear_probe(features.vectors[modality][has], names[has], speakers, folds)
        yield SHORT[modality], _Part(result, names[has], speakers)


def _fold(split: Split, targets: Targets, clip_ids: NDArray[np.object_]) -> Fold:
    """A split as places among some of the clips."""
    train, test = (set(targets.clip_ids[rows].tolist()) for rows in (split.train, split.test))
    places = [np.flatnonzero([clip_id in part for clip_id in clip_ids.tolist()]) for part in (train, test)]
    return Fold(split.name, *places)


def _pooled(parts: Sequence[_Part]) -> ProbeResult:
    """Results of folds that were probed apart, of the same clips, as one: as if one encoder had been for all."""
    first, results = parts[0], [part.result for part in parts]
    if len(parts) == 1:
        return first.result
    predictions = results[0].predictions
    for result in results[1:]:
        predictions = np.where(result.predictions == "", predictions, result.predictions)
    folds = tuple(fold for result in results for fold in result.folds)
    tested = (predictions != "").all(axis=0)
    truth, runs = first.labels[tested], predictions[:, tested]
    return ProbeResult(
        summary=ScoreSummary.of_predictions(
            truth, list(runs), None if first.speakers is None else first.speakers[tested]
        ),
        by_fold=ScoreSummary.of_means([fold.scores for fold in folds]),
        folds=folds,
        scores=tuple(Scores.of(truth, run, results[0].scores[0].names) for run in runs),
        predictions=predictions,
        num_features=results[0].num_features,
    )
