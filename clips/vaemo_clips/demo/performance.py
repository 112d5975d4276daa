"""What a face does over time: one curve for each of the values that a picture is drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.manner import FaceManner
from vaemo_clips.demo.speaker import Rest
from vaemo_clips.demo.utterance import Utterance

Curve = NDArray[np.float64]

FPS = 25
_OPENNESS = {"a": 1.0, "e": 0.75, "i": 0.45, "o": 0.8, "u": 0.4}
_SPREAD = {"a": 0.0, "e": 0.012, "i": 0.022, "o": -0.03, "u": -0.04}  # of the lip corners, in eye distances
_SPEECH_OPENING = 0.13  # gap between the lips in a loud, open vowel, in eye distances
_BLINK_S = 0.07
_WANDER = {  # slow wandering of each curve at liveliness 1
    "brow_raise": 0.006, "eye_opening": 0.012, "lip_corner_pull": 0.004,
    "head_pitch": 1.3, "head_yaw": 1.9, "head_roll": 1.1, "sway_x": 2.2, "sway_y": 1.1,
}  # fmt: skip
_LIMITS = {
    "brow_raise": (-0.075, 0.13), "brow_slant": (-0.06, 0.08), "brow_furrow": (-0.15, 0.42), "eye_opening": (0.0, 0.55),
    "mouth_opening": (0.0, 0.36), "lip_corner_pull": (-0.02, 0.13), "lip_corner_depress": (-0.02, 0.09),
    "lip_press": (0.0, 0.75), "lip_stretch": (-0.06, 0.09), "nose_wrinkle": (0.0, 1.4),
    "head_pitch": (-17.0, 15.0), "head_yaw": (-18.0, 18.0), "head_roll": (-14.0, 14.0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Performance:
    """`curves`: (N,) each at FPS, value k at (k + 0.5) / FPS seconds: those of FaceManner but `liveliness`,
    `mouth_widening` (of half the mouth, in eye distances) and, in canvas pixels,
    `sway_x`, `sway_y`, `gaze_x`, `gaze_y`."""

    curves: dict[str, Curve]

    @property
    def num_frames(self) -> int:
        """How many pictures there are."""
        return len(self.curves["sway_x"])

    def state(self, frame: int) -> dict[str, float]:
        """All values at one picture."""
        return {name: float(curve[frame]) for name, curve in self.curves.items()}


def perform(
    rest: Rest, manner: FaceManner, utterance: Utterance | None, num_frames: int, rng: np.random.Generator
) -> Performance:
    """Curves of a clip: the expression builds up from a third, wanders, blinks, and the mouth moves with the sound."""
    times_s = (np.arange(num_frames) + 0.5) / FPS
    liveliness = float(np.exp(np.clip(manner.liveliness, -1.2, 0.9)))
    build_up = 0.35 + 0.65 * _ease(times_s / float(rng.uniform(0.35, 0.7)))
    names = [f.name for f in fields(manner) if f.name != "liveliness"] + ["sway_x", "sway_y"]
    curves = {}
    for name in names:
        target = getattr(manner, name, 0.0)
        wander = _WANDER.get(name, 0.0) * liveliness * _wandering(times_s, rng)
        curves[name] = build_up * target * (1 + 0.06 * _wandering(times_s, rng)) + wander
    curves["brow_raise"] += rest.brow_raise
    curves["eye_opening"] += rest.eye_opening
    _talk(curves, utterance, times_s, liveliness)
    for name, (low, high) in _LIMITS.items():
        curves[name] = np.clip(curves[name], low, high)
    curves["eye_opening"] *= 1 - _blinks(times_s, rng)
    for name in ("gaze_x", "gaze_y"):
        curves[name] = np.clip(np.repeat(rng.normal(0, 0.9, num_frames // 12 + 1), 12)[:num_frames], -2, 2)
    curves["mouth_widening"] = _widening(curves)
    return Performance(curves)


def _widening(curves: Mapping[str, Curve]) -> Curve:
    """How much wider than at rest half the mouth is, in eye distances: AU12 and AU20 widen it, a fall of the jaw
    makes it narrower."""
    return 0.55 * curves["lip_corner_pull"] + curves["lip_stretch"] - 0.10 * curves["mouth_opening"]


def _talk(curves: dict[str, Curve], utterance: Utterance | None, times_s: Curve, liveliness: float) -> None:
    """Open the mouth with each syllable and nod with the stressed ones."""
    if utterance is None:
        return
    level = utterance.level(times_s)
    openness, spread, nod = np.zeros_like(times_s), np.zeros_like(times_s), np.zeros_like(times_s)
    for s in utterance.syllables:
        near = np.exp(-0.5 * ((times_s - (s.begin_s + s.end_s) / 2) / (0.35 * (s.end_s - s.begin_s))) ** 2)
        openness = np.maximum(openness, near * _OPENNESS[s.vowel] * (0.75 + 0.25 * s.stress))
        spread += near * _SPREAD[s.vowel]
        nod += 1.6 * s.stress * near
    scale = _SPEECH_OPENING * liveliness**0.4
    curves["mouth_opening"] = curves["mouth_opening"] + scale * openness * np.clip(2 * level, 0, 1)
    curves["lip_press"] = curves["lip_press"] * (1 - 0.7 * np.clip(openness * level * 1.5, 0, 1))
    curves["lip_stretch"] = curves["lip_stretch"] + spread
    curves["head_pitch"] = curves["head_pitch"] - liveliness * (nod - nod.mean())
    curves["brow_raise"] = curves["brow_raise"] + 0.004 * liveliness * (nod - nod.mean())


def _ease(x: Curve) -> Curve:
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _wandering(times_s: Curve, rng: np.random.Generator) -> Curve:
    """A smooth random curve of about unit size: four slow sines."""
    rates_hz, phases = rng.uniform(0.15, 1.1, 4), rng.uniform(0, 2 * np.pi, 4)
    waves = np.sin(2 * np.pi * rates_hz[:, None] * times_s + phases[:, None]) / np.sqrt(rates_hz / 0.4)[:, None]
    return np.asarray(waves.sum(0) / 2)


def _blinks(times_s: Curve, rng: np.random.Generator) -> Curve:
    """How far the lids are shut by blinks, in [0, 1]; one about every two seconds."""
    shut, time_s = np.zeros_like(times_s), float(rng.uniform(0.4, 1.8))
    while time_s < times_s[-1]:
        shut = np.maximum(shut, 0.97 * np.clip(1.6 - np.abs(times_s - time_s) / _BLINK_S, 0, 1))
        time_s += float(rng.uniform(1.2, 3.0))
    return shut
