"""The skin of a speaker: relief of the two portraits in the speaker's own shape, tone, age and light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.canvas import EYES_X, EYES_Y, HEIGHT, WIDTH, Layer, canvas_grid
from vaemo_clips.demo.portraits import Portrait, collins, hopper
from vaemo_clips.demo.speaker import Speaker
from vaemo_clips.demo.warp import blur, polygon, sample, smoothstep, thin_plate, upsample

Array = NDArray[np.floating]

_STEP = 8
_COLOUR = 0.45  # how much of the portraits' own blush stays
_FOLD = 0.65
_FILL_SIGMAS = (3.0, 8.0, 20.0, 48.0)


def paint_skin(speaker: Speaker, rng: np.random.Generator) -> Layer:
    """A bald head with brows, (H, W, 4); eyes and mouth are not drawn yet."""
    x, y = canvas_grid()
    relief = _relief(speaker)
    tone = np.array(speaker.skin, np.float32) * relief
    tone = tone * (1 - speaker.stubble * _beard(speaker, rng)[..., None] * (0.8, 0.75, 0.65))
    brow = _brows(speaker, rng)[..., None]
    tone = tone * (1 - brow) + brow * np.minimum(np.array(speaker.hair) * 0.55, np.array(speaker.skin) * 0.5)
    width = abs(speaker.point("cheekbone_l")[0])
    rim = np.clip((x / (1.06 * width)) ** 2 + ((y - 4) / 122) ** 2, 0, 1)
    light = (1 - 0.30 * rim**2) * (1 + speaker.light[0] * x / 80 + speaker.light[1] * (y - 20) / 110)
    colour = np.clip(tone * (light * speaker.light[2])[..., None], 0, 255)
    alpha = _head(speaker)[..., None]
    return np.concatenate([colour * alpha, alpha], -1).astype(np.float32)


def _head(speaker: Speaker) -> Array:
    """Coverage of face and skull."""
    outline = speaker.points[:13]
    width = float(np.abs(outline[:, 0]).max())
    angles = np.linspace(0.15, np.pi - 0.15, 9)
    skull = np.column_stack([1.03 * width * np.cos(angles), -22 - 78 * np.sin(angles)])
    ring = np.vstack([outline, skull]).astype(np.float32) + np.array((EYES_X, EYES_Y), np.float32)
    return polygon(ring, WIDTH, HEIGHT)


def _relief(speaker: Speaker) -> Array:
    """Relief (H, W, 3) of both portraits in the speaker's shape; smooth where neither shows skin."""
    total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    weight = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    for portrait, share in ((collins(), 1.0 - 0.8 * speaker.age), (hopper(), 0.05 + 0.8 * speaker.age)):
        found, known = _warped(portrait, speaker)
        total += share * known[..., None] * found
        weight += share * known[..., None]
    filled = _filled(total, weight)
    smooth = blur(filled, 5.0)
    x, y = canvas_grid()
    # Around the mouth the portraits' own smile would show in every face: only a faint trace of it stays.
    fold = _FOLD * np.exp(-(((y - 62) / 22) ** 2)) * np.exp(-((np.abs(x) / 54) ** 4))
    light = filled.mean(-1, keepdims=True) / np.maximum(smooth.mean(-1, keepdims=True), 1e-3)
    smooth = smooth + fold[..., None] * (blur(filled, 12.0) - smooth)
    detail = 1 + (light - 1) * (1 - fold)[..., None]
    relief: Array = (_COLOUR * smooth + (1 - _COLOUR) * smooth.mean(-1, keepdims=True)) * detail
    return relief


def _warped(portrait: Portrait, speaker: Speaker) -> tuple[Array, Array]:
    x, y = canvas_grid()
    far_x, far_y = thin_plate(speaker.points, portrait.points, x[::_STEP, ::_STEP], y[::_STEP, ::_STEP])
    place = upsample(far_x, _STEP, HEIGHT, WIDTH), upsample(far_y, _STEP, HEIGHT, WIDTH)
    found = sample(np.dstack([portrait.relief, portrait.weight]), *place)
    return found[..., :3], found[..., 3] * (np.abs(x) < 90) * (np.abs(y) < 130)


def _filled(total: Array, weight: Array) -> Array:
    """Normalised convolution (Knutsson & Westin 1993) with wider and wider kernels."""
    solid = np.clip(weight * 1.6, 0, 1)
    result = total / np.maximum(weight, 1e-4)
    coarse = np.ones_like(result)
    for sigma in reversed(_FILL_SIGMAS):
        share = blur(weight, sigma)
        mean = blur(total, sigma) / np.maximum(share, 1e-4)
        trust = np.clip(share * 12, 0, 1)
        coarse = trust * mean + (1 - trust) * coarse
    filled: Array = solid * result + (1 - solid) * coarse
    return filled


def _beard(speaker: Speaker, rng: np.random.Generator) -> Array:
    x, y = canvas_grid()
    mouth_y = speaker.point("mouth_l")[1]
    below = smoothstep(y + 0.012 * x**2, 48, 74)
    lips = smoothstep((x / 34) ** 2 + ((y - mouth_y) / 15) ** 2, 0.8, 1.2)
    grain = 0.8 + 0.35 * blur(rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32), 0.7)
    return np.asarray(below * lips * grain, np.float32)


def _brows(speaker: Speaker, rng: np.random.Generator) -> Array:
    """Coverage of both brows: an arc through three points, thick inside, with ragged strands."""
    x, y = canvas_grid()
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    strands = blur(rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32), 0.9)
    for side in ("l", "r"):
        out, top, inner = (np.array(speaker.point(f"brow_{side}_{part}")) for part in ("out", "top", "in"))
        arc = np.polyfit([out[0], top[0], inner[0]], [out[1], top[1], inner[1]], 2)
        along = np.clip((x - out[0]) / (inner[0] - out[0]), 0, 1)
        half = speaker.brow_weight * (1.2 + 2.2 * np.sin(np.pi * (0.12 + 0.72 * along)))
        inside = smoothstep((x - out[0]) / (inner[0] - out[0]), -0.06, 0.1)
        inside = inside * smoothstep((x - out[0]) / (inner[0] - out[0]), 1.1, 0.95)
        total += inside * smoothstep(np.abs(y - np.polyval(arc, x)) - half + 1.5 * strands, 1.3, -1.5)
    return np.asarray(np.clip(total * 0.85, 0, 1), np.float32)
