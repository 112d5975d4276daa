"""From a source to a clip manifest: measure every file once, accept or reject every row."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_clips.clip import CLIP_SCHEMA, FILE_SCHEMA
from vaemo_clips.corpora.registry import read_corpus
from vaemo_clips.errors import ManifestError, MediaError
from vaemo_clips.file_facts import FILE_TIMEOUT_S, FileFacts, FileMeter, Measured, Probe
from vaemo_clips.manifest import MANIFEST_FIELDS, ParquetWriter, manifest_schema
from vaemo_clips.previous_index import PreviousIndex
from vaemo_clips.probe import MediaInfo, probe
from vaemo_clips.source_rows import SourceRow, read_row
from vaemo_clips.sources import INPUT_NAMES, Source, read_source
from vaemo_clips.timeline import seconds_to_frames

REJECT_FIELDS = [pa.field(name, pa.string()) for name in ("clip_id", "path", "reason", "detail")]
"""First columns of `<stem>.rejects.parquet`; the source's own columns follow."""

_MAX_ROWS_PER_GROUP = 32
_GROUPS_AHEAD = 8

Progress = Callable[[int, int, int], None]
"""Called with rows done, rows in all, rows rejected."""


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What became of a source; accepted + rejected = found.

    `left_out` counts, by reason, media files that a corpus's reader did not list; `notes` are what it has to say.
    """

    found: int
    accepted: int
    rejected: Mapping[str, int]
    reused: int
    ignored_by_extension: Mapping[str, int]
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.accepted + self.num_rejected == self.found, self

    @property
    def num_rejected(self) -> int:
        """Rejects of all reasons."""
        return sum(self.rejected.values())


def rejects_path(out: Path) -> Path:
    """Where the rejects of the manifest `out` are written."""
    return out.with_name(f"{out.stem}.rejects.parquet")


def index(
    source: Path,
    out: Path,
    *,
    root: Path | None = None,
    corpus: str | None = None,
    workers: int | None = None,
    on_progress: Progress | None = None,
    timeout_s: float = FILE_TIMEOUT_S,
    probe_file: Probe = probe,
) -> IndexSummary:
    """Write the manifest `out` and its rejects for the clips of `source`, in the source's order.

    With `corpus`, `source` is the official folder of the corpus of that name, which gives labels, speakers and folds.
    Files are probed and hashed once each on `workers` processes (None: all cores), each within
    `timeout_s`. Rows of a manifest already at `out` whose file has the same size and time of change
    are taken over. Call it below `if __name__ == "__main__":` in a script, since the workers import it.
    Raises ManifestError where the source cannot be used; a file that cannot becomes a typed reject.
    """
    if out.suffix != ".parquet":
        raise ManifestError(f"{out}: a manifest is a Parquet file; give it a name that ends in .parquet")
    listing = read_source(source, root) if corpus is None else read_corpus(corpus, source, root)
    ledger = _Outcome(listing, PreviousIndex.load(out))
    extra = listing.extra_fields
    schema = manifest_schema(extra, listing.root, out)
    # Entered first, so renamed last: a manifest never stands beside the rejects of another run.
    with (
        ParquetWriter(out, schema) as clips,
        ParquetWriter(rejects_path(out), pa.schema([*REJECT_FIELDS, *extra])) as rejects,
        FileMeter(workers, timeout_s, probe_file) as meter,
    ):
        for accepted, rejected in ledger.tables(meter):
            clips.write(accepted)
            rejects.write(rejected)
            if on_progress is not None:
                on_progress(ledger.num_done, listing.rows.num_rows, ledger.rejected.total())
    return ledger.summary()


@dataclass(slots=True)
class _Group:
    """Rows whose files are being measured. `known` holds what an earlier index says, by place."""

    offset: int
    raw: list[dict[str, Any]]
    rows: list[SourceRow | MediaError]
    known: dict[int, dict[str, Any]]
    wanted: list[str]
    wait: Callable[[], list[Measured]]


class _Outcome:
    """Walks over the source in order and decides on every row."""

    def __init__(self, source: Source, previous: PreviousIndex) -> None:
        self._source = source
        self._inputs = source.rows.select(INPUT_NAMES)
        self._own = source.rows.drop_columns(list(INPUT_NAMES))
        self._previous = previous
        self._first_row_of: dict[int, int] = {}  # by the clip_id's hash, which is small for a million
        self._has_segments = any(self._inputs[n].null_count < len(source.rows) for n in ("start_s", "end_s"))
        self._shared: dict[str, Measured | None] = {}  # files of segments; None while being measured
        self.num_done = 0
        self.accepted = 0
        self.reused = 0
        self.rejected: Counter[str] = Counter()

    def summary(self) -> IndexSummary:
        """Counts over the whole source."""
        found = self._source.rows.num_rows
        source, rejected = self._source, dict(sorted(self.rejected.items()))
        ignored, left_out, notes = source.ignored_by_extension, source.left_out, source.notes
        return IndexSummary(found, self.accepted, rejected, self.reused, ignored, left_out, notes)

    def tables(self, meter: FileMeter) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Accepted and rejected rows of one stretch of the source after another."""
        num_rows = self._source.rows.num_rows
        step = min(max(num_rows // (4 * meter.num_workers), 1), _MAX_ROWS_PER_GROUP)
        pending: deque[_Group] = deque()
        for offset in range(0, num_rows, step):
            pending.append(self._begin(offset, step, meter))
            if len(pending) > _GROUPS_AHEAD * meter.num_workers:
                yield self._finish(pending.popleft())
        while pending:
            yield self._finish(pending.popleft())

    def _begin(self, offset: int, step: int, meter: FileMeter) -> _Group:
        raw = self._inputs.slice(offset, step).to_pylist()
        rows = [self._check(row, offset + place) for place, row in enumerate(raw)]
        known: dict[int, dict[str, Any]] = {}
        wanted: dict[str, None] = {}
        for place, row in enumerate(rows):
            if isinstance(row, MediaError) or row.path in self._shared:
                continue
            if found := self._previous.find(row, self._source.root):
                known[place] = found
            else:
                wanted[row.path] = None
        if self._has_segments:
            self._shared.update(wanted)
        wait = meter.submit([self._source.root / path for path in wanted])
        return _Group(offset, raw, rows, known, list(wanted), wait)

    def _check(self, raw: dict[str, Any], place: int) -> SourceRow | MediaError:
        try:
            row = read_row(raw, self._source.root)
        except MediaError as error:
            return error
        first_place = self._first_row_of.setdefault(hash(row.clip_id), place)
        if first_place == place:
            return row
        first = read_row(self._inputs.slice(first_place, 1).to_pylist()[0], self._source.root)
        if first.clip_id != row.clip_id:
            return row
        detail = f"{row.clip_id} is already the id of {first.path}; give both an id of their own (clip_id in a .csv)"
        return MediaError("duplicate_clip_id", detail)

    def _finish(self, group: _Group) -> tuple[pa.Table, pa.Table]:
        measured = dict(zip(group.wanted, group.wait(), strict=True))
        if self._has_segments:
            self._shared.update(measured)
        kept: dict[int, dict[str, Any]] = {}
        refused: dict[int, dict[str, Any]] = {}
        for place, row in enumerate(group.rows):
            try:
                kept[place] = self._accept(row, group.known.get(place), measured)
            except MediaError as error:
                refused[place] = _reject(group.raw[place], row, error)
                self.rejected[refused[place]["reason"]] += 1
        self.reused += len(group.known)
        self.accepted += len(kept)
        self.num_done += len(group.rows)
        own = self._own.slice(group.offset, len(group.rows))
        return _join(kept, pa.schema(MANIFEST_FIELDS), own), _join(refused, pa.schema(REJECT_FIELDS), own)

    def _accept(
        self, row: SourceRow | MediaError, known: dict[str, Any] | None, measured: Mapping[str, Measured]
    ) -> dict[str, Any]:
        if isinstance(row, MediaError):
            raise row
        if known is not None:
            return known
        facts = measured.get(row.path) or self._shared[row.path]
        assert facts is not None, row  # groups finish in the order in which they began
        if isinstance(facts, MediaError):
            raise facts
        return _clip_row(row, facts)


def _join(rows: Mapping[int, dict[str, Any]], schema: pa.Schema, own: pa.Table) -> pa.Table:
    table = pa.Table.from_pylist(list(rows.values()), schema=schema)
    for name in own.column_names:
        table = table.append_column(own.schema.field(name), own.column(name).take(pa.array(rows, pa.int64())))
    return table


def _reject(raw: dict[str, Any], row: SourceRow | MediaError, error: MediaError) -> dict[str, Any]:
    clip_id = row.clip_id if isinstance(row, SourceRow) else raw["clip_id"]
    reason, detail = error.reason, error.detail
    if reason == "not_found" and "\\x" in raw["path"]:
        reason, detail = "path_not_utf8", "the file's name is not UTF-8; rename it"
    return {"clip_id": clip_id, "path": raw["path"], "reason": reason, "detail": detail}


def _clip_row(row: SourceRow, facts: FileFacts) -> dict[str, Any]:
    info = _segment_info(row, facts.info) if row.is_segment else facts.info
    values = [row.clip_id, row.path, facts.sha256, row.start_s, row.end_s, info.duration_s]
    values += [info.width, info.height, info.fps, info.n_frames]
    values += [info.has_audio, info.audio_rate_hz, info.audio_channels]
    values += [facts.file_bytes, facts.file_mtime_ns]
    return dict(zip([*CLIP_SCHEMA.names, *FILE_SCHEMA.names], values, strict=True))


def _segment_info(row: SourceRow, info: MediaInfo) -> MediaInfo:
    begin_s = row.start_s or 0.0
    if begin_s >= info.duration_s:
        raise MediaError("bad_segment", f"start_s={begin_s} is not before the file's end at {info.duration_s:.3f} s")
    end_s = info.duration_s if row.end_s is None else min(row.end_s, info.duration_s)
    duration_s = end_s - begin_s
    n_frames = None if info.fps is None else seconds_to_frames(duration_s, info.fps)
    return replace(info, duration_s=duration_s, n_frames=n_frames)
