"""A small Hub on localhost: what huggingface_hub 2.4 and datasets 5.2 ask of it for dataset repositories.

It keeps repositories, commits and large files in memory, checks tokens and namespaces, and records
every request. Xet is left out: hf_xet speaks to a storage service of its own that has no open
description, and huggingface_hub 2 asks the Hub for it without a fallback, so clients must set
HF_HUB_DISABLE_XET=1; then they take the LFS path, which is served here.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import yaml
from aiohttp import web

LFS_SUFFIXES = (".parquet", ".arrow", ".bin")
"""What the Hub's default .gitattributes sends to large file storage."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit."""

    content: bytes
    is_lfs: bool

    @property
    def oid(self) -> str:
        """Git's name of the content."""
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        """Large file storage's name of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def known_as(self) -> str:
        """The name a client compares with its own file."""
        return self.sha256 if self.is_lfs else self.oid


@dataclass(slots=True)
class Repo:
    """A dataset repository: the files of its commits, the newest last."""

    private: bool
    summaries: list[str] = field(default_factory=lambda: ["initial commit"])
    commits: list[dict[str, Blob]] = field(default_factory=lambda: [{}])

    @property
    def files(self) -> dict[str, Blob]:
        """The files of the newest commit."""
        return self.commits[-1]

    @property
    def sha(self) -> str:
        """Name of the newest commit."""
        return f"{len(self.commits):040x}"

    def at(self, revision: str) -> dict[str, Blob]:
        """The files at a branch or a commit."""
        return self.files if revision == "main" else self.commits[int(revision, 16) - 1]


class HubServer:
    """The server in a thread of its own: `with HubServer(tokens={"hf_ann": "ann"}) as hub: ... hub.url`.

    `repos` and `requests` (method, path) may be read while it runs. `broken` maps the last word of a
    path (`preupload`, `commit`, `lfs`, ...) to a status that is answered instead.
    """

    def __init__(self, tokens: dict[str, str]) -> None:
        self.tokens = tokens
        self.repos: dict[str, Repo] = {}
        self.requests: list[tuple[str, str]] = []
        self.broken: dict[str, int] = {}
        self.url = ""
        self._large: dict[str, bytes] = {}
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._is_up.wait(timeout=30):
            raise RuntimeError("the local Hub did not come up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._app(), shutdown_timeout=1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._is_up.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._record], client_max_size=2**30)
        api, files = "/api/datasets/{user}/{name}", "/datasets/{user}/{name}"
        app.add_routes(
            [
                web.get("/api/whoami-v2", self._whoami),
                web.post("/api/repos/create", self._create_repo),
                web.post("/api/validate-yaml", self._validate_yaml),
                web.get(api, self._info),
                web.get(api + "/revision/{revision}", self._info),
                web.get(api + "/tree/{revision}", self._tree),
                web.get(api + "/tree/{revision}/{folder:.+}", self._tree),
                web.post(api + "/paths-info/{revision}", self._paths_info),
                web.post(api + "/preupload/{revision}", self._preupload),
                web.post(api + "/commit/{revision}", self._commit),
                web.post(files + ".git/info/lfs/objects/batch", self._lfs_batch),
                web.put("/lfs/{oid}", self._lfs_put),
                web.post("/lfs/verify", self._lfs_verify),
                web.get(files + "/resolve/{revision}/{path:.+}", self._resolve),
            ]
        )
        return app

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        for word, status in self.broken.items():
            if word in request.path.split("/"):
                return web.json_response({"error": f"{word} is out of order"}, status=status)
        return await handler(request)

    # Who asks, and for what.

    def _user(self, request: web.Request) -> str:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            message = "Invalid credentials in Authorization header"
            raise _problem(web.HTTPUnauthorized, message, {"X-Error-Message": message})
        return self.tokens[token]

    def _repo(self, request: web.Request) -> Repo:
        """The repository a path names; a private one exists only for its owner, as on the Hub."""
        owner = request.match_info["user"]
        repo = self.repos.get(f"{owner}/{request.match_info['name']}")
        if repo is None or (repo.private and self._user(request) != owner):
            raise _problem(web.HTTPNotFound, "Repository not found", {"X-Error-Code": "RepoNotFound"})
        return repo

    def _own_repo(self, request: web.Request) -> Repo:
        owner = request.match_info["user"]
        if self._user(request) != owner:
            raise _problem(web.HTTPForbidden, f"You don't have the rights to write to {owner}")
        return self._repo(request)

    # Handlers, in the order of a push.

    async def _whoami(self, request: web.Request) -> web.Response:
        user = self._user(request)
        return web.json_response({"type": "user", "name": user, "auth": {"type": "access_token"}, "orgs": []})

    async def _create_repo(self, request: web.Request) -> web.Response:
        user, asked = self._user(request), await request.json()
        owner = asked.get("organization") or user
        if owner != user:
            raise _problem(web.HTTPForbidden, f"You don't have the rights to create under {owner}")
        name = f"{owner}/{asked['name']}"
        # the client reads `url` from the answer of a conflict too
        url = f"{self.url}/datasets/{name}"
        if name in self.repos:
            return web.json_response({"error": "You already created it", "url": url}, status=409)
        first = {".gitattributes": Blob(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", is_lfs=False)}
        self.repos[name] = Repo(private=asked.get("visibility") == "private", commits=[first])
        return web.json_response({"url": url, "name": name})

    async def _validate_yaml(self, request: web.Request) -> web.Response:
        content = (await request.json())["content"]
        parts = content.split("---\n")
        try:
            metadata = yaml.safe_load(parts[1]) if content.startswith("---\n") else None
        except yaml.YAMLError as error:
            return web.json_response({"errors": [{"message": str(error)}], "warnings": []}, status=400)
        warnings = [] if isinstance(metadata, dict) else [{"message": "empty or missing yaml metadata"}]
        return web.json_response({"errors": [], "warnings": warnings})

    async def _info(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        return web.json_response(
            {
                "id": f"{request.match_info['user']}/{request.match_info['name']}",
                "sha": repo.sha,
                "private": repo.private,
                "siblings": [{"rfilename": path} for path in repo.files],
                "tags": [],
            }
        )

    async def _tree(self, request: web.Request) -> web.Response:
        files = self._repo(request).at(request.match_info["revision"])
        folder = request.match_info.get("folder", "")
        prefix = f"{folder}/" if folder else ""
        below = {path: blob for path, blob in files.items() if path.startswith(prefix)}
        if folder and not below:
            raise _problem(web.HTTPNotFound, "Entry not found", {"X-Error-Code": "EntryNotFound"})
        folders = {path[: i + len(prefix)] for path in below for i in _slashes(path[len(prefix) :])}
        entries = [_folder_entry(path) for path in sorted(folders)]
        entries += [_file_entry(path, blob) for path, blob in sorted(below.items())]
        if request.query.get("recursive", "false").lower() not in ("true", "1"):
            entries = [entry for entry in entries if "/" not in entry["path"][len(prefix) :]]
        return web.json_response(entries)

    async def _paths_info(self, request: web.Request) -> web.Response:
        files = self._repo(request).at(request.match_info["revision"])
        if request.content_type == "application/json":
            paths = (await request.json())["paths"]
        else:
            paths = parse_qs(await request.text())["paths"]
        found = [_file_entry(path, files[path]) for path in paths if path in files]
        found += [_folder_entry(path) for path in paths if any(file.startswith(f"{path}/") for file in files)]
        return web.json_response(found)

    async def _preupload(self, request: web.Request) -> web.Response:
        files, asked = self._own_repo(request).files, (await request.json())["files"]
        answers = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                "shouldIgnore": False,
                "oid": files[file["path"]].known_as if file["path"] in files else None,
            }
            for file in asked
        ]
        return web.json_response({"files": answers})

    async def _lfs_batch(self, request: web.Request) -> web.Response:
        self._own_repo(request)
        asked = await request.json()
        objects = [self._lfs_object(wanted) for wanted in asked["objects"]]
        content_type = "application/vnd.git-lfs+json"
        return web.json_response({"transfer": "basic", "objects": objects}, content_type=content_type)

    def _lfs_object(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Where to put an object, or nothing to do for one that is here."""
        answer = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] in self._large:
            return answer
        upload, verify = {"href": f"{self.url}/lfs/{wanted['oid']}"}, {"href": f"{self.url}/lfs/verify"}
        return {**answer, "actions": {"upload": upload, "verify": verify}}

    async def _lfs_put(self, request: web.Request) -> web.Response:
        oid, content = request.match_info["oid"], await request.read()
        if hashlib.sha256(content).hexdigest() != oid:
            raise _problem(web.HTTPBadRequest, "content does not match its sha256")
        self._large[oid] = content
        return web.Response()

    async def _lfs_verify(self, request: web.Request) -> web.Response:
        self._user(request)
        asked = await request.json()
        if len(self._large.get(asked["oid"], b"")) != asked["size"]:
            raise _problem(web.HTTPNotFound, "no such object of this size")
        return web.json_response({})

    async def _commit(self, request: web.Request) -> web.Response:
        repo = self._own_repo(request)
        lines = [json.loads(line) for line in (await request.text()).splitlines()]
        files, summary = dict(repo.files), ""
        for key, value in ((line["key"], line["value"]) for line in lines):
            match key:
                case "header":
                    summary = value["summary"]
                case "file":
                    files[value["path"]] = Blob(base64.b64decode(value["content"]), is_lfs=False)
                case "lfsFile":
                    files[value["path"]] = Blob(self._large[value["oid"]], is_lfs=True)
                case "deletedFile" if value["path"] in files:
                    del files[value["path"]]
                case _:
                    raise _problem(web.HTTPBadRequest, f"cannot commit {key} {value.get('path')}")
        repo.commits.append(files)
        repo.summaries.append(summary)
        name = f"{request.match_info['user']}/{request.match_info['name']}"
        url = f"{self.url}/datasets/{name}/commit/{repo.sha}"
        return web.json_response({"success": True, "commitOid": repo.sha, "commitUrl": url})

    async def _resolve(self, request: web.Request) -> web.Response:
        repo, path = self._repo(request), request.match_info["path"]
        blob = repo.at(request.match_info["revision"]).get(path)
        headers = {"X-Repo-Commit": repo.sha, "Accept-Ranges": "bytes"}
        if blob is None:
            raise _problem(web.HTTPNotFound, "Entry not found", {**headers, "X-Error-Code": "EntryNotFound"})
        headers["ETag"] = f'"{blob.known_as}"'
        part = request.http_range
        if request.method == "GET" and part.start is not None:
            body = blob.content[part]
            first = part.start if part.start >= 0 else len(blob.content) - len(body)
            headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/{len(blob.content)}"
            return web.Response(status=206, body=body, headers=headers)
        return web.Response(body=blob.content, headers=headers)


def _problem(kind: type[web.HTTPError], message: str, headers: dict[str, str] | None = None) -> web.HTTPError:
    body = json.dumps({"error": message})
    return kind(text=body, content_type="application/json", headers=headers)


def _slashes(path: str) -> list[int]:
    return [index for index, letter in enumerate(path) if letter == "/"]


def _file_entry(path: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.oid}
    if blob.is_lfs:
        entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
    return entry


def _folder_entry(path: str) -> dict[str, Any]:
    oid = hashlib.sha1(path.encode()).hexdigest()
    return {"type": "directory", "path": path, "size": 0, "oid": oid}
