"""Small official folders of corpora for tests: empty media files and the lists beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vaemo_clips.corpora.listing import CorpusListing

INPUTS = ("path", "clip_id", "start_s", "end_s")


def touch(root: Path, *names: str) -> Path:
    """Make empty files below `root`; return it."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(root: Path, name: str, *lines: str) -> Path:
    """Write a list below `root`; return its path."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(listing: CorpusListing, *columns: str) -> dict[str, Any]:
    """The values of `columns` by clip_id; a single column's value is not in a tuple."""
    table = listing.rows.to_pylist()
    return {row["clip_id"]: row[columns[0]] if len(columns) == 1 else tuple(map(row.get, columns)) for row in table}
