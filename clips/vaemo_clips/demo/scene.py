"""The still layers of a speaker: backdrop, clothes and neck, skin, hair. Canvas pixels, RGB in [0, 255]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.canvas import EYES_X, EYES_Y, HEIGHT, WIDTH, Layer, canvas_grid, over
from vaemo_clips.demo.hair import paint_hair
from vaemo_clips.demo.skin import paint_skin
from vaemo_clips.demo.speaker import Speaker
from vaemo_clips.demo.warp import blur, polygon, smoothstep

Array = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Scene:
    """Layers (H, W, 4) with colour multiplied by coverage: what lies behind the face, the face, what is before it."""

    behind: Array
    face: Array
    before: Array


def paint_scene(speaker: Speaker) -> Scene:
    """Paint the layers of a speaker at rest, the eyes and the mouth not yet drawn in."""
    rng = np.random.default_rng(speaker.texture_seed)
    hair_behind, hair_before = paint_hair(speaker, rng)
    behind = over(_ears(speaker), over(_clothes(speaker, rng), over(_neck(speaker), hair_behind)))
    return Scene(behind, paint_skin(speaker, rng), over(_glasses(speaker), hair_before))


def backdrop(speaker: Speaker, width: int, height: int) -> Array:
    """The wall behind the speaker, (height, width, 3): two colours, a slope of light and soft blotches."""
    rng = np.random.default_rng(speaker.texture_seed + 1)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slope = smoothstep(x / width * rng.uniform(-0.6, 0.6) + y / height, -0.2, 1.1)[..., None]
    wall = np.array(speaker.backdrop[0]) * (1 - slope) + np.array(speaker.backdrop[1]) * slope
    blotches = blur(rng.standard_normal((height, width)).astype(np.float32), 14.0)
    wall = wall * (1 + 0.03 * blotches[..., None] / max(float(blotches.std()), 1e-6))
    return np.asarray(np.clip(wall, 0, 255), np.float32)


def _neck(speaker: Speaker) -> Layer:
    x, y = canvas_grid()
    half = 0.58 * abs(speaker.point("jaw_l")[0])
    coverage = smoothstep(np.abs(x), half + 2, half - 2) * smoothstep(y, 30, 40)
    chin = speaker.point("chin")[1]
    shade = 0.62 + 0.24 * smoothstep(y, chin - 4, chin + 34) - 0.18 * smoothstep(np.abs(x), 0.5 * half, half)
    shade = shade * (1 + speaker.light[0] * x / 140) * speaker.light[2]
    return _layer(np.array(speaker.skin) * shade[..., None], coverage)


def _clothes(speaker: Speaker, rng: np.random.Generator) -> Layer:
    x, _ = canvas_grid()
    neck = 0.58 * abs(speaker.point("jaw_l")[0])
    drop = speaker.point("chin")[1] + 22
    outline = [(-neck - 3, drop), (-95, drop + 24), (-138, drop + 52), (-165, 230), (165, 230), (138, drop + 52),
               (95, drop + 24), (neck + 3, drop), (0, drop + (12, 34, 20)[speaker.collar])]  # fmt: skip
    coverage = polygon(np.array(outline) + np.array((EYES_X, EYES_Y)), WIDTH, HEIGHT)
    folds = blur(rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32), 9.0)
    shade = 1.0 - 0.28 * (x / 150) ** 2 + 0.10 * folds / folds.std() + 0.03 * rng.standard_normal((HEIGHT, WIDTH))
    shade = shade * (1 + speaker.light[0] * x / 160) * speaker.light[2]
    edge = smoothstep(blur(coverage, 5.0), 0.98, 0.55) * smoothstep(np.abs(x), 70, 30)
    colour = np.array(speaker.cloth) * (1 + 0.5 * edge[..., None] * (1 if speaker.collar == 2 else -0.6))
    return _layer(colour * shade[..., None], coverage)


def _ears(speaker: Speaker) -> Layer:
    x, y = canvas_grid()
    across = (np.abs(x) - abs(speaker.point("cheekbone_l")[0]) - 1) / 9
    radius = np.sqrt(across**2 + ((y - 14) / 20) ** 2)
    shade = (0.9 - 0.25 * smoothstep(radius, 0.8, 0.2)) * (1 + speaker.light[0] * x / 100) * speaker.light[2]
    return _layer(np.array(speaker.skin) * (1.0, 0.93, 0.9) * shade[..., None], smoothstep(radius, 1.06, 0.94))


def _glasses(speaker: Speaker) -> Layer:
    """A dark frame around both eyes, or nothing."""
    x, y = canvas_grid()
    if not speaker.has_glasses:
        return np.zeros((HEIGHT, WIDTH, 4), np.float32)
    radius = (np.abs((np.abs(x) - 33) / 24) ** 3 + np.abs((y - 3) / 18) ** 3) ** (1 / 3)
    ring = smoothstep(np.abs(radius - 1) * 20, 2.6, 1.2)
    bridge = smoothstep(np.abs(y + 3), 2.4, 1.2) * smoothstep(np.abs(x), 11, 9)
    arms = smoothstep(np.abs(y + 4), 2.4, 1.2) * smoothstep(np.abs(x), 55, 57) * smoothstep(np.abs(x), 70, 66)
    return _layer(np.broadcast_to(np.array((38, 32, 34)), (HEIGHT, WIDTH, 3)), np.maximum(ring, bridge + arms))


def _layer(colour: NDArray[np.floating], coverage: Array) -> Layer:
    alpha = np.clip(coverage, 0, 1)[..., None]
    return np.concatenate([np.clip(colour, 0, 255) * alpha, alpha], -1).astype(np.float32)
