"""What the paragraphs on the face and on the voice share: observations, doubts, and what could not be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from vaemo_annotate.wording.contradiction import without_contradictions
from vaemo_annotate.wording.deviation import deviation
from vaemo_annotate.wording.facts import speaks, usable
from vaemo_annotate.wording.measures import DETAILS, REGIONS, Modality, modality
from vaemo_annotate.wording.observation import Observation, clause, is_speech_like, observe
from vaemo_annotate.wording.phrasing import Phrasing, load_bank
from vaemo_annotate.wording.rules import Rules
from vaemo_annotate.wording.sentence import MAX_CHARS, clauses, joined, listed
from vaemo_clips.cues.cue import Cue, Reason, by_name
from vaemo_clips.cues.event import Against, Event
from vaemo_clips.cues.measurement import Facts

Where = Literal["visual", "acoustic"]
Parts = dict[str, list[str]]
"""Sentences by their part of the paragraph, as the orders in the phrase bank name them."""

_MODALITIES: dict[Where, Modality] = {"visual": "face", "acoustic": "voice"}
_CLAUSES_A_SENTENCE = 3
_PLANS: tuple[tuple[int, int, str], ...] = (
    *((most, 2, "") for most in range(6, 1, -1)),
    *((most, 1, "") for most in range(4, -1, -1)),
    (0, 1, "still"),
    (0, 1, "pose"),
)
"""Numbers of observations and of limits, and a part to leave out: the first plan whose text fits is taken."""
_MOST_NAMED_PARTS = 3


@dataclass(frozen=True, slots=True)
class Material:
    """What a paragraph is made of."""

    where: Where
    cues: tuple[Cue, ...]
    seen: tuple[Observation, ...]
    facts: Facts
    speaking: bool
    rules: Rules

    @property
    def modality(self) -> Modality:
        """Whose paragraph it is."""
        return _MODALITIES[self.where]

    @property
    def has_values(self) -> bool:
        """Whether anything was measured."""
        return any(cue.value is not None for cue in self.cues)


def gather(where: Where, cues: Sequence[Cue], events: Sequence[Event], facts: Facts, rules: Rules) -> Material:
    """Return the material of one paragraph. Events that begin after the clip's end do not count."""
    speaking = speaks(by_name(cues), facts)
    wanted = _MODALITIES[where]
    within = [event for event in events if event.begin_s < facts.duration_s]
    consistent, within = without_contradictions(usable(cues, facts), within, rules)
    own = tuple(cue for cue in consistent if modality(cue.name) == wanted)
    seen = observe(own, within, wanted, _worded(where), rules, speaking)
    return Material(where, own, tuple(seen), facts, speaking, rules)


def _worded(where: Where) -> set[str]:
    """Return the cues that the bank has clauses for."""
    prefix = f"{where}.clause."
    return {slot.removeprefix(prefix).split(".")[0] for slot in load_bank() if slot.startswith(prefix)}


def paragraph(material: Material, key: bytes, own_parts: Callable[[Material, Phrasing], Parts]) -> str:
    """Return a paragraph of at most `MAX_CHARS`: with fewer observations where they do not all fit.

    `own_parts` makes the parts that only this paragraph has.
    """
    for most, most_limits, left_out in _PLANS:
        phrasing = Phrasing(material.where.encode() + b"\0" + key)
        order = phrasing.pick(f"{material.where}.orders")
        parts = {**_shared_parts(material, phrasing, most, most_limits), **own_parts(material, phrasing)}
        text = ordered(order, {name: said for name, said in parts.items() if name != left_out})
        if len(text) <= MAX_CHARS:
            return text
    raise AssertionError(f"the shortest paragraph has {len(text)} characters; shorten phrases.yaml")


def ordered(order: str, parts: Mapping[str, Sequence[str]]) -> str:
    """Return the parts in an order, which is their names with spaces between."""
    return joined([text for name in order.split() for text in parts.get(name, [])])


def _shared_parts(material: Material, phrasing: Phrasing, most: int, most_limits: int) -> Parts:
    plain = [seen for seen in material.seen[:most] if seen.reason is None]
    weak = [seen for seen in material.seen[:most] if seen.reason is not None]
    return {
        "observed": list(_observed(plain, material, phrasing)),
        "weak": _weak(weak, {seen.against for seen in plain}, material, phrasing),
        "still": [] if material.seen else _still(material, phrasing),
        "limits": list(_limits(material, phrasing, most_limits)),
    }


