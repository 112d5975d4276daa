"""How many requests are in flight: `async with limit.slot():`, first come first served."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from vaemo_annotate.throughput_search import Phase, ThroughputSearch


class Slot:
    """One request's place; its body says how the request ended, a body that says nothing counts for nothing."""

    __slots__ = ("_admitted_at", "_in_flight", "_limit", "_report", "_retry_after_seconds")

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit = limit
        self._report = ""
        self._retry_after_seconds: float | None = None

    def succeeded(self, tokens: int | None = None) -> None:
        self._report = "succeeded"

    def throttled(self, retry_after_s: float | None = None) -> None:
        self._report = "throttled"
        self._retry_after_seconds = retry_after_s

    def failed(self) -> None:
        self._report = "failed"

    async def __aenter__(self) -> Slot:
        await self._limit._acquire()
        self._in_flight = self._limit._in_flight
        self._admitted_at = self._limit._clock()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        limit = self._limit
        try:
            if self._report:
                limit._report(self)
        finally:
            limit._release()


class ConcurrencyLimit:
    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_paused = False
        self._closed_until = -math.inf
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        return self._limit

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def slot(self) -> Slot:
        return Slot(self)

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._admit_waiting()

    def _is_open(self) -> bool:
        return self._in_flight < self._limit and not self._is_paused and self._timer is None

    async def _acquire(self) -> None:
        if self._is_open() and not self._waiters:
            self._in_flight += 1
            self._admitted()
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._waiters.remove(waiter)
            elif waiter.done():
                self._release()
            raise

    def _admitted(self) -> None:
        pass

    def _release(self) -> None:
        self._in_flight -= 1
        self._admit_waiting()

    def _admit_waiting(self) -> None:
        while self._waiters and self._is_open():
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._in_flight += 1
                waiter.set_result(None)
                self._admitted()

    def _report(self, slot: Slot) -> None:
        if slot._report == "throttled":
            self._close_for(slot._retry_after_seconds)

    def _close_for(self, seconds: float | None) -> None:
        if seconds is None or not seconds > 0.0:
            return
        until = self._clock() + seconds
        if until <= self._closed_until:
            return
        self._closed_until = until
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._reopen)

    def _reopen(self) -> None:
        self._timer = None
        self._admit_waiting()


class FixedConcurrency(ConcurrencyLimit):
    pass


class AutoConcurrency(ConcurrencyLimit):
    def __init__(self, start: int = 8, maximum: int = 512, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(start, clock)
        self._search = ThroughputSearch(start, maximum)

    def _admitted(self) -> None:
        if self._search.phase is Phase.THROTTLED:
            self._close_for(1.0 / self._search.pace)

    def _report(self, slot: Slot) -> None:
        super()._report(slot)
        now = self._clock()
        if slot._report == "succeeded":
            self._search.on_success(
                now, slot._admitted_at, slot._in_flight, bool(self._waiters) and self._in_flight >= self._limit
            )
        elif slot._report == "throttled":
            self._search.on_throttle(now, slot._admitted_at)
        else:
            self._search.on_failure(now, slot._admitted_at)
        self._limit = self._search.limit
