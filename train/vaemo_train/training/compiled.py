"""torch.compile, block by block."""

from __future__ import annotations

import torch
from torch import nn

from vaemo_train.models.block import Block
from vaemo_train.models.decoder import DecoderBlock


def compile_blocks(model: nn.Module) -> None:
    """Compile each transformer block in place: one graph serves them all, and the model's names stay as they are."""
    torch._dynamo.config.recompile_limit = 64  # two scopes, three kinds of batch, with and without padding
    for module in model.modules():
        if isinstance(module, Block | DecoderBlock):
            module.compile(dynamic=False)
