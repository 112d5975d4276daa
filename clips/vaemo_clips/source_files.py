"""Reading a .csv, .jsonl or .parquet list of clips into Arrow without changing what it says."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from vaemo_clips.errors import ManifestError
from vaemo_clips.manifest import ROOT_KEY

_ALWAYS_TEXT = frozenset({"path", "clip_id", "label", "speaker", "split", "text", "start_s", "end_s"})
_LINES_PER_BATCH = 8192


def read_csv(path: Path) -> pa.Table:
    """A UTF-8 CSV with a header line; empty cells are null.

    A column becomes numbers only where every value would be written the same way again, so that
    '01' and '1.50' stay text (2.0 is a number); label, speaker, split and text always stay text.
    """
    names = _csv_header(path)
    options = pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, null_values=[""], strings_can_be_null=True
    )
    try:
        table = pa_csv.read_csv(
            path, parse_options=pa_csv.ParseOptions(newlines_in_values=True), convert_options=options
        )
    except pa.ArrowInvalid as error:
        raise ManifestError(f"{path}: not a proper CSV file ({_one_line(error)}); mend that line") from error
    columns = [c if n in _ALWAYS_TEXT else _typed(c) for n, c in zip(names, table.columns, strict=True)]
    return pa.table(columns, names=names)


def _csv_header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), None)
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from error
    if not names:
        raise ManifestError(f"{path}: it is empty; it needs a header line with a column `path`")
    for name in names:
        if names.count(name) > 1:
            raise ManifestError(f"{path}: column {name} occurs {names.count(name)} times; rename all but one")
    return names


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for kind in (pa.int64(), pa.float64()):
        try:
            numbers = column.cast(kind)
        except pa.ArrowInvalid:
            continue
        written = numbers.cast(pa.string())
        whole = pc.binary_join_element_wise(written, ".0", "")  # Arrow writes 2.0 as 2
        same = pc.or_(pc.equal(written, column), pc.equal(whole, column))
        if pc.all(same).as_py() and column.null_count < len(column):
            return numbers
    return column


def read_jsonl(path: Path) -> pa.Table:
    """One JSON object a line; blank lines are skipped. A column is as wide as its values need."""
    tables = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            rows = _json_rows(path, file)
            while batch := list(islice(rows, _LINES_PER_BATCH)):
                names = list(dict.fromkeys(name for row in batch for name in row))
                tables.append(pa.table({name: _json_column(path, name, batch) for name in names}))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from error
    if not tables:
        raise ManifestError(f"{path}: it lists no clips; add at least one line")
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ManifestError(f"{path}: {_one_line(error)}; give each column one type") from error


def _json_rows(path: Path, lines: Iterator[str] | Any) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ManifestError(f"{path}:{number}: not JSON ({error}); each line is one object") from error
        if not isinstance(row, dict):
            raise ManifestError(f"{path}:{number}: a {type(row).__name__}; each line must be a JSON object")
        yield row


def _json_column(path: Path, name: str, rows: list[dict[str, Any]]) -> pa.Array:
    try:
        return pa.array([row.get(name) for row in rows])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError) as error:
        raise ManifestError(f"{path}: column {name} mixes types ({_one_line(error)}); give it one type") from error


def read_parquet(path: Path) -> pa.Table:
    """A Parquet table with its types as they are."""
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ManifestError(f"{path}: not a Parquet file that can be read ({_one_line(error)})") from error


def root_in_metadata(path: Path, table: pa.Table) -> Path | None:
    """The root folder that `index` wrote into a manifest; None for any other table."""
    metadata = table.schema.metadata or {}
    return path.parent / os.fsdecode(metadata[ROOT_KEY]) if ROOT_KEY in metadata else None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
