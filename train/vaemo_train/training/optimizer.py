"""AdamW that shrinks matrices only."""

from __future__ import annotations

import torch
from torch import nn

from vaemo_train.training.settings import OptimSettings


def adamw(model: nn.Module, settings: OptimSettings, peak_lr: float) -> torch.optim.AdamW:
    """Return the optimizer of a model; weight decay is for the first of `decay_groups`."""
    matrices, others = decay_groups(model)
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=peak_lr,
        betas=settings.betas,
        fused=True,
    )


def decay_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the parameters that weight decay shrinks, the matrices of linear layers, and all others.

    Norms, biases, and learned tokens and embeddings are no matrices in this sense.
    """
    matrices = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return (
        [parameter for parameter in trained if id(parameter) in matrices],
        [parameter for parameter in trained if id(parameter) not in matrices],
    )
