"""Talk of a label, of an annotation or of those who made it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from vaemo_annotate.quality.phrase_book import PhraseBook
from vaemo_annotate.quality.tokens import Span, Tokens
from vaemo_annotate.quality.wheel import is_emotion_word

_OWN_READING_REACH = 4
_DENIAL_REACH = 2
_SAYING_REACH = 4
_LIKENED_REACH = 5
_ON_THINGS = frozenset(["label", "labels", "labelled", "labeled", "tag", "tags", "tagged", "class", "classes"])
_OF_EMOTION = frozenset(["emotion", "emotional", "affect", "sentiment", "annotation", "ground", "truth", "truths"])
_VALUED = frozenset(
    ["emotion", "emotions", "affect", "affects", "sentiment", "sentiments", "mood", "moods", "state", "states",
     "expression", "expressions", "label", "labels", "class", "category", "annotation", "target", "tag", "answer",
     "solution", "gt", "code", "key", "ground", "groundtruth", "truth"]
)  # fmt: skip
_OF_TRUTH = frozenset(["reference", "gold", "golden", "target", "assigned", "expected", "manifest", "metadata"])
_BEFORE_A_CAN = frozenset(["a", "the", "tin", "soda", "drink", "beer", "his", "her", "their"])
_LIKENED = frozenset(["if", "though", "like"])
_ANYBODY = frozenset(["one", "people", "anyone", "anybody", "someone", "somebody", "viewers", "listeners"])


class LabelPhrases(BaseModel):
    """The section `label` of `leak_phrases.yaml`, whose comments say how each list counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phrases: list[str]
    talk: list[str]
    saying: str
    compared: str
    things: str
    denial: str
    readings: list[str]
    own_reading: str
    value: str


class LabelTalk:
    """Finds phrases that give away a label or speak of who gave it."""

    def __init__(self, phrases: LabelPhrases) -> None:
        self._certain = PhraseBook(phrases.phrases)
        self._talk = PhraseBook(phrases.talk)
        self._reading = PhraseBook(phrases.readings)
        self._saying = frozenset(phrases.saying.split("|"))
        self._compared = frozenset(phrases.compared.split("|"))
        self._things = frozenset(phrases.things.split("|"))
        self._denial = frozenset(phrases.denial.split("|"))
        self._own_reading = frozenset(phrases.own_reading.split())
        self._value = re.compile(phrases.value, re.IGNORECASE)

    def find(self, tokens: Tokens) -> Iterator[tuple[int, int]]:
        """Yield the words [first, stop) of each phrase."""
        for first, stop in self._certain.find(tokens):
            if not (self._is_denied(tokens, first) or self._is_on_thing(tokens, first, stop)) and not (
                _is_likened(tokens, first) or _is_anybodys(tokens, first, stop)
            ):
                yield first, stop
        for first, stop in self._talk.find(tokens):
            if not (self._is_denied(tokens, first) or _is_anybodys(tokens, first, stop)) and self._is_told(
                tokens, first, stop
            ):
                yield first, stop
        for first, stop in self._reading.find(tokens):
            own = not self._own_reading.isdisjoint(tokens.words[max(first - _OWN_READING_REACH, 0) : first + 1])
            if not own and not self._is_on_thing(tokens, first, stop) and not _is_likened(tokens, first):
                yield first, stop

    def values(self, tokens: Tokens) -> Iterator[Span]:
        """Yield the characters of each emotion, or number, that is put down as a value: "Emotion = angry"."""
        if _VALUED.isdisjoint(tokens.bases):
            return
        for match in self._value.finditer(tokens.text):
            if match[1].isdigit() or is_emotion_word(match[1].lower()):
                yield match.span()

    def _is_on_thing(self, tokens: Tokens, first: int, stop: int) -> bool:
        """Whether a label or tag that names no emotion belongs to a thing: "the care label of the jacket"."""
        phrase = {*tokens.words[first:stop]}
        if phrase.isdisjoint(_ON_THINGS) or phrase & (_OF_EMOTION | _OF_TRUTH) or any(map(is_emotion_word, phrase)):
            return False
        begin, end = _sentence(tokens, first)
        return any(
            word in self._things and (word != "can" or tokens.words[at - 1] in _BEFORE_A_CAN)
            for at, word in enumerate(tokens.bases[begin:end], begin)
        )

    def _is_denied(self, tokens: Tokens, first: int) -> bool:
        """Whether "no", "without any" and the like stand before a phrase; "no doubt" denies nothing."""
        near = tokens.words[max(first - _DENIAL_REACH, 0) : first + 1]
        return not self._denial.isdisjoint(near) and "doubt" not in near

    def _is_told(self, tokens: Tokens, first: int, stop: int) -> bool:
        begin, end = _sentence(tokens, first)
        sentence = tokens.words[begin:end]
        if not self._things.isdisjoint(sentence) or not self._own_reading.isdisjoint(sentence):
            return False
        if any(is_emotion_word(word) for word in sentence):
            return not self._saying.isdisjoint(tokens.words[begin:end]) or self._is_compared(tokens, first)
        said = tokens.words[stop : min(stop + _SAYING_REACH, end)]
        return self._is_compared(tokens, first) or bool(
            said and said[0] in self._saying and said[0] not in ("is", "are")
        )

    def _is_compared(self, tokens: Tokens, first: int) -> bool:
        return not self._compared.isdisjoint(tokens.words[max(first - 2, 0) : first + 1])


def _sentence(tokens: Tokens, index: int) -> Span:
    return next((begin, end) for begin, end in tokens.sentences() if begin <= index < end)


def _is_likened(tokens: Tokens, first: int) -> bool:
    """Whether "as if", "as though" or "like" stands before a phrase."""
    return not _LIKENED.isdisjoint(tokens.words[max(first - _LIKENED_REACH, 0) : first])


def _is_anybodys(tokens: Tokens, first: int, stop: int) -> bool:
    """Whether it is a label that anybody might give: "the label one gives to it"."""
    return not _ANYBODY.isdisjoint(tokens.words[first + 1 : stop + 1])
