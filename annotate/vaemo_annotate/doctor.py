"""`vaemo-annotate doctor`: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import io
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console

from vaemo_clips.errors import UserError, VaemoError

State = Literal["ok", "absent", "broken"]
_MARKS = {"ok": "ok     ", "absent": "–      ", "broken": "BROKEN "}
_MODELS_BY_MEMORY = ((90, "Qwen3-Omni-30B-A3B"), (22, "Qwen2.5-Omni-7B"), (14, "Qwen2.5-Omni-3B"))
"""Gigabytes that a model wants for weights and a working cache; see annotate/README.md."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `absent` is no fault: something else can do its work."""

    state: State
    what: str
    detail: str


def examine(endpoint: str | None, model: str | None, vllm_python: Path | None) -> bool:
    """Print every finding; return whether nothing is broken."""
    url = endpoint or os.environ.get("VAEMO_ENDPOINT")
    sound = True
    checks: list[Callable[[], Iterator[Finding]]] = [
        _machine, _packages, _decoding, _faces, _gpu, lambda: _vllm(vllm_python), _hub, lambda: _server(url, model),
    ]  # fmt: skip
    for check in checks:
        for finding in check():
            typer.echo(f"{_MARKS[finding.state]}{finding.what:<10} {finding.detail}")
            sound = sound and finding.state != "broken"
    typer.echo(_advice(sound, url))
    return sound


def _advice(sound: bool, url: str | None) -> str:
    if not sound:
        return "mend what is BROKEN, then run `vaemo-annotate doctor` again"
    if url:
        return "next: vaemo-annotate index FOLDER, then vaemo-annotate run --prompt prompts/cot_v2.yaml --pilot 20"
    return (
        "no server was tried (with one running: vaemo-annotate doctor --endpoint http://localhost:8000/v1)\n"
        "next: vaemo-annotate index FOLDER"
    )


def _machine() -> Iterator[Finding]:
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    detail = f"Python {platform.python_version()}, {os.cpu_count()} cores, {memory_gb:.0f} GB memory, "
    detail += f"{free_gb:.0f} GB disk free"
    yield Finding("ok" if free_gb > 1 else "broken", "machine", detail + ("" if free_gb > 1 else "; free some disk"))


def _packages() -> Iterator[Finding]:
    missing = []
    for name in _needed("annotate"):
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding("broken", "packages", f"missing: {', '.join(missing)}; pip install 'vaemo[annotate]'")
    else:
        yield Finding("ok", "packages", f"vaemo {version('vaemo')} with [annotate]")


def _needed(extra: str) -> list[str]:
    """Return the packages that an extra of ours asks for, those of its own extras included."""
    names: list[str] = []
    for line in requires("vaemo") or []:
        requirement, _, marker = line.partition(";")
        if re.fullmatch(rf"\s*extra == ['\"]{extra}['\"]\s*", marker):
            inner = re.match(r"vaemo\[(\w+)\]", requirement)
            name = re.match(r"[\w.-]+", requirement)
            names += _needed(inner[1]) if inner else [name[0]] if name else []
    return names


def _canary(folder: Path) -> Path:
    """Write a clip of 2 s: a bright bar that wanders, and a tone."""
    import numpy as np

    from vaemo_clips.demo.encode import write_mp4

    folder.mkdir(parents=True, exist_ok=True)
    pictures = np.full((50, 96, 128, 3), 40, np.uint8)
    for number, picture in enumerate(pictures):
        picture[:, 2 * number : 2 * number + 16] = 220
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(2 * 16000) / 16000)
    write_mp4(folder / "canary.mp4", pictures, (128, 96), 25, tone, 16000)
    return folder / "canary.mp4"


def _faces() -> Iterator[Finding]:
    from vaemo_clips.faces.models import FaceModels

    try:
        FaceModels.load()
    except UserError as error:
        yield Finding("broken", "faces", str(error))
    else:
        yield Finding("ok", "faces", f"LiteRT {version('ai-edge-litert')} and the face networks: `--engine cues` works")


def _decoding() -> Iterator[Finding]:
    """Make a clip, decode it as a run does, and cut it with ffmpeg."""
    from vaemo_annotate.media import encode_clip
    from vaemo_annotate.prompt import MediaSettings
    from vaemo_annotate.prompt_view import single_clip
    from vaemo_clips.transcode import cut

    with tempfile.TemporaryDirectory(prefix="vaemo-doctor-") as name:
        try:
            path = _canary(Path(name))
            media = encode_clip(path, single_clip(path), MediaSettings(), frozenset({"video", "audio"}))
            video, audio = media.facts.video, media.facts.audio
            assert video is not None, "the canary has a picture"
            assert audio is not None, "the canary has sound"
            yield Finding(
                "ok",
                "decoding",
                f"a clip made here gives {video.num_frames} frames and {audio.duration_s:.1f} s of sound",
            )
            cut(path, Path(name) / "cut.mp4", 0.0, 1.0)
            yield Finding("ok", "ffmpeg", "cuts and transcodes clips for previews")
        except (VaemoError, OSError) as error:
            yield Finding(
                "broken", "decoding", f"{error}; reinstall with pip install --force-reinstall av imageio-ffmpeg"
            )


