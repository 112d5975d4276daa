"""Clip ids: stable, path-safe names that depend on a clip's own path and segment alone."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_MAX_STEM_CHARS = 120


def clip_id_of(path: str, start_s: float | None = None, end_s: float | None = None) -> str:
    """The clip_id of `path` (POSIX, relative to the root), or of its segment [start_s, end_s) in seconds.

    The extension goes, `/` becomes `__`, and what is not in [A-Za-z0-9._-] becomes `_`. Where that
    cannot be undone, or leaves more than 120 characters, 8 hex digits of the path's sha256 follow,
    so that different paths keep different ids. A segment adds `.{start_s:.3f}-{end_s:.3f}`.
    """
    name = _safe_name(path)
    if start_s is None and end_s is None:
        return name
    end = "end" if end_s is None else f"{end_s:.3f}"
    return f"{name}.{start_s or 0.0:.3f}-{end}"


def _safe_name(path: str) -> str:
    stem = str(PurePosixPath(path).with_suffix(""))
    name = _UNSAFE.sub("_", stem.replace("/", "__"))
    is_reversible = name.replace("__", "/") == stem and name[:1].isalnum()
    if is_reversible and len(name) <= _MAX_STEM_CHARS:
        return name
    if not name[:1].isalnum():
        name = f"c{name}"
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[:_MAX_STEM_CHARS]}-{digest[:8]}"
