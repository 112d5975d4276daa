"""Stand-ins for `probe` that die, hang, fail or count; workers import them."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from vaemo_clips.probe import MediaInfo, probe


def probe_that_dies(path: Path) -> MediaInfo:
    """Kill the worker on files named `killer*`."""
    if path.name.startswith("killer"):
        os.kill(os.getpid(), signal.SIGKILL)
    return probe(path)


def probe_that_hangs(path: Path) -> MediaInfo:
    """Never come back from files named `stuck*`."""
    if path.name.startswith("stuck"):
        threading.Event().wait()
    return probe(path)


def probe_that_must_not_run(path: Path) -> MediaInfo:
    """Turn every probe into a reject, to show that none took place."""
    raise RuntimeError(f"{path} was probed")


def probe_that_counts(path: Path) -> MediaInfo:
    """Leave one byte in `<file>.count` for every probe of the file."""
    with path.with_name(f"{path.name}.count").open("ab") as file:
        file.write(b".")
    return probe(path)
