"""The lines that every result needs: machine, versions, seed, command."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def describe_machine(module: str, packages: Sequence[str], seed: int | None = None) -> str:
    """Return processor, cores, versions, seed and load in one line, and the command in the next."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    seeded = "" if seed is None else f"seed {seed}; "
    command = shlex.join(["python", "-m", f"benchmarks.{module}", *sys.argv[1:]])
    return (
        f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}; "
        f"{versions}; {seeded}load {os.getloadavg()[0]:.1f}\n{command}"
    )
