"""Losses of classification and regression, and what they count.

B clips, C classes, K targets of a regression.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

_LEAST_VARIANCE = 1e-6


def class_targets(labels: Tensor, num_classes: int) -> Tensor:
    """Class numbers (B,) as shares of classes (B, C); shares are left as they are."""
    if labels.ndim == 2:
        return labels.float()
    return one_hot(labels.long(), num_classes).float()


def cross_entropy(
    logits_BC: Tensor, target_BC: Tensor, weight_B: Tensor, class_weight_C: Tensor | None, smoothing: float
) -> Tensor:
    """Mean over clips of the cross-entropy with smoothed targets (Szegedy et al. 2016, section 7), weighed by class.

    A clip weighs `weight_B` times its classes' weights; 0 leaves it out. Without any weight the loss is 0.
    """
    smooth_BC = (1 - smoothing) * target_BC + smoothing / target_BC.shape[1]
    loss_B = -(smooth_BC * logits_BC.log_softmax(dim=1)).sum(dim=1)
    if class_weight_C is not None:
        weight_B = weight_B * (target_BC @ class_weight_C)
    return (loss_B * weight_B).sum() / weight_B.sum().clamp(min=1e-6)


def mean_squared_error(value_BK: Tensor, target_BK: Tensor, weight_B: Tensor) -> Tensor:
    """Mean over clips and targets."""
    error_B = (value_BK - target_BK).square().mean(dim=1)
    return (error_B * weight_B).sum() / weight_B.sum().clamp(min=1e-6)


def one_minus_ccc(value_BK: Tensor, target_BK: Tensor, weight_B: Tensor) -> Tensor:
    """1 - the concordance (Lin 1989, eq. 2) of the batch, mean over targets (Trigeorgis et al., ICASSP 2016).

    Moments are those of the batch's own clips, so small batches make a rough estimate.
    """
    share_B1 = (weight_B / weight_B.sum().clamp(min=1e-6))[:, None]
    mean_x, mean_y = (share_B1 * value_BK).sum(0), (share_B1 * target_BK).sum(0)
    x, y = value_BK - mean_x, target_BK - mean_y
    covariance = (share_B1 * x * y).sum(0)
    spread = (share_B1 * x.square()).sum(0) + (share_B1 * y.square()).sum(0) + (mean_x - mean_y).square()
    return (1 - 2 * covariance / spread.clamp(min=_LEAST_VARIANCE)).mean()


@torch.no_grad()
def accuracy(logits_BC: Tensor, target_BC: Tensor, weight_B: Tensor) -> Tensor:
    """Share of the clips whose likeliest class is the one that is most of the target."""
    is_right_B = (logits_BC.argmax(dim=1) == target_BC.argmax(dim=1)).float()
    return (is_right_B * weight_B).sum() / weight_B.sum().clamp(min=1e-6)
