"""What keeps the page's server to one person's browser and its own page: a key, hosts, origins, a token, headers."""

from __future__ import annotations

import hmac
import logging
import secrets
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vaemo_clips.errors import MediaError, RunFolderError, VaemoError

HOST: Final = "127.0.0.1"
TOKEN_HEADER: Final = "X-Review-Token"
LOCKED_OUT: Final = (
    "This page opens by the address with ?key= that `vaemo-annotate review` printed in its terminal; open that one."
)
_HTTP_PORT = 80
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_log = logging.getLogger(__name__)


class Guard:
    """The rules for requests to one server; `middleware` applies them.

    Every account of this machine reaches the port: who knows the key of the printed address is let in, and has it from
    then on as a cookie. The token is that of the page itself, `run` says which run it is about.
    """

    def __init__(self, port: int, run: str) -> None:
        """Draw a key that only the terminal tells, and a token that only this server's own page is given."""
        self.key = secrets.token_urlsafe(24)
        self.token = secrets.token_urlsafe(24)
        self.run = run
        self.cookie = f"vaemo-review-{port}"  # browsers share cookies among the ports of a host
        ports = [f":{port}", ""] if port == _HTTP_PORT else [f":{port}"]  # browsers leave out the usual one
        self._hosts = frozenset(f"{name}{ending}" for name in (HOST, "localhost") for ending in ports)
        self._url = f"http://{HOST}:{port}"

    @property
    def middleware(self) -> Middleware:
        """Return the aiohttp middleware: it refuses, answers errors as JSON, and sets the headers of every answer."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                refusal = self._refusal(request)
                response = refusal if refusal is not None else await handler(request)
            except Exception as error:  # noqa: BLE001  # whatever it is, the page is told, and told as JSON
                response = _answer_to(error)
            if response.status < 400 and self._brings_key(request):
                response.set_cookie(self.cookie, self.key, httponly=True, samesite="Strict", path="/")
            response.headers.update(_HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded

    def _refusal(self, request: web.Request) -> web.Response | None:
        """What another site, another name for this address, another account or another run's page must not do."""
        if request.headers.get("Host", "").lower() not in self._hosts:
            return failure(403, f"this page answers to {self._url} only; open that address")
        if not self._brings_key(request) and not _is_same(request.cookies.get(self.cookie, ""), self.key):
            return _locked_out(request)
        if request.path.startswith(("/api/", "/media/")) and request.query.get("run") != self.run:
            return failure(409, "this page is of another run, reload", "other_run")
        return None if request.method in ("GET", "HEAD") else self._refused_writing(request)

    def _refused_writing(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Origin", "").lower() not in {f"http://{host}" for host in self._hosts}:
            return failure(403, f"a decision must come from the page at {self._url}")
        if request.content_type != "application/json":
            return failure(415, "a decision is sent as application/json")
        if not _is_same(request.headers.get(TOKEN_HEADER, ""), self.token):
            return failure(401, "the page is of an earlier start of this server; reload it")
        return None

    def _brings_key(self, request: web.Request) -> bool:
        return request.path == "/" and _is_same(request.query.get("key", ""), self.key)


def failure(status: int, message: str, reason: str | None = None) -> web.Response:
    """Return an error as JSON: a message for people and, where there is one, the typed reason."""
    return web.json_response({"error": message, "reason": reason}, status=status)


def _answer_to(error: Exception) -> web.Response:
    if isinstance(error, web.HTTPException):
        return failure(error.status, error.reason)
    if isinstance(error, MediaError):
        return failure(404, error.detail, error.reason)
    if isinstance(error, RunFolderError):  # a full disk, a lock: the page keeps the decision and tries again
        return failure(503, str(error))
    if isinstance(error, VaemoError):
        return failure(409, str(error))
    _log.error("a request failed", exc_info=error)
    return failure(500, f"the server failed ({type(error).__name__}); its terminal says more")


def _locked_out(request: web.Request) -> web.Response:
    if request.path != "/":
        return failure(403, LOCKED_OUT, "no_key")
    page = f'<!doctype html><html lang="en"><title>Review captions</title><p>{LOCKED_OUT}</p></html>'
    return web.Response(status=403, text=page, content_type="text/html")


def _is_same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())
