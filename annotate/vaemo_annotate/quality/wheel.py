"""The emotion wheel: to which family of emotions a word belongs, and on which side of valence and arousal it lies.

Families and words are those of `emotion_words.yaml` and, for words that do not stand there, of the tree in the package
pyemotionwheel (Shaver et al. 1987, Emotion knowledge, Journal of Personality and Social Psychology 52).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import distribution
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict

Sign = Literal["up", "down", "either"]

_TOKEN: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SUFFIXES: Final = ("ness", "ly", "ment", "ion", "ing", "ed", "ful", "ingly", "edly", "fully", "fulness")
_PROSE_SUFFIXES: Final = ("ness", "ly", "ment", "ion")
_LEAST_BASE: Final = 3
_LEAST_INDEXED_BASE: Final = 4
_NEGATION_REACH: Final = 6
_FAR_FROM: Final = frozenset(
    {("anything", "but"), ("far", "from"), ("other", "than"), ("tempted", "to"), ("mistake", "to"), ("is", "little")}
)
_TAKEN_BACK: Final = re.compile(
    r"(?: (?!and |but |or |with )[\w'’-]+){0,4}?,? (?:"
    r"(?:plays?|ha[sd]|have) (?:\w+ )?(?:no|little|hardly any) (?:role|part|place|share|hand)"
    r"|but (?:nothing(?! else)|the (?:\w+ ){1,2}(?:does|do) not|little|neither|none|nobody|that|this|it) "
    r"(?:\w+ ){0,3}?(?:points?|supports?|speaks?|bears?|confirms?|fits?|hints?|suggests?|would be wrong|is wrong)"
    r"|(?:is|are|was|were|seems?|remains?) (?:\w+ly )?(?:absent|missing|lacking|nowhere|"
    r"not (?:there|present|visible|apparent|evident|in evidence|seen|found|shown|detectable|"
    r"noticeable|observed|indicated|supported|what|the)|"
    r"excluded|unlikely|out of the question|ruled out)"
    r"|would be (?:the |a |\w+ )*(?:wrong|mistaken|misleading|mistake|exaggeration)"
    r"|(?:can|could|may|might|must) (?:\w+ )?be (?:\w+ly )?(?:ruled out|excluded|discarded|dismissed|discounted)"
    r"|(?:cannot|(?:does|do|did|would|could) ?(?:not|hardly|n['’]t)) (?:fit|apply|show up|enter|come into)"
    r")\b",
    re.IGNORECASE,
)
_LIST_WORDS: Final = frozenset({"or", "nor", "and", "any", "even"})


@dataclass(frozen=True, slots=True)
class Family:
    """A family of emotions; `valence` and `arousal` say on which side most of its words lie."""

    name: str
    valence: Sign
    arousal: Sign


@dataclass(frozen=True, slots=True)
class Emotion:
    """A word of emotion as the wheel lists it, with its family and its own sides of valence and arousal."""

    word: str
    family: Family
    valence: Sign
    arousal: Sign


@dataclass(frozen=True, slots=True)
class NamedEmotion:
    """An emotion that a text names, at the characters [begin, end) of `span`."""

    emotion: Emotion
    span: tuple[int, int]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Group(_Settings):
    valence: Sign
    arousal: Sign
    words: tuple[str, ...]


class _FamilyWords(_Group):
    groups: tuple[_Group, ...] = ()


class EmotionWords(_Settings):
    """What `emotion_words.yaml` holds."""

    families: Mapping[str, _FamilyWords]
    opposed: tuple[tuple[str, str], ...]
    mixing_words: tuple[str, ...]
    negating_words: frozenset[str]
    no_emotion: frozenset[str]
    not_in_prose: frozenset[str]


@cache
def emotion_words() -> EmotionWords:
    """Return the words of emotion that come with the package."""
    text = (files(__package__) / "emotion_words.yaml").read_text(encoding="utf-8")
    return EmotionWords.model_validate(yaml.safe_load(text))


@lru_cache(maxsize=1 << 16)
def find(word: str) -> Emotion | None:
    """Return the emotion that one word names, in any of its forms (angrily, sadness, frustration); None for none."""
    known = _index()
    return next((known[base] for base in base_forms(word.lower()) if base in known), None)


@lru_cache(maxsize=1 << 16)
def is_emotion_word(word: str) -> bool:
    """Return whether a word is listed itself or is the noun of one that is (sadness), no mere relative ("care")."""
    return word in _listed() or (word.endswith(_PROSE_SUFFIXES) and find(word) is not None)


def family_of(label: str) -> Family | None:
    """Return the family of the first word of a label that names an emotion; None where none does."""
    emotions = emotions_in_label(label)
    return emotions[0].family if emotions else None


def emotions_in_label(label: str) -> list[Emotion]:
    """Return the emotions that a short label names: "slightly annoyed", "joy mixed with relief", "HappySurprise"."""
    emotions = []
    tokens = [match.group().lower() for match in _TOKEN.finditer(_CAMEL.sub(" ", label))]
    for at, token in enumerate(tokens):
        found = [find(token)] if find(token) else [find(part) for part in token.split("-")]
        emotions += [emotion for emotion in found if emotion and not _is_negated(tokens[:at])]
    return emotions


def names_no_emotion(label: str) -> bool:
    """Return whether a label is an answer that names no emotion on purpose, as "unclear"."""
    return label.strip().lower() in emotion_words().no_emotion


def emotions_in_text(text: str) -> list[NamedEmotion]:
    """Return the emotions that a description says are there: neither denied ones nor words of look and sound."""
    named = []
    tokens: list[str] = []
    end_of_last, is_after_comma = 0, False
    for match in _TOKEN.finditer(text):
        between, token = text[end_of_last : match.start()], match.group().lower()
        is_after_comma = "," in between or (is_after_comma and tokens[-1:] == ["and"])
        if any(mark in between for mark in ".;!?") or (is_after_comma and not _goes_on_with_a_list(token)):
            tokens = []
        emotion = _in_prose(token)
        if emotion and not _is_negated(tokens) and not _is_denied_after(text, match.end()):
            named.append(NamedEmotion(emotion, match.span()))
        tokens.append(token)
        end_of_last = match.end()
    return named


def are_opposed(first: str, second: str) -> bool:
    """Return whether two families do not go together."""
    return (first, second) in emotion_words().opposed or (second, first) in emotion_words().opposed


def base_forms(word: str) -> Iterator[str]:
    """Yield a word and what it may be formed from: hopefulness, hope; angrily, angry; frustration, frustrate."""
    yield word
    for suffix in _SUFFIXES:
        stem = word.removesuffix(suffix)
        if stem == word or len(stem) < _LEAST_BASE:
            continue
        yield stem
        yield f"{stem}e"
        if stem.endswith("i"):
            yield f"{stem[:-1]}y"
        if stem[-1] == stem[-2]:
            yield stem[:-1]


@lru_cache(maxsize=1 << 16)
def _in_prose(token: str) -> Emotion | None:
    """Return the emotion of a word in running text, where verbs (to move, to content) are no emotions."""
    emotion = find(token) if token in _listed() or token.endswith(_PROSE_SUFFIXES) else None
    return emotion if emotion and emotion.word not in emotion_words().not_in_prose else None


def _goes_on_with_a_list(token: str) -> bool:
    """Return whether a denial reaches over the comma before this word: "no anger, fear, or sadness"."""
    return token in _LIST_WORDS or find(token) is not None


def _is_negated(before: list[str]) -> bool:
    near = before[-_NEGATION_REACH:]
    if not _FAR_FROM.isdisjoint(pairwise(near)):
        return True
    after_but = near[len(near) - near[::-1].index("but") :] if "but" in near else near
    if "hesitate" in after_but:
        return False
    return any(token.replace("’", "'") in emotion_words().negating_words for token in after_but)


def _is_denied_after(text: str, end: int) -> bool:
    """Return whether what follows takes an emotion back: "guilt plays no role", "envy, but nothing points to it"."""
    return bool(_TAKEN_BACK.match(text, end))


@cache
def _listed() -> Mapping[str, Emotion]:
    """Every word as it is listed, ours before the wheel's."""
    listed: dict[str, Emotion] = {}
    families = emotion_words().families
    for name, words in families.items():
        family = Family(name, words.valence, words.arousal)
        for group in (words, *words.groups):
            listed |= {word: Emotion(word, family, group.valence, group.arousal) for word in group.words}
    for name, word in _wheel_words():
        family = Family(name, families[name].valence, families[name].arousal)
        listed.setdefault(word, Emotion(word, family, family.valence, family.arousal))
    return listed


@cache
def _index() -> Mapping[str, Emotion]:
    """Every listed word, then what the listed words are formed from."""
    index = dict(_listed())
    for word, emotion in _listed().items():
        for base in base_forms(word):
            if len(base) >= _LEAST_INDEXED_BASE:
                index.setdefault(base, emotion)
    return index


def _wheel_words() -> Iterator[tuple[str, str]]:
    """Yield the wheel's words with their families, the first place of a word that stands twice first."""
    # pyemotionwheel itself imports anytree; the tree alone is enough.
    tree = Path(str(distribution("pyemotionwheel").locate_file("pyemotionwheel/data/emotion_wheel_tree.json")))
    for branch in json.loads(tree.read_text(encoding="utf-8"))["children"]:
        for node in _nodes(branch):
            yield branch["name"].lower(), node["name"].lower()


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("children", ()):
        yield from _nodes(child)
