"""What a text claims about a face and a voice: clause by clause, things bound to what they are said to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from vaemo_annotate.quality.binding import Binding, has_unknown_subject
from vaemo_annotate.quality.claim_units import Unit, sentences
from vaemo_annotate.quality.clause import Clause, clauses, is_blank
from vaemo_annotate.quality.lexicon import Assertion, Direction, Modality, load_lexicon
from vaemo_annotate.quality.reservation import denies_but_degree, is_reserved, is_supposed

Extent = Literal["clip", "part", "moment"]

_REVERSED: dict[Direction, Direction] = {
    "up": "down", "down": "up", "present": "down", "absent": "up", "usual": "usual",
}  # fmt: skip
_DENIED: dict[Direction, Direction] = {"present": "absent", "absent": "present"}
_BE = frozenset({"is", "are", "was", "were", "be", "kept", "held", "has", "have"})
_BACK = frozenset({"it", "they", "which", "both"})
_SPEECH_MOVES = frozenset({"mouth_opening", "mouth_motion"})


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a description says of a face or a voice.

    `direction` up and down are against what is usual; a sign is present or absent. `is_negated`: the text denies
    just this direction ("not raised"), and says nothing of the other. `span` is [begin, end) in the description and
    `quote` the text there. `extent` tells whether it is said of the clip, a part of it or a moment, and `is_marked`
    whether a strong state is claimed ("shouts").
    """

    aspect: str
    direction: Direction
    modality: Modality
    column: str
    span: tuple[int, int]
    quote: str
    hedged: bool = False
    is_negated: bool = False
    is_marked: bool = False
    extent: Extent = "clip"


@dataclass(frozen=True, slots=True)
class Reading:
    """The claims of one text and how many clauses it has, with and without one."""

    claims: tuple[Claim, ...]
    num_clauses: int
    num_telling: int


def claims(text: str, column: str) -> list[Claim]:
    """Return the claims of a description in the order of the text."""
    return list(read(text, column).claims)


@lru_cache(maxsize=4096)
def read(text: str, column: str) -> Reading:
    """Return the claims of a description with the number of its clauses."""
    found: list[Claim] = []
    num_clauses = num_telling = 0
    carried: str | None = "voice" if column == "acoustic_description" else None
    for units in sentences(text):
        parts = clauses(units)
        for part in parts:
            own = list(_merged(_in_clause(part, text, column, carried)))
            num_clauses += part.has_words
            num_telling += bool(own)
            found += own
        carried = _last_topic(units) or carried
    return Reading(tuple(found), num_clauses, num_telling)


def _last_topic(units: list[Unit]) -> str | None:
    topics = [unit.mark.topic for unit in units if unit.mark.topic not in (None, "other", "camera")]
    return topics[0] if topics else None


def _in_clause(clause: Clause, text: str, column: str, carried: str | None) -> Iterator[Claim]:
    marks, mentions = [unit.mark for unit in clause.own], load_lexicon().mentions
    saying = [at for at, mark in enumerate(marks, clause.begin) if mark.idiom is not None or mark.moves]
    events = [
        (at, mentions[mark.topic])
        for at, mark in enumerate(marks, clause.begin)
        if mark.topic and mark.topic in mentions
    ]
    if not (saying or events) or clause.is_void or is_supposed(clause):
        return
    used: set[int] = set()
    said: list[tuple[int, int, Assertion]] = []
    for at in saying:
        for topic, assertion in _said_at(clause, at, carried, used):
            said.append((at, at if topic is None else topic, assertion))
    for at, mention in events:
        if at not in used and not clause.is_compared(at) and not _is_predicated(clause, at):
            said.append((at, at, mention))
    for at, topic, assertion in sorted(said, key=lambda one: one[0]):
        claim = _claim(clause, at, topic, assertion, text, column)
        if claim is not None:
            yield claim


def _is_predicated(clause: Clause, at: int) -> bool:
    """Tell whether something unknown is said of a thing, so that its mention claims nothing: "motion is at a low"."""
    behind = clause.units[at + 1 : clause.end][:5]
    if not behind or behind[0].word not in _BE or behind[0].stop:
        return False
    if clause.negators(at, at):
        return False
    known = ("appearing", "slight", "marked", "after_negators", "ignore")
    return not any(unit.is_(role) for unit in behind for role in known)


