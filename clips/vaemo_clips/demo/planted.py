"""What is true of a clip: computed from the very curves that its pictures and sound are made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vaemo_clips.demo.performance import FPS, Performance
from vaemo_clips.demo.utterance import Utterance
from vaemo_clips.demo.voice import Speech

_EYE_WIDTH = 0.32  # in eye distances
_MEDIANS = (
    "brow_raise", "brow_furrow", "eye_opening", "lip_press", "head_pitch", "head_yaw", "head_roll",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planted:
    """The truth of one clip.

    Face: median over the pictures (`mouth_opening`: mean) less the same of the speaker's own neutral manner.
    Lengths are in eye distances (outer corner to outer corner of a mean face): `lip_corner_pull` up and apart,
    `lip_corner_depress` down, so that a smile is negative there. `eye_opening` is in eye widths,
    `brow_furrow` in shares of the gap between the eyes, `lip_press` the share of the lips rolled in, the head
    in degrees (up, to the picture's right, its top to the picture's right), `face_motion` in eye distances a
    second. Voice, as spoken: F0 over voiced samples, its range from 5th to 95th percentile, mean power within
    words in dBFS, syllables over the time from first to last speech, and silent gaps between words (half-open).
    `strength` in (0, 1.5] is how much of the emotion the clip carries, the other two how much each part does.
    A clip without picture has no face values and one without sound no voice values: they are None (`pauses_s`: ()).
    """

    strength: float
    face_strength: float
    voice_strength: float
    brow_raise: float | None = None
    brow_furrow: float | None = None
    eye_opening: float | None = None
    mouth_opening: float | None = None
    lip_corner_pull: float | None = None
    lip_corner_depress: float | None = None
    lip_press: float | None = None
    head_pitch: float | None = None
    head_yaw: float | None = None
    head_roll: float | None = None
    face_motion: float | None = None
    f0_median_hz: float | None = None
    f0_range_semitones: float | None = None
    loudness_db: float | None = None
    speech_rate_hz: float | None = None
    pauses_s: tuple[tuple[float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The record by field."""
        return asdict(self)


def planted_face(shown: Performance, neutral: Performance) -> dict[str, Any]:
    """Signed strengths of the face cues relative to the speaker's neutral."""
    here, there = _levels(shown), _levels(neutral)
    return {name: here[name] - there[name] for name in here}


def planted_voice(speech: Speech, utterance: Utterance) -> dict[str, Any]:
    """What the voice is like."""
    return {
        "f0_median_hz": speech.f0_median_hz,
        "f0_range_semitones": speech.f0_range_semitones,
        "loudness_db": speech.loudness_db,
        "speech_rate_hz": utterance.syllables_per_s,
        "pauses_s": utterance.pauses_s,
    }


def _levels(performance: Performance) -> dict[str, float]:
    curves = performance.curves
    levels = {name: float(np.median(curves[name])) for name in _MEDIANS}
    lowered = curves["lip_corner_depress"] - curves["lip_corner_pull"]
    levels["lip_corner_depress"] = float(np.median(lowered))
    levels["lip_corner_pull"] = float(np.median(-lowered + curves["mouth_widening"]))
    levels["mouth_opening"] = float(curves["mouth_opening"].mean())
    # The points whose mean speed the mesh measures: 8 on the brows, 6 on lids, 2 lip corners, 4 on the lips.
    weights = {
        "brow_raise": 8.0, "eye_opening": 3.0 * _EYE_WIDTH, "mouth_opening": 2.0, "lip_corner_pull": 2.0,
        "lip_corner_depress": 2.0,
    }  # fmt: skip
    speeds = sum(weight * np.abs(np.diff(curves[name])) * FPS for name, weight in weights.items())
    levels["face_motion"] = float(np.median(np.asarray(speeds))) / 20
    return levels
