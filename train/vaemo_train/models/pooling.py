"""Means over the tokens of a modality, and over the modalities that a clip has.

B clips, N tokens, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaemo_train.models.block import Layout

_VARIANCE_FLOOR = 1e-8  # the root has no gradient at 0


def pooled(hidden_BND: Tensor, layout: Layout) -> list[Tensor | None]:
    """Mean over the tokens of video and of audio that are no padding, (B, D) each."""
    means: list[Tensor | None] = []
    for span in layout.of_modalities():
        if span.start == span.stop:
            means.append(None)
        elif layout.is_padding_BN is None:
            means.append(hidden_BND[:, span].mean(dim=1))
        else:
            is_real_BN = ~layout.is_padding_BN[:, span]
            total_BD = (hidden_BND[:, span] * is_real_BN[..., None]).sum(dim=1)  # an einsum would be in bfloat16
            means.append(total_BD / is_real_BN.sum(dim=1, keepdim=True).clamp(min=1))
    return means


def statistics(hidden_BND: Tensor, layout: Layout) -> list[Tensor | None]:
    """Mean and standard deviation over the tokens of video and of audio that are no padding, (B, 2D) each.

    Statistics pooling (Snyder et al., Interspeech 2017, "Deep neural network embeddings for text-independent speaker
    verification", section 3.2): how much a voice or a face varies says as much of an emotion as its mean. The deviation
    is the population's (1 / n), in float32; of a clip without tokens both are 0.
    """
    found: list[Tensor | None] = []
    for mean_BD, span in zip(pooled(hidden_BND, layout), layout.of_modalities(), strict=True):
        if mean_BD is None:
            found.append(None)
            continue
        centre_BD = mean_BD.float()
        square_BND = (hidden_BND[:, span].float() - centre_BD[:, None]).square()
        if layout.is_padding_BN is None:
            variance_BD = square_BND.mean(dim=1)
        else:
            is_real_BN = ~layout.is_padding_BN[:, span]
            variance_BD = (square_BND * is_real_BN[..., None]).sum(dim=1)
            variance_BD = variance_BD / is_real_BN.sum(dim=1, keepdim=True).clamp(min=1)
        found.append(torch.cat([centre_BD, (variance_BD + _VARIANCE_FLOOR).sqrt() - _VARIANCE_FLOOR**0.5], dim=1))
    return found


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
