"""The ledger: every reply is committed here before anything depends on it, so that a run resumes exactly.

One SQLite file in WAL mode. `attempts` holds the replies under the request's key (a remedy's attempts
stand under the same key), `media` the digests of what was decoded, so that a resumed run knows its keys
without decoding, and `outcomes` what became of each clip in the present pass over the manifest.

One thread writes. It commits everything that waits in its queue at once: a commit costs an fsync,
and callers are answered only when it is done.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from vaemo_annotate.reply import Reply
from vaemo_clips.errors import RunFolderError

LEDGER_VERSION = 1
# Large rows are appended and indexed; clustered by a random key, they would write 2.5 times as much to the disk.
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
  key BLOB NOT NULL, attempt INTEGER NOT NULL, step TEXT NOT NULL, clip_id TEXT NOT NULL, reply BLOB NOT NULL,
  PRIMARY KEY (key, attempt)
);
CREATE TABLE IF NOT EXISTS media (key BLOB PRIMARY KEY, facts BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
  position INTEGER NOT NULL, sample_index INTEGER NOT NULL, accepted INTEGER NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY (position, sample_index)
);
"""


@dataclass(frozen=True, slots=True)
class _Write:
    statement: str
    values: Sequence[Any]
    done: asyncio.Future[None] | None


class Ledger:
    """The ledger of one run folder; use as a context manager from inside a running event loop."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises RunFolderError for a ledger of a later version or a broken file."""
        self.path = path
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._held: dict[bytes, asyncio.Event] = {}
        try:
            self._reader = _connect(path)
            version = self._reader.execute("PRAGMA user_version").fetchone()[0]
            if version > LEDGER_VERSION:
                raise RunFolderError(
                    f"{path} is a ledger of version {version}, this release reads up to {LEDGER_VERSION}; upgrade vaemo"
                )
            self._reader.executescript(f"{_TABLES} PRAGMA user_version = {LEDGER_VERSION};")
        except sqlite3.DatabaseError as error:
            raise RunFolderError(
                f"{path} is no ledger that SQLite can read ({error}); restore it, or choose another --out"
            ) from error

    def __enter__(self) -> Ledger:
        """Start the writer. Raises RunFolderError."""
        try:
            connection = _connect(self.path)
        except sqlite3.Error as error:
            raise RunFolderError(_write_failure(self.path, error)) from error
        self._thread = threading.Thread(target=self._write_loop, args=(connection,), name="ledger-writer", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what is queued, then close."""
        self._closed = True
        self._queue.put(None)
        if self._thread:
            self._thread.join()
        self._reader.close()

    def meta(self) -> dict[str, str]:
        """Return the settings noted with the ledger."""
        return dict(self._reader.execute("SELECT name, value FROM meta"))

    def note_meta(self, values: Mapping[str, str]) -> None:
        """Note settings at once (before the writer starts)."""
        with self._reader:
            self._reader.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    def replies(self, key: bytes) -> list[Reply]:
        """Return the committed replies under a request key, in the order of their attempts."""
        rows = self._reader.execute("SELECT reply FROM attempts WHERE key = ? ORDER BY attempt", (key,))
        return [Reply.from_json(row[0]) for row in rows]

    @asynccontextmanager
    async def alone(self, key: bytes) -> AsyncIterator[None]:
        """Hold a request key: two clips with the same bytes wait for one another, and nothing is asked twice."""
        while key in self._held:
            await self._held[key].wait()
        self._held[key] = asyncio.Event()
        try:
            yield
        finally:
            self._held.pop(key).set()

    async def commit_reply(self, key: bytes, attempt: int, step: str, clip_id: str, reply: Reply) -> None:
        """Commit one reply; returns when it is on disk. Never overwrites."""
        await self._write("INSERT INTO attempts VALUES (?, ?, ?, ?, ?)", (key, attempt, step, clip_id, reply.to_json()))

    def media_facts(self, key: bytes) -> dict[str, Any] | None:
        """Return what was noted about a clip's decoded media, or None."""
        row = self._reader.execute("SELECT facts FROM media WHERE key = ?", (key,)).fetchone()
        return orjson.loads(row[0]) if row else None

    def note_media_facts(self, key: bytes, facts: dict[str, Any]) -> None:
        """Note facts of decoded media; it can be made again, so nobody waits for the commit."""
        self._queue.put(_Write("INSERT OR REPLACE INTO media VALUES (?, ?)", (key, orjson.dumps(facts)), None))

    def forget_outcomes(self) -> None:
        """Begin a new pass over the manifest (before the writer starts)."""
        with self._reader:
            self._reader.execute("DELETE FROM outcomes")

    async def commit_outcome(self, position: int, sample_index: int, accepted: bool, record: dict[str, Any]) -> None:
        """Commit what became of one sample of one clip in this pass."""
        values = (position, sample_index, int(accepted), orjson.dumps(record))
        await self._write("INSERT INTO outcomes VALUES (?, ?, ?, ?)", values)

    def outcomes(self, accepted: bool, first: int = 0, end: int = 2**62) -> Iterator[dict[str, Any]]:
        """Stream this pass's outcomes of the manifest rows [first, end), in the manifest's order."""
        rows = self._reader.execute(
            "SELECT position, sample_index, record FROM outcomes"
            " WHERE accepted = ? AND position >= ? AND position < ? ORDER BY position, sample_index",
            (int(accepted), first, end),
        )
        for position, sample_index, record in rows:
            yield {"position": position, "sample_index": sample_index, **orjson.loads(record)}

    async def _write(self, statement: str, values: Sequence[Any]) -> None:
        if self._failure:
            raise RunFolderError(_write_failure(self.path, self._failure)) from self._failure
        assert not self._closed, "the ledger is closed; nobody would answer"
        done = asyncio.get_running_loop().create_future()
        self._queue.put(_Write(statement, values, done))
        await done

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        """Take all that waits, write it in one transaction, answer the callers, until None comes."""
        finished = False
        while not finished:
            batch: list[_Write] = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if self._queue.empty():
                    break
                item = self._queue.get()
            finished = item is None
            if batch:
                self._write_batch(connection, batch)
        connection.close()

    def _write_batch(self, connection: sqlite3.Connection, batch: list[_Write]) -> None:
        """Write a batch whole. After a failure nothing more is written: an answer given is always true."""
        try:
            if self._failure is None:
                with connection:
                    for write in batch:
                        connection.execute(write.statement, write.values)
        except (sqlite3.Error, ValueError, OverflowError) as error:  # what SQLite refuses: lone surrogates, > 64 bits
            self._failure = error
        waiting = [write.done for write in batch if write.done is not None]
        if waiting:
            waiting[0].get_loop().call_soon_threadsafe(self._answer, waiting, self._failure)

    def _answer(self, waiting: list[asyncio.Future[None]], failure: BaseException | None) -> None:
        for done in waiting:
            if done.done():
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(RunFolderError(_write_failure(self.path, failure)))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _write_failure(path: Path, error: BaseException) -> str:
    return f"{path} cannot be written ({error}); free disk space or check the folder, then run again to resume"
