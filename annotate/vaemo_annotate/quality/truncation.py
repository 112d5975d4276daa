"""Texts that stop in the middle."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache

from vaemo_annotate.quality.fragment import unfinished
from vaemo_annotate.quality.language import english_share, is_known, word_list
from vaemo_annotate.quality.tokens import Tokens

_FINAL = frozenset(".!?。！？…")
_CLOSING = "\"”’')]}* \t\n`»"
_SET_ENDING = re.compile(r"\b(?:now and|since|by|until|just|back) then\Z", re.IGNORECASE)
_OPEN_ENDS = frozenset(",;:-–—(/[{\\")
_QUOTES = "\"”’'»"
_MIN_WORDS = 4
_ALL_ENGLISH = 0.9
_WHOLE_ENDINGS = ("ing", "ed", "ly", "s", "ness")
_ENDINGS = (
    "ing",
    "ness",
    "ment",
    "tion",
    "ation",
    "ively",
    "fully",
    "ingly",
    "edly",
    "ous",
    "able",
    "ably",
    "ally",
    "ity",
)


def truncation(tokens: Tokens) -> str | None:
    """Say why a text seems cut off; None where it does not.

    A whole sentence that merely lacks its full stop is none.
    """
    text = tokens.text.rstrip()
    unclosed = _unclosed(text)
    if unclosed:
        return f"{unclosed} is opened and not closed"
    stripped = text.rstrip(_CLOSING)
    last = stripped[-1:]
    if last in _OPEN_ENDS:
        return f"it ends with {last!r}"
    word = tokens.words[-1]
    if _SET_ENDING.search(stripped):
        return None
    if last in _FINAL and not stripped.endswith(("...", "…")):
        return None
    if word in word_list("function") and word not in word_list("may_end"):
        return f"it ends with the function word {word!r}"
    if last in _FINAL or text.endswith(tuple(_QUOTES)) or len(tokens) < _MIN_WORDS:
        return None
    if is_cut_word(word) or _is_strange(tokens):
        return f"it ends with {word!r}, which is no whole word, and without a full stop"
    why = unfinished(tokens)
    return f"{why}, and without a full stop" if why else None


def _is_strange(tokens: Tokens) -> bool:
    """Whether the last word alone is unknown, in lower case: more likely a piece than a rare word."""
    word = tokens.words[-1]
    if (
        not word.isalpha()
        or not word.isascii()
        or not tokens.raw(len(tokens) - 1).islower()
        or is_known(word)
        or word.endswith(_WHOLE_ENDINGS)
    ):
        return False
    return english_share(tokens, 0, len(tokens) - 1) > _ALL_ENGLISH


def is_cut_word(word: str) -> bool:
    """Whether a lower-case word is no whole one but the begin of one ("whisp", "whisperin")."""
    if not word.isalpha() or is_known(word):
        return False
    ordered = _ordered_words()
    following = ordered[bisect_left(ordered, word) :][:1]
    if following and following[0].startswith(word):
        return True
    return any(
        len(word) - cut >= 4 and is_known(word[: len(word) - cut]) and ending.startswith(word[len(word) - cut :])
        for ending in _ENDINGS
        for cut in range(1, len(ending))
    )


@cache
def _ordered_words() -> tuple[str, ...]:
    return tuple(sorted(word_list("function") | word_list("words")))


def _unclosed(text: str) -> str | None:
    for opening, closing in ("()", "[]", "{}", "“”"):
        if text.count(opening) > text.count(closing):
            return repr(opening)
    return "a double quote" if text.count('"') % 2 else None
