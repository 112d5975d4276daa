"""One fine-tuned model to be judged by any labelled clips, and what it may have seen of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import RecipeError, RunFolderError, UserError
from vaemo_train.evaluate.folds import Holdout, texts
from vaemo_train.finetune.cross_validation import SELECTION
from vaemo_train.finetune.recipe import FinetuneRecipe
from vaemo_train.finetune.seen import Seen, saw_test_speakers
from vaemo_train.judging.rebuilt import Rebuilt, is_finetuning
from vaemo_train.judging.tested import Tested, TestedModel
from vaemo_train.models.classification import VAEmoForClassification, load_classifier
from vaemo_train.models.config import SIZES
from vaemo_train.protocol.labels_manifest import relabelled
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training import environment
from vaemo_train.training.record import RunFolder

FOLD = "all"
"""What the one fold of a model's scores is called."""


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
    numbers, targets = _labelled(model, folder, given)
    rows = numbers[targets.is_labelled]
    run, record = _record(place)
    recipe = _recipe(run)
    seen = Past.of(run, record, folder).seen(rows)
    seed = record.get("seeds", {}).get("training")
    return Tested(
        folder=folder,
        targets=targets,
        models=(TestedModel(place, FOLD, seed if isinstance(seed, int) else 0, rows),),
        modality="any" if recipe is None else recipe.modality,
        windows=FinetuneRecipe().evaluation.windows if recipe is None else recipe.evaluation.windows,
        batch_size=FinetuneRecipe().evaluation.batch_size if recipe is None else recipe.evaluation.batch_size,
        bf16=environment.has_bf16()[0] if recipe is None else environment.resolve_bf16(recipe),
        folds="one model, " + (f"clips with {given.holdout}" if given.holdout else "all labelled clips"),
        selection="nobody knows how its step was chosen" if recipe is None else SELECTION[recipe.select.checkpoint],
        recipe={} if recipe is None else recipe.model_dump(mode="json"),
        pretraining={FOLD: _pretraining(record, folder, rows)},
        is_disjoint=seen.is_disjoint,
        notes=(*targets.notes, *seen.notes),
    )


def _labelled(model: VAEmoForClassification, folder: ShardFolder, given: Labelled) -> tuple[NDArray[np.int64], Targets]:
    """The numbers of the rows that are asked for, and the targets of these."""
    columns = given.target_columns
    if columns and not model.is_regression:
        raise UserError(
            f"--targets {','.join(columns)}: the model names classes ({', '.join(model.names)}); leave it out"
        )
    columns = columns or (tuple(model.names) if model.is_regression else ())
    rows, notes = folder.rows, tuple[str, ...]()
    if given.manifest is not None:
        rows, notes = relabelled(rows, given.manifest, columns or (given.label_column,))
    numbers = np.arange(rows.num_rows)
    if given.holdout is not None:
        numbers = np.flatnonzero(Holdout.parse(given.holdout).matches(rows))
        rows = rows.take(pa.array(numbers))
    return numbers, Targets.of_rows(
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


def _pretraining(record: dict[str, Any], folder: ShardFolder, rows: NDArray[np.int64]) -> Seen:
    init = record.get("init")
    if not isinstance(init, str):
        return "unknown"
    return saw_test_speakers(init if init in SIZES else Path(init), folder, rows)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model saw of the clips that judge it: lines for the user, whether no tested speaker was trained on."""

    notes: tuple[str, ...]
    is_disjoint: bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """The rows (T,) of the shards `trained_in` that a model was trained on or chosen by; None where nobody knows.

    `judged` are the shards whose clips judge it. Clips are known again by the content of their file.
    """

    judged: ShardFolder
    trained_in: ShardFolder | None
    rows: NDArray[np.int64] | None

    @classmethod
    def of(cls, run: Path, record: dict[str, Any], judged: ShardFolder) -> Past:
        """From the run.json of a model and the protocol of the fine-tuning that its run belongs to."""
        out = run.resolve().parent.parent
        identity: Any = record.get("identity", {})
        if not is_finetuning(out) or "fold" not in record:
            return cls(judged, None, None)
        is_same = identity.get("data") == judged.digest
        try:
            rebuilt = Rebuilt.read(out, judged.path if is_same else None)
            split = next(split for split in rebuilt.splits if split.name == record["fold"])
            rebuilt.check(split, record)
        except (UserError, StopIteration):
            return cls(judged, None, None)
        chosen_by = [split.validation] if rebuilt.recipe.select.checkpoint == "validation" else []
        return cls(judged, rebuilt.folder, np.sort(np.concatenate([split.train, *chosen_by])))

    def seen(self, rows: NDArray[np.int64]) -> Sight:
        """What is told of the clips of `rows` of the judged shards."""
        clips = _clips(self.judged, rows)
        if self.trained_in is None or self.rows is None:
            told = f"nobody knows which of the {len(clips):,} clips the model was trained on: nothing beside it tells"
            return Sight((told,), None)
        trained = set(_column(self.trained_in, "sha256", self.rows))
        is_known = np.array([content in trained for content in _column(self.judged, "sha256", rows)], bool)
        again = _clips(self.judged, rows[is_known])
        notes = []
        if again:
            notes.append(
                f"{len(again):,} of {len(clips):,} clips were trained on (or chose the checkpoint): these scores say "
                f"nothing about new clips"
            )
        if self.trained_in.digest != self.judged.digest:
            return Sight(tuple(notes), False if again else None)
        speakers = _known(self.trained_in, self.rows)
        theirs = _known(self.judged, rows)
        shared = sorted(speakers & theirs)
        if shared and not again:
            notes.append(f"{len(shared):,} of their {len(theirs):,} speakers were trained on, in other clips")
        return Sight(tuple(notes), not (shared or again) if theirs else None)


def _clips(folder: ShardFolder, rows: NDArray[np.int64]) -> set[str]:
    return set(_column(folder, "clip_id", rows))


def _column(folder: ShardFolder, name: str, rows: NDArray[np.int64]) -> Sequence[Any]:
    values: list[Any] = folder.rows[name].take(pa.array(rows)).to_pylist()
    return values


def _known(folder: ShardFolder, rows: NDArray[np.int64]) -> set[str]:
    if "speaker" not in folder.rows.column_names:
        return set()
    return set(texts(_column(folder, "speaker", rows)).tolist()) - {None}
