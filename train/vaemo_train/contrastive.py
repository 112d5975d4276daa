"""Symmetric InfoNCE between two views of clips, with negatives from all processes.

B clips of this process, G of all processes, P width of the projection.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Contrast:
    """`loss` (), how often the right clip comes first, `top1` (), what chance gives, and how many `pairs` took part.

    The mean of `loss` over processes is the loss of the joint batch; so is that of its gradient, as DDP takes it.
    """

    loss: Tensor
    top1: Tensor
    chance: Tensor
    pairs: Tensor


def overlapping(clip_B: Tensor, begin_s_B: Tensor, clip_G: Tensor, begin_s_G: Tensor, window_s: float) -> Tensor:
    """Which windows are of one clip and share a moment, (B, G); disjoint windows of a clip are honest negatives."""
    is_same_clip = clip_B[:, None] == clip_G[None, :]
    return is_same_clip & ((begin_s_B[:, None] - begin_s_G[None, :]).abs() < window_s - 1e-6)


def info_nce(
    first_BP: Tensor,
    second_BP: Tensor,
    temperature: float,
    *,
    is_pair_B: Tensor | None = None,
    clip_B: Tensor | None = None,
    begin_s_B: Tensor | None = None,
    window_s: float = 0.0,
) -> Contrast:
    """Contrast unit vectors: each of `first_BP` should find its own of `second_BP` among all, and the reverse.

    van den Oord et al. (2018), arXiv 1807.03748, equation 4, in both directions as in CLIP (Radford et al. 2021,
    figure 3). `is_pair_B` is False for a clip that lacks one view: it takes no part. Where `clip_B` and `begin_s_B`
    (seconds) are given, windows of `window_s` that overlap one another are no negatives. With torch.distributed
    running, the vectors of all processes are gathered, with gradients; B must be the same in each.
    """
    with torch.autocast(first_BP.device.type, enabled=False):
        return _info_nce(
            first_BP, second_BP, temperature, is_pair_B=is_pair_B, clip_B=clip_B, begin_s_B=begin_s_B, window_s=window_s
        )


def _info_nce(
    first_BP: Tensor,
    second_BP: Tensor,
    temperature: float,
    *,
    is_pair_B: Tensor | None,
    clip_B: Tensor | None,
    begin_s_B: Tensor | None,
    window_s: float,
) -> Contrast:
    first_GP, second_GP = gathered(first_BP), gathered(second_BP)
    rank = _rank()
    B, G = len(first_BP), len(first_GP)
    own_B = torch.arange(B, device=first_BP.device) + rank * B
    if is_pair_B is None:
        is_pair_B = torch.ones(B, dtype=torch.bool, device=first_BP.device)
    is_pair_G = gathered(is_pair_B)
    is_excluded_BG = ~is_pair_G[None, :].expand(B, G)
    if clip_B is not None and begin_s_B is not None:
        is_near_BG = overlapping(clip_B, begin_s_B, gathered(clip_B), gathered(begin_s_B), window_s)
        is_excluded_BG = is_excluded_BG | is_near_BG
    is_excluded_BG = is_excluded_BG.scatter(1, own_B[:, None], False)
    losses, hits = [], []
    for query_BP, gallery_GP in ((first_BP, second_GP), (second_BP, first_GP)):
        logits_BG = query_BP @ gallery_GP.T / temperature
        logits_BG = logits_BG.masked_fill(is_excluded_BG, float("-inf"))
        losses.append(torch.nn.functional.cross_entropy(logits_BG, own_B, reduction="none"))
        hits.append(logits_BG.argmax(dim=1) == own_B)
    num_pairs = is_pair_G.sum()
    # The mean over processes of (processes x local sum / joint count) is the joint mean.
    share = (G // B) / num_pairs.clamp(min=1)
    loss = share * ((losses[0] + losses[1]) / 2 * is_pair_B).sum()
    gallery_B = (~is_excluded_BG).sum(dim=1)
    local_pairs = is_pair_B.sum().clamp(min=1)
    top1 = ((hits[0].float() + hits[1].float()) / 2 * is_pair_B).sum() / local_pairs
    chance = (is_pair_B / gallery_B.clamp(min=1)).sum() / local_pairs
    return Contrast(loss, top1, chance, num_pairs)


def gathered(rows: Tensor) -> Tensor:
    """Rows of all processes in the order of their ranks; gradients flow back to the process that they came from."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows
    if rows.requires_grad:
        whole: Tensor = _Gather.apply(rows)
        return whole
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def _rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


class _Gather(torch.autograd.Function):
    """All-gather whose gradient is the sum over processes of what each wants of the rows."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> Tensor:
        total = grads[0].clone()  # it may be another consumer's too
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]
