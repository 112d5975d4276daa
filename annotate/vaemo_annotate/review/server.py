"""The page's server: one aiohttp application on 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Final

from aiohttp import web

from vaemo_annotate.review.decision import REJECT_REASONS, Decision, person
from vaemo_annotate.review.guard import HOST, Guard
from vaemo_annotate.review.media import ClipMedia, Kind
from vaemo_annotate.review.renewal import Renewal
from vaemo_annotate.review.session import ReviewSession
from vaemo_clips.errors import CaptionError, MediaError, UserError

FIRST_PORT: Final = 8765
_PORTS_TRIED = 20
_AHEAD = 3
_LAST_ANSWERS_S = 2.0  # at the end, for requests under way
_LARGEST_BODY = 256 * 1024
_PAGE = files("vaemo_annotate.review") / "page"
_STATIC = {
    **dict.fromkeys(
        (
            "review.js",
            "alarm.js",
            "asking.js",
            "curves.js",
            "dom.js",
            "player.js",
            "results.js",
            "saving.js",
            "sheet.js",
        ),
        "text/javascript",
    ),
    "review.css": "text/css",
}
_MEDIA_TYPES = {".mp4": "video/mp4", ".m4a": "audio/mp4", ".jpg": "image/jpeg", ".json": "application/json"}
_KINDS: dict[str, Kind] = {"preview": "preview", "strip": "strip", "course": "course"}


class ReviewServer:
    """Serves one review session; use it inside an event loop: `start`, then `stop`."""

    def __init__(
        self, session: ReviewSession, media: ClipMedia | str, renewal: Renewal, annotator: str | None = None
    ) -> None:
        """Serve `session` with the clips of `media`, or the reason why none can be shown, in words.

        `annotator` is who judges; None lets the page ask.
        """
        self._session = session
        self._media = media
        self._renewal = renewal
        self._annotator = annotator
        self._runner: web.AppRunner | None = None
        self._guard = Guard(0, session.run_id)

    async def start(self, port: int | None = None) -> str:
        """Listen on `port` (0: any free one; None: the first free one from 8765 on).

        Return the address that opens the page: who knows the key in it is let in, no other account is.
        Raises UserError where the port is taken.
        """
        listener = await _listen(port)
        chosen = listener.getsockname()[1]
        self._guard = Guard(chosen, self._session.run_id)
        application = web.Application(middlewares=[self._guard.middleware], client_max_size=_LARGEST_BODY)
        application.add_routes(self._routes())
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_LAST_ANSWERS_S
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return f"http://{HOST}:{chosen}/?key={self._guard.key}"

    async def stop(self) -> None:
        """Stop listening; requests under way are answered first."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._page),
            *(web.get(f"/{name}", self._static) for name in _STATIC),
            web.get("/favicon.ico", self._nothing),
            web.get("/api/session", self._facts),
            web.get("/api/next", self._next),
            web.get(r"/api/captions/{place:\d+}", self._caption),
            web.get(r"/api/captions/{place:\d+}/samples", self._samples),
            web.get(r"/media/{place:\d+}/{kind:preview|strip|course}", self._file),
            web.get("/api/results", self._results),
            web.post("/api/decisions", self._decide),
            web.post("/api/undo", self._undo),
        ]

    async def _page(self, request: web.Request) -> web.Response:
        text = (_PAGE / "index.html").read_text(encoding="utf-8")
        text = text.replace("{{token}}", self._guard.token).replace("{{run}}", self._guard.run)
        return web.Response(text=text, content_type="text/html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.path.removeprefix("/")
        return web.Response(body=(_PAGE / name).read_bytes(), content_type=_STATIC[name], charset="utf-8")

    async def _nothing(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _facts(self, request: web.Request) -> web.Response:
        session = self._session
        facts = {
            "run": session.out.resolve().name,
            "total": len(session.queue.rows),
            "order": session.order,
            "annotator": self._annotator,
            "reasons": [{"reason": reason, "text": text} for reason, text in REJECT_REASONS.items()],
        }
        return web.json_response(facts)

    async def _next(self, request: web.Request) -> web.Response:
        annotator = await self._person(request.query.get("annotator"))
        after = _whole(request.query.get("after", "-1"))
        place = await asyncio.to_thread(self._session.next_place, annotator, after)
        return await self._sheet(place, annotator)

    async def _caption(self, request: web.Request) -> web.Response:
        return await self._sheet(_place(request), await self._person(request.query.get("annotator")))

    async def _sheet(self, place: int | None, annotator: str) -> web.Response:
        content: dict[str, Any] = {"annotator": annotator, "caption": None}
        if place is not None:
            content["caption"] = await asyncio.to_thread(self._session.sheet, place, annotator)
            self._prepare(place, annotator)
        content["progress"] = asdict(await asyncio.to_thread(self._session.progress, annotator))
        return web.json_response(content)

    def _prepare(self, place: int, annotator: str) -> None:
        """Have the media of the clip and of the next ones made before they are asked for."""
        if not isinstance(self._media, str):
            places = [place, *self._session.coming(annotator, place, _AHEAD)]
            self._media.prepare(dict.fromkeys(self._session.clip_id(one) for one in places))

    async def _samples(self, request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._session.other_samples, _place(request)))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """Serve one of our own files; FileResponse knows ranges, so that the player can seek."""
        if isinstance(self._media, str):
            raise MediaError("no_media", self._media)
        path = await self._media.file(self._session.clip_id(_place(request)), _KINDS[request.match_info["kind"]])
        response = web.FileResponse(path)
        response.content_type = _MEDIA_TYPES[path.suffix]
        return response

    async def _results(self, request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._session.results))

    async def _decide(self, request: web.Request) -> web.Response:
        sent = await _body(request)
        annotator = await self._person(sent.get("annotator"))
        with _as_sent():
            decision = Decision.of({**sent, "annotator": annotator})
        place = await asyncio.to_thread(self._session.decide, decision)
        self._renewal.due()
        progress = await asyncio.to_thread(self._session.progress, decision.verdict.by)
        return web.json_response({"saved": decision.decision_id, "place": place, "progress": asdict(progress)})

    async def _undo(self, request: web.Request) -> web.Response:
        sent = await _body(request)
        annotator, event_id = await self._person(sent.get("annotator")), sent.get("decision_id")
        if not isinstance(event_id, str) or not 0 < len(event_id) <= 100:
            raise web.HTTPBadRequest(reason="an undoing needs a decision_id of 1 to 100 characters; reload the page")
        is_undone, place = await asyncio.to_thread(self._session.undo, annotator, event_id)
        self._renewal.due()
        return web.json_response({"undone": is_undone, "place": place})

    async def _person(self, name: Any) -> str:
        if self._annotator:
            return self._annotator
        with _as_sent():
            given = person(name)
        return await asyncio.to_thread(self._session.annotator, given)


