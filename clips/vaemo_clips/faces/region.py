"""A square on a picture, turned with the head: where a face is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_MAX_REDUCTION = 8


@dataclass(frozen=True, slots=True)
class Region:
    """A square with its centre (x right, y down) and side in pixels, its x axis turned by `angle` rad clockwise."""

    x: float
    y: float
    side: float
    angle: float

    @property
    def axes(self) -> tuple[float, float]:
        """Cosine and sine of the angle, times the side."""
        return self.side * math.cos(self.angle), self.side * math.sin(self.angle)

    def patch(self, picture: Image.Image, size_px: int) -> NDArray[np.uint8]:
        """The square as (size_px, size_px, 3) uint8, upright; black where it leaves the picture.

        Pixels are averaged before a strong reduction, so that a large face does not alias.
        """
        reduction = min(max(int(self.side / size_px), 1), _MAX_REDUCTION)
        left, top = 0, 0
        if reduction > 1:
            picture, left, top = self._reduced(picture, reduction)
        cos, sin = self.axes
        a, b = cos / size_px / reduction, sin / size_px / reduction
        half = size_px / 2
        x0 = (self.x - left) / reduction - a * half + b * half
        y0 = (self.y - top) / reduction - b * half - a * half
        # Pillow maps the centre of an output pixel, (i + 0.5, j + 0.5), by x = a*i + b*j + c.
        matrix = (a, -b, x0, b, a, y0)
        size = (size_px, size_px)
        turned = picture.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        return np.asarray(turned, dtype=np.uint8)

    def _reduced(self, picture: Image.Image, reduction: int) -> tuple[Image.Image, int, int]:
        reach = self.side * (abs(math.cos(self.angle)) + abs(math.sin(self.angle))) / 2 + reduction
        left, top = max(int(self.x - reach), 0), max(int(self.y - reach), 0)
        right, bottom = min(int(self.x + reach) + 1, picture.width), min(int(self.y + reach) + 1, picture.height)
        if right <= left or bottom <= top:
            return picture, 0, 0
        return picture.reduce(reduction, box=(left, top, right, bottom)), left, top

    def to_picture(self, points: NDArray[np.float32], size_px: int) -> NDArray[np.float32]:
        """Points (K, 2 or 3) of the patch of `size_px` as points of the picture; z grows with the side."""
        cos, sin = self.axes
        at = points[:, :2] / size_px - 0.5
        moved = np.empty_like(points)
        moved[:, 0] = self.x + cos * at[:, 0] - sin * at[:, 1]
        moved[:, 1] = self.y + sin * at[:, 0] + cos * at[:, 1]
        if points.shape[1] > 2:
            moved[:, 2] = points[:, 2] * (self.side / size_px)
        return moved
