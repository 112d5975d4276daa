"""Reads what `datasets` saved to disk with pyarrow alone, and holds its columns against a schema.

`vaemo_annotate.dataset.save_dataset` writes such folders: Arrow streams, and state.json, which lists them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from vaemo_clips.errors import CaptionError
from vaemo_train.shards.record import one_line

STATE, INFO = "state.json", "dataset_info.json"
ANEW = "run the same `vaemo-annotate run` command again, or take the folder away"


def read_saved(folder: Path) -> pa.Table | None:
    """All rows and columns of a saved dataset, in memory maps; None for one without rows that was saved as no file.

    Raises CaptionError where a file is missing or damaged.
    """
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        files = [folder / entry["filename"] for entry in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaptionError(f"{folder / STATE}: cannot be read ({one_line(error)}); {ANEW}") from error
    tables = [_read_stream(file) for file in files]
    if any(not table.schema.equals(tables[0].schema) for table in tables):
        raise CaptionError(f"{folder}: its files have different columns; {ANEW}")
    return pa.concat_tables(tables) if tables else None


def _read_stream(path: Path) -> pa.Table:
    try:
        return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise CaptionError(f"{path}: cannot be read ({one_line(error)}); {ANEW}") from error


def conform(table: pa.Table, schema: pa.Schema, where: Path, remedy: str) -> pa.Table:
    """The columns of `schema`, in its types. Raises CaptionError for one that is missing or of another kind."""
    if missing := [name for name in schema.names if name not in table.column_names]:
        raise CaptionError(f"{where}: there is no column {missing[0]}; {remedy}")
    for wanted in schema:
        found = table.schema.field(wanted.name).type
        if not _fits(found, wanted.type):
            raise CaptionError(f"{where}: column {wanted.name} is {found}, it must be {wanted.type}; {remedy}")
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise CaptionError(f"{where}: {one_line(error)}; {remedy}") from error


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether it is the same kind, of whatever width; a column of nothing but nulls may have none."""
    if pa.types.is_null(found):
        return True
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        return is_list and _fits(found.value_type, wanted.value_type)
    numbers = (pa.types.is_integer,), (pa.types.is_floating,)
    kinds = *numbers, (pa.types.is_string, pa.types.is_large_string), (pa.types.is_timestamp,)
    return any(any(kind(found) for kind in same) and any(kind(wanted) for kind in same) for same in kinds)
