"""The official folder of a corpus: its media files by name, and its lists, found or missed with one clear message."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vaemo_clips.errors import ManifestError
from vaemo_clips.sources import extension_rank

_LOSSY = frozenset({".aac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wma"})


@dataclass(frozen=True, slots=True)
class OfficialTree:
    """A corpus's folder. `media` are its media files, POSIX, below it, sorted; `layout` says how it should look."""

    folder: Path
    media: tuple[str, ...]
    layout: str

    def find(self, *candidates: str) -> Path | None:
        """The first of these files or folders that is there."""
        return next((self.folder / name for name in candidates if (self.folder / name).exists()), None)

    def need(self, *candidates: str) -> Path:
        """As `find`. Raises ManifestError where none of them is there."""
        found = self.find(*candidates)
        if found is None:
            looked = " or ".join(candidates)
            raise ManifestError(f"{self.folder}: there is no {looked}; {self.layout}")
        return found

    def by_stem(self) -> dict[str, list[str]]:
        """Media files by their names without folder and extension, the best of each first, see `best_first`."""
        found: dict[str, list[str]] = {}
        for path in self.media:
            found.setdefault(stem(path), []).append(path)
        return {name: best_first(paths) for name, paths in found.items()}


def stem(path: str) -> str:
    """A path's name without folder and extension."""
    return PurePosixPath(path).stem


def best_first(paths: Sequence[str]) -> list[str]:
    """Copies of one clip in the order of preference: video, lossless sound, lossy sound, then by path."""
    return sorted(paths, key=_preference)


def _preference(path: str) -> tuple[int, bool, str]:
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 a name, not a file; a million of them
    return extension_rank(path) or 0, suffix in _LOSSY, path


def read_lines(path: Path, *, is_prose: bool = False) -> list[str]:
    """Lines of a UTF-8 list, stripped; blank ones are left out. Raises ManifestError where it cannot be read.

    In prose, which is carried and not understood, what is not UTF-8 becomes a replacement character.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace" if is_prose else "strict")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as UTF-8 text ({error}); mend or fetch it again") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_columns(path: Path, *names: str) -> list[dict[str, str]]:
    """Rows of a CSV with a header, by column name. Raises ManifestError where it lacks one of the columns `names`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [{(key or "").strip(): (value or "") for key, value in row.items()} for row in reader]
            header = [name.strip() for name in reader.fieldnames or ()]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path}: cannot be read as a CSV in UTF-8 ({error}); mend or fetch it again") from error
    missing = [name for name in names if name not in header]
    if missing:
        raise ManifestError(
            f"{path}: it has no column {', '.join(missing)}; its columns are {', '.join(header) or 'none'}, and the "
            f"official file has {', '.join(names)}"
        )
    return rows


def number(text: str) -> float | None:
    """A number in a list, None where it says that there is none (empty, NaN, a word)."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value else None
