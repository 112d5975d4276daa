"""Where clips come from: a folder, or a .csv, .jsonl or .parquet list, read into one Arrow table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from vaemo_clips.caption import RESERVED_NAMES
from vaemo_clips.clip import CLIP_SCHEMA, FILE_SCHEMA
from vaemo_clips.errors import ManifestError
from vaemo_clips.source_files import read_csv, read_jsonl, read_parquet, root_in_metadata

VIDEO_EXTENSIONS = frozenset(
    {
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    }
)
AUDIO_EXTENSIONS = frozenset(
    {
        ".aac",
        ".ac3",
        ".aif",
        ".aiff",
        ".amr",
        ".au",
        ".caf",
        ".flac",
        ".m4a",
        ".mka",
        ".mp3",
        ".oga",
        ".ogg",
        ".opus",
        ".w64",
        ".wav",
        ".wma",
    }
)
INPUT_NAMES = ("path", "clip_id", "start_s", "end_s")
REJECT_NAMES = ("reason", "detail")
_RECOMPUTED = frozenset(f.name for f in [*CLIP_SCHEMA, *FILE_SCHEMA]) - set(INPUT_NAMES)
_READERS: Mapping[str, Callable[[Path], pa.Table]] = {
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of a source, in its order. `rows` has the columns of INPUT_NAMES (null where not
    given), then the source's own; `root` is the folder that paths are relative to."""

    path: Path
    root: Path
    rows: pa.Table
    ignored_by_extension: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def extra_fields(self) -> list[pa.Field]:
        """The source's own columns, which are carried through untouched."""
        return [f for f in self.rows.schema if f.name not in INPUT_NAMES]


def read_source(path: Path, root: Path | None = None) -> Source:
    """Read the clips at `path`. Without `root`, paths are relative to the folder, or to the list's own.

    Raises ManifestError for a source that is not there, empty, of an unknown kind, without a `path`
    column, or with a column whose name belongs to captions.
    """
    if path.is_dir():
        return _read_folder(path, root or path)
    if not path.exists():
        raise ManifestError(f"{path}: there is no such file or folder; check the name of the source")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise ManifestError(f"{path}: a source is a folder or a {known} file; this ends in {path.suffix!r}")
    rows = reader(path)
    folder = root or root_in_metadata(path, rows) or path.parent
    if not folder.is_dir():
        raise ManifestError(f"{path}: its root folder {folder} is not there; name the folder of the clips (root)")
    return Source(path, folder.resolve(), _checked(path, rows))


def _checked(path: Path, rows: pa.Table) -> pa.Table:
    names = rows.column_names
    if "path" not in names:
        raise ManifestError(f"{path}: it has no column `path`; its columns are {', '.join(names)}")
    for name in names:
        if names.count(name) > 1:
            raise ManifestError(f"{path}: column {name} occurs {names.count(name)} times; rename all but one")
        is_taken = name in RESERVED_NAMES and name not in _RECOMPUTED and name not in INPUT_NAMES
        if is_taken or name in REJECT_NAMES:
            raise ManifestError(f"{path}: column {name} is a name that vaemo writes itself; rename it")
    if rows.num_rows == 0:
        raise ManifestError(f"{path}: it lists no clips; add at least one row")
    for name in ("path", "clip_id"):
        if name in names and not _is_text(rows.schema.field(name).type):
            raise ManifestError(f"{path}: column {name} is {rows.schema.field(name).type}, it must be text")
    return _in_order(rows)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_null(kind)
        or (pa.types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _in_order(rows: pa.Table) -> pa.Table:
    own = [n for n in rows.column_names if n not in INPUT_NAMES and n not in _RECOMPUTED]
    columns = {n: rows.column(n) for n in INPUT_NAMES if n in rows.column_names}
    for name in INPUT_NAMES:
        columns.setdefault(name, pa.nulls(rows.num_rows, pa.string()))
    for name in ("path", "clip_id"):
        columns[name] = columns[name].cast(pa.string())
    ordered = {name: columns[name] for name in INPUT_NAMES} | {name: rows.column(name) for name in own}
    fields = [pa.field(name, column.type) for name, column in ordered.items()]
    return pa.table(list(ordered.values()), schema=pa.schema(fields))


def _read_folder(folder: Path, root: Path) -> Source:
    paths, ignored = media_below(folder, root)
    return Source(folder, root.resolve(), _table_of(paths), ignored)


def media_below(folder: Path, root: Path) -> tuple[list[str], dict[str, int]]:
    """The video and audio files below `folder`, relative to `root`, sorted; and counts of other files by extension.

    Links are followed, loops and hidden files are not. Raises ManifestError where there is no media file, or the folder
    lies outside `root`.
    """
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ManifestError(f"{folder}: the folder must lie in its root {root}; name a root that holds it")
    ignored: Counter[str] = Counter()
    paths: list[str] = []
    for name in _walk(folder.resolve(), root.resolve(), frozenset()):
        if extension_rank(name) is None:
            ignored[Path(name).suffix.lower() or "(no extension)"] += 1
        else:
            paths.append(name)
    if not paths:
        seen = ", ".join(f"{count} {ext}" for ext, count in ignored.most_common(8)) or "no files at all"
        raise ManifestError(f"{folder}: no video or audio files below it (seen: {seen}); check the folder")
    return paths, dict(sorted(ignored.items()))


def extension_rank(name: str) -> int | None:
    """0 for video, 1 for audio, None for any other extension."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 a name, not a file; a million of them
    return 0 if suffix in VIDEO_EXTENSIONS else 1 if suffix in AUDIO_EXTENSIONS else None


def _walk(folder: Path, root: Path, above: frozenset[tuple[int, int]]) -> list[str]:
    """Files below `folder`, relative to `root`, sorted; links are followed, loops are not."""
    facts = folder.stat()
    here = (facts.st_dev, facts.st_ino)
    if here in above:
        return []
    try:
        with os.scandir(folder) as scan:
            entries = [(e.name, e.is_dir()) for e in scan if not e.name.startswith(".")]
    except OSError as error:
        raise ManifestError(f"{folder}: cannot be listed ({error.strerror}); mend its permissions") from error
    found: list[str] = []
    for name, is_folder in sorted(entries, key=_sort_key):
        if is_folder:
            found += _walk(folder / name, root, above | {here})
        else:
            found.append((folder / name).relative_to(root).as_posix())
    return found


def _sort_key(entry: tuple[str, bool]) -> tuple[str, int, str]:
    # Of a.mp4 and a.wav the picture comes first, and so keeps the id.
    name = entry[0]
    return os.path.splitext(name)[0], extension_rank(name) or 0, name  # noqa: PTH122


def _table_of(paths: Sequence[str]) -> pa.Table:
    """Names that are not UTF-8 are kept as surrogates escaped; `index` rejects them with a reason."""
    texts = [p if p.isascii() or _is_utf8(p) else os.fsencode(p).decode("utf-8", "backslashreplace") for p in paths]
    nulls = pa.nulls(len(paths), pa.string())
    return pa.table({"path": pa.array(texts, pa.string()), "clip_id": nulls, "start_s": nulls, "end_s": nulls})


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
