"""The words that make a claim about a face or a voice, as `lexicon.yaml` beside this file holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

Modality = Literal["face", "voice"]
Direction = Literal["up", "down", "usual", "present", "absent"]
WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")
"""A word of a text in small letters with straight apostrophes; a hyphen parts words."""

_VOWELS = "aeiou"
_STEERING = (
    "negators", "after_negators", "reversers", "hedges", "slight", "marked", "moment", "part", "copulas", "adverbs",
    "appearing", "above", "below", "persons", "breaks", "comparisons", "void", "strangers", "sources", "unreal",
    "disputes", "understates", "speaking", "ignore",
)  # fmt: skip


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Evidence(_Settings):
    """A cue that judges an aspect; `alone`: also where the cues before it have no value."""

    cue: str
    sign: Literal[-1, 1] = 1
    alone: bool = False


class Aspect(_Settings):
    """What can be claimed and measured. The first cue decides, `range` shows whether it changed within the clip."""

    modality: Modality
    cues: list[Evidence] = Field(min_length=1)
    range: str | None = None
    unsigned: bool = False
    without_speech: bool = False


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a wording says: an aspect and a direction, `extent` and `degree` where the wording itself holds them."""

    aspect: str
    direction: Direction
    is_marked: bool = False
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """All that one word or phrase can be."""

    topic: str | None = None
    idiom: Assertion | None = None
    moves: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()

    def with_(self, other: Mark) -> Mark:
        """Return both readings of one wording."""
        moves = tuple(dict.fromkeys((*self.moves, *other.moves)))
        return Mark(self.topic or other.topic, self.idiom or other.idiom, moves, self.roles | other.roles)


class Lexicon(_Settings):
    """The whole file. Raises pydantic's ValidationError where a name is used that is not declared."""

    aspects: dict[str, Aspect]
    topics: dict[str, list[str]]
    events: dict[str, str]
    moves: dict[str, list[str]]
    claims: dict[str, dict[str, str]]
    idioms: dict[str, list[str]]
    negators: list[str]
    after_negators: list[str]
    reversers: list[str]
    hedges: list[str]
    slight: list[str]
    marked: list[str]
    moment: list[str]
    part: list[str]
    copulas: list[str]
    adverbs: list[str]
    appearing: list[str]
    above: list[str]
    below: list[str]
    persons: list[str]
    breaks: list[str]
    comparisons: list[str]
    void: list[str]
    strangers: list[str]
    sources: list[str]
    unreal: list[str]
    disputes: list[str]
    understates: list[str]
    speaking: list[str]
    ignore: list[str]

    @model_validator(mode="after")
    def _declared(self) -> Lexicon:
        said = [*self.events.values(), *self.idioms, *(say for row in self.claims.values() for say in row.values())]
        for what in said:
            _ = what == "none" or self._assertion(what)
        unknown = {topic for topic in (*self.events, *self.claims) if topic not in self.topics}
        unknown |= {move for row in self.claims.values() for moves in row for move in moves.split()} - {*self.moves}
        if unknown:
            raise ValueError(f"{sorted(unknown)} are used but neither topics nor moves")
        return self

    def _assertion(self, text: str) -> Assertion:
        name, _, said = text.partition(" ")
        direction = said.rstrip("!~")
        if name not in self.aspects or direction not in get_args(Direction):
            raise ValueError(f"{text!r} is not an aspect of the file and one of {get_args(Direction)}")
        return Assertion(name, direction, said.endswith("!"), said.endswith("~"))  # type: ignore[arg-type]

    @cached_property
    def table(self) -> Mapping[tuple[str, str], Assertion]:
        """What (topic, move) claims."""
        rows = ((topic, move, say) for topic, row in self.claims.items() for moves, say in row.items()
                for move in moves.split())  # fmt: skip
        return {(topic, move): self._assertion(say) for topic, move, say in rows if say != "none"}

    @cached_property
    def mentions(self) -> Mapping[str, Assertion]:
        """What the mere mention of a topic claims."""
        return {topic: self._assertion(say) for topic, say in self.events.items() if say != "none"}

    @cached_property
    def phrases(self) -> Mapping[str, tuple[tuple[tuple[str, ...], Mark], ...]]:
        """Every wording by its first word, the longest first."""
        found: dict[tuple[str, ...], Mark] = {}
        for words, mark in self._wordings():
            key = tuple(WORD.findall(words))
            found[key] = found[key].with_(mark) if key in found else mark
        first: dict[str, list[tuple[tuple[str, ...], Mark]]] = {}
        for key in sorted(found, key=len, reverse=True):
            first.setdefault(key[0], []).append((key, found[key]))
        return {word: tuple(entries) for word, entries in first.items()}

    def _wordings(self) -> Iterator[tuple[str, Mark]]:
        yield from ((words, Mark(topic=name)) for name, row in self.topics.items() for words in row)
        yield from ((words, Mark(moves=(name,))) for name, row in self.moves.items() for words in row)
        for say, row in self.idioms.items():
            yield from ((words, Mark(idiom=self._assertion(say))) for words in row)
        for role in _STEERING:
            yield from ((words, Mark(roles=frozenset({role}))) for words in getattr(self, role))

    @cached_property
    def base_forms(self) -> Mapping[str, str]:
        """Every inflected form by its base form; forms that stand in the file themselves are their own base."""
        inflected = [*self.topics.values(), *self.moves.values(), *self.idioms.values()]
        verbs = {word for row in inflected for words in row for word in WORD.findall(words)}
        steering = {word for role in _STEERING for words in getattr(self, role) for word in WORD.findall(words)}
        singles = {key[0] for entries in self.phrases.values() for key, _ in entries if len(key) == 1}
        bases = {
            form: word
            for word in sorted((verbs | steering) - _UNINFLECTED, key=lambda w: (-len(w), w))
            for form in _forms(word)
        }
        return {form: word for form, word in bases.items() if form not in singles | _DETERMINERS} | _IRREGULAR


