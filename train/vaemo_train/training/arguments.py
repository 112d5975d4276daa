"""A recipe in the words of transformers' Trainer."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import TrainingArguments

from vaemo_clips.errors import RecipeError
from vaemo_train.data.dataset import BOTH
from vaemo_train.training.recipe import TrainingRecipe
from vaemo_train.training.training_data import TrainingData


def trainer_arguments(
    recipe: TrainingRecipe, out: Path, found: TrainingData, bf16: bool, num_processes: int
) -> TrainingArguments:
    """The Trainer's arguments. Raises RecipeError for a warm-up as long as the run."""
    total = recipe.total_steps(found.stream.batches_per_epoch)
    warmup = recipe.warmup_steps(found.stream.batches_per_epoch)
    if warmup >= total:
        raise RecipeError(
            f"optim: a warm-up of {warmup:,} steps is as long as the run of {total:,}; shorten it, or train longer"
        )
    kinds = found.dataset.kinds
    all_used = bool((kinds == BOTH).all())
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=total,
        per_device_train_batch_size=recipe.batch.per_device,
        gradient_accumulation_steps=recipe.batch.accumulate,
        learning_rate=recipe.peak_lr(num_processes),
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": recipe.optim.final_lr_share},
        warmup_steps=warmup,
        max_grad_norm=recipe.optim.grad_clip or 0.0,
        bf16=bf16,
        logging_steps=recipe.logging_steps,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.save_steps,
        seed=recipe.seed,
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=not all_used,
        ignore_data_skip=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
        log_level="error",
    )
    if arguments.n_gpu > 1:  # one process uses one GPU; several need torchrun
        arguments._n_gpu = 1
    return arguments
