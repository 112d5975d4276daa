"""What a vLLM server says about itself in /metrics: its queue, and how often its caches hit."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from vaemo_annotate.concurrency import AutoConcurrency, ConcurrencyLimit
from vaemo_annotate.engines.transport import ChatTransport, TransientFailure

_LINE = re.compile(r"^(vllm:[a-z_]+)(?:\{[^}]*\})? ([0-9.eE+-]+)$", re.MULTILINE)
_POLL_SECONDS = 1.0
_COUNTERS = (
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    "vllm:mm_cache_queries_total",
    "vllm:mm_cache_hits_total",
)


class ServerMetrics:
    """Reads /metrics once a second, tells the concurrency limit, and keeps the caches' counters."""

    def __init__(self, transport: ChatTransport, limit: ConcurrencyLimit) -> None:
        """Nothing is read yet."""
        self._transport = transport
        self._limit = limit
        self._last: dict[str, float] = {}
        self._grown: dict[str, float] = {}

    async def poll(self) -> None:
        """Read until cancelled; a server without /metrics is asked once."""
        while await self.read():  # noqa: ASYNC110 (the server tells nobody of a change)
            await asyncio.sleep(_POLL_SECONDS)

    async def read(self) -> bool:
        """Read once; return whether there is anything to read."""
        try:
            status, payload = await self._transport.get("/metrics", timeout_s=5.0)
        except TransientFailure:
            return bool(self._last)
        values = parse_metrics(payload.decode("utf-8", "replace")) if status == 200 else {}
        if "vllm:num_requests_running" not in values:
            return False
        self._add_growth(values)
        self._last = values
        if isinstance(self._limit, AutoConcurrency):
            self._limit.observe_server(
                values["vllm:num_requests_running"],
                values.get("vllm:num_requests_waiting", 0.0),
                values.get("vllm:kv_cache_usage_perc"),
            )
        return True

    def _add_growth(self, values: Mapping[str, float]) -> None:
        """Add what the counters grew by since the last reading; a restarted server counts from zero."""
        for name in values.keys() & _COUNTERS:
            before = self._last.get(name, 0.0) if self._last else values[name]
            growth = values[name] - before
            self._grown[name] = self._grown.get(name, 0.0) + (growth if growth >= 0 else values[name])

    def cache_counts(self) -> dict[str, int]:
        """Return how much the caches' counters grew since the first reading; empty without /metrics."""
        return {
            name.removeprefix("vllm:").removesuffix("_total"): int(self._grown[name])
            for name in _COUNTERS
            if name in self._grown
        }


def parse_metrics(text: str) -> dict[str, float]:
    """Read Prometheus text; of several engines under one name, counts are added up and shares are the highest."""
    values: dict[str, float] = {}
    for name, value in _LINE.findall(text):
        before = values.get(name, 0.0)
        values[name] = max(before, float(value)) if name.endswith("_perc") else before + float(value)
    return values
