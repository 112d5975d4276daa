"""A text by sentence as units: words and phrases of the lexicon and unknown words, each with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from vaemo_annotate.quality.lexicon import Mark, is_determiner, load_lexicon

_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|[a-z0-9]+(?:'[a-z]+)*|[.,;:!?()\u2013\u2014\n]|(?<=\s)--?(?=\s)")
_QUOTED = re.compile(r'"[^"\n]*"|\u201c[^\u201d\n]*\u201d')
_ENDS = frozenset(".!?\n")
_SECONDS = frozenset({"s", "sec", "second", "seconds"})
_UNKNOWN = Mark()
_NEGATOR = Mark(roles=frozenset({"negators", "adverbs"}))
_MOMENT = Mark(roles=frozenset({"moment"}))


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or phrase at [begin, end). `stop` is the punctuation before it, `has_article` what else stands there."""

    mark: Mark
    word: str
    begin: int
    end: int
    stop: str
    article: str

    def is_(self, role: str) -> bool:
        """Tell whether the unit can play a role."""
        return role in self.mark.roles


def plain(text: str) -> str:
    """Return a text in small letters with straight apostrophes, of the same length."""
    low = text.lower().replace("\u2019", "'").replace("\u2018", "'")
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def sentences(text: str) -> Iterator[list[Unit]]:
    """Return the units of each sentence."""
    tokens: list[tuple[str, int, int]] = []
    for match in _TOKEN.finditer(_unquoted(plain(text))):
        if match[0] in _ENDS:
            yield [] if match[0] == "?" else _units(tokens)
            tokens = []
        else:
            tokens.append((match[0], match.start(), match.end()))
    yield _units(tokens)


def _unquoted(low: str) -> str:
    """Return a text with spaces where several words stand in quotation marks: they are what somebody says."""
    return _QUOTED.sub(lambda quoted: " " * len(quoted[0]) if quoted[0].count(" ") > 1 else quoted[0], low)


def _units(tokens: list[tuple[str, int, int]]) -> list[Unit]:
    units: list[Unit] = []
    stop = article = ""
    at = 0
    while at < len(tokens):
        word, begin, _ = tokens[at]
        if not word[0].isalnum():
            if not (word == ":" and _is_heading(units)):
                stop = ";" if stop == ";" or word != "," else ","
            at += 1
            continue
        mark, after = _read(tokens, at)
        if mark is None:
            article, at = word, at + 1
            continue
        units.append(Unit(mark, word, begin, tokens[after - 1][2], stop, article))
        stop = article = ""
        at = after
    return units


def _is_heading(units: list[Unit]) -> bool:
    """Tell whether the last unit is a thing that stands alone before a colon: "Brows: raised"."""
    return bool(units) and units[-1].mark.topic is not None and (len(units) == 1 or bool(units[-1].stop))


def _read(tokens: list[tuple[str, int, int]], at: int) -> tuple[Mark | None, int]:
    """Return what stands at a token, None for an article, and the token after it."""
    word = tokens[at][0]
    single, longer = _starting_with(word)
    if longer and at + 1 < len(tokens):
        ahead = _next(tokens, at + 1)
        for second in _readings(tokens[ahead][0]) if ahead < len(tokens) else ():
            for key, mark in longer.get(second, ()):
                after = _matched(key, tokens, ahead + 1)
                if after:
                    return mark, after
    if single is not None:
        return single, at + 1
    if is_determiner(word):
        return None, at + 1
    if word.endswith("n't"):
        return _NEGATOR, at + 1
    if word[0].isdigit() and at + 1 < len(tokens) and tokens[at + 1][0] in _SECONDS:
        return _MOMENT, at + 2
    return _UNKNOWN, at + 1


def _next(tokens: list[tuple[str, int, int]], at: int) -> int:
    """Return the first token from here on that is no article."""
    while at < len(tokens) and is_determiner(tokens[at][0]):
        at += 1
    return at


def _matched(key: tuple[str, ...], tokens: list[tuple[str, int, int]], at: int) -> int:
    """Return the token after the third and further words of a phrase, 0 where they do not stand there."""
    for wanted in key[2:]:
        at = _next(tokens, at)
        if at == len(tokens) or wanted not in _readings(tokens[at][0]):
            return 0
        at += 1
    return at


@cache
def _bases() -> dict[str, str]:
    return dict(load_lexicon().base_forms)


def _readings(word: str) -> tuple[str, ...]:
    """Return a word as it stands and in its base form."""
    base = _bases().get(word)
    return (word,) if base is None or base == word else (word, base)


_Longer = dict[str, list[tuple[tuple[str, ...], Mark]]]
_known: dict[str, tuple[Mark | None, _Longer]] = {}
_MOST_KNOWN = 50_000
_NOTHING: tuple[Mark | None, _Longer] = (None, {})


def _starting_with(word: str) -> tuple[Mark | None, _Longer]:
    """Return what a word is by itself, and by their second word the phrases that it begins, the longest first."""
    found = _known.get(word)
    if found is not None:
        return found
    phrases, forms = load_lexicon().phrases, _readings(word)
    both = {key: mark for form in reversed(forms) for key, mark in phrases.get(form, ())}
    if not both:
        if len(_known) < _MOST_KNOWN:
            _known[word] = _NOTHING
        return _NOTHING
    single = next((both[form,] for form in forms if (form,) in both), None)
    longer: _Longer = {}
    for key in sorted(both, key=len, reverse=True):
        if len(key) > 1:
            longer.setdefault(key[1], []).append((key, both[key]))
    found = _known[word] = (single, longer)
    return found
