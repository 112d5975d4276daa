"""Folders of captions as `vaemo-annotate run` leaves them, saved the way it saves them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.run_folder import DEFAULT_EXTRAS, caption_row, reject_row, run_json, verdict_row
from vaemo_annotate.dataset import save_dataset
from vaemo_clips.caption import CAPTION_SCHEMA_VERSION, VERDICT_SCHEMA, caption_schema, reject_schema

NOTHING_SAID = {"visual_description": None, "acoustic_description": "", "affect_description": " \n"}
"""The descriptions of a caption that has none, in every way of having none."""


def write_captions(run: Path, rows: Sequence[dict[str, Any]], **record: Any) -> Path:
    """Write a finished run with a caption for each of `rows`: its clip_id, and fields that are not as usual.

    Texts that are not given are the clip's own: no two clips share one. `record` changes run.json; a value of None
    takes the entry out. Returns `run`, with `dataset` and run.json in it.
    """
    captions = [_caption(number, row) for number, row in enumerate(rows)]
    save_table(run / "dataset", pa.Table.from_pylist(captions, schema=caption_schema(list(DEFAULT_EXTRAS))))
    facts = run_json(len(rows), {}, caption_schema_version=CAPTION_SCHEMA_VERSION, pilot=False) | record
    kept = {name: value for name, value in facts.items() if value is not None}
    (run / "run.json").write_text(json.dumps(kept), encoding="utf-8")
    return run


def write_rejects(run: Path, clip_ids: Sequence[str], name: str = "rejects") -> Path:
    """Write a run's rejects beside its captions; return their folder."""
    rows = [reject_row(0, "empty", "no text", clip_id=clip_id) for clip_id in clip_ids]
    return save_table(run / name, pa.Table.from_pylist(rows, schema=reject_schema(list(DEFAULT_EXTRAS))))


def write_verdicts(run: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write verdicts.parquet from clip_id, verdict, and fields that are not as usual; return the file."""
    table = pa.Table.from_pylist([verdict_row(**row) for row in rows], schema=VERDICT_SCHEMA)
    pq.write_table(table, run / "verdicts.parquet")
    return run / "verdicts.parquet"


def save_table(folder: Path, table: pa.Table) -> Path:
    """Save a table as `vaemo-annotate` saves a dataset; return `folder`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stream = folder.with_name(f".{folder.name}.arrow")
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    save_dataset(stream, folder)
    stream.unlink()
    return folder


def shard_rows(
    clip_ids: Sequence[str], has_picture: Sequence[bool] | None = None, has_sound: Sequence[bool] | None = None
) -> pa.Table:
    """What the join needs of a folder's list of rows: one row for each of `clip_ids`, which may repeat."""
    everywhere = [True] * len(clip_ids)
    return pa.table(
        {
            "clip_id": pa.array(clip_ids, pa.string()),
            "has_picture": pa.array(has_picture or everywhere, pa.bool_()),
            "has_sound": pa.array(has_sound or everywhere, pa.bool_()),
        }
    )


def _caption(number: int, row: dict[str, Any]) -> dict[str, Any]:
    clip_id, sample = row["clip_id"], row.get("sample_index", 0)
    own = {f"{path}_description": f"{clip_id}, sample {sample}: {path}" for path in ("visual", "acoustic", "affect")}
    return caption_row(number, **{**own, **row})
