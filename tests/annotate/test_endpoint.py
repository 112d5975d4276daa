"""One server behind retries and limits: what is asked again, when, and what becomes of what is not answered."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tenacity import wait_none

import vaemo_annotate.engines.endpoint as endpoint_module
from tests.support.fake_server import FakeServer
from vaemo_annotate.concurrency import FixedConcurrency
from vaemo_annotate.engines.base import RequestFailed
from vaemo_annotate.engines.endpoint import MAX_TRIES, EndpointBackend, EndpointKeeper
from vaemo_annotate.engines.request import ChatRequest
from vaemo_annotate.engines.transport import ChatTransport, Endpoint, Refused, answers
from vaemo_annotate.reply import Reply

REPOSITORY = Path(__file__).resolve().parents[2]


def request(text: str = "What is seen?") -> ChatRequest:
    return ChatRequest("You observe.", (), text, "look", None, 0.0, 1.0, 16, None)


class Watched:
    """A backend to a fake server in this process, and when the requests came."""

    def __init__(self, backend: EndpointBackend, fake: FakeServer, times: list[float], asked: asyncio.Event) -> None:
        self.backend = backend
        self.fake = fake
        self.times = times
        self.asked = asked

    async def complete(self, text: str = "What is seen?") -> Reply:
        return await self.backend.complete(request(text))


@asynccontextmanager
async def watched(*faults: dict[str, Any], limit: int = 8, timeout_s: float = 5.0) -> AsyncIterator[Watched]:
    fake = FakeServer()
    fake.faults = list(faults)
    app = fake.app()
    times: list[float] = []
    asked = asyncio.Event()

    @web.middleware
    async def clock(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.method == "POST":
            times.append(time.monotonic())
            asked.set()
        return await handler(request)

    app.middlewares.append(clock)
    async with TestServer(app) as server, ChatTransport(Endpoint(str(server.make_url(""))), timeout_s) as transport:
        keeper = EndpointKeeper(transport, patience_s=2.0)
        yield Watched(
            EndpointBackend(transport, "fake-omni", "vllm", FixedConcurrency(limit), keeper), fake, times, asked
        )


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once, where Retry-After does not say otherwise."""
    monkeypatch.setattr(endpoint_module, "_BACKOFF", wait_none())


async def test_a_reply_comes_back_with_the_number_of_its_tries() -> None:
    async with watched() as it:
        reply = await it.complete()
    assert (reply.status, reply.tries) == (200, 1)


@pytest.mark.usefixtures("no_backoff")
async def test_a_429_is_asked_again_no_earlier_than_its_retry_after_seconds() -> None:
    async with watched({"kind": "throttle", "retry_after": 0.4}) as it:
        reply = await it.complete()
    assert reply.tries == 2
    assert 0.4 <= it.times[1] - it.times[0] < 2


@pytest.mark.usefixtures("no_backoff")
async def test_a_429_is_asked_again_no_earlier_than_its_retry_after_date() -> None:
    when = datetime.now(UTC) + timedelta(seconds=1.5)  # whose fraction an HTTP date drops
    async with watched({"kind": "throttle", "retry_after": format_datetime(when, usegmt=True)}) as it:
        await it.complete()
    assert 0.4 <= it.times[1] - it.times[0] < 3


@pytest.mark.usefixtures("no_backoff")
async def test_a_429_to_one_request_holds_the_others_back_too() -> None:
    async with watched({"kind": "throttle", "retry_after": 0.4, "match": "first"}, limit=1) as it:
        await asyncio.gather(it.complete("first"), it.complete("second"))
    assert it.times[1] - it.times[0] >= 0.4


@pytest.mark.usefixtures("no_backoff")
async def test_throttles_do_not_use_up_the_tries_of_a_request() -> None:
    throttles = {"kind": "throttle", "retry_after": 0.01, "times": 2 * MAX_TRIES}
    async with watched(throttles, {"kind": "error", "status": 500, "times": MAX_TRIES - 1}) as it:
        reply = await it.complete()
    assert reply.tries == 3 * MAX_TRIES


