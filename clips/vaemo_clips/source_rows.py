"""One row of a source: where its file is, which segment is meant, and why it may be refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vaemo_clips.clip import CLIP_ID_PATTERN
from vaemo_clips.clip_ids import clip_id_of
from vaemo_clips.errors import MediaError


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row that names a file inside the root; seconds are half-open [start_s, end_s)."""

    clip_id: str
    path: str
    start_s: float | None
    end_s: float | None

    @property
    def is_segment(self) -> bool:
        """Whether the row means a part of its file."""
        return self.start_s is not None or self.end_s is not None


def read_row(raw: dict[str, Any], root: Path) -> SourceRow:
    """Check one row. Raises MediaError: missing_path, path_outside_root, bad_segment, bad_clip_id."""
    path = _path_in_root(raw["path"], root)
    start_s, end_s = _seconds("start_s", raw["start_s"]), _seconds("end_s", raw["end_s"])
    if (start_s is not None and start_s < 0) or (end_s is not None and end_s <= (start_s or 0.0)):
        raise MediaError("bad_segment", f"start_s={start_s}, end_s={end_s}: needs 0 <= start_s < end_s")
    clip_id = raw["clip_id"] or clip_id_of(path, start_s, end_s)
    if not CLIP_ID_PATTERN.fullmatch(clip_id):
        raise MediaError("bad_clip_id", f"{clip_id!r} must match {CLIP_ID_PATTERN.pattern}; rename it")
    return SourceRow(clip_id, path, start_s, end_s)


def _path_in_root(text: str | None, root: Path) -> str:
    if not text:
        raise MediaError("missing_path", "the row has no path")
    path = PurePosixPath(text)
    if ".." in path.parts:
        raise MediaError("path_outside_root", f"{text}: `..` is not allowed in a path; write it without")
    if not path.is_absolute():
        return str(path)
    if path.is_relative_to(root):
        return str(path.relative_to(root))
    real = Path(path).resolve()
    if real.is_relative_to(root):
        return real.relative_to(root).as_posix()
    raise MediaError("path_outside_root", f"{text} is not below {root}; give a root folder that holds it")


def _seconds(name: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds) or isinstance(value, bool):
        raise MediaError("bad_segment", f"{name}={value!r} is not a number of seconds")
    return seconds
