"""Phrases to look for in texts, as `leak_phrases.yaml` writes them, found in one pass over the words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from vaemo_annotate.quality.language import word_list
from vaemo_annotate.quality.tokens import Tokens
from vaemo_annotate.quality.wheel import is_emotion_word

_ANY = ""
_SENTENCE_END = re.compile(r"[.!?][\"”’')\]]*\s|\n")
_CLASSES = ("NUMBER", "CAPITAL", "EMOTION")
_NO_STATE = frozenset(
    [
        "like",
        "kind",
        "still",
        "low",
        "down",
        "content",
        "cool",
        "open",
        "light",
        "moved",
        "hot",
        "cold",
        "emotion",
        "warm",
    ]
)


@dataclass(frozen=True, slots=True)
class _Slot:
    """One place of a phrase: the words that fit there, as written where one has a capital letter."""

    words: frozenset[str]
    as_written: bool

    @classmethod
    def read(cls, text: str) -> _Slot:
        words = frozenset(text.split("|"))
        return cls(words, text not in _CLASSES and text != text.lower())

    def fits(self, tokens: Tokens, index: int) -> bool:
        word = tokens.bases[index]
        if "NUMBER" in self.words:
            return word.isdigit() or word in word_list("numbers")
        if "EMOTION" in self.words:
            return is_emotion_word(word) and word not in _NO_STATE
        if "CAPITAL" in self.words:
            return tokens.raw(index)[:1].isupper()
        if self.as_written:
            return _without_possessive(tokens.raw(index)) in self.words
        return word in self.words


def _without_possessive(raw: str) -> str:
    return raw.removesuffix("'s").removesuffix("’s")


@dataclass(frozen=True, slots=True)
class _Phrase:
    slots: tuple[_Slot, ...]
    before_colon: bool

    def second_words(self) -> frozenset[str]:
        """Return the words that may stand second, in lower case; none where a class does or the phrase has one slot."""
        if len(self.slots) < 2 or not self.slots[1].words.isdisjoint(_CLASSES):
            return frozenset()
        return frozenset(word.lower() for word in self.slots[1].words)

    def fits(self, tokens: Tokens, first: int) -> bool:
        stop = first + len(self.slots)
        if stop > len(tokens) or not all(slot.fits(tokens, first + at) for at, slot in enumerate(self.slots)):
            return False
        return not self.before_colon or tokens.text[tokens.spans[stop - 1][1] :].lstrip(" \"'*")[:1] in (":", "=")


class PhraseBook:
    """Phrases of a few words with alternatives and optional words; the grammar stands in `leak_phrases.yaml`.

    A phrase does not reach over the end of a sentence. Raises ValueError where one cannot be read: it must begin with
    a word.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        by_word: dict[str, list[_Phrase]] = {}
        for pattern in patterns:
            for phrase in _read(pattern):
                for word in phrase.slots[0].words:
                    by_word.setdefault(word.lower(), []).append(phrase)
        self._by_words = {word: _by_second_word(phrases) for word, phrases in by_word.items()}

    def find(self, tokens: Tokens) -> Iterator[tuple[int, int]]:
        """Yield the words [first, stop) of each phrase in a text; of several that begin at a word the longest."""
        by_words, stop, bases = self._by_words, 0, tokens.bases
        for first, word in enumerate(bases):
            if word not in by_words or first < stop:
                continue
            by_second = by_words[word]
            following = bases[first + 1] if first + 1 < len(bases) else _ANY
            for phrase in by_second.get(following, by_second[_ANY]):
                if phrase.fits(tokens, first) and _is_in_one_sentence(tokens, first, first + len(phrase.slots)):
                    stop = first + len(phrase.slots)
                    yield first, stop
                    break


def _by_second_word(phrases: list[_Phrase]) -> dict[str, list[_Phrase]]:
    """Sort phrases that begin alike by the word that comes next, longest first; under _ANY those that leave it open."""
    phrases = sorted(phrases, key=lambda phrase: -len(phrase.slots))
    seconds = [_ANY, *{word for phrase in phrases for word in phrase.second_words()}]
    return {
        second: [phrase for phrase in phrases if not phrase.second_words() or second in phrase.second_words()]
        for second in seconds
    }


def _is_in_one_sentence(tokens: Tokens, first: int, stop: int) -> bool:
    return not _SENTENCE_END.search(tokens.text, tokens.spans[first][1], tokens.spans[stop - 1][0])


def _read(pattern: str) -> Iterator[_Phrase]:
    before_colon = pattern.endswith(":")
    parts = pattern.removesuffix(":").split()
    choices = [(None, part[1:-1]) if part.startswith("(") else (part,) for part in parts]
    for chosen in product(*choices):
        slots = tuple(_Slot.read(part) for part in chosen if part)
        if not slots or slots[0].words & set(_CLASSES):
            raise ValueError(f"the phrase {pattern!r} can begin with no word; it must begin with one")
        yield _Phrase(slots, before_colon)
