"""Caption datasets read as a stream: a batch of rows at a time, the samples of a clip together, in constant memory.

Files are read, not mapped: the pages of a mapped file that were looked at would count as this process's memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from vaemo_annotate.run_folder import damaged
from vaemo_clips.caption import DESCRIPTION_SCHEMA, PROVENANCE_SCHEMA
from vaemo_clips.errors import RunFolderError
from vaemo_clips.verdict import CaptionKey

_UNUSED: Final = frozenset(PROVENANCE_SCHEMA.names) - {"cues", "sample_index", "steps"}
_STEPS: Final = pa.list_(pa.struct([("name", pa.string()), ("finish_reason", pa.string())]))
_NEEDED: Final = ("clip_id", "sample_index", "steps", "cues", *DESCRIPTION_SCHEMA.names)


def read_tables(dataset: Path) -> Iterator[pa.Table]:
    """Yield the rows of a folder that `datasets` saved, in order, some at a time, with all columns.

    Raises RunFolderError where it is missing or damaged.
    """
    for file in _files(dataset):
        try:
            with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as stream:
                for batch in stream:
                    yield pa.Table.from_batches([batch])
        except (OSError, pa.ArrowException) as error:
            raise damaged(file, error) from error


def clip_batches(dataset: Path, least_rows: int) -> Iterator[pa.Table]:
    """Yield tables of about `least_rows` rows that end where a clip ends, with the columns that checks need.

    Of `steps` these are name and finish_reason. Raises RunFolderError, also for a dataset that lacks a column.
    """
    waiting: list[pa.Table] = []
    for table in read_tables(dataset):
        checked = _needed(table, dataset)
        for start in range(0, len(checked), least_rows):
            waiting.append(checked.slice(start, least_rows))
            if sum(part.num_rows for part in waiting) < least_rows:
                continue
            joined = pa.concat_tables(waiting)
            end = _end_of_last_whole_clip(joined)
            if end:
                yield joined.slice(0, end)
            waiting = [joined.slice(end)]
    if waiting:
        yield pa.concat_tables(waiting)


def caption_keys(dataset: Path) -> Iterator[CaptionKey]:
    """Yield clip_id and sample_index of every caption, in order. Raises RunFolderError."""
    for table in read_tables(dataset):
        yield from zip(*(table[name].to_pylist() for name in ("clip_id", "sample_index")), strict=True)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows as Python has them; None for what of the manifest's further columns it cannot hold."""
    columns = [_values(table[name]) for name in table.column_names]
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def rows_by_clip(rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield the rows of one clip after another."""
    begin = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end]["clip_id"] != rows[begin]["clip_id"]:
            yield rows[begin:end]
            begin = end


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except (ValueError, OverflowError, pa.ArrowException):  # nanoseconds, dates beyond Python's
        return [None] * len(column)


def _files(dataset: Path) -> list[Path]:
    try:
        state = json.loads((dataset / "state.json").read_text(encoding="utf-8"))
        return [dataset / entry["filename"] for entry in state["_data_files"]]
    except FileNotFoundError as error:
        raise RunFolderError(f"{dataset} is no saved dataset; give the --out of a finished run") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(dataset / "state.json", error) from error


def _needed(table: pa.Table, dataset: Path) -> pa.Table:
    if missing := [name for name in _NEEDED if name not in table.column_names]:
        raise RunFolderError(f"{dataset} has no column {missing[0]!r}; give a folder that `run` wrote")
    needed = table.select([name for name in table.column_names if name not in _UNUSED])
    place = needed.column_names.index("steps")
    return needed.set_column(place, "steps", needed["steps"].cast(_STEPS)).replace_schema_metadata(None)


def _end_of_last_whole_clip(table: pa.Table) -> int:
    """Return where the last clip begins, whose further samples may follow; 0 where there is only one clip."""
    clips = table["clip_id"].to_pylist()
    end = len(clips) - 1
    while end > 0 and clips[end - 1] == clips[-1]:
        end -= 1
    return end
