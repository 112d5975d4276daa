"""A model at rest: what looks at it while it trains leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from vaemo_train.data.batch import Batch
from vaemo_train.models.encoder import VAEmoPreTrainedModel

LABEL_COLUMNS: Final = ("label", "emotion")
"""Columns of the shards that may say what a held-out clip is called; the first that is there does."""
MOST_AT_ONCE: Final = 16
"""Held-out clips in a batch, whatever the training's is."""


@contextmanager
def evaluating(model: VAEmoPreTrainedModel, bf16: bool) -> Iterator[None]:
    """Run the block without gradients, in eval mode and uncompiled (its shapes are not the training's)."""
    was_training = model.training
    model.eval()
    devices = [model.device] if model.device.type == "cuda" else []
    try:
        with (
            torch.no_grad(),
            torch.random.fork_rng(devices),
            torch.compiler.set_stance("force_eager"),
            torch.autocast(model.device.type, torch.bfloat16, enabled=bf16),
        ):
            yield
    finally:
        model.train(was_training)


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The same batch on the model's device."""
    return {name: value.to(device) for name, value in batch.items()}
