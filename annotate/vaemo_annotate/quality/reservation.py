"""What keeps a wording from being a claim: it is but supposed, disputed, understated or said against another part."""

from __future__ import annotations

from collections.abc import Sequence

from vaemo_annotate.quality.claim_units import Unit
from vaemo_annotate.quality.clause import LISTING, Clause

_WHOLLY = frozenset(
    {"fully", "completely", "entirely", "quite", "totally", "wholly", "altogether", "all", "always", "exactly",
     "perfectly", "absolutely", "necessarily", "constantly", "just", "merely", "simply", "as", "so", "that"}
)  # fmt: skip
_BEGINNINGS = frozenset({"opening", "beginning", "start", "outset", "first", "earlier", "before", "initially"})
_PARTS = _BEGINNINGS | {"left", "right", "last", "end", "close", "previous", "previously", "ever"}
_WHOLES = frozenset({"other", "face", "voice", "speech", "camera"})
_CONCEDING = frozenset({"though", "although", "if", "albeit"})
_WAYS = frozenset({"between", "from"})
_LEVELS = frozenset({"high", "low", "loud", "soft", "fast", "slow", "deep"})
_OPPOSED = frozenset({("rise", "fall"), ("raise", "lower"), ("rise", "lower"), ("loud", "soft")})
_NEAR_UNITS = 4


def is_supposed(clause: Clause) -> bool:
    """Tell whether a clause but supposes what it says ("would smile", "if"), or its sentence disputes it."""
    if any(unit.is_("disputes") for unit in clause.units):
        return True
    told = range(clause.begin, clause.end)
    return any(
        clause.units[at].is_("unreal") and not clause.is_compared(at) and not _is_reached(clause, at) for at in told
    )


def _is_reached(clause: Clause, at: int) -> bool:
    """Tell whether "enough" is said of what came about: "open far enough to", not "not open far enough to"."""
    units = clause.units
    if units[at].word != "enough" or at + 1 >= len(units) or units[at + 1].word != "to":
        return False
    return not any(units[k].is_("negators") for k in range(clause.begin, at))


def is_reserved(clause: Clause, at: int) -> bool:
    """Tell whether what stands around a unit keeps it from being a claim."""
    return any(test(clause, at) for test in (is_understated, is_against_a_part, is_conceded, is_tangled, is_an_end))


def is_understated(clause: Clause, at: int) -> bool:
    """Tell whether a degree beside a unit leaves open on which side of the usual it lies: "only half open"."""
    units = clause.units
    before = range(max(clause.begin, at - 2), at)
    after = range(at + 1, min(len(units), at + 1 + _NEAR_UNITS))
    if any(units[k].is_("understates") and not _parted(units, k + 1, at) for k in before):
        return True
    return any(
        units[k].is_("understates")
        and all(clause.is_glue(between) or units[between].word in LISTING for between in range(at + 1, k))
        and not (k + 1 < len(units) and not units[k + 1].stop and (units[k + 1].mark.moves or units[k + 1].mark.topic))
        for k in after
    )


def _parted(units: Sequence[Unit], first: int, last: int) -> bool:
    return any(units[k].stop for k in range(first, last + 1))


def is_conceded(clause: Clause, at: int) -> bool:
    """Tell whether a unit stands in a concession ("though open, the eyes are narrow") or behind "too ... to"."""
    words = [unit.word for unit in clause.units[clause.begin : at]]
    if "too" in words and "to" in words[words.index("too") :]:
        return True
    opens = clause.units[clause.begin].word in _CONCEDING
    return opens and not any(unit.mark.topic or unit.is_("persons") for unit in clause.own)


def is_an_end(clause: Clause, at: int) -> bool:
    """Tell whether a unit is but an end of a way there and back: "between high and low", "climbs and falls"."""
    units, words = clause.units, [unit.word for unit in clause.units]
    if at > clause.begin and words[at - 1] in _WAYS:
        return bool({*units[at].mark.moves} & _LEVELS)
    if at > clause.begin + 2 and words[at - 3] in _WAYS and {*units[at - 2].mark.moves} & _LEVELS:
        return bool({*units[at].mark.moves} & _LEVELS)
    return any(
        words[min(at, other) + 1] == "and" and {(here, there), (there, here)} & _OPPOSED
        for other in (at - 2, at + 2)
        if clause.begin <= other < clause.end
        for here in units[at].mark.moves
        for there in units[other].mark.moves
    )


def is_tangled(clause: Clause, at: int) -> bool:
    """Tell whether two denials stand apart before a unit, or a comma that is no list's behind the last one."""
    units = clause.units
    found = [k for k in range(clause.begin, at) if units[k].is_("negators")]
    if not found:
        return False
    lists = any(unit.word in ("or", "nor", "neither") for unit in clause.own)
    if any(units[k].stop for k in range(found[-1] + 1, at + 1)):
        return not lists
    apart = len(found) > 1 and found[-1] - found[-2] > 2
    return apart and not lists and not any(units[k].stop for k in range(found[-2] + 1, found[-1] + 1))


def denies_but_degree(clause: Clause, negators: Sequence[int], at: int) -> bool:
    """Tell whether a denial leaves most of the thing denied: "not fully closed", "not always loud"."""
    return any(clause.units[k].word in _WHOLLY for negator in negators for k in range(negator + 1, at))


def is_against_a_part(clause: Clause, at: int) -> bool:
    """Tell whether a unit is compared with another moment or another thing, not with what is usual."""
    units = clause.units
    lead = next((k for k in range(clause.begin) if units[k].is_("comparisons")), None)
    if lead is not None and any(
        unit.word in _BEGINNINGS and not unit.mark.topic for unit in units[lead + 1 : clause.begin]
    ):
        return True
    start = next((k for k in range(at + 1, clause.end) if units[k].is_("comparisons")), None)
    if start is None or units[start].word == "as":
        return False
    told = units[start + 1 : max(clause.end, start + 1 + _NEAR_UNITS)]
    return not any("usual" in unit.mark.moves for unit in told) and any(_is_a_part(unit) for unit in told)


def _is_a_part(unit: Unit) -> bool:
    if unit.mark.moves:
        return False
    is_thing = unit.mark.topic is not None and unit.mark.topic not in _WHOLES
    return is_thing or unit.is_("part") or unit.is_("moment") or unit.word in _PARTS
