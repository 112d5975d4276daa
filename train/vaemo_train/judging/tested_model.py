"""One fine-tuned model to be judged by any labelled clips, and what it may have seen of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import RecipeError, RunFolderError, SplitError, UserError
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.finetune.recipe import FinetuneRecipe
from vaemo_train.finetune.reported import SELECTION
from vaemo_train.finetune.seen import Seen, saw_test_speakers
from vaemo_train.judging.past import Past
from vaemo_train.judging.tested import FOLD, Tested, TestedModel
from vaemo_train.models.classification import VAEmoForClassification, load_classifier
from vaemo_train.models.config import SIZES
from vaemo_train.protocol.labels_manifest import relabelled
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training import environment
from vaemo_train.training.record import RunFolder


@dataclass(frozen=True, slots=True)
class Labelled:
    """Which clips of the shards `data` are judged, and where their labels are; None is as the model has it."""

    data: Path
    label_column: str = "label"
    target_columns: tuple[str, ...] = ()
    manifest: Path | None = None
    holdout: str | None = None
    skip_unlabelled: bool = False


def open_model(place: Path, given: Labelled) -> Tested:
    """A model, by its run or its own folder, and all labelled clips that are `given`.

    Raises CheckpointError for anything but a fine-tuned model, SplitError for labels that are unknown to it, and the
    UserErrors of shards, manifests and labels.
    """
    model = load_classifier(place)
    folder = ShardFolder.open(given.data)
    every, numbers, targets = _labelled(model, folder, given)
    rows = numbers[targets.is_labelled]
    run, record = _record(place)
    recipe = _recipe(run)
    past = Past.of(run, record, folder)
    seen, init = past.seen(rows), _init(record)
    pretraining, saw_labels = _pretraining(init, every, rows)
    seed = record.get("seeds", {}).get("training")
    return Tested(
        folder=folder,
        targets=targets,
        models=(TestedModel(place, FOLD, seed if isinstance(seed, int) else 0, rows),),
        modality="any" if recipe is None else recipe.modality,
        trained_on=past.trained_on("any" if recipe is None else recipe.modality),
        windows=FinetuneRecipe().evaluation.windows if recipe is None else recipe.evaluation.windows,
        batch_size=FinetuneRecipe().evaluation.batch_size if recipe is None else recipe.evaluation.batch_size,
        bf16=environment.has_bf16()[0] if recipe is None else environment.resolve_bf16(recipe),
        folds="one model, " + (f"clips with {given.holdout}" if given.holdout else "all labelled clips"),
        selection="nobody knows how its step was chosen" if recipe is None else SELECTION[recipe.select.checkpoint],
        recipe={} if recipe is None else recipe.model_dump(mode="json") | {"init": None if init is None else str(init)},
        pretraining={FOLD: pretraining},
        past=past.entries(init),
        is_disjoint=seen.is_disjoint,
        num_trained=seen.num_trained,
        is_one_model=True,
        notes=(*targets.notes, *seen.notes, *saw_labels),
    )


def _labelled(
    model: VAEmoForClassification, folder: ShardFolder, given: Labelled
) -> tuple[pa.Table, NDArray[np.int64], Targets]:
    """All rows with the columns that count, the numbers of those that are asked for, and the targets of these."""
    columns = given.target_columns
    if columns and not model.is_regression:
        raise UserError(
            f"--targets {','.join(columns)}: the model names classes ({', '.join(model.names)}); leave it out"
        )
    columns = columns or (tuple(model.names) if model.is_regression else ())
    rows, notes = folder.rows, tuple[str, ...]()
    if given.manifest is not None:
        rows, notes = relabelled(rows, given.manifest, columns or (given.label_column,))
    every, numbers = rows, np.arange(rows.num_rows)
    if given.holdout is not None:
        numbers = np.flatnonzero(Holdout.parse(given.holdout).matches(rows))
        rows = rows.take(pa.array(numbers))
    return every, numbers, Targets.of_rows(
        rows, label_column=given.label_column, target_columns=columns, names=model.names,
        skip_unlabelled=given.skip_unlabelled, where=str(given.manifest or folder.path), notes=notes,
    )  # fmt: skip


def _record(place: Path) -> tuple[Path, dict[str, Any]]:
    """The run that a model lies in and its run.json, {} where there is none."""
    run = place if (place / "model").is_dir() else place.resolve().parent
    try:
        return run, RunFolder(run).read_record()
    except RunFolderError:
        return run, {}


def _recipe(run: Path) -> FinetuneRecipe | None:
    try:
        return FinetuneRecipe.load(RunFolder(run).recipe)
    except RecipeError:
        return None


def _init(record: dict[str, Any]) -> Path | str | None:
    """What the model began with, None where nobody knows."""
    init = record.get("init")
    if not isinstance(init, str):
        return None
    return init if init in SIZES else Path(init)


def _pretraining(init: Path | str | None, rows: pa.Table, test: NDArray[np.int64]) -> tuple[Seen, tuple[str, ...]]:
    """Whether what the model began with saw the tested speakers, and what is told where it saw their labels too."""
    if init is None:
        return "unknown", ()
    try:
        return saw_test_speakers(init, rows, test), ()
    except SplitError:
        return "yes", ("the model that it began with was fine-tuned with labels of speakers who are tested here",)
