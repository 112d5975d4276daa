"""What a clip is of: a file's bytes, and a segment of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_TOLERANCE_S = 1e-3


@dataclass(frozen=True, slots=True)
class Content:
    """`sha256` of the file, begin and end of the segment in seconds; None: not told (an end: that of the file)."""

    sha256: str | None
    start_s: float | None
    end_s: float | None

    def differs(self, other: Content) -> bool:
        """Whether the files or the segments are different ones, as far as both tell them."""
        return (
            (None not in (self.sha256, other.sha256) and self.sha256 != other.sha256)
            or _apart(self.start_s, other.start_s)
            or _apart(self.end_s, other.end_s)
        )


def contents(rows: pa.Table) -> list[Content]:
    """The content of the clip of each row, as far as the columns sha256, start_s and end_s tell it."""
    starts = _column(rows, "start_s")
    if "start_s" in rows.column_names:
        starts = [start or 0.0 for start in starts]
    columns = zip(_column(rows, "sha256"), starts, _column(rows, "end_s"), strict=True)
    return [Content(*values) for values in columns]


def _column(rows: pa.Table, name: str) -> list[Any]:
    return rows[name].to_pylist() if name in rows.column_names else [None] * rows.num_rows


def _apart(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) > _TOLERANCE_S