def _observed(seen: Sequence[Observation], material: Material, phrasing: Phrasing) -> Iterator[str]:
    """Yield sentences on what is off the usual: by reference, then what holds over the clip, then in order of time."""
    in_order = sorted(seen, key=lambda s: (s.against, s.event is not None, s.event.begin_s if s.event else 0.0))
    for against, group in groupby(in_order, key=lambda s: s.against):
        members = list(group)
        for start in range(0, len(members), _CLAUSES_A_SENTENCE):
            some = members[start : start + _CLAUSES_A_SENTENCE]
            said = clauses([_clause(s, material, phrasing) for s in some], phrasing)
            if start:
                yield f"{phrasing.pick('also')}, {said}"
            else:
                ref = phrasing.pick(f"ref.{material.modality}.{against}")
                yield phrasing.pick(f"{material.where}.observed", ref=ref, clauses=said)
    if material.speaking and any(is_speech_like(s) for s in seen):
        yield phrasing.pick("visual.speaking_note")


def _clause(seen: Observation, material: Material, phrasing: Phrasing) -> str:
    return clause(seen, material.where, material.facts.duration_s, phrasing, material.rules)


def _weak(seen: Sequence[Observation], named: set[Against], material: Material, phrasing: Phrasing) -> list[str]:
    """Return one sentence on the strongest weak observation and its like, if there are any.

    It follows the plain ones: a reference that they have `named`, and no other, is not named again.
    """
    if not seen:
        return []
    alike = [s for s in seen if (s.reason, s.against) == (seen[0].reason, seen[0].against)][:2]
    said = " and ".join(_clause(s, material, phrasing) for s in alike)
    if named != {seen[0].against}:
        said = f"{said}, {phrasing.pick(f'ref.{material.modality}.{seen[0].against}')}"
    why = phrasing.pick(f"because.{seen[0].reason}")
    return [phrasing.pick(f"{material.where}.weak", clauses=said, why=why)]


def _still(material: Material, phrasing: Phrasing) -> list[str]:
    """Return a sentence for measured cues of which none is off the usual, or that nothing says what is usual."""
    worded = _worded(material.where) - {"head_yaw"}  # told by its angle, so never "nothing striking"
    compared = [cue for cue in material.cues if deviation(cue) and cue.name in worded]
    if not compared:
        return [phrasing.pick(f"{material.where}.no_reference")] if material.has_values else []
    against = {cue.name: distance.against for cue in compared if (distance := deviation(cue))}
    common: Against = "people" if "people" in against.values() else "speaker"
    parts = _compared_parts({name for name, reference in against.items() if reference == common})
    ref = phrasing.pick(f"ref.{material.modality}.{common}")
    return [phrasing.pick(f"{material.where}.still", ref=ref, parts=listed(parts))]


def _compared_parts(names: set[str]) -> list[str]:
    """Return the regions that cues belong to; where one cue stands for a larger region, only what it measures."""
    parts = []
    for region, members in REGIONS.items():
        own = [name for name in members if name in names]
        if own:
            parts.append(region if len(own) > 1 or len(members) == 1 else DETAILS[own[0]])
    return parts


def _limits(material: Material, phrasing: Phrasing, most: int) -> Iterator[str]:
    """Yield what could not be measured and why, for the reasons that took the most cues."""
    missing: dict[Reason, list[str]] = {}
    for cue in material.cues:
        if cue.value is None and cue.reason and (cue.name in DETAILS or _region_of(cue.name)):
            missing.setdefault(cue.reason, []).append(cue.name)
    if not material.has_values:
        return
    for reason in sorted(missing, key=lambda r: (-len(missing[r]), r))[:most]:
        parts = _named_parts(missing[reason], material)
        why = phrasing.pick(f"because.{reason}")
        yield phrasing.pick(f"{material.where}.limits", parts=parts, why=why)


def _named_parts(names: Sequence[str], material: Material) -> str:
    """Return missing cues as parts: a whole region where nothing else belongs to it, else the single cue."""
    others = {_region_of(cue.name) for cue in material.cues if cue.name not in names}
    parts = [
        region if (region := _region_of(name)) and region not in others else DETAILS.get(name, region) for name in names
    ]
    once = list(dict.fromkeys(part for part in parts if part))
    if len(once) > _MOST_NAMED_PARTS:
        once = [*once[: _MOST_NAMED_PARTS - 1], "other details"]
    return listed(once)


def _region_of(name: str) -> str:
    return next((region for region, members in REGIONS.items() if name in members), "")
