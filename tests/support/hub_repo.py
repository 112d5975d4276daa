"""A repository of the local Hub: the files of its commits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any


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
    """A repository: the files of its commits, the newest last."""

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


def file_entry(path: str, blob: Blob) -> dict[str, Any]:
    """A file as the Hub lists it."""
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.oid}
    if blob.is_lfs:
        entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
    return entry


def folder_entry(path: str) -> dict[str, Any]:
    """A folder as the Hub lists it."""
    oid = hashlib.sha1(path.encode()).hexdigest()
    return {"type": "directory", "path": path, "size": 0, "oid": oid}
