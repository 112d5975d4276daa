"""A synthetic speaker: looks and voice, drawn from a seed and a number."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.portraits import MEAN_FACE, POINT_NAMES

Array = NDArray[np.floating]
Colour = tuple[float, float, float]

HAIR_STYLES = ("crop", "bob", "long", "bun", "shaved", "side_part", "curls", "cap")
_STREAM = 7001  # keeps a speaker's random numbers apart from those of the clip with the same number
# Skin from light to dark, RGB: between neighbours of the Fitzpatrick scale.
_SKINS: tuple[Colour, ...] = (
    (236, 196, 172), (222, 178, 148), (205, 160, 128), (181, 133, 100), (150, 105, 76), (132, 92, 68), (108, 74, 56),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (34, 28, 26), (58, 42, 34), (92, 62, 42), (140, 100, 62), (186, 148, 92), (128, 62, 36), (150, 146, 142),
)  # fmt: skip
_EYES: tuple[Colour, ...] = ((72, 48, 32), (54, 38, 28), (96, 76, 44), (92, 116, 130), (98, 118, 88), (110, 120, 126))


@dataclass(frozen=True, slots=True)
class Rest:
    """A speaker's own neutral face: lengths in eye distances (outer corner to outer corner), eyes in eye widths."""

    brow_raise: float
    eye_opening: float
    mouth_corner: float
    lip_fullness: float


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker's own neutral voice. `tract` scales formants; `breath` is the noise's share of the source."""

    f0_hz: float
    tract: float
    syllables_per_s: float
    loudness_db: float
    breath: float


@dataclass(frozen=True, slots=True)
class Speaker:
    """All that stays the same from clip to clip.

    `points` (P, 2): POINT_NAMES in canvas pixels around the eyes. `light`: slope to the right, slope downwards,
    brightness. `camera`: zoom, and how many canvas pixels to the right the speaker sits. `age` and `stubble` in
    [0, 1]; colours are RGB in [0, 255].
    """

    number: int
    points: Array
    age: float
    skin: Colour
    stubble: float
    lips: Colour
    hair: Colour
    hair_style: str
    eyes: Colour
    brow_weight: float
    has_glasses: bool
    cloth: Colour
    collar: int
    backdrop: tuple[Colour, Colour]
    light: tuple[float, float, float]
    camera: tuple[float, float]
    rest: Rest
    voice: Voice
    texture_seed: int

    def point(self, name: str) -> tuple[float, float]:
        """One point by its name, x and y in canvas pixels around the eyes."""
        x, y = self.points[POINT_NAMES.index(name)]
        return float(x), float(y)


def make_speaker(number: int, seed: int) -> Speaker:
    """Draw speaker `number`; neighbours differ in style, skin and voice by turns, the rest is chance."""
    rng = np.random.default_rng([seed, _STREAM, number])
    is_low = bool(number % 2)
    skin = _mixed(_SKINS, ((number * 5) % len(_SKINS) + rng.uniform(-0.4, 0.4)))
    style = HAIR_STYLES[(number * 3 + seed) % len(HAIR_STYLES)]
    stubble = float(rng.uniform(0.1, 0.45)) if is_low and style not in ("bob", "long", "bun") else 0.0
    red = np.array((0.86, 0.66, 0.65) if stubble else (0.90, 0.60, 0.61))
    return Speaker(
        number=number,
        points=_shape(rng),
        age=float(rng.uniform(0.0, 0.6)),
        skin=skin,
        stubble=stubble,
        lips=_colour(np.array(skin) * (red + rng.uniform(-0.06, 0.06, 3))),
        hair=_mixed(_HAIRS, float(rng.uniform(0, 2.2) if sum(skin) < 420 else rng.uniform(0, len(_HAIRS) - 1))),
        hair_style=style,
        eyes=_EYES[int(rng.integers(2 if sum(skin) < 420 else len(_EYES)))],
        brow_weight=float(rng.uniform(0.6, 1.1) + 0.2 * is_low),
        has_glasses=number % 6 == 4,
        cloth=_hue(rng, 0.15, 0.75, 0.2, 0.75),
        collar=int(rng.integers(3)),
        backdrop=(_hue(rng, 0.05, 0.45, 0.35, 0.95), _hue(rng, 0.05, 0.45, 0.25, 0.8)),
        light=(float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.2, 0.05)), float(rng.uniform(0.90, 1.02))),
        camera=(float(rng.uniform(1.0, 1.12)), float(rng.uniform(-16, 16))),
        rest=Rest(
            float(rng.normal(0, 0.008)), float(rng.uniform(0.31, 0.38)),
            float(rng.normal(0.012, 0.008)), float(rng.uniform(0.85, 1.35)),
        ),
        voice=_voice(rng, is_low),
        texture_seed=int(rng.integers(1 << 30)),
    )  # fmt: skip


def _voice(rng: np.random.Generator, is_low: bool) -> Voice:
    f0_hz = rng.uniform(88, 128) if is_low else rng.uniform(165, 225)
    tract = rng.uniform(0.84, 0.95) if is_low else rng.uniform(1.0, 1.14)
    rate, loudness = rng.uniform(3.3, 4.2), rng.uniform(-27, -24)
    return Voice(float(f0_hz), float(tract), float(rate), float(loudness), float(rng.uniform(0.02, 0.06)))


def _shape(rng: np.random.Generator) -> Array:
    """The mean face, with other widths and lengths of its parts; the middles of the eyes stay."""
    points = MEAN_FACE.astype(np.float64).copy()
    is_outline = np.arange(len(points)) < 13
    low = np.clip(points[:, 1] / 110, 0, 1)
    points[is_outline, 0] *= rng.uniform(0.92, 1.10) * (1 + rng.uniform(-0.13, 0.13) * low[is_outline] ** 2)
    points[:, 1] += rng.uniform(-12, 8) * low**2
    for names, width, height in (("nose ala", 0.16, 0.10), ("mouth lip", 0.13, 0.03)):
        is_part = np.array([name.startswith(tuple(names.split())) for name in POINT_NAMES])
        points[is_part, 0] *= 1 + rng.uniform(-width, width)
        points[is_part, 1] *= 1 + rng.uniform(-height, height)
    is_brow = np.array([name.startswith("brow") for name in POINT_NAMES])
    points[is_brow, 1] += rng.uniform(-2.5, 1.5)
    eye_scale = rng.uniform(0.93, 1.05)
    for x in (-32, 32):
        is_eye = np.array([name.startswith("eye") for name in POINT_NAMES]) & (np.sign(points[:, 0]) == np.sign(x))
        points[is_eye, 0] = x + (points[is_eye, 0] - x) * eye_scale
    return points.astype(np.float32)


def _hue(rng: np.random.Generator, s0: float, s1: float, v0: float, v1: float) -> Colour:
    return _colour(255 * np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(s0, s1), rng.uniform(v0, v1))))


def _mixed(colours: tuple[Colour, ...], place: float) -> Colour:
    """The colour at a place between its neighbours in the list."""
    place = float(np.clip(place, 0, len(colours) - 1))
    first = min(int(place), len(colours) - 2)
    return _colour(np.array(colours[first]) * (1 - place + first) + np.array(colours[first + 1]) * (place - first))


def _colour(rgb: NDArray[np.floating]) -> Colour:
    r, g, b = (float(v) for v in rgb)
    return r, g, b
