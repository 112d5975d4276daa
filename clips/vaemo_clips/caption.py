"""The caption record: one row of a caption dataset, its rejects and its verdicts, as Arrow schemas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from vaemo_clips.clip import CLIP_SCHEMA

CAPTION_SCHEMA_VERSION: int = 1
"""Of the columns below; `run.json` tells it as caption_schema_version. A run that tells none is of version 1."""

STEP_TYPE = pa.struct(
    [
        ("name", pa.string()),
        ("reply", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("latency_s", pa.float64()),
        ("attempts", pa.int32()),
    ]
)
"""One prompt step as the engine answered it; token counts and latency sum over `attempts`."""

CUE_TYPE = pa.struct(
    [
        ("name", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("coverage", pa.float64()),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("population_sd", pa.float64()),
        ("speaker_sd", pa.float64()),
    ]
)
"""One measured cue (`vaemo_clips.cues.cue.Cue`); `state` tells *not measurable* from a value, `reason` why."""

DESCRIPTION_SCHEMA = pa.schema(
    [
        ("visual_description", pa.string()),
        ("acoustic_description", pa.string()),
        ("affect_description", pa.string()),
        ("emotions", pa.list_(pa.string())),
        ("valence", pa.float64()),
        ("arousal", pa.float64()),
        ("confidence", pa.float64()),
    ]
)
"""What a caption says. valence and arousal in [-1, 1] or null, confidence in [0, 1] or null."""

PROVENANCE_SCHEMA = pa.schema(
    [
        ("cues", pa.list_(CUE_TYPE)),
        ("sample_index", pa.int32()),
        ("steps", pa.list_(STEP_TYPE)),
        ("engine", pa.string()),
        ("model", pa.string()),
        ("model_revision", pa.string()),
        ("server_version", pa.string()),
        ("prompt_name", pa.string()),
        ("prompt_version", pa.string()),
        ("prompt_sha256", pa.string()),
        ("request_sha256", pa.string()),
        ("seed", pa.int64()),
        ("created_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""How a caption came about. `request_sha256` is the ledger key of the last step asked."""

REJECT_SCHEMA = pa.schema([("reject_reason", pa.string()), ("reject_detail", pa.string())])
"""What a reject has beyond the columns of a caption."""

VERDICT_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("sample_index", pa.int32()),
        ("verdict", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("scores", pa.map_(pa.string(), pa.float64())),
        ("by", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("fixed_description", pa.string()),
        ("caption_sha256", pa.string()),
    ]
)
"""The side table of quality control (`vaemo_clips.verdict`); absent, every accepted caption counts.

`caption_sha256` is the digest of the caption that was judged (`caption_digest`), null where it is not known: a verdict
on other words than those that stand in the dataset now is stale.
"""

_OWN_FIELDS = [*DESCRIPTION_SCHEMA, *PROVENANCE_SCHEMA]
RESERVED_NAMES = frozenset(f.name for f in [*CLIP_SCHEMA, *_OWN_FIELDS, *REJECT_SCHEMA])
"""Column names that a source manifest may not use for columns of its own."""


def caption_schema(extra_fields: list[pa.Field]) -> pa.Schema:
    """Schema of `captions/<run>/dataset`: clip columns, the manifest's further columns, the caption."""
    clip_fields = [f.with_nullable(True) for f in CLIP_SCHEMA]
    return pa.schema([*clip_fields, *extra_fields, *_OWN_FIELDS])


def reject_schema(extra_fields: list[pa.Field]) -> pa.Schema:
    """Schema of `captions/<run>/rejects`: a caption's columns, then the typed reason and its detail."""
    return pa.schema([*caption_schema(extra_fields), *REJECT_SCHEMA])


def caption_digest(caption: Mapping[str, Any]) -> str:
    """SHA-256 over what a caption says (`DESCRIPTION_SCHEMA`), so that a verdict can be held against its words."""
    said = [caption[name] for name in DESCRIPTION_SCHEMA.names]
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()
