"""Observations: the cues that are worth a clause, each with its direction, strength, reference and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vaemo_annotate.wording.deviation import Deviation, degree, deviation, notable
from vaemo_annotate.wording.measures import TWINS, Modality, modality
from vaemo_annotate.wording.phrasing import Phrasing
from vaemo_annotate.wording.rules import Rules
from vaemo_annotate.wording.sentence import seconds
from vaemo_clips.cues.cue import Cue, Reason
from vaemo_clips.cues.event import Against, Direction, Event

_ONLY_EVENTS = ("head_yaw",)
"""Cues whose value over the clip is told in degrees elsewhere."""
_SPEECH_MOVES = ("mouth_opening", "mouth_opening_range", "face_motion")
_WHOLE_CLIP_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Observation:
    """One cue that is off the usual. `event` says when, None where it holds over the clip; `reason` why it is weak."""

    cue: str
    sd: float
    against: Against
    event: Event | None = None
    reason: Reason | None = None

    @property
    def direction(self) -> Direction:
        """Up where the cue is above the usual."""
        return "up" if self.sd > 0 else "down"


def observe(
    cues: Iterable[Cue], events: Sequence[Event], wanted: Modality, known: Iterable[str], rules: Rules, speaking: bool
) -> list[Observation]:
    """Return what to report of one modality, the strongest first; only cues that have words (`known`)."""
    words = set(known)
    chosen = [cue for cue in cues if cue.name in words and modality(cue.name) == wanted and cue.value is not None]
    found = {cue.name: seen for cue in chosen if (seen := _observation(cue, events, rules)) is not None}
    kept = [seen for name, seen in found.items() if not _said_already(name, found)]
    return sorted(kept, key=lambda seen: (-_rank(seen, speaking), seen.cue))


def _observation(cue: Cue, events: Sequence[Event], rules: Rules) -> Observation | None:
    """Return the cue's strongest event, or how it lies over the whole clip, or nothing."""
    own = [event for event in events if event.cue == cue.name and notable(cue.name, Deviation.of(event), rules)]
    reason = cue.reason if cue.state == "weak" else None
    if own:
        event = max(own, key=lambda e: (abs(e.sd), -e.begin_s))
        return Observation(cue.name, event.signed_sd, event.against, event, reason)
    distance = deviation(cue)
    if distance is None or not notable(cue.name, distance, rules) or cue.name in _ONLY_EVENTS:
        return None
    return Observation(cue.name, distance.sd, distance.against, None, reason)


def _said_already(name: str, found: Mapping[str, Observation]) -> bool:
    own, twin = found[name], found.get(TWINS.get(name, ""))
    return twin is not None and twin.direction != own.direction and (abs(twin.sd), twin.cue) > (abs(own.sd), own.cue)


def _rank(seen: Observation, speaking: bool) -> float:
    return abs(seen.sd) * (0.4 if speaking and seen.cue in _SPEECH_MOVES else 1.0)


def is_speech_like(seen: Observation) -> bool:
    """Tell whether speech alone can move a mouth like that."""
    return seen.cue.startswith("mouth_opening") and seen.direction == "up"


def clause(seen: Observation, where: str, duration_s: float, phrasing: Phrasing, rules: Rules) -> str:
    """Return an observation as a main clause, with its time at the end."""
    strength = degree(seen.sd, rules) or "slight"
    slot = f"{where}.clause.{seen.cue}.{seen.direction}"
    said = phrasing.pick_lazily(slot, {"degree": f"degree.{strength}", "much": f"much.{strength}"})
    return f"{said} {when(seen.event, duration_s, phrasing)}" if seen.event else said


def when(event: Event, duration_s: float, phrasing: Phrasing) -> str:
    """Return the time of an event in words, kept within the clip."""
    end_s = min(event.end_s, duration_s)
    begin_s = min(event.begin_s, end_s)
    begin, end = seconds(begin_s), seconds(end_s)
    if end_s - begin_s >= _WHOLE_CLIP_SHARE * duration_s:
        return phrasing.pick("time.throughout")
    if begin == end:
        return phrasing.pick("time.moment", begin=begin)
    if begin == seconds(0):
        return phrasing.pick("time.start", end=end)
    if end == seconds(duration_s):
        return phrasing.pick("time.end", begin=begin)
    return phrasing.pick("time.between", begin=begin, end=end)
