"""Moving pixels: smooth warps between points, bilinear samples, blurs and soft masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Array = NDArray[np.floating]

_COARSE = 4


def thin_plate(to: Array, source: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Where in the source the points (x, y) come from: a thin-plate spline that takes `to` to `source`.

    `to`, `source` (P, 2); x, y of any one shape. Bookstein (1989), Principal warps, IEEE PAMI 11(6), with a
    little smoothing, since points that are read off by eye are a pixel wrong.
    """
    count = len(to)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bend(((to[:, None] - to[None]) ** 2).sum(-1)) + 40.0 * np.eye(count)
    system[:count, count:] = np.column_stack([np.ones(count), to])
    system[count:, :count] = system[:count, count:].T
    weights = np.linalg.solve(system, np.vstack([source, np.zeros((3, 2))]))
    flat = np.column_stack([x.ravel(), y.ravel()])
    kernel = _bend(((flat[:, None] - to[None]) ** 2).sum(-1))
    moved = kernel @ weights[:count] + np.column_stack([np.ones(len(flat)), flat]) @ weights[count:]
    return moved[:, 0].reshape(x.shape).astype(np.float32), moved[:, 1].reshape(x.shape).astype(np.float32)


def _bend(squared: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(0.5 * squared * np.log(np.maximum(squared, 1e-12)), np.float64)


def sample(image: Array, x: Array, y: Array) -> Array:
    """Bilinear values of `image` (H, W, C) at pixel centres x, y (...); edges are repeated. Shape (..., C)."""
    height, width, channels = image.shape
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    column, row = x.astype(np.int32), y.astype(np.int32)
    right, low = (x - column)[..., None], (y - row)[..., None]
    first = row * width + column
    flat = image.reshape(-1, channels)
    upper, lower = (_between(flat, first + skip, right) for skip in (0, width))
    lower -= upper
    lower *= low
    upper += lower
    return upper


def _between(flat: Array, first: NDArray[np.int32], right: Array) -> Array:
    here, beside = (np.take(flat, first + skip, axis=0, mode="clip") for skip in (0, 1))
    beside -= here
    beside *= right
    here += beside
    return here


def upsample(coarse: Array, step: int, height: int, width: int) -> Array:
    """Interpolate values at every `step`-th pixel linearly to (height, width) pixels.

    Not a product of matrices: that is threaded, and slow where several processes share the cores.
    """
    return _stretched(_stretched(coarse, step, height).T, step, width).T


def _stretched(coarse: Array, step: int, num: int) -> Array:
    first = np.minimum(np.arange(num) // step, len(coarse) - 2)
    part = (np.arange(num, dtype=np.float32) / step - first)[:, None].astype(np.float32)
    result: Array = coarse[first] * (1 - part) + coarse[first + 1] * part
    return result


def blur(image: Array, sigma: float) -> Array:
    """Gaussian blur of (H, W) or (H, W, C) with repeated edges; wide ones on a smaller picture."""
    from scipy.ndimage import gaussian_filter, zoom

    step = _COARSE if sigma >= 3 * _COARSE else 1
    sigmas = (sigma / step, sigma / step) + (0,) * (image.ndim - 2)
    if step == 1:
        return np.asarray(gaussian_filter(image, sigmas, mode="nearest"), np.float32)
    small = gaussian_filter(image[::step, ::step], sigmas, mode="nearest")
    factors = [full / part for full, part in zip(image.shape, small.shape, strict=True)]
    return np.asarray(zoom(small, factors, order=1, mode="nearest", grid_mode=True), np.float32)


def polygon(points: Array, width: int, height: int, soft: float = 0.8) -> Array:
    """Coverage (H, W) in [0, 1] of a closed smooth curve through `points` (P, 2), softened by `soft` pixels."""
    curve = _closed_curve(points)
    mask = Image.new("L", (2 * width, 2 * height), 0)
    ImageDraw.Draw(mask).polygon([(2 * float(x) + 0.5, 2 * float(y) + 0.5) for x, y in curve], fill=255)
    small = mask.resize((width, height), Image.Resampling.BOX)
    return blur(np.asarray(small, np.float32) / 255, soft)


def _closed_curve(points: Array, num: int = 8) -> Array:
    """Catmull-Rom curve through `points`, `num` values a stretch."""
    before, after, beyond = np.roll(points, 1, 0), np.roll(points, -1, 0), np.roll(points, -2, 0)
    t = (np.arange(num) / num)[None, :, None]
    p0, p1, p2, p3 = (p[:, None] for p in (before, points, after, beyond))
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.asarray(curve.reshape(-1, 2), np.float32)


def smoothstep(x: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, smooth between (also downwards, with low > high)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    result: Array = np.asarray(t * t * (3 - 2 * t), np.float32)
    return result
