"""The reconstruction losses of stage 1: pure functions of targets and predictions.

B clips, K tokens, P values of a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from vaemo_train.models.config import VAEmoConfig


def normalised(values_BKP: Tensor, std_floor: float) -> Tensor:
    """Values of each token less their mean, over their standard deviation or the floor, whichever is larger.

    He et al. (2022), MAE, section 4.1; the floor keeps flat patches from being all noise.
    """
    mean = values_BKP.mean(dim=-1, keepdim=True)
    centred = values_BKP - mean
    std = centred.square().mean(dim=-1, keepdim=True).sqrt()
    return centred / std.clamp(min=std_floor)


def video_targets(tubelet_BKP: Tensor, config: VAEmoConfig) -> Tensor:
    """Normalised pixels, then normalised differences of consecutive pictures, (B, K, num_pixels + num_motion)."""
    B, K, _ = tubelet_BKP.shape
    # (B, K, T * C * 16 * 16) -> (B, K, T, C * 16 * 16) -> differences (B, K, (T - 1) * C * 16 * 16)
    frames = tubelet_BKP.view(B, K, config.tubelet_frames, -1)
    motion = frames.diff(dim=2).reshape(B, K, -1)
    return torch.cat(
        [normalised(tubelet_BKP, config.pixel_std_floor), normalised(motion, config.motion_std_floor)], dim=-1
    )


def audio_targets(patch_BKP: Tensor, config: VAEmoConfig) -> Tensor:
    """Normalised log-mel patches, (B, K, 256)."""
    return normalised(patch_BKP, config.mel_std_floor)


def token_errors(prediction_BKP: Tensor, target_BKP: Tensor) -> Tensor:
    """Mean squared error of each token, (B, K), in float32."""
    return (prediction_BKP.float() - target_BKP.float()).square().mean(dim=-1)


def weighted_mean(error_BK: Tensor, weight_BK: Tensor) -> Tensor:
    """Sum of errors times weights (), which sum to 1; a weight of 0 leaves out even an error that is no number."""
    return torch.where(weight_BK > 0, error_BK * weight_BK, 0.0).sum()


def total_loss(parts: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of the parts that there are."""
    return torch.stack([weights[name] * part for name, part in parts.items()]).sum()
