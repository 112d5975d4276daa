"""A run's folder: the ledger, the dataset, the rejects, and run.json, the marker that is written last."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from vaemo_clips.errors import RunFolderError
from vaemo_clips.manifest import Manifest
from vaemo_clips.whole_file import locked_folder, write_text


class RunFolder:
    """The places inside `captions/<run>/`, and the rules for writing there."""

    def __init__(self, path: Path) -> None:
        """Name the places; nothing is touched."""
        self.path = path
        self.ledger = path / "ledger.sqlite"
        self.dataset = path / "dataset"
        self.rejects = path / "rejects"
        self.manifest = path / "clips.parquet"
        self.record = path / "run.json"
        self.log = path / "run.log"
        self.server_log = path / "server.log"
        self.pilot = path / "pilot"

    def locked(self) -> AbstractContextManager[None]:
        """Hold the folder for one writer. Raises RunFolderError where another run holds it."""
        return locked_folder(self.path)

    def check_owner(self, noted: dict[str, str], prompt_name: str) -> None:
        """Raise RunFolderError where the ledger belongs to another prompt."""
        owner = noted.get("prompt_name", prompt_name)
        if owner != prompt_name:
            raise RunFolderError(
                f"{self.path} holds captions of prompt {owner!r}, not of {prompt_name!r}; "
                "give another --out for this prompt"
            )

    def read_record(self) -> dict[str, Any]:
        """Return run.json. Raises RunFolderError where the run is absent or not finished."""
        if not self.record.is_file():
            hint = "run `vaemo-annotate run` again to finish it" if self.ledger.exists() else "give the --out of a run"
            raise RunFolderError(f"{self.path} holds no finished run (no run.json); {hint}")
        record: dict[str, Any] = json.loads(self.record.read_text(encoding="utf-8"))
        return record

    def write_record(self, record: dict[str, Any]) -> None:
        """Write run.json: under a temporary name, then renamed; it marks the folder as complete."""
        write_text(self.record, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def snapshot_manifest(manifest: Manifest, target: Path) -> Manifest:
    """Copy a manifest into a run folder and open the copy: a run must not change with an `index` beside it."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(manifest.path, draft)
    draft.replace(target)
    return Manifest.open(target, root=manifest.root)
