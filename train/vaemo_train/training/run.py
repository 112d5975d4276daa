"""A training from its recipe to the saved model, whatever the stage."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from transformers.utils.logging import disable_progress_bar

from vaemo_clips.errors import CheckpointError, UserError
from vaemo_clips.whole_file import replace_folder
from vaemo_train.models import VAEmoProcessor
from vaemo_train.models.encoder import VAEmoPreTrainedModel
from vaemo_train.training import environment
from vaemo_train.training.arguments import trainer_arguments
from vaemo_train.training.checkpoint import last_checkpoint, step_of
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.interruption import Interruption
from vaemo_train.training.joint import from_first
from vaemo_train.training.opening import closing_lines, run_record
from vaemo_train.training.recipe import TrainingRecipe
from vaemo_train.training.record import RunFolder, Session
from vaemo_train.training.stage import Stage
from vaemo_train.training.trainer import StageTrainer
from vaemo_train.training.watching import Diagnostics, Watching, Writer


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
    next_commands: tuple[str, ...] = ()
    was_asked_to_stop: bool = False
    """Also where that came too late to end the training before its last step."""


def run_stage(
    stage: Stage,
    out: Path,
    *,
    resume: bool = False,
    console: TrainingConsole | None = None,
    opening: str | None = None,
) -> RunSummary:
    """Train a stage; the run folder is `out`; `opening` is told before the rest.

    Every process of a torchrun calls this. Raises the UserErrors of recipe, run folder, checkpoint and training; what
    was saved before stays.
    """
    num_processes, is_first = environment.num_processes(), environment.rank() == 0
    recipe = stage.recipe
    console = console or TrainingConsole(silent=not is_first)
    bf16 = environment.resolve_bf16(recipe)
    environment.check_compile(recipe)
    arguments = trainer_arguments(recipe, out, stage.data, bf16, num_processes)
    disable_progress_bar()  # of transformers: one for each checkpoint
    folder, interruption = RunFolder(out), Interruption(num_processes)
    with ExitStack() as stack:
        from_first(lambda: stack.enter_context(folder.locked()), num_processes)
        stack.enter_context(console)
        stack.enter_context(interruption.heeded())
        identity = _identity(stage, num_processes, bf16)
        from_checkpoint = from_first(lambda: _check_folder(folder, recipe, identity, resume), num_processes)
        stage.prepare(console)
        model = stage.make_model()
        if from_checkpoint is None:
            record = run_record(recipe, stage.data, model, identity, arguments) | stage.facts()
            from_first(lambda: folder.begin(recipe, record), num_processes)
        lines = [*stage.opening_lines(model, arguments, num_processes), *closing_lines(num_processes, from_checkpoint)]
        console.announce(*filter(None, [opening]), *lines)
        return _Run(stage, folder, model, arguments, interruption, console, from_checkpoint).execute(is_first)


def _identity(stage: Stage, num_processes: int, bf16: bool) -> dict[str, Any]:
    """What a resumed run must have in common with its beginning, besides the recipe."""
    return {
        "data": stage.data.folder.digest,
        "rows": stage.data.rows.digest,
        "holdout": None if stage.holdout is None else str(stage.holdout),
        "processes": num_processes,
        "bf16": bf16,
        **stage.identity(),
    }


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that has been checked."""

    stage: Stage
    folder: RunFolder
    model: VAEmoPreTrainedModel
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
        watching = Watching(self.console, writer)
        self.stage.watch(watching, self.model, self.arguments.bf16)
        trainer = self._trainer(watching)
        chosen: dict[str, Any] = {}
        try:
            state = self._train(trainer)
            if state == "done" and is_first:
                chosen = self.stage.before_saving(trainer.unwrapped)
                self._save_model(trainer)
        except (UserError, KeyboardInterrupt) as error:
            if session is not None:
                ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                session.end(ended, trainer.state.global_step, error=str(error) or None)
            raise
        finally:
            self.stage.data.stream.close()
            if writer is not None:
                writer.close()
        found, step = watching.last_diagnostics, trainer.state.global_step
        monitored = found.as_dict() if found else None
        wall_s = session.end(state, step, monitor=monitored, error=None, **chosen) if session else 0.0
        last = last_checkpoint(self.folder.checkpoints)
        return RunSummary(
            self.folder, state, step, self.arguments.max_steps, wall_s, watching.last_losses, found, last,
            tuple(self.stage.next_commands(self.folder.path)), self.interruption.requested,
        )  # fmt: skip

    def _trainer(self, watching: Watching) -> StageTrainer:
        trainer = self.stage.make_trainer(
            self.model,
            self.arguments,
            checkpoints=self.folder.checkpoints,
            interruption=self.interruption,
            callbacks=[watching],
        )
        watching.window = trainer.window
        if self.from_checkpoint is not None:
            trainer.resume(self.from_checkpoint)
        return trainer

    def _train(self, trainer: StageTrainer) -> str:
        """Train to the end or to an interruption; return which."""
        if self.from_step < self.arguments.max_steps:
            trainer.train(resume_from_checkpoint=str(self.from_checkpoint) if self.from_checkpoint else None)
            return "interrupted" if trainer.stopped_early else "done"
        trainer._load_from_checkpoint(str(self.from_checkpoint))  # only the model was still to be written
        trainer.state.global_step = self.from_step
        return "done"

    def _save_model(self, trainer: StageTrainer) -> None:
        """Write the model with the processor of the shards' faces. Raises CheckpointError where the disk is full."""
        draft = self.folder.path / ".model.draft"
        shutil.rmtree(draft, ignore_errors=True)
        with _disk_errors(draft, self.folder):
            trainer.write_model(draft)
            VAEmoProcessor.of(self.model.config, self.stage.data.folder.settings.size_px).save_pretrained(draft)
            replace_folder(draft, self.folder.model)


def _check_folder(folder: RunFolder, recipe: TrainingRecipe, identity: dict[str, Any], resume: bool) -> Path | None:
    """Return the checkpoint to go on from. Raises RunFolderError, RecipeError, CheckpointError."""
    if not resume:
        folder.check_begin()
        return None
    return folder.check_resume(recipe, identity)


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
