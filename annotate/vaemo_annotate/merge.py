"""Shards of one run into one dataset, in the order of the manifest; nothing lost, nothing doubled."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vaemo_annotate.dataset import import_datasets, load_rows, save_dataset
from vaemo_annotate.probes.canary_record import merged_canaries
from vaemo_annotate.run_folder import RunFolder, snapshot_manifest
from vaemo_clips.errors import RunFolderError
from vaemo_clips.manifest import Manifest
from vaemo_clips.whole_file import replace_folder

_SHARD_FOLDER = re.compile(r"shard-(\d+)-of-(\d+)")
_SAME = (("prompt", "sha256"), ("engine", "model"), ("engine", "model_revision"), ("settings", "seed"),
         ("settings", "samples"), ("settings", "limit"), ("manifest", "sha256"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge wrote."""

    folder: Path
    shards: int
    accepted: int
    rejected: int


def merge_runs(outs: list[Path], out: Path | None) -> Merged:
    """Merge shards into `out` (or the run folder they lie in). Raises RunFolderError where they do not fit."""
    shards = [RunFolder(path) for path in _shard_folders(outs)]
    records = [shard.read_record() for shard in shards]
    _check_fit(shards, records)
    target = RunFolder(out or _common_parent(shards))
    with target.locked():
        target.record.unlink(missing_ok=True)
        root = Path(records[0]["manifest"]["root"])
        manifest = snapshot_manifest(Manifest.open(shards[0].manifest, root=root), target.manifest)
        accepted = _join([shard.dataset for shard in shards], target.dataset, manifest)
        rejected = _join([shard.rejects for shard in shards], target.rejects, manifest)
        record = _merged_record(records, accepted, rejected)
        _check_whole(target, manifest, record)
        target.write_record(record)
    return Merged(target.path, len(shards), accepted, rejected)


def _shard_folders(outs: list[Path]) -> list[Path]:
    """Return the shards' folders: those given, or those inside the one run folder given."""
    found = [path for out in outs for path in sorted(out.glob("shard-*-of-*")) if _SHARD_FOLDER.fullmatch(path.name)]
    folders = found or outs
    missing = [str(path) for path in folders if not path.is_dir()]
    if missing:
        raise RunFolderError(f"{missing[0]} is no folder; give the --out of runs made with --shard I/N")
    return folders


def _check_fit(shards: list[RunFolder], records: list[dict[str, Any]]) -> None:
    """Raise RunFolderError unless the shards are 1..N of N of one and the same run."""
    parts = [record["settings"]["shard"] for record in records]
    for shard, part in zip(shards, parts, strict=True):
        if part is None:
            raise RunFolderError(f"{shard.path} is a whole run, not a shard; merge takes runs made with --shard I/N")
    for section, key in _SAME:
        values = {json.dumps(record[section][key]): shard.path for record, shard in zip(records, shards, strict=True)}
        if len(values) > 1:
            (one, first), (other, second) = list(values.items())[:2]
            raise RunFolderError(
                f"{first} and {second} are shards of different runs: {section}.{key} is {one} and {other}; "
                "run them again with the same settings"
            )
    counts = sorted({part["count"] for part in parts})
    if len(counts) > 1:
        shown = ", ".join(f"of {count}" for count in counts)
        raise RunFolderError(
            f"{shards[0].path.parent} holds shards of different counts ({shown}); give the folders that belong together"
        )
    count = counts[0]
    there = Counter(part["index"] for part in parts if part["count"] == count)
    wrong = [str(i) for i in range(1, count + 1) if there[i] != 1]
    if wrong or len(parts) != count:
        raise RunFolderError(
            f"shards {', '.join(wrong) or '?'} of {count} are missing or given twice; "
            f"finish them with --shard I/{count}, then merge again"
        )


def _common_parent(shards: list[RunFolder]) -> Path:
    parents = {shard.path.resolve().parent for shard in shards}
    if len(parents) > 1:
        raise RunFolderError("the shards lie in different folders; say where to merge to with --out")
    return shards[0].path.parent


def _join(parts: list[Path], target: Path, manifest: Manifest) -> int:
    """Concatenate datasets, put their rows in the manifest's order, save; return the number of rows."""
    joined = import_datasets().concatenate_datasets([load_rows(part) for part in parts])
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    table = joined.data.table
    order = pa.array(manifest.clip_ids())
    keys = pa.table({"place": pc.index_in(table["clip_id"], order), "sample": table["sample_index"]})
    rows = pc.sort_indices(keys, [("place", "ascending"), ("sample", "ascending")])
    schema = table.schema.remove_metadata()
    with pa.ipc.new_stream(draft / "stream.arrow", schema) as writer:
        for start in range(0, len(rows), 1000):
            writer.write_table(table.take(rows.slice(start, 1000)).replace_schema_metadata(None))
    save_dataset(draft / "stream.arrow", draft / "dataset")
    replace_folder(draft / "dataset", target)
    shutil.rmtree(draft, ignore_errors=True)
    return len(rows)


def _merged_record(records: list[dict[str, Any]], accepted: int, rejected: int) -> dict[str, Any]:
    def total(section: str, key: str) -> int:
        return sum(record[section][key] for record in records)

    by_reason: Counter[str] = Counter()
    for record in records:
        by_reason.update(record["counts"]["rejects_by_reason"])
    counts = {
        **records[0]["counts"],
        "clips": total("counts", "clips"),
        "accepted": accepted,
        "rejected": rejected,
        "rejects_by_reason": dict(by_reason.most_common()),
        "replies_asked_now": total("counts", "replies_asked_now"),
    }
    canaries = merged_canaries([record["canaries"] for record in records if record.get("canaries")])
    return {
        **records[0],
        **({"canaries": canaries} if canaries else {}),
        "settings": {**records[0]["settings"], "shard": None},
        "counts": counts,
        "tokens": {name: total("tokens", name) for name in records[0]["tokens"]},
        "started_at": min(record["started_at"] for record in records),
        "finished_at": max(record["finished_at"] for record in records),
        "seconds": sum(record["seconds"] for record in records),
        "merged_from": len(records),
    }


def _check_whole(target: RunFolder, manifest: Manifest, record: dict[str, Any]) -> None:
    """Raise RunFolderError unless accepted + rejected = clips, counted in the datasets."""
    counts = record["counts"]
    limit = record["settings"]["limit"]
    if counts["accepted"] + counts["rejected"] != counts["clips"] * counts["samples"]:
        raise RunFolderError(f"{target.path}: the shards hold {counts}; run the shards again, then merge")
    if limit is None and counts["clips"] != manifest.num_clips:
        raise RunFolderError(
            f"{manifest.path} has {manifest.num_clips} clips, the shards have {counts['clips']}; "
            "the manifest changed: run the shards again, then merge"
        )
