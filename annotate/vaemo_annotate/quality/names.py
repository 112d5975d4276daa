"""Names of people in texts: listed given names, titles with a name, words with a capital where none belongs."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from vaemo_annotate.quality.language import is_known
from vaemo_annotate.quality.tokens import Tokens

_CAPITALISED = re.compile(r"[^\W\d_a-z][a-zß-ÿ]+(?:[A-Z][a-z]+)?(?:['’]s)?\Z|O['’][A-Z][a-z]+(?:['’]s)?\Z")
_ABBREVIATED = frozenset(["Mr", "Mrs", "Ms", "Dr", "Prof"])
_INTRODUCED = frozenset(["named", "called"])
_MONTHS = frozenset(["april", "may", "june", "august"])
_BEFORE_MONTH = frozenset(["in", "of", "since", "by", "last", "next", "until", "early", "late", "mid"])


@dataclass(frozen=True, slots=True)
class NameBook:
    """The lists of `names.yaml`; its comments say how each counts."""

    given: frozenset[str]
    words_too: frozenset[str]
    feelings_too: frozenset[str]
    agent_verbs: frozenset[str]
    honorifics: frozenset[str]
    exceptions: frozenset[str]

    def find(self, tokens: Tokens, elsewhere: Container[int]) -> Iterator[tuple[int, int, str]]:
        """Yield the words [first, stop) of each name and why it is one; words in `elsewhere` are none."""
        stop = 0
        for index, (begin, _) in enumerate(tokens.spans):
            if index < stop or tokens.text[begin].islower() or index in elsewhere:
                continue
            why = self._why(tokens, index)
            if why:
                stop = index + 1
                while stop < len(tokens) and self._goes_on(tokens, stop) and stop not in elsewhere:
                    stop += 1
                yield index, stop, why

    def _why(self, tokens: Tokens, index: int) -> str | None:
        raw = tokens.raw(index)
        if not _CAPITALISED.match(raw):
            return None
        name = raw.removesuffix("'s").removesuffix("’s")
        if name in self.honorifics and index + 1 < len(tokens) and self._is_title_of(tokens, index):
            return "a title before a capital letter"
        if name in self.words_too:
            return "a given name by its place" if self._acts(tokens, index, name, raw) else None
        if name in self.given:
            return "a given name"
        if name in self.exceptions or len(name) < 3 or is_known(tokens.bases[index]):
            return None
        if not tokens.starts_sentence(index):
            return "a capital letter in mid-sentence"
        return "a capitalised unknown word that acts" if self._is_agent(tokens, index, raw) else None

    def _is_title_of(self, tokens: Tokens, index: int) -> bool:
        begin, end = tokens.spans[index][1], tokens.spans[index + 1][0]
        following = tokens.raw(index + 1)
        if tokens.raw(index) in _ABBREVIATED:
            return bool(_CAPITALISED.match(following))
        return (
            tokens.text[begin:end] in (" ", ". ")
            and bool(_CAPITALISED.match(following))
            and (not is_known(tokens.bases[index + 1]) or following in self.words_too)
        )

    def _acts(self, tokens: Tokens, index: int, name: str, raw: str) -> bool:
        """Whether a name that is a word too is a name here."""
        if index and tokens.words[index - 1] in _INTRODUCED:
            return True
        at_start = tokens.starts_sentence(index)
        if name in self.feelings_too:
            return not at_start and self._verb_follows(tokens, index)
        if name.lower() in _MONTHS and index and tokens.words[index - 1] in _BEFORE_MONTH:
            return False
        return not at_start or self._is_agent(tokens, index, raw) or self._verb_follows(tokens, index)

    def _is_agent(self, tokens: Tokens, index: int, raw: str) -> bool:
        verbs = self.agent_verbs - {"seems", "appears", "sounds", "looks", "looked"}
        follows = index + 1 < len(tokens) and tokens.words[index + 1] in verbs
        return follows or raw.endswith(("'s", "’s"))

    def _verb_follows(self, tokens: Tokens, index: int) -> bool:
        return index + 1 < len(tokens) and tokens.words[index + 1] in self.agent_verbs

    def _goes_on(self, tokens: Tokens, index: int) -> bool:
        raw = tokens.raw(index)
        gap = tokens.text[tokens.spans[index - 1][1] : tokens.spans[index][0]]
        return gap in (" ", ". ", "-") and bool(_CAPITALISED.match(raw)) and not is_known(tokens.bases[index])


@cache
def name_book() -> NameBook:
    """Return the names that come with the package."""
    text = files(__package__).joinpath("names.yaml").read_text(encoding="utf-8")
    parts: dict[str, str] = yaml.safe_load(text)
    return NameBook(**{name: frozenset(words.split()) for name, words in parts.items()})