_IRREGULAR = {
    "rose": "rise", "risen": "rise", "fell": "fall", "fallen": "fall", "spoke": "speak", "spoken": "speak",
    "shook": "shake", "shaken": "shake", "shone": "shine", "grew": "grow", "grown": "grow", "sank": "sink",
    "said": "say", "hung": "hang", "swung": "swing", "froze": "freeze", "shrank": "shrink", "teeth": "tooth",
    "further": "far", "farther": "far", "fewest": "few", "won't": "not", "can't": "cannot", "couldn't": "cannot",
    "drew": "draw", "drawn": "draw", "gave": "give", "given": "give", "began": "begin", "begun": "begin",
    "became": "become", "broke": "break", "seldomly": "seldom", "knitted": "knit",
    "gapes": "gape", "gaped": "gape", "gaping": "gape",
}  # fmt: skip
_UNINFLECTED = frozenset(
    {"not", "no", "never", "none", "nor", "neither", "nothing", "on", "in", "at", "to", "of", "so", "or", "as", "if",
     "here", "there", "own", "all", "any", "each", "both", "more", "most", "then", "than", "for", "with", "by", "now",
     "once", "still", "just", "only", "he", "she", "it", "who", "him", "be", "but", "yet", "from", "s", "too",
     "first", "quite", "rather", "also", "over", "above", "below", "front", "what", "that", "which"}
)  # fmt: skip
"""Words of a closed class, from which nothing is derived: "notes" is no form of "not"."""
_DETERMINERS = frozenset(
    {"the", "a", "an", "his", "her", "their", "its", "this", "these", "those", "my", "your", "our",
     "one's", "person's", "speaker's", "subject's", "individual's", "man's", "woman's", "actor's", "actress's",
     "character's", "figure's", "performer's", "someone's", "talker's", "child's", "girl's", "boy's", "guy's"}
)  # fmt: skip
"""Words left out of phrases: they only tell that a new thing begins."""


def _forms(word: str) -> Iterable[str]:
    """Regular forms of a word, possible ones too: what no text holds does no harm."""
    stems = {word, word[:-1]} if word.endswith("e") else {word}
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        stems = {word, word[:-1] + "i"}
    elif len(word) > 2 and word[-1] not in _VOWELS + "wxy" and word[-2] in _VOWELS and word[-3] not in _VOWELS:
        stems = {word, word + word[-1]}
    endings = ("s", "es", "d", "ed", "ing", "r", "er", "est", "st", "ly", "y's", "'s")
    yield from (stem + ending for stem in stems for ending in endings if len(stem) > 1)
    if word.endswith("le"):
        yield word[:-1] + "y"


def is_determiner(word: str) -> bool:
    """Tell whether a word is an article, a possessive or a demonstrative."""
    return word in _DETERMINERS


@cache
def load_lexicon() -> Lexicon:
    """Return the lexicon that comes with the package."""
    text = files(__package__).joinpath("lexicon.yaml").read_text(encoding="utf-8")
    return Lexicon.model_validate(yaml.safe_load(text))
