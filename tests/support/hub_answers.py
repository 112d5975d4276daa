"""What the local Hub answers: files, large file storage, refusals, and connections that break."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from aiohttp import web

from tests.support.hub_repo import Blob


class LargeFiles:
    """The storage of large files, by their sha256."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def place_for(self, wanted: dict[str, Any], url: str) -> dict[str, Any]:
        """Where to put an object, or nothing to do for one that is here."""
        answer = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] in self.contents:
            return answer
        upload, verify = {"href": f"{url}/lfs/{wanted['oid']}"}, {"href": f"{url}/lfs/verify"}
        return {**answer, "actions": {"upload": upload, "verify": verify}}

    def keep(self, oid: str, content: bytes) -> None:
        """Keep an object that is what it is called."""
        if hashlib.sha256(content).hexdigest() != oid:
            raise problem(web.HTTPBadRequest, "content does not match its sha256")
        self.contents[oid] = content


def file_answer(request: web.Request, blob: Blob | None, commit: str) -> web.Response:
    """A file of a commit, or the part of it that is asked for."""
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    if blob is None:
        raise problem(web.HTTPNotFound, "Entry not found", {**headers, "X-Error-Code": "EntryNotFound"})
    headers["ETag"] = f'"{blob.known_as}"'
    part = request.http_range
    if request.method == "GET" and part.start is not None:
        body = blob.content[part]
        first = part.start if part.start >= 0 else len(blob.content) - len(body)
        headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/{len(blob.content)}"
        return web.Response(status=206, body=body, headers=headers)
    return web.Response(body=blob.content, headers=headers)


def cut(request: web.Request) -> web.Response:
    """Break the connection; what is returned goes nowhere."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def problem(kind: type[web.HTTPError], message: str, headers: dict[str, str] | None = None) -> web.HTTPError:
    """A refusal as the Hub words it."""
    body = json.dumps({"error": message})
    return kind(text=body, content_type="application/json", headers=headers)
