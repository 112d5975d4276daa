"""A clause of a sentence: what binds to what in it, what is denied, doubted, compared or said of a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from vaemo_annotate.quality.claim_units import Unit

_ELSEWHERE = ("other",)
LISTING = frozenset({"and", "or", "nor", "but", "yet"})
"""Words that go on with a list."""

_VERB_NEGATORS = frozenset({"not", "never", "nowhere", "cannot"})
_WEAK_NEGATORS = frozenset({"hardly", "barely", "scarcely", "fail", "fails", "failed", "refuses"})
_RANGES = frozenset({"wide_range", "narrow_range"})
_AWAY = frozenset({"in", "of", "from", "to", "far", "between"})
_LINKING_PARTS = ("copulas", "adverbs", "negators", "hedges", "slight", "marked", "reversers", "moment", "part")


@dataclass(frozen=True)
class Clause:
    """The units [begin, end) of a sentence. `lead` and `trail`, beside it, hold adverbials only ("at first,")."""

    units: list[Unit]
    begin: int
    end: int
    lead: tuple[int, int] | None
    trail: tuple[int, int] | None = None

    @cached_property
    def own(self) -> list[Unit]:
        """The units of the clause."""
        return self.units[self.begin : self.end]

    @cached_property
    def led(self) -> list[Unit]:
        """The units of the clause and of the adverbials before it."""
        return [*self._at(self.lead), *self.own, *self._at(self.trail)]

    def _at(self, stretch: tuple[int, int] | None) -> list[Unit]:
        return [] if stretch is None else self.units[stretch[0] : stretch[1]]

    @cached_property
    def has_words(self) -> bool:
        """Tell whether anything is said."""
        return any(unit.mark.topic or unit.mark.moves or unit.mark.idiom or not unit.mark.roles for unit in self.own)

    @cached_property
    def is_void(self) -> bool:
        """Tell whether the clause says that something could not be seen or heard, or is about somebody else."""
        return any(unit.is_("void") or unit.is_("strangers") for unit in self.own)

    @cached_property
    def is_hedged(self) -> bool:
        """Tell whether the clause is said with doubt."""
        return any(unit.is_("hedges") for unit in self.led)

    @cached_property
    def extent(self) -> Literal["clip", "part", "moment"]:
        """How much of the clip the clause is about."""
        if any(unit.is_("moment") for unit in self.led):
            return "moment"
        return "part" if any(unit.is_("part") for unit in self.led) else "clip"

    @cached_property
    def speaks(self) -> bool:
        """Tell whether somebody talks in the sentence: talking moves a mouth."""
        return any(unit.is_("speaking") for unit in self.units)

    @cached_property
    def _compared_from(self) -> int:
        return next((at for at in range(self.begin, self.end) if self.units[at].is_("comparisons")), self.end)

    def is_compared(self, at: int) -> bool:
        """Tell whether a unit belongs to what something is compared with."""
        return at >= self._compared_from

    def is_marked(self, at: int) -> bool:
        """Tell whether a degree stands before a unit that makes it strong."""
        before = self.units[max(self.begin, at - 2) : at]
        return any(unit.is_("marked") and not unit.mark.moves for unit in before)

    def negators(self, first: int, last: int) -> list[int]:
        """Return the negators that hold for what is said between two units."""
        found = [at for at in range(self.begin, last) if self.units[at].is_("negators") and self._reaches(at, first)]
        if any(self.units[at].word == "neither" for at in found):
            found = [at for at in found if self.units[at].word == "neither"]
        elif found:
            found = found[-2:] if self._is_doubled(found) else found[-1:]
        return found + self._denied_after(last)

    def _denied_after(self, last: int) -> list[int]:
        """Return what denies a thing behind it: "the smile is missing", "a smile does not appear"."""
        first = last + 1
        while first < self.end and self.units[first].mark.topic and not self.units[first].stop:
            first += 1  # "a breathy voice is not heard"
        for at in range(first, self.end):
            unit = self.units[at]
            if unit.is_("after_negators"):
                return [at]
            is_weak = unit.word in _WEAK_NEGATORS and self._appears(at)
            if is_weak or (self._is_verbs(at) and (at + 1 == self.end or self._appears(at))):
                return [at]
            if unit.word in LISTING or (unit.mark.topic and unit.mark.topic not in _ELSEWHERE) or unit.mark.idiom:
                break
        return []

    def _is_verbs(self, at: int) -> bool:
        """Tell whether a negator denies a verb, not a noun."""
        unit = self.units[at]
        return unit.is_("negators") and (unit.word in _VERB_NEGATORS or unit.word.endswith("n't"))

    def _appears(self, at: int) -> bool:
        return any(unit.is_("appearing") for unit in self.units[at + 1 : min(self.end, at + 4)])

    def _is_doubled(self, found: list[int]) -> bool:
        """Tell whether two negators cancel out: they stand side by side ("not without")."""
        return len(found) > 1 and found[-1] - found[-2] <= 2 and self.units[found[-1]].word != "nor"

    def _reaches(self, at: int, first: int) -> bool:
        if at >= first:
            return True
        if self.units[at].word in ("no", "lack", "lacking", "absence") and self._names_another(at, first):
            return False
        lists = self.units[at].word in ("without", "neither", "nor")
        joins = (k for k in range(at + 1, first + 1) if self.units[k].word == "and")
        return all(lists and not self.units[k + 1].article for k in joins)

    def _names_another(self, at: int, first: int) -> bool:
        """Tell whether another thing stands between a "no" and what follows, unless in a list ("no smile or frown")."""
        things = [k for k in range(at + 1, first) if self.units[k].mark.topic]
        return any(self.units[k + 1].word not in ("or", "nor") and not self.units[k + 1].stop for k in things)

    def is_reversed(self, at: int) -> bool:
        """Tell whether "less" turns a unit round: before it, or after it where nothing else follows."""
        for k in range(max(self.begin, at - 3), min(self.end, at + 7)):
            unit = self.units[k]
            if k == at or not unit.is_("reversers") or unit.article in ("a", "an"):
                continue
            parted = any(self.units[m].stop for m in range(min(k, at) + 1, max(k, at) + 1))
            if parted or any(self.units[m].word in LISTING for m in range(at + 1, k)):
                continue
            if self._is_same_group(k + 1, at) if k < at else self._turned_by(k) is None:
                return True
        return False

    def _turned_by(self, at: int) -> int | None:
        """Return the movement or thing that follows a reverser, None where it stands behind its movement."""
        for k in range(at + 1, self.end):
            unit = self.units[k]
            if unit.word in _AWAY or unit.is_("comparisons"):
                return None
            if unit.mark.moves or unit.mark.topic or unit.mark.idiom:
                return k
            if not self.is_glue(k):
                return None
        return None

    def _is_same_group(self, first: int, last: int) -> bool:
        return all(self.is_glue(k) or self.units[k].mark.moves for k in range(first, last))

    def is_glue(self, at: int) -> bool:
        """Tell whether a unit but links what stands around it: verbs like "be", adverbs, degrees, times."""
        unit = self.units[at]
        return any(unit.is_(role) for role in _LINKING_PARTS) or (unit.word.endswith("ly") and not unit.mark.topic)

    def near(self, at: int) -> list[int]:
        """Return the things that stand next to a unit."""
        beside = (k for k in (at - 1, at + 1) if self.begin <= k < self.end and not self.units[max(k, at)].stop)
        return [k for k in beside if self.units[k].mark.topic]

    def has_topic_before(self, at: int) -> bool:
        """Tell whether the sentence has named a thing already."""
        return any(unit.mark.topic for unit in self.units[:at])

    def has_person_before(self, at: int) -> bool:
        """Tell whether somebody is named before a unit in the clause."""
        return any(unit.is_("persons") for unit in self.units[self.begin : at])

    def moves_of(self, at: int) -> tuple[str, ...]:
        """Return the movements that a unit can be here.

        What is above or below the usual is high or low, "the level" is a noun, "pressed together" one movement, and
        "moves within a narrow range" tells the range.
        """
        moves = self.units[at].mark.moves
        if self.units[at].word == "level" and self.units[at].article in ("the", "this"):
            return ()
        if "together" in moves and any("press" in unit.mark.moves for unit in self.units[max(self.begin, at - 3) : at]):
            return ()
        if "change" in moves and any(_RANGES & {*unit.mark.moves} for unit in self.units[at + 1 : self.end]):
            return ()
        if "usual" not in moves:
            return moves
        for k in range(at - 1, max(self.begin - 1, at - 4), -1):
            if self.units[k].is_("above"):
                return ("high",)
            if self.units[k].is_("below"):
                return ("low",)
            if self.units[k].mark.moves or self.units[k].mark.topic:
                break
        return moves

    def belongs_elsewhere(self, at: int) -> bool:
        """Tell whether a unit is said of a thing that is neither face nor voice."""
        return at + 1 < self.end and self.units[at + 1].mark.topic in _ELSEWHERE and not self.units[at + 1].stop


def is_blank(unit: Unit) -> bool:
    """Tell whether the lexicon knows nothing of a unit."""
    return not (unit.mark.topic or unit.mark.moves or unit.mark.idiom or unit.mark.roles - {"sources"})


def clauses(units: list[Unit]) -> list[Clause]:
    """Return the clauses of a sentence in order."""
    found: list[Clause] = []
    lead: tuple[int, int] | None = None
    for begin, end in _stretches(units):
        part = Clause(units, begin, end, lead)
        is_adverbial = not any(unit.mark.topic or unit.mark.moves or unit.mark.idiom for unit in part.own)
        lead = (begin if lead is None else lead[0], end) if is_adverbial else None
        if is_adverbial and found and found[-1].trail is None and found[-1].end == begin:
            found[-1] = Clause(units, found[-1].begin, found[-1].end, found[-1].lead, (begin, end))
        found.append(part)
    return found


def _stretches(units: list[Unit]) -> Iterator[tuple[int, int]]:
    begin = 0
    for at in range(1, len(units)):
        if _begins_clause(units, at):
            yield begin, at
            begin = at
    if units:
        yield begin, len(units)


def _begins_clause(units: list[Unit], at: int) -> bool:
    unit = units[at]
    if unit.stop == ";" or (unit.is_("breaks") and not unit.is_("adverbs")):
        return True
    begins_person = bool(unit.article or unit.is_("persons"))
    if unit.stop == ",":
        goes_on = bool(unit.mark.moves or unit.mark.idiom or unit.word in ("or", "nor"))
        return begins_person or unit.mark.topic is not None or unit.word == "and" or not goes_on
    denies = unit.word == "no" and any(ahead.mark.topic for ahead in units[at + 1 : at + 3])
    return units[at - 1].word == "and" and bool(begins_person or denies or unit.word == "there" or unit.is_("part"))
