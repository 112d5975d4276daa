"""Datasets of a run as Parquet files of a repository: whole, without folders of this machine, without media."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from vaemo_annotate.published.run import RunRecord
from vaemo_clips.caption import REJECT_SCHEMA, RESERVED_NAMES
from vaemo_clips.errors import RunFolderError
from vaemo_clips.hub.portable import portable_name, portable_text, without_folders, without_secrets
from vaemo_clips.hub.refusal import one_line

SHARD_BYTES = 500_000_000
"""Arrow bytes after which a parquet file is closed; compressed, it is smaller."""
BATCH_ROWS = 1000


def open_dataset(folder: Path, expected: pa.Schema) -> datasets.Dataset:
    """A dataset of the run folder that has the expected columns and no media."""
    try:
        dataset = _load(folder)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise RunFolderError(f"{folder} is not a dataset: {one_line(error)}; run it again") from error
    if missing := [name for name in expected.names if name not in dataset.column_names]:
        raise RunFolderError(f"{folder} has no column {missing[0]!r}; give a folder that `run` wrote")
    for field in dataset.features.arrow_schema:
        if _holds_media(field.type):
            raise RunFolderError(
                f"{folder}: column {field.name!r} is {field.type}, which can hold media, "
                "and no media is pushed; take the column out of the source manifest and run again"
            )
    return dataset


def _load(folder: Path) -> datasets.Dataset:
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    if state["_data_files"]:
        return datasets.Dataset.load_from_disk(str(folder))
    # datasets 5.2 saves a dataset without rows as no file at all, and then cannot load it
    features = datasets.DatasetInfo.from_directory(str(folder)).features
    return datasets.Dataset(features.arrow_schema.empty_table())


def open_rejects(folder: Path, accepted: datasets.Dataset, run: RunRecord) -> datasets.Dataset:
    schema = pa.schema([*accepted.features.arrow_schema, *REJECT_SCHEMA])
    if folder.exists() or run.counts.rejected:
        return open_dataset(folder, schema)
    return datasets.Dataset(schema.empty_table())


def _holds_media(arrow: pa.DataType) -> bool:
    """Whether bytes or arrays of pixels or samples fit in: `datasets` stores Audio, Image, Video as bytes."""
    is_bytes = pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow) or pa.types.is_binary_view(arrow)
    if is_bytes or pa.types.is_fixed_size_binary(arrow) or isinstance(arrow, pa.BaseExtensionType):
        return True
    if pa.types.is_dictionary(arrow):
        return _holds_media(arrow.value_type)
    return any(_holds_media(arrow.field(i).type) for i in range(arrow.num_fields))


def check_counts(out: Path, run: RunRecord, accepted: datasets.Dataset, rejected: datasets.Dataset) -> None:
    counts = run.counts
    if (len(accepted), len(rejected)) != (counts.accepted, counts.rejected):
        raise RunFolderError(
            f"{out}: run.json counts {counts.accepted} accepted and {counts.rejected} rejected, "
            f"the datasets hold {len(accepted)} and {len(rejected)}; run it again to write them anew"
        )


def batches(dataset: datasets.Dataset) -> Iterator[pa.Table]:
    return iter(dataset.with_format("arrow").iter(batch_size=BATCH_ROWS))


def shorten_paths(tables: Iterator[pa.Table], shortened: Counter[str]) -> Iterator[pa.Table]:
    """Cut the folders of this machine out of the columns that can name them, and count the cuts."""
    for table in tables:
        _check_paths(table)
        for field in table.schema:
            is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
            if not is_text or (field.name in RESERVED_NAMES and field.name not in _CUTS):
                continue
            cut = _CUTS.get(field.name, _portable_value)
            before = table[field.name].to_pylist()
            after = [text and cut(text) for text in before]
            if changed := sum(old != new for old, new in zip(before, after, strict=True)):
                shortened[field.name] += changed
                table = _with_column(table, field.name, after)
        yield table


def _portable_value(value: str) -> str:
    """A value of the source manifest: what it says of the world stays, such as the address of a video."""
    return without_secrets(portable_name(value))


_CUTS = {"reject_detail": without_folders, "model": portable_text, "model_revision": portable_text,
         "server_version": portable_text, "prompt_name": portable_text, "prompt_version": portable_text}  # fmt: skip
"""How columns of the captions are cut; none of the others can name a place."""


def _check_paths(table: pa.Table) -> None:
    for clip_id, path in zip(table["clip_id"].to_pylist(), table["path"].to_pylist(), strict=True):
        if path and (portable_name(path) != path or path.startswith("/") or ".." in PurePosixPath(path).parts):
            raise RunFolderError(
                f"clip {clip_id!r}: path {path!r} leads out of the collection, "
                "it must be relative to its root; index the folder again and run again"
            )


def _with_column(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    index = table.schema.get_field_index(name)
    field = table.schema.field(index)
    return table.set_column(index, field, pa.array(values, field.type))


def write_parquet(folder: Path, kind: str, schema: pa.Schema, tables: Iterator[pa.Table]) -> list[Path]:
    """Write `kind-00000-of-0000N.parquet` files; none where there are no rows."""
    # datasets 5.2 loads neither a split nor a row group without rows
    filled = (table for table in tables if table.num_rows)
    parts: list[Path] = []
    table = next(filled, None)
    while table is not None:
        parts.append(folder / f"{kind}-{len(parts):05d}")
        num_bytes = 0
        # content-defined chunks let the Hub store only what changed since the last push
        with pq.ParquetWriter(
            parts[-1], schema, compression="zstd", write_page_index=True, use_content_defined_chunking=True
        ) as writer:
            while table is not None and num_bytes < SHARD_BYTES:
                writer.write_table(table.cast(schema))
                num_bytes += table.nbytes
                table = next(filled, None)
    return [part.rename(f"{part}-of-{len(parts):05d}.parquet") for part in parts]


def first_row(path: Path) -> dict[str, Any]:
    return dict(next(pq.ParquetFile(path).iter_batches(batch_size=1)).to_pylist()[0])
