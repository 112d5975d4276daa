"""Checkpoints that are whole or not there: written under a draft's name, marked with what they hold, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from vaemo_clips.errors import CheckpointError
from vaemo_train.training.environment import num_processes, rank

MARKER: Final = "checkpoint.json"
FORMAT_VERSION: Final = 1
_HASHED_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"step-(\d{7,})")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_WRITER_FAULTS: Final = ("PytorchStreamWriter", "inline_container", "basic_ios::clear")
"""How torch says that a file could not be written; it keeps no error number."""


def checkpoint_path(folder: Path, step: int) -> Path:
    """Return where the checkpoint after optimizer step `step` stands."""
    return folder / f"step-{step:07d}"


def draft_path(folder: Path, step: int) -> Path:
    """Return where that checkpoint is written to before it is whole."""
    return folder / f".step-{step:07d}.draft"


def step_of(checkpoint: Path) -> int:
    """Return the number of optimizer steps before a checkpoint."""
    found = _NAME.fullmatch(checkpoint.name)
    if found is None:
        raise CheckpointError(f"{checkpoint} is not named like a checkpoint, step-0001000; give one of a run")
    return int(found[1])


def checkpoints(folder: Path) -> list[Path]:
    """Return the finished checkpoints of a run, oldest first; drafts do not count."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=step_of)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint in `folder`, None where no step was saved yet.

    Raises CheckpointError where there are some and none is whole.
    """
    found = checkpoints(folder)
    faults = []
    for path in reversed(found):
        fault = checkpoint_fault(path)
        if fault is None:
            return path
        faults.append(f"{path.name}: {fault}")
    if faults:
        raise CheckpointError(
            f"{folder}: no checkpoint is whole ({'; '.join(faults)}); restore one, or begin anew with another --out"
        )
    return None


def damaged_checkpoints(folder: Path) -> list[str]:
    """Return what is wrong with the checkpoints that `last_checkpoint` passes over, a line each."""
    faults = []
    for path in reversed(checkpoints(folder)):
        fault = checkpoint_fault(path)
        if fault is None:
            break
        faults.append(f"{path}: {fault}; passed over")
    return faults


def checkpoint_fault(path: Path) -> str | None:
    """Return why a checkpoint is not whole, None where it is: its marker, the sizes, the digests of small files."""
    try:
        marker: dict[str, Any] = json.loads((path / MARKER).read_text(encoding="utf-8"))
        version, files = marker["format_version"], marker["files"]
    except FileNotFoundError:
        return f"{MARKER} is missing"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{MARKER} cannot be read ({type(error).__name__})"
    if version != FORMAT_VERSION:
        return f"is of format {version}, this version reads {FORMAT_VERSION}"
    for name, facts in files.items():
        fault = _file_fault(path / name, facts)
        if fault:
            return fault
    return None


def _file_fault(path: Path, facts: dict[str, Any]) -> str | None:
    if not path.is_file():
        return f"{path.name} is missing"
    size = path.stat().st_size
    if size != facts["bytes"]:
        return f"{path.name} has {size:,} bytes, not {facts['bytes']:,}"
    if facts["sha256"] is not None and _sha256(path) != facts["sha256"]:
        return f"{path.name} was changed"
    return None


class JointCheckpointError(CheckpointError):
    """A checkpoint that some process could not write; every process raises it with the same words."""


def fault_of(write: Callable[[], object], folder: Path, step: int) -> str | None:
    """Write a part of the draft of this step's checkpoint; return why the disk did not take it, None where it did.

    The words name the process, where there are several, and the last good checkpoint.
    """
    from safetensors import SafetensorError

    try:
        write()
    except (OSError, RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in _WRITER_FAULTS):
            raise
        where = f" by process {rank()}" if num_processes() > 1 else ""
        return f"{checkpoint_path(folder, step)} cannot be saved{where}: {_reason(error, folder)}; {_remedy(folder)}"
    return None


def finish(draft: Path, folder: Path, step: int, keep: int) -> Path:
    """Mark a draft as whole, give it its name, then remove all but the newest `keep` checkpoints.

    Raises OSError where the disk does not take it.
    """
    files = {}
    for path in sorted(path for path in draft.rglob("*") if path.is_file() and path.name != MARKER):
        _flush(path)
        size = path.stat().st_size
        files[str(path.relative_to(draft))] = {
            "bytes": size,
            "sha256": _sha256(path) if size <= _HASHED_BYTES else None,
        }
    marker = {"format_version": FORMAT_VERSION, "step": step, "files": files}
    (draft / MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
    _flush(draft / MARKER)
    target = checkpoint_path(folder, step)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    _flush(folder)
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def new_draft(folder: Path, step: int) -> Path:
    """Make an empty draft; those that a killed run left behind go."""
    folder.mkdir(parents=True, exist_ok=True)
    drop_drafts(folder)
    draft = draft_path(folder, step)
    draft.mkdir()
    return draft


def drop_drafts(folder: Path) -> None:
    """Remove all drafts of a run's checkpoints."""
    for left in folder.glob(".step-*.draft"):
        shutil.rmtree(left, ignore_errors=True)


def _reason(error: BaseException, folder: Path) -> str:
    """Return why a file could not be written, in a few words."""
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    free = _free_bytes(folder)
    if number in _FULL or "No space left" in text or "code: 28" in text or "quota" in text.lower():
        return f"the disk is full or a quota is used up ({free / 1e9:.1f} GB free)"
    if number is not None:
        return os.strerror(number)
    return f"a file could not be written, most likely for want of space ({free / 1e9:.1f} GB free)"


def _remedy(folder: Path) -> str:
    try:
        last = last_checkpoint(folder)
    except CheckpointError:
        last = None
    if last is None:
        return "no step was saved before; make room and begin anew"
    return f"the last good checkpoint is {last}: make room, and the same command with --resume goes on from there"


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _flush(path: Path) -> None:
    """Have the disk take a file or a folder's names: a full disk is told here, not after the rename."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # file systems that cannot
            raise
    finally:
        os.close(handle)
