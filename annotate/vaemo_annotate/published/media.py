"""Which media files go along with the captions: those that the manifest's licence lets be handed on, unchanged."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pyarrow as pa

from vaemo_annotate.licences import Licence, find_licence
from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.errors import RunFolderError, UserError
from vaemo_clips.file_facts import sha256_of
from vaemo_clips.hub.portable import portable_name, without_secrets
from vaemo_clips.manifest import Manifest

FOLDER: Final = "media"
"""Of the repository; what lies below it belongs to `push`."""
_LICENCE_COLUMNS: Final = ("license", "licence")
_CREDIT_COLUMNS: Final = ("attribution", "author", "credit", "source")
_NOBODY: Final = frozenset(
    {"", "unknown", "n/a", "na", "n.a", "none", "null", "nil", "nan", "tbd", "todo", "not known", "not available",
     "not specified", "unspecified"}
)  # fmt: skip
"""What stands in a column where nobody is named."""
_MARKS: Final = " -–—_.?!*/()[]<>"
_RELATIVE: Final = re.compile(r"\.{1,2}[\\/].*|[^\s:]*[\\/][^\s:]*\.[A-Za-z0-9]{2,4}")
"""A file's place, such as clips/a.mp4."""
MEDIA_SCHEMA: Final = pa.schema(
    [
        ("sha256", pa.string()),
        ("file_name", pa.string()),
        ("size_bytes", pa.int64()),
        ("license", pa.string()),
        ("license_url", pa.string()),
        *((name, pa.string()) for name in _CREDIT_COLUMNS),
    ]
)
"""Of the published table of media files, a row a file; `sha256` joins it with the captions."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file that goes along: `path` in the repository, `source` here, whom to name by column."""

    path: str
    source: Path
    sha256: str
    size_bytes: int
    licence: Licence
    credit: dict[str, str]

    def to_row(self) -> dict[str, Any]:
        """A row of MEDIA_SCHEMA."""
        facts = {"sha256": self.sha256, "file_name": self.path, "size_bytes": self.size_bytes}
        return {**facts, "license": self.licence.name, "license_url": self.licence.url, **self.credit}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file of a published clip that stays here, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class MediaChoice:
    """The files that go along and those that stay."""

    files: tuple[MediaFile, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(slots=True)
class _Content:
    """What the manifest says of one file, whatever its names are, in all rows of it."""

    paths: dict[str, None] = field(default_factory=dict)
    licences: dict[str, None] = field(default_factory=dict)
    credit: dict[str, dict[str, None]] = field(default_factory=dict)
    is_wanted: bool = False


def choose_media(out: Path, published: Collection[str]) -> MediaChoice:
    """Of the run in `out`, the files of the clips `published` (clip_id) that may be handed on.

    A file goes along whole or not at all, also where its clips are segments of it: so every row of it in the manifest
    must name one and the same licence of licences.yaml, also rows of clips that are not published. Each content goes
    once, below `media/`. Raises UserError where no column names licences, RunFolderError without a manifest.
    """
    manifest = _manifest_of(out)
    names = [column.name for column in manifest.extra_fields]
    licence_columns = [name for name in names if name.lower() in _LICENCE_COLUMNS]
    if not licence_columns:
        raise UserError(
            f"{manifest.path}: --with-media needs a column `license` that says of each clip under which licence its "
            "file may be handed on (as CC-BY-4.0); add it to the table that was indexed, index and run again"
        )
    credit_columns = {name: name.lower() for name in names if name.lower() in _CREDIT_COLUMNS}
    contents = _contents(manifest, licence_columns, credit_columns, published)
    chosen = [_choose(manifest.root, digest, content) for digest, content in contents.items() if content.is_wanted]
    files = tuple(one for one in chosen if isinstance(one, MediaFile))
    return MediaChoice(files, tuple(one for one in chosen if isinstance(one, LeftOut)))


def media_table(files: Collection[MediaFile]) -> Iterator[pa.Table]:
    """The files as one table of MEDIA_SCHEMA."""
    yield pa.Table.from_pylist([file.to_row() for file in files], schema=MEDIA_SCHEMA)


def _manifest_of(out: Path) -> Manifest:
    """The manifest that a run kept; a pilot's lies in the folder above."""
    for folder in (out, out.resolve().parent) if out.resolve().name == "pilot" else (out,):
        path = RunFolder(folder).manifest
        if path.is_file():
            return Manifest.open(path)
    raise RunFolderError(f"{out} keeps no manifest (clips.parquet), so nobody knows its files; run it again")


def _contents(
    manifest: Manifest, licences: list[str], credits: dict[str, str], published: Collection[str]
) -> dict[str, _Content]:
    contents: dict[str, _Content] = {}
    columns = ["clip_id", "path", "sha256", *licences, *credits]
    for batch in manifest.batches():
        for row in batch.select(columns).to_pylist():
            content = contents.setdefault(row["sha256"], _Content())
            content.paths[row["path"]] = None
            content.is_wanted |= row["clip_id"] in published
            texts = dict.fromkeys(text for column in licences if (text := _text(row[column])))
            content.licences |= texts or {"": None}
            for column, name in credits.items():
                if text := _credit(_text(row[column])):
                    content.credit.setdefault(name, {})[text] = None
    return contents


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _credit(text: str) -> str:
    """Whom a text names; empty where it says that nobody is known, or is a place on this machine."""
    if text.casefold().strip(_MARKS) in _NOBODY or portable_name(text) != text or _RELATIVE.fullmatch(text):
        return ""
    return without_secrets(text)


def _choose(root: Path, digest: str, content: _Content) -> MediaFile | LeftOut:
    path = next(iter(content.paths))
    licence = _licence(content)
    if isinstance(licence, str):
        return LeftOut(path, licence)
    source = _source(root, path, digest)
    if isinstance(source, str):
        return LeftOut(path, source)
    credit = {name: "; ".join(texts) for name, texts in content.credit.items()}
    return MediaFile(f"{FOLDER}/{path}", source, digest, source.stat().st_size, licence, credit)


def _licence(content: _Content) -> Licence | str:
    """The licence that all rows of a file name, or why it does not let the file go along."""
    found = {text: find_licence(text) for text in content.licences}
    if "" in found:
        return "the manifest names no licence of it" if len(found) == 1 else "one of its clips names no licence"
    if unknown := [text for text, licence in found.items() if licence is None]:
        return f"licence {unknown[0][:80]!r} is not among those that let media be handed on (licences.yaml)"
    licences = {licence for licence in found.values() if licence is not None}
    if len(licences) > 1:
        return f"its clips name different licences: {', '.join(sorted(one.name for one in licences))}"
    [licence] = licences
    if licence.attribution and not content.credit:
        return f"{licence.name} asks for attribution, and no column {' or '.join(_CREDIT_COLUMNS)} says whom to name"
    return licence


def _source(root: Path, path: str, digest: str) -> Path | str:
    """Where the file lies, or why it stays there."""
    if any(part.startswith(".") or "\\" in part or not part.isprintable() for part in PurePosixPath(path).parts):
        return "its name cannot stand in a repository"
    try:
        source = (root / path).resolve(strict=True)
        if not source.is_relative_to(root.resolve()):
            return "it leads out of the manifest's media folder"
        if not source.is_file() or sha256_of(source) != digest:
            return "it is not the file that was indexed; index again"
    except (OSError, RuntimeError) as error:
        return f"it cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
    return source
