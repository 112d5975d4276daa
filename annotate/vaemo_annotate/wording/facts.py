"""What a clip's facts say about its cues: which count, why others are missing, whether somebody speaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vaemo_annotate.wording.measures import modality
from vaemo_clips.cues.cue import Cue, Reason
from vaemo_clips.cues.measurement import Facts

VOICELESS: tuple[Reason, ...] = ("no_audio", "silent", "no_speech")
"""Reasons that say that there is no voice, rather than what stood in the way of measuring one."""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Why there is no caption: neither face nor voice could be measured. `detail` names the reasons."""

    detail: str
    reason: Literal["nothing_measured"] = "nothing_measured"


def unmeasured(cues: Sequence[Cue], facts: Facts) -> Unmeasured | None:
    """Return why nothing can be said, or None where at least one cue has a value."""
    if any(cue.value is not None for cue in usable(cues, facts)):
        return None
    face = ", ".join(face_reasons(cues, facts)) or "not measured"
    voice = ", ".join(voice_reasons(cues, facts)) or "not measured"
    return Unmeasured(f"face: {face}; voice: {voice}")


def usable(cues: Iterable[Cue], facts: Facts) -> list[Cue]:
    """Return the cues without those of a modality that is not there: the level of a noise is no voice."""
    no_voice = not facts.has_audio or facts.voice_reason in VOICELESS
    gone = {name for name, is_gone in (("face", not facts.has_video), ("voice", no_voice)) if is_gone}
    return [cue for cue in cues if modality(cue.name) not in gone]


def face_reasons(cues: Sequence[Cue], facts: Facts) -> list[Reason]:
    """Return why face cues are missing, the clip's own reasons first, none twice."""
    if not facts.has_video:
        return ["no_video"]
    return _once([*facts.face_reasons, *_missing_reasons(cues, "face")])


def voice_reasons(cues: Sequence[Cue], facts: Facts) -> list[Reason]:
    """Return why voice cues are missing, the clip's own reason first, none twice."""
    if not facts.has_audio:
        return ["no_audio"]
    own: list[Reason] = [] if facts.voice_reason is None else [facts.voice_reason]
    return _once([*own, *_missing_reasons(cues, "voice")])


def speaks(cues: Mapping[str, Cue], facts: Facts) -> bool:
    """Tell whether there is speech in the clip, whose mouth movements are then no sign of anything else."""
    rate = cues.get("speech_rate")
    return facts.has_audio and facts.voice_reason is None and rate is not None and bool(rate.value and rate.value > 0)


def _missing_reasons(cues: Sequence[Cue], wanted: str) -> list[Reason]:
    return [cue.reason for cue in cues if cue.value is None and cue.reason and modality(cue.name) == wanted]


def _once(reasons: Sequence[Reason]) -> list[Reason]:
    return list(dict.fromkeys(reasons))
