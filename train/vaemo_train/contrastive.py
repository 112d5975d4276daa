"""Symmetric InfoNCE, between two views of clips and between clips and descriptions, with negatives from all processes.

B clips of this process, G of all processes, P width of the projection, E width of a text embedding.
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

    def metrics(self, name: str) -> dict[str, Tensor]:
        """What logs say of it, by name."""
        return {f"{name}_top1": self.top1, f"{name}_chance": self.chance, f"{name}_pairs": self.pairs}


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


def caption_info_nce(
    clip_BP: Tensor,
    text_BP: Tensor,
    scale: Tensor,
    *,
    is_pair_B: Tensor,
    text_id_B: Tensor,
    clip_B: Tensor | None = None,
    similarity_BE: Tensor | None = None,
    soft_share: float = 0.0,
    soft_temperature: float = 0.1,
) -> Contrast:
    """Contrast unit vectors of clips with those of their descriptions, at logits `scale` () times their cosine.

    A clip's positives are the descriptions with its own's `text_id_B`, and those of windows with its own `clip_B`
    number; its target is uniform over them: Khosla et al. (2020), arXiv 2004.11362, equation 2, in both directions. A
    `soft_share` of the target goes to all descriptions instead, by the softmax of their cosines with its own over
    `soft_temperature`; `similarity_BE` are the texts as unit vectors, from a model that is not trained. The sum of
    both is a target of cross-entropy: a description of the same feeling in other words is no plain negative.
    Clips that `is_pair_B` leaves out take no part, not as negatives either. `top1` counts any positive, over the
    joint batch. Raises ValueError for a soft share without `similarity_BE`. Processes as in `info_nce`.
    """
    if soft_share > 0 and similarity_BE is None:
        raise ValueError(f"soft_share={soft_share} needs similarity_BE, the texts as unit vectors")
    with torch.autocast(clip_BP.device.type, enabled=False):
        pairs = _Pairs.of(len(clip_BP), is_pair_B, clip_BP.device)
        is_positive_BG = text_id_B[:, None] == gathered(text_id_B)[None, :]
        if clip_B is not None:
            is_positive_BG = is_positive_BG | (clip_B[:, None] == gathered(clip_B)[None, :])
        is_candidate_BG = pairs.with_own(pairs.is_pair_G.expand_as(is_positive_BG), True)
        is_positive_BG = pairs.with_own(is_positive_BG & is_candidate_BG, True)
        target_BG = is_positive_BG / is_positive_BG.sum(dim=1, keepdim=True)
        if soft_share > 0 and similarity_BE is not None:
            soft_BG = _likeness(similarity_BE, is_candidate_BG, soft_temperature)
            target_BG = (1 - soft_share) * target_BG + soft_share * soft_BG
        return _caption_contrast(clip_BP, text_BP, scale, target_BG, is_positive_BG, is_candidate_BG, pairs)


@torch.no_grad()
def _likeness(similarity_BE: Tensor, is_candidate_BG: Tensor, temperature: float) -> Tensor:
    """How alike texts are, each row a distribution over the candidates, (B, G)."""
    cosine_BG = similarity_BE @ gathered(similarity_BE).T
    return (cosine_BG / temperature).masked_fill(~is_candidate_BG, float("-inf")).softmax(dim=1)


def _caption_contrast(
    clip_BP: Tensor,
    text_BP: Tensor,
    scale: Tensor,
    target_BG: Tensor,
    is_positive_BG: Tensor,
    is_candidate_BG: Tensor,
    pairs: _Pairs,
) -> Contrast:
    """Cross-entropy with the same targets in both directions."""
    losses, hits = [], []
    for query_BP, gallery_GP in ((clip_BP, gathered(text_BP)), (text_BP, gathered(clip_BP))):
        logits_BG = (scale * (query_BP @ gallery_GP.T)).masked_fill(~is_candidate_BG, float("-inf"))
        surprise_BG = -logits_BG.log_softmax(dim=1).masked_fill(~is_candidate_BG, 0.0)  # 0 * inf is no number
        losses.append((target_BG * surprise_BG).sum(dim=1))
        hits.append(is_positive_BG.gather(1, logits_BG.argmax(dim=1, keepdim=True))[:, 0])
    rate_B = is_positive_BG.sum(dim=1) / is_candidate_BG.sum(dim=1)
    told_G2 = gathered(torch.stack([(hits[0].float() + hits[1].float()) / 2, rate_B], dim=1))
    told_2 = (told_G2 * pairs.is_pair_G[:, None]).sum(dim=0) / pairs.number.clamp(min=1)
    return Contrast(pairs.mean((losses[0] + losses[1]) / 2), told_2[0], told_2[1], pairs.number)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Which clips of this process and of all take part, and where this process's own stand among all."""

    is_pair_B: Tensor
    is_pair_G: Tensor
    own_B: Tensor
    number: Tensor

    @classmethod
    def of(cls, num_clips: int, is_pair_B: Tensor | None, device: torch.device) -> _Pairs:
        """Of a batch of so many clips in each process; all take part unless given."""
        if is_pair_B is None:
            is_pair_B = torch.ones(num_clips, dtype=torch.bool, device=device)
        is_pair_G = gathered(is_pair_B)
        own_B = torch.arange(num_clips, device=device) + _rank() * num_clips
        return cls(is_pair_B, is_pair_G, own_B, is_pair_G.sum())

    def with_own(self, flags_BG: Tensor, own: bool) -> Tensor:
        """The flags (B, G), with this one where a clip meets itself: even a row that does not count has a candidate."""
        return flags_BG.scatter(1, self.own_B[:, None], own)

    def mean(self, loss_B: Tensor) -> Tensor:
        """() so that the mean over processes of (processes x local sum / joint count) is the joint mean."""
        share = (len(self.is_pair_G) // len(self.is_pair_B)) / self.number.clamp(min=1)
        return share * (loss_B * self.is_pair_B).sum()


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
    pairs = _Pairs.of(len(first_BP), is_pair_B, first_BP.device)
    is_excluded_BG = ~pairs.is_pair_G.expand(len(first_BP), -1)
    if clip_B is not None and begin_s_B is not None:
        is_near_BG = overlapping(clip_B, begin_s_B, gathered(clip_B), gathered(begin_s_B), window_s)
        is_excluded_BG = is_excluded_BG | is_near_BG
    is_excluded_BG = pairs.with_own(is_excluded_BG, False)
    losses, hits = [], []
    for query_BP, gallery_GP in ((first_BP, second_GP), (second_BP, first_GP)):
        logits_BG = query_BP @ gallery_GP.T / temperature
        logits_BG = logits_BG.masked_fill(is_excluded_BG, float("-inf"))
        losses.append(torch.nn.functional.cross_entropy(logits_BG, pairs.own_B, reduction="none"))
        hits.append(logits_BG.argmax(dim=1) == pairs.own_B)
    gallery_B = (~is_excluded_BG).sum(dim=1)
    local_pairs = pairs.is_pair_B.sum().clamp(min=1)
    top1 = ((hits[0].float() + hits[1].float()) / 2 * pairs.is_pair_B).sum() / local_pairs
    chance = (pairs.is_pair_B / gallery_B.clamp(min=1)).sum() / local_pairs
    return Contrast(pairs.mean((losses[0] + losses[1]) / 2), top1, chance, pairs.number)


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
