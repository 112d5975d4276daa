"""From settings to a ready engine: choose it, start or find its server, try it, and close it again."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from vaemo_annotate.concurrency import AutoConcurrency, ConcurrencyLimit, FixedConcurrency
from vaemo_annotate.engines.base import CueSource, Engine, ModelIdentity
from vaemo_annotate.engines.chat import ChatEngine
from vaemo_annotate.engines.cues import CuesEngine
from vaemo_annotate.engines.cues import identity as cues_identity
from vaemo_annotate.engines.discovery import choose_dialect, find_model
from vaemo_annotate.engines.endpoint import EndpointBackend, EndpointKeeper
from vaemo_annotate.engines.recovery import ServerKeeper
from vaemo_annotate.engines.request import Dialect
from vaemo_annotate.engines.server_metrics import ServerMetrics
from vaemo_annotate.engines.transport import ChatTransport, Endpoint
from vaemo_annotate.engines.vllm_server import DEFAULT_MODEL, VllmServer, default_python
from vaemo_annotate.prompt import Prompt
from vaemo_annotate.settings import RunSettings
from vaemo_clips.errors import ServerError

if TYPE_CHECKING:
    from vaemo_annotate.ledger import Ledger
    from vaemo_annotate.reply import Reply

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunParts:
    """What an engine needs of the run it works in."""

    prompt: Prompt
    ledger: Ledger
    book: CueSource | None
    seed: int | None
    on_reply: Callable[[Reply], None] = lambda reply: None


class OpenEngine(Protocol):
    """An engine that is ready to work, for the time it is open."""

    @property
    def identity(self) -> ModelIdentity:
        """Return who answers."""
        ...

    @property
    def dialect(self) -> Dialect | None:
        """Return how media are shown to a server; None where there is none."""
        ...

    @property
    def limit(self) -> ConcurrencyLimit:
        """Return how much may be on its way at once."""
        ...

    def engine(self, parts: RunParts) -> Engine:
        """Return the engine for one run."""
        ...

    def cache_counts(self) -> dict[str, int]:
        """Return what a server said of its caches; empty where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class OpenServer:
    """A server that answered its trial request (OpenEngine)."""

    backend: EndpointBackend
    identity: ModelIdentity
    dialect: Dialect
    limit: ConcurrencyLimit
    metrics: ServerMetrics

    def engine(self, parts: RunParts) -> Engine:
        """Return the step runner over this server."""
        return ChatEngine(
            parts.prompt,
            self.backend,
            parts.ledger,
            self.identity,
            self.dialect,
            parts.seed,
            parts.on_reply,
            lambda: self.backend.gate.gone,
            parts.book,
        )

    def cache_counts(self) -> dict[str, int]:
        """Return what the server said of its caches."""
        return self.metrics.cache_counts()


@dataclass(frozen=True, slots=True)
class OpenCues:
    """The embedded engine (OpenEngine)."""

    identity: ModelIdentity
    limit: ConcurrencyLimit
    dialect: None = None

    def engine(self, parts: RunParts) -> Engine:
        """Return the engine over the run's measured cues."""
        assert parts.book is not None, "the run measures cues for this engine"
        return CuesEngine(parts.book, parts.ledger, self.limit, parts.seed, parts.on_reply)

    def cache_counts(self) -> dict[str, int]:
        """Return nothing: there is no server."""
        return {}


def choose_engine(settings: RunSettings) -> tuple[str, str]:
    """Return the engine that is asked for or that `auto` comes to, and why. Raises ServerError."""
    url = settings.endpoint or os.environ.get("VAEMO_ENDPOINT")
    if settings.engine == "endpoint" and not url:
        raise ServerError("--engine endpoint needs --endpoint URL (or VAEMO_ENDPOINT), as in http://localhost:8000/v1")
    if settings.engine in ("vllm", "cues"):
        return settings.engine, f"--engine {settings.engine}"
    if url:
        return "endpoint", "--endpoint" if settings.endpoint else "VAEMO_ENDPOINT"
    has_vllm = settings.vllm_python is not None or importlib.util.find_spec("vllm") is not None
    if shutil.which("nvidia-smi") and has_vllm:
        return "vllm", "a CUDA device, and vLLM is installed"
    return "cues", (
        "no --endpoint, no VAEMO_ENDPOINT, no CUDA device with vLLM: what is measured in face and voice is put into "
        "words by rules; a multimodal LLM sees and hears more"
    )