async def _listen(port: int | None) -> Any:
    """Bind a socket to 127.0.0.1."""
    import socket

    wanted = [port] if port is not None else [*range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED), 0]
    for number in wanted:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError, OverflowError):
            listener.bind((HOST, number))
            return listener
        listener.close()
    raise UserError(f"port {wanted[0]} of {HOST} cannot be used, another program may have it; give another --port")


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        sent = await request.json()
    except (ValueError, LookupError, RecursionError) as error:  # LookupError: a charset that nobody knows
        raise web.HTTPBadRequest(reason="a decision is a JSON object, this is no JSON; reload the page") from error
    if not isinstance(sent, dict):
        raise web.HTTPBadRequest(reason=f"a decision is a JSON object, not {type(sent).__name__}; reload the page")
    return sent


@contextmanager
def _as_sent() -> Iterator[None]:
    """Answer 400 to what no page of ours sends; a decision that came too late is another matter."""
    try:
        yield
    except CaptionError as error:
        raise web.HTTPBadRequest(reason=str(error)) from error


def _place(request: web.Request) -> int:
    return _whole(request.match_info["place"])


def _whole(text: str) -> int:
    try:
        return int(text[:12])
    except ValueError as error:
        raise web.HTTPBadRequest(reason=f"{text!r:.40} is no place in the queue; reload the page") from error
