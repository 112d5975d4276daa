"""What is learned of a server before a run, and what it says about itself during one."""

from __future__ import annotations

import base64
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.fake_server import FakeServer
from vaemo_annotate.concurrency import FixedConcurrency
from vaemo_annotate.engines.discovery import ServedModel, choose_dialect, find_model, trial_media
from vaemo_annotate.engines.request import UNTIMED_MAX_FRAMES
from vaemo_annotate.engines.server_metrics import ServerMetrics, parse_metrics
from vaemo_annotate.engines.transport import ChatTransport, Endpoint, Refused
from vaemo_annotate.prompt import Prompt, load_prompt
from vaemo_clips.errors import ServerError

COT_V2 = load_prompt(Path(__file__).resolve().parents[2] / "prompts" / "cot_v2.yaml")
VLLM = ServedModel("fake-omni", "0.32")
OTHER = ServedModel("fake-omni", None)


def prompt_of(*inputs: str, max_frames: int = 16) -> Prompt:
    return Prompt.model_validate(
        {
            "name": "p",
            "version": "1",
            "description": "",
            "system": "s",
            "media": {"max_frames": max_frames},
            "steps": [{"name": "tell", "inputs": list(inputs), "template": "x"}],
            "output": {"affect_description": "tell"},
        }
    )


