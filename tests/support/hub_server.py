"""A small Hub on localhost: what huggingface_hub 2.4, datasets 5.2 and transformers ask of it for datasets and models.

It keeps repositories, commits and large files in memory, checks tokens and namespaces, and records
every request. Xet is left out: hf_xet speaks to a storage service of its own that has no open
description, and huggingface_hub 2 asks the Hub for it without a fallback, so clients must set
HF_HUB_DISABLE_XET=1; then they take the LFS path, which is served here.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

import yaml
from aiohttp import web

from tests.support.hub_answers import LargeFiles, cut, file_answer, problem
from tests.support.hub_repo import Blob, Repo, file_entry, folder_entry

LFS_SUFFIXES = (".parquet", ".arrow", ".bin", ".safetensors", ".png", ".mp4", ".wav")
"""What the Hub's default .gitattributes sends to large file storage."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HubServer:
    """The server in a thread of its own: `with HubServer(tokens={"hf_ann": "ann"}) as hub: ... hub.url`.

    `repos` (datasets), `models` and `requests` (method, path) may be read while it runs. `broken` maps the last word
    of a path (`preupload`, `commit`, `lfs`, ...) to a status that is answered instead. `drops` maps where a connection
    breaks (`lfs`: half of an upload has come; `commit`: before it is applied; `committed`: after that) to how many do
    so; `dropped` counts those that did, `uploaded` the large files that arrived, by name.
    """

    def __init__(self, tokens: dict[str, str]) -> None:
        self.tokens = tokens
        self.repos: dict[str, Repo] = {}
        self.models: dict[str, Repo] = {}
        self.requests: list[tuple[str, str]] = []
        self.broken: dict[str, int] = {}
        self.drops: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.uploaded: list[str] = []
        self.url = ""
        self._large = LargeFiles()
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
        app.add_routes(
            [
                web.get("/api/whoami-v2", self._whoami),
                web.post("/api/repos/create", self._create_repo),
                web.post("/api/validate-yaml", self._validate_yaml),
                web.put("/lfs/{oid}", self._lfs_put),
                web.post("/lfs/verify", self._lfs_verify),
            ]
        )
        for kind, files in (("datasets", "/datasets/{user}/{name}"), ("models", "/{user}/{name}")):
            api = f"/api/{kind}/{{user}}/{{name}}"
            app.add_routes(
                [
                    web.get(api, self._info),
                    web.get(api + "/revision/{revision}", self._info),
                    web.get(api + "/tree/{revision}", self._tree),
                    web.get(api + "/tree/{revision}/{folder:.+}", self._tree),
                    web.post(api + "/paths-info/{revision}", self._paths_info),
                    web.post(api + "/preupload/{revision}", self._preupload),
                    web.post(api + "/commit/{revision}", self._commit),
                    web.post(files + ".git/info/lfs/objects/batch", self._lfs_batch),
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
            raise problem(web.HTTPUnauthorized, message, {"X-Error-Message": message})
        return self.tokens[token]

    def _repo(self, request: web.Request) -> Repo:
        """The repository a path names; a private one exists only for its owner, as on the Hub."""
        owner = request.match_info["user"]
        kind = self.repos if _is_dataset(request) else self.models
        repo = kind.get(f"{owner}/{request.match_info['name']}")
        if repo is None or (repo.private and self._user(request) != owner):
            raise problem(web.HTTPNotFound, "Repository not found", {"X-Error-Code": "RepoNotFound"})
        return repo

    def _own_repo(self, request: web.Request) -> Repo:
        owner = request.match_info["user"]
        if self._user(request) != owner:
            raise problem(web.HTTPForbidden, f"You don't have the rights to write to {owner}")
        return self._repo(request)

    def _drops(self, where: str) -> bool:
        """Whether this connection breaks here."""
        if not self.drops[where]:
            return False
        self.drops[where] -= 1
        self.dropped[where] += 1
        return True

    # Handlers, in the order of a push.

    async def _whoami(self, request: web.Request) -> web.Response:
        user = self._user(request)
        return web.json_response({"type": "user", "name": user, "auth": {"type": "access_token"}, "orgs": []})

    async def _create_repo(self, request: web.Request) -> web.Response:
        user, asked = self._user(request), await request.json()
        owner = asked.get("organization") or user
        if owner != user:
            raise problem(web.HTTPForbidden, f"You don't have the rights to create under {owner}")
        name = f"{owner}/{asked['name']}"
        # the client reads `url` from the answer of a conflict too
        is_dataset = asked.get("type") == "dataset"
        kind = self.repos if is_dataset else self.models
        url = f"{self.url}/{'datasets/' if is_dataset else ''}{name}"
        if name in kind:
            return web.json_response({"error": "You already created it", "url": url}, status=409)
        first = {".gitattributes": Blob(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", is_lfs=False)}
        kind[name] = Repo(private=asked.get("visibility") == "private", commits=[first])
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
            raise problem(web.HTTPNotFound, "Entry not found", {"X-Error-Code": "EntryNotFound"})
        folders = {path[: i + len(prefix)] for path in below for i in _slashes(path[len(prefix) :])}
        entries = [folder_entry(path) for path in sorted(folders)]
        entries += [file_entry(path, blob) for path, blob in sorted(below.items())]
        if request.query.get("recursive", "false").lower() not in ("true", "1"):
            entries = [entry for entry in entries if "/" not in entry["path"][len(prefix) :]]
        return web.json_response(entries)

    async def _paths_info(self, request: web.Request) -> web.Response:
        files = self._repo(request).at(request.match_info["revision"])
        if request.content_type == "application/json":
            paths = (await request.json())["paths"]
        else:
            paths = parse_qs(await request.text())["paths"]
        found = [file_entry(path, files[path]) for path in paths if path in files]
        found += [folder_entry(path) for path in paths if any(file.startswith(f"{path}/") for file in files)]
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
        objects = [self._large.place_for(wanted, self.url) for wanted in asked["objects"]]
        content_type = "application/vnd.git-lfs+json"
        return web.json_response({"transfer": "basic", "objects": objects}, content_type=content_type)

    async def _lfs_put(self, request: web.Request) -> web.Response:
        oid = request.match_info["oid"]
        if self._drops("lfs"):
            await request.content.readexactly((request.content_length or 0) // 2)
            return cut(request)
        content = await request.read()
        self._large.keep(oid, content)
        self.uploaded.append(oid)
        return web.Response()

    async def _lfs_verify(self, request: web.Request) -> web.Response:
        self._user(request)
        asked = await request.json()
        if len(self._large.contents.get(asked["oid"], b"")) != asked["size"]:
            raise problem(web.HTTPNotFound, "no such object of this size")
        return web.json_response({})

    async def _commit(self, request: web.Request) -> web.Response:
        repo = self._own_repo(request)
        if self._drops("commit"):
            return cut(request)
        lines = [json.loads(line) for line in (await request.text()).splitlines()]
        files, summary = dict(repo.files), ""
        for key, value in ((line["key"], line["value"]) for line in lines):
            match key:
                case "header":
                    summary = value["summary"]
                    if value.get("parentCommit", repo.sha) != repo.sha:
                        raise problem(web.HTTPPreconditionFailed, "a commit has happened since")
                case "file":
                    files[value["path"]] = Blob(base64.b64decode(value["content"]), is_lfs=False)
                case "lfsFile":
                    files[value["path"]] = Blob(self._large.contents[value["oid"]], is_lfs=True)
                case "deletedFile" if value["path"] in files:
                    del files[value["path"]]
                case _:
                    raise problem(web.HTTPBadRequest, f"cannot commit {key} {value.get('path')}")
        repo.commits.append(files)
        repo.summaries.append(summary)
        if self._drops("committed"):
            return cut(request)
        name = f"{request.match_info['user']}/{request.match_info['name']}"
        url = f"{self.url}/{'datasets/' if _is_dataset(request) else ''}{name}/commit/{repo.sha}"
        return web.json_response({"success": True, "commitOid": repo.sha, "commitUrl": url})

    async def _resolve(self, request: web.Request) -> web.Response:
        repo, path = self._repo(request), request.match_info["path"]
        return file_answer(request, repo.at(request.match_info["revision"]).get(path), repo.sha)


def _is_dataset(request: web.Request) -> bool:
    return "datasets" in request.path.split("/")[1:3]


def _slashes(path: str) -> list[int]:
    return [index for index, letter in enumerate(path) if letter == "/"]
