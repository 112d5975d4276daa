"""Cues that cannot both hold: lips are not pressed together while the mouth is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vaemo_annotate.wording.deviation import deviation
from vaemo_annotate.wording.rules import Rules
from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.event import Event


def without_contradictions(cues: Iterable[Cue], events: Iterable[Event], rules: Rules) -> tuple[list[Cue], list[Event]]:
    """Return cues and events without those that `rules.ruled_out_by` forbids.

    A cue above the usual loses its distances where the cue that rules it out is above the usual, over the clip or
    for a while; its value stays, for it was measured.
    """
    cues, events = list(cues), list(events)
    up = _above_the_usual(cues, events, rules)
    gone = {name for name, by in rules.ruled_out_by.items() if by in up}
    kept = [event for event in events if event.cue not in gone or event.direction == "down"]
    return [_without_distance(cue) if cue.name in gone else cue for cue in cues], kept


def _above_the_usual(cues: Sequence[Cue], events: Sequence[Event], rules: Rules) -> set[str]:
    slight = rules.degrees.slight
    measured = {cue.name: cue for cue in cues if cue.value is not None}
    found = {event.cue for event in events if event.cue in measured and event.signed_sd >= slight}
    for cue in measured.values():
        if any(sd is not None and sd >= slight for sd in (cue.speaker_sd, cue.population_sd)):
            found.add(cue.name)
    return found


def _without_distance(cue: Cue) -> Cue:
    distance = deviation(cue)
    is_up = distance is not None and distance.sd > 0
    return replace(cue, population_sd=None, speaker_sd=None) if is_up else cue
