"""Fixed sine-cosine positions in (time, height, width) and (time, mel); time is in seconds on one axis for both.

N tokens, D width. Half of the width says when, the other half where, so that a tubelet and an audio patch of the
same moment agree in the first half.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaemo_train.models.config import VAEmoConfig

_BASE = 10_000.0


def sine_cosine(position_N: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of positions at `width` / 2 frequencies, (N, width).

    Vaswani et al. (2017), section 3.5. Raises ValueError for an odd width.
    """
    if width % 2:
        raise ValueError(f"width={width} must be even")
    frequency = _BASE ** (-torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angle = position_N.to(torch.float64)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()


def video_positions(config: VAEmoConfig, width: int) -> Tensor:
    """Positions of all tubelets, (num_video_tokens, width), in the order time, height, width."""
    side = config.image_size // config.patch_size
    tubelet_s = config.tubelet_frames * config.frame_stride_s
    centre_s = (torch.arange(config.num_tubelets, dtype=torch.float64) + 0.5) * tubelet_s
    time, height, across = torch.meshgrid(
        centre_s, torch.arange(side, dtype=torch.float64), torch.arange(side, dtype=torch.float64), indexing="ij"
    )
    return torch.cat(
        [
            _time(time.flatten(), config, width // 2),
            sine_cosine(height.flatten(), width // 4),
            sine_cosine(across.flatten(), width // 4),
        ],
        dim=1,
    )


def audio_positions(config: VAEmoConfig, width: int) -> Tensor:
    """Positions of all audio patches, (num_audio_tokens, width), in the order time, mel."""
    patch_s = config.patch_size * config.audio_hop_s
    centre_s = (torch.arange(config.num_audio_frames // config.patch_size, dtype=torch.float64) + 0.5) * patch_s
    bands = torch.arange(config.num_mel_bins // config.patch_size, dtype=torch.float64)
    time, mel = torch.meshgrid(centre_s, bands, indexing="ij")
    return torch.cat([_time(time.flatten(), config, width // 2), sine_cosine(mel.flatten(), width // 2)], dim=1)


def _time(seconds_N: Tensor, config: VAEmoConfig, width: int) -> Tensor:
    """Seconds in units of the distance between two pictures."""
    return sine_cosine(seconds_N / config.frame_stride_s, width)
