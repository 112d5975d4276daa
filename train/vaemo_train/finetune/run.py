"""One fine-tuning: one fold's training part, one seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import TrainingArguments

from vaemo_clips.errors import RecipeError, SplitError
from vaemo_train.evaluate.folds import shown
from vaemo_train.finetune.calibration import calibrate
from vaemo_train.finetune.recipe import FinetuneRecipe
from vaemo_train.finetune.seen import digest_of_rows
from vaemo_train.finetune.selection import Validation
from vaemo_train.finetune.trainer import FinetuneTrainer, freeze
from vaemo_train.models.classification import CLASSIFICATION, REGRESSION, VAEmoForClassification
from vaemo_train.models.encoder_weights import encoder_config
from vaemo_train.protocol.splits import Split
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2.beginning import init_identity
from vaemo_train.training import environment
from vaemo_train.training.compiled import compile_blocks
from vaemo_train.training.held_out import RowChoice
from vaemo_train.training.opening import data_line, length_line
from vaemo_train.training.stage import Stage
from vaemo_train.training.trainer import StageTrainer
from vaemo_train.training.training_data import check_pictures, training_data
from vaemo_train.training.watching import Watching


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What all trainings of a cross-validation share: shards, labels, and where an encoder comes from."""

    folder: ShardFolder
    targets: Targets
    label_digest: str

    @classmethod
    def of(cls, folder: ShardFolder, targets: Targets) -> Task:
        """With a digest of all labels and their names."""
        digest = sha256("\n".join(targets.names).encode())
        digest.update(np.ascontiguousarray(targets.values).tobytes())
        return cls(folder, targets, digest.hexdigest())


