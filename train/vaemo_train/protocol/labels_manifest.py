"""Labels, speakers and folds from a manifest other than the one that the shards were made from.

R rows of the shards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from vaemo_clips.errors import ManifestError
from vaemo_clips.manifest import MANIFEST_FIELDS
from vaemo_clips.source_files import read_csv, read_jsonl, read_parquet
from vaemo_train.evaluate.folds import texts

_READERS: Final[Mapping[str, Callable[[Path], pa.Table]]] = {
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}
_OF_THE_MEDIA: Final = frozenset(field.name for field in MANIFEST_FIELDS)
"""Columns that say what was prepared; a manifest of labels does not change them."""


def relabelled(rows: pa.Table, path: Path, wanted: Sequence[str]) -> tuple[pa.Table, tuple[str, ...]]:
    """The rows (R,) of shards with the columns of a manifest instead of their own, joined on clip_id, and notes on it.

    Columns that the manifest lacks stay; rows of clips that it lacks have null in all of its columns. What says which
    media were prepared (path, sha256, ...) is always the shards' own.
    Raises ManifestError for a file that cannot be read, that lacks clip_id or one of the `wanted` columns, lists a
    clip twice, or has no clip in common with the shards.
    """
    listed = _read(path, wanted)
    place = {clip_id: number for number, clip_id in enumerate(_ids(path, listed))}
    clips = rows["clip_id"].to_pylist()
    places = [place.get(clip) for clip in clips]
    known = set(clips)
    common = known & place.keys()
    if not common:
        raise ManifestError(
            f"{path}: none of its {len(place):,} clips is in the shards ({len(known):,} clips, the first: "
            f"{min(known, default='none')}); give the manifest of the clips that were prepared"
        )
    taken = listed.take(pa.array(places, pa.int64()))
    kept = _OF_THE_MEDIA | _row_names(rows)
    for name in listed.column_names:
        if name not in kept:
            rows = _with(rows, name, taken.column(name))
    return rows, _notes(path, rows, taken, len(place) - len(common), len(known) - len(common))


def _read(path: Path, wanted: Sequence[str]) -> pa.Table:
    if not path.is_file():
        raise ManifestError(f"{path}: there is no such manifest; check its name")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ManifestError(f"{path}: a manifest of labels is a {', '.join(_READERS)} file; convert it to one of them")
    listed = reader(path)
    for name in ("clip_id", *wanted):
        if name not in listed.column_names:
            remedy = "write it with `vaemo-annotate index`" if name == "clip_id" else "name another one, or add it"
            raise ManifestError(
                f"{path}: there is no column {name}, which a manifest of labels needs; there are "
                f"{', '.join(listed.column_names)}: {remedy}"
            )
    return listed


def _ids(path: Path, listed: pa.Table) -> list[str]:
    ids = texts(listed["clip_id"].to_pylist())
    unnamed = sum(one is None for one in ids)
    if unnamed:
        raise ManifestError(f"{path}: {unnamed:,} of {len(ids):,} rows have no clip_id; name every clip")
    found, counts = np.unique(ids, return_counts=True)
    twice = found[counts > 1]
    if len(twice):
        raise ManifestError(
            f"{path}: {len(twice):,} clips are listed more than once (the first: {twice[0]}); list every clip once"
        )
    return [str(one) for one in ids]


def _row_names(rows: pa.Table) -> frozenset[str]:
    """The shards' columns from `row` on, which say where a row lies."""
    names = rows.column_names
    return frozenset(names[names.index("row") :] if "row" in names else ())


def _with(rows: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    if name in rows.column_names:
        return rows.set_column(rows.column_names.index(name), name, column)
    return rows.append_column(name, column)


def _notes(path: Path, rows: pa.Table, taken: pa.Table, num_unprepared: int, num_unlisted: int) -> tuple[str, ...]:
    notes = []
    if num_unprepared:
        notes.append(f"{path}: {num_unprepared:,} of its clips are not in the shards")
    if num_unlisted:
        notes.append(f"{path}: lacks {num_unlisted:,} clips of the shards; they count as unlabelled")
    if "sha256" in rows.column_names and "sha256" in taken.column_names:
        pairs = zip(*(table["sha256"].to_pylist() for table in (rows, taken)), rows["clip_id"].to_pylist(), strict=True)
        other = {clip for own, listed, clip in pairs if own and listed and own != listed}
        if other:
            notes.append(f"{path}: {len(other):,} clips had another content when prepared (the first: {min(other)})")
    return tuple(notes)
