"""Eyes: lids that move, and an eyeball drawn in the gap between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.canvas import EYES_X, EYES_Y, Layer
from vaemo_clips.demo.columns import moved_rows
from vaemo_clips.demo.speaker import Speaker

Array = NDArray[np.floating]

_HALF_WIDTH, _TOP, _BOTTOM = 26, -22, 20
_LOWER_SHARE = 0.14  # of a change of the gap, that the lower lid makes
_IRIS, _PUPIL = 6.6, 3.0
_SCLERA = np.array((226, 220, 214), np.float32)


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye of a speaker, with what does not change from picture to picture."""

    x: Array
    y: Array
    rows: slice
    columns: slice
    middle_x: float
    width_px: float
    base: Array
    arc: Array
    rest_top: Array
    rest_low: Array
    iris: Array
    light: float

    @classmethod
    def of(cls, speaker: Speaker, side: str) -> Eye:
        """The eye on side `l` or `r` of the picture."""
        (out_x, out_y), (in_x, in_y) = speaker.point(f"eye_{side}_out"), speaker.point(f"eye_{side}_in")
        middle = (out_x + in_x) / 2
        left = round(middle) - _HALF_WIDTH
        x = np.arange(left, left + 2 * _HALF_WIDTH, dtype=np.float32)
        along = np.clip((x - out_x) / (in_x - out_x), 0, 1)
        base = (out_y + (in_y - out_y) * along).astype(np.float32)
        arc = ((4 * along * (1 - along)) ** 0.75).astype(np.float32)
        top, low = speaker.point(f"eye_{side}_top")[1], speaker.point(f"eye_{side}_low")[1]
        middle_y = (out_y + in_y) / 2
        y = np.arange(_TOP, _BOTTOM, dtype=np.float32)
        rows = slice(EYES_Y + _TOP, EYES_Y + _BOTTOM)
        return cls(
            x, y, rows, slice(EYES_X + left, EYES_X + left + 2 * _HALF_WIDTH), middle, abs(in_x - out_x), base, arc,
            base + (top - middle_y) * arc, base + (low - middle_y) * arc,
            np.array(speaker.eyes, np.float32), speaker.light[2] * (1 + speaker.light[0] * middle / 80),
        )  # fmt: skip

    def draw(self, face: Layer, opening: float, gaze: tuple[float, float]) -> None:
        """Draw the eye into `face`; `opening` is the lid gap in eye widths, `gaze` the iris's offset in pixels."""
        gap = opening * self.width_px
        rest_gap = float((self.rest_low - self.rest_top).max())
        low = self.rest_low + _LOWER_SHARE * (gap - rest_gap) * self.arc
        top = low - gap * self.arc
        ends = np.full_like(self.base, _TOP + 1), np.full_like(self.base, _BOTTOM - 2)
        to = np.stack([ends[0], top, low, ends[1]])
        source = np.stack([ends[0], self.rest_top, self.rest_low, ends[1]])
        skin = moved_rows(face[self.rows, self.columns], self.y, to, source)
        y = self.y[:, None]
        inside = np.clip(np.minimum(y - top, low - y) + 0.5, 0, 1) * (self.arc > 0)
        is_near = np.exp(-np.abs(y - top) / 1.1) * np.minimum(self.arc * 1.4, 1) * 0.8
        alpha = skin[..., 3:]
        rgb = skin[..., :3] * (1 - inside[..., None]) + self._ball(top, gaze) * inside[..., None] * alpha
        face[self.rows, self.columns, :3] = rgb * (1 - is_near[..., None] * (0.80, 0.84, 0.86))
        face[self.rows, self.columns, 3:] = alpha

    def _ball(self, top: Array, gaze: tuple[float, float]) -> Array:
        """Colour of the eyeball under the lids, (rows, columns, 3)."""
        x, y = self.x[None] - self.middle_x - gaze[0], self.y[:, None] + 0.5 - gaze[1]
        radius = np.sqrt(x**2 + y**2)
        iris = np.clip(_IRIS - radius + 0.5, 0, 1)[..., None]
        ring = 0.55 + 0.65 * np.clip((_IRIS - radius) / 2.5, 0, 1)
        pupil = np.clip(_PUPIL - radius + 0.5, 0, 1)[..., None]
        ball = _SCLERA * (1 - iris) + iris * self.iris * ring[..., None]
        ball = ball * (1 - 0.9 * pupil)
        shadow = 0.55 + 0.45 * np.clip((self.y[:, None] - top) / 5, 0, 1)
        corner = 1 - 0.3 * (np.abs(self.x - self.middle_x) / (0.5 * self.width_px)) ** 3
        spark = np.exp(-((x + 2) ** 2 + (y + 2.4) ** 2) / 1.6)[..., None]
        lit = ball * (shadow * np.clip(corner, 0.4, 1))[..., None] * self.light
        result: Array = np.clip(lit * (1 - spark) + 245 * spark, 0, 255).astype(np.float32)
        return result
