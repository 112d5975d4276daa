"""A managed server that hangs is restarted; one that somebody else runs is not ours to judge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestServer

from tests.support.fake_server import FakeServer
from vaemo_annotate.concurrency import FixedConcurrency
from vaemo_annotate.engines import endpoint as endpoint_module
from vaemo_annotate.engines.base import RequestFailed
from vaemo_annotate.engines.endpoint import EndpointBackend
from vaemo_annotate.engines.request import ChatRequest
from vaemo_annotate.engines.transport import ChatTransport, Endpoint


class Restarter:
    """A keeper whose restart mends the server."""

    def __init__(self, server: FakeServer, mends: bool = True) -> None:
        self.server = server
        self.mends = mends
        self.restarts = 0

    async def is_alive(self) -> bool:
        return True

    async def bring_back(self) -> bool:
        self.restarts += 1
        if self.mends:
            self.server.faults = []
        return True


@asynccontextmanager
async def backend_over(server: FakeServer, keeper: Restarter, restarts: bool) -> AsyncIterator[EndpointBackend]:
    """Open a backend whose requests time out after 0.3 s."""
    running = TestServer(server.app())
    await running.start_server()
    async with running, ChatTransport(Endpoint(str(running.make_url("")).rstrip("/")), 0.3) as transport:
        yield EndpointBackend(transport, "m", "images", FixedConcurrency(4), keeper, restart_when_hung=restarts)


def request(text: str) -> ChatRequest:
    """Return a request."""
    return ChatRequest("s", (), text, "n", None, 0.0, 1.0, 8, None)


async def test_a_managed_server_that_answers_nobody_is_restarted_and_asked_again() -> None:
    server = FakeServer()
    server.faults = [{"kind": "hang", "match": "clip", "times": -1}]
    keeper = Restarter(server)
    async with backend_over(server, keeper, restarts=True) as backend:
        reply = await backend.complete(request("clip one"))
    assert reply.finish_reason == "stop"
    assert keeper.restarts == 1


async def test_a_request_that_only_takes_too_long_is_a_timeout_and_no_poison() -> None:
    server = FakeServer()
    server.faults = [{"kind": "hang", "match": "clip one", "times": -1}]
    keeper = Restarter(server, mends=False)
    async with backend_over(server, keeper, restarts=True) as backend:
        assert (await backend.complete(request("clip two"))).finish_reason == "stop"
        with pytest.raises(RequestFailed, match="timeout: it hangs"):
            await backend.complete(request("clip one"))
        assert (await backend.complete(request("clip two"))).finish_reason == "stop"
    assert keeper.restarts == 2


async def test_an_endpoint_of_somebody_else_is_not_restarted_for_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "MAX_TRIES", 2)
    server = FakeServer()
    server.faults = [{"kind": "hang", "match": "clip", "times": -1}]
    keeper = Restarter(server)
    async with backend_over(server, keeper, restarts=False) as backend:
        with pytest.raises(RequestFailed, match="timeout: no reply within"):
            await backend.complete(request("clip one"))
    assert keeper.restarts == 0
