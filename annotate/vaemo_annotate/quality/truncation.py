"""Texts that stop in the middle."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache

from vaemo_annotate.quality.language import is_known, word_list
from vaemo_annotate.quality.tokens import Tokens

_FINAL = frozenset(".!?。！？…")
_CLOSING = "\"”’')]}* \t\n`»"
_OPEN_ENDS = frozenset(",;:-–—(/[{\\")
_MIN_WORDS = 8
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


def ends_finally(text: str) -> bool:
    """Whether the last mark of a text, closing quotes and brackets aside, ends a sentence."""
    return text.rstrip(_CLOSING)[-1:] in _FINAL


def truncation(tokens: Tokens, siblings_end_finally: bool) -> str | None:
    """Say why a text seems cut off; None where it does not.

    `siblings_end_finally` tells that the same caption's other texts end in a full stop; a longer text that does not is
    then cut off too.
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
    if last in _FINAL and not stripped.endswith(("...", "…")):
        return None
    if word in word_list("function") and word not in word_list("may_end"):
        return f"it ends with the function word {word!r}"
    if last in _FINAL:
        return None
    if len(tokens) >= _MIN_WORDS // 2 and is_cut_word(word):
        return f"it ends with {word!r}, which is no whole word, and without a full stop"
    first_sentence_ends = any(mark in text[:-1] for mark in (". ", "! ", "? ", ".\n"))
    if first_sentence_ends:
        return f"its last sentence ends with {word!r} without a full stop"
    if siblings_end_finally and len(tokens) >= _MIN_WORDS:
        return f"it ends with {word!r} without a full stop, unlike the caption's other texts"
    return None


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
