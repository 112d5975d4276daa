"""How far a cue lies from the usual, against whom, and how much such a distance can carry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vaemo_annotate.wording.measures import modality
from vaemo_annotate.wording.rules import Rules
from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.event import Against, Event

Degree = Literal["slight", "clear", "strong"]


@dataclass(frozen=True, slots=True)
class Deviation:
    """A cue's distance from the mean of `against`, in standard deviations."""

    sd: float
    against: Against

    @classmethod
    def of(cls, event: Event) -> Deviation:
        """Return the distance of an event."""
        return cls(event.signed_sd, event.against)


def deviation(cue: Cue | None) -> Deviation | None:
    """Return the distance of a cue, from the speaker's other clips if there are any; None without a reference."""
    if cue is None or cue.value is None:
        return None
    if cue.speaker_sd is not None and math.isfinite(cue.speaker_sd):
        return Deviation(cue.speaker_sd, "speaker")
    if cue.population_sd is not None and math.isfinite(cue.population_sd):
        return Deviation(cue.population_sd, "people")
    return None


def with_events(cues: Iterable[Cue], events: Sequence[Event], duration_s: float) -> list[Cue]:
    """Return cues that stand for what happened for a while, too: a median hides an expression of a third of a clip.

    An event counts with the square root of its share of the clip, where that is more than the cue's own distance.
    """
    return [_with_strongest(cue, [e for e in events if e.cue == cue.name], duration_s) for cue in cues]


def _with_strongest(cue: Cue, events: Sequence[Event], duration_s: float) -> Cue:
    for event in events if cue.value is not None else ():
        share = max(0.0, min(event.end_s, duration_s) - event.begin_s) / duration_s
        sd = event.signed_sd * math.sqrt(share)
        current = deviation(cue)
        if share and (current is None or (event.against == current.against and abs(sd) > abs(current.sd))):
            cue = replace(cue, speaker_sd=sd) if event.against == "speaker" else replace(cue, population_sd=sd)
    return cue


def degree(sd: float, rules: Rules) -> Degree | None:
    """Return how strong a distance is in words, None where it is within the usual."""
    size = abs(sd)
    if size >= rules.degrees.strong:
        return "strong"
    if size >= rules.degrees.clear:
        return "clear"
    return "slight" if size >= rules.degrees.slight else None


def notable(name: str, distance: Deviation, rules: Rules) -> Degree | None:
    """Return how strong a cue's distance is in words, None where that cue within that distance says nothing."""
    return degree(distance.sd, rules) if abs(distance.sd) >= least_sd(name, distance.against, rules) else None


def least_sd(name: str, against: Against, rules: Rules) -> float:
    """Return the distance within which a cue says nothing: against people, some differ too much between them."""
    return rules.people_threshold.get(name, 0.0) if against == "people" else 0.0


def strength(name: str, distance: Deviation, rules: Rules) -> float:
    """Return a cue's distance as evidence in [-1, 1]: nothing in the dead zone, no more beyond the full distance."""
    dead_zone_sd = max(rules.strength.dead_zone_sd, least_sd(name, distance.against, rules))
    size = (abs(distance.sd) - dead_zone_sd) / (rules.strength.full_sd[distance.against] - dead_zone_sd)
    return math.copysign(min(1.0, max(0.0, size)), distance.sd)


def reliability(cue: Cue, rules: Rules, while_speaking: bool) -> float:
    """Return how much a cue can carry, in [0, 1]: its state, its coverage, its reference, and speech."""
    distance = deviation(cue)
    if distance is None:
        return 0.0
    carried = min(1.0, cue.coverage / rules.full_coverage[modality(cue.name)])
    if cue.state == "weak":
        carried *= rules.weak_factor
    if distance.against == "people":
        carried *= rules.against_people.get(cue.name, 1.0)
    return carried * (rules.while_speaking.get(cue.name, 1.0) if while_speaking else 1.0)
