"""Talk of who somebody is: origin, age, fame or work, said of a person and not of a thing or a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from vaemo_annotate.quality.language import is_known, word_list
from vaemo_annotate.quality.names import name_book
from vaemo_annotate.quality.phrase_book import PhraseBook
from vaemo_annotate.quality.tokens import Tokens

_LIKENED_REACH = 2
_PERSON_REACH = 3
_DEPICTED_REACH = 6
_YEARS = frozenset(["year", "years", "yr", "yrs"])
_ARTICLES = frozenset(["a", "an", "the", "this", "that", "another"])
_SEEMS = frozenset(["is", "looks", "seems", "appears", "sounds", "are", "look", "seem", "about", "around", "roughly"])
_WHO = frozenset(
    ["he", "she", "they", "person", "speaker", "man", "woman", "individual", "participant", "somebody", "someone"]
)
_LEAST_AGE, _OLDEST = 12, 99


class IdentityPhrases(BaseModel):
    """The section `identity` of `leak_phrases.yaml`, whose comments say how each list counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phrases: list[str]
    nations: str
    countries: str
    persons: str
    linking: str
    coming: str
    things: str
    depictions: str
    elsewhere: str
    of_body: str
    likened: str


class IdentityTalk:
    """Finds phrases that tell who somebody is."""

    def __init__(self, phrases: IdentityPhrases) -> None:
        self._book = PhraseBook(phrases.phrases)
        self._nations, self._countries = _words(phrases.nations), _words(phrases.countries)
        self._of_origin = re.compile(rf"(?:{phrases.nations}|{phrases.countries})(?:['’]?s)?\Z")
        self._persons, self._linking, self._coming = map(_words, (phrases.persons, phrases.linking, phrases.coming))
        self._things, self._depictions = _words(phrases.things), _words(phrases.depictions)
        self._elsewhere, self._of_body = _words(phrases.elsewhere), _words(phrases.of_body)
        self._likened = frozenset(phrases.likened.split())

    def find(self, tokens: Tokens) -> Iterator[tuple[int, int]]:
        """Yield the words [first, stop) of each phrase."""
        for first, stop in self._book.find(tokens):
            if not self._is_of_a_thing(tokens, first, stop):
                yield first, stop
        for index, word in enumerate(tokens.words):
            if tokens.text[tokens.spans[index][0]].isupper():
                raw = tokens.raw(index).removesuffix("'s").removesuffix("’s")
                is_told = (raw in self._nations and self._is_nationality(tokens, index)) or (
                    raw in self._countries and self._is_home(tokens, index)
                )
                if is_told and not self._is_depicted(tokens, index):
                    yield index, index + 1
            elif word in _YEARS or word.endswith("yearold"):
                if self._is_age(tokens, index):
                    yield index, index + 1
            elif (word.isdecimal() and word.isascii()) or word in word_list("numbers"):
                yield from [(index, index + 1)] if _is_bare_age(tokens, index) else []

    def origins(self, tokens: Tokens) -> set[int]:
        """Return which words are of a nation, a language or a country: no names of people."""
        capitals = (at for at, (begin, _) in enumerate(tokens.spans) if tokens.text[begin].isupper())
        return {at for at in capitals if self._of_origin.match(tokens.raw(at))}

    def _is_nationality(self, tokens: Tokens, index: int) -> bool:
        """Whether a word of origin is an attribute ("a French man"), a predicate ("seems French") or a noun."""
        following = _in_sentence(tokens, index + 1, _PERSON_REACH)
        if following and _joined(tokens, index) and following[0] not in self._persons:
            return False
        if tokens.words[index] == "middle":
            return following[:1] == ["eastern"]
        for word in following:
            if word in self._persons:
                return True
            if word in word_list("function") and word not in ("or", "and"):
                break
        before = tokens.words[index - 1] if index else ""
        ends = not following or _gap(tokens, index).strip() != "" or following[0] in word_list("function")
        if ends and (before in self._linking or before in ("a", "an")):
            subject = {*tokens.bases[max(index - _DEPICTED_REACH, 0) : index]}
            people = self._persons | _WHO | self._of_body
            return before in ("a", "an") or (bool(people & subject) and not self._things & subject)
        return False

    def _is_home(self, tokens: Tokens, index: int) -> bool:
        at = index - 1
        if at >= 0 and tokens.words[at] == "the":
            at -= 1
        if at < 1 or tokens.words[at] not in ("from", "in", "of"):
            return False
        before = tokens.words[at - 1]
        if tokens.words[at] == "from":
            return before in self._coming
        return before in ("born", "raised", "native", "up", "lives", "living", "citizen")

    def _is_age(self, tokens: Tokens, index: int) -> bool:
        after = tokens.words[index + 1 : index + 2]
        if not tokens.words[index].endswith("old") and after != ("old",):
            return False
        stop = index + 2 if after == ("old",) else index + 1
        return not self._is_of_a_thing(tokens, index, stop) and not self._things & {
            *tokens.bases[max(index - _DEPICTED_REACH, 0) : index]
        }

    def _is_of_a_thing(self, tokens: Tokens, first: int, stop: int) -> bool:
        """Whether a phrase likens, or tells of a thing, a picture or somebody who merely passes."""
        if self._likened & {*tokens.words[max(first - _LIKENED_REACH, 0) : first + 1]}:
            return not _is_full_name(tokens, stop)
        following = _in_sentence(tokens, stop, 2)
        if tokens.raw(stop - 1).endswith(("'s", "’s")) and not self._of_body & {*following}:
            return True
        if following and following[0] in self._things and not _gap(tokens, stop - 1).strip(" -"):
            return True
        return self._is_depicted(tokens, first) or self._is_by_the_way(tokens, first, stop)

    def _is_depicted(self, tokens: Tokens, first: int) -> bool:
        before = tokens.words[max(first - _DEPICTED_REACH, 0) : first + 1]
        return any(
            word in self._depictions and link in ("of", "with", "showing", "shows", "depicting", "by", "about")
            for word, link in pairwise(before)
        )

    def _is_by_the_way(self, tokens: Tokens, first: int, stop: int) -> bool:
        if tokens.words[first] not in _ARTICLES | {"police", "young", "old", "older", "elderly", "teenager", "toddler"}:
            return False
        begin, end = next((begin, end) for begin, end in tokens.sentences() if begin <= first < end)
        return bool(self._elsewhere & {*tokens.words[stop:end], *tokens.words[begin:first]})


