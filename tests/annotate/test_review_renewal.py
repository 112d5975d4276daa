"""The verdict table is renewed while people judge, and is never older than the last decision when the review ends."""

from __future__ import annotations

import asyncio
import threading

import pytest

from vaemo_annotate.review.renewal import Renewal
from vaemo_clips.errors import RunFolderError


class Table:
    """Copies what was decided, as a table is written: what it read may be old when it is done."""

    def __init__(self) -> None:
        self.decided = 0
        self.written = 0
        self.is_writing = threading.Event()
        self.may_end = threading.Event()

    def renew(self) -> None:
        seen = self.decided
        self.is_writing.set()
        assert self.may_end.wait(10)
        self.written = seen


async def test_a_decision_during_a_renewal_is_in_the_table_at_the_end() -> None:
    table = Table()
    renewal = Renewal(table.renew, patience_s=0.001)
    table.decided = 1
    renewal.due()
    await asyncio.to_thread(table.is_writing.wait, 10)
    table.decided = 2
    renewal.due()
    closing = asyncio.create_task(renewal.close())
    await asyncio.sleep(0)
    table.may_end.set()
    await closing
    assert table.written == 2


async def test_decisions_in_a_row_are_written_together() -> None:
    calls: list[int] = []
    renewal = Renewal(lambda: calls.append(1), patience_s=60)
    for _ in range(5):
        renewal.due()
    await renewal.close()
    assert calls == [1]


async def test_nothing_is_written_where_nothing_was_decided() -> None:
    calls: list[int] = []
    await Renewal(lambda: calls.append(1)).close()
    assert calls == []


async def test_a_table_that_cannot_be_written_is_tried_again_and_told_at_the_end() -> None:
    calls: list[int] = []
    tried_twice = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail() -> None:
        calls.append(1)
        if len(calls) == 2:
            loop.call_soon_threadsafe(tried_twice.set)
        raise RunFolderError("no space left")

    renewal = Renewal(fail, patience_s=0.001)
    renewal.due()
    await asyncio.wait_for(tried_twice.wait(), 10)
    with pytest.raises(RunFolderError, match="no space left"):
        await renewal.close()
