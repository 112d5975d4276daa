"""Files and folders that are written whole or not at all, by one writer at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaemo_clips.errors import RunFolderError


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Make the folder `path`, the value of --out, and hold it for one writer.

    Raises RunFolderError where another run holds it or it cannot be written to.
    """
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"--out {path} is a file; give a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise RunFolderError(f"--out {path} cannot be written ({error.strerror}); give another folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise RunFolderError(f"{path} is in use by another run; wait for it, or give another --out") from error
    except OSError as error:
        os.close(lock)
        raise RunFolderError(
            f"{path} is on a file system without locks ({error.strerror}); give an --out on a local disk"
        ) from error
    try:
        yield
    finally:
        os.close(lock)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, also where the power fails. Raises OSError, and leaves nothing behind."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def replace_folder(draft: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)
