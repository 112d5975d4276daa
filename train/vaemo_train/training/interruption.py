"""Ctrl-C and SIGTERM: the step ends, a checkpoint is saved, the run stops; a second one stops it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_ECHO_S: Final = 2.0
"""torchrun sends on to its processes the Ctrl-C that the terminal has sent them too; that is one, not two."""


class Interruption:
    """Whether the run was asked to stop."""

    def __init__(self, num_processes: int = 1) -> None:
        """Nothing is asked yet; `heeded` begins to listen."""
        self.requested = False
        self._num_processes = num_processes
        self._asked_at = 0.0

    @contextmanager
    def heeded(self) -> Iterator[Interruption]:
        """Listen to SIGINT and SIGTERM while the block runs; only a main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.requested:
            self.requested = True
            self._asked_at = now
            words = b"\nstopping after this step and its checkpoint; Ctrl-C again stops at once\n"
            if os.environ.get("RANK", "0") == "0":
                os.write(2, words)
        elif self._num_processes == 1 or now - self._asked_at > _ECHO_S:
            raise KeyboardInterrupt
