"""Moving the skin up and down, column by column: exact, and without folds however far a lid or lip moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def moved_rows(patch: Array, y: Array, to: Array, source: Array) -> Array:
    """Stretch each column of `patch` (R, C, D) so that the heights `source` (K, C) come to lie at `to` (K, C).

    `y` (R,): heights of the rows, one pixel apart. Piecewise linear between the K heights, which ascend.
    """
    rows = y[:, None]
    place = np.broadcast_to(rows, patch.shape[:2]).copy()
    for low, high, from_low, from_high in zip(to[:-1], to[1:], source[:-1], source[1:], strict=True):
        share = (rows - low) / np.maximum(high - low, 1e-3)
        is_here = (share >= 0) & (share < 1)
        place = np.where(is_here, from_low + share * (from_high - from_low), place)
    place = np.clip(place - y[0], 0, len(y) - 1.001)
    first = place.astype(np.intp)
    part = (place - first)[..., None].astype(np.float32)
    flat = patch.reshape(-1, patch.shape[-1])
    index = first * patch.shape[1] + np.arange(patch.shape[1])
    moved: Array = flat[index] * (1 - part) + flat[index + patch.shape[1]] * part
    return moved
