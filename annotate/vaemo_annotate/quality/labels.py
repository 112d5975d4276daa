"""Values of a row that a caption may not repeat as they are: label codes, speaker ids, names of clips and files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from vaemo_annotate.quality.language import is_known
from vaemo_annotate.quality.tokens import Span

_LETTER = re.compile(r"[^\W\d_]")
_LEAST_CHARS = 3
_LONGEST_SHORT_FORM = 5


def label_codes(row: Mapping[str, Any], patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield column and value of each label that is a code, not an ordinary word that a caption may well use."""
    for column, value in row.items():
        if isinstance(value, str) and any(fnmatchcase(column, pattern) for pattern in patterns) and is_code(value):
            yield column, value


@lru_cache(maxsize=4096)
def is_code(value: str) -> bool:
    """Whether a value is a code (`HAP`, `05_ang`) rather than ordinary words (`happiness`, `very sad`)."""
    value = value.strip()
    if len(value) < 2 or not _LETTER.search(value):
        return False
    if any(letter.isdigit() or letter == "_" for letter in value):
        return True
    if value.isupper():
        return True
    return len(value) <= _LONGEST_SHORT_FORM and not is_known(value.lower())


def file_names(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield column and value of what the clip and its file are called, where that is no ordinary word."""
    path = row.get("path")
    stem = PurePosixPath(path.replace("\\", "/")).stem if isinstance(path, str) else None
    names = {"path": stem, "clip_id": row.get("clip_id")}
    for column, value in names.items():
        if isinstance(value, str) and len(value) >= _LEAST_CHARS and _is_no_word(value):
            yield column, value


def _is_no_word(value: str) -> bool:
    if _LETTER.search(value):
        return not all(is_known(part.lower()) for part in re.split(r"[\W_]+", value) if part) or "_" in value
    return len(value) > 2 * _LEAST_CHARS


def speaker_name(row: Mapping[str, Any], columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield column and value of each speaker id that is no ordinary word and no bare number."""
    for column in columns:
        value = row.get(column)
        if isinstance(value, str) and len(value) >= 2 and _LETTER.search(value) and not is_known(value):
            yield column, value


def find_verbatim(text: str, value: str) -> Span | None:
    """Return where a value stands in a text as a word of its own; one in capitals counts only in capitals."""
    exact = value.isupper() and value.isalpha()
    begin = text.find(value) if exact else text.lower().find(value.lower())
    if begin < 0:
        return None
    match = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, 0 if exact else re.IGNORECASE)
    return match.span() if match else None
