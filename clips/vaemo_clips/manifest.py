"""The clip manifest: a Parquet file with one row per clip, written by `index` and read as a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vaemo_clips.clip import CLIP_SCHEMA, FILE_SCHEMA, Clip
from vaemo_clips.errors import ManifestError

ROOT_KEY = b"vaemo.root"
_ROOT_BELOW_KEY = b"vaemo.root_below"
MANIFEST_FIELDS: list[pa.Field] = [*CLIP_SCHEMA, *FILE_SCHEMA]
"""The columns that every manifest has; the source's further columns follow them."""

_ROWS_PER_GROUP = 8192
_CLIP_NAMES = frozenset(f.name for f in fields(Clip)) - {"extra"}


def manifest_schema(extra_fields: Sequence[pa.Field], root: Path, path: Path) -> pa.Schema:
    """Arrow schema of a manifest at `path` whose clips lie below `root`."""
    metadata = {ROOT_KEY: os.fsencode(root.resolve())}
    try:
        below = root.resolve().relative_to(path.parent.resolve())
        metadata[_ROOT_BELOW_KEY] = os.fsencode(below)
    except ValueError:
        pass  # the media lie elsewhere; a moved manifest needs root=
    return pa.schema([*MANIFEST_FIELDS, *extra_fields], metadata=metadata)


class ParquetWriter:
    """Writes batches to a temporary file that takes its name only when the block ends well."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._writer: Any = None
        self._waiting: list[pa.Table] = []

    def __enter__(self) -> ParquetWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(self._temporary, self.schema, compression="zstd")
        return self

    def write(self, table: pa.Table) -> None:
        """Append rows; the columns must be those of the schema, in order."""
        self._waiting.append(table.cast(self.schema))
        if sum(t.num_rows for t in self._waiting) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        if kind is None:
            self._temporary.replace(self.path)
        else:
            self._temporary.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Manifest:
    """An open manifest. `root` is the folder that clip paths are relative to."""

    path: Path
    root: Path
    num_clips: int
    extra_fields: list[pa.Field]

    @classmethod
    def open(cls, path: Path, root: Path | None = None) -> Manifest:
        """Open and check the manifest at `path`; `root` overrides the folder that it names.

        Raises ManifestError for a file that `index` did not write, a column that is missing or has
        the wrong type, a clip_id that occurs twice, or a root folder that is not there.
        """
        schema, num_clips = _read_schema(path)
        if root is None and ROOT_KEY not in (schema.metadata or {}):
            raise ManifestError(f"{path}: not a clip manifest; {_index_first(path)}")
        _check_columns(path, schema)
        _check_values(path)
        folder = root if root is not None else _root_of(path, schema.metadata)
        if not folder.is_dir():
            raise ManifestError(
                f"{path}: its media folder {folder} is not there; "
                f"index again, or name the folder where the clips are now (root)"
            )
        extra_fields = [f for f in schema if f.name not in _CLIP_NAMES]
        return cls(path, folder.resolve(), num_clips, extra_fields)

    def clips(self, batch_size: int = 1024) -> Iterator[Clip]:
        """All clips in the manifest's order; memory holds one batch at a time."""
        for batch in self.batches(batch_size):
            yield from _clips_of(pa.Table.from_batches([batch]))

    def batches(self, batch_size: int = 1024) -> Iterator[pa.RecordBatch]:
        """All rows in the manifest's order, as Arrow batches."""
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(batch_size)

    def clip_ids(self) -> Iterator[str]:
        """The ids of all clips, in the manifest's order; no other column is read."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(columns=["clip_id"]):
                yield from batch.column(0).to_pylist()

    def take(self, indices: Sequence[int]) -> list[Clip]:
        """The clips at these row numbers, in this order. Raises IndexError outside [0, num_clips)."""
        if any(not 0 <= index < self.num_clips for index in indices):
            raise IndexError(f"{self.path}: row numbers must lie in [0, {self.num_clips})")
        found: dict[int, Clip] = {}
        with pq.ParquetFile(self.path) as file:
            first = 0
            for group in range(file.num_row_groups):
                last = first + file.metadata.row_group(group).num_rows
                wanted = sorted({i for i in indices if first <= i < last} - found.keys())
                if wanted:
                    rows = file.read_row_group(group).take([i - first for i in wanted])
                    found.update(zip(wanted, _clips_of(rows), strict=True))
                first = last
        return [found[index] for index in indices]

    def file_of(self, clip: Clip) -> Path:
        """Where the clip's media file lies."""
        return self.root / clip.path


def _clips_of(table: pa.Table) -> Iterator[Clip]:
    for row in table.to_pylist():
        own = {name: row.pop(name) for name in _CLIP_NAMES}
        yield Clip(**own, extra=row)


def _index_first(path: Path) -> str:
    return f"run `vaemo-annotate index {path} --out manifests/clips.parquet` first and use its result"


def _read_schema(path: Path) -> tuple[pa.Schema, int]:
    if not path.is_file():
        raise ManifestError(f"{path}: there is no such manifest; make one with `vaemo-annotate index SRC`")
    try:
        with pq.ParquetFile(path) as file:
            return file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise ManifestError(f"{path}: not a Parquet file that can be read; {_index_first(path)}") from error


def _check_columns(path: Path, schema: pa.Schema) -> None:
    for field in MANIFEST_FIELDS:
        places = schema.get_all_field_indices(field.name)
        if len(places) != 1:
            problem = "is missing" if not places else f"occurs {len(places)} times"
            raise ManifestError(f"{path}: column {field.name} {problem}; {_index_first(path)}")
        found = schema.field(places[0]).type
        if found != field.type:
            raise ManifestError(
                f"{path}: column {field.name} is {found}, it must be {field.type}; {_index_first(path)}"
            )


def _check_values(path: Path) -> None:
    """No nulls where a value is needed, and every clip_id once; Arrow holds one column at a time."""
    for name in [f.name for f in MANIFEST_FIELDS if not f.nullable]:
        column = pq.read_table(path, columns=[name]).column(name)
        if column.null_count:
            raise ManifestError(f"{path}: column {name} has {column.null_count} nulls; {_index_first(path)}")
        if name == "clip_id" and pc.count_distinct(column).as_py() != len(column):
            counts = pc.value_counts(column)
            twice = counts.filter(pc.greater(counts.field("counts"), 1))
            first, times = twice[0].as_py().values()
            raise ManifestError(
                f"{path}: clip_id {first!r} occurs {times} times, it must be unique "
                f"({len(twice)} ids are not); {_index_first(path)}"
            )


def _root_of(path: Path, metadata: dict[bytes, bytes]) -> Path:
    root = Path(os.fsdecode(metadata[ROOT_KEY]))
    if _ROOT_BELOW_KEY in metadata:
        below = path.parent / os.fsdecode(metadata[_ROOT_BELOW_KEY])
        return below if below.is_dir() else root
    return root
