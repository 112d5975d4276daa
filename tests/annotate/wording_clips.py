"""Made-up clips for the tests of the wording: cues, events and facts as the measuring code would hand them over."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import get_args

from vaemo_annotate.wording.affect import judge
from vaemo_annotate.wording.describe import Description, describe
from vaemo_clips.cues.cue import Cue, Reason
from vaemo_clips.cues.event import Event
from vaemo_clips.cues.face_cues import FACE_CUES
from vaemo_clips.cues.measurement import Facts
from vaemo_clips.voice.cues import VOICE_CUES, WITHOUT_NORM

REASONS: tuple[Reason, ...] = get_args(Reason)
FACE_REASONS: tuple[Reason, ...] = REASONS[: REASONS.index("no_audio")]
VOICE_REASONS: tuple[Reason, ...] = REASONS[REASONS.index("no_audio") :]
FACE_NAMES = tuple(name for name, _ in FACE_CUES)
VOICE_NAMES = tuple(name for name, _ in VOICE_CUES)
UNKNOWN = ("glottal_quotient", "jitter_local")
_UNITS = dict((*FACE_CUES, *VOICE_CUES))
_SHARES = ("pause_share", "voiced_share")
_ANGLES = ("head_pitch", "head_yaw", "head_roll")
_WEAK_BY_NATURE = ("brow_furrow", "lip_press")
_NORMAL: dict[str, tuple[float, float, str]] = {
    "f0_median": (180, 40, "Hz"),
    "f0_range": (8, 2, "semitones"),
    "f0_slope": (-1, 2, "semitones/s"),
    "loudness_level": (-25, 5, "dB"),
    "loudness_range": (15, 4, "dB"),
    "speech_rate": (4.2, 0.8, "syllables/s"),
    "pause_share": (0.2, 0.1, "share"),
    "voiced_share": (0.5, 0.1, "share"),
    "spectral_tilt": (-8, 2, "dB/octave"),
    "f0_end": (-1, 1, "semitones"),
    "harmonicity": (12, 3, "dB"),
    "h1_h2": (3, 3, "dB"),
    "blink_rate": (15, 6, "1/min"),
}


@dataclass(frozen=True, slots=True)
class MadeClip:
    """One made-up clip."""

    cues: list[Cue]
    events: list[Event]
    facts: Facts
    key: bytes


def cue(name: str, sd: float | None = None, *, speaker_sd: float | None = None, coverage: float = 1.0) -> Cue:
    """Return a measured cue at a distance from people, or from the speaker where people give no norm."""
    if name in WITHOUT_NORM and sd is not None:
        sd, speaker_sd = None, sd
    usual = (0.0, 10.0, "deg") if name in _ANGLES else (0.1, 0.03, _UNITS.get(name, "x"))
    mean, spread, unit = _NORMAL.get(name, usual)
    distance = next((value for value in (sd, speaker_sd) if value is not None), 0.0)
    value = max(0.0, mean + spread * distance) if name in (*_SHARES, "blink_rate") else mean + spread * distance
    if name in _SHARES:
        value = min(1.0, value)
    return Cue(name, value, unit, coverage, population_sd=sd, speaker_sd=speaker_sd)


def weak(name: str, sd: float, reason: Reason = "weak_source") -> Cue:
    """Return a weak cue at a distance from the usual."""
    return cue(name, sd).weakened(reason)


def clip_facts(**changes: object) -> Facts:
    """Return the facts of a clip with one face and a voice."""
    facts = {"duration_s": 3.0, "has_video": True, "has_audio": True, "num_faces": 1, "face_coverage": 1.0}
    reasons = {"num_cuts": 0, "face_reasons": (), "voice_reason": None, "pauses_s": ()}
    return Facts(**{**facts, **reasons, **changes})  # type: ignore[arg-type]


def still_cues(*, speaker: bool = False) -> list[Cue]:
    """Return every cue at its usual value, against the speaker or as far as people give a norm; somebody speaks."""
    names = (*FACE_NAMES, *VOICE_NAMES)
    if speaker:
        return [cue(name, speaker_sd=0.0) for name in names]
    return [cue(name) if name in WITHOUT_NORM else cue(name, 0.0) for name in names]


def changed(**sds: float) -> list[Cue]:
    """Return every cue at its usual value but for those named."""
    return [cue(c.name, sds[c.name]) if c.name in sds else c for c in still_cues()]


def only_face(**sds: float) -> list[Cue]:
    """Return every face cue at its usual value but for those named."""
    return [c for c in changed(**sds) if c.name in FACE_NAMES]


def made_clip(seed: int) -> MadeClip:
    """Return a clip by number: expressive or not, with or without speaker, sound, picture and gaps."""
    draw = random.Random(seed)
    has_video, has_audio = draw.choice([(True, True)] * 6 + [(True, False), (False, True)])
    voice_reason = draw.choice(VOICE_REASONS[1:]) if draw.random() < 0.15 else None
    facts = Facts(
        duration_s=draw.choice([0.8, 2.0, 3.37, 8.0]),
        has_video=has_video,
        has_audio=has_audio,
        num_faces=draw.choice([1, 1, 1, 2, 4]) if has_video else 0,
        face_coverage=draw.choice([1.0, 1.0, 0.95, 0.6, 0.12]) if has_video else 0.0,
        face_reasons=(draw.choice(FACE_REASONS[1:]),) if has_video and draw.random() < 0.1 else (),
        voice_reason=voice_reason if has_audio else None,
        num_cuts=0,
        pauses_s=draw.choice([(), ((0.1, 0.3),), ((0.1, 0.3), (0.4, 1.1))]) if has_audio and not voice_reason else (),
    )
    cues = [*_face(draw, facts), *_voice(draw, facts)]
    return MadeClip(cues, _events(draw, facts), facts, f"clip-{seed}".encode())


def _face(draw: random.Random, facts: Facts) -> list[Cue]:
    if not facts.has_video:
        return [Cue.missing(name, "x", "no_video") for name in FACE_NAMES]
    if facts.face_reasons and draw.random() < 0.5:
        return [Cue.missing(name, "x", facts.face_reasons[0]) for name in FACE_NAMES]
    return _drawn(draw, list(FACE_NAMES), FACE_REASONS[1:], facts.face_coverage)


def _voice(draw: random.Random, facts: Facts) -> list[Cue]:
    names = [*VOICE_NAMES, *UNKNOWN]
    if not facts.has_audio:
        return [Cue.missing(name, "x", "no_audio") for name in names]
    if facts.voice_reason and draw.random() < 0.8:
        return [Cue.missing(name, "x", facts.voice_reason) for name in names]
    return _drawn(draw, names, VOICE_REASONS[3:], draw.choice([0.8, 0.4, 0.1]))


def _drawn(draw: random.Random, names: list[str], reasons: tuple[Reason, ...], coverage: float) -> list[Cue]:
    """Return cues around an expression of a drawn size; some weak, some missing, all with one kind of reference."""
    size, gaps = draw.choice([0.3, 1.0, 2.0]), draw.choice([0.0, 0.0, 0.1, 0.5])
    reference = draw.choice(["people", "people", "speaker", "speaker", "both", "none"])
    drawn = []
    for name in names:
        sd = round(draw.gauss(0, size), 2)
        people, speaker = (
            sd if reference in ("people", "both") else None,
            sd if reference in ("speaker", "both") else None,
        )
        made = cue(name, None if name in WITHOUT_NORM else people, speaker_sd=speaker, coverage=coverage)
        if draw.random() < gaps:
            made = Cue.missing(name, made.unit, draw.choice(reasons))
        elif name in _WEAK_BY_NATURE or draw.random() < gaps / 3:
            made = made.weakened("weak_source" if name in _WEAK_BY_NATURE else draw.choice(reasons))
        drawn.append(made)
    return drawn


def _events(draw: random.Random, facts: Facts) -> list[Event]:
    names = [
        "brow_raise",
        "eye_opening",
        "head_yaw",
        "lip_corner_pull",
        "head_motion",
        "f0_median",
        "loudness_level",
    ]
    events = []
    for _ in range(draw.choice([0, 0, 1, 2, 4])):
        begin = draw.choice([0.0, draw.uniform(0, facts.duration_s)])
        end = draw.choice([facts.duration_s, begin + draw.uniform(0.01, facts.duration_s)])
        if begin < end:
            direction = draw.choice(["up", "down"])
            sd = draw.uniform(1.0, 4.0) * (1 if direction == "up" else -1)
            against = draw.choice(["people", "speaker"])
            events.append(Event(draw.choice(names), begin, end, direction, sd, against))  # type: ignore[arg-type]
    return events


def told(clip: MadeClip) -> Description:
    """Return what is said of a made-up clip."""
    return describe(clip.cues, clip.events, clip.facts, judge(clip.cues, clip.facts, clip.events), clip.key)


def said(cues: list[Cue], *events: Event, key: bytes = b"key", **facts: object) -> Description:
    """Return what is said of cues, with the facts that differ from those of `clip_facts`."""
    found = clip_facts(**facts)
    return describe(cues, events, found, judge(cues, found, events), key)


def texts(description: Description) -> list[str]:
    """Return the three descriptions."""
    return [description.visual_description, description.acoustic_description, description.affect_description]


def sentences(text: str) -> list[str]:
    """Return a text by sentence."""
    return re.split(r"(?<=\.) (?=[A-Z0-9])", text)
