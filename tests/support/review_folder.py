"""Run folders for the review page: captions, and a manifest of the media files that they are about."""

from __future__ import annotations

import asyncio
import hashlib
import queue
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pyarrow as pa

from tests.support.run_folder import DEFAULT_EXTRAS, write_run_folder
from vaemo_annotate.review.media import CACHE_FOLDER, ClipMedia
from vaemo_annotate.review.renewal import Renewal
from vaemo_annotate.review.server import ReviewServer
from vaemo_annotate.review.session import ReviewSession
from vaemo_annotate.verdict_table import write_verdicts
from vaemo_clips.clip import CLIP_SCHEMA
from vaemo_clips.manifest import Manifest, ParquetWriter, manifest_schema


def write_review_run(
    out: Path, rows: Sequence[dict[str, Any]], root: Path, extras: Sequence[pa.Field] = DEFAULT_EXTRAS
) -> Path:
    """Write a finished run with these captions, and its manifest of their clips, whose files lie below `root`."""
    write_run_folder(out, accepted=rows, extra_fields=extras, manifest={"root": str(root)})
    schema = manifest_schema(list(extras), root, out / "clips.parquet")
    clips = {row["clip_id"]: _clip(row, root, schema.names) for row in rows}
    with ParquetWriter(out / "clips.parquet", schema) as writer:
        writer.write(pa.Table.from_pylist(list(clips.values()), schema=schema))
    return out


def _clip(row: dict[str, Any], root: Path, names: Sequence[str]) -> dict[str, Any]:
    path = root / row["path"]
    facts = path.stat() if path.is_file() else None
    known = {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if facts else row["sha256"],
        "file_bytes": facts.st_size if facts else 0,
        "file_mtime_ns": facts.st_mtime_ns if facts else 0,
    }
    return {name: {**row, **known}.get(name) for name in names} | {
        name: row[name] for name in CLIP_SCHEMA.names if name not in known
    }


@dataclass(frozen=True)
class Client:
    """Talks to a review server as its page does."""

    http: aiohttp.ClientSession
    url: str
    token: str
    session: ReviewSession

    def address(self, path: str, **parameters: Any) -> str:
        """Return the address of a request, which says what run it is about."""
        return f"{self.url}{path}?{urlencode({'run': self.session.run_id, **parameters})}"

    async def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of an answer that must be a good one."""
        async with self.http.get(self.address(path, **{"annotator": "Anna", **parameters})) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """Send JSON as the page does; return status and JSON."""
        own = {"Origin": self.url.rstrip("/"), "X-Review-Token": self.token, **headers}
        async with self.http.post(self.address(path), json=body, headers=own) as response:
            return response.status, await response.json()

    async def decide(self, caption: dict[str, Any], verdict: str, annotator: str = "Anna", **details: Any) -> Any:
        """Decide on a caption as it was shown."""
        known = {name: caption[name] for name in ("clip_id", "sample_index", "caption_sha256")}
        number = f"{annotator}-{caption['clip_id']}-{verdict}"
        return await self.post(
            "api/decisions", {"decision_id": number, "annotator": annotator, "verdict": verdict, **known, **details}
        )


@asynccontextmanager
async def running_server(
    out: Path, pool: Any = None, annotator: str | None = None, port: int = 0, **settings: Any
) -> AsyncIterator[tuple[str, ReviewSession]]:
    """Serve the run folder `out` for the time of the block, yield the address with the key; without a pool no media."""
    session = ReviewSession(out, **{"order": "dataset", "count": None, "seed": 0, **settings})
    media = ClipMedia(Manifest.open(out / "clips.parquet"), out / CACHE_FOLDER, pool) if pool else "no media here"
    renewal = Renewal(lambda: write_verdicts(out, None), patience_s=0.01)
    server = ReviewServer(session, media, renewal, annotator)
    try:
        yield await server.start(port), session
    finally:
        await server.stop()
        if isinstance(media, ClipMedia):
            await media.close()
        await renewal.close()


@asynccontextmanager
async def review_client(out: Path, pool: Any = None, **settings: Any) -> AsyncIterator[Client]:
    """Serve the run folder `out` and talk to the server as its page does."""
    jar = aiohttp.CookieJar(unsafe=True)  # which takes cookies of a bare address
    async with running_server(out, pool, **settings) as (url, session), aiohttp.ClientSession(cookie_jar=jar) as http:
        async with http.get(url) as page:
            token = (await page.text()).split('name="review-token" content="')[1].split('"')[0]
        yield Client(http, url.partition("?")[0], token, session)


@contextmanager
def held_port() -> Iterator[int]:
    """Keep a port from other programs, which servers of this test may listen on, one after the other."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


@contextmanager
def served_in_thread(out: Path, pool: Any = None, port: int = 0, **settings: Any) -> Iterator[str]:
    """Serve the run folder `out` from a thread of its own, for a browser that this one drives; yield the address."""
    started: queue.SimpleQueue[tuple[str, asyncio.AbstractEventLoop, asyncio.Event] | BaseException] = (
        queue.SimpleQueue()
    )

    async def serve() -> None:
        ended = asyncio.Event()
        async with running_server(out, pool, port=port, **settings) as (url, _):
            started.put((url, asyncio.get_running_loop(), ended))
            await ended.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001  # raised in the test's thread
            started.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    answer = started.get(timeout=60)
    if isinstance(answer, BaseException):
        raise answer
    url, loop, ended = answer
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(timeout=60)
