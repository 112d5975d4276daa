"""A stage-1 training from its recipe to the saved model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from transformers import TrainingArguments
from transformers.utils.logging import disable_progress_bar

from vaemo_clips.errors import CheckpointError, RecipeError, RunFolderError, UserError
from vaemo_clips.whole_file import replace_folder
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.models import VAEmoForPreTraining, VAEmoProcessor
from vaemo_train.stage1 import environment
from vaemo_train.stage1.arguments import trainer_arguments
from vaemo_train.stage1.checkpoint import JointCheckpointError, last_checkpoint, step_of
from vaemo_train.stage1.compiled import compile_blocks
from vaemo_train.stage1.console import TrainingConsole
from vaemo_train.stage1.interruption import Interruption
from vaemo_train.stage1.monitor import Diagnostics, Monitor
from vaemo_train.stage1.opening import opening_lines, run_record
from vaemo_train.stage1.recipe import Stage1Recipe
from vaemo_train.stage1.record import RunFolder, Session
from vaemo_train.stage1.trainer import Stage1Trainer
from vaemo_train.stage1.training_data import TrainingData, open_data
from vaemo_train.stage1.watching import Watching, Writer


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What came of a run: `state` is "done" or "interrupted"; the losses and diagnostics are the last ones seen."""

    folder: RunFolder
    state: str
    step: int
    total_steps: int
    wall_s: float
    losses: dict[str, Any]
    diagnostics: Diagnostics | None
    checkpoint: Path | None


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
    """Train as the recipe says on the shards in `data`; the run folder is `out`; `opening` is told before the rest.

    Every process of a torchrun calls this. Raises the UserErrors of shards, recipe, run folder, holdout, checkpoint
    and training; what was saved before stays.
    """
    num_processes, is_first = environment.num_processes(), environment.rank() == 0
    console = console or TrainingConsole(silent=not is_first)
    bf16 = environment.resolve_bf16(recipe)
    environment.check_compile(recipe)
    found = open_data(recipe, data, holdout, num_processes)
    arguments = trainer_arguments(recipe, out, found, bf16, num_processes)
    disable_progress_bar()  # of transformers: one for each checkpoint
    folder, interruption = RunFolder(out), Interruption(num_processes)
    with ExitStack() as stack:
        _from_first(lambda: stack.enter_context(folder.locked()), num_processes)
        stack.enter_context(console)
        stack.enter_context(interruption.heeded())
        identity = {
            "data": found.folder.digest,
            "rows": found.rows.digest,
            "holdout": None if holdout is None else str(holdout),
            "processes": num_processes,
            "bf16": bf16,
        }
        from_checkpoint = _from_first(lambda: _check_folder(folder, recipe, identity, resume), num_processes)
        model = _model(recipe)
        if from_checkpoint is None:
            record = run_record(recipe, data, found, model, identity, arguments)
            _from_first(lambda: folder.begin(recipe, record), num_processes)
        lines = opening_lines(recipe, found, model, arguments, num_processes, from_checkpoint)
        console.announce(*filter(None, [opening]), *lines)
        return _Run(recipe, found, folder, model, arguments, interruption, console, from_checkpoint).execute(is_first)


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that has been checked."""

    recipe: Stage1Recipe
    data: TrainingData
    folder: RunFolder
    model: VAEmoForPreTraining
    arguments: TrainingArguments
    interruption: Interruption
    console: TrainingConsole
    from_checkpoint: Path | None

    @property
    def from_step(self) -> int:
        """How many steps were done before."""
        return step_of(self.from_checkpoint) if self.from_checkpoint else 0

    def execute(self, is_first: bool) -> RunSummary:
        """Train, and note in run.json how it ended; process 0 writes."""
        writer = Writer(self.folder, self.from_step) if is_first else None
        session = Session(self.folder, self.from_step) if is_first else None
        watching = self._watching(writer)
        trainer = self._trainer(watching)
        try:
            state = self._train(trainer)
            if state == "done" and is_first:
                _save_model(trainer, self.model, self.folder, self.data.folder.settings.size_px)
        except (UserError, KeyboardInterrupt) as error:
            if session is not None:
                ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                session.end(ended, trainer.state.global_step, error=str(error) or None)
            raise
        finally:
            self.data.stream.close()
            if writer is not None:
                writer.close()
        found, step = watching.last_diagnostics, trainer.state.global_step
        monitored = found.as_dict() if found else None
        wall_s = session.end(state, step, monitor=monitored, error=None) if session else 0.0
        last = last_checkpoint(self.folder.checkpoints)
        return RunSummary(self.folder, state, step, self.arguments.max_steps, wall_s, watching.last_losses, found, last)

    def _watching(self, writer: Writer | None) -> Watching:
        monitor, figure = self.recipe.monitor, self.recipe.figure
        rows, shards, bf16 = self.data.rows.monitor, self.data.folder, self.arguments.bf16
        watching = Watching(self.console, writer)
        if monitor.every_steps:
            batch_size = self.recipe.batch.per_device
            held_out = Monitor(shards, rows, self.model.config, seed=monitor.seed, batch_size=batch_size)
            watching.watch_with(held_out, monitor.every_steps, bf16)
        if figure.every_steps:
            watching.draw_with(shards, rows[: figure.num_clips], figure.every_steps, monitor.seed, bf16)
        return watching

    def _trainer(self, watching: Watching) -> Stage1Trainer:
        trainer = Stage1Trainer(
            self.model,
            self.arguments,
            recipe=self.recipe,
            stream=self.data.stream,
            checkpoints=self.folder.checkpoints,
            interruption=self.interruption,
            callbacks=[watching],
        )
        watching.window = trainer.window
        if self.from_checkpoint is not None:
            trainer.resume(self.from_checkpoint)
        return trainer

    def _train(self, trainer: Stage1Trainer) -> str:
        """Train to the end or to an interruption; return which."""
        if self.from_step < self.arguments.max_steps:
            trainer.train(resume_from_checkpoint=str(self.from_checkpoint) if self.from_checkpoint else None)
            return "interrupted" if trainer.stopped_early else "done"
        trainer._load_from_checkpoint(str(self.from_checkpoint))  # only the model was still to be written
        trainer.state.global_step = self.from_step
        return "done"


def _check_folder(folder: RunFolder, recipe: Stage1Recipe, identity: dict[str, Any], resume: bool) -> Path | None:
    """Return the checkpoint to go on from. Raises RunFolderError, RecipeError, CheckpointError."""
    if not resume:
        folder.check_begin()
        return None
    return folder.check_resume(recipe, identity)


def _from_first(ask: Callable[[], Path | None], num_processes: int) -> Path | None:
    """Return on every process what process 0 finds; raise on every process what it raises."""
    if num_processes == 1:
        return ask()
    answer: list[Any] = [None, None]
    if environment.rank() == 0:
        try:
            answer[0] = ask()
        except (RunFolderError, RecipeError) as error:
            answer[1] = error
        except CheckpointError as error:
            answer[1] = JointCheckpointError(str(error))
    dist.broadcast_object_list(answer, src=0)
    found, fault = answer
    if fault is not None:
        raise fault
    return found  # type: ignore[no-any-return]


def _model(recipe: Stage1Recipe) -> VAEmoForPreTraining:
    torch.manual_seed(recipe.seed)
    model = VAEmoForPreTraining(recipe.config())
    if recipe.compile:
        compile_blocks(model)
    return model


def _save_model(trainer: Stage1Trainer, model: VAEmoForPreTraining, folder: RunFolder, face_size: int) -> None:
    """Write the model with the processor of faces of `face_size` px. Raises CheckpointError where the disk is full."""
    draft = folder.path / ".model.draft"
    shutil.rmtree(draft, ignore_errors=True)
    with _disk_errors(draft, folder):
        trainer.write_model(draft)
        VAEmoProcessor.of(model.config, face_size).save_pretrained(draft)
        replace_folder(draft, folder.model)


@contextmanager
def _disk_errors(draft: Path, folder: RunFolder) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise CheckpointError(
            f"{folder.model} cannot be saved ({' '.join(str(error).split())}); the training is done and its last "
            f"checkpoint is {last_checkpoint(folder.checkpoints)}: make room, and the same command with --resume "
            "writes it"
        ) from error
