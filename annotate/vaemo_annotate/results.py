"""What a pass over the clips leaves behind: dataset, rejects, and run.json as the marker of completeness."""

from __future__ import annotations

import os
import platform
import re
import shlex
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from vaemo_annotate.dataset import build_dataset
from vaemo_annotate.engines.base import ModelIdentity
from vaemo_annotate.engines.opening import OpenEngine
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.progress import RunCounts
from vaemo_annotate.prompt import Prompt
from vaemo_annotate.run_folder import RunFolder
from vaemo_annotate.settings import RunSettings
from vaemo_clips.caption import CAPTION_SCHEMA_VERSION
from vaemo_clips.errors import VaemoError
from vaemo_clips.file_facts import sha256_of
from vaemo_clips.manifest import Manifest

_SECRET_FLAG = re.compile(r"(api.?key|secret|password|[-_]token)$", re.IGNORECASE)
_PACKAGES = ("vaemo", "av", "pyarrow", "datasets", "aiohttp", "pillow", "numpy")


def write_results(
    folder: RunFolder,
    manifest: Manifest,
    ledger: Ledger,
    identity: ModelIdentity,
    prompt: Prompt,
    record: dict[str, Any],
) -> None:
    """Build both datasets from the ledger and then write the marker. Raises VaemoError if a clip were lost."""
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.record.unlink(missing_ok=True)
    accepted = build_dataset(folder.dataset, True, manifest, ledger, identity, prompt)
    rejected = build_dataset(folder.rejects, False, manifest, ledger, identity, prompt)
    if (accepted, rejected) != (record["counts"]["accepted"], record["counts"]["rejected"]):
        raise VaemoError(
            f"{folder.path}: the ledger holds {accepted} accepted and {rejected} rejected outcomes, counted were "
            f"{record['counts']}; this is a fault of vaemo, please report it with run.log"
        )
    folder.write_record(record)


def run_record(
    settings: RunSettings,
    prompt: Prompt,
    prompt_text: str,
    manifest: Manifest,
    opened: OpenEngine,
    counts: RunCounts,
    seed: int | None,
    started_at: datetime,
) -> dict[str, Any]:
    """Return the content of run.json: what was asked, who answered, what came of it."""
    finished_at = datetime.now(UTC)
    return {
        "vaemo_version": version("vaemo"),
        "caption_schema_version": CAPTION_SCHEMA_VERSION,
        "complete": True,
        "pilot": settings.pilot is not None,
        "prompt": _prompt_record(prompt, settings, prompt_text),
        "engine": _engine_record(opened),
        "manifest": _manifest_record(settings, manifest),
        "settings": {**_public(settings), "seed": seed},
        "counts": {
            "clips": counts.total // settings.samples,
            "samples": settings.samples,
            "accepted": counts.accepted,
            "rejected": counts.rejected,
            "rejects_by_reason": dict(counts.rejects.most_common()),
            "replies_asked_now": counts.replies,
        },
        "tokens": dict(counts.dataset_tokens),
        "server_caches": opened.cache_counts(),
        "concurrency_limit": opened.limit.limit,
        "started_at": started_at.isoformat(),
        "finished_at": finished_at.isoformat(),
        "seconds": round((finished_at - started_at).total_seconds(), 3),
        "machine": _machine_record(),
    }


def _prompt_record(prompt: Prompt, settings: RunSettings, text: str) -> dict[str, Any]:
    return {
        "name": prompt.name,
        "version": prompt.version,
        "sha256": prompt.sha256,
        "description": prompt.description,
        "path": str(settings.prompt),
        "text": text,
    }


def _manifest_record(settings: RunSettings, manifest: Manifest) -> dict[str, Any]:
    return {
        "path": str(settings.clips.resolve()),
        "sha256": sha256_of(manifest.path),
        "root": str(manifest.root),
        "clips": manifest.num_clips,
    }


def _engine_record(opened: OpenEngine) -> dict[str, Any]:
    return {
        "name": opened.identity.engine,
        "model": opened.identity.model,
        "model_revision": opened.identity.model_revision,
        "server_version": opened.identity.server_version,
        "media_dialect": opened.dialect,
    }


def _machine_record() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _public(settings: RunSettings) -> dict[str, Any]:
    """Return the settings without anything secret."""
    values = settings.model_dump(mode="json")
    values["vllm_args"] = without_secrets(settings.vllm_args)
    if settings.endpoint:
        parts = urlsplit(settings.endpoint)
        values["endpoint"] = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    return values


def without_secrets(arguments: str) -> str:
    """Return server arguments with the values of key-like flags blanked."""
    shown: list[str] = []
    hide_next = False
    for argument in shlex.split(arguments):
        flag, equals, _ = argument.partition("=")
        secret = flag.startswith("--") and bool(_SECRET_FLAG.search(flag))
        shown.append("***" if hide_next else f"{flag}=***" if secret and equals else argument)
        hide_next = secret and not equals
    return shlex.join(shown)
