"""Means over the tokens of a modality, and over the modalities that a clip has.

B clips, N tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaemo_train.models.block import Layout


def pooled(hidden_BND: Tensor, layout: Layout) -> list[Tensor | None]:
    """Mean over the tokens of video and of audio that are no padding, (B, D) each."""
    means: list[Tensor | None] = []
    for begin, length in ((0, layout.num_video), (layout.num_video, layout.num_audio)):
        span = slice(begin, begin + length)
        if not length:
            means.append(None)
        elif layout.is_padding_BN is None:
            means.append(hidden_BND[:, span].mean(dim=1))
        else:
            is_real_BN = ~layout.is_padding_BN[:, span]
            total_BD = (hidden_BND[:, span] * is_real_BN[..., None]).sum(dim=1)  # an einsum would be in bfloat16
            means.append(total_BD / is_real_BN.sum(dim=1, keepdim=True).clamp(min=1))
    return means


def has_tokens(layout_padding_BN: Tensor | None, span: slice, batch_size: int, device: torch.device) -> Tensor:
    """Which clips have a token in `span` that is no padding, (B,)."""
    if layout_padding_BN is None:
        return torch.ones(batch_size, dtype=torch.bool, device=device)
    return ~layout_padding_BN[:, span].all(dim=1)


def mean_of_modalities(means: list[Tensor | None], layout: Layout) -> Tensor:
    """The mean of the modalities that each clip has, (B, D)."""
    spans = layout.spans(within=True)
    parts = [mean for mean in means if mean is not None]
    if len(parts) == 1:
        return parts[0]
    has_BM = torch.stack(
        [has_tokens(layout.is_padding_BN, span, len(parts[0]), parts[0].device) for span in spans], dim=1
    ).to(parts[0].dtype)
    total_BD = (torch.stack(parts, dim=1) * has_BM[..., None]).sum(dim=1)
    return total_BD / has_BM.sum(dim=1, keepdim=True).clamp(min=1)
