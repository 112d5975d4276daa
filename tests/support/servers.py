"""Servers as processes of their own: the scripted fake one, and vLLM on the CPU with a tiny random model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VLLM_PYTHON = Path(os.environ.get("VAEMO_VLLM_PYTHON", REPOSITORY / ".venv-vllm" / "bin" / "python"))
TINY_OMNI = Path(os.environ.get("VAEMO_TINY_OMNI", REPOSITORY / ".cache" / "tiny-omni"))


class FakeServerProcess:
    """A fake server in a process of its own, so that it can die and the client can be killed."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Start on a free port; `folder` holds the port file."""
        self._folder = folder
        self._arguments = arguments
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """Return the URL for --endpoint."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start the process, on the port of the last time if there was one."""
        port_file = self._folder / "fake-server.port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.support.fake_server", "--port", str(self.port)]
        command += ["--port-file", str(port_file), *self._arguments]
        self.process = subprocess.Popen(command, cwd=REPOSITORY)
        deadline = time.monotonic() + 30
        while not port_file.exists():
            assert self.process.poll() is None, "the fake server ended at once"
            assert time.monotonic() < deadline, "the fake server did not start"
            time.sleep(0.02)
        self.port = int(port_file.read_text())

    def script(self, *faults: dict[str, Any]) -> None:
        """Set the faults to come."""
        self._call("/_script", json.dumps(faults).encode())

    def log(self) -> dict[str, Any]:
        """Return what was asked so far."""
        log: dict[str, Any] = json.loads(self._call("/_log"))
        return log

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _call(self, path: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data=data, timeout=10) as response:
            content: bytes = response.read()
            return content


@contextmanager
def fake_server(folder: Path, *arguments: str) -> Iterator[FakeServerProcess]:
    """Run a fake server for the time of the block."""
    server = FakeServerProcess(folder, *arguments)
    try:
        yield server
    finally:
        server.stop()


def require_vllm() -> Path:
    """Return the Python of the CPU vLLM environment, or skip with the command that makes it."""
    if not VLLM_PYTHON.exists():
        pytest.skip(f"no vLLM at {VLLM_PYTHON}; `make setup-vllm` makes it (3.5 GB), or set VAEMO_VLLM_PYTHON")
    return VLLM_PYTHON


def vllm_environment() -> dict[str, str]:
    """Return the environment of a small offline CPU server."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}


def tiny_omni() -> Path:
    """Return the folder of the tiny random omni model, made on first use."""
    python = require_vllm()
    if not (TINY_OMNI / "model.safetensors").exists():
        script = REPOSITORY / "tests" / "support" / "tiny_omni.py"
        subprocess.run([python, script, TINY_OMNI], check=True, env=vllm_environment(), capture_output=True)
    return TINY_OMNI


def vllm_arguments() -> list[str]:
    """Return the arguments that a CPU server with the tiny model needs."""
    return ["--max-model-len", "8192", "--max-num-batched-tokens", "8192", "--enforce-eager"]


@contextmanager
def vllm_server(log_path: Path, *arguments: str) -> Iterator[str]:
    """Serve the tiny omni model with vLLM on the CPU for the time of the block; yield its URL."""
    python, model = require_vllm(), tiny_omni()
    port = _free_port()
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--served-model-name", "tiny-omni", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--limit-mm-per-prompt", '{"image": 16, "video": 1, "audio": 1}', "--enable-prompt-tokens-details"]
    command += [*vllm_arguments(), *arguments]
    with log_path.open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=vllm_environment(), start_new_session=True
        )
    try:
        _await_health(server, port, log_path)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _await_health(server: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    deadline = time.monotonic() + 240
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        except OSError:
            tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-15:])
            assert server.poll() is None, f"vLLM ended while starting:\n{tail}"
            assert time.monotonic() < deadline, f"vLLM did not start in time:\n{tail}"
            time.sleep(0.5)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
