"""What hides at each position on average: the decoder predicts what a token differs from it by.

Faces are aligned, so the mean of a position is already a face; a decoder that had to learn it from scratch would spend
its first thousand steps on that. B clips, K tokens, N positions, P values of a token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_HORIZON = 4096.0
"""Tokens of a position that its mean remembers."""


class TargetMeans(nn.Module):
    """Running means of the targets of every position; never trained, saved with the model.

    Under DDP every process goes by those of process 0, as with all running statistics.
    """

    mean_NP: Tensor
    count_N: Tensor

    def __init__(self, num_positions: int, num_values: int) -> None:
        super().__init__()
        self.register_buffer("mean_NP", torch.zeros(num_positions, num_values))
        self.register_buffer("count_N", torch.zeros(num_positions))

    def forward(self, index_BK: Tensor) -> Tensor:
        """The means of the named positions, (B, K, P)."""
        return self.mean_NP[index_BK]

    @torch.no_grad()
    def update(self, index_BK: Tensor, target_BKP: Tensor, is_real_BK: Tensor) -> None:
        """Take in a batch of targets, those of `is_real_BK`: a plain mean at first, a moving one past the horizon."""
        is_real_M = is_real_BK.flatten().float()
        index_M = index_BK.flatten()
        seen_N = torch.zeros_like(self.count_N).index_add_(0, index_M, is_real_M)
        # (B, K, P) -> (B * K, P)
        total_NP = torch.zeros_like(self.mean_NP).index_add_(0, index_M, target_BKP.flatten(0, 1) * is_real_M[:, None])
        self.count_N.add_(seen_N).clamp_(max=_HORIZON)
        self.mean_NP.add_((total_NP - seen_N[:, None] * self.mean_NP) / self.count_N.clamp(min=1)[:, None])
