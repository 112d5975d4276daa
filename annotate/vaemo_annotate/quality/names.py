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
from vaemo_annotate.quality.wheel import is_emotion_word

_CAPITALISED = re.compile(r"[^\W\d_a-z][a-zß-ÿ]+(?:[A-Z][a-z]+)?(?:['’]s)?\Z|O['’][A-Z][a-z]+(?:['’]s)?\Z")
_ABBREVIATED = frozenset(["Mr", "Mrs", "Ms", "Dr", "Prof"])
_INTRODUCED = frozenset(["named", "called"])
_KNOWN = frozenset(
    ["known", "identified", "identifies", "identify", "lists", "names", "credits", "labels", "introduced", "addresses",
     "introduces", "addressed", "recognised", "recognized"]
)  # fmt: skip
_ARTICLES = frozenset(["a", "an", "the", "some", "any", "no", "his", "her", "their"])
_SEEMS_TOO = frozenset(
    ["seems", "appears", "sounds", "looks", "looked", "is", "was", "has", "had", "can", "cannot", "will", "would",
     "does", "did", "lets", "gives", "shows", "makes", "comes", "came", "goes", "went", "knows", "takes", "draws",
     "felt", "feels"]
)  # fmt: skip
_TOWARDS = frozenset(["to", "at", "with", "towards", "toward", "for", "by", "of"])
_PERSONS = frozenset(
    [
        "speaker",
        "man",
        "woman",
        "person",
        "individual",
        "participant",
        "boy",
        "girl",
        "actor",
        "actress",
        "friend",
        "colleague",
        "sister",
        "brother",
        "wife",
        "husband",
        "mother",
        "father",
        "daughter",
        "son",
    ]
)
_MONTHS = frozenset(["april", "may", "june", "august"])
_SENSING = frozenset(["senses", "sense", "think", "thinks", "feels", "notices", "sees", "suspects", "seems", "clear"])
_SEEING = frozenset(["see", "sees", "seeing"])
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
    set_phrases: frozenset[str]
    common_owners: frozenset[str]
    things: frozenset[str]
    of_body: frozenset[str]
    toward_verbs: frozenset[str]
    before_agents: frozenset[str]

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
        if self._is_set_phrase(tokens, index) or self._is_part_of_word(tokens, index):
            return None
        name = raw.removesuffix("'s").removesuffix("’s")
        if name in self.honorifics and index + 1 < len(tokens) and self._is_title_of(tokens, index):
            return "a title before a capital letter"
        if name in self.exceptions - self.words_too:
            return None
        if name in self.given or name in self.words_too:
            return self._why_listed(tokens, index, name, raw)
        is_double = _gap(tokens, index) == "-" and self._goes_on(tokens, index + 1)
        is_word = is_known(tokens.bases[index]) or is_emotion_word(tokens.bases[index])
        if len(name) < 3 or (is_word and not is_double):
            return None
        if tokens.starts_sentence(index) and tokens.bases[index] in self.common_owners:
            return None
        return "a capitalised unknown word used as a name" if self._is_person(tokens, index, raw) else None

    def _why_listed(self, tokens: Tokens, index: int, name: str, raw: str) -> str | None:
        if self._is_person(tokens, index, raw, given=True):
            return "a given name used as one"
        if name in self.words_too or tokens.starts_sentence(index):
            return None
        before, after = _word(tokens, index - 1), _word(tokens, index + 1)
        is_of_thing = (
            before in _ARTICLES
            or after in self.things
            or (before == "of" and _is_capital(tokens, index + 1))
            or (before in ("by", "from", "of") and _word(tokens, index - 2) in self.things)
        )
        return None if is_of_thing else "a given name in mid-sentence"

    def _is_person(self, tokens: Tokens, index: int, raw: str, *, given: bool = False) -> bool:
        """Whether a word with a capital letter acts, owns a face or a voice, is introduced or addressed."""
        before, after = _word(tokens, index - 1), _word(tokens, index + 1)
        if raw.endswith(("'s", "’s")):
            return before not in _ARTICLES and bool(self.of_body & {after, _word(tokens, index + 2)})
        if self._is_told_name(tokens, index):
            return True
        if before in _INTRODUCED or (before == "as" and not _KNOWN.isdisjoint(tokens.words[max(index - 5, 0) : index])):
            return not given or after not in self.things
        if before in _ARTICLES or self._is_month(tokens, index):
            return False
        stop = index + 1
        while stop < len(tokens) and self._goes_on(tokens, stop):
            stop += 1
        mark = _gap(tokens, stop - 1).strip()
        verb = _word(tokens, stop) if mark in ("", ".") or _word(tokens, stop) == "who" else ""
        adverb = verb.endswith("ly") or verb in ("then", "also", "only", "still", "now", "just", "never", "who")
        verb = _word(tokens, stop + 1) if adverb else verb
        starts = tokens.starts_sentence(index)
        feeling = tokens.raw(index) in self.feelings_too
        if not feeling and before in _TOWARDS and _word(tokens, index - 2) in self.toward_verbs | self.of_body:
            return True
        if starts and raw in self.given - self.feelings_too and (mark == "," or verb in _SEEMS_TOO):
            return True
        if before == "is" and _word(tokens, index - 2) == "it" and _word(tokens, stop) == "who":
            return True
        if verb in self.agent_verbs and not (starts and (verb in _SEEMS_TOO or feeling)):
            return (
                verb not in _SEEMS_TOO or before in self.before_agents or _gap(tokens, index - 1).strip() != "" or given
            )
        if starts or feeling:
            return False
        is_shown = before == "is" and _word(tokens, index - 2) in ("this", "it", "that", "who")
        if (
            before in self.toward_verbs | _SEEING
            or is_shown
            or (before in ("sits", "stands") and not mark.startswith("-"))
        ):
            return True
        if before == "for" and mark == ",":
            return True
        return (
            before in _PERSONS and _gap(tokens, index - 1).strip() in (",", "(", "", "-") and after not in self.things
        )

    def _is_told_name(self, tokens: Tokens, index: int) -> bool:
        """Whether a word is said to be a name ("whose name is Ottoline") or to feel ("one senses that Ottoline")."""
        before = tokens.words[max(index - 3, 0) : index]
        if before[-1:] and before[-1] in ("is", "was", "being", "of") and "name" in before:
            return True
        return before[-1:] == ("that",) and bool(_SENSING & {*before}) and _word(tokens, index + 1) not in self.things

    def _is_month(self, tokens: Tokens, index: int) -> bool:
        return tokens.bases[index] in _MONTHS and _word(tokens, index - 1) in _BEFORE_MONTH

    def _is_set_phrase(self, tokens: Tokens, index: int) -> bool:
        """Whether a word begins, or ends, an expression such as "Crow's feet"."""
        bases = tokens.bases
        pairs = (pair for pair in ((index, index + 1), (index - 1, index)) if pair[0] >= 0 and pair[1] < len(bases))
        return any((bases[first], bases[second]) in _set_phrases(self.set_phrases) for first, second in pairs)

    def _is_part_of_word(self, tokens: Tokens, index: int) -> bool:
        """Whether a name that is a word too is joined to a small letter by a hyphen: "Jack-in-the-box"."""
        end = tokens.spans[index][1]
        joined = tokens.text[end : end + 1] == "-" and tokens.text[end + 1 : end + 2].islower()
        return (
            joined
            and is_known(tokens.bases[index + 1])
            and (tokens.raw(index) in self.words_too or not tokens.starts_sentence(index))
        )

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

    def _goes_on(self, tokens: Tokens, index: int) -> bool:
        raw = tokens.raw(index)
        gap = tokens.text[tokens.spans[index - 1][1] : tokens.spans[index][0]]
        if gap == "-" and raw.islower():
            return not is_known(tokens.bases[index])
        return gap in (" ", ". ", "-") and bool(_CAPITALISED.match(raw)) and not is_known(tokens.bases[index])


def _word(tokens: Tokens, index: int) -> str:
    return tokens.words[index] if 0 <= index < len(tokens) else ""


def _gap(tokens: Tokens, index: int) -> str:
    if index < 0 or index + 1 >= len(tokens):
        return "."
    return tokens.text[tokens.spans[index][1] : tokens.spans[index + 1][0]]


def _is_capital(tokens: Tokens, index: int) -> bool:
    return index < len(tokens) and bool(_CAPITALISED.match(tokens.raw(index)))


@cache
def _set_phrases(written: frozenset[str]) -> frozenset[tuple[str, str]]:
    split = (phrase.split(":") for phrase in written)
    return frozenset((first, second) for first, others in split for second in others.split("|"))


@cache
def name_book() -> NameBook:
    """Return the names that come with the package."""
    text = files(__package__).joinpath("names.yaml").read_text(encoding="utf-8")
    parts: dict[str, str] = yaml.safe_load(text)
    return NameBook(**{name: frozenset(words.split()) for name, words in parts.items()})
