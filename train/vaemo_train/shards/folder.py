"""Reads a folder of shards: any row by its number, through a memory map."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vaemo_clips.errors import ShardError
from vaemo_train.shards.layout import AGAIN, MARKER, PREPARE, ROWS, remedy_of, shard_name
from vaemo_train.shards.record import Marker, one_line, read_record
from vaemo_train.shards.row import MEDIA_SCHEMA, ROW_SCHEMA, ShardRow, ShardSettings

_MOST_OPEN = 256  # maps, each of which holds a file descriptor; opening one again takes less than a millisecond


class ShardFolder:
    """The rows of a finished folder of shards; see `layout` for its files.

    It may be pickled: what comes out is opened anew, and opens its maps where it is used.
    """

    path: Path
    settings: ShardSettings
    marker: Marker
    rows: pa.Table
    digest: str

    def __init__(self, path: Path, marker: Marker, rows: pa.Table, digest: str) -> None:
        self.path = path
        self.settings = marker.settings
        self.marker = marker
        self.rows = rows
        self.digest = digest
        self._shard = _numbers(rows, "shard")
        self._batch = _numbers(rows, "batch")
        self._maps: OrderedDict[int, Any] = OrderedDict()

    @classmethod
    def open(cls, path: Path) -> ShardFolder:
        """Open a folder that `vaemo-train prepare` has finished.

        Reads the marker, the list of rows and the sizes of the shards: 1.5 s and 280 MB for a million rows.
        Raises ShardError for a folder that is not there, unfinished, of another version, or has a file that is
        missing or cut short.
        """
        _check_finished(path)
        marker = read_record(path / MARKER, Marker, "give another folder, or delete it to make it anew")
        for entry in marker.shards:
            _check_size(path / entry.file, entry.num_bytes)
        rows = _read_rows(path / ROWS, marker)
        return cls(path, marker, rows, hashlib.sha256((path / MARKER).read_bytes()).hexdigest())

    @property
    def num_rows(self) -> int:
        """Rows in all shards."""
        return int(self.rows.num_rows)

    def row(self, number: int) -> ShardRow:
        """Row `number` of `rows`. Only its own bytes are read, and of its media those that are looked at.

        Raises IndexError outside [0, num_rows), ShardError where the file is damaged.
        """
        if not 0 <= number < self.num_rows:
            raise IndexError(f"{self.path}: row {number} is not in [0, {self.num_rows})")
        shard = int(self._shard[number])
        try:
            batch = self._reader(shard).get_batch(int(self._batch[number]))
        except (pa.ArrowException, OSError, IndexError) as error:
            path = self.path / shard_name(shard)
            raise ShardError(f"{path}: damaged, {one_line(error)}; {remedy_of(path)}") from error
        return _row_of(batch, self.settings)

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return ShardFolder.open, (self.path,)

    def _reader(self, shard: int) -> Any:
        reader = self._maps.get(shard)
        if reader is None:
            reader = pa.ipc.open_file(pa.memory_map(str(self.path / shard_name(shard))))
            self._maps[shard] = reader
            if len(self._maps) > _MOST_OPEN:
                self._maps.popitem(last=False)
        self._maps.move_to_end(shard)
        return reader


def _row_of(batch: pa.RecordBatch, settings: ShardSettings) -> ShardRow:
    num_own = len(ROW_SCHEMA) + len(MEDIA_SCHEMA)
    names, values = batch.schema.names, batch.columns
    row, begin_s, duration_s, has_picture, has_sound = (
        value[0].as_py() for value in values[-num_own : -len(MEDIA_SCHEMA)]
    )
    jpegs, ends, sound = values[-len(MEDIA_SCHEMA) :]
    columns = {name: value[0].as_py() for name, value in zip(names[:-num_own], values[:-num_own], strict=True)}
    return ShardRow(
        clip_id=columns["clip_id"],
        row=row,
        begin_s=begin_s,
        duration_s=duration_s,
        fps=settings.fps,
        jpegs=_view(jpegs) if has_picture else memoryview(b""),
        jpeg_ends=ends.flatten().to_numpy() if has_picture else np.zeros(0, np.int32),
        sound=np.frombuffer(_view(sound), "<i2") if has_sound else None,
        columns=columns,
    )


def _view(blob: pa.Array) -> memoryview:
    """The bytes of the one value of a column, where they lie in the map; `blob[0].as_buffer()` would copy them."""
    _, offsets, data = blob.buffers()
    begin, end = np.frombuffer(offsets, np.int64, 2, blob.offset * 8).tolist()
    return memoryview(data).cast("B").toreadonly()[begin:end]


def _check_finished(path: Path) -> None:
    if not path.is_dir():
        raise ShardError(f"{path}: there are no shards; make them with `vaemo-train prepare --out {path}`")
    if (path / MARKER).exists():
        return
    if (path / PREPARE).exists():
        raise ShardError(f"{path}: its shards are not finished; {AGAIN}")
    raise ShardError(f"{path}: not a folder of shards; make one with `vaemo-train prepare --out FOLDER`")


def _check_size(path: Path, num_bytes: int) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ShardError(f"{path}: the shard is missing ({error.strerror}); {remedy_of(path)}") from error
    if size != num_bytes:
        raise ShardError(f"{path}: {size:,} bytes, it should have {num_bytes:,}; {remedy_of(path)}")


def _read_rows(path: Path, marker: Marker) -> pa.Table:
    try:
        rows = pq.read_table(path, memory_map=True)
    except (pa.ArrowException, OSError) as error:
        raise ShardError(f"{path}: cannot be read ({one_line(error)}); {AGAIN}") from error
    if rows.num_rows != marker.counts.rows:
        raise ShardError(f"{path}: {rows.num_rows:,} rows, {MARKER} says {marker.counts.rows:,}; {AGAIN}")
    return rows


def _numbers(rows: pa.Table, name: str) -> NDArray[np.int32]:
    return np.asarray(rows.column(name).to_numpy(), np.int32)
