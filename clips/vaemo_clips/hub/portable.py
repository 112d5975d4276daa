"""What may be told of this machine: names instead of folders and hosts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

_ABSOLUTE = re.compile(r"file://|~?/[^/]+/|~/|[A-Za-z]:[\\/]|\\\\")
_URL_HOST = re.compile(r"(https?://)[^\s/'\"]+")
_QUOTED_FOLDERS = re.compile(r"(?<=['\"])(?:file:///|~?/|[A-Za-z]:[\\/])(?:[^'\"/\\]*[\\/])*(?=[^'\"/\\]*['\"])")
_FOLDERS = re.compile(r"(?<![\w.~:/-])(?:file:///|~?/|[A-Za-z]:[\\/])(?:[^\s'\":;,()/\\]+[\\/])+")


def portable_name(value: str) -> str:
    """The last part of an absolute path, anything else as it is: a reader's machine has other folders."""
    is_path = _ABSOLUTE.match(value) and not value.endswith(("/", "\\"))
    return PureWindowsPath(value).name if is_path else value


def without_folders(text: str) -> str:
    """A message without the folders and hosts it names: `x.mp4` for `/home/me/x.mp4`."""
    text = _URL_HOST.sub(r"\1server", text).replace(f"{Path.home()}/", "~/")
    return _FOLDERS.sub("", _QUOTED_FOLDERS.sub("", text))


def portable_json(value: Any) -> Any:
    """A JSON value whose texts name no folder and no host; numbers that JSON lacks (NaN, infinity) become None."""
    if isinstance(value, str):
        name = portable_name(value)
        return name if name != value else without_folders(value)
    if isinstance(value, Mapping):
        return {key: portable_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [portable_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