@pytest.mark.usefixtures("no_backoff")
async def test_a_quota_that_opens_tomorrow_is_a_reject_now_and_closes_nothing() -> None:
    async with watched({"kind": "throttle", "retry_after": 86_400, "match": "first"}) as it:
        with pytest.raises(RequestFailed, match=r"^rate_limited: HTTP 429: too many requests$") as caught:
            await asyncio.wait_for(it.complete("first"), 5)
        assert (await asyncio.wait_for(it.complete("second"), 5)).status == 200
    assert not caught.value.is_final


async def test_a_request_throttled_for_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "MAX_THROTTLED_S", 0.3)
    async with watched({"kind": "throttle", "retry_after": 0.05, "times": -1}) as it:
        with pytest.raises(RequestFailed, match=r"^rate_limited: "):
            await asyncio.wait_for(it.complete(), 20)
    assert len(it.times) >= 2


@pytest.mark.usefixtures("no_backoff")
async def test_a_500_is_tried_again_and_then_a_typed_reject() -> None:
    async with watched({"kind": "error", "status": 500, "times": -1}) as it:
        with pytest.raises(RequestFailed, match=r"^server_error: HTTP 500: made to fail$") as caught:
            await it.complete()
    assert len(it.times) == MAX_TRIES
    assert (caught.value.reason, caught.value.is_final) == ("server_error", False)


@pytest.mark.usefixtures("no_backoff")
async def test_a_500_that_passes_costs_a_try_and_no_more() -> None:
    async with watched({"kind": "error", "status": 500, "times": 2}) as it:
        assert (await it.complete()).tries == 3


@pytest.mark.usefixtures("no_backoff")
async def test_a_server_that_hangs_is_a_typed_timeout() -> None:
    async with watched({"kind": "hang", "times": -1}, timeout_s=0.1) as it:
        with pytest.raises(RequestFailed, match=r"^timeout: no reply within 0\.1 s$") as caught:
            await it.complete()
    assert len(it.times) == MAX_TRIES
    assert caught.value.reason == "timeout"


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("kind", ["reset", "cut"])
async def test_a_broken_connection_is_asked_again_and_is_no_death_while_the_server_lives(kind: str) -> None:
    async with watched({"kind": kind, "times": 2}) as it:
        assert (await it.complete()).tries == 3
    assert it.backend.gate.generation == 0


@pytest.mark.usefixtures("no_backoff")
async def test_a_connection_that_always_breaks_is_a_typed_reject() -> None:
    async with watched({"kind": "reset", "times": -1}) as it:
        with pytest.raises(RequestFailed, match=r"^connection: "):
            await it.complete()
    assert len(it.times) == MAX_TRIES


async def test_a_completion_that_is_none_is_a_typed_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "_BACKOFF", wait_none())
    monkeypatch.setattr(
        "tests.support.fake_server.completion", lambda *arguments: web.json_response({"choices": "none"})
    )
    async with watched() as it:
        with pytest.raises(RequestFailed, match=r"^server_error: HTTP 200 without a completion"):
            await it.complete()
    assert len(it.times) == MAX_TRIES


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_client_is_told_at_once(status: int) -> None:
    async with watched({"kind": "error", "status": status, "times": -1}) as it:
        with pytest.raises(Refused, match=r"set VAEMO_API_KEY|correct --endpoint or --model"):
            await it.complete()
    assert len(it.times) == 1


async def test_a_400_is_a_reply_and_not_asked_again() -> None:
    async with watched({"kind": "error", "status": 400, "message": "too many frames", "times": -1}) as it:
        reply = await it.complete()
    assert (reply.status, reply.text, len(it.times)) == (400, "too many frames", 1)


