"""`StageTrainer`: transformers' Trainer with our stream of batches, named losses and checkpoints that are whole.

B clips of a batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from vaemo_clips.errors import CheckpointError, TrainingError
from vaemo_train.data.augment import Augment
from vaemo_train.data.batch import Batch
from vaemo_train.models.encoder import VAEmoPreTrainedModel
from vaemo_train.training import checkpoint
from vaemo_train.training.checkpoint import JointCheckpointError
from vaemo_train.training.interruption import Interruption
from vaemo_train.training.log_window import LogWindow
from vaemo_train.training.optimizer import adamw
from vaemo_train.training.recipe import TrainingRecipe
from vaemo_train.training.step_check import Seen, fault_of_step, is_broken
from vaemo_train.training.stream import BatchStream

_ON_CPU = frozenset({"batch_seed", "row_number", "is_real", "has_padding"})
"""What the program branches on or tells people; on a GPU it would have to be waited for."""
_RECONSTRUCTED = {"loss/video_pixels": {"video"}, "loss/video_motion": {"video"}, "loss/audio": {"audio"}}


class StageTrainer(Trainer):
    """Trains a model on a stream of batches; stops before a step whose loss or gradient is no number.

    The model returns `loss` (), its unweighted `parts` and `metrics` by name. A stage may give it more inputs
    (`more_inputs`) and another optimizer (`make_optimizer`).
    """

    def __init__(
        self,
        model: VAEmoPreTrainedModel,
        args: TrainingArguments,
        *,
        recipe: TrainingRecipe,
        stream: BatchStream,
        checkpoints: Path,
        interruption: Interruption,
        callbacks: list[TrainerCallback],
    ) -> None:
        """`callbacks` hear of logs, monitoring and checkpoints; raises TrainingError under FSDP or DeepSpeed."""
        config = model.config
        self.window = LogWindow()
        self._stream, self._recipe, self._checkpoints = stream, recipe, checkpoints
        self._interruption = interruption
        self._augment = Augment(recipe.augment, config.image_size, config.log_mel_mean, config.log_mel_std)
        self._seen: list[Seen] = []
        self._asked_to_stop = False
        super().__init__(model=model, args=args, callbacks=[_Flow(self), *callbacks])
        vars(model.config).pop("use_cache", None)  # the Trainer sets it; this model generates nothing
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise TrainingError("training runs with DDP; start it by torchrun or a plain `accelerate launch`")

    @property
    def stopped_early(self) -> bool:
        """Whether the training was asked to stop before its last step."""
        return self._asked_to_stop and self.state.global_step < self.state.max_steps

    def get_train_dataloader(self) -> BatchStream:  # type: ignore[override]
        """Return the stream as it is: it deals the batches out to the processes itself."""
        return self._stream

    def _prepare_inputs(self, inputs: Mapping[str, Tensor]) -> Batch:
        return {
            name: value if name in _ON_CPU else value.to(self.args.device, non_blocking=True)
            for name, value in inputs.items()
        }

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, Any]:
        """Augment on the device, run the model, note its losses by name."""
        seed = int(inputs["batch_seed"])
        chance = torch.Generator().manual_seed((seed + 2) % 2**63)  # the model draws from seed and seed + 1
        with torch.no_grad():
            features = self.change_features(self._augment(inputs, chance), inputs, seed)
        output: Any = model(
            **features,
            clip_number=inputs["clip_number"],
            window_begin_s=inputs["window_begin_s"],
            batch_seed=seed,
            **self.more_inputs(inputs, seed),
        )
        self._note(output, inputs)
        return (output.loss, output) if return_outputs else output.loss

    def change_features(self, features: Batch, inputs: Batch, seed: int) -> Batch:
        """What a stage makes of the augmented batch before the model gets it; `seed` is the batch's."""
        return features

    def more_inputs(self, inputs: Batch, seed: int) -> dict[str, Any]:
        """What a stage's model gets besides the augmented batch; `seed` is the batch's."""
        return {}

    def _note(self, output: Any, inputs: Batch) -> None:
        """Keep what the log and the check of this step need; nothing is waited for."""
        values = {**output.parts, "loss": output.loss}
        stacked = torch.stack([value.detach().float() for value in values.values()])
        self._seen.append(Seen(list(values), stacked, inputs["row_number"]))
        named = {f"loss/{name}": part for name, part in output.parts.items()} | (output.metrics or {})
        there = _real_modalities(inputs)
        kept = {name: value for name, value in named.items() if _modalities_of(name) <= there}
        self.window.add({"loss": output.loss, **kept}, num_clips=len(inputs["row_number"]))

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Clip the gradient once it is sure that the step may be taken; return its norm before."""
        norm = self._checked_norm(model)
        nn.utils.clip_grads_with_norm_(model.parameters(), self.args.max_grad_norm, norm)
        return norm

    def _get_grad_norm(self, model: nn.Module, grad_norm: Tensor | None = None) -> Tensor:
        """The norm that clipping found, or without clipping the norm once it is sure that the step may be taken."""
        return self._checked_norm(model) if grad_norm is None else grad_norm

    def _checked_norm(self, model: nn.Module) -> Tensor:
        """The gradient's norm. Raises TrainingError where it, or a loss of this step, is no number."""
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        norm: Tensor = nn.utils.get_total_norm(gradients)
        self._check_step(model, norm)
        self.window.add({"grad_norm": norm})
        return norm

    def _check_step(self, model: nn.Module, norm: Tensor) -> None:
        """The one wait of a step: are all losses and the gradient numbers, was any process asked to stop?"""
        seen, self._seen = self._seen, []
        broken, asked = is_broken(seen, norm), self._interruption.requested
        if self.args.world_size > 1:
            flags = torch.stack([broken, torch.tensor(float(asked), device=broken.device)])
            dist.all_reduce(flags, op=dist.ReduceOp.MAX)
            must_fail, must_stop = flags.tolist()
        else:
            must_fail, must_stop = broken.item(), asked
        self._asked_to_stop = self._asked_to_stop or bool(must_stop)
        if must_fail:
            raise TrainingError(self._broken_step(model, seen, norm))

    def _broken_step(self, model: nn.Module, seen: list[Seen], norm: Tensor) -> str:
        """Say what is no number, in which step, on which rows, and what is left."""
        where = f" on process {self.args.process_index}" if self.args.world_size > 1 else ""
        what = fault_of_step(seen, self.accelerator.unwrap_model(model), norm)
        last = checkpoint.last_checkpoint(self._checkpoints)
        kept = f"the last checkpoint is {last}" if last else "no checkpoint was saved yet"
        return (
            f"step {self.state.global_step + 1}{where}: {what}; the step was not taken, {kept}: "
            "look at these rows, lower optim.base_lr, or give optim.grad_clip"
        )

    def check_was_checked(self) -> None:
        """Raise TrainingError where a step was taken whose losses nobody looked at: the hooks above are private."""
        if self._seen:
            raise TrainingError(
                f"step {self.state.global_step}: transformers {metadata.version('transformers')} did not ask for the "
                "gradient's norm, so this step was taken without a look at its losses; install another version of "
                "transformers, as 5.16"
            )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the means over the window by name, in place of the Trainer's own."""
        if "loss" in logs:
            means = self.window.drain()
            logs = {**means, "learning_rate": logs["learning_rate"]}
        super().log(logs, start_time)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW that shrinks the matrices only."""
        if self.optimizer is None:
            trained = self.model if model is None else model
            assert trained is not None
            self.optimizer = self.make_optimizer(trained)
        return self.optimizer

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of a model, with one rate for all of it."""
        return adamw(model, self._recipe.optim, self.args.learning_rate)

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Nothing is counted here; benchmarks/stage1_step.py does."""
        return 0

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Save a checkpoint whole or not at all. Raises CheckpointError, on all processes, with the last good one."""
        folder, step, is_first = self._checkpoints, self.state.global_step, self.is_world_process_zero()
        draft = checkpoint.draft_path(folder, step)
        with self.window.paused():
            self._write_together(lambda: checkpoint.new_draft(folder, step) if is_first else None)
            self._write_together(lambda: self._write_draft(draft))
            self._write_together(
                lambda: checkpoint.finish(draft, folder, step, self._recipe.keep_checkpoints) if is_first else None
            )

    def _write_together(self, write: Callable[[], object]) -> None:
        """Write on every process, and wait for all. Raises CheckpointError on all where one could not."""
        fault = checkpoint.fault_of(write, self._checkpoints, self.state.global_step)
        faults = [fault]
        if self.args.world_size > 1:
            faults = [None] * self.args.world_size
            dist.all_gather_object(faults, fault)
        told = next((fault for fault in faults if fault is not None), None)
        if told is not None:
            if self.is_world_process_zero():
                checkpoint.drop_drafts(self._checkpoints)
            raise JointCheckpointError(told)

    def _write_draft(self, draft: Path) -> None:
        if self.is_world_process_zero():
            self.write_model(draft)
            self._save_optimizer_and_scheduler(str(draft))
            self.state.save_to_json(str(draft / "trainer_state.json"))
        self._save_rng_state(str(draft))
        (draft / self._window_file).write_text(json.dumps(self.window.state()), encoding="utf-8")

    def write_model(self, folder: Path) -> None:
        """Save configuration and weights, as `from_pretrained` reads them."""
        self.unwrapped.save_pretrained(folder)

    @property
    def unwrapped(self) -> Any:
        """The model itself, without what distributes or compiles it."""
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)

    @property
    def _window_file(self) -> str:
        return f"window_{self.args.process_index}.json"

    def resume(self, path: Path) -> None:
        """Let `train` go on from a checkpoint: the stream begins at its next batch. Raises CheckpointError."""
        step = checkpoint.step_of(path)
        self._stream.start_batch = step * self._recipe.batch.accumulate
        try:
            self.window.restore(json.loads((path / self._window_file).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path}: {self._window_file} cannot be read ({type(error).__name__}); it was saved by another number "
                "of processes, or damaged"
            ) from error


