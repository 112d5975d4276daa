"""Keeping verdicts.parquet up to date while people judge: soon after a decision, not after each one, and at the end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from vaemo_clips.errors import VaemoError

_PATIENCE_S = 2.0
_SHARE_OF_TIME = 0.1  # a large table takes seconds: it is not written all the time
_log = logging.getLogger(__name__)


class Renewal:
    """Calls `renew` in a thread some time after `due` was called, however often; use it inside one event loop."""

    def __init__(self, renew: Callable[[], None], patience_s: float = _PATIENCE_S) -> None:
        """Wait `patience_s` seconds for further decisions before each time."""
        self._renew = renew
        self._patience_s = patience_s
        self._is_due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closing = asyncio.Event()

    def due(self) -> None:
        """Say that something was decided."""
        self._is_due.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Let a renewal under way end, then renew once more where something was decided since.

        Raises VaemoError, OSError.
        """
        self._is_closing.set()
        if self._task is not None:
            await self._task
        if self._is_due.is_set():
            await asyncio.to_thread(self._renew)

    async def _run(self) -> None:
        wait_s = self._patience_s
        while not await self._closes_within(wait_s):
            if not self._is_due.is_set():
                wait_s = self._patience_s
                continue
            began = time.monotonic()
            self._is_due.clear()
            try:
                await asyncio.to_thread(self._renew)
            except (VaemoError, OSError) as error:
                # The decisions are safe in the store; the table is tried again later and at the end.
                _log.warning("verdicts.parquet could not be renewed: %s", error)
                self._is_due.set()
            wait_s = max(self._patience_s, (time.monotonic() - began) / _SHARE_OF_TIME)

    async def _closes_within(self, wait_s: float) -> bool:
        try:
            await asyncio.wait_for(self._is_closing.wait(), wait_s)
        except TimeoutError:
            return False
        return True
