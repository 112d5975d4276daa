"""Run folders as `vaemo-annotate run` leaves them, written directly, without an engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from vaemo_clips.caption import DESCRIPTION_SCHEMA, VERDICT_SCHEMA, caption_schema, reject_schema
from vaemo_clips.cues.cue import Cue

PROMPT_TEXT = """\
name: cot_v2
version: "2.0"
sampling: {temperature: 0.7, top_p: 0.9, max_tokens: 512}
"""
PROMPT_SHA256 = hashlib.sha256(PROMPT_TEXT.encode()).hexdigest()
MADE_AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
DEFAULT_EXTRAS = (pa.field("label", pa.string()), pa.field("fold", pa.int64()))


def caption_row(number: int, **changes: Any) -> dict[str, Any]:
    """One accepted caption; `number` makes its texts and digests its own."""
    clip_id = changes.get("clip_id", f"clip_{number:03d}")
    step = {
        "name": "look",
        "reply": f"Reply {number}: the brows rise, then fall.",
        "finish_reason": "stop",
        "prompt_tokens": 900 + number,
        "cached_tokens": 512,
        "completion_tokens": 60,
        "latency_s": 0.5,
        "attempts": 1,
    }
    cue = Cue("f0_median", 180.5 + number, "Hz", 0.8, population_sd=0.5).to_dict()
    row = {
        "clip_id": clip_id,
        "path": f"actor_01/{clip_id}.mp4",
        "sha256": hashlib.sha256(clip_id.encode()).hexdigest(),
        "start_s": None,
        "end_s": None,
        "duration_s": 2.5 + number,
        "width": 640,
        "height": 480,
        "fps": 25.0,
        "n_frames": 64,
        "has_audio": True,
        "audio_rate_hz": 16000,
        "audio_channels": 1,
        "label": "happy",
        "fold": number % 5,
        "visual_description": f"Clip {number}: the lip corners pull up and the cheeks rise.",
        "acoustic_description": f"Clip {number}: the pitch is high and varied.",
        "affect_description": f"Clip {number}: face and voice agree on joy.",
        "emotions": ["joy", "relief"],
        "valence": 0.75,
        "arousal": 0.5,
        "confidence": 0.9,
        "cues": [cue],
        "sample_index": 0,
        "steps": [step],
        "engine": "vllm",
        "model": "Qwen/Qwen2.5-Omni-7B",
        "model_revision": None,
        "server_version": "0.32.0",
        "prompt_name": "cot_v2",
        "prompt_version": "2.0",
        "prompt_sha256": PROMPT_SHA256,
        "request_sha256": hashlib.sha256(f"request {number}".encode()).hexdigest(),
        "seed": 0,
        "created_at": MADE_AT,
    }
    return {**row, **changes}


def reject_row(number: int, reason: str, detail: str, **changes: Any) -> dict[str, Any]:
    """One rejected clip: its columns, nothing said about it, and why."""
    nothing = dict.fromkeys(name for name in DESCRIPTION_SCHEMA.names if name != "emotions")
    row = {**caption_row(number), **nothing, "emotions": [], "steps": [], "cues": []}
    return {**row, "reject_reason": reason, "reject_detail": detail, **changes}


def verdict_row(clip_id: str, verdict: str, **changes: Any) -> dict[str, Any]:
    """One verdict on the first sample of a clip."""
    row = {"clip_id": clip_id, "sample_index": 0, "verdict": verdict, "reasons": [], "scores": []}
    return {**row, "by": "review", "at": MADE_AT, "fixed_description": None, **changes}


def run_json(accepted: int, rejects_by_reason: dict[str, int], **changes: Any) -> dict[str, Any]:
    """The `run.json` of a finished run, with the paths, hosts and keys of the machine it ran on."""
    rejected = sum(rejects_by_reason.values())
    run = {
        "vaemo_version": "0.1.0",
        "complete": True,
        "prompt": {
            "name": "cot_v2",
            "version": "2.0",
            "sha256": PROMPT_SHA256,
            "description": "Look, listen, then reason.",
            "path": "/home/alice/vaemo/prompts/cot_v2.yaml",
            "text": PROMPT_TEXT,
        },
        "engine": {
            "name": "vllm",
            "model": "Qwen/Qwen2.5-Omni-7B",
            "model_revision": None,
            "server_version": "0.32.0",
            "endpoint": "http://gpu-07.lab.example:8000/v1",
        },
        "settings": {
            "seed": 7,
            "samples": 1,
            "shard": None,
            "limit": None,
            "root": "/home/alice/clips",
            "api_key": "sk-very-secret",
        },
        "counts": {
            "clips": accepted + rejected,
            "accepted": accepted,
            "rejected": rejected,
            "rejects_by_reason": rejects_by_reason,
        },
        "tokens": {"prompt": 123456, "cached": 65432, "completion": 7890},
        "started_at": "2026-05-04T12:00:00+00:00",
        "finished_at": "2026-05-04T12:30:00+00:00",
        "machine": {"host": "gpu-07", "user": "alice", "gpu": "H200"},
    }
    return {**run, **changes}


def write_run_folder(
    out: Path,
    *,
    accepted: Sequence[dict[str, Any]],
    rejected: Sequence[dict[str, Any]] = (),
    verdicts: Sequence[dict[str, Any]] | None = None,
    extra_fields: Sequence[pa.Field] = DEFAULT_EXTRAS,
    **run_changes: Any,
) -> Path:
    """Write `dataset`, `rejects`, `run.json` and, if given, `verdicts.parquet` into `out`."""
    _save(list(accepted), caption_schema(list(extra_fields)), out / "dataset")
    _save(list(rejected), reject_schema(list(extra_fields)), out / "rejects")
    reasons = [row["reject_reason"] for row in rejected]
    counts = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    run = run_json(len(accepted), counts, **run_changes)
    (out / "run.json").write_text(json.dumps(run), encoding="utf-8")
    if verdicts is not None:
        table = pa.Table.from_pylist(list(verdicts), schema=VERDICT_SCHEMA)
        pq.write_table(table, out / "verdicts.parquet")
    return out


def _save(rows: list[dict[str, Any]], schema: pa.Schema, folder: Path) -> None:
    datasets.Dataset(pa.Table.from_pylist(rows, schema=schema)).save_to_disk(str(folder))
