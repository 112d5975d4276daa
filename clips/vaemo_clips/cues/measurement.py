"""Everything that was measured in one clip, small enough to keep for every clip of a corpus."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from vaemo_clips.cues.cue import Cue, Reason
from vaemo_clips.cues.event import Event
from vaemo_clips.cues.norms import Norm, SpeakerReference, against_population, moment_norms, population_norms
from vaemo_clips.cues.outline import Outline


@dataclass(frozen=True, slots=True)
class Facts:
    """What a clip has and what of it could be used. Reasons stand where a face or voice is weak or missing."""

    duration_s: float
    has_video: bool
    has_audio: bool
    num_faces: int
    face_coverage: float
    num_cuts: int
    face_reasons: tuple[Reason, ...]
    voice_reason: Reason | None
    pauses_s: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """The cues of one clip, face before voice, always all of them; its facts, and the course of some cues."""

    facts: Facts
    cues: tuple[Cue, ...]
    outline: Outline

    def against_population(self) -> Measurement:
        """Return the measurement with every cue held against people's neutral clips."""
        somebody_speaks = self.facts.has_audio and self.facts.voice_reason is None
        return Measurement(self.facts, against_population(self.cues, somebody_speaks), self.outline)

    def against_speaker(self, reference: SpeakerReference, clip_id: str) -> Measurement:
        """Return the measurement of clip `clip_id` with every cue held against the speaker's other clips."""
        return Measurement(self.facts, reference.judge(clip_id, self.cues), self.outline)

    def events(self, reference: SpeakerReference | None = None, clip_id: str = "") -> tuple[Event, ...]:
        """Return what stands out over time, against the speaker where that is known, else against people."""
        people = moment_norms()
        own = {name: reference.norm(name, clip_id) for name in people} if reference else {}
        speaker = {name: _of_moments(norm, people[name], name) for name, norm in own.items() if norm}
        events = self.outline.events(people, speaker)
        # An outline's last step may reach beyond the clip.
        return tuple(replace(event, end_s=min(event.end_s, self.facts.duration_s)) for event in events)

    def to_dict(self) -> dict[str, Any]:
        """Return the measurement as plain values, for a ledger."""
        cues = [cue.to_dict() for cue in self.cues]
        return {"facts": asdict(self.facts), "cues": cues, "outline": self.outline.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Measurement:
        """Read what `to_dict` wrote."""
        facts = dict(content["facts"])
        facts["face_reasons"] = tuple(facts["face_reasons"])
        facts["pauses_s"] = tuple((begin, end) for begin, end in facts["pauses_s"])
        cues = tuple(Cue(**cue) for cue in content["cues"])
        return cls(Facts(**facts), cues, Outline.from_dict(content["outline"]))


def _of_moments(speaker: Norm, moments: Norm, name: str) -> Norm:
    """Widen a speaker's norm of whole clips by what a face does within a clip."""
    within = max(moments.sd**2 - population_norms()[name].sd ** 2, 0.0)
    return Norm(speaker.mean, math.sqrt(speaker.sd**2 + within))
