"""The canvas on which a speaker is painted before head and camera move it."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 448, 336
EYES_X, EYES_Y = 224, 150
"""Canvas pixel of the middle between the eyes; coordinates of everything else are taken from there."""
EYE_DISTANCE = 94.0
"""Canvas pixels between the outer corners of the eyes of the mean face: the unit of planted lengths."""

Array = NDArray[np.floating]
Layer = NDArray[np.floating]
"""(H, W, 4): RGB in [0, 255] multiplied by coverage, and coverage in [0, 1]."""


@functools.cache
def canvas_grid() -> tuple[Array, Array]:
    """x and y of every canvas pixel around the eyes, (H, W) each."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return x - EYES_X, y - EYES_Y


def over(front: Layer, back: Layer) -> Layer:
    """One layer before another. Porter & Duff (1984), Compositing digital images, SIGGRAPH, "over"."""
    result: Layer = front + back * (1 - front[..., 3:])
    return result
