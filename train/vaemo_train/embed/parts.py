"""Embeddings on their way: parts of 256 clips in a hidden folder beside OUT, joined when all are there.

.OUT.parts/.lock                       held by the command that writes; stays, since another may have it open
.OUT.parts/clips.parquet               manifest of a folder of media files, and its rejects; stay, so that the same
                                       command later need not read files that have not changed
.OUT.parts/embed.json                  what the parts are of; another command with the same one goes on
.OUT.parts/part-00000.parquet          rows of the clips of a part
.OUT.parts/part-00000.rejects.parquet  those without a vector, where there are any
.OUT.parts/part-00000.json             what became of them; written last: the part is finished
OUT's rejects                          written before OUT
OUT                                    written last; then the parts are removed
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from vaemo_clips.errors import RunFolderError
from vaemo_clips.index import rejects_path as index_rejects_path
from vaemo_clips.manifest import ParquetWriter
from vaemo_clips.whole_file import write_text
from vaemo_train.embed.rejects import REJECTS_SCHEMA, check_rejects, rejects_path, rejects_table
from vaemo_train.embed.table import METADATA_KEY
from vaemo_train.shards.record import one_line

CLIPS_PER_PART = 256
MANIFEST = "clips.parquet"
_IDENTITY = "embed.json"
_STAY = (".lock", MANIFEST, index_rejects_path(Path(MANIFEST)).name)
_BY_DIGEST = ("model", "model_config", "preprocessor", "source")


class PartRecord(BaseModel):
    """What became of the clips of a part: accepted + rejected = clips; `rejects` counts them by reason."""

    model_config = ConfigDict(extra="forbid")

    clips: int
    accepted: int
    rows: int
    num_bytes: int
    rejects: dict[str, int]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one output file. `identity` is what they must all have in common, by name."""

    out: Path
    identity: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return parts_folder(self.out)

    def begin(self) -> list[PartRecord]:
        """Records of the parts that are there, from the first on. Raises RunFolderError for another command's."""
        path = self.folder / _IDENTITY
        if not path.exists():
            with _writing(self.out):
                write_text(path, json.dumps(dict(self.identity), indent=1))
        else:
            self._check(_read_json(path, self.folder))
        found: list[PartRecord] = []
        while (self.folder / f"{_name(len(found))}.json").exists():
            found.append(self._record(len(found)))
        return found

    def add(self, number: int, table: pa.Table, record: PartRecord, rejects: Sequence[Mapping[str, str]]) -> PartRecord:
        """Write a part, its rejects, then its record, each whole or not at all; return the record.

        Raises RunFolderError where they cannot be written.
        """
        path = self.folder / f"{_name(number)}.parquet"
        with _writing(self.out):
            _write_table(path, table)
            if rejects:
                _write_table(rejects_path(path), rejects_table(rejects))
            record = record.model_copy(update={"num_bytes": path.stat().st_size})
            write_text(path.with_suffix(".json"), record.model_dump_json())
        return record

    def join(self, records: Sequence[PartRecord], schema: pa.Schema, refused: Iterable[pa.Table]) -> None:
        """Write the rejects, `refused` before those of the parts, then OUT part by part, and remove the parts.

        Raises RunFolderError where they cannot be written, a part is damaged, or the rejects' name is taken.
        """
        check_rejects(self.out)
        names = [f"{_name(number)}.parquet" for number in range(len(records))]
        rejects = [rejects_path(Path(name)).name for name, one in zip(names, records, strict=True) if one.rejects]
        with _writing(self.out):
            _write_rejects(rejects_path(self.out), chain(refused, self._tables(rejects)))
            if sum(record.rows for record in records):
                _write_tables(self.out, schema, self._tables(names))
        self.remove()

    def remove(self) -> None:
        """Remove the parts, and last what they are of; the lock stays, which another command may have open."""
        last = self.folder / _IDENTITY
        for path in [one for one in self.folder.iterdir() if one.name not in (*_STAY, _IDENTITY)]:
            path.unlink(missing_ok=True)
        last.unlink(missing_ok=True)

    def _tables(self, names: Iterable[str]) -> Iterator[pa.Table]:
        for name in names:
            path = self.folder / name
            try:
                table = pq.read_table(path)
            except (pa.ArrowException, OSError) as error:
                raise RunFolderError(
                    f"{path}: damaged ({one_line(error)}); delete {self.folder} and run the same command again"
                ) from error
            yield table

    def _check(self, was: Mapping[str, Any]) -> None:
        told = difference(was, self.identity)
        if told is not None:
            raise RunFolderError(
                f"{self.out}: an unfinished command with {told}; run that one to its end, give another --out, or "
                f"delete {self.folder} to begin anew"
            )

    def _record(self, number: int) -> PartRecord:
        path = self.folder / f"{_name(number)}.json"
        table = path.with_suffix(".parquet")
        try:
            record = PartRecord.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise RunFolderError(f"{path}: damaged; delete it and run the same command again") from error
        if not table.exists() or table.stat().st_size != record.num_bytes:
            raise RunFolderError(f"{table}: missing or cut short; delete {path} and run the same command again")
        return record


def parts_folder(out: Path) -> Path:
    """The hidden folder beside an output file."""
    return out.with_name(f".{out.name}.parts")


def unwritable(out: Path, error: OSError) -> RunFolderError:
    """What to tell of an output that cannot be written."""
    return RunFolderError(f"{out} cannot be written ({error.strerror or error}); make room, run the same command again")


def count_rejects(records: Iterable[PartRecord]) -> Counter[str]:
    """How many clips of parts have no vector, by reason."""
    found: Counter[str] = Counter()
    for record in records:
        found.update(record.rejects)
    return found


def read_facts(out: Path) -> dict[str, Any]:
    """What the metadata of an embeddings file say. Raises RunFolderError for another file."""
    try:
        metadata = pq.read_schema(out).metadata or {}
        found: dict[str, Any] = json.loads(metadata[METADATA_KEY])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise RunFolderError(f"--out {out} is there and holds no embeddings; give another name") from error
    return found


def difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first thing in which two commands differ, in words; None where they are the same."""
    for name in dict.fromkeys([*was, *now]):
        if was.get(name) != now.get(name):
            old, new = was.get(name), now.get(name)
            shown = name.replace("_", " ")
            return f"another {shown}" if name in _BY_DIGEST else f"{shown} {old}, not {new}"
    return None


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(out, error) from error


def _name(number: int) -> str:
    return f"part-{number:05d}"


def _read_json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: damaged; delete {folder} to begin anew") from error
    return found


def _write_rejects(path: Path, tables: Iterable[pa.Table]) -> None:
    with ParquetWriter(path, REJECTS_SCHEMA) as writer:
        for table in tables:
            writer.write(table)


def _write_table(path: Path, table: pa.Table) -> None:
    _write_tables(path, table.schema, iter([table]))


def _write_tables(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> None:
    """Write a Parquet file whole or not at all, a row group for each table."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        with draft.open("wb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False) as writer:
                for table in tables:
                    if table.num_rows:
                        writer.write_table(table)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
