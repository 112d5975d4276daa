"""What an ablation leaves in the run's folder: a row a question, the rates, and the flags that `check` reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from vaemo_annotate.dataset import load_rows
from vaemo_annotate.engines.base import ModelIdentity
from vaemo_annotate.probes.ablation_row import ROW_SCHEMA, AblationRow
from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.caption import DESCRIPTION_SCHEMA, caption_digest
from vaemo_clips.errors import RunFolderError
from vaemo_clips.whole_file import write_text

if TYPE_CHECKING:
    from vaemo_annotate.probes.ablated_run import AblatedRun
    from vaemo_annotate.probes.ablation import AblationSummary

RECORD, ROWS = "ablation.json", "ablation.parquet"


def write_ablation(out: Path, rows: Sequence[AblationRow], record: Mapping[str, Any]) -> None:
    """Write the rows, then the record that marks them as complete."""
    (out / RECORD).unlink(missing_ok=True)
    draft = out / f".{ROWS}.{os.getpid()}.tmp"
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=ROW_SCHEMA), draft)
    draft.replace(out / ROWS)
    write_text(out / RECORD, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def ablation_record(summary: AblationSummary, run: AblatedRun, identity: ModelIdentity) -> dict[str, Any]:
    """Return the content of ablation.json."""
    return {
        "clips": summary.clips,
        "seed": run.seed,
        "model": identity.model,
        "model_revision": identity.model_revision,
        "prompt_sha256": run.prompt.sha256,
        "rates": [rate.to_dict() for rate in summary.rates],
        "statements": [survival.to_dict() for survival in summary.survivals],
        "left_out": dict(summary.left_out),
        "rejected": summary.rejected,
        "replies_asked_now": summary.replies,
        "finished_at": datetime.now(UTC).isoformat(),
    }


def read_flags(out: Path) -> dict[str, list[str]]:
    """Return the reasons that hold, by clip; clips without any are left out, and so are captions that changed since.

    No ablation, no flags. Raises RunFolderError for a file that cannot be read.
    """
    flags: dict[str, set[str]] = {}
    for row in _current(out)[0]:
        if row["flags"]:
            flags.setdefault(row["clip_id"], set()).update(row["flags"])
    return {clip_id: sorted(reasons) for clip_id, reasons in flags.items()}


def read_stale(out: Path) -> int:
    """Return how many clips were ablated whose caption has changed since, so that their flags no longer count."""
    return len({row["clip_id"] for row in _current(out)[1]})


def _current(out: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows on captions as they are now, and those on captions that are no longer."""
    path = out / ROWS
    if not path.exists():
        return [], []
    try:
        rows = pq.read_table(path, schema=ROW_SCHEMA).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise RunFolderError(f"{path} cannot be read ({error}); remove it, or run check --ablate again") from error
    now = _digests(RunFolder(out).dataset, {(row["clip_id"], row["sample_index"]) for row in rows})
    current: list[dict[str, Any]] = []
    stale: list[dict[str, Any]] = []
    for row in rows:
        same = now.get((row["clip_id"], row["sample_index"])) == row["caption_sha256"]
        (current if same else stale).append(row)
    return current, stale


def _digests(dataset: Path, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Return the digests of these captions as the dataset has them."""
    rows = load_rows(dataset).select_columns(["clip_id", "sample_index", *DESCRIPTION_SCHEMA.names])
    ids = {clip_id for clip_id, _ in wanted}
    found = {}
    for batch in rows.with_format("arrow").iter(1024):
        for row in batch.to_pylist() if ids.intersection(batch["clip_id"].to_pylist()) else ():
            key = (row["clip_id"], row["sample_index"])
            if key in wanted:
                found[key] = caption_digest(row)
    return found
