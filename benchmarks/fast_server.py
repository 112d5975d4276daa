"""A chat server that answers at once, for measuring clients: it reads a request no further than it must.

    python -m benchmarks.fast_server --cpu 1        prints its port

Every reply is one of three fixed completions, valid for the steps look, listen and reason of
prompts/cot_v2.yaml, chosen by the schema's name in the last bytes of the request.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import orjson

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_SCHEMA_NAME = re.compile(rb'"name":\s*"(look|listen|reason)"')
_TAIL_BYTES = 8192

_SEEN = "still at first, then a small movement towards the middle of the clip"
_ACCOUNT = (
    "The inner brows rise early and stay up while the lip corners drop and the gaze goes down to the left; the head "
    "tilts forward by the end, the shoulders sink, and the lids close twice, longer than an ordinary blink would last."
)
ANSWERS: dict[str, dict[str, object]] = {
    "look": {
        "face": "clear",
        **dict.fromkeys(("brows", "eyes", "mouth", "head", "body"), _SEEN),
        "description": _ACCOUNT,
    },
    "listen": {
        "sound": "speech",
        **dict.fromkeys(("pitch", "loudness", "rate", "pauses", "voice_quality", "other_sounds"), _SEEN),
        "description": _ACCOUNT,
    },
    "reason": {
        "evidence": _SEEN,
        "agreement": "agree",
        "description": _ACCOUNT,
        "emotions": ["sadness", "resignation"],
        "valence": -0.6,
        "arousal": -0.3,
        "confidence": 0.7,
    },
}


def _response(answer: dict[str, object]) -> bytes:
    completion = {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": "fake-omni",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": orjson.dumps(answer).decode()},
            }
        ],
        "usage": {
            "prompt_tokens": 2000,
            "completion_tokens": 180,
            "total_tokens": 2180,
            "prompt_tokens_details": {"cached_tokens": 1500},
        },
    }
    body = orjson.dumps(completion)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


_RESPONSES = {name.encode(): _response(answer) for name, answer in ANSWERS.items()}


class _Connection(asyncio.Protocol):
    """Counts the bytes of a request and keeps its tail; one request at a time, kept alive."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._head = b""
        self._tail = b""
        self._missing_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self._missing_bytes == 0:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return
            self._head = b""
            length = _LENGTH.search(head)
            self._missing_bytes = int(length[1]) if length else 0
        self._missing_bytes -= len(data)
        self._tail = data if len(data) >= _TAIL_BYTES else (self._tail + data)[-_TAIL_BYTES:]
        if self._missing_bytes <= 0:
            self._missing_bytes = 0
            names = _SCHEMA_NAME.findall(self._tail, max(0, len(self._tail) - _TAIL_BYTES))
            self._tail = b""
            self._transport.write(_RESPONSES[names[-1] if names else b"look"])


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def running_server(cpu: int | None) -> Iterator[str]:
    """Run the server in its own process, on one core where `cpu` is given; yield its URL."""
    command = [sys.executable, "-m", "benchmarks.fast_server"]
    command += [] if cpu is None else ["--cpu", str(cpu)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", type=int)
    pinned_to = parser.parse_args().cpu
    if pinned_to is not None:
        os.sched_setaffinity(0, {pinned_to})
    asyncio.run(_serve())
