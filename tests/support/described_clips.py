"""A tiny model of stage 2, and descriptions and padding for `tiny_batch`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tests.support.tiny_vaemo import tiny_config
from vaemo_train.models import ALIGNMENT_PATHS, VAEmoForCaptionAlignment

NO_STAGE1: dict[str, float] = {"video_pixels": 0.0, "video_motion": 0.0, "audio": 0.0, "contrastive": 0.0}
WHOLE: dict[str, Any] = {"video_mask_ratio": 0.0, "audio_mask_ratio": 0.0, "loss_weights": NO_STAGE1}
"""Settings of a model that hides nothing."""
SMALL: dict[str, Any] = {"text_size": 12, "alignment_size": 16}
TEXT_WEIGHT = "alignment.text.visual.projection.weight"


def described_model(seed: int = 0, **overrides: Any) -> VAEmoForCaptionAlignment:
    """The model with weights of this seed and no loss of stage 1 unless given."""
    torch.manual_seed(seed)
    return VAEmoForCaptionAlignment(tiny_config(**{**SMALL, "loss_weights": NO_STAGE1, **overrides}))


def random_texts(
    num_clips: int = 4, seed: int = 0, paths: tuple[str, ...] = ALIGNMENT_PATHS
) -> dict[str, dict[str, Tensor]]:
    """A description of each clip on each path, no two alike, as the model takes them."""
    chance = torch.Generator().manual_seed(seed)
    return {
        "text_embeds": {path: normalize(torch.randn(num_clips, 12, generator=chance), dim=1) for path in paths},
        "text_ids": {path: torch.arange(num_clips) for path in paths},
        "has_text": {path: torch.ones(num_clips, dtype=torch.bool) for path in paths},
    }


def lacking_padding() -> dict[str, Any]:
    """Clip 1 has no picture, clip 2 no sound, clip 3 is short."""
    video, audio = torch.zeros(4, 16, dtype=torch.bool), torch.zeros(4, 256, dtype=torch.bool)
    video[1], audio[2], video[3, 8:], audio[3, 128:] = True, True, True, True
    return {"video_padding_mask": video, "audio_padding_mask": audio}


@contextmanager
def upper_runs(model: VAEmoForCaptionAlignment) -> Iterator[list[tuple[int, bool]]]:
    """How many tokens of a clip go through the upper blocks, run by run, and whether modalities are kept apart."""
    runs: list[tuple[int, bool]] = []
    hook = model.vaemo.upper[0].register_forward_pre_hook(
        lambda _, inputs, named: runs.append((inputs[0].shape[1], named["within"])), with_kwargs=True
    )
    yield runs
    hook.remove()