class _Flow(TrainerCallback):
    """What the Trainer's own flow leaves to be mended: its epoch, its intervals on a resume, and when to stop."""

    def __init__(self, trainer: StageTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        """Take the intervals of this start, not those that the checkpoint was saved under."""
        state.logging_steps, state.save_steps = args.logging_steps, args.save_steps
        for name in [name for name in state.stateful_callbacks if name != "TrainerControl"]:
            del state.stateful_callbacks[name]

    def on_step_end(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        """Count epochs by the stream's batches; log the last step; end after this one, with a checkpoint, if asked."""
        trainer = self._trainer
        trainer.check_was_checked()
        state.epoch = state.global_step * args.gradient_accumulation_steps / trainer._stream.batches_per_epoch
        if state.global_step >= state.max_steps:
            control.should_log = True
        if trainer._asked_to_stop:
            control.should_save = control.should_training_stop = True


def _real_modalities(inputs: Batch) -> set[str]:
    """The modalities that a batch has of its own, and not only as the padding that another process made it have."""
    has_video, has_audio = inputs["is_real"].tolist()
    return {name for name, is_real in (("video", has_video), ("audio", has_audio)) if is_real}


def _modalities_of(name: str) -> set[str]:
    """The modalities that a process must have of its own for what it logs under a name to count.

    Errors of reconstruction, and how often stage 1's contrast hits, are means over the process's own clips. The losses
    of a contrast are its part of the joint mean, and 0 is such a part; what stage 2 says of one is of the joint batch.
    """
    if name.startswith("contrastive_"):
        return {"video", "audio"}
    return _RECONSTRUCTED.get(name, set())
