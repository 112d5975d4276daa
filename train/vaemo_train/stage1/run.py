"""A stage-1 training: masked reconstruction and the contrast of picture and sound, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import TrainingArguments

from vaemo_clips.errors import TrainingError
from vaemo_train.data.dataset import BOTH, PICTURE_ONLY, SOUND_ONLY
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.models import VAEmoForPreTraining
from vaemo_train.stage1.figure import draw, reconstruct
from vaemo_train.stage1.monitor import Monitor
from vaemo_train.stage1.recipe import Stage1Recipe
from vaemo_train.training import environment
from vaemo_train.training.compiled import compile_blocks
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.opening import data_line, length_line
from vaemo_train.training.run import RunSummary, run_stage
from vaemo_train.training.stage import Stage, command_line
from vaemo_train.training.training_data import TrainingData, open_data
from vaemo_train.training.watching import Pictures, Watching

_CAPTION = "held-out clips; predictions are stretched to the mean and deviation of the original's own token"


@dataclass(frozen=True, slots=True)
class Stage1(Stage):
    """Stage 1 as the loop sees it."""

    recipe: Stage1Recipe
    data: TrainingData
    holdout: Holdout | None

    def make_model(self) -> VAEmoForPreTraining:
        """A model with random weights."""
        return new_model(self.recipe)

    def opening_lines(self, model: Any, arguments: TrainingArguments, num_processes: int) -> Iterator[str]:
        """The data, what is held out, how long, and what cannot be learnt from these clips."""
        yield data_line(self.recipe.model.size, self.data, model)
        yield self.data.rows.reason
        yield length_line(self.recipe, self.data, arguments, num_processes)
        if self.recipe.loss.contrastive and not self.data.counts()["rows_with_both"]:
            yield "note: no clip has both picture and sound: no contrastive loss, reconstruction alone is trained"

    def watch(self, watching: Watching, model: Any, bf16: bool) -> None:
        """Measure reconstruction, retrieval and spread on held-out clips, and draw some of them."""
        monitor, figure = self.recipe.monitor, self.recipe.figure
        rows, shards = self.data.rows.monitor, self.data.folder
        if monitor.every_steps:
            batch_size = self.recipe.batch.per_device
            held_out = Monitor(shards, rows, model.config, seed=monitor.seed, batch_size=batch_size)
            watching.watch_with(lambda _, model: held_out.measure(model, bf16), monitor.every_steps)
        if figure.every_steps:
            shown = rows[: figure.num_clips]
            watching.draw_with(lambda *given: self._pictures(shown, bf16, *given), figure.every_steps)

    def next_commands(self, run: Path) -> Iterator[str]:
        """Stage 2, with the captions that somebody has to make."""
        data = self.data.folder.path
        yield command_line("stage2", init=run, data=data, captions="CAPTIONS", holdout=self.holdout)

    def _pictures(self, rows: NDArray[np.int64], bf16: bool, step: int, model: Any, wanted: bool) -> Pictures:
        panels = reconstruct(model, self.data.folder, rows, seed=self.recipe.monitor.seed, bf16=bf16)
        return {"reconstruction": draw(panels, f"step {step:,}, {_CAPTION}")} if wanted else {}


def new_model(recipe: Stage1Recipe) -> VAEmoForPreTraining:
    """A model with random weights, drawn with the recipe's seed."""
    torch.manual_seed(recipe.seed)
    model = VAEmoForPreTraining(recipe.config())
    if recipe.compile:
        compile_blocks(model)
    return model


def train(
    recipe: Stage1Recipe,
    data: Path,
    out: Path,
    *,
    holdout: Holdout | None = None,
    resume: bool = False,
    console: TrainingConsole | None = None,
    opening: str | None = None,
) -> RunSummary:
    """Train as the recipe says on the shards in `data`; the rest is as `run_stage` has it.

    Raises the UserErrors of shards, recipe, run folder, holdout, checkpoint and training.
    """
    found = open_data(recipe, data, holdout, environment.num_processes(), recipe.config().image_size)
    _check_parts(recipe, found)
    return run_stage(Stage1(recipe, found, holdout), out, resume=resume, console=console, opening=opening)


def _check_parts(recipe: Stage1Recipe, found: TrainingData) -> None:
    """Raise TrainingError where no part of the loss that has a weight can be computed from the data."""
    kinds, loss = found.dataset.kinds, recipe.loss
    weights = (
        (loss.video_pixels + loss.video_motion) * bool((kinds != SOUND_ONLY).any())
        + loss.audio * bool((kinds != PICTURE_ONLY).any())
        + loss.contrastive * bool((kinds == BOTH).any())
    )
    if not weights:
        raise TrainingError(
            f"{found.folder.path}: no part of the loss with a weight above 0 can be computed from these clips; "
            "weigh the parts of the modality that they have"
        )
