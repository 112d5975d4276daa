"""Texts of a caption cut into stretches that the page colours: claims by their support, the words of a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_LONGEST = 4_000
_AROUND = 48


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a text; `class_` is empty for plain words, `tip` says what a coloured one means."""

    text: str
    class_: str = ""
    tip: str = ""


def stretches(text: str, marks: Iterable[tuple[int, int, str, str]]) -> list[Stretch]:
    """Cut a text at its marks (begin, end, class, tip); of marks that overlap the first counts.

    A text of more than 4,000 characters is cut off, and says so.
    """
    shown = text if len(text) <= _LONGEST else text[:_LONGEST]
    pieces: list[Stretch] = []
    at = 0
    for begin, end, class_, tip in sorted(marks):
        if at <= begin < end <= len(shown):
            pieces += [Stretch(shown[at:begin]), Stretch(shown[begin:end], class_, tip)]
            at = end
    pieces.append(Stretch(shown[at:]))
    if len(shown) < len(text):
        pieces.append(Stretch(f" … {len(text) - len(shown):,} more characters", "cut", "cut off for this page"))
    return [piece for piece in pieces if piece.text]


def quote(text: str, span: tuple[int, int]) -> list[Stretch]:
    """Return the words of a span, marked, with a few words around them."""
    begin, end = max(span[0], 0), min(span[1], len(text), span[0] + 240)
    left, right = max(begin - _AROUND, 0), min(end + _AROUND, len(text))
    if left > 0:
        left = text.find(" ", left, begin) + 1 or left
    if right < len(text):
        space = text.rfind(" ", end, right)
        right = space if space > end else right
    before = ("… " if left > 0 else "") + text[left:begin]
    after = text[end:right] + (" …" if right < len(text) else "")
    return [piece for piece in (Stretch(before), Stretch(text[begin:end], "fault"), Stretch(after)) if piece.text]