class Finetuning(Stage):
    """Fine-tuning as the loop sees it."""

    recipe: FinetuneRecipe

    def __init__(self, recipe: FinetuneRecipe, task: Task, split: Split, init: Path | str, run: Path) -> None:
        """`init` is the folder of a model, or the name of a size for random weights; `run` where it is trained."""
        self.recipe, self.holdout = recipe, None
        self._task, self._split, self._init, self._run = task, split, init, run
        check_pictures(encoder_config(init).image_size, task.folder, f"the model of --init {init}")
        used = usable(task.folder, split.train, recipe.modality)
        _, first = np.unique(task.targets.clip_ids[split.validation].astype(str), return_index=True)
        rows = RowChoice(used, np.sort(split.validation[first]), _reason(split))
        self._check_classes(used)
        self.data = training_data(recipe, task.folder, rows, environment.num_processes(), recipe.modality)
        self._check_looks()
        self._validation: Validation | None = None
        self._chosen: dict[str, Any] = {}

    def _check_classes(self, used: NDArray[np.int64]) -> None:
        """Raise SplitError for a class that no row with the modality has, in the training part."""
        targets = self._task.targets
        if targets.is_regression:
            return
        counts = np.bincount(targets.values[used], minlength=len(targets.names))
        absent = [name for name, count in zip(targets.names, counts, strict=True) if not count]
        if absent:
            raise SplitError(
                f"fold {self._split.name}: {shown(absent)} without a clip of modality {self.recipe.modality} in the "
                "training part; what was never shown cannot be recognised: train on another modality, or leave it out"
            )

    def _check_looks(self) -> None:
        """Raise RecipeError where the recipe chooses by validation clips that are not there or never looked at."""
        recipe, split = self.recipe, self._split
        if recipe.select.checkpoint != "validation":
            return
        if not len(split.validation):
            raise RecipeError(
                f"select.checkpoint: validation needs clips to choose by, fold {split.name} has none; give "
                "select.validation_share, as 0.2"
            )
        total = recipe.total_steps(self.data.stream.batches_per_epoch)
        if recipe.monitor.every_steps > total:
            raise RecipeError(
                f"monitor.every_steps: {recipe.monitor.every_steps:,} is more than the {total:,} steps of the "
                "training, so only its end would be looked at; give less"
            )

    def identity(self) -> dict[str, Any]:
        """The labels, the encoder that it began with, and what it is tested on."""
        return {
            "labels": self._task.label_digest,
            "init": init_identity(self._init),
            "test": digest_of_rows(self._split.test),
            "validation": digest_of_rows(self._split.validation),
        }

    def facts(self) -> dict[str, Any]:
        """The fold, its speakers' number and what it is begun with."""
        return {
            "fold": self._split.name,
            "init": str(self._init),
            "classes": list(self._task.targets.names),
            "test_rows": len(self._split.test),
            "validation_rows": len(self._split.validation),
            "validation_speakers": list(self._split.validation_speakers),
        }

    def make_model(self) -> VAEmoForClassification:
        """The encoder of an earlier stage with a new head; what is frozen is not trained."""
        torch.manual_seed(self.recipe.seed)
        targets = self._task.targets
        fields = self.recipe.config_fields()
        if targets.is_regression:
            fields |= {"problem_type": REGRESSION}
        else:
            fields |= {"problem_type": CLASSIFICATION, "class_weights": self._class_weights()}
        model = VAEmoForClassification.from_encoder(self._init, targets.names, **fields)
        if targets.is_regression:
            self._begin_at_means(model)
        freeze(model, self.recipe.optim.freeze)
        if self.recipe.compile:
            compile_blocks(model)
        return model

    def _class_weights(self) -> list[float] | None:
        """Of "balanced": clips over classes times the class's clips, in the training part."""
        if self.recipe.loss.class_weights == "none":
            return None
        counts = np.bincount(self._task.targets.values[self.data.rows.train], minlength=len(self._task.targets.names))
        return [float(weight) for weight in counts.sum() / (len(counts) * np.maximum(counts, 1))]

    @torch.no_grad()
    def _begin_at_means(self, model: VAEmoForClassification) -> None:
        means = torch.from_numpy(self._task.targets.values[self.data.rows.train].mean(axis=0))
        for linear in model.classifier.linear:
            assert isinstance(linear, torch.nn.Linear)
            linear.bias.copy_(means)

    def make_trainer(self, model: Any, arguments: TrainingArguments, **services: Any) -> StageTrainer:
        """The loop, with labels; a step may leave out a modality."""
        arguments.ddp_find_unused_parameters = True
        return FinetuneTrainer(
            model, arguments, recipe=self.recipe, targets=self._task.targets, stream=self.data.stream, **services
        )

    def opening_lines(self, model: Any, arguments: TrainingArguments, num_processes: int) -> Iterator[str]:
        """The encoder, the data, what is kept out, how long."""
        random = "" if isinstance(self._init, Path) else ", random weights: no pre-training"
        yield f"{_reason(self._split)}; seed {self.recipe.seed}; encoder: {self._init}{random}"
        yield data_line(model.config.size, self.data, model)
        yield length_line(self.recipe, self.data, arguments, num_processes)

    def watch(self, watching: Watching, model: Any, bf16: bool) -> None:
        """Look at validation clips, where there are any; never at the test part."""
        every_steps, rows = self.recipe.monitor.every_steps, self._split.validation
        if not len(rows) or not every_steps:
            return
        self._validation = Validation(
            self._task.folder, rows, self._task.targets, self.recipe, self._run, bf16,
        )  # fmt: skip
        watching.watch_with(self._validation.measure, every_steps)
        if self.recipe.figure.every_steps:
            watching.draw_with(self._validation.draw, self.recipe.figure.every_steps)

    def before_saving(self, model: Any) -> dict[str, Any]:
        """Take the weights that validation chose, where the recipe has it choose; then the moments of whole clips."""
        chosen: dict[str, Any] = {}
        if self.recipe.select.checkpoint == "validation" and self._validation is not None:
            chosen = self._validation.take_best(model)
        calibrate(
            model, self._task.folder, self.data.rows.train, self.recipe.modality,
            batch_size=self.recipe.evaluation.batch_size, bf16=environment.resolve_bf16(self.recipe),
        )  # fmt: skip
        return chosen


def usable(folder: ShardFolder, rows: Any, modality: str) -> Any:
    """Those of the rows that have what a training of `modality` is of."""
    has = {name: folder.rows[name].to_numpy()[rows] for name in ("has_picture", "has_sound")}
    if modality == "audio":
        return rows[has["has_sound"]]
    if modality == "video":
        return rows[has["has_picture"]]
    return rows[has["has_picture"] & has["has_sound"]] if modality == "both" else rows


def _reason(split: Split) -> str:
    tested = f"{len(split.test):,} rows to test on" if len(split.test) else "nothing to test on"
    validated = f", {len(split.validation):,} to validate on" if len(split.validation) else ""
    return f"fold {split.name}: {len(split.train):,} rows to train on{validated}, {tested}"