async def test_no_more_requests_are_in_flight_than_the_limit() -> None:
    async with watched(limit=3) as it:
        it.fake.latency_s = 0.02
        await asyncio.gather(*(it.complete(f"clip {number}") for number in range(12)))
    assert it.fake.most_in_flight == 3


async def test_a_cancelled_request_gives_its_place_back() -> None:
    async with watched({"kind": "hang", "match": "first"}, limit=1) as it:
        first = asyncio.create_task(it.complete("first"))
        await asyncio.wait_for(it.asked.wait(), 5)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await asyncio.wait_for(it.complete("second"), 5)).status == 200


def test_the_backoff_grows_with_jitter_and_stays_below_half_a_minute() -> None:
    class State:
        outcome = None

        def __init__(self, attempt_number: int) -> None:
            self.attempt_number = attempt_number

    waits = [[endpoint_module._wait(State(n)) for _ in range(200)] for n in (1, 3, 20)]  # type: ignore[arg-type]
    assert [max(some) <= bound for some, bound in zip(waits, (0.5, 2.0, 30.0), strict=True)] == [True] * 3
    assert len(set(waits[2])) > 100
    assert max(waits[0]) < max(waits[1]) < max(waits[2])


async def test_waiting_for_a_dead_server_ends_with_the_patience_for_it() -> None:
    async with ChatTransport(Endpoint("http://127.0.0.1:9"), 5) as transport:
        began = time.monotonic()
        assert not await EndpointKeeper(transport, patience_s=0.3).bring_back()
    assert 0.3 <= time.monotonic() - began < 3


class Mortal:
    """A fake server that ends the process it runs in; its keeper starts another one on the same port."""

    process: subprocess.Popen[bytes]

    def __init__(self, folder: Path) -> None:
        self.port_file = folder / "port"
        self.port = 0
        self.starts = 0
        self.faults: list[dict[str, Any]] = []

    async def is_alive(self) -> bool:
        async with ChatTransport(Endpoint(self.url), 5) as transport:
            return await answers(transport)

    async def bring_back(self) -> bool:
        if self.starts:
            await asyncio.to_thread(self.process.wait)
        self.port_file.unlink(missing_ok=True)
        self.starts += 1
        command = [sys.executable, "-m", "tests.support.fake_server", "--port", str(self.port)]
        command += ["--port-file", str(self.port_file), "--latency-s", "0.05"]
        self.process = subprocess.Popen(command, cwd=REPOSITORY)  # noqa: ASYNC220 (it takes a millisecond)
        async with asyncio.timeout(20):
            while not self.port_file.exists():  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.02)
        self.port = int(self.port_file.read_text())
        async with (
            ChatTransport(Endpoint(self.url), 5) as transport,
            transport.session.post(f"{self.url}/_script", json=self.faults) as response,
        ):
            assert response.status == 200
        return True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.mark.usefixtures("no_backoff")
async def test_the_request_that_kills_a_server_is_named_and_all_others_get_their_answers(tmp_path: Path) -> None:
    keeper = Mortal(tmp_path)
    keeper.faults = [{"kind": "die", "match": "clip 5.", "times": -1}]
    lines: list[str] = []
    await keeper.bring_back()
    try:
        async with ChatTransport(Endpoint(keeper.url), 10) as transport:
            backend = EndpointBackend(transport, "fake-omni", "vllm", FixedConcurrency(4), keeper, lines.append)
            replies = await asyncio.gather(*(backend.complete(request(f"clip {number}.")) for number in range(16)))
    finally:
        keeper.process.kill()
        keeper.process.wait()
    assert [number for number, reply in enumerate(replies) if reply.finish_reason == "poison"] == [5]
    assert {reply.status for number, reply in enumerate(replies) if number != 5} == {200}
    assert "the server died twice on this request, the second time with nothing else in flight" in replies[5].text
    assert keeper.starts == 3, "the first start, and one after each of two deaths"
    assert backend.gate.generation == 2
    assert sum("bringing it back" in line for line in lines) == 2
