"""When the server dies: bring it back, then find the request that killed it.

Every request in flight at a death is a suspect. Once the server is back, the suspects are asked one at
a time while nothing else is admitted. One whose turn ends in another death was alone with the server:
it is the poison, and its clip is rejected for good. This names a poison at the price of one restart;
halving the suspects would cost log2(n) restarts, and a restart takes minutes where a request takes seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from vaemo_annotate.concurrency import ConcurrencyLimit
from vaemo_annotate.engines.base import RequestFailed
from vaemo_annotate.reply import Reply

MAX_DEATHS_WITHOUT_A_REPLY = 3
TIMEOUTS_OF_A_HANG = 2


class ServerDied(Exception):  # noqa: N818 (an event of the run)
    """The server died while it had this request; `generation` counts the deaths before."""

    def __init__(self, generation: int, detail: str, hung: bool = False) -> None:
        super().__init__(detail)
        self.generation = generation
        self.detail = detail
        self.hung = hung


class ServerKeeper(Protocol):
    """Knows whether the server lives, and how to get it back."""

    async def is_alive(self) -> bool:
        """Return whether the server answers."""
        ...

    async def bring_back(self) -> bool:
        """Restart the server, or wait for it; return whether it answers again."""
        ...


class Gate:
    """Admits requests while the server is well, and one suspect at a time after a death."""

    def __init__(
        self, keeper: ServerKeeper, announce: Callable[[str], None], limit: ConcurrencyLimit | None = None
    ) -> None:
        """`announce` gets one line about each death and what followed; `limit` pauses meanwhile."""
        self.generation = 0
        self.gone: str | None = None
        self._keeper = keeper
        self._limit = limit
        self._announce = announce
        self._suspects = 0
        self._deaths_without_a_reply = 0
        self._last_reply_at: float | None = None
        self._timeouts_without_a_reply = 0
        self._calm = asyncio.Event()
        self._calm.set()
        self._alone = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Return whether a request may be sent now."""
        return self._calm.is_set() and not self.gone

    async def admit(self) -> None:
        """Wait until the server is well and no suspect is being asked. Raises RequestFailed once it is gone."""
        await self._calm.wait()
        if self.gone:
            raise RequestFailed("server_gone", self.gone)

    def replied(self) -> None:
        """Note that the server answered a request."""
        self._deaths_without_a_reply = 0
        self._last_reply_at = time.monotonic()
        self._timeouts_without_a_reply = 0

    async def died(self, generation: int, detail: str) -> ServerDied | None:
        """Return the death that ended a request sent in `generation`, or None if the server lives on."""
        if generation == self.generation and await self._keeper.is_alive():
            return None
        return ServerDied(generation, detail)

    def hung(self, generation: int, sent_at: float, detail: str) -> ServerDied | None:
        """Return a death where two requests have timed out and nobody was answered since they were sent."""
        if self._last_reply_at is not None and self._last_reply_at >= sent_at:
            return None
        self._timeouts_without_a_reply += 1
        if self._timeouts_without_a_reply < TIMEOUTS_OF_A_HANG:
            return None
        return ServerDied(generation, f"it hangs: {detail}", hung=True)

    async def interrogate(self, death: ServerDied, ask_again: Callable[[], Awaitable[Reply]]) -> Reply | None:
        """Ask a suspect again, alone; return its reply, or None where it killed the server again.

        A server that has not answered anything in this run may be dying of everything: then nobody is
        called a poison for good, and RequestFailed is raised.
        """
        self._suspects += 1
        self._calm.clear()
        try:
            async with self._alone:
                await self._ensure_back(death)
                try:
                    return await ask_again()
                except ServerDied as second_death:
                    await self._ensure_back(second_death)
                    if second_death.hung:
                        raise RequestFailed("timeout", second_death.detail) from second_death
                    if self._last_reply_at is None:
                        detail = f"the server died twice and has answered nothing yet ({second_death.detail})"
                        raise RequestFailed("server_died", detail) from second_death
                    return None
        finally:
            self._suspects -= 1
            if not self._suspects:
                self._calm.set()

    async def _ensure_back(self, death: ServerDied) -> None:
        if self.gone is None and death.generation == self.generation:
            self.generation += 1
            self._deaths_without_a_reply += 1
            self._announce(f"the server died ({death.detail}); bringing it back")
            if self._deaths_without_a_reply > MAX_DEATHS_WITHOUT_A_REPLY:
                self.gone = f"the server died {self._deaths_without_a_reply} times without a reply in between"
            elif not await self._bring_back():
                self.gone = (
                    f"the server died ({death.detail}) and did not come back; start it, then run again to resume"
                )
            else:
                self._announce("the server is back; asking the requests that were in flight one at a time")
        if self.gone:
            raise RequestFailed("server_gone", self.gone)

    async def _bring_back(self) -> bool:
        """Bring the server back; what the concurrency limit learnt before does not count afterwards."""
        if self._limit is None:
            return await self._keeper.bring_back()
        self._limit.pause()
        try:
            return await self._keeper.bring_back()
        finally:
            self._limit.resume()
