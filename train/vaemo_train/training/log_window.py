"""What happened since the last log: means of losses and metrics, kept on the device until they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class LogWindow:
    """Sums of named values of this process, how often each came, and the clips and seconds of training between."""

    def __init__(self) -> None:
        """Begin an empty window."""
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._clips = 0
        self._began = time.monotonic()
        self._paused_s = 0.0

    def add(self, values: Mapping[str, Tensor], num_clips: int = 0) -> None:
        """Add scalars () of a batch; nothing is waited for."""
        for name, value in values.items():
            number = value.detach().to(torch.float32 if value.device.type == "mps" else torch.float64)
            self._sums[name] = self._sums[name] + number if name in self._sums else number
            self._counts[name] = self._counts.get(name, 0) + 1
        self._clips += num_clips

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the seconds of the block: monitoring, figures and checkpoints are no training."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._paused_s += time.monotonic() - began

    def state(self) -> dict[str, Any]:
        """Return sums, counts and clips as numbers that JSON keeps whole."""
        return {
            "sums": {name: value.item() for name, value in self._sums.items()},
            "counts": self._counts,
            "clips": self._clips,
            "seconds": self._seconds(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with a window that was saved."""
        self._sums = {name: torch.tensor(value, dtype=torch.float64) for name, value in state["sums"].items()}
        self._counts = dict(state["counts"])
        self._clips = state["clips"]
        self._began, self._paused_s = time.monotonic() - state["seconds"], 0.0

    def drain(self) -> dict[str, float]:
        """Return the means over the window and over all processes, and clips per second; begin anew."""
        states = [self.state()]
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            gathered: list[Any] = [None] * dist.get_world_size()
            dist.all_gather_object(gathered, states[0])
            states = gathered
        names = dict.fromkeys(name for state in states for name in state["sums"])
        means = {
            name: sum(state["sums"].get(name, 0.0) for state in states)
            / sum(state["counts"].get(name, 0) for state in states)
            for name in names
        }
        seconds = max(max(state["seconds"] for state in states), 1e-9)
        means["clips_per_s"] = sum(state["clips"] for state in states) / seconds
        self._sums, self._counts, self._clips = {}, {}, 0
        self._began, self._paused_s = time.monotonic(), 0.0
        return means

    def _seconds(self) -> float:
        return time.monotonic() - self._began - self._paused_s
