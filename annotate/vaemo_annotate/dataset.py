"""From the ledger to the Arrow datasets: accepted captions and rejects, joined with the manifest's columns."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_annotate.engines.base import ModelIdentity
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.prompt import Prompt
from vaemo_annotate.run_folder import damaged
from vaemo_clips.caption import DESCRIPTION_SCHEMA, caption_schema, reject_schema
from vaemo_clips.clip import CLIP_SCHEMA
from vaemo_clips.errors import MissingExtraError, RunFolderError
from vaemo_clips.manifest import Manifest
from vaemo_clips.whole_file import replace_folder

_SHARD_BYTES = 500_000_000


def build_dataset(
    target: Path, accepted: bool, manifest: Manifest, ledger: Ledger, identity: ModelIdentity, prompt: Prompt
) -> int:
    """Write the accepted (or the rejected) outcomes of this pass as a dataset; return the number of rows."""
    schema = (caption_schema if accepted else reject_schema)(manifest.extra_fields)
    rows = 0
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    stream = draft / "stream.arrow"
    with pa.ipc.new_stream(stream, schema) as writer:
        for table in _tables(accepted, schema, manifest, ledger, identity, prompt):
            writer.write_table(table)
            rows += table.num_rows
    save_dataset(stream, draft / "dataset")
    replace_folder(draft / "dataset", target)
    shutil.rmtree(draft, ignore_errors=True)
    return rows


def save_dataset(stream: Path, target: Path) -> None:
    """Turn an Arrow stream file into a folder that `datasets.load_from_disk` reads."""
    datasets = import_datasets()
    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_file(str(stream))
    # The number is given, since `datasets` writes no file for no rows and then cannot load what it saved.
    rows.save_to_disk(str(target), num_shards=1 + rows.data.nbytes // _SHARD_BYTES)


def import_datasets() -> Any:
    """Import Hugging Face datasets. Raises MissingExtraError."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", "annotate") from error
    return datasets


def load_rows(folder: Path) -> Any:
    """Load a saved dataset. Raises RunFolderError where there is none, or a damaged one."""
    datasets = import_datasets()
    try:
        return datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        if (folder / "state.json").exists():
            raise damaged(folder, error) from error
        raise RunFolderError(f"{folder} is no saved dataset; give the --out of a finished run") from error


def _tables(
    accepted: bool, schema: pa.Schema, manifest: Manifest, ledger: Ledger, identity: ModelIdentity, prompt: Prompt
) -> Iterator[pa.Table]:
    """Yield one table a batch of the manifest: its clip columns untouched, the caption's beside them."""
    clip_names = [*CLIP_SCHEMA.names, *(field.name for field in manifest.extra_fields)]
    own_fields = [field for field in schema if field.name not in clip_names]
    constant = _constant_columns(identity, prompt)
    position = 0
    for batch in manifest.batches():
        records = list(ledger.outcomes(accepted, position, position + batch.num_rows))
        clips = batch.select(clip_names).take(
            pa.array([record["position"] - position for record in records], pa.int64())
        )
        own = pa.Table.from_pylist([_own_columns(record, constant) for record in records], schema=pa.schema(own_fields))
        columns = [*pa.Table.from_batches([clips]).columns, *own.columns]
        yield pa.Table.from_arrays(columns, schema=schema)
        position += batch.num_rows


def _constant_columns(identity: ModelIdentity, prompt: Prompt) -> dict[str, Any]:
    return {
        "cues": [],
        "engine": identity.engine,
        "model": identity.model,
        "model_revision": identity.model_revision,
        "server_version": identity.server_version,
        "prompt_name": prompt.name,
        "prompt_version": prompt.version,
        "prompt_sha256": prompt.sha256,
    }


def _own_columns(record: dict[str, Any], constant: dict[str, Any]) -> dict[str, Any]:
    """Return the caption's (or the reject's) own columns of one outcome."""
    created_at = record.get("created_at")
    return {
        **dict.fromkeys(DESCRIPTION_SCHEMA.names),
        **constant,
        **(record.get("fields") or {}),
        "sample_index": record["sample_index"],
        "steps": record["steps"],
        "request_sha256": record["request_sha256"],
        "seed": record.get("seed"),
        "created_at": datetime.fromisoformat(created_at) if created_at else None,
        "reject_reason": record.get("reason"),
        "reject_detail": record.get("detail"),
    }
