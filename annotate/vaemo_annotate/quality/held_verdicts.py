"""Verdicts in a dataset's order, found by their caption also where captions came or went since, in bounded memory."""

from __future__ import annotations

import pickle
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from vaemo_clips.errors import RunFolderError
from vaemo_clips.verdict import CaptionKey, Verdict

_TABLES = """
CREATE TABLE verdicts (clip_id TEXT, sample INTEGER, verdict BLOB);
CREATE INDEX keys ON verdicts (clip_id, sample);
"""


class HeldVerdicts:
    """Gives out one verdict a caption, in any order; cheapest in the order in which they are listed.

    As long as captions come as listed, one verdict is held. With the first that does not, all others go to a file of
    their own, which goes with the block. Use as a context manager.
    """

    def __init__(self, listed: Iterator[Verdict]) -> None:
        """Take the verdicts, one a caption."""
        self._listed = listed
        self._next = next(listed, None)
        self._rest: sqlite3.Connection | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> HeldVerdicts:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the file away, where there is one."""
        if self._rest is not None:
            self._rest.close()
        if self._folder is not None:
            self._folder.cleanup()

    def take(self, key: CaptionKey) -> Verdict | None:
        """Return the verdict on a caption, once; None where there is none. Raises RunFolderError, CaptionError."""
        if self._next is not None and self._next.key == key:
            found, self._next = self._next, next(self._listed, None)
            return found
        if self._next is None and self._rest is None:
            return None
        try:
            return self._take_from(self._rest or self._hold_the_rest(), key)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def num_left(self) -> int:
        """Return how many verdicts nobody took, and let them go."""
        left = (self._next is not None) + sum(1 for _ in self._listed)
        self._next = None
        if self._rest is not None:
            left += self._rest.execute("SELECT count(*) FROM verdicts").fetchone()[0]
        return left

    def _hold_the_rest(self) -> sqlite3.Connection:
        self._folder = tempfile.TemporaryDirectory(prefix="vaemo-verdicts-")
        self._rest = sqlite3.connect(Path(self._folder.name) / "verdicts.sqlite", isolation_level=None)
        self._rest.executescript(f"PRAGMA journal_mode = OFF; {_TABLES} BEGIN;")
        self._rest.executemany("INSERT INTO verdicts VALUES (?, ?, ?)", self._rows())
        return self._rest

    def _rows(self) -> Iterator[tuple[str, int, bytes]]:
        while self._next is not None:
            yield *self._next.key, pickle.dumps(self._next)
            self._next = next(self._listed, None)

    def _take_from(self, rest: sqlite3.Connection, key: CaptionKey) -> Verdict | None:
        row = rest.execute(
            "SELECT rowid, verdict FROM verdicts WHERE clip_id = ? AND sample = ? ORDER BY rowid LIMIT 1", key
        ).fetchone()
        if row is None:
            return None
        rest.execute("DELETE FROM verdicts WHERE rowid = ?", row[:1])
        verdict: Verdict = pickle.loads(row[1])  # written by this process
        return verdict

    def _failure(self, error: Exception) -> RunFolderError:
        folder = self._folder.name if self._folder else tempfile.gettempdir()
        return RunFolderError(f"{folder} cannot be written ({error}); free disk space, or set TMPDIR to another disk")
