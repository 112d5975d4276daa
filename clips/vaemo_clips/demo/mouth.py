"""The mouth: lips between four curves, the dark inside with teeth, and the skin and jaw that move with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.canvas import EYE_DISTANCE, EYES_X, EYES_Y, Layer
from vaemo_clips.demo.columns import moved_rows
from vaemo_clips.demo.speaker import Speaker

Array = NDArray[np.floating]

_HALF, _TOP, _BOTTOM = 76, 44, 166
_UPPER_LIP, _LOWER_LIP = 5.4, 8.6
_UPPER_SHARE = 0.32  # of the gap between the lips that the upper lip makes
_TEETH = np.array((232, 224, 210), np.float32)
_TONGUE = np.array((168, 78, 78), np.float32)
_INSIDE = np.array((52, 20, 22), np.float32)


@dataclass(frozen=True, slots=True)
class MouthShape:
    """A mouth in one picture, in eye distances; `press` in [0, 1] is the share of the lips that is rolled in."""

    opening: float
    pull: float
    depress: float
    widening: float
    press: float
    upper_raise: float


class Mouth:
    """A speaker's mouth. `x` (C,) and `y` (R,) are the patch's pixels around the eyes."""

    def __init__(self, speaker: Speaker) -> None:
        """Take the speaker's own mouth at rest."""
        self._half_px, self._y_px = speaker.point("mouth_r")
        self._chin_px = speaker.point("chin")[1]
        self._fullness = speaker.rest.lip_fullness
        self._lips = np.array(speaker.lips, np.float32)
        self._light = speaker.light[2]
        self.x = np.arange(-_HALF, _HALF, dtype=np.float32)
        self.y = np.arange(_TOP, _BOTTOM, dtype=np.float32)
        self._rows = slice(EYES_Y + _TOP, EYES_Y + _BOTTOM)
        self._columns = slice(EYES_X - _HALF, EYES_X + _HALF)
        rng = np.random.default_rng(speaker.texture_seed + 2)
        self._grain = 1 + 0.07 * np.repeat(rng.standard_normal(_HALF), 2).astype(np.float32)
        self._rest = self._curves(MouthShape(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.0)
        self._rest_corner_px = EYE_DISTANCE * speaker.rest.mouth_corner

    def draw(self, face: Layer, shape: MouthShape) -> None:
        """Draw the mouth into `face` (H, W, 4) and move the skin around it."""
        curves = self._curves(shape, self._rest_corner_px)
        patch = self._skin(face[self._rows, self._columns], curves, shape)
        half = self._width(shape)
        along = np.abs(self.x) / half
        lit = (1 - 0.12 * along**2) * self._light
        self._paint_inside(patch, curves, lit)
        self._paint_lips(patch, curves, lit)
        face[self._rows, self._columns] = patch

    def _width(self, shape: MouthShape) -> float:
        """Half the mouth's width in pixels."""
        return self._half_px + EYE_DISTANCE * shape.widening

    def _curves(self, shape: MouthShape, rest_corner_px: float) -> Array:
        """Heights (4, C) of the upper lip's outer and inner and the lower lip's inner and outer edge."""
        half = self._width(shape)
        along = np.minimum(np.abs(self.x) / half, 1.0)
        lift = EYE_DISTANCE * (shape.depress - shape.pull) - rest_corner_px
        beyond = np.exp(-((np.maximum(np.abs(self.x) - half, 0) / 16) ** 2))
        line = self._y_px + lift * (along**1.8 - 0.12) * beyond
        round_px = np.sqrt(np.clip(1 - along**2.2, 0, 1))
        gap = EYE_DISTANCE * shape.opening * np.clip(1 - along**2, 0, 1) ** 0.7
        thin = self._fullness * (1 - shape.press) * (1 - 2.0 * np.clip(shape.pull, 0, 0.2))
        bow = 1 - 0.22 * np.exp(-((self.x / 3.5) ** 2)) - 0.25 * along
        raised = EYE_DISTANCE * shape.upper_raise * np.clip(1 - along**2, 0, 1)
        inner_top = line - _UPPER_SHARE * gap - raised
        inner_low = np.maximum(line + (1 - _UPPER_SHARE) * gap - raised * 0.5, inner_top)
        outer = inner_top - _UPPER_LIP * thin * bow * round_px, inner_low + _LOWER_LIP * thin * round_px**1.2
        return np.stack([outer[0], inner_top, inner_low, outer[1]]).astype(np.float32)

    def _skin(self, patch: Layer, curves: Array, shape: MouthShape) -> Layer:
        jaw = 0.62 * EYE_DISTANCE * shape.opening * np.clip(1 - (self.x / _HALF) ** 2, 0, 1)
        fixed = np.ones_like(self.x)
        chin = self._chin_px + 2
        to = np.stack([46 * fixed, curves[0], curves[3], chin + jaw, (_BOTTOM - 2) * fixed])
        to = np.maximum.accumulate(to, 0)
        source = np.stack([46 * fixed, self._rest[0], self._rest[3], chin * fixed, (_BOTTOM - 2) * fixed])
        return moved_rows(patch, self.y, to, source)

    def _paint_inside(self, patch: Layer, curves: Array, lit: Array) -> None:
        y = self.y[:, None]
        inside = np.clip(np.minimum(y - curves[1], curves[2] - y) + 0.5, 0, 1) * (curves[2] > curves[1] + 0.3)
        edge = self._y_px + 3.5 - 0.004 * self.x**2
        teeth = np.clip(edge - y, 0, 1) * np.clip(1.25 - (self.x / 27) ** 2, 0, 1)
        teeth = teeth * (1 - 0.25 * (np.abs((self.x / 6.5) % 1 - 0.5) > 0.44)) * (0.6 + 0.4 * (y > curves[1] + 2))
        tongue = 0.8 * np.clip((y - self._y_px - 9) / 4, 0, 1) * np.clip(1 - (self.x / 20) ** 2, 0, 1)
        colour = _INSIDE + (_TONGUE - _INSIDE) * tongue[..., None]
        colour = colour + (_TEETH - colour) * teeth[..., None]
        _blend(patch, colour * lit[:, None], inside)

    def _paint_lips(self, patch: Layer, curves: Array, lit: Array) -> None:
        y = self.y[:, None]
        for outer, inner, tone, shine in ((curves[0], curves[1], 0.88, 0.0), (curves[3], curves[2], 0.98, 0.22)):
            low, high = np.minimum(outer, inner), np.maximum(outer, inner)
            coverage = np.clip((np.minimum(y - low, high - y) + 0.8) / 1.6, 0, 1) * (high > low + 0.2)
            across = np.clip((y - inner) / np.where(np.abs(outer - inner) < 0.5, 0.5, outer - inner), 0, 1)
            shade = tone * (0.78 + 0.28 * across) + shine * np.exp(-(((across - 0.45) / 0.25) ** 2)) * (lit > 0.8)
            _blend(patch, self._lips * (shade * self._grain * lit)[..., None], coverage * 0.88)
        line = np.exp(-(((y - curves[1]) / 0.9) ** 2)) * (np.abs(self.x) < self._half_px + 4)
        _blend(patch, self._lips * 0.42 * lit[:, None], 0.6 * line * np.clip(2.2 - (self.x / self._half_px) ** 2, 0, 1))


def _blend(patch: Layer, colour: NDArray[np.floating], coverage: NDArray[np.floating]) -> None:
    share = coverage[..., None].astype(np.float32)
    patch[..., :3] += share * (np.clip(colour, 0, 255).astype(np.float32) * patch[..., 3:] - patch[..., :3])
