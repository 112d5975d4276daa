"""Hair and caps, drawn before and behind the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.canvas import HEIGHT, WIDTH, Layer, canvas_grid
from vaemo_clips.demo.speaker import Speaker
from vaemo_clips.demo.warp import blur, smoothstep

Array = NDArray[np.floating]

# How far hair stands off the skull (px), where the hairline lies over the brow's middle and over the temples
# (px below the eyes are positive), how far it goes down beside the face and behind the head.
_CUTS = {
    "crop": (6.0, -58.0, -14.0, -4.0, -999.0),
    "bob": (17.0, -40.0, 20.0, 62.0, 70.0),
    "long": (12.0, -62.0, 10.0, 60.0, 165.0),
    "bun": (4.0, -62.0, -22.0, -10.0, -999.0),
    "shaved": (1.0, -56.0, -16.0, -8.0, -999.0),
    "side_part": (10.0, -50.0, -12.0, 0.0, -999.0),
    "curls": (26.0, -48.0, 4.0, 30.0, 40.0),
    "cap": (9.0, -38.0, -26.0, -999.0, -999.0),
}


def paint_hair(speaker: Speaker, rng: np.random.Generator) -> tuple[Layer, Layer]:
    """The layers behind and before the head, (H, W, 4) each."""
    x, y = canvas_grid()
    off, front_y, temple_y, side_y, back_y = _CUTS[speaker.hair_style]
    width = abs(speaker.point("cheekbone_l")[0]) * 1.03
    ragged = _noise(rng, 3.0) * (2.0 if speaker.hair_style == "curls" else 0.8)
    rise = np.where(y < -22, ((y + 22) / (78 + off)) ** 2, 0.0)
    skull = np.sqrt((x / (width + off)) ** 2 + rise) * (width + off)
    inside = smoothstep(skull + ragged, width + off + 1.5, width + off - 1.5)
    lean = 0.35 * x if speaker.hair_style == "side_part" else 0.0
    arch = (np.abs(x) / width) ** (1.3 if speaker.hair_style == "long" else 3.0)
    hairline = front_y + (temple_y - front_y) * arch + lean
    over_brow = smoothstep(y - hairline + 2 * ragged, 3.0, -3.0)
    beside = smoothstep(np.abs(x), width - 7, width - 2) * smoothstep(y + ragged, side_y + 6, side_y - 6)
    before = inside * np.maximum(over_brow, beside)
    behind = smoothstep(np.abs(x), width + off + 4, width + off) * smoothstep(y, back_y + 20, back_y - 10)
    behind = np.where(y < -22, inside, behind)
    if speaker.hair_style == "bun":
        behind = np.maximum(behind, smoothstep(np.sqrt(x**2 + (y + 112) ** 2), 29, 26))
    if speaker.hair_style == "shaved":
        before, behind = 0.45 * before, 0.0 * behind
    return _coloured(speaker, behind, rng, 0.6), _coloured(speaker, before, rng, 1.0)


def _coloured(speaker: Speaker, coverage: Array, rng: np.random.Generator, shade: float) -> Layer:
    x, y = canvas_grid()
    if speaker.hair_style == "cap":
        colour = np.array(speaker.cloth)[::-1] * 0.8
        relief = 1 + 0.05 * np.sin(y * 0.9) + 0.04 * _noise(rng, 1.0) - 0.25 * smoothstep(y, -50, -36)
    else:
        colour = np.array(speaker.hair)
        relief = 1 + (0.22 * _curls(rng) if speaker.hair_style == "curls" else 0.20 * _strands(x, y, rng))
        relief = relief + 0.25 * smoothstep(np.abs(y + 72 + 0.004 * x**2), 16, 0)
    light = shade * (1 + speaker.light[0] * x / 90) * speaker.light[2] * (1 - 0.25 * (x / 90) ** 2)
    alpha = np.clip(coverage, 0, 1)[..., None]
    rgb = np.clip(colour * (relief * light)[..., None], 0, 255)
    return np.concatenate([rgb * alpha, alpha], -1).astype(np.float32)


def _strands(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Noise that is long along lines which leave the crown and hang down beside the face."""
    around = np.arctan2(x, np.maximum(-(y + 30), 0) + 45)
    table = rng.standard_normal((3, 512))
    waves = np.zeros_like(x)
    for row, finesse in zip(table, (18.0, 45.0, 90.0), strict=True):
        place = (around + 4) * finesse + 1.5 * np.sin(y / 23 + row[0])
        first = place.astype(int)
        waves += row[first % 512] * (1 - place + first) + row[(first + 1) % 512] * (place - first)
    return np.asarray(waves / 1.7, np.float32)


def _curls(rng: np.random.Generator) -> Array:
    return _noise(rng, 2.2) + 0.6 * _noise(rng, 5.0)


def _noise(rng: np.random.Generator, sigma: float) -> Array:
    noise = blur(rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32), sigma)
    return np.asarray(noise / noise.std(), np.float32)
