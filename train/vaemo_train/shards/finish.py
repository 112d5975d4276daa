"""The last step of `prepare`: the lists of all rows and rejects, and the marker."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from vaemo_clips.errors import ShardError
from vaemo_clips.manifest import Manifest, ParquetWriter
from vaemo_clips.whole_file import write_text
from vaemo_train.shards.layout import (
    ANEW,
    MARKER,
    PLACE_SCHEMA,
    REJECT_FIELDS,
    REJECTS,
    ROWS,
    rejects_schema,
    remedy_of,
    rows_schema,
    shard_name,
)
from vaemo_train.shards.record import Marker, Reject, RowCounts, ShardEntry, ShardRecord
from vaemo_train.shards.row import ROW_SCHEMA, ShardSettings


def write_lists(
    folder: Path, records: Mapping[int, ShardRecord], manifest: Manifest, fields: Sequence[pa.Field],
    settings: ShardSettings,
) -> Marker:  # fmt: skip
    """List the rows and rejects of finished shards, then write the marker, which is returned.

    Only the small columns of the shards are read, through a memory map: about 20 microseconds a row. Raises
    ShardError where the rows of a shard are not those of the clips that its record accepts, or a reject is not in the
    manifest.
    """
    ordered = [records[number] for number in sorted(records)]
    accepted = rejected = 0
    with ParquetWriter(folder / ROWS, rows_schema(fields)) as rows:
        for record in ordered:
            table = _rows_of(folder, record.number, fields)
            accepted += _num_accepted(folder, record, table)
            rows.write(table)
    with ParquetWriter(folder / REJECTS, rejects_schema(fields)) as rejects:
        for table in _rejects(manifest, fields, {k: v for record in ordered for k, v in record.rejects.items()}):
            rejected += table.num_rows
            rejects.write(table)
    marker = _marker(ordered, settings)
    if (accepted, rejected) != (marker.accepted, marker.rejected):
        raise ShardError(
            f"{folder}: {accepted:,} clips have rows and {rejected:,} are listed as rejects, of {marker.clips:,} that "
            f"went into its shards; every clip must be one of them: {ANEW}"
        )
    write_text(folder / MARKER, marker.model_dump_json(indent=1) + "\n")
    return marker


def _num_accepted(folder: Path, record: ShardRecord, rows: pa.Table) -> int:
    """How many clips have rows in a shard. Raises ShardError where they are not those that its record accepts."""
    written = set(rows.column("clip_id").to_pylist())
    expected = record.clips.keys() - record.rejects.keys()
    if written != expected:
        shard = folder / shard_name(record.number)
        raise ShardError(
            f"{shard}: it holds rows of {len(written):,} clips, its record accepts {len(expected):,} "
            f"(the first that differs: {min(written ^ expected)}); {remedy_of(shard)}"
        )
    return len(written)


def _rows_of(folder: Path, number: int, fields: Sequence[pa.Field]) -> pa.Table:
    wanted = [*range(len(fields) + len(ROW_SCHEMA))]
    with pa.memory_map(str(folder / shard_name(number))) as source:
        table = pa.ipc.open_file(source).read_all()
        slots = pc.fill_null(pc.list_value_length(table.column("jpeg_ends")), 0)
        samples = pc.divide(pc.fill_null(pc.binary_length(table.column("sound")), 0), 2)
        places = [
            pa.array([number] * table.num_rows, pa.int32()), pa.array(range(table.num_rows), pa.int32()),
            slots.cast(pa.int32()), samples.cast(pa.int64()),
        ]  # fmt: skip
        listed = table.select(wanted)
        for field, values in zip(PLACE_SCHEMA, places, strict=True):
            listed = listed.append_column(field, values)
        # The copy does not hang on the map.
        return listed.take(pa.array(range(listed.num_rows), pa.int64())).replace_schema_metadata(None)


def _rejects(manifest: Manifest, fields: Sequence[pa.Field], rejects: Mapping[str, Reject]) -> Iterator[pa.Table]:
    """The rejected clips' rows of the manifest with their reason, in the manifest's order."""
    names = [field.name for field in fields]
    ids = pa.array(list(rejects), pa.string())
    for batch in manifest.batches():
        table = pa.Table.from_batches([batch]).select(names)
        table = table.filter(pc.is_in(table.column("clip_id"), ids))
        why = [rejects[clip_id] for clip_id in table.column("clip_id").to_pylist()]
        for field, values in zip(REJECT_FIELDS, zip(*((r.reason, r.detail) for r in why), strict=True), strict=False):
            table = table.append_column(field, pa.array(values, field.type))
        if why:
            yield table


def _marker(records: Sequence[ShardRecord], settings: ShardSettings) -> Marker:
    reasons: Counter[str] = Counter(reject.reason for record in records for reject in record.rejects.values())
    num_clips = sum(len(record.clips) for record in records)
    digest = hashlib.sha256("".join(d for record in records for d in record.clips.values()).encode())
    return Marker(
        settings=settings,
        manifest_sha256=digest.hexdigest(),
        clips=num_clips,
        accepted=num_clips - reasons.total(),
        rejects=_most_first(reasons),
        without_picture=_most_first(_added(record.without_picture for record in records)),
        without_sound=_most_first(_added(record.without_sound for record in records)),
        counts=RowCounts.sum(record.counts for record in records),
        shards=[
            ShardEntry(
                file=shard_name(record.number),
                rows=record.counts.rows,
                clips=len(record.clips),
                num_bytes=record.counts.num_bytes,
            )
            for record in records
        ],
    )


def _added(counts: Iterator[dict[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def _most_first(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
