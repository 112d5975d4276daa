"""Writes one shard: rows as they come, the file under its name only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError
from vaemo_train.shards.layout import shard_name
from vaemo_train.shards.prepared import PreparedClip, RowMedia
from vaemo_train.shards.record import Reject, ShardRecord, clip_digest
from vaemo_train.shards.row import MEDIA_SCHEMA, ROW_SCHEMA


class ShardWriter:
    """A shard under a temporary name, and the record of its clips."""

    def __init__(self, folder: Path, number: int, schema: pa.Schema, sample_rate_hz: int) -> None:
        self.record = ShardRecord(number=number)
        self._path = folder / shard_name(number)
        self._draft = self._path.with_name(f".{self._path.name}.tmp")
        self._schema = schema
        self._rate_hz = sample_rate_hz
        self._file: Any = pa.OSFile(str(self._draft), "wb")
        self._writer: Any = pa.ipc.new_file(self._file, schema)

    def accept(self, clip: Clip, columns: Sequence[pa.Array], prepared: PreparedClip) -> None:
        """Append a clip's rows; `columns` are its own, one value each, in the schema's order."""
        self.record.clips[clip.clip_id] = clip_digest(clip)
        self.record.counts.left_out += prepared.left_out
        for missing, counted in (
            (prepared.picture, self.record.without_picture),
            (prepared.sound, self.record.without_sound),
        ):
            if missing is not None:
                counted[missing.reason] = counted.get(missing.reason, 0) + 1
        for row in prepared.rows:
            self._writer.write_batch(pa.RecordBatch.from_arrays([*columns, *_arrays(row)], schema=self._schema))
            self._count(row)

    def reject(self, clip: Clip, error: MediaError) -> None:
        """Write down why a clip has no row."""
        self.record.clips[clip.clip_id] = clip_digest(clip)
        self.record.rejects[clip.clip_id] = Reject(reason=error.reason, detail=error.detail)

    def finish(self) -> ShardRecord:
        """Close the file, bring it to the disk, and give it its name. Raises OSError, and leaves nothing behind."""
        try:
            self._close()
            with self._draft.open("rb+") as file:
                os.fsync(file.fileno())
            self.record.counts.num_bytes = self._draft.stat().st_size
            self._draft.replace(self._path)
        except OSError:
            self.discard()
            raise
        return self.record

    def discard(self) -> None:
        """Remove what has been written."""
        try:
            self._file.close()
        finally:
            self._draft.unlink(missing_ok=True)

    def _close(self) -> None:
        self._writer.close()
        self._file.close()

    def _count(self, row: RowMedia) -> None:
        counts = self.record.counts
        counts.both += row.jpegs is not None and row.sound is not None
        counts.picture_only += row.sound is None
        counts.sound_only += row.jpegs is None
        counts.seconds += row.span.duration_s
        counts.sound_s += 0.0 if row.sound is None else len(row.sound) / self._rate_hz


def _arrays(row: RowMedia) -> list[pa.Array]:
    """One value for each column of ROW_SCHEMA and MEDIA_SCHEMA."""
    span, jpegs, sound = row.span, row.jpegs, row.sound
    own = [span.row, span.begin_s, span.duration_s, jpegs is not None, sound is not None]
    media = [
        None if jpegs is None else b"".join(jpegs),
        None if jpegs is None else np.cumsum([len(jpeg) for jpeg in jpegs], dtype=np.int32),
        None if sound is None else np.ascontiguousarray(sound, dtype="<i2").tobytes(),
    ]
    types = [field.type for field in (*ROW_SCHEMA, *MEDIA_SCHEMA)]
    return [pa.array([value], type=kind) for value, kind in zip([*own, *media], types, strict=True)]
