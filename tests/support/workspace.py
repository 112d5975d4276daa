"""A user's workspace for tests: a small manifest, prompts, and the command line run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from tests.support.servers import REPOSITORY

PROMPTS = REPOSITORY / "prompts"
COMMAND = [sys.executable, "-c", "from vaemo_annotate.cli import main; main()"]
VARYING = ("created_at",)
"""Columns that differ between two equal runs; of the steps, `latency_s` and `attempts`."""


@dataclass(frozen=True)
class Workspace:
    """A folder with `clips.parquet`."""

    folder: Path

    @property
    def manifest(self) -> Path:
        """Return the manifest."""
        return self.folder / "clips.parquet"

    def run_command(self, endpoint: str, out: str = "out", prompt: Path | None = None, **options: Any) -> list[str]:
        """Return the command of a run against an endpoint, without canaries unless `canaries` says otherwise."""
        arguments = ["run", "--prompt", str(prompt or PROMPTS / "cot_v2.yaml"), "--clips", str(self.manifest)]
        arguments += ["--out", str(self.folder / out), "--endpoint", endpoint]
        for name, value in ({"canaries": "off"} | options).items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        return [*COMMAND, *arguments]

    def run(self, endpoint: str, out: str = "out", **options: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return call(self.run_command(endpoint, out, **options))

    def dataset(self, out: str = "out", part: str = "dataset") -> Any:
        """Load what a run wrote."""
        return datasets.load_from_disk(str(self.folder / out / part))

    def comparable(self, out: str = "out", part: str = "dataset") -> list[dict[str, Any]]:
        """Return the rows without times, latencies and attempts."""
        return [comparable_row(row) for row in self.dataset(out, part)]


def comparable_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what may differ between two equal runs."""
    steps = [{k: v for k, v in step.items() if k not in ("latency_s", "attempts")} for step in row["steps"]]
    return {**{k: v for k, v in row.items() if k not in VARYING}, "steps": steps}


def call(
    command: list[str], timeout_s: float = 240, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would; nothing of the caller's endpoint or key leaks in."""
    full = {**clean_environment(), **(environment or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=full)


def annotate(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `vaemo-annotate` with these arguments."""
    return call([*COMMAND, *(str(argument) for argument in arguments)], environment=environment)


def clean_environment() -> dict[str, str]:
    """Return our environment without settings of the toolkit."""
    hidden = ("VAEMO_ENDPOINT", "VAEMO_API_KEY", "OPENAI_API_KEY", "HF_TOKEN")
    return {name: value for name, value in os.environ.items() if name not in hidden} | {"COLUMNS": "160"}
