"""What a movement is said of: the thing that stands with it in its sentence, by syntax where that tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vaemo_annotate.quality.claim_units import Unit
from vaemo_annotate.quality.clause import LISTING, Clause, is_blank

_LOOSE_UNITS = 9
_QUANTITIES = frozenset({"much", "few", "short", "wide", "narrow"})
_LINKS = frozenset({"in", "of"})
_POINTING = frozenset({"it", "they"})
_PREPOSITIONS = frozenset(
    {"in", "of", "on", "at", "to", "toward", "towards", "into", "onto", "from", "over", "with", "within", "by", "for",
     "between", "through", "across", "along", "around", "about", "above", "below", "under", "behind", "beside", "near",
     "against", "during", "throughout", "like", "as", "without", "after", "before", "whole"}
)  # fmt: skip

Fits = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Binding:
    """A movement at `at` in a clause; `fits` tells with which topics it makes a claim."""

    clause: Clause
    at: int
    fits: Fits

    def topics(self) -> list[int] | None:
        """Return what the movement is said of: [] where it is of something else, None where there is nothing."""
        linked, units = self._linked(), self.clause.units
        ahead = self._qualified()
        if ahead is not None:
            is_linked = units[ahead - 1].word in _LINKS
            is_bound = bool(units[self.at].article) or not linked or is_linked
            is_taken = self._any_fits(linked) and (self._is_listing(ahead) or (is_linked and self._is_setting(ahead)))
            if (is_bound and not (is_linked and is_taken)) or (self._fits(ahead) and not is_taken):
                return [ahead] if self._fits(ahead) else []
        if self._any_fits(linked):
            return [k for k in linked if self._fits(k)]
        ahead = self._object()
        if ahead is not None and self._fits(ahead):
            return [ahead]
        is_amount = all(move in _QUANTITIES for move in units[self.at].mark.moves)
        if linked or ahead is not None or is_amount or self._qualifies_unknown():
            return []
        return self._loose()

    def following(self) -> int | None:
        """Return the first thing after the movement in the sentence, where it fits: "far from still, the head"."""
        units = self.clause.units
        for k in range(self.at + 1, len(units)):
            if units[k].mark.topic:
                return k if self._fits(k) else None
            if k >= self.clause.end and units[k].word in LISTING:
                return None
        return None

    def _is_setting(self, ahead: int) -> bool:
        """Tell whether the thing behind an "in" is but where something stands: "pulled down in a frown"."""
        return not self._fits(ahead) and self.clause.units[ahead].mark.topic != "other"

    def _is_listing(self, last: int) -> bool:
        return any(unit.stop or unit.word in LISTING for unit in self.clause.units[self.at + 1 : last])

    def _any_fits(self, found: Iterable[int]) -> bool:
        return any(self._fits(k) for k in found)

    def _fits(self, at: int) -> bool:
        return self.fits(self.clause.units[at].mark.topic or "")

    def _qualified(self) -> int | None:
        """Return the thing that a movement stands before as an adjective: "soft, low voice", "low in pitch"."""
        units, linked = self.clause.units, False
        for k in range(self.at + 1, min(self.at + 6, len(units))):
            unit = units[k]
            if unit.mark.topic:
                is_verbs = bool(unit.article) and not linked
                return None if unit.stop or is_verbs or units[k - 1].word in LISTING else k
            linked = unit.word in _LINKS
            if unit.word == "that":
                return None
            if unit.article and not linked:
                return None
            if not (unit.mark.moves or self.clause.is_glue(k) or unit.word in LISTING):
                return None
            if unit.stop == "," and not (unit.word in LISTING or (unit.mark.moves and self._is_attributive())):
                return None
            if unit.stop == ";" or any(unit.is_(role) for role in ("copulas", "breaks")):
                return None
        return None

    def _is_attributive(self) -> bool:
        """Tell whether the movement can begin a list of adjectives: "a soft, low voice"."""
        before = self.clause.units[self.at - 1] if self.at > self.clause.begin else None
        if before is None or self.clause.units[self.at].article:
            return True
        return bool(before.mark.moves or before.is_("slight") or before.is_("marked")) and not before.mark.topic

    def _object(self) -> int | None:
        """Return the thing that a verb acts on: "raises both of her brows"."""
        units = self.clause.units
        for k in range(self.at + 1, min(self.at + 5, self.clause.end)):
            unit = units[k]
            if unit.stop or unit.word in LISTING:
                return None
            if unit.mark.topic:
                return k
            if not (self.clause.is_glue(k) or unit.mark.moves):
                return None
        return None

    def _linked(self) -> list[int]:
        """Return the things before a movement with but linking words between, several where they are listed."""
        found: list[int] = []
        is_list = False
        units = self.clause.units
        for k in range(self.at - 1, -1, -1):
            unit = units[k]
            if units[k + 1].stop == ";" or (unit.word == "that" and not (k and units[k - 1].mark.topic)):
                break
            if unit.mark.topic:
                if found and self._has_own_verb(k):
                    break
                found.append(k)
            elif found and not (unit.word in LISTING or unit.word == "neither"):
                break
            elif found:
                is_list = True
            elif not self._links(k):
                break
            if unit.mark.topic and not (self._is_listed(k) and (is_list or units[k - 1].word in LISTING)):
                break
        return found

    def _links(self, k: int) -> bool:
        unit = self.clause.units[k]
        is_participle = unit.word.endswith("ed") and not unit.article and is_blank(unit)
        return bool(
            (self.clause.is_glue(k) and not is_subject(self.clause.units, k))
            or unit.mark.moves or unit.word in LISTING or unit.word == "then" or is_participle
        )  # fmt: skip

    def _has_own_verb(self, at: int) -> bool:
        """Tell whether a listed thing is what somebody else's verb acts on: "he hangs his head, and the brows rise"."""
        units = self.clause.units
        for k in range(at - 1, -1, -1):
            unit = units[k]
            if units[k + 1].stop or unit.word in LISTING or unit.is_("breaks") or unit.word == "that":
                return False
            if unit.mark.topic or (not unit.is_("adverbs") and unit.word not in ("neither", "both")):
                return True
        return False

    def _is_listed(self, at: int) -> bool:
        units = self.clause.units
        return units[at].stop == "," or (at > 0 and units[at - 1].word in LISTING)

    def _qualifies_unknown(self) -> bool:
        """Tell whether a movement is an adjective of a word that the lexicon does not know."""
        units = self.clause.units
        if self.at + 1 >= len(units) or units[self.at + 1].stop:
            return False
        return is_blank(units[self.at + 1]) and units[self.at + 1].word not in LISTING

    def _loose(self) -> list[int] | None:
        """Return the nearest thing before, unless an unknown subject has come between; None where there is none."""
        units = self.clause.units
        for k in range(self.at - 1, max(-1, self.at - _LOOSE_UNITS), -1):
            if units[k + 1].stop == ";":
                return []
            if units[k].mark.topic:
                return [k] if self._fits(k) else []
            if k >= self.clause.begin and units[k].is_("persons") and units[k].word not in _POINTING:
                return None
            if is_subject(units, k):
                return []
        return None


def has_unknown_subject(clause: Clause, at: int) -> bool:
    """Tell whether a movement has a subject of its own that the lexicon does not know: "the display fades"."""
    return any(is_subject(clause.units, k) for k in range(clause.begin, at))


def is_subject(units: list[Unit], at: int) -> bool:
    """Tell whether a unit may be the subject of a clause that is about neither face nor voice."""
    unit = units[at]
    is_verb_as_noun = bool(unit.article) and unit.mark.roles == {"copulas"}  # "the sound"
    if not (is_blank(unit) or is_verb_as_noun) or unit.word.endswith("ly"):
        return False
    is_noun = bool(unit.article) or (unit.word.endswith("s") and (at == 0 or bool(unit.stop)))
    return is_noun and (at == 0 or bool(unit.stop) or units[at - 1].word not in _PREPOSITIONS)
