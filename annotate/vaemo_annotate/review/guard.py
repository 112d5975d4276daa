"""What keeps the page's server to this machine and its own page: hosts, origins, a token, and strict headers."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vaemo_clips.errors import MediaError, RunFolderError, VaemoError

HOST: Final = "127.0.0.1"
TOKEN_HEADER: Final = "X-Review-Token"
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class Guard:
    """The rules for requests to one server; `middleware` applies them."""

    def __init__(self, port: int) -> None:
        """Draw a token that only this server's own page is given."""
        self.token = secrets.token_urlsafe(24)
        self._hosts = frozenset({f"{HOST}:{port}", f"localhost:{port}"})
        self._url = f"http://{HOST}:{port}"

    @property
    def middleware(self) -> Middleware:
        """Return the aiohttp middleware: it refuses, answers errors as JSON, and sets the headers of every answer."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                refusal = self._refusal(request)
                response = refusal if refusal is not None else await handler(request)
            except web.HTTPException as error:
                response = failure(error.status, error.reason)
            except MediaError as error:
                response = failure(404, error.detail, error.reason)
            except RunFolderError as error:  # a full disk, a lock: the page keeps the decision and tries again
                response = failure(503, str(error))
            except VaemoError as error:
                response = failure(409, str(error))
            response.headers.update(_HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded

    def _refusal(self, request: web.Request) -> web.Response | None:
        """What another site, or another name for this address, must not do."""
        if request.headers.get("Host", "").lower() not in self._hosts:
            return failure(403, f"this page answers to {self._url} only; open that address")
        if request.method in ("GET", "HEAD"):
            return None
        if request.headers.get("Origin", "").lower() not in {f"http://{host}" for host in self._hosts}:
            return failure(403, f"a decision must come from the page at {self._url}")
        if request.content_type != "application/json":
            return failure(415, "a decision is sent as application/json")
        if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), self.token.encode()):
            return failure(401, "the page is of an earlier start of this server; reload it")
        return None


def failure(status: int, message: str, reason: str | None = None) -> web.Response:
    """Return an error as JSON: a message for people and, of media, the typed reason."""
    return web.json_response({"error": message, "reason": reason}, status=status)
