"""A run's folder: the ledger, the dataset, the rejects, and run.json, the marker that is written last."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from vaemo_clips.errors import RunFolderError
from vaemo_clips.manifest import Manifest
from vaemo_clips.whole_file import locked_folder, write_text

SHARD_FOLDERS: Final = "shard-*-of-*"
_SECTIONS: Final = ("prompt", "engine", "settings", "manifest", "counts", "tokens")


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
        """Return run.json: its sections are mappings, and `counts` says how many captions were accepted.

        Raises RunFolderError where the run is absent or not finished, and where run.json cannot be read.
        """
        if not self.record.is_file():
            raise RunFolderError(f"{self.path} holds no finished run (no run.json); {self._remedy_of_none()}")
        try:
            record: Any = json.loads(self.record.read_text(encoding="utf-8"))
            _check_shape(record)
        except (OSError, ValueError) as error:
            raise damaged(self.record, error) from error
        return dict(record)

    def _remedy_of_none(self) -> str:
        """Say what to do where there is no run.json."""
        if (self.pilot / "run.json").is_file():
            pilot = shlex.quote(str(self.pilot))
            return f"it holds a pilot: give {pilot}, or run the same `vaemo-annotate run` command without --pilot"
        if self.ledger.exists():
            return "run `vaemo-annotate run` again to finish it"
        if any(self.path.glob(SHARD_FOLDERS)):
            return f"it holds shards: join them with `vaemo-annotate merge {shlex.quote(str(self.path))}`"
        if (self.path.parent / "run.json").is_file():
            return f"give the run's folder: {shlex.quote(str(self.path.parent))}"
        return "give the --out of a run"

    def write_record(self, record: dict[str, Any]) -> None:
        """Write run.json: under a temporary name, then renamed; it marks the folder as complete."""
        write_text(self.record, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def damaged(path: Path, error: Exception) -> RunFolderError:
    """Return the error for a file of a run that cannot be read, with the remedy."""
    reason = " ".join(str(error).split())[:300]
    return RunFolderError(f"{path} cannot be read ({reason}); run the same `vaemo-annotate run` command again")


def _check_shape(record: Any) -> None:
    """Raise ValueError unless this is the record of a run."""
    if not isinstance(record, dict):
        raise ValueError(f"it is a {type(record).__name__}, not a mapping")
    for name in _SECTIONS:
        if not isinstance(section := record.get(name, {}), dict):
            raise ValueError(f"{name} is {section!r}, not a mapping")
    accepted = record.get("counts", {}).get("accepted")
    if not isinstance(accepted, int) or isinstance(accepted, bool) or accepted < 0:
        raise ValueError(f"counts.accepted is {accepted!r}, not a number of captions")


def snapshot_manifest(manifest: Manifest, target: Path) -> Manifest:
    """Copy a manifest into a run folder and open the copy: a run must not change with an `index` beside it."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(manifest.path, draft)
    draft.replace(target)
    return Manifest.open(target, root=manifest.root)
