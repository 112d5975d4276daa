"""OUT/verdicts.parquet as it is written: the software's verdicts in the dataset's order, people's beside them.

The software's rows are those of the last `check`. People's are those of OUT/reviews.sqlite, and of an older table those
of people who judge elsewhere. One writer at a time; readers find the old table or the new one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa

from vaemo_annotate.quality.caption_rows import caption_keys
from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.caption import VERDICT_SCHEMA
from vaemo_clips.errors import RunFolderError
from vaemo_clips.manifest import ParquetWriter
from vaemo_clips.verdict import VERDICTS_FILE, CaptionKey, Verdict, iter_verdicts

STRAY_FILE: Final = "verdicts.stray.parquet"
"""People's verdicts on captions that the dataset does not have (any more): kept, and counted again if these return."""
_ROWS_AT_ONCE: Final = 1000


def write_verdicts(out: Path, software: Iterable[Verdict] | None) -> None:
    """Write the table of the run folder `out`: `software` in the dataset's order, and people's rows.

    None keeps the software's rows as they are and renews the people's. Raises RunFolderError, CaptionError.
    """
    with _alone(out):
        people = people_verdicts(out)
        by_software = software_verdicts(out) if software is None else software
        draft = out / f".{VERDICTS_FILE}"
        write_table(draft, _joined(out, by_software, people))
        strays = [verdict for verdicts in people.values() for verdict in verdicts]
        # A verdict stands in one of the two files at any time, in both for a moment: strays that come are written
        # before the table takes its name, strays that return to it are taken away after.
        _write_strays(out / STRAY_FILE, [*_kept_strays(out, strays), *strays])
        draft.replace(out / VERDICTS_FILE)
        _write_strays(out / STRAY_FILE, strays)


def write_table(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write a verdict table whole, some rows in memory at a time. Raises OSError."""
    with ParquetWriter(path, VERDICT_SCHEMA) as writer:
        for rows in _in_batches(verdicts):
            writer.write(rows)


def software_verdicts(out: Path) -> Iterator[Verdict]:
    """Yield the verdicts that `check` left in the table, in its order. Raises CaptionError."""
    return (verdict for verdict in iter_verdicts(out / VERDICTS_FILE) if verdict.is_by_software)


def people_verdicts(out: Path) -> dict[CaptionKey, list[Verdict]]:
    """Return what people said of each caption: each person's newest verdict, oldest first.

    A verdict in a table does not count where reviews.sqlite knows better: the person changed it, or took it back.
    Raises CaptionError, RunFolderError.
    """
    from vaemo_annotate.review.store import ReviewStore

    store = ReviewStore(out)
    tables = chain.from_iterable(iter_verdicts(out / name, people_alone=True) for name in (STRAY_FILE, VERDICTS_FILE))
    known = store.ever_judged()
    newest: dict[tuple[CaptionKey, str], Verdict] = {}
    listed = (one for one in tables if not one.is_by_software and (one.key, one.by) not in known)
    for verdict in sorted(chain(listed, store.verdicts()), key=lambda one: one.age_key):
        newest.pop((verdict.key, verdict.by), None)
        newest[verdict.key, verdict.by] = verdict
    people: dict[CaptionKey, list[Verdict]] = {}
    for verdict in newest.values():
        people.setdefault(verdict.key, []).append(verdict)
    return people


def _joined(out: Path, software: Iterable[Verdict], people: dict[CaptionKey, list[Verdict]]) -> Iterator[Verdict]:
    """Yield the software's rows, each with the people's after it, which are taken out of `people`."""
    for verdict in software:
        yield verdict
        yield from people.pop(verdict.key, ())
    if people:
        for key in caption_keys(RunFolder(out).dataset):
            yield from people.pop(key, ())


def _in_batches(verdicts: Iterable[Verdict]) -> Iterator[pa.Table]:
    rows: list[Mapping[str, object]] = []
    for verdict in verdicts:
        rows.append(verdict.to_row())
        if len(rows) == _ROWS_AT_ONCE:
            yield pa.Table.from_pylist(rows, schema=VERDICT_SCHEMA)
            rows.clear()
    yield pa.Table.from_pylist(rows, schema=VERDICT_SCHEMA)


def _kept_strays(out: Path, newer: list[Verdict]) -> list[Verdict]:
    """Return the strays there are, without those that a newer one of the same person takes the place of."""
    judged = {(verdict.key, verdict.by) for verdict in newer}
    return [verdict for verdict in iter_verdicts(out / STRAY_FILE) if (verdict.key, verdict.by) not in judged]


def _write_strays(path: Path, verdicts: list[Verdict]) -> None:
    """Make `path` hold these, whole or as it was; no file where there are none. Raises OSError, CaptionError."""
    if not verdicts:
        path.unlink(missing_ok=True)
    elif verdicts != list(iter_verdicts(path)):
        draft = path.with_name(f".{path.name}")
        write_table(draft, verdicts)
        draft.replace(path)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Wait until no other process writes the table. Raises RunFolderError."""
    try:
        lock = os.open(out / ".verdicts.lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise RunFolderError(f"{out} cannot be written ({error.strerror}); let it be written, then again") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    except OSError as error:
        raise RunFolderError(
            f"{out / VERDICTS_FILE} cannot be written ({error.strerror}); free disk space or check the folder"
        ) from error
    finally:
        os.close(lock)
