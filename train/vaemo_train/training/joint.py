"""What one process does for all of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.distributed as dist

from vaemo_clips.errors import CheckpointError, UserError
from vaemo_train.training import environment
from vaemo_train.training.checkpoint import JointCheckpointError


def from_first(ask: Callable[[], Any], num_processes: int) -> Any:
    """Return on every process what process 0 finds; raise on every process what it raises."""
    if num_processes == 1:
        return ask()
    answer: list[Any] = [None, None]
    if environment.rank() == 0:
        try:
            answer[0] = ask()
        except CheckpointError as error:
            answer[1] = JointCheckpointError(str(error))
        except UserError as error:
            answer[1] = error
    dist.broadcast_object_list(answer, src=0)
    found, fault = answer
    if fault is not None:
        raise fault
    return found
