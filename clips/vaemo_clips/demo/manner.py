"""How an emotion looks and sounds, and how much of it one clip shows.

Faces follow the EMFACS prototypes (Ekman & Friesen 1978, Facial Action Coding System; Friesen & Ekman 1983):
happiness AU6+12, sadness AU1+4+15, anger AU4+5+7+23, fear AU1+2+4+5+20+26, surprise AU1+2+5+26, disgust
AU9+15+16. Voices follow Juslin & Laukka (2003), Communication of emotions in vocal expression and music
performance, Psychological Bulletin 129(5), summary of cross-modal patterns: anger loud, high, fast, rising;
sadness soft, low, slow, falling, with pauses; fear high, fast, rather soft and dull, with little variability of
pitch, as it is outside of panic; happiness high, fast, wide. Surprise (high,
wide, rising) and disgust (low, slow) follow Scherer & Oshinsky (1977), Motivation and Emotion 1(4).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np


@dataclass(frozen=True, slots=True)
class FaceManner:
    """Offsets from the speaker's rest.

    Lengths are in eye distances, `eye_opening` in eye widths, `brow_furrow` in shares of the gap between the
    eyes, `lip_press` and `nose_wrinkle` in [0, 1], angles in degrees (pitch up, yaw and roll to the picture's
    right), `liveliness` is the natural logarithm of a factor on all movement.
    """

    brow_raise: float = 0.0
    brow_slant: float = 0.0
    brow_furrow: float = 0.0
    eye_opening: float = 0.0
    mouth_opening: float = 0.0
    lip_corner_pull: float = 0.0
    lip_corner_depress: float = 0.0
    lip_press: float = 0.0
    lip_stretch: float = 0.0
    nose_wrinkle: float = 0.0
    head_pitch: float = 0.0
    head_yaw: float = 0.0
    head_roll: float = 0.0
    liveliness: float = 0.0


@dataclass(frozen=True, slots=True)
class VoiceManner:
    """Offsets from the speaker's neutral voice.

    `f0` in semitones, `accent` (the height of a stressed syllable) in semitones, `slope` in semitones/s,
    `loudness` in dB, `rate` and `pauses` as natural logarithms of factors, `tilt` in dB/octave, `breath` as
    share of noise in the source, `tremor` in semitones.
    """

    f0: float = 0.0
    accent: float = 0.0
    slope: float = 0.0
    loudness: float = 0.0
    rate: float = 0.0
    pauses: float = 0.0
    tilt: float = 0.0
    breath: float = 0.0
    tremor: float = 0.0


MANNERS: dict[str, tuple[FaceManner, VoiceManner]] = {
    "happiness": (
        FaceManner(0.010, 0, 0, -0.05, 0.030, 0.080, 0, 0, 0, 0, 3, 0, 2, 0.3),
        VoiceManner(3.5, 1.6, 0.5, 4.0, 0.14, -0.4, 1.0, 0.0, 0.0),
    ),
    "sadness": (
        FaceManner(0.000, 0.050, 0.12, -0.06, 0.0, 0, 0.050, 0.08, 0, 0, -8, -2, -4, -0.6),
        VoiceManner(-2.5, -1.2, -1.0, -6.0, -0.32, 1.1, -2.5, 0.07, 0.1),
    ),
    "anger": (
        FaceManner(-0.040, -0.035, 0.26, 0.035, 0.0, 0, 0.018, 0.42, 0, 0.25, -4, 0, 0, 0.35),
        VoiceManner(3.5, 1.4, 1.2, 7.5, 0.16, -0.8, 2.5, -0.01, 0.0),
    ),
    "neutral": (FaceManner(), VoiceManner()),
    "fear": (
        FaceManner(0.050, 0.032, 0.14, 0.085, 0.040, 0, 0.012, 0, 0.055, 0, 0, -3, 0, 0.15),
        VoiceManner(5.5, -1.2, 0.3, -2.5, 0.26, 0.2, -1.5, 0.05, 0.45),
    ),
    "surprise": (
        FaceManner(0.072, 0.0, -0.02, 0.10, 0.110, 0, 0, 0, -0.01, 0, 4, 0, 0, 0.15),
        VoiceManner(4.0, 2.4, 3.0, 2.5, -0.04, 0.1, 0.5, 0.01, 0.0),
    ),
    "disgust": (
        FaceManner(-0.024, 0.0, 0.14, -0.085, 0.0, 0, 0.040, 0.05, 0, 1.0, 3, 7, 3, -0.1),
        VoiceManner(-2.0, -0.4, -0.8, -1.5, -0.24, 0.6, -0.5, 0.02, 0.0),
    ),
}
"""Face and voice of each emotion at strength 1; clips take them in turns, in this order."""

# Standard deviation of chance from clip to clip, at noise 1.
_FACE_CHANCE = FaceManner(
    0.021, 0.015, 0.075, 0.029, 0.019, 0.025, 0.016, 0.13, 0.015, 0.18, 3.2, 3.8, 2.8, 0.30
)  # fmt: skip
_VOICE_CHANCE = VoiceManner(1.3, 0.6, 0.6, 1.8, 0.09, 0.4, 0.8, 0.015, 0.08)
_LEAST, _MOST = 0.1, 1.5
_M = TypeVar("_M", FaceManner, VoiceManner)


@dataclass(frozen=True, slots=True)
class Manner:
    """What one clip shows. The strengths, in (0, 1.5], say how much of the emotion's cues face and voice carry."""

    face: FaceManner
    voice: VoiceManner
    strength: float
    face_strength: float
    voice_strength: float


def draw_manner(emotion: str, noise: float, rng: np.random.Generator) -> Manner:
    """Draw a clip's manner. What the face lacks the voice often has, so that neither alone tells the label."""
    strength = float(rng.uniform(0.65, 1.2))
    lean = float(np.clip(noise * rng.uniform(-0.75, 0.75), -0.9, 0.9))
    face_strength = float(np.clip(strength * (1 + lean), _LEAST, _MOST))
    voice_strength = float(np.clip(strength * (1 - lean), _LEAST, _MOST))
    face, voice = MANNERS[emotion]
    return Manner(
        face=_drawn(face, _FACE_CHANCE, face_strength, noise, rng),
        voice=_drawn(voice, _VOICE_CHANCE, voice_strength, noise, rng),
        strength=strength,
        face_strength=face_strength,
        voice_strength=voice_strength,
    )


def _drawn(mean: _M, chance: _M, strength: float, noise: float, rng: np.random.Generator) -> _M:
    names = [field.name for field in fields(mean)]
    values = (strength * getattr(mean, n) + noise * getattr(chance, n) * rng.standard_normal() for n in names)
    return type(mean)(*(float(value) for value in values))
