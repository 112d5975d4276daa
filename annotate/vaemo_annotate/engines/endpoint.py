"""The `endpoint` engine's backend: any OpenAI-compatible server, with retries, limits and recovery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential
from tenacity.stop import stop_base

from vaemo_annotate.concurrency import ConcurrencyLimit, Slot
from vaemo_annotate.engines.base import RequestFailed
from vaemo_annotate.engines.recovery import Gate, ServerDied, ServerKeeper
from vaemo_annotate.engines.request import ChatRequest, Dialect
from vaemo_annotate.engines.transport import ChatTransport, TransientFailure, answers
from vaemo_annotate.reply import Reply

MAX_TRIES = 5
"""HTTP tries of one request for time-outs, resets and 5xx."""
MAX_THROTTLED_S = 1800.0
"""How long one request is held back by 429 before it is given up."""
_DEADLY = frozenset({"connection", "server_error"})
"""Failures after which the server may be dead: a dying vLLM answers its last requests with HTTP 500."""
_BACKOFF = wait_random_exponential(multiplier=0.5, max=30)


class EndpointBackend:
    """ChatBackend over one server."""

    def __init__(
        self,
        transport: ChatTransport,
        model: str,
        dialect: Dialect,
        limit: ConcurrencyLimit,
        keeper: ServerKeeper,
        announce: Callable[[str], None] = lambda line: None,
        restart_when_hung: bool = False,
    ) -> None:
        """Requests go through `transport`, at most `limit` at once; `keeper` brings a dead server back.

        `restart_when_hung`: a server that answers nobody for a whole time-out counts as dead, which makes
        sense where the keeper can restart it.
        """
        self.gate = Gate(keeper, announce, limit)
        self._transport = transport
        self._model = model
        self._dialect: Dialect = dialect
        self._limit = limit
        self._restart_when_hung = restart_when_hung

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer one request (ChatBackend). Raises RequestFailed, or Refused where no request can succeed."""
        body = request.body(self._model, self._dialect)
        try:
            return await self._with_retries(body, alone=False)
        except ServerDied as death:
            reply = await self.gate.interrogate(death, lambda: self._with_retries(body, alone=True))
            return reply or _poison_reply(death)

    async def _with_retries(self, body: bytes, alone: bool) -> Reply:
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(TransientFailure), wait=_wait, stop=_Patience(), reraise=True
            ):
                with attempt:
                    return await self._once(body, attempt.retry_state.attempt_number, alone)
        except TransientFailure as failure:
            raise RequestFailed(failure.kind, failure.detail) from failure
        raise AssertionError("AsyncRetrying ended without a result")

    async def _once(self, body: bytes, tries: int, alone: bool) -> Reply:
        while True:
            if not alone:
                await self.gate.admit()
            async with self._limit.slot() as slot:
                if alone or self.gate.is_open:  # it may have closed while this request waited for its slot
                    return await self._send(body, tries, slot)

    async def _send(self, body: bytes, tries: int, slot: Slot) -> Reply:
        generation, sent_at = self.gate.generation, time.monotonic()
        try:
            reply = await self._transport.chat(body, tries)
        except TransientFailure as failure:
            if (failure.kind == "rate_limited" or failure.retry_after_s) and _is_worth_waiting(failure):
                slot.throttled(failure.retry_after_s)
            else:
                slot.failed()
            death = await self.gate.died(generation, failure.detail) if failure.kind in _DEADLY else None
            if failure.kind == "timeout" and self._restart_when_hung:
                death = self.gate.hung(generation, sent_at, failure.detail)
            if death:
                raise death from failure
            raise
        slot.succeeded(reply.completion_tokens)
        self.gate.replied()
        return reply


class EndpointKeeper:
    """Keeper of a server that somebody else runs: waits for it."""

    def __init__(self, transport: ChatTransport, patience_s: float) -> None:
        """Wait at most `patience_s` for a dead server."""
        self._transport = transport
        self._patience_s = patience_s

    async def is_alive(self) -> bool:
        """Return whether the server answers."""
        return await answers(self._transport)

    async def bring_back(self) -> bool:
        """Wait until the server answers again."""
        try:
            async with asyncio.timeout(self._patience_s):
                while not await self.is_alive():  # noqa: ASYNC110 (the server tells nobody when it is back)
                    await asyncio.sleep(min(2.0, self._patience_s / 20))
        except TimeoutError:
            return False
        return True


def _wait(state: RetryCallState) -> float:
    """Back off with jitter, and never return before the server's Retry-After."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.retry_after_s if isinstance(failure, TransientFailure) else None
    return max(asked or 0.0, _BACKOFF(state))


class _Patience(stop_base):
    """When one request is given up: after MAX_TRIES failures, of which 429s are none, or MAX_THROTTLED_S of 429s."""

    def __init__(self) -> None:
        self._failures = 0

    def __call__(self, retry_state: RetryCallState) -> bool:
        failure = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(failure, TransientFailure) and not _is_worth_waiting(failure):
            return True
        if isinstance(failure, TransientFailure) and failure.kind == "rate_limited":
            return (retry_state.seconds_since_start or 0.0) > MAX_THROTTLED_S
        self._failures += 1
        return self._failures >= MAX_TRIES


def _is_worth_waiting(failure: TransientFailure) -> bool:
    """Return whether Retry-After asks for a wait that a run can make; a daily quota asks for hours."""
    return (failure.retry_after_s or 0.0) <= MAX_THROTTLED_S


def _poison_reply(death: ServerDied) -> Reply:
    """The committed memory of a request that kills the server, so that no later run sends it again."""
    text = f"the server died twice on this request, the second time with nothing else in flight ({death.detail})"
    return Reply(0, text, "poison", None, None, None, 0.0, 2, datetime.now(UTC).isoformat())
