"""Sentences out of phrases: lists, capital letters, full stops, numbers for people."""

from __future__ import annotations

from collections.abc import Sequence

from vaemo_annotate.wording.phrasing import Phrasing

MAX_CHARS = 600
"""No description of a caption is longer."""


def sentence(text: str) -> str:
    """Return text as one sentence: first letter large, one full stop."""
    text = text.strip().rstrip(".")
    return f"{text[0].upper()}{text[1:]}." if text else ""


def joined(sentences: Sequence[str]) -> str:
    """Return sentences as one paragraph."""
    return " ".join(sentence(text) for text in sentences if text)


def listed(items: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def clauses(items: Sequence[str], phrasing: Phrasing) -> str:
    """Return main clauses joined into one."""
    if len(items) == 1:
        return items[0]
    if len(items) == 2:
        return phrasing.pick("two", a=items[0], b=items[1])
    return f"{', '.join(items[:-1])}, and {items[-1]}"


def seconds(value: float) -> str:
    """Return a time for people."""
    return f"{value:.1f} s"


def percent(share: float) -> str:
    """Return a share in whole percent, without the sign."""
    return f"{100 * share:.0f}"
