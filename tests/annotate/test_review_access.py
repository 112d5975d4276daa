"""Who gets at the review page: this person's browser, with the page of this run, and nobody else on the machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import webbrowser
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from tests.support.review_folder import Client, review_client, running_server, write_review_run
from tests.support.run_folder import caption_row
from vaemo_annotate.review.guard import LOCKED_OUT, Guard
from vaemo_annotate.review.review_command import serve
from vaemo_annotate.review.session import ReviewSession


def plain_run(out: Path, count: int = 3) -> Path:
    return write_review_run(out, [caption_row(number) for number in range(count)], out)


async def test_another_account_without_the_key_sees_and_changes_nothing(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with review_client(tmp_path) as client, aiohttp.ClientSession() as stranger:
        for path in ("", "review.js", "favicon.ico", "api/session", "api/next", "media/0/preview", "nothing"):
            async with stranger.get(client.address(path, annotator="Eve")) as response:
                assert response.status == 403, path
                assert client.token not in await response.text()
        async with stranger.get(f"{client.url}?key=guess") as response:
            assert (response.status, response.content_type) == (403, "text/html")
            assert LOCKED_OUT in await response.text()
            assert "Set-Cookie" not in response.headers
        own = {"Origin": client.url.rstrip("/"), "X-Review-Token": client.token, "Cookie": "vaemo-review-1=x"}
        async with stranger.post(client.address("api/undo"), json={"annotator": "Eve"}, headers=own) as response:
            assert response.status == 403


async def test_the_printed_address_lets_a_browser_in_and_a_reload_needs_no_key(tmp_path: Path) -> None:
    plain_run(tmp_path)
    jar = aiohttp.CookieJar(unsafe=True)
    async with running_server(tmp_path) as (url, _), aiohttp.ClientSession(cookie_jar=jar) as http:
        async with http.get(url) as response:
            assert response.status == 200
            cookie = response.headers["Set-Cookie"]
        assert f"vaemo-review-{URL(url).port}=" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        async with http.get(str(URL(url).with_query(None))) as response:
            assert response.status == 200


async def test_a_tunnel_that_ends_in_localhost_is_let_in(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with running_server(tmp_path) as (url, _), aiohttp.ClientSession() as http:
        response = await http.get(url, headers={"Host": f"localhost:{URL(url).port}"})
        assert response.status == 200


async def test_the_page_of_another_run_at_the_same_address_is_told_so_and_changes_nothing(tmp_path: Path) -> None:
    one, other = plain_run(tmp_path / "one"), plain_run(tmp_path / "other")
    async with review_client(one) as page, review_client(other) as server:
        await server.decide((await server.get("api/next"))["caption"], "keep")
        stale = Client(server.http, server.url, server.token, page.session)
        status, answer = await stale.post("api/undo", {"annotator": "Anna", "decision_id": "u"})
        assert (status, answer["reason"]) == (409, "other_run")
        assert answer["error"] == "this page is of another run, reload"
        for path in ("api/captions/0", "api/captions/0/samples", "media/0/preview", "api/results", "api/next"):
            async with server.http.get(stale.address(path)) as response:
                assert response.status == 409, path
        async with server.http.get(f"{server.url}api/session") as response:
            assert response.status == 409
        assert server.session.store.num_events() == 1


def test_a_run_has_the_same_id_by_whatever_path_it_is_reached(tmp_path: Path) -> None:
    plain_run(tmp_path / "out")
    (tmp_path / "link").symlink_to("out")
    ids = [
        ReviewSession(path, order="dataset", count=count, seed=0).run_id
        for path, count in ((tmp_path / "out", None), (tmp_path / "link", 1), (tmp_path / "out/../out", 2))
    ]
    assert len(set(ids)) == 1


@pytest.mark.parametrize(
    ("port", "host", "status"),
    [(80, "127.0.0.1", 200), (80, "localhost", 200), (80, "127.0.0.1:80", 200), (8765, "127.0.0.1", 403),
     (80, "evil.example", 403)],
)  # fmt: skip
async def test_browsers_leave_out_port_80(port: int, host: str, status: int) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response()

    guard = Guard(port, "run")
    headers = {"Host": host, "Origin": f"http://{host}", "X-Review-Token": guard.token, "Cookie": ""}
    headers |= {"Cookie": f"{guard.cookie}={guard.key}", "Content-Type": "application/json"}
    for method in ("GET", "POST"):
        request = make_mocked_request(method, "/api/undo?run=run", headers)
        assert (await guard.middleware(request, page)).status == status, method


async def test_a_charset_that_nobody_knows_is_the_senders_mistake(tmp_path: Path) -> None:
    plain_run(tmp_path, 1)
    async with review_client(tmp_path) as client:
        status, answer = await client.post("api/undo", {}, **{"Content-Type": "application/json; charset=klingon"})
        assert (status, "this is no JSON" in answer["error"]) == (400, True)


async def test_an_error_that_nobody_foresaw_is_answered_in_json_with_the_headers_and_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> None:
        raise ZeroDivisionError("of all things")

    plain_run(tmp_path, 1)
    async with review_client(tmp_path) as client:
        monkeypatch.setattr(client.session, "results", fail)
        with caplog.at_level(logging.ERROR):
            async with client.http.get(client.address("api/results")) as response:
                assert (response.status, response.content_type) == (500, "application/json")
                assert "ZeroDivisionError" in (await response.json())["error"]
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "of all things" in caplog.text


async def test_a_browser_that_blocks_does_not_keep_ctrl_c_from_ending_the_review(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()
    opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def block(url: str) -> bool:
        loop.call_soon_threadsafe(opened.set_result, url)
        return left.wait(60)

    monkeypatch.setattr(webbrowser, "open", block)
    session = ReviewSession(plain_run(tmp_path, 1), order="dataset", count=None, seed=0)
    serving = asyncio.create_task(serve(session, 0, None, open_browser=True))
    try:
        assert "/?key=" in await asyncio.wait_for(opened, 60)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(serving, 30)
    finally:
        left.set()
