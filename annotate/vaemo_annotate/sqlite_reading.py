"""SQLite files of a run folder opened by those who only read them, also where nothing can be written."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

_WAIT_S: Final = 60.0


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a database that is there, for any thread; neither it nor its settings are changed. Raises sqlite3.Error.

    A database with a write-ahead log needs files beside it even to be read (https://sqlite.org/wal.html, section 5).
    Where these cannot be made and no log waits to be read, it is opened as one that nobody changes. `mode=ro` is not
    asked for where they can be made: a reader that may not write leaves them behind.
    """
    try:
        return _opened(path, "mode=rw")
    except sqlite3.OperationalError:
        if _has_log(path):
            raise
        return _opened(path, "mode=ro&immutable=1")


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?{mode}"
    connection = sqlite3.connect(address, uri=True, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # what cannot be read says so here
    except BaseException:
        connection.close()
        raise
    return connection


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0