def _said_at(clause: Clause, at: int, carried: str | None, used: set[int]) -> Iterator[tuple[int | None, Assertion]]:
    """Return what the unit asserts, with the thing that it is said of; things with a say are noted in `used`."""
    mark, moves = clause.units[at].mark, clause.moves_of(at)
    if clause.is_compared(at) or (mark.idiom is None and not moves):
        return
    if mark.idiom is not None:
        if not clause.belongs_elsewhere(at) and not _is_of_a_thing(clause, at, mark.idiom):
            yield None, mark.idiom
            used.update(clause.near(at))
        return
    table = load_lexicon().table
    binding = Binding(clause, at, lambda topic: any((topic, move) in table for move in moves))
    topics = binding.topics()
    if topics is None and not clause.has_topic_before(at) and not has_unknown_subject(clause, at):
        index = None if clause.has_person_before(at) else binding.following()
        found = _of_topic(carried or "", moves) if index is None else None
        if found is not None and _points_back(clause, at) and not _is_of_a_body(clause, at, found):
            yield None, found
        topics = [] if index is None else [index]
    for index in topics or ():
        used.add(index)
        found = _of_topic(clause.units[index].mark.topic or "", moves)
        if found is not None:
            yield index, found


def _of_topic(topic: str, moves: tuple[str, ...]) -> Assertion | None:
    table = load_lexicon().table
    return next((table[topic, move] for move in moves if (topic, move) in table), None)


def _points_back(clause: Clause, at: int) -> bool:
    """Tell whether a clause without a thing of its own goes on about the last one: "It rises", "very loud"."""
    before = clause.units[clause.begin : at]
    if any(unit.word in _BACK for unit in before):
        return True
    return not any(is_blank(unit) for unit in clause.units[:at])


def _is_of_a_thing(clause: Clause, at: int, said: Assertion) -> bool:
    """Tell whether a sound is made by something that is no voice: "a door closes loudly"."""
    if clause.has_person_before(at):
        return False
    if load_lexicon().aspects[said.aspect].modality == "face":
        unit = clause.units[at - 1] if at > clause.begin and not clause.units[at].stop else None
        return unit is not None and unit.mark.topic == "camera"
    if any(unit.is_("sources") for unit in clause.own) or _qualifies_a_thing(clause, at):
        return True
    things = {unit.mark.topic for unit in clause.units[clause.begin : at]} - {None}
    return things == {"other"} or (not things and has_unknown_subject(clause, at))


def _qualifies_a_thing(clause: Clause, at: int) -> bool:
    """Tell whether an adjective stands before something unknown: "the high-pitched chirping"."""
    unit, behind = clause.units[at], clause.units[at + 1 : clause.end][:1]
    return bool(unit.article) and bool(behind) and is_blank(behind[0]) and not behind[0].stop


def _is_of_a_body(clause: Clause, at: int, said: Assertion) -> bool:
    """Tell whether somebody, not a part of the face, does it: "she sits still"."""
    return load_lexicon().aspects[said.aspect].modality == "face" and clause.has_person_before(at)


def _claim(clause: Clause, at: int, topic: int, said: Assertion, text: str, column: str) -> Claim | None:
    if said.aspect in _SPEECH_MOVES and clause.speaks and column != "acoustic_description":
        return None
    if is_reserved(clause, at):
        return None
    first, last = min(at, topic), max(at, topic)
    direction = said.direction
    if clause.is_reversed(at):
        direction = _REVERSED[direction]
    negators = clause.negators(first, last)
    if denies_but_degree(clause, negators, at):
        return None
    is_negated = len(negators) % 2 == 1
    if is_negated and direction in _DENIED:
        direction, is_negated = _DENIED[direction], False
    begin = min([clause.units[first].begin, *(clause.units[n].begin for n in negators)])
    end = max([clause.units[last].end, *(clause.units[n].end for n in negators)])
    return Claim(
        said.aspect, direction, load_lexicon().aspects[said.aspect].modality, column, (begin, end), text[begin:end],
        clause.is_hedged, is_negated, said.is_marked or clause.is_marked(at),
        "part" if said.is_partial and clause.extent == "clip" else clause.extent,
    )  # fmt: skip


def _merged(found: Iterator[Claim]) -> Iterator[Claim]:
    """One claim for what a clause says twice ("pressed together"), over the first wording."""
    seen: set[tuple[str, str, bool]] = set()
    for claim in found:
        key = (claim.aspect, claim.direction, claim.is_negated)
        if key not in seen:
            seen.add(key)
            yield claim


def moved(claim: Claim, by: int) -> Claim:
    """Return the claim of a text that stands `by` characters later."""
    return replace(claim, span=(claim.span[0] + by, claim.span[1] + by))
