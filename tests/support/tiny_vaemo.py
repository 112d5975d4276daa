"""A model that is small enough for tests, and random batches for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vaemo_train.models import VAEmoConfig, VAEmoForPreTraining

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_unimodal_layers": 2,
    "num_cross_layers": 1,
    "image_size": 64,
    "decoder_hidden_size": 16,
    "decoder_num_layers": 1,
    "decoder_num_heads": 2,
    "projection_size": 16,
}


def tiny_config(**overrides: Any) -> VAEmoConfig:
    """A model of three narrow blocks for pictures of 64 px."""
    return VAEmoConfig(**{**TINY, **overrides})


def tiny_model(seed: int = 0, *, is_fresh: bool = False, **overrides: Any) -> VAEmoForPreTraining:
    """The model with weights of this seed; unless `is_fresh`, its heads predict something other than the mean.

    A new model's heads are 0: its predictions hang on nothing, and a test that compares them would say nothing.
    """
    torch.manual_seed(seed)
    model = VAEmoForPreTraining(tiny_config(**overrides))
    if not is_fresh:
        for head in (model.decoder.video_head, model.decoder.audio_head):
            torch.nn.init.xavier_uniform_(head.weight)
    return model


def tiny_batch(num_clips: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """Random pictures in [-1, 1] and log-mel."""
    chance = torch.Generator().manual_seed(seed)
    return {
        "pixel_values_videos": torch.rand(num_clips, 16, 3, 64, 64, generator=chance) * 2 - 1,
        "input_features": torch.randn(num_clips, 256, 128, generator=chance),
    }
