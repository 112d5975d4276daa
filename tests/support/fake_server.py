"""A scripted chat server for faults that a real one cannot be made to show on demand.

    python -m tests.support.fake_server --port 0 --port-file FILE [--latency-s 0.0] [--words --ears good --eyes good]

Replies are valid for the request's JSON Schema and a pure function of the request's text and media, so two
runs against it give the same captions. `POST /_script` takes a list of faults, each `{"kind", "match", "times",
…}`; the first one whose `match` is part of the request's text and whose `times` are not used up is applied.
`GET /_log` tells what was asked: the number of requests, how often each one came, and how often each good
reply was given. With `--words` replies tell what is in the media (`tests.support.senses`), as well as `--ears` hear
and `--eyes` see; otherwise they are words drawn by the request's digest.

Kinds: `slow` (seconds), `throttle` (HTTP 429 with retry_after), `error` (status), `hang`, `truncated`,
`invalid_json`, `schema`, `whitespace`, `repetitive`, `empty`, `refusal`, `reset` (drops the connection),
`cut` (half of the HTTP body), `die` (the process ends; nobody is answered).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tests.support.senses import Senses

_WORDS = (  # noqa: SIM905 (readable as it is)
    "brows lowered raised eyes narrow wide gaze down lip corners pulled pressed jaw open head tilted still voice "
    "soft loud pitch falling rising slow fast pauses breath steady trembling shoulders turns speaks while mouth "
    "opens inner outer slightly briefly then again near end start middle calm even tense clear creaky"
).split()


class FakeServer:
    """The state of one fake server."""

    def __init__(
        self, model: str = "fake-omni", latency_s: float = 0.0, vllm: bool = True, senses: Senses | None = None
    ) -> None:
        """Serve `model`; `vllm` makes it answer /version like vLLM; with `senses` it tells what is in the media."""
        self.model = model
        self.senses = senses
        self.latency_s = latency_s
        self.vllm = vllm
        self.seen: Counter[str] = Counter()
        self.replies: Counter[str] = Counter()
        self.authorizations: set[str] = set()
        self.bodies: list[dict[str, Any]] = []
        self.keep_bodies = False
        self.faults: list[dict[str, Any]] = []
        self.now_in_flight = 0
        self.most_in_flight = 0

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/version", self._version)
        app.router.add_post("/_script", self._script)
        app.router.add_get("/_log", self._log)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        if fault := self._fault("GET /v1/models"):
            return web.Response(status=fault.get("status", 500))
        return web.json_response({"object": "list", "data": [{"id": self.model, "max_model_len": 8192}]})

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "0.0-fake"}) if self.vllm else web.Response(status=404)

    async def _script(self, request: web.Request) -> web.Response:
        self.faults = await request.json()
        return web.Response()

    async def _log(self, request: web.Request) -> web.Response:
        counts = {"requests": self.seen.total(), "seen": dict(self.seen), "replies": dict(self.replies)}
        return web.json_response({**counts, "authorizations": sorted(self.authorizations)})

    def _fault(self, text: str) -> dict[str, Any] | None:
        for fault in self.faults:
            if fault.get("match", "") in text and fault.get("times", 1) != 0:
                fault["times"] = fault.get("times", 1) - 1
                return fault
        return None

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.now_in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.now_in_flight)
        try:
            return await self._answer(request)
        finally:
            self.now_in_flight -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.authorizations.add(request.headers.get("Authorization", ""))
        body = orjson.loads(raw)
        text = " ".join(_texts(body["messages"]))
        if "This is a trial" not in text:
            self.seen[hashlib.sha256(raw).hexdigest()] += 1
            if self.keep_bodies:
                self.bodies.append(body)
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        fault = self._fault(text)
        if fault:
            answer = await self._faulty(request, fault, body)
            if answer is not None:
                return answer
        is_trial = "This is a trial" in text
        reply = make_reply(body, raw) if self.senses is None or is_trial else self.senses.reply(body)
        if "This is a trial" not in text:
            self.replies[hashlib.sha256(reply.encode()).hexdigest()] += 1
        return completion(body, reply, "stop")

    async def _faulty(
        self, request: web.Request, fault: dict[str, Any], body: dict[str, Any]
    ) -> web.StreamResponse | None:
        match fault["kind"]:
            case "slow":
                await asyncio.sleep(fault.get("seconds", 1.0))
                return None
            case "throttle":
                headers = {"Retry-After": str(fault.get("retry_after", 1))}
                return web.json_response({"error": {"message": "too many requests"}}, status=429, headers=headers)
            case "error":
                message = fault.get("message", "made to fail")
                return web.json_response({"error": {"message": message}}, status=fault.get("status", 500))
            case "hang":
                await asyncio.sleep(3600)
                return None
            case "reset":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "cut":
                response = web.StreamResponse(headers={"Content-Length": "5000"})
                await response.prepare(request)
                await response.write(b'{"choices": [{"message"')
                assert request.transport is not None
                request.transport.abort()
                return response
            case "die":
                os._exit(17)
            case kind:
                return completion(body, *_BAD_REPLIES[kind])


_BAD_REPLIES: dict[str, tuple[str, str]] = {
    "truncated": ('{"description": "the brows are lowered and', "length"),
    "invalid_json": ('The person smiles. {"description": ', "stop"),
    "schema": ('{"unexpected": 1}', "stop"),
    "whitespace": ('{"description": "x"' + " \n" * 400, "length"),
    "repetitive": ('{"description": "' + "and then again " * 60, "length"),
    "empty": ("", "stop"),
    "refusal": ("I'm sorry, but I can't help with describing this person.", "stop"),
}


def completion(body: dict[str, Any], text: str, finish_reason: str) -> web.Response:
    """Return a chat completion; its token counts are a function of the texts."""
    prompt_tokens = sum(len(part) for part in _texts(body["messages"])) // 4
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": len(text) // 4,
        "prompt_tokens_details": {"cached_tokens": prompt_tokens // 2},
    }
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
    answer = {"id": "fake", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}
    return web.Response(body=orjson.dumps(answer), content_type="application/json")


def make_reply(body: dict[str, Any], raw: bytes) -> str:
    """Return a reply that fits the schema, drawn from the request's digest."""
    generator = random.Random(hashlib.sha256(raw).digest())
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is None:
        return _sentence(generator, 200)
    return orjson.dumps(_value(schema, generator)).decode()