def _gpu() -> Iterator[Finding]:
    if not shutil.which("nvidia-smi"):
        yield Finding("absent", "GPU", "no nvidia-smi; `--engine cues` needs none, --endpoint takes a server elsewhere")
        return
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        yield Finding("broken", "GPU", "nvidia-smi does not answer; mend the driver")
        return
    if done.returncode:
        yield Finding(
            "broken", "GPU", f"nvidia-smi fails ({done.stderr.strip() or done.stdout.strip()}); mend the driver"
        )
        return
    for line in done.stdout.strip().splitlines():
        name, _, memory_mib = line.rpartition(",")
        if not memory_mib.strip().isdigit():
            yield Finding("ok", "GPU", f"{name}, memory shared with the machine")
            continue
        memory_gb = float(memory_mib) * 1024**2 / 1e9
        fitting = next((model for least, model in _MODELS_BY_MEMORY if memory_gb >= least), "none of the omni models")
        yield Finding("ok", "GPU", f"{name}, {memory_gb:.0f} GB: fits {fitting}")


def _vllm(python: Path | None) -> Iterator[Finding]:
    from vaemo_annotate.engines.vllm_server import default_python, vllm_version

    try:
        found = vllm_version(default_python(python))
        yield Finding("ok", "vLLM", f"{found} in {default_python(python)}")
    except UserError as error:
        yield Finding("broken" if python else "absent", "vLLM", f"{error}")


def _hub() -> Iterator[Finding]:
    from huggingface_hub import get_token

    if get_token():
        yield Finding("ok", "Hub", "a token is there for `push`")
    else:
        yield Finding("absent", "Hub", "no token; `push` wants one: hf auth login, or HF_TOKEN")


def _server(url: str | None, model: str | None) -> Iterator[Finding]:
    """Caption one canary clip on the server, with the whole pipeline."""
    if not url:
        return
    from vaemo_annotate.progress import Display
    from vaemo_annotate.run import run
    from vaemo_annotate.settings import RunSettings
    from vaemo_clips.index import index

    with tempfile.TemporaryDirectory(prefix="vaemo-doctor-") as name:
        folder = Path(name)
        _canary(folder / "clips")
        index(folder / "clips", folder / "clips.parquet", workers=1)
        (folder / "canary.yaml").write_text(_CANARY_PROMPT, encoding="utf-8")
        settings = RunSettings(
            prompt=folder / "canary.yaml", clips=folder / "clips.parquet", out=folder / "out", engine="endpoint",
            endpoint=url, model=model, canaries="off", workers=1, request_timeout_s=120.0, patience_s=5.0,
        )  # fmt: skip
        try:
            summary = run(settings, Display(console=Console(file=io.StringIO())))
        except UserError as error:
            yield Finding("broken", "server", str(error))
            return
        yield _canary_finding(summary.record)


def _canary_finding(record: dict[str, dict[str, object]]) -> Finding:
    engine, counts, tokens = record["engine"], record["counts"], record["tokens"]
    who = f"{engine['model']}, vLLM {engine['server_version'] or '–'}, media as {engine['media_dialect']}"
    if counts["accepted"]:
        took = f"{tokens['prompt']} + {tokens['completion']} tokens"
        untimed = "; restart it with --trust-request-mm-kwargs" if engine["media_dialect"] == "vllm-untimed" else ""
        return Finding("ok", "server", f"{who}: the canary clip was captioned ({took}){untimed}")
    return Finding("broken", "server", f"{who}: the canary clip was rejected: {counts['rejects_by_reason']}")


_CANARY_PROMPT = """
name: canary
version: "1"
description: One clip, to see that picture, sound and structured output arrive.
system: You describe clips. You answer with JSON only.
media: {fps: 1.0, max_frames: 4, short_side_px: 112}
sampling: {temperature: 0.0, max_tokens: 256}
steps:
  - name: look
    inputs: [video, audio]
    template: Say in a few words what moves and what sounds.
    schema:
      type: object
      additionalProperties: false
      required: [description]
      properties: {description: {type: string, maxLength: 60}}
output: {affect_description: look.description}
"""