@asynccontextmanager
async def open_engine(
    settings: RunSettings, prompt: Prompt, server_log: Path, announce: Announce
) -> AsyncIterator[OpenEngine]:
    """Open the chosen engine for the time of the block. Raises ServerError."""
    name, why = choose_engine(settings)
    announce(f"engine: {name} ({why})")
    if name == "cues":
        if settings.concurrency != "auto":
            announce("--concurrency is for servers; the cues engine measures with --workers processes")
        yield OpenCues(cues_identity(), FixedConcurrency(settings.workers or os.cpu_count() or 1))
        return
    async with _open_server(name, settings, prompt, server_log, announce) as server:
        yield server


@asynccontextmanager
async def _open_server(
    name: str, settings: RunSettings, prompt: Prompt, server_log: Path, announce: Announce
) -> AsyncIterator[OpenServer]:
    opened = _managed(settings, server_log, announce) if name == "vllm" else _running(settings)
    async with opened as (transport, keeper, model, revision):
        served = await find_model(transport, model)
        dialect = await choose_dialect(transport, served, prompt, announce)
        limit = AutoConcurrency() if settings.concurrency == "auto" else FixedConcurrency(settings.concurrency)
        backend = EndpointBackend(
            transport, served.model, dialect, limit, keeper, announce, restart_when_hung=name == "vllm"
        )
        identity = ModelIdentity(name, served.model, revision, served.vllm_version)
        metrics = ServerMetrics(transport, limit)
        async with _polled(metrics):
            announce(f"server ready: {served.model}, vLLM {served.vllm_version or '–'}, media as {dialect}")
            yield OpenServer(backend, identity, dialect, limit, metrics)


@asynccontextmanager
async def _running(settings: RunSettings) -> AsyncIterator[tuple[ChatTransport, ServerKeeper, str | None, str | None]]:
    """Connect to a server that somebody else runs."""
    url = settings.endpoint or os.environ["VAEMO_ENDPOINT"]
    async with ChatTransport(Endpoint.parse(url, _key_for(url)), settings.request_timeout_s) as transport:
        yield transport, EndpointKeeper(transport, settings.patience_s), settings.model, None


def _key_for(url: str) -> str | None:
    """Return VAEMO_API_KEY, or OPENAI_API_KEY where the server is OpenAI's: no other is to see that one."""
    key = os.environ.get("VAEMO_API_KEY")
    is_openai = urlsplit(url).scheme == "https" and urlsplit(url).hostname == "api.openai.com"
    return key or (os.environ.get("OPENAI_API_KEY") if is_openai else None)


@asynccontextmanager
async def _managed(
    settings: RunSettings, server_log: Path, announce: Announce
) -> AsyncIterator[tuple[ChatTransport, ServerKeeper, str | None, str | None]]:
    """Start vLLM as a child; it is gone when the block ends."""
    python = default_python(settings.vllm_python)
    model = settings.model or DEFAULT_MODEL
    server = VllmServer(python, model, settings.vllm_args, server_log, settings.startup_timeout_s, announce)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, server.stop)
        await server.start()
        transport = await stack.enter_async_context(ChatTransport(server.endpoint, settings.request_timeout_s))
        yield transport, server, model, server.revision()


@asynccontextmanager
async def _polled(metrics: ServerMetrics) -> AsyncIterator[None]:
    polling = asyncio.create_task(metrics.poll())
    try:
        yield
    finally:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
        await metrics.read()
