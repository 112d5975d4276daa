"""Embeddings on their way: parts of 256 clips in a hidden folder beside OUT, joined when all are there.

.OUT.parts/embed.json          what the parts are of; another command with the same one goes on
.OUT.parts/clips.parquet       manifest of a folder of media files, and its rejects
.OUT.parts/part-00000.parquet  rows of the clips of a part
.OUT.parts/part-00000.json     what became of them; written after it: the part is finished
OUT's rejects                  written before OUT
OUT                            written last; then the folder is removed
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from vaemo_clips.errors import RunFolderError
from vaemo_clips.manifest import ParquetWriter
from vaemo_clips.whole_file import write_text
from vaemo_train.embed.table import METADATA_KEY, REJECTS_SCHEMA, rejects_table

CLIPS_PER_PART = 256
_IDENTITY = "embed.json"
_BY_DIGEST = ("model", "source")


class PartRecord(BaseModel):
    """What became of the clips of a part: accepted + rejected = clips."""

    model_config = ConfigDict(extra="forbid")

    clips: int
    accepted: int
    rows: int
    num_bytes: int
    rejects: list[dict[str, str]]


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
            write_text(path, json.dumps(dict(self.identity), indent=1))
        else:
            self._check(_read_json(path, self.folder))
        found: list[PartRecord] = []
        while (self.folder / f"{_name(len(found))}.json").exists():
            found.append(self._record(len(found)))
        return found

    def add(self, number: int, table: pa.Table, record: PartRecord) -> PartRecord:
        """Write a part, then its record, whole or not at all; return the record."""
        path = self.folder / f"{_name(number)}.parquet"
        _write_table(path, table)
        record = record.model_copy(update={"num_bytes": path.stat().st_size})
        write_text(path.with_suffix(".json"), record.model_dump_json())
        return record

    def join(self, records: Sequence[PartRecord], schema: pa.Schema, rejects: Sequence[Mapping[str, str]]) -> None:
        """Write the rejects, then OUT part by part, and remove the folder. `rejects` come before those of the parts."""
        with ParquetWriter(rejects_path(self.out), REJECTS_SCHEMA) as writer:
            writer.write(rejects_table(rejects))
            for record in records:
                writer.write(rejects_table(record.rejects))
        if sum(record.rows for record in records):
            _write_tables(self.out, schema, self._tables(len(records)))
        self.remove()

    def remove(self) -> None:
        """Remove the folder of parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tables(self, count: int) -> Iterator[pa.Table]:
        for number in range(count):
            yield pq.read_table(self.folder / f"{_name(number)}.parquet")

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


def is_begun(out: Path) -> bool:
    """Whether there are parts of an output file, or will be."""
    return (parts_folder(out) / _IDENTITY).exists()


def rejects_path(out: Path) -> Path:
    """Where the clips that have no vector are listed."""
    return out.with_name(f"{out.stem}.rejects.parquet")


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
            return f"another {name}" if name in _BY_DIGEST else f"{shown} {old}, not {new}"
    return None


def _name(number: int) -> str:
    return f"part-{number:05d}"


def _read_json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: damaged; delete {folder} to begin anew") from error
    return found


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
