"""What is at each position on average: the encoder sees, and the decoder predicts, what a token differs from it by.

Faces are aligned, so the means of all positions are already a face. A network that had to learn it, to tell what is
particular about a patch, would spend its first thousands of steps on that. B clips, K tokens, N positions, P values of
a token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_HORIZON = 4096.0
"""Tokens of a position that its mean remembers."""
_MOMENTUM = 0.01
_LEAST_VARIANCE = 1e-6


class PositionMeans(nn.Module):
    """Running means of the values of every position; never trained, saved with the model.

    Under DDP every process goes by those of process 0, as with all running statistics.
    """

    mean_NP: Tensor
    count_N: Tensor
    variance: Tensor
    num_batches: Tensor

    def __init__(self, num_positions: int, num_values: int) -> None:
        super().__init__()
        self.register_buffer("mean_NP", torch.zeros(num_positions, num_values))
        self.register_buffer("count_N", torch.zeros(num_positions))
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("num_batches", torch.zeros(()))

    def reset(self) -> None:
        """Forget everything; `from_pretrained` makes modules without values."""
        self.mean_NP.zero_()
        self.count_N.zero_()
        self.variance.fill_(1.0)
        self.num_batches.zero_()

    def forward(self, index_BK: Tensor) -> Tensor:
        """The means of the named positions, (B, K, P)."""
        return self.mean_NP[index_BK]

    def standardised(self, value_BKP: Tensor, index_BK: Tensor | None, is_padding_BK: Tensor | None) -> Tensor:
        """Tokens less the means of their positions, over one deviation for all, (B, K, P).

        All positions in order where no index is given. In training the statistics take the tokens in afterwards; the
        deviation is a running one over batches.
        """
        mean = self.mean_NP if index_BK is None else self.mean_NP[index_BK]
        centred_BKP = value_BKP - mean
        standard_BKP = centred_BKP / self.variance.sqrt()
        if self.training:
            if index_BK is None:
                index_BK = torch.arange(len(self.count_N), device=value_BKP.device).expand(len(value_BKP), -1)
            is_real_BK = torch.ones_like(index_BK, dtype=torch.bool) if is_padding_BK is None else ~is_padding_BK
            self.update(index_BK, value_BKP, is_real_BK)
            self._take_variance(centred_BKP, is_real_BK)
        return standard_BKP

    @torch.no_grad()
    def _take_variance(self, centred_BKP: Tensor, is_real_BK: Tensor) -> None:
        weight_BK1 = is_real_BK[..., None].to(centred_BKP.dtype)
        num_values = weight_BK1.sum() * centred_BKP.shape[-1]
        found = (centred_BKP.square() * weight_BK1).sum() / num_values.clamp(min=1)
        found = found.clamp(min=_LEAST_VARIANCE)
        self.num_batches.add_(num_values > 0)
        share = (1 / self.num_batches.clamp(min=1)).clamp(min=_MOMENTUM) * (num_values > 0)
        self.variance.lerp_(found, share)

    @torch.no_grad()
    def update(self, index_BK: Tensor, value_BKP: Tensor, is_real_BK: Tensor) -> None:
        """Take in a batch of tokens, those of `is_real_BK`: a plain mean at first, a moving one past the horizon."""
        is_real_M = is_real_BK.flatten().to(self.mean_NP.dtype)
        index_M = index_BK.flatten()
        seen_N = torch.zeros_like(self.count_N).index_add_(0, index_M, is_real_M)
        # (B, K, P) -> (B * K, P)
        total_NP = torch.zeros_like(self.mean_NP).index_add_(
            0, index_M, value_BKP.flatten(0, 1).to(self.mean_NP.dtype) * is_real_M[:, None]
        )
        self.count_N.add_(seen_N).clamp_(max=_HORIZON)
        self.mean_NP.add_((total_NP - seen_N[:, None] * self.mean_NP) / self.count_N.clamp(min=1)[:, None])
