"""What a corpus is, and what reading its folder finds: clips with their official columns, and files left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_clips.corpora.tree import OfficialTree
from vaemo_clips.errors import ManifestError
from vaemo_clips.sources import INPUT_NAMES, media_below

_INPUT_SCHEMA = pa.schema(
    [("path", pa.string()), ("clip_id", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64())]
)
assert tuple(_INPUT_SCHEMA.names) == INPUT_NAMES


class LeftOut(StrEnum):
    """Why a media file below a corpus's folder is not listed."""

    ANOTHER_COPY = "another copy of a listed clip"
    ANOTHER_MODALITY = "another modality of a listed performance"
    BROKEN = "known to be broken"
    UNKNOWN_NAME = "not named as the corpus names its clips"
    UNLABELLED = "no label in the official lists"
    WHOLE_DIALOGUE = "a whole dialogue, whose turns are listed"


@dataclass(frozen=True, slots=True, eq=False)
class CorpusListing:
    """Clips of a corpus. `rows` has the columns of INPUT_NAMES, then the corpus's own; paths are below its folder.

    Of the `found` media files, each is the path of a row (of several, where rows are segments) or is counted in
    `left_out` by its reason. `ignored` counts other files by extension.
    """

    rows: pa.Table
    found: int
    left_out: Mapping[str, int]
    notes: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that no file is lost. Raises ManifestError where files and rows do not add up."""
        used, left_out = len(self.rows.column("path").unique()), sum(self.left_out.values())
        if used + left_out != self.found:
            raise ManifestError(
                f"{self.found:,} media files were found, but {used:,} are listed and {left_out:,} left out; every file "
                f"must be one of both: this is a fault of the corpus's reader, please report it"
            )


@dataclass(slots=True)
class Findings:
    """What a reader has found so far in `tree`."""

    tree: OfficialTree
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def accept(
        self, clip_id: str, path: str, *, start_s: float | None = None, end_s: float | None = None, **columns: Any
    ) -> None:
        """Take the clip in the file `path`, or its segment [start_s, end_s)."""
        self.rows.append({"path": path, "clip_id": clip_id, "start_s": start_s, "end_s": end_s, **columns})

    def leave_out(self, path: str, reason: LeftOut) -> None:
        """Count the file `path` as left out."""
        self.left_out[path] = reason

    def accept_listed(self, listed: Mapping[str, Mapping[str, Any]], files: Mapping[str, Sequence[str]]) -> None:
        """Take the clips that official lists name: their columns and their files, the best first, by clip_id.

        Files of clips that are not listed are left out; listed clips without a file are noted.
        """
        missing = [clip_id for clip_id in listed if clip_id not in files]
        for clip_id, columns in listed.items():
            for place, path in enumerate(files.get(clip_id, ())):
                if place == 0:
                    self.accept(clip_id, path, **columns)
                else:
                    self.leave_out(path, LeftOut.ANOTHER_COPY)
        for path in (path for clip_id, paths in files.items() if clip_id not in listed for path in paths):
            self.leave_out(path, LeftOut.UNLABELLED)
        self.note_missing(missing)

    def note_missing(self, missing: Sequence[str]) -> None:
        """Note listed clips that have no file."""
        if missing:
            self.notes.append(f"listed without a file: {len(missing):,} (first: {missing[0]})")

    def leave_out_rest(self, reason: LeftOut) -> None:
        """Count every file as left out that is neither taken nor left out yet."""
        taken = {row["path"] for row in self.rows}
        for path in self.tree.media:
            if path not in taken:
                self.left_out.setdefault(path, reason)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A known corpus.

    `labels` are the words of its column `label`; `columns` are its own columns; `folds` says what its column `fold` or
    `split` is; `layout` shows how its official folder looks; `reader` fills in findings.
    """

    name: str
    title: str
    citation: str
    licence: str
    labels: tuple[str, ...]
    folds: str
    layout: str
    columns: pa.Schema
    reader: Callable[[Findings], None]

    def read(self, folder: Path) -> CorpusListing:
        """Read the official folder. Raises ManifestError where it holds no clip of the corpus, or lacks a list."""
        if not folder.is_dir():
            raise ManifestError(f"{folder}: there is no such folder; name the folder of {self.title}: {self.layout}")
        try:
            media, ignored = media_below(folder, folder)
        except ManifestError as error:
            raise ManifestError(f"{error}; {self.title} looks like {self.layout}") from error
        findings = Findings(OfficialTree(folder, tuple(media), f"{self.title} looks like {self.layout}"))
        self.reader(findings)
        findings.leave_out_rest(LeftOut.UNKNOWN_NAME)
        if not findings.rows:
            raise ManifestError(
                f"{folder}: none of its {len(media):,} media files is a clip of {self.title} (first: {media[0]}); "
                f"its official folder looks like {self.layout}"
            )
        rows = pa.Table.from_pylist(findings.rows, schema=pa.schema([*_INPUT_SCHEMA, *self.columns]))
        left_out = {str(reason): count for reason, count in sorted(Counter(findings.left_out.values()).items())}
        return CorpusListing(rows, len(media), left_out, (f"folds: {self.folds}", *findings.notes), ignored)
