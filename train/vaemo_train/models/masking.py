"""Masks: which tokens the encoder does not see, and which of those the decoder is asked for.

B clips, S steps in time, L places of a step, N tokens = S * L, V visible, K chosen. True in `is_masked_BN` = hidden.
A padding token is neither visible nor masked.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Mask:
    """Of each clip the tokens that the encoder sees, `visible_BV`, and whether one is hidden, `is_masked_BN`.

    A clip with padding has fewer visible tokens than the others; the places left over in `visible_BV` are named by
    `is_unused_BV`, which is None where no clip has padding.
    """

    visible_BV: Tensor
    is_unused_BV: Tensor | None
    is_masked_BN: Tensor


@dataclass(frozen=True, slots=True)
class Targets:
    """Of each clip the hidden tokens to predict, `index_BK`, and the weight of each in the mean of a loss, `weight_BK`.

    The weights of a batch sum to 1, and each clip's to its share of all hidden tokens, so that the weighted sum is an
    unbiased estimate of the mean over every hidden token of the batch. With several processes it is that of the
    process's own batch: where one has more padding than another, its tokens count for more.
    """

    index_BK: Tensor
    weight_BK: Tensor


def num_hidden(num_tokens: int, ratio: float) -> int:
    """Tokens that are hidden out of `num_tokens`: rounded, and at least one stays visible."""
    return min(round(num_tokens * ratio), num_tokens - 1)


def tube_mask(
    batch_size: int,
    num_steps: int,
    num_places: int,
    ratio: float,
    generator: torch.Generator,
    is_padding_BN: Tensor | None = None,
) -> Mask:
    """Hide the same `ratio` of the places at every step (Tong et al. 2022, VideoMAE, section 3.3).

    Tokens are ordered by step, then by place.
    """
    device = generator.device
    num_visible = num_places - num_hidden(num_places, ratio)
    order_BL = torch.rand(batch_size, num_places, generator=generator, device=device).argsort(dim=1)
    places_BV = order_BL[:, :num_visible].sort(dim=1).values
    step_S = torch.arange(num_steps, device=device) * num_places
    # (B, S, V) -> (B, S * V)
    visible_BV = (step_S[None, :, None] + places_BV[:, None, :]).reshape(batch_size, -1)
    is_masked_BN = torch.ones(batch_size, num_steps * num_places, dtype=torch.bool, device=device)
    is_masked_BN.scatter_(1, visible_BV, False)
    if is_padding_BN is None:
        return Mask(visible_BV, None, is_masked_BN)
    return Mask(visible_BV, is_padding_BN.gather(1, visible_BV), is_masked_BN & ~is_padding_BN)


def random_mask(
    batch_size: int,
    num_tokens: int,
    ratio: float,
    generator: torch.Generator,
    is_padding_BN: Tensor | None = None,
) -> Mask:
    """Hide a random `ratio` of the tokens of every clip that are not padding."""
    device = generator.device
    num_visible = num_tokens - num_hidden(num_tokens, ratio)
    noise_BN = torch.rand(batch_size, num_tokens, generator=generator, device=device)
    if is_padding_BN is None:
        visible_BV = noise_BN.argsort(dim=1)[:, :num_visible].sort(dim=1).values
        is_masked_BN = torch.ones_like(noise_BN, dtype=torch.bool).scatter_(1, visible_BV, False)
        return Mask(visible_BV, None, is_masked_BN)
    order_BN = noise_BN.masked_fill(is_padding_BN, 2.0).argsort(dim=1)  # padding last
    real_B1 = (~is_padding_BN).sum(dim=1, keepdim=True)
    hidden_B1 = torch.minimum((real_B1 * ratio).round().long(), (real_B1 - 1).clamp(min=0))
    rank_1V = torch.arange(num_visible, device=device)[None]
    is_unused_BV = rank_1V >= real_B1 - hidden_B1
    visible_BV = order_BN[:, :num_visible]
    is_masked_BN = ~is_padding_BN
    is_masked_BN = is_masked_BN.scatter(1, visible_BV, is_masked_BN.gather(1, visible_BV) & is_unused_BV)
    return Mask(visible_BV, is_unused_BV, is_masked_BN)


def moment_mask(
    batch_size: int,
    num_steps: int,
    num_places: int,
    ratio: float,
    generator: torch.Generator,
    is_padding_BN: Tensor | None = None,
) -> Mask:
    """Hide a random `ratio` of the steps of every clip that are not padding, with all their places.

    Tokens are ordered by step, then by place; the places of a step are padding together.
    """
    is_padding_BS = None if is_padding_BN is None else is_padding_BN[:, ::num_places]
    steps = random_mask(batch_size, num_steps, ratio, generator, is_padding_BS)
    place_L = torch.arange(num_places, device=generator.device)
    # (B, V, L) -> (B, V * L)
    visible_BV = (steps.visible_BV[..., None] * num_places + place_L).flatten(1)
    is_unused_BV = None if steps.is_unused_BV is None else steps.is_unused_BV.repeat_interleave(num_places, dim=1)
    return Mask(visible_BV, is_unused_BV, steps.is_masked_BN.repeat_interleave(num_places, dim=1))


def sample_targets(is_masked_BN: Tensor, share: float, most: int, generator: torch.Generator) -> Targets:
    """Draw a `share` of each clip's hidden tokens, each once; `most` is the number that a whole clip has.

    At 0 nothing is drawn, K = 0; else one token or more.
    """
    device = is_masked_BN.device
    if share == 0:
        none_B0 = torch.empty(len(is_masked_BN), 0, device=device)
        return Targets(none_B0.long(), none_B0)
    num_drawn = max(1, round(share * most))
    noise_BN = torch.rand(is_masked_BN.shape, generator=generator, device=device)
    index_BK = noise_BN.masked_fill(~is_masked_BN, 2.0).argsort(dim=1)[:, :num_drawn]
    masked_B1 = is_masked_BN.sum(dim=1, keepdim=True)
    drawn_B1 = torch.minimum((masked_B1 * share).ceil().clamp(max=num_drawn), masked_B1.float())
    is_drawn_BK = torch.arange(num_drawn, device=device)[None] < drawn_B1
    weight_B1 = masked_B1 / (drawn_B1.clamp(min=1) * masked_B1.sum().clamp(min=1))
    return Targets(index_BK, weight_B1 * is_drawn_BK)
