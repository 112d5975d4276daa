"""One HTTP request and every way it can fail, against real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.fake_server import FakeServer
from vaemo_annotate.engines.transport import ChatTransport, Endpoint, Refused, TransientFailure, answers
from vaemo_annotate.reply import Reply
from vaemo_clips.errors import ServerError

KEY = "sk-very/secret+key"
BODY = orjson.dumps({"model": "fake-omni", "messages": [{"role": "user", "content": "What is seen?"}]})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def scripted(*faults: dict[str, Any], timeout_s: float = 5.0) -> AsyncIterator[ChatTransport]:
    """A transport to a fake server with faults to come."""
    fake = FakeServer()
    fake.faults = list(faults)
    async with (
        TestServer(fake.app()) as server,
        ChatTransport(Endpoint(str(server.make_url("")), KEY), timeout_s) as it,
    ):
        yield it


@asynccontextmanager
async def answering(handler: Handler, timeout_s: float = 5.0) -> AsyncIterator[ChatTransport]:
    """A transport to a server that answers everything with `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server, ChatTransport(Endpoint(str(server.make_url("")), KEY), timeout_s) as it:
        yield it


def always(content: bytes | dict[str, Any], status: int = 200, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        return web.Response(body=body, status=status, headers=headers)

    return handler


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def completion(**message: Any) -> dict[str, Any]:
    return {"choices": [{"finish_reason": "stop", "message": message}], "usage": {"prompt_tokens": 12}}


@pytest.mark.parametrize(
    "url",
    [
        "http://host:8000",
        "http://host:8000/",
        "http://host:8000/v1",
        " http://host:8000/v1/ ",
        "http://host:8000/v1/chat/completions",
        "http://host:8000/v1/chat/completions/",
    ],
)
def test_a_url_may_end_before_v1_with_it_or_with_the_whole_path(url: str) -> None:
    assert Endpoint.parse(url, None).url == "http://host:8000"


def test_a_path_before_v1_is_kept() -> None:
    assert Endpoint.parse("https://host/team/openai/v1", None).url == "https://host/team/openai"


@pytest.mark.parametrize("url", ["localhost:8000", "host/v1", "", "http://", "ftp://host", "unix:///socket"])
def test_a_url_without_scheme_or_host_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ServerError, match=r"is no plain URL: it must be like http://localhost:8000/v1"):
        Endpoint.parse(url, None)


@pytest.mark.parametrize(
    "url", ["http://me:pass@host/v1", "me:pass@host", "http://me:pa://pass@host/v1", "//me:pass@host"]
)
def test_a_password_in_a_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ServerError, match=r"\*\*\*@host.*a key goes into VAEMO_API_KEY") as caught:
        Endpoint.parse(url, None)
    assert "pass" not in str(caught.value)


def test_a_key_is_never_shown_and_loses_the_newline_of_its_file() -> None:
    endpoint = Endpoint.parse("http://host/v1", f"{KEY}\n")
    assert endpoint.key == KEY
    assert KEY not in repr(endpoint)
    assert Endpoint.parse("http://host/v1", " \n").key is None


async def test_a_completion_is_read_with_its_counts_and_latency() -> None:
    async with scripted({"kind": "slow", "seconds": 0.05}) as transport:
        reply = await transport.chat(BODY, tries=3)
    assert (reply.status, reply.finish_reason, reply.tries) == (200, "stop", 3)
    assert reply.text
    assert (reply.prompt_tokens, reply.cached_tokens) == (3, 1)
    assert 0.05 <= reply.latency_s < 2
    assert datetime.fromisoformat(reply.created_at).tzinfo == UTC


async def test_the_key_goes_into_the_authorization_header_and_nowhere_else() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.extend([request.headers["Authorization"], str(request.url), await request.text()])
        return web.json_response(completion(content="x"))

    async with answering(handler) as transport:
        await transport.chat(BODY, 1)
    assert seen[0] == f"Bearer {KEY}"
    assert not any(KEY in part for part in seen[1:])


@pytest.mark.parametrize(
    ("content", "text", "finish_reason"),
    [
        (completion(content="hello"), "hello", "stop"),
        (completion(content=None), "", "stop"),
        (completion(), "", "stop"),
        (completion(content=None, refusal="I won't."), "I won't.", "content_filter"),
        ({"choices": [{"message": {"content": "x"}, "finish_reason": None}], "usage": None}, "x", "stop"),
        ({"choices": [{"message": {"content": "x"}, "finish_reason": "length"}]}, "x", "length"),
    ],
)
async def test_the_forms_a_completion_can_have(content: dict[str, Any], text: str, finish_reason: str) -> None:
    async with answering(always(content)) as transport:
        reply = await transport.chat(BODY, 1)
    assert (reply.text, reply.finish_reason) == (text, finish_reason)


async def test_token_counts_that_are_no_numbers_are_unknown() -> None:
    usage = {"prompt_tokens": "many", "completion_tokens": None, "prompt_tokens_details": {"cached_tokens": [1]}}
    async with answering(always({**completion(content="x"), "usage": usage})) as transport:
        reply = await transport.chat(BODY, 1)
    assert (reply.prompt_tokens, reply.cached_tokens, reply.completion_tokens) == (None, None, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>welcome</html>",
        b"[]",
        b"null",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": ["a", "b"]}}]}',
        b'{"choices": [{"message": {"content": "x"}}], "usage": [1]}',
        b'{"error": {"message": "overloaded"}}',
    ],
)
async def test_a_200_without_a_completion_is_a_server_error(content: bytes) -> None:
    async with answering(always(content)) as transport:
        with pytest.raises(TransientFailure, match=r"^server_error: HTTP 200 without a completion: ") as caught:
            await transport.chat(BODY, 1)
    assert caught.value.kind == "server_error"


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_request_that_the_server_will_never_take_is_a_reply_with_its_status(status: int) -> None:
    async with scripted({"kind": "error", "status": status, "message": "exceeds the\n encoder cache"}) as transport:
        reply = await transport.chat(BODY, 1)
    assert (reply.status, reply.finish_reason, reply.text) == (status, "error", "exceeds the encoder cache")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"refuses the key \(HTTP 401: no\); set VAEMO_API_KEY$"),
        (403, r"refuses the key \(HTTP 403: no\); set VAEMO_API_KEY$"),
        (404, r"has no such model or path \(HTTP 404: no\); correct --endpoint or --model$"),
        (405, r"has no such model or path \(HTTP 405: no\); correct --endpoint or --model$"),
    ],
)
async def test_a_refused_client_is_told_the_remedy(status: int, message: str) -> None:
    async with scripted({"kind": "error", "status": status, "message": "no"}) as transport:
        with pytest.raises(Refused, match=message):
            await transport.chat(BODY, 1)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate_limited"), (503, "server_error"), (500, "server_error"), (418, "server_error")]
)
async def test_what_a_retry_can_mend_has_its_kind(status: int, kind: str) -> None:
    async with scripted({"kind": "error", "status": status, "message": "later"}) as transport:
        with pytest.raises(TransientFailure, match=rf"^{kind}: HTTP {status}: later$") as caught:
            await transport.chat(BODY, 1)
    assert caught.value.kind == kind
    assert caught.value.retry_after_s is None


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0.25", 0.25, 0.25),
        ("-3", 0, 0),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True), 50, 61),
        (lambda: format_datetime(datetime.now(UTC) - timedelta(seconds=60), usegmt=True), 0, 0),
        ("nan", 0, 0),
    ],
    ids=["seconds", "fraction", "negative", "date", "past date", "nan"],
)
async def test_retry_after_is_read_as_seconds_or_as_a_date(
    status: int, header: str | Callable[[], str], low: float, high: float
) -> None:
    value = header if isinstance(header, str) else header()
    async with answering(always(b"slow down", status, **{"Retry-After": value})) as transport:
        with pytest.raises(TransientFailure, match=r"slow down") as caught:
            await transport.chat(BODY, 1)
    assert caught.value.retry_after_s is not None
    assert low <= caught.value.retry_after_s <= high


@pytest.mark.parametrize("header", ["", "soon", "Tue, 99 Foo 2026"])
async def test_a_retry_after_that_says_nothing_is_ignored(header: str) -> None:
    async with answering(always(b"slow down", 429, **{"Retry-After": header})) as transport:
        with pytest.raises(TransientFailure, match=r"rate_limited") as caught:
            await transport.chat(BODY, 1)
    assert caught.value.retry_after_s is None


async def test_a_server_that_hangs_is_a_timeout() -> None:
    async with scripted({"kind": "hang"}, timeout_s=0.2) as transport:
        with pytest.raises(TransientFailure, match=r"^timeout: no reply within 0\.2 s$"):
            await transport.chat(BODY, 1)


@pytest.mark.parametrize("kind", ["reset", "cut"])
async def test_a_connection_that_breaks_is_told_as_such(kind: str) -> None:
    async with scripted({"kind": kind}) as transport:
        with pytest.raises(TransientFailure, match=r"^connection: \w+") as caught:
            await transport.chat(BODY, 1)
        assert caught.value.kind == "connection"
        assert (await transport.chat(BODY, 2)).status == 200, "the pool is sound"


async def test_nobody_at_the_port_is_a_connection_failure() -> None:
    async with ChatTransport(Endpoint(f"http://127.0.0.1:{closed_port()}"), 5) as transport:
        with pytest.raises(TransientFailure, match=r"^connection: "):
            await transport.chat(BODY, 1)
        with pytest.raises(TransientFailure, match=r"^connection: "):
            await transport.get("/v1/models")


async def test_a_host_that_does_not_take_the_connection_is_no_timeout_of_the_reply(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lost(*arguments: object, **options: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", lost)
    async with ChatTransport(Endpoint("http://host:8000"), 10) as transport:
        with pytest.raises(
            TransientFailure, match=r"^connection: no connection to http://host:8000 in time$"
        ) as caught:
            await transport.chat(BODY, 1)
    assert caught.value.kind == "connection"


@pytest.mark.parametrize("status", [400, 429, 500, 200])
async def test_a_key_that_the_server_echoes_is_blanked(status: int) -> None:
    content = f"{'x' * 30} key {KEY} is bad".encode()
    async with answering(always(content, status)) as transport:
        try:
            shown = (await transport.chat(BODY, 1)).text
        except TransientFailure as failure:
            shown = str(failure)
    assert "key *** is bad" in shown
    assert KEY not in shown


async def test_a_key_is_blanked_before_a_long_message_is_cut() -> None:
    content = {"error": {"message": "x" * 390 + KEY + "y" * 100}}
    async with answering(always(content, 400)) as transport:
        text = (await transport.chat(BODY, 1)).text
    assert "sk-very" not in text
    assert text.endswith("…")


async def test_a_cancelled_request_is_cancelled() -> None:
    async with scripted({"kind": "hang"}) as transport:
        task = asyncio.create_task(transport.chat(BODY, 1))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("health", "models", "alive"),
    [(200, 200, True), (404, 200, True), (404, 401, True), (503, 200, False), (404, 500, False)],
)
async def test_whether_a_server_lives_is_told_by_its_health_or_its_models(
    health: int, models: int, alive: bool
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=health if request.path == "/health" else models)

    async with answering(handler) as transport:
        assert await answers(transport) is alive


async def test_a_server_that_is_gone_does_not_answer() -> None:
    async with ChatTransport(Endpoint(f"http://127.0.0.1:{closed_port()}"), 5) as transport:
        assert not await answers(transport)


async def test_a_reply_is_a_reply() -> None:
    async with scripted({"kind": "truncated"}) as transport:
        reply = await transport.chat(BODY, 1)
    assert isinstance(reply, Reply)
    assert reply.finish_reason == "length"
