"""A clause of a sentence: what binds to what in it, what is denied, doubted, compared or said of a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from vaemo_annotate.quality.claim_units import Unit

_LOOSE_UNITS = 9
_ELSEWHERE = frozenset({"other"})
_LISTING = frozenset({"and", "or", "nor", "but", "yet"})
_AWAY = frozenset({"in", "of", "from", "to", "far", "between"})
_QUANTITIES = frozenset({"much", "few", "short", "wide", "narrow"})
_LINKS = frozenset({"in", "of"})
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
        after = range(last + 1, min(self.end, last + 4))
        return found + [at for at in after if self.units[at].is_("after_negators")][:1]

    def _is_doubled(self, found: list[int]) -> bool:
        """Tell whether two negators cancel out: they stand side by side ("not without")."""
        return len(found) > 1 and found[-1] - found[-2] <= 2 and self.units[found[-1]].word != "nor"

    def _reaches(self, at: int, first: int) -> bool:
        if at >= first:
            return True
        if self.units[at].word in ("no", "lack", "lacking", "absence") and self._names_another(at, first):
            return False
        lists = self.units[at].word in ("without", "neither", "nor")
        joins = [k for k in range(at + 1, first + 1) if self.units[k].word == "and"]
        return not joins or (lists and not any(self.units[k + 1].article for k in joins))

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
            if self._is_same_group(k + 1, at) if k < at else self._turned_by(k) is None:
                return True
        return False

    def _turned_by(self, at: int) -> int | None:
        """Return the movement or thing that follows a reverser, None where it stands behind its movement."""
        for k in range(at + 1, self.end):
            unit = self.units[k]
            if unit.word in _AWAY:
                return None
            if unit.mark.moves or unit.mark.topic or unit.mark.idiom:
                return k
            if not self._is_glue(k):
                return None
        return None

    def _is_same_group(self, first: int, last: int) -> bool:
        return all(self._is_glue(k) or self.units[k].mark.moves for k in range(first, last))

    def _is_glue(self, at: int) -> bool:
        unit = self.units[at]
        return any(unit.is_(role) for role in _LINKING_PARTS) or (unit.word.endswith("ly") and not unit.mark.topic)

    def near(self, at: int) -> list[int]:
        """Return the things that stand next to a unit."""
        beside = [k for k in (at - 1, at + 1) if self.begin <= k < self.end and not self.units[max(k, at)].stop]
        return [k for k in beside if self.units[k].mark.topic]

    def has_topic_before(self, at: int) -> bool:
        """Tell whether the sentence has named a thing already."""
        return any(unit.mark.topic for unit in self.units[:at])

    def belongs_elsewhere(self, at: int) -> bool:
        """Tell whether a unit is said of a thing that is neither face nor voice."""
        return at + 1 < self.end and self.units[at + 1].mark.topic in _ELSEWHERE and not self.units[at + 1].stop

    def topics_of(self, at: int, fits: Callable[[str], bool]) -> list[int] | None:
        """Return what a movement is said of: [] where it is of something else, None where there is nothing."""
        linked = self._linked(at)
        ahead = self._qualified(at)
        if ahead is not None:
            is_bound = self.units[at].article or not linked or self.units[ahead - 1].word in _LINKS
            is_taken = self._is_listing(at, ahead) and self._any_fits(linked, fits)
            if is_bound or (self._fits(ahead, fits) and not is_taken):
                return [ahead] if self._fits(ahead, fits) else []
        if self._any_fits(linked, fits):
            return [k for k in linked if self._fits(k, fits)]
        ahead = self._object(at)
        if ahead is not None and self._fits(ahead, fits):
            return [ahead]
        is_amount = all(move in _QUANTITIES for move in self.units[at].mark.moves)
        if linked or ahead is not None or is_amount or self._qualifies_unknown(at):
            return []
        loose = self._loose(at)
        if loose is None:
            return None
        return [loose] if self._fits(loose, fits) else []

    def _is_listing(self, first: int, last: int) -> bool:
        return any(unit.stop or unit.word in _LISTING for unit in self.units[first + 1 : last])

    def _any_fits(self, found: list[int], fits: Callable[[str], bool]) -> bool:
        return any(self._fits(k, fits) for k in found)

    def _fits(self, at: int, fits: Callable[[str], bool]) -> bool:
        return fits(self.units[at].mark.topic or "")

    def _qualified(self, at: int) -> int | None:
        """Return the thing that a movement stands before as an adjective: "soft, low voice", "low in pitch"."""
        linked = False
        for k in range(at + 1, min(at + 6, len(self.units))):
            unit = self.units[k]
            if unit.mark.topic:
                is_verbs = bool(unit.article) and not linked
                return None if unit.stop or is_verbs or self.units[k - 1].word in _LISTING else k
            linked = unit.word in _LINKS
            if unit.article and not linked:
                return None
            if not (unit.mark.moves or self._is_glue(k) or unit.word in _LISTING):
                return None
            if unit.stop == ";" or any(unit.is_(role) for role in ("copulas", "breaks")):
                return None
        return None

    def _object(self, at: int) -> int | None:
        """Return the thing that a verb acts on: "raises both of her brows"."""
        for k in range(at + 1, min(at + 5, self.end)):
            unit = self.units[k]
            if unit.stop or unit.word in _LISTING:
                return None
            if unit.mark.topic:
                return k
            if not (self._is_glue(k) or unit.mark.moves):
                return None
        return None

    def _linked(self, at: int) -> list[int]:
        """Return the things before a movement with but linking words between, several where they are listed."""
        found: list[int] = []
        is_list = False
        for k in range(at - 1, -1, -1):
            unit = self.units[k]
            if unit.mark.topic:
                found.append(k)
            elif found and not (unit.word in _LISTING or unit.word == "neither"):
                break
            elif found:
                is_list = True
            elif not (self._is_glue(k) or unit.mark.moves or unit.word in _LISTING or unit.word == "then"):
                break
            if unit.mark.topic and not (self._is_listed(k) and (is_list or self.units[k - 1].word in _LISTING)):
                break
        return found

    def _is_listed(self, at: int) -> bool:
        return self.units[at].stop == "," or (at > 0 and self.units[at - 1].word in _LISTING)

    def _qualifies_unknown(self, at: int) -> bool:
        """Tell whether a movement is an adjective of a word that the lexicon does not know."""
        if at + 1 >= len(self.units) or self.units[at + 1].stop:
            return False
        after = self.units[at + 1].mark
        is_known = bool(after.roles or after.moves or after.idiom or after.topic)
        return not is_known and self.units[at + 1].word not in _LISTING

    def _loose(self, at: int) -> int | None:
        return next((k for k in range(at - 1, max(-1, at - _LOOSE_UNITS), -1) if self.units[k].mark.topic), None)


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
    begins_thing = bool(unit.article or unit.mark.topic or unit.is_("persons"))
    if unit.stop == ",":
        goes_on = bool(unit.mark.moves or unit.mark.idiom or unit.word in ("or", "nor"))
        return begins_thing or unit.word == "and" or not goes_on
    after_and = units[at - 1].word == "and" and units[at - 1].mark.topic is None
    return after_and and bool(unit.article or unit.is_("persons") or unit.is_("part"))
