"""How many requests are in flight: `async with limit.slot():`, first come first served."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from types import TracebackType

from vaemo_annotate.throughput_search import ThroughputSearch
from vaemo_clips.errors import UserError

_PAUSE_WITHOUT_RETRY_AFTER_SECONDS = 0.5


class _Outcome(Enum):
    SUCCEEDED = auto()
    THROTTLED = auto()
    FAILED = auto()


class Slot:
    """One request's place; its body says how the request ended, and a body that says nothing counts for nothing."""

    __slots__ = ("_admitted_at", "_in_flight", "_limit", "_outcome", "_retry_after_seconds")

    def __init__(self, limit: ConcurrencyLimit) -> None:
        """A place in the queue of `limit`, taken on entering."""
        self._limit = limit
        self._outcome: _Outcome | None = None
        self._retry_after_seconds: float | None = None

    def succeeded(self, tokens: int | None = None) -> None:
        """A reply came. Its `tokens` are not weighed: a caption is worth one caption, short or long."""
        self._outcome = _Outcome.SUCCEEDED

    def throttled(self, retry_after_s: float | None = None) -> None:
        """The server said 429 or 503: admissions pause for `retry_after_s`, or half a second."""
        self._outcome = _Outcome.THROTTLED
        self._retry_after_seconds = retry_after_s

    def failed(self) -> None:
        """Timeout, reset or 5xx: no sign of speed."""
        self._outcome = _Outcome.FAILED

    async def __aenter__(self) -> Slot:
        limit = self._limit
        await limit._acquire()
        self._in_flight = limit._in_flight
        self._admitted_at = limit._clock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._outcome is not None:
                self._limit._take_report(self)
        finally:
            self._limit._release()


class ConcurrencyLimit:
    """Bounds the requests in flight; those beyond wait in order. `Retry-After` closes admissions for everybody."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises UserError unless `limit` is at least 1."""
        if limit < 1:
            raise UserError(f"concurrency is {limit}: at least 1 request must be in flight; give auto or N >= 1")
        self._limit = limit
        self._clock = clock
        self._in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_paused = False
        self._resumed_at = -math.inf
        self._closed_until = -math.inf
        self._reopening: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """The most requests that may be in flight now."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """The slots taken; above `limit` only just after it fell, and then nothing is admitted."""
        return self._in_flight

    def slot(self) -> Slot:
        """Return the next place: `async with limit.slot() as slot: ...; slot.succeeded()`."""
        return Slot(self)

    def pause(self) -> None:
        """Admit nothing until `resume`: the server is being restarted."""
        self._is_paused = True

    def resume(self) -> None:
        """Admit again; what was sent before says nothing about the server that is there now."""
        self._is_paused = False
        self._resumed_at = self._clock()
        self._admit_waiting()

    async def _acquire(self) -> None:
        if not self._waiters and self._is_open():
            self._admit()
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with contextlib.suppress(ValueError):  # already passed over by `_admit_waiting`
                    self._waiters.remove(waiter)
                self._admit_waiting()
            else:
                self._release()
            raise

    def _is_open(self) -> bool:
        return self._in_flight < self._limit and not self._is_paused and self._reopening is None

    def _admit(self) -> None:
        self._in_flight += 1

    def _admit_waiting(self) -> None:
        while self._waiters and self._is_open():
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._admit()
                waiter.set_result(None)

    def _release(self) -> None:
        self._in_flight -= 1
        self._admit_waiting()

    def _take_report(self, slot: Slot) -> None:
        if slot._outcome is not _Outcome.THROTTLED:
            return
        seconds = slot._retry_after_seconds
        self._close_for(_PAUSE_WITHOUT_RETRY_AFTER_SECONDS if seconds is None else seconds)

    def _close_for(self, seconds: float) -> None:
        until = self._clock() + seconds
        if not until > max(self._closed_until, self._clock()):  # also a Retry-After of NaN
            return
        self._closed_until = until
        if self._reopening is not None:
            self._reopening.cancel()
        self._reopening = asyncio.get_running_loop().call_later(seconds, self._reopen)

    def _reopen(self) -> None:
        self._reopening = None
        self._admit_waiting()


class FixedConcurrency(ConcurrencyLimit):
    """`--concurrency N`."""


class AutoConcurrency(ConcurrencyLimit):
    """`--concurrency auto`: the limit follows the throughput, 429s and, where there are any, the server's gauges."""

    def __init__(self, start: int = 8, maximum: int = 512, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with `start` requests in flight; never go beyond `maximum`."""
        super().__init__(min(start, maximum), clock)
        self._search = ThroughputSearch(self._limit, maximum)

    def observe_server(self, running: float, waiting: float, kv_cache_usage: float | None) -> None:
        """Take in vLLM's gauges, polled about once a second; `kv_cache_usage` is in [0, 1]."""
        if not self._is_paused:
            self._search.on_gauges(running, waiting, kv_cache_usage)
            self._limit = self._search.limit

    def pause(self) -> None:
        super().pause()
        self._search.discard()

    def _admit(self) -> None:
        self._in_flight += 1
        if self._search.pace < math.inf:
            self._close_for(1.0 / self._search.pace)

    def _take_report(self, slot: Slot) -> None:
        if self._is_paused or slot._admitted_at < self._resumed_at:
            return
        super()._take_report(slot)
        now, search = self._clock(), self._search
        if slot._outcome is _Outcome.SUCCEEDED:
            search.on_success(now, slot._admitted_at, slot._in_flight, bool(self._waiters))
        elif slot._outcome is _Outcome.THROTTLED:
            search.on_throttle(now, slot._admitted_at)
        else:
            search.on_failure(now, slot._admitted_at)
        self._limit = search.limit
