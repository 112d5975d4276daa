"""A child server that never outlives us: its whole process group dies with this process, even by SIGKILL.

The child is started by a small guard process that holds one end of a pipe. When the pipe closes, because
we closed it or because we are gone, the guard kills the child's process group. A plain child would go on
holding the GPU after its parent was killed.

    python -m vaemo_annotate.engines.child LOG_FILE COMMAND [ARG ...]      (the guard; stdin is the pipe)
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_GRACE_SECONDS = 10.0


class Child:
    """A running child server."""

    def __init__(self, command: Sequence[str], log_path: Path, environment: Mapping[str, str]) -> None:
        """Start `command` under a guard, its output appended to `log_path`."""
        guard = [sys.executable, "-m", "vaemo_annotate.engines.child", str(log_path), *command]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, env=dict(environment), start_new_session=True)

    def exit_code(self) -> int | None:
        """Return the child's exit code, or None while it runs."""
        return self._guard.poll()

    def stop(self) -> None:
        """Kill the child's process group and wait for its end."""
        if self._guard.stdin:
            self._guard.stdin.close()
        self._guard.wait(timeout=_GRACE_SECONDS * 3)


def _guard(log_path: str, command: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.close(os.pidfd_open(os.getpid()))  # where Linux is older than 5.3, fail before anything is started
    with Path(log_path).open("ab") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    child_end = os.pidfd_open(child.pid)
    readable, _, _ = select.select([sys.stdin.fileno(), child_end], [], [])
    if child_end in readable:
        _signal_group(child.pid, signal.SIGKILL)  # the server is gone; its workers may not be
        return child.wait()
    _signal_group(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        select.select([child_end], [], [], max(0.0, deadline - time.monotonic()))
    _signal_group(child.pid, signal.SIGKILL)
    return child.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(_guard(sys.argv[1], sys.argv[2:]))
