"""What an earlier run of `index` found out, so that unchanged files are not read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vaemo_clips.manifest import MANIFEST_FIELDS
from vaemo_clips.source_rows import SourceRow

_KEY_NAMES = ("path", "start_s", "end_s")


class PreviousIndex:
    """Rows of the manifest that is about to be replaced, found by path and segment."""

    def __init__(self, rows: pa.Table | None = None) -> None:
        self._rows = rows
        self._place: dict[int, int] = {}  # by the key's hash: a clash costs one more measurement
        place = 0
        for batch in rows.select(_KEY_NAMES).to_batches(1024) if rows is not None else ():
            keys = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            for key in keys:
                self._place[hash(key)] = place
                place += 1

    @classmethod
    def load(cls, path: Path) -> PreviousIndex:
        """Read the manifest at `path`; one that is absent or not a manifest counts as empty."""
        try:
            columns = [f.name for f in MANIFEST_FIELDS]
            rows = pq.read_table(path, columns=columns).cast(pa.schema(MANIFEST_FIELDS))
        except (OSError, ValueError, KeyError):
            return cls()
        return cls(rows)

    def find(self, row: SourceRow, root: Path) -> dict[str, Any] | None:
        """The manifest row for the same segment of the same file, if size and time of change agree."""
        key = (row.path, row.start_s, row.end_s)
        place = self._place.get(hash(key))
        if place is None or self._rows is None:
            return None
        try:
            facts = (root / row.path).stat()
        except (OSError, ValueError):
            return None
        known = {
            name: column[place].as_py()
            for name, column in zip(self._rows.column_names, self._rows.columns, strict=True)
        }
        is_same = tuple(known[name] for name in _KEY_NAMES) == key
        if not is_same or (known["file_bytes"], known["file_mtime_ns"]) != (facts.st_size, facts.st_mtime_ns):
            return None
        return {**known, "clip_id": row.clip_id}
