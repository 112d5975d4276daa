"""One push: large files first, then all of it in one commit, so that readers see the old state or the new one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaemo_clips.errors import ServerError
from vaemo_clips.hub.destination import Destination, hub_endpoint, hub_token
from vaemo_clips.hub.refusal import PERHAPS, hub_errors

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: `path` there, `source` here.

    `sha256`, where it is given, is what its content must have; `note` is told beside it (a licence).
    """

    path: str
    source: Path
    sha256: str | None = None
    note: str = ""

    def listed(self) -> PushedFile:
        """As it is told of, with its size now. Raises OSError."""
        return PushedFile(self.path, self.source.stat().st_size, self.note)


@dataclass(frozen=True, slots=True)
class PushedFile:
    """A file of a repository as it is told of: its path there, its size, a note (a licence)."""

    path: str
    size_bytes: int
    note: str = ""

    def __str__(self) -> str:
        """As a line of a list."""
        return f"{self.path}  {self.size_bytes:,} bytes" + (f"  ({self.note})" if self.note else "")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did: the commit that holds it, whether it is new, and files of an earlier push that it removed."""

    commit_url: str
    is_new: bool
    removed: tuple[str, ...]


def upload(files: Sequence[HubFile], to: Destination, *, owned: Collection[str], message: str) -> Pushed:
    """Put `files` into a repository, which is made where there is none, by one commit on what is there now.

    Large files go up before it: a push that breaks publishes nothing, and the next one sends only what is missing.
    Files that match a pattern of `owned` (fnmatch; `*` crosses folders) and are not among `files` are of an earlier
    push and go with the same commit; all others stay. Nothing is committed where nothing changed. The token is that
    of the usual login, the Hub HF_ENDPOINT.

    Raises ServerError: no login, a Hub that refuses or breaks off, a public repository for a private push, a file
    that is not what it was when it was chosen.
    """
    from huggingface_hub import CommitOperationDelete, HfApi

    api = HfApi(endpoint=hub_endpoint(), token=hub_token(), library_name="vaemo")
    with hub_errors(to):
        before, there = _open(api, to)
        additions = [_addition(file) for file in files]
        stale = sorted(there - {file.path for file in files})
        removed = [path for path in stale if any(fnmatchcase(path, pattern) for pattern in owned)]
        api.preupload_lfs_files(to.repo, additions, repo_type=to.kind)
    with hub_errors(to, PERHAPS):
        commit = api.create_commit(
            to.repo,
            [*(CommitOperationDelete(path) for path in removed), *additions],
            commit_message=message,
            repo_type=to.kind,
            parent_commit=before,
        )
    return Pushed(str(commit.commit_url), commit.oid != before, tuple(removed))


def _open(api: HfApi, to: Destination) -> tuple[str, set[str]]:
    """Make the repository where there is none; its newest commit and that one's files."""
    # private=None leaves an organisation's own default in force
    api.create_repo(to.repo, repo_type=to.kind, private=to.private or None, exist_ok=True)
    info: Any = api.repo_info(to.repo, repo_type=to.kind)
    if to.private and not info.private:
        raise ServerError(
            f"{to.kind} {to.repo} exists on {hub_endpoint()} and is public, which --private does not change: "
            "make it private in its settings or give another --repo; nothing was uploaded"
        )
    return str(info.sha), {sibling.rfilename for sibling in info.siblings or ()}


def _addition(file: HubFile) -> CommitOperationAdd:
    """What adds the file. Raises ServerError where its content is not the expected one."""
    from huggingface_hub import CommitOperationAdd

    addition = CommitOperationAdd(file.path, file.source)
    if file.sha256 is not None and addition.upload_info.sha256.hex() != file.sha256:
        raise ServerError(f"{file.source} was changed during the push; nothing was published, index it again")
    return addition
