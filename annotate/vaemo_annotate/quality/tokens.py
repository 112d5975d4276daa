"""The words of a text with their places, and its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['’][^\W_{_CJK}]+)*")
_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"”’')\]]*(?=\s|$|[A-Z\u3040-\u9fff])|\n+|(?<=[。！？])")
_STARTERS = frozenset(".!?…:\n\"“‘'([{*•|>。！？-–—")
Span = tuple[int, int]
"""Characters [begin, end) of a text."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of `text`: `words` in lower case without apostrophes ("mans" of "man's"), `bases` also without
    a possessive 's ("man"), `spans` where each stands, [begin, end).

    A character of a script without spaces between words (Chinese, Japanese, Korean) is a word of its own, so that
    lengths and copies can be counted there too.
    """

    text: str
    words: tuple[str, ...]
    bases: tuple[str, ...]
    spans: tuple[Span, ...]

    def __len__(self) -> int:
        return len(self.words)

    def raw(self, index: int) -> str:
        """Return word `index` as it is written."""
        begin, end = self.spans[index]
        return self.text[begin:end]

    def span(self, first: int, stop: int) -> Span:
        """Return the characters of words [first, stop)."""
        return self.spans[first][0], self.spans[stop - 1][1]

    def starts_sentence(self, index: int) -> bool:
        """Whether a capital letter is usual at word `index`: it begins the text, a sentence, a quotation or an item."""
        before = self.text[: self.spans[index][0]].rstrip(" \t")[-1:]
        return not before or before in _STARTERS

    def sentences(self) -> Iterator[Span]:
        """Yield the words [first, stop) of each sentence that has any."""
        ends = [match.start() for match in _SENTENCE_END.finditer(self.text)]
        first = 0
        for end in [*ends, len(self.text)]:
            stop = first
            while stop < len(self.spans) and self.spans[stop][0] < end:
                stop += 1
            if stop > first:
                yield first, stop
            first = stop


@lru_cache(maxsize=16)
def read_tokens(text: str) -> Tokens:
    """Return the words of a text; several checks read the same text one after the other."""
    matches = list(_WORD.finditer(text))
    written = [match[0].lower().replace("’", "'") for match in matches]
    words = tuple(word.replace("'", "") for word in written)
    bases = tuple(word.removesuffix("'s").replace("'", "") for word in written)
    return Tokens(text, words, bases, tuple(match.span() for match in matches))