def _is_full_name(tokens: Tokens, stop: int) -> bool:
    """Whether a phrase ends with a name, so that it tells who somebody is although it likens."""
    given, (first, last) = name_book().given, (tokens.raw(stop - 2), tokens.raw(stop - 1))
    if not last[:1].isupper():
        return False
    if not first[:1].isupper():
        return last in given or not is_known(tokens.bases[stop - 1])
    return first in given or not (is_known(tokens.bases[stop - 2]) or is_known(tokens.bases[stop - 1]))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


def _gap(tokens: Tokens, index: int) -> str:
    return tokens.text[tokens.spans[index][1] : tokens.spans[index + 1][0]] if index + 1 < len(tokens) else "."


def _joined(tokens: Tokens, index: int) -> bool:
    return _gap(tokens, index) == "-"


def _in_sentence(tokens: Tokens, first: int, count: int) -> list[str]:
    """Return up to `count` words from `first` on, as far as no mark but a hyphen stands before them."""
    found: list[str] = []
    for at in range(first, min(first + count, len(tokens))):
        if _gap(tokens, at - 1).strip(" -'’\"“”"):
            break
        found.append(tokens.words[at])
    return found


def _is_bare_age(tokens: Tokens, index: int) -> bool:
    """Whether a number is somebody's age without the word: "she looks about forty"."""
    word = tokens.words[index]
    if word.isdecimal() and not _LEAST_AGE <= int(word) <= _OLDEST:
        return False
    if not word.isdecimal() and not word.endswith(("ty", "teen")):
        return False
    at = index - 1
    if _joined(tokens, index):
        index += 1
    following = _in_sentence(tokens, index + 1, 1)
    if following and following[0] not in word_list("function"):
        return False
    if following and following[0] in ("of", "to", "times"):
        return False
    near = tokens.words[max(at - 4, 0) : at + 1]
    return bool(_SEEMS & {*near}) and bool(_WHO & {*near}) and tokens.words[at] not in ("at", "of", "by", "for", "in")
