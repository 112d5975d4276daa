"""From the tokens of a layer to one vector for video and one for audio, in the ways that can be asked for.

B clips, N tokens, D width, F values of a vector.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vaemo_train.models.band_pooling import band_statistics, num_bands
from vaemo_train.models.block import Layout
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.pooling import pooled, statistics

Pooling = Literal["mean", "statistics", "bands"]


def pool_tokens(
    hidden_BND: Tensor,
    layout: Layout,
    pooling: str,
    config: VAEmoConfig,
    visible: tuple[Tensor | None, Tensor | None] = (None, None),
) -> list[Tensor | None]:
    """Mean, mean and deviation, or these for each band, of the tokens of video and of audio, (B, F) float32 each.

    `visible` (B, V) are the places of the tokens of video and of audio, None for all in order.
    """
    if pooling == "bands":
        return band_statistics(hidden_BND, layout, visible, config)
    pool = statistics if pooling == "statistics" else pooled
    return [None if one is None else one.float() for one in pool(hidden_BND, layout)]


def pooled_width(modality: int, pooling: str, config: VAEmoConfig) -> int:
    """F of a modality."""
    if pooling == "mean":
        return config.hidden_size
    return 2 * config.hidden_size * (num_bands(modality, config) if pooling == "bands" else 1)
