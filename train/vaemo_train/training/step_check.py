"""Whether a step may be taken: its losses and its gradient are numbers. What is told where they are not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_SHOWN_ROWS = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """The losses of one batch of the step under way, `values` () by `names`, and its rows of the shards (B,)."""

    names: list[str]
    values: Tensor
    rows: Tensor


def is_broken(seen: Sequence[Seen], norm: Tensor) -> Tensor:
    """Whether a loss or the gradient's norm is no number: () on the device, 1 or 0; nothing is waited for."""
    values = torch.cat([*(batch.values for batch in seen), norm.float().reshape(1)])
    return (~values.isfinite().all()).float()


def fault_of_step(seen: Iterable[Seen], model: nn.Module, norm: Tensor) -> str:
    """Say what is no number, and on which rows or in which weight."""
    for batch in seen:
        faults = [
            f"{name} is {value}"
            for name, value in zip(batch.names, batch.values.tolist(), strict=True)
            if not math.isfinite(value)
        ]
        if faults:
            return f"the loss is no number: {', '.join(faults)}, for the rows {_shown(batch.rows)} of the shards"
    for name, weight in model.named_parameters():
        if weight.grad is not None and not bool(weight.grad.isfinite().all()):
            return f"the gradient's norm is {float(norm)}, first in {name}"
    return "a loss or the gradient of another process is no number"


def _shown(rows: Tensor) -> str:
    words = ", ".join(map(str, rows[:_SHOWN_ROWS].tolist()))
    return f"{words} and {len(rows) - _SHOWN_ROWS} more" if len(rows) > _SHOWN_ROWS else words
