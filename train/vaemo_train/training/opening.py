"""How a run begins: what run.json says of it, and what the user is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from vaemo_train.models.encoder import VAEmoPreTrainedModel
from vaemo_train.training import environment
from vaemo_train.training.checkpoint import damaged_checkpoints
from vaemo_train.training.recipe import TrainingRecipe
from vaemo_train.training.record import now
from vaemo_train.training.training_data import TrainingData


def run_record(
    recipe: TrainingRecipe,
    found: TrainingData,
    model: VAEmoPreTrainedModel,
    identity: dict[str, Any],
    arguments: TrainingArguments,
) -> dict[str, Any]:
    """What run.json says of a run that begins."""
    return {
        "began": now(),
        "command": environment.command_line(),
        "identity": identity,
        "data": str(found.folder.path),
        "counts": found.counts(),
        "held_out": found.rows.reason,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "encoder_parameters": num_encoder_parameters(model),
        "steps": arguments.max_steps,
        "warmup_steps": int(arguments.warmup_steps),
        "clips_per_step": recipe.clips_per_step(identity["processes"]),
        "peak_lr": arguments.learning_rate,
        "seeds": {"training": recipe.seed, "monitor": recipe.monitor.seed},
        "git": environment.git_state(),
        "versions": environment.versions(),
        "machine": environment.machine(),
    }


def num_encoder_parameters(model: VAEmoPreTrainedModel) -> int:
    """How many parameters the encoder of a model has."""
    encoder: Any = model.vaemo
    return sum(parameter.numel() for parameter in encoder.parameters())


def data_line(name: str, found: TrainingData, model: VAEmoPreTrainedModel) -> str:
    """The model's name and size, and what it is trained on."""
    counts = found.counts()
    return (
        f"{name}, {num_encoder_parameters(model) / 1e6:.1f} M parameters; "
        f"{counts['rows']:,} rows of {counts['clips']:,} clips ({counts['rows_with_both']:,} with picture and sound, "
        f"{counts['rows_with_picture_only']:,} picture only, {counts['rows_with_sound_only']:,} sound only)"
    )


def length_line(recipe: TrainingRecipe, found: TrainingData, arguments: TrainingArguments, num_processes: int) -> str:
    """How long, how fast and on what is trained."""
    return (
        f"{arguments.max_steps:,} steps of {recipe.clips_per_step(num_processes):,} clips, "
        f"{arguments.max_steps * recipe.batch.accumulate / found.stream.batches_per_epoch:.4g} epochs; learning rate "
        f"{arguments.learning_rate:.3g} (base {recipe.optim.base_lr:g} x clips of a step / 256), "
        f"{'bfloat16' if arguments.bf16 else 'float32'} on {arguments.device.type}"
        f"{f', {num_processes} processes' if num_processes > 1 else ''}"
    )


def closing_lines(num_processes: int, from_checkpoint: Path | None) -> Iterator[str]:
    """What is told last before the first step: idle GPUs, and where a resumed run goes on."""
    if num_processes == 1 and torch.cuda.device_count() > 1:
        yield f"note: one of {torch.cuda.device_count()} GPUs is used; start it by torchrun to use them all"
    if from_checkpoint is not None:
        yield from damaged_checkpoints(from_checkpoint.parent)
        yield f"going on from {from_checkpoint}"
