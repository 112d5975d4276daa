"""Whether a clause without a full stop lacks its end."""

from __future__ import annotations

import re

from vaemo_annotate.quality.grammar import words_of
from vaemo_annotate.quality.tokens import Tokens

_COMPANY = frozenset(["then", "though", "while", "because", "although", "whereas", "whose", "which", "that", "if"])
_BEFORE_A_SUBJECT = _COMPANY | {"as", "when", "once", "until", "before", "after", "since"}
_SPATIAL = frozenset(["face", "mouth", "eyes", "chest", "camera", "body", "head"])
_COMPARING = frozenset(["as", "like", "than"])
_POSSESSIVE = re.compile(r"\w['’]s\Z")
_POINTING = frozenset(["the", "a", "an", "his", "her", "their", "its", "both", "this", "these", "each", "my"])


def unfinished(tokens: Tokens) -> str | None:
    """Say why the last clause of a text that ends without a full stop seems to lack its end; None where it does not."""
    word, before = tokens.words[-1], tokens.words[-2] if len(tokens) > 1 else ""
    if _POSSESSIVE.search(tokens.raw(len(tokens) - 1)):
        return None if _is_compared(tokens) else f"it ends with the possessive {word!r}"
    if before in ("a", "an") and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return f"it ends with {word!r} after {before!r}"
    if word in words_of("wanting") and not _is_noun_there(word, before):
        return f"it ends with {word!r}, which wants an object"
    if word == "it" and _is_subject(tokens):
        return "it ends with 'it', which begins a clause"
    if word in words_of("particle") and _lacks_object(tokens):
        return f"it ends with {word!r}, which wants an object"
    if word in words_of("unfinished") and before not in words_of("closers") and not _is_manner(word, before):
        return f"it ends with {word!r}"
    if word in words_of("frequency") and before in words_of("be"):
        return f"it ends with {before!r} and {word!r}"
    if word in words_of("attribute") and before in _POINTING:
        return f"it ends with {word!r} after {before!r}"
    if word in words_of("adjective") and _lacks_noun(tokens):
        return f"it ends with the adjective {word!r} after an article"
    if word in words_of("noun") and _lacks_verb(tokens):
        return f"its last clause, which ends with {word!r}, has no verb"
    return None


def _is_compared(tokens: Tokens) -> bool:
    """Whether a possessive stands for its noun: "as still as a statue's"."""
    return not _COMPARING.isdisjoint(tokens.words[-4:-1])


def _is_subject(tokens: Tokens) -> bool:
    """Whether a last "it" follows a comma or a word that opens a clause, so that it cannot be an object."""
    begin, end = tokens.spans[-2][1], tokens.spans[-1][0]
    return "," in tokens.text[begin:end] or tokens.words[-2] in words_of("opener")


def _lacks_object(tokens: Tokens) -> bool:
    """Whether a last preposition is no particle of a verb: after a comma, or after a word that it joins to a noun."""
    begin, end = tokens.spans[-2][1], tokens.spans[-1][0]
    before = tokens.words[-2]
    return "," in tokens.text[begin:end] or f"{before}_{tokens.words[-1]}" in words_of("joined")


def _is_manner(word: str, before: str) -> bool:
    """Whether an adverb tells how, and so may be the last word: "does not close the mouth fully"."""
    return word.endswith("ly") and before in words_of("noun")


def _is_noun_there(word: str, before: str) -> bool:
    return word in ("make", "causes", "express") and before in _POINTING


def _lacks_noun(tokens: Tokens) -> bool:
    """Whether "a", "an" or "the" and nothing but adjectives and adverbs stand before the last word ("a slight")."""
    at = len(tokens) - 2
    while at >= 0 and (tokens.words[at] in words_of("adjective") or tokens.words[at].endswith("ly")):
        at -= 1
    if at < 0:
        return False
    if tokens.words[at] in ("a", "an"):
        return tokens.words[-1] not in ("happy", "low", "high", "positive", "negative") or at < len(tokens) - 2
    return tokens.words[at] == "the" and tokens.words[-1] in (
        "slight", "upper", "lower", "inner", "outer", "main", "entire", "general", "vocal", "facial", "emotional",
    )  # fmt: skip


def _lacks_verb(tokens: Tokens) -> bool:
    """Whether the last clause is but a subject: "because the corners of the mouth", "the gaze drops and the lips"."""
    at = len(tokens) - 1
    while at > 0 and _is_nominal(tokens.words[at]):
        at -= 1
    opener, subject = tokens.words[at], tokens.words[at + 1 :]
    if not subject or subject[0] not in _POINTING:
        return False
    if opener == "and":
        return _ends_a_clause(tokens, at)
    if opener in ("before", "after", "until", "since", "as") and tokens.words[-1] in _SPATIAL - {"head"}:
        return False
    return opener in _COMPANY or (opener in _BEFORE_A_SUBJECT and tokens.words[-1] in _moving())


def _is_nominal(word: str) -> bool:
    return word in words_of("noun") or word in words_of("adjective") or word in _POINTING or word == "of"


def _moving() -> frozenset[str]:
    return frozenset(
        [
            "head",
            "gaze",
            "lips",
            "brows",
            "eyebrows",
            "eyelids",
            "lids",
            "jaw",
            "voice",
            "pitch",
            "shoulders",
            "mouth",
            "corners",
            "speaker",
            "person",
        ]
    )


def _ends_a_clause(tokens: Tokens, at: int) -> bool:
    """Whether the words before "and" end with a verb, an adverb or a comma, so that a new clause begins."""
    if at < 2:
        return False
    gap = tokens.text[tokens.spans[at - 1][1] : tokens.spans[at][0]]
    if "," in gap:
        told = tokens.text[: tokens.spans[at - 1][1]]
        return told.rfind(",") <= told.rfind(".")
    word = tokens.words[at - 1]
    known_other = word in words_of("noun") or word in words_of("adjective") or word in _POINTING
    return word.endswith("ly") or (not known_other and word in words_of("clause_end"))