@asynccontextmanager
async def fake(*faults: dict[str, Any], vllm: bool = True) -> AsyncIterator[tuple[ChatTransport, list[dict[str, Any]]]]:
    """A transport to a fake server, and the bodies of the trials it was sent."""
    server = FakeServer(vllm=vllm)
    server.faults = list(faults)
    bodies: list[dict[str, Any]] = []
    app = server.app()

    @web.middleware
    async def keep(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        if request.method == "POST":
            bodies.append(await request.json())
        response: web.StreamResponse = await handler(request)
        return response

    app.middlewares.append(keep)
    async with TestServer(app) as running, ChatTransport(Endpoint(str(running.make_url(""))), 5) as transport:
        yield transport, bodies


@asynccontextmanager
async def listing(
    models: bytes | None, status: int = 200, version: bytes | None = None
) -> AsyncIterator[ChatTransport]:
    """A transport to a server that answers /v1/models, and /version where there is one."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.Response(body=models, status=status)
        return web.Response(body=version, status=200 if version else 404)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as running, ChatTransport(Endpoint(str(running.make_url(""))), 5) as transport:
        yield transport


def models(*names: str) -> bytes:
    return orjson.dumps({"data": [{"id": name} for name in names]})


def part_types(body: dict[str, Any]) -> list[str]:
    return [part["type"] for part in body["messages"][1]["content"]]


async def test_the_only_model_is_found_with_its_length_and_the_servers_version() -> None:
    async with fake() as (transport, _):
        assert await find_model(transport, None) == ServedModel("fake-omni", "0.0-fake")
        assert await find_model(transport, "fake-omni") == ServedModel("fake-omni", "0.0-fake")


async def test_a_server_without_a_version_is_not_vllm() -> None:
    async with fake(vllm=False) as (transport, _):
        assert (await find_model(transport, None)).vllm_version is None


@pytest.mark.parametrize("version", [b"<html>", b"[]", b"{}", b"3"])
async def test_a_version_that_is_not_vllms_says_nothing(version: bytes) -> None:
    async with listing(models("m"), version=version) as transport:
        assert await find_model(transport, None) == ServedModel("m", None)


async def test_a_model_that_is_not_served_is_told_with_those_that_are() -> None:
    async with listing(models("b-omni", "a-omni")) as transport:
        with pytest.raises(
            ServerError,
            match=r"model 'c' is not served at http.*; it serves: a-omni, b-omni; pass one of them as --model",
        ):
            await find_model(transport, "c")


async def test_of_several_models_one_must_be_named() -> None:
    async with listing(models("b-omni", "a-omni")) as transport:
        with pytest.raises(ServerError, match=r"serves 2 models \(a-omni, b-omni\); choose one with --model"):
            await find_model(transport, None)
        assert (await find_model(transport, "b-omni")).model == "b-omni"


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"<html>", 200, r"/v1/models is no list of models \(.*\); --endpoint must be an OpenAI-compatible server"),
        (b"{}", 200, r"is no list of models"),
        (b"[]", 200, r"is no list of models"),
        (b'{"data": null}', 200, r"is no list of models"),
        (b'{"data": [{"name": "m"}]}', 200, r"is no list of models"),
        (b'{"data": ["m"]}', 200, r"is no list of models"),
        (b"", 404, r"is no list of models \(HTTP 404\)"),
        (b"", 500, r"is no list of models \(HTTP 500\)"),
        (b'{"data": []}', 200, r"serves no model; start the server with one"),
        (b"", 401, r"refuses the key \(HTTP 401\); set VAEMO_API_KEY"),
        (b"", 403, r"refuses the key \(HTTP 403\); set VAEMO_API_KEY"),
    ],
)
async def test_a_server_that_lists_no_models_is_told_in_one_line(content: bytes, status: int, message: str) -> None:
    async with listing(content, status) as transport:
        with pytest.raises(ServerError, match=message) as caught:
            await find_model(transport, None)
    assert "\n" not in str(caught.value)


async def test_no_server_at_all_is_told_with_what_to_do() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with ChatTransport(Endpoint(url), 5) as transport:
        with pytest.raises(
            ServerError, match=r"no server answers at http.*; start one, correct --endpoint, or use --engine vllm"
        ):
            await find_model(transport, None)


def never(line: str) -> None:
    raise AssertionError(f"announced: {line}")


async def test_vllm_that_takes_frame_times_is_told_them() -> None:
    async with fake() as (transport, bodies):
        assert await choose_dialect(transport, VLLM, COT_V2, never) == "vllm"
    assert len(bodies) == 1
    assert part_types(bodies[0]) == ["video_url", "audio_url", "text"]
    assert bodies[0]["media_io_kwargs"]["video"]["num_frames"] == 4
    assert bodies[0]["response_format"]["type"] == "json_schema"


async def test_a_server_that_is_not_vllm_gets_images() -> None:
    async with fake(vllm=False) as (transport, bodies):
        assert await choose_dialect(transport, OTHER, COT_V2, never) == "images"
    assert part_types(bodies[0]) == ["image_url"] * 4 + ["input_audio", "text"]
    assert not {"media_io_kwargs", "mm_processor_kwargs"} & bodies[0].keys()


@pytest.mark.parametrize("name", ["media_io_kwargs", "mm_processor_kwargs"])
async def test_vllm_that_refuses_frame_times_is_used_without_them_and_that_is_said(name: str) -> None:
    refusal = {"kind": "error", "status": 400, "message": f"{name} is not allowed without --trust-request-mm-kwargs"}
    lines: list[str] = []
    async with fake(refusal) as (transport, bodies):
        assert await choose_dialect(transport, VLLM, COT_V2, lines.append) == "vllm-untimed"
    assert len(lines) == 1
    assert lines[0].startswith("warning: the server was started without --trust-request-mm-kwargs")
    assert [sorted({"media_io_kwargs", "mm_processor_kwargs"} & body.keys()) for body in bodies] == [
        ["media_io_kwargs", "mm_processor_kwargs"],
        [],
    ]


@pytest.mark.parametrize(("max_frames", "fits"), [(UNTIMED_MAX_FRAMES, True), (UNTIMED_MAX_FRAMES + 1, False)])
async def test_without_frame_times_vllm_would_drop_frames_above_32(max_frames: int, fits: bool) -> None:
    refusal = {"kind": "error", "status": 400, "message": "media_io_kwargs is not allowed"}
    lines: list[str] = []
    async with fake(refusal) as (transport, _):
        chosen = choose_dialect(transport, VLLM, prompt_of("video", max_frames=max_frames), lines.append)
        if fits:
            assert await chosen == "vllm-untimed"
        else:
            with pytest.raises(
                ServerError,
                match=r"keeps only 32 of the prompt's media\.max_frames 33; start vLLM with --trust-request-mm-kwargs",
            ):
                await chosen
    assert len(lines) == fits


@pytest.mark.parametrize(
    ("inputs", "words"),
    [(["video"], "video"), (["audio"], "audio"), (["video", "audio"], "audio and video"), ([], "text")],
)
@pytest.mark.parametrize("served", [VLLM, OTHER], ids=["vLLM", "other"])
async def test_a_model_that_refuses_the_inputs_is_told_with_their_names(
    inputs: list[str], words: str, served: ServedModel
) -> None:
    refusal = {"kind": "error", "status": 400, "message": "at most 0 video(s) may be provided", "times": -1}
    async with fake(refusal) as (transport, bodies):
        with pytest.raises(
            ServerError,
            match=rf"refuses a trial request of {words} to 'fake-omni' "
            r"\(HTTP 400: at most 0 video\(s\) may be provided\); "
            "serve a model that takes these inputs",
        ):
            await choose_dialect(transport, served, prompt_of(*inputs), never)
    assert len(bodies) == 1


async def test_the_trial_holds_only_what_the_prompt_asks_for() -> None:
    async with fake() as (transport, bodies):
        for inputs in (["video"], ["audio"], ["text"], []):
            await choose_dialect(transport, VLLM, prompt_of(*inputs), never)
    assert [part_types(body) for body in bodies] == [["video_url", "text"], ["audio_url", "text"], ["text"], ["text"]]
    assert ["media_io_kwargs" in body for body in bodies] == [True, False, False, False]


async def test_a_trial_that_fails_once_or_twice_is_asked_again() -> None:
    async with fake({"kind": "error", "status": 500, "times": 2}) as (transport, bodies):
        assert await choose_dialect(transport, VLLM, COT_V2, never) == "vllm"
    assert len(bodies) == 3


async def test_a_trial_that_always_fails_is_told_with_where_to_look() -> None:
    async with fake({"kind": "error", "status": 500, "times": -1}) as (transport, _):
        with pytest.raises(
            ServerError, match=r"did not answer a trial request to 'fake-omni' \(.*\); look at the server's log"
        ):
            await choose_dialect(transport, VLLM, COT_V2, never)


async def test_a_key_that_is_refused_at_the_trial_is_told_as_such() -> None:
    async with fake({"kind": "error", "status": 401}) as (transport, _):
        with pytest.raises(Refused, match="set VAEMO_API_KEY"):
            await choose_dialect(transport, VLLM, COT_V2, never)


def test_the_trial_media_are_real_pictures_and_sound() -> None:
    media = trial_media()
    assert len(set(media.frames_base64)) == 4
    assert all(base64.b64decode(frame).startswith(b"\xff\xd8\xff") for frame in media.frames_base64)
    assert base64.b64decode(media.wav_base64)[:4] == b"RIFF"
    assert media.facts.video is not None
    assert (media.facts.video.num_frames, media.facts.video.fps) == (4, 4.0)


METRICS = """\
# HELP vllm:num_requests_running Number of requests
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 1.0
vllm:prefix_cache_queries_total{engine="0"} 1.5e+03
vllm:prefix_cache_hits_total 500.0
vllm:e2e_request_latency_seconds_bucket{le="0.3"} 1.0
python_info{version="3.11"} 1.0
"""


def test_metrics_of_several_engines_are_added_up_and_others_are_left() -> None:
    assert parse_metrics(METRICS) == {
        "vllm:num_requests_running": 5.0,
        "vllm:num_requests_waiting": 1.0,
        "vllm:prefix_cache_queries_total": 1500.0,
        "vllm:prefix_cache_hits_total": 500.0,
    }
    assert parse_metrics("<html>\nnothing") == {}


async def counts_after(*readings: tuple[int, int] | None) -> tuple[list[bool], dict[str, int]]:
    """Read /metrics once a reading (None: an error) of (queries, hits); return what each said, and the counts."""
    pages = iter(readings)

    async def answer(request: web.Request) -> web.Response:
        page = next(pages)
        if page is None:
            return web.Response(status=404)
        lines = [
            "vllm:num_requests_running 1.0",
            f"vllm:prefix_cache_queries_total {page[0]}.0",
            f"vllm:prefix_cache_hits_total {page[1]}.0",
        ]
        return web.Response(text="\n".join(lines))

    app = web.Application()
    app.router.add_get("/metrics", answer)
    async with TestServer(app) as running, ChatTransport(Endpoint(str(running.make_url(""))), 5) as transport:
        metrics = ServerMetrics(transport, FixedConcurrency(1))
        said = [await metrics.read() for _ in readings]
    return said, metrics.cache_counts()


async def test_cache_counts_are_the_growth_since_the_first_reading() -> None:
    said, counts = await counts_after((1000, 400), (1100, 450), (1300, 600))
    assert said == [True, True, True]
    assert counts == {"prefix_cache_queries": 300, "prefix_cache_hits": 200}


async def test_cache_counts_go_on_after_the_server_was_restarted() -> None:
    _, counts = await counts_after((1000, 400), (1100, 450), (30, 10), (50, 20))
    assert counts == {"prefix_cache_queries": 150, "prefix_cache_hits": 70}


async def test_a_server_without_metrics_is_asked_once() -> None:
    said, counts = await counts_after(None)
    assert (said, counts) == ([False], {})
