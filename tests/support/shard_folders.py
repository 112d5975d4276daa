"""Small manifests for shards, and what tests read from a folder of them."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError
from vaemo_clips.index import index
from vaemo_train.cli import main
from vaemo_train.shards.prepare import PrepareOptions, PrepareSummary, prepare
from vaemo_train.shards.prepared import PreparedClip, prepare_clip
from vaemo_train.shards.row import ShardSettings

COMMAND = [sys.executable, "-m", "vaemo_train.cli"]


def write_manifest(path: Path, rows: Sequence[Mapping[str, Any]], root: Path) -> Path:
    """Index `rows` (columns of a source table) of files below `root`."""
    table = path.with_suffix(".csv")
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    index(table, path, root=root, workers=1)
    return path


def segments(root: Path, seconds: float, names: Sequence[str], each: int) -> list[dict[str, Any]]:
    """Rows of `each` consecutive segments of every file."""
    return [
        {"clip_id": f"{Path(name).stem}-{k}", "path": name, "start_s": k * seconds, "end_s": (k + 1) * seconds,
         "label": f"label {k % 3}"}
        for name in names
        for k in range(each)
    ]  # fmt: skip


def shards_of(manifest: Path, out: Path, modality: str = "any", workers: int = 1, **options: Any) -> PrepareSummary:
    """Prepare in this process."""
    settings = ShardSettings(modality=modality)
    return prepare(PrepareOptions(clips=manifest, out=out, settings=settings, workers=workers, **options))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its name, without the lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rejects_of(folder: Path) -> dict[str, str]:
    """Reasons of the rejects by clip_id."""
    table = pq.read_table(folder / "rejects.parquet")
    return dict(zip(*(table.column(name).to_pylist() for name in ("clip_id", "reject_reason")), strict=True))


@dataclass(frozen=True, slots=True)
class Called:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def vaemo_train_here(*arguments: str | Path) -> Called:
    """Run `vaemo-train` in this process: the same as a user's but for the start of Python, which takes most of it."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["vaemo-train", *(str(argument) for argument in arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        sys.argv = before
    return Called(code, out.getvalue(), err.getvalue())


def vaemo_train(*arguments: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `vaemo-train` as a user would."""
    command = [*COMMAND, *(str(argument) for argument in arguments)]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment)


def rejects_as_told(path: Path, clip: Clip, settings: ShardSettings) -> PreparedClip:
    """Prepare a clip, unless a file CLIP_ID.reason beside it holds the reason why it is rejected."""
    told = path.with_name(f"{clip.clip_id}.reason")
    if told.exists():
        raise MediaError(told.read_text(encoding="utf-8"), f"{clip.path}: as it was told")
    return prepare_clip(path, clip, settings)


def dies_or_hangs(path: Path, clip: Clip, settings: ShardSettings) -> PreparedClip:
    """Prepare a clip whose label tells what its decoder does."""
    if clip.extra["label"] == "dies":
        os.abort()
    if clip.extra["label"] == "hangs":
        time.sleep(60)
    if clip.extra["label"] == "fails":
        raise ValueError("what a decoder says")
    return prepare_clip(path, clip, settings)
