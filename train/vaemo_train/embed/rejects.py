"""Clips that have no vector, on disk: <OUT stem>.rejects.parquet, and those that never came into a manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vaemo_clips.errors import RunFolderError

_KEY, _OURS = b"vaemo.embeddings", b"rejects"
REJECTS_SCHEMA = pa.schema(
    [pa.field(name, pa.string()) for name in ("clip_id", "path", "reject_reason", "reject_detail")],
    metadata={_KEY: _OURS},
)
"""A row for each clip that has no vector; the metadata say whose rejects they are."""
_INDEX_NAMES = ("clip_id", "path", "reason", "detail")


def rejects_path(out: Path) -> Path:
    """Where the clips that have no vector are listed."""
    return out.with_name(f"{out.stem}.rejects.parquet")


def check_rejects(out: Path) -> None:
    """Raise RunFolderError where the rejects of OUT would replace a file that is not of `embed`."""
    path = rejects_path(out)
    if not path.exists():
        return
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError):
        metadata = {}
    if metadata.get(_KEY) != _OURS:
        raise RunFolderError(
            f"{path} is there and holds no rejects of `embed`, whose place it is; move it, or give another --out"
        )


def rejects_table(rejects: Sequence[Mapping[str, str]]) -> pa.Table:
    """Rejects as a table."""
    return pa.Table.from_pylist([dict(one) for one in rejects], REJECTS_SCHEMA)


@dataclass(frozen=True, slots=True)
class IndexRejects:
    """What `index` refused: the rejects beside its manifest at `path`, read a stretch at a time; None for none."""

    path: Path | None = None

    def counts(self) -> Counter[str]:
        """How many there are, by reason."""
        found: Counter[str] = Counter()
        for batch in self._batches(["reason"]):
            found.update(batch.column(0).to_pylist())
        return found

    def tables(self) -> Iterator[pa.Table]:
        """All of them as rejects of embeddings."""
        for batch in self._batches(list(_INDEX_NAMES)):
            columns = [batch.column(name).fill_null("") for name in _INDEX_NAMES]
            yield pa.Table.from_arrays(columns, schema=REJECTS_SCHEMA)

    def _batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        if self.path is None:
            return
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(1024, columns=names)