def _value(schema: dict[str, Any], generator: random.Random) -> Any:
    if "enum" in schema:
        return generator.choice(schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    match kind:
        case "object":
            return {name: _value(child, generator) for name, child in schema["properties"].items()}
        case "array":
            return [_value(schema["items"], generator) for _ in range(max(1, schema.get("minItems", 1)))]
        case "number":
            return round(generator.uniform(schema.get("minimum", 0), schema.get("maximum", 1)), 3)
        case "integer":
            return generator.randint(schema.get("minimum", 0), schema.get("maximum", 10))
        case "boolean":
            return generator.random() < 0.5
        case _:
            return _sentence(generator, schema.get("maxLength", 120))


def _sentence(generator: random.Random, length: int) -> str:
    return " ".join(generator.choices(_WORDS, k=min(14, max(1, length // 10))))[:length]


def _texts(messages: list[dict[str, Any]]) -> list[str]:
    texts = []
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if part["type"] == "text"]
    return texts


async def serve(server: FakeServer, port: int, port_file: Path | None) -> None:
    """Serve until cancelled; the port in use is written to `port_file`."""
    runner = web.AppRunner(server.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
    await site.start()
    assert site._server is not None
    bound = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    if port_file:
        draft = port_file.with_suffix(".tmp")
        draft.write_text(str(bound))
        draft.replace(port_file)
    await asyncio.Event().wait()


def main() -> None:
    """Serve in the foreground."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--not-vllm", action="store_true")
    parser.add_argument("--model", default="fake-omni")
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--ears", choices=["good", "deaf", "invents"], default="good")
    parser.add_argument("--eyes", choices=["good", "blind", "invents"], default="good")
    arguments = parser.parse_args()
    senses = Senses(arguments.ears, arguments.eyes) if arguments.words else None
    server = FakeServer(arguments.model, arguments.latency_s, vllm=not arguments.not_vllm, senses=senses)
    asyncio.run(serve(server, arguments.port, arguments.port_file))


if __name__ == "__main__":
    main()
