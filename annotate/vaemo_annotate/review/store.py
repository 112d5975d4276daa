"""Where decisions are kept: OUT/reviews.sqlite, to which every decision is appended and nothing is ever changed.

One row an event: a decision, or the undoing of one. A decision is on the disk before its page is told so. Several
servers may write at once: SQLite's WAL orders them.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Container, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vaemo_annotate.review.decision import Decision
from vaemo_annotate.sqlite_reading import open_to_read
from vaemo_clips.errors import RunFolderError
from vaemo_clips.verdict import CaptionKey, Verdict

REVIEWS_FILE: Final = "reviews.sqlite"
STORE_VERSION: Final = 1
_WAIT_S = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, at TEXT NOT NULL, annotator TEXT NOT NULL,
  clip_id TEXT NOT NULL, sample_index INTEGER NOT NULL, word TEXT NOT NULL, reasons TEXT NOT NULL,
  fixed_description TEXT, caption_sha256 TEXT, undoes INTEGER UNIQUE REFERENCES events (number)
);
CREATE INDEX IF NOT EXISTS by_annotator ON events (annotator, number);
"""
_UNDO = "undo"
_STANDING = (
    "SELECT * FROM events WHERE word != 'undo'"
    " AND number NOT IN (SELECT undoes FROM events WHERE undoes IS NOT NULL)"
)  # fmt: skip


class ReviewStore:
    """The decisions on one run's captions; every method may be called from any thread."""

    def __init__(self, out: Path) -> None:
        """Name the file below the run folder `out`; it is made with the first decision."""
        self.path = out / REVIEWS_FILE

    def append(self, decision: Decision) -> bool:
        """Commit a decision; False where it had been sent before. Raises RunFolderError."""
        verdict = decision.verdict
        with self._writing() as connection:
            done = connection.execute(
                "INSERT OR IGNORE INTO events (event_id, at, annotator, clip_id, sample_index, word, reasons,"
                " fixed_description, caption_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    decision.decision_id, (verdict.at or datetime.now(UTC)).isoformat(), verdict.by, verdict.clip_id,
                    verdict.sample_index, verdict.verdict, json.dumps(verdict.reasons), verdict.fixed_description,
                    verdict.caption_sha256,
                ),
            )  # fmt: skip
            return done.rowcount == 1

    def undo(
        self, annotator: str, event_id: str, since: int = 0, among: Container[CaptionKey] | None = None
    ) -> CaptionKey | None:
        """Undo a person's last standing decision and return whose caption it was; None where none stands.

        Only decisions after event number `since` are undone, and only on the captions `among`, None meaning all.
        `event_id` names the undoing: sent twice it undoes once. Raises RunFolderError.
        """
        with self._writing() as connection:
            known = connection.execute("SELECT clip_id, sample_index FROM events WHERE event_id = ?", (event_id,))
            if (before := known.fetchone()) is not None:
                return _key(before)
            own = f"{_STANDING} AND annotator = ? AND number > ? ORDER BY number DESC"
            latest = connection.execute(own, (annotator, since))
            row = next((one for one in latest if among is None or _key(one) in among), None)
            if row is None:
                return None
            connection.execute(
                "INSERT INTO events (event_id, at, annotator, clip_id, sample_index, word, reasons, undoes)"
                " VALUES (?, ?, ?, ?, ?, ?, '[]', ?)",
                (
                    event_id, datetime.now(UTC).isoformat(), annotator, row["clip_id"], row["sample_index"], _UNDO,
                    row["number"],
                ),
            )  # fmt: skip
            return _key(row)

    def verdicts(self) -> list[Verdict]:
        """Return each person's last standing decision on each caption, oldest first. Raises RunFolderError."""
        last: dict[tuple[CaptionKey, str], Verdict] = {}
        for row in self._rows(f"{_STANDING} ORDER BY number"):
            verdict = _verdict(row)
            last.pop((verdict.key, verdict.by), None)
            last[verdict.key, verdict.by] = verdict
        return list(last.values())

    def ever_judged(self) -> frozenset[tuple[CaptionKey, str]]:
        """Return (caption, person) of every decision, those that were undone included. Raises RunFolderError."""
        rows = self._rows("SELECT DISTINCT clip_id, sample_index, annotator FROM events")
        return frozenset((_key(row), row["annotator"]) for row in rows)

    def annotators(self) -> list[str]:
        """Return the names of all who ever decided, in the order of their first decisions. Raises RunFolderError."""
        rows = self._rows("SELECT annotator FROM events GROUP BY annotator ORDER BY MIN(number)")
        return [row["annotator"] for row in rows]

    def num_events(self) -> int:
        """Return a number that grows with every event."""
        return int(next(iter(self._rows("SELECT COALESCE(MAX(number), 0) AS last FROM events")), {"last": 0})["last"])

    def _rows(self, query: str) -> list[Mapping[str, Any]]:
        if not self.path.exists():
            return []
        try:
            with closing(open_to_read(self.path)) as connection:
                connection.row_factory = sqlite3.Row
                return connection.execute(query).fetchall() if _version(connection, self.path) else []
        except sqlite3.Error as error:
            raise RunFolderError(
                f"{self.path} cannot be used ({error}); let it be read, or copy the run to a folder that can be "
                "written; what is in it is kept"
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which holds other writers off from its begin: what is read in it stays true."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each call: SQLite's belong to one thread."""
        try:
            with closing(_connect(self.path)) as connection:
                yield connection
        except sqlite3.Error as error:
            raise RunFolderError(
                f"{self.path} cannot be used ({error}); free disk space or check the file, what is in it is kept"
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")
        if _version(connection, path) < STORE_VERSION:
            _make_tables(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables, 0 where there are none yet. Raises RunFolderError for one of the future."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > STORE_VERSION:
        raise RunFolderError(
            f"{path} is of version {version}, this program reads version {STORE_VERSION}; "
            "update it: pip install -U vaemo"
        )
    return version


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Make the file what it should be; one process at a time, since a change to WAL does not wait for others."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {STORE_VERSION}; COMMIT;")


def _key(row: Mapping[str, Any]) -> CaptionKey:
    return row["clip_id"], row["sample_index"]


def _verdict(row: Mapping[str, Any]) -> Verdict:
    return Verdict(
        clip_id=row["clip_id"],
        sample_index=row["sample_index"],
        verdict=row["word"],
        reasons=tuple(json.loads(row["reasons"])),
        by=row["annotator"],
        at=datetime.fromisoformat(row["at"]),
        fixed_description=row["fixed_description"],
        caption_sha256=row["caption_sha256"],
    )
