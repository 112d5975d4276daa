"""The finished run that an ablation asks about: its prompt, its server's settings, clips drawn from its captions."""

from __future__ import annotations

import hashlib
import heapq
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vaemo_annotate.dataset import load_rows
from vaemo_annotate.probes.statement import INPUT
from vaemo_annotate.prompt import Prompt, load_prompt
from vaemo_annotate.run_folder import RunFolder
from vaemo_annotate.settings import RunSettings
from vaemo_clips.clip import Clip
from vaemo_clips.errors import RunFolderError, UserError
from vaemo_clips.manifest import Manifest

_KEPT = ("endpoint", "vllm_args", "vllm_python", "workers", "concurrency", "request_timeout_s", "patience_s",
         "startup_timeout_s")  # fmt: skip
_CORPUS_COLUMNS = ("corpus", "dataset")
_NEEDED = (("engine", "name", "model"), ("prompt", "name"), ("settings", "seed", "prompt", "clips"),
           ("manifest", "path", "root"))  # fmt: skip
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """Which server to ask; None is what the run had."""

    endpoint: str | None = None
    model: str | None = None
    vllm_python: Path | None = None
    vllm_args: str | None = None
    concurrency: int | str | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class AblatedRun:
    """A finished run of a chat engine. `settings` are those under which its server is asked again."""

    folder: RunFolder
    record: Mapping[str, Any]
    prompt: Prompt
    settings: RunSettings
    manifest: Manifest

    @classmethod
    def open(cls, out: Path, choice: ServerChoice) -> AblatedRun:
        """Open OUT. Raises RunFolderError, UserError."""
        folder = RunFolder(out)
        record = _whole(folder.read_record(), out)
        if record["engine"]["name"] == "cues":
            raise UserError(
                f"{out} was made by the engine cues, which measures and asks no model: there is nothing to ablate; "
                "leave out --ablate"
            )
        prompt = _prompt_of(record, out)
        if not prompt.inputs & set(INPUT.values()):
            raise UserError(
                f"{out}: its prompt {prompt.name!r} takes neither video nor audio, so nothing can be taken away; "
                "leave out --ablate"
            )
        # A pilot has no manifest of its own.
        manifest = folder.manifest if folder.manifest.exists() else out.parent / folder.manifest.name
        root = Path(record["manifest"]["root"])
        return cls(folder, record, prompt, _settings(record, out, choice), Manifest.open(manifest, root=root))

    @property
    def modalities(self) -> frozenset[str]:
        """Return which of video and audio the prompt takes; only clips with all of them are asked about."""
        return frozenset(self.prompt.inputs & set(INPUT.values()))

    @property
    def seed(self) -> int | None:
        """Return the run's seed."""
        seed: int | None = self.record["settings"]["seed"]
        return seed

    def corpus_of(self, row: Mapping[str, Any]) -> str:
        """Return the corpus of a caption, as a column of the manifest names it; else the manifest's name."""
        named = next((row[name] for name in _CORPUS_COLUMNS if row.get(name)), None)
        return str(named or Path(self.record["manifest"]["path"]).stem)

    def choose(self, count: int) -> tuple[list[tuple[dict[str, Any], Clip]], int]:
        """Draw up to `count` clips, by the hash of id and seed, each with its first accepted caption.

        The second is how many drawn ones the manifest does not have.
        """
        rows = load_rows(self.folder.dataset)
        first: dict[str, int] = {}
        for place, (clip_id, sound, width) in enumerate(_columns(rows, "clip_id", "has_audio", "width")):
            has = {"audio": bool(sound), "video": width is not None}
            if all(has[modality] for modality in self.modalities):
                first.setdefault(clip_id, place)
        drawn = heapq.nsmallest(count, first, key=lambda clip_id: _draw(self.seed or 0, clip_id))
        clips = {clip.clip_id: clip for clip in self.manifest.clips() if clip.clip_id in set(drawn)}
        pairs = [(rows[first[clip_id]], clips[clip_id]) for clip_id in drawn if clip_id in clips]
        return pairs, len(drawn) - len(pairs)


def _columns(rows: Any, *names: str) -> Iterator[tuple[Any, ...]]:
    for batch in rows.select_columns(list(names)).with_format("arrow").iter(1024):
        yield from zip(*(batch[name].to_pylist() for name in names), strict=True)


def _draw(seed: int, clip_id: str) -> bytes:
    """Return a clip's place in the draw: a larger one holds the smaller one."""
    return hashlib.sha256(f"{seed}:{clip_id}".encode()).digest()


def _whole(record: dict[str, Any], out: Path) -> dict[str, Any]:
    """Return the record. Raises RunFolderError where it lacks what is needed to ask again."""
    for section, *names in _NEEDED:
        for name in names:
            if name not in (record.get(section) or {}):
                raise RunFolderError(
                    f"{out}/run.json holds no {section}.{name}, so its clips cannot be asked about again; "
                    "run `vaemo-annotate run` again, or leave out --ablate"
                )
    return record


def _prompt_of(record: Mapping[str, Any], out: Path) -> Prompt:
    text = record["prompt"].get("text")
    if not text:
        raise RunFolderError(f"{out}/run.json does not hold the prompt's text; run `vaemo-annotate run` again")
    with tempfile.TemporaryDirectory(prefix="vaemo-prompt-") as folder:
        path = Path(folder) / "prompt.yaml"
        path.write_text(text, encoding="utf-8")
        return load_prompt(path)


def _settings(record: Mapping[str, Any], out: Path, choice: ServerChoice) -> RunSettings:
    """Return the run's own settings of its server, with what was chosen otherwise. Raises UserError."""
    stored, engine = record["settings"], str(record["engine"]["name"])
    if choice.endpoint:
        engine = "endpoint"
    elif choice.vllm_python or choice.vllm_args is not None:
        engine = "vllm"
    values = {name: stored[name] for name in _KEPT if stored.get(name) is not None}
    chosen = {"endpoint": choice.endpoint, "vllm_python": choice.vllm_python, "vllm_args": choice.vllm_args,
              "concurrency": choice.concurrency, "workers": choice.workers}  # fmt: skip
    values |= {name: value for name, value in chosen.items() if value is not None}
    values["model"] = choice.model or (record["engine"]["model"] if engine == "endpoint" else stored.get("model"))
    if engine == "vllm" and _HIDDEN in values.get("vllm_args", ""):
        raise UserError(
            f"{out}/run.json keeps no secrets: its --vllm-args hold {_HIDDEN}; start the server, --endpoint"
        )
    try:
        return RunSettings(prompt=Path(stored["prompt"]), clips=Path(stored["clips"]), out=out, engine=engine, **values)
    except ValidationError as error:
        fault = error.errors()[0]
        option = str(fault["loc"][0]).replace("_", "-")
        raise UserError(f"--{option}: {fault['msg'].removeprefix('Value error, ')}") from error
