"""Picture geometry: display rotation, pixel shape and the size that a decoded frame gets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

_UPRIGHT = (1, 0, 0, 1)
_MAX_PIXEL_ASPECT = 4
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue in brightness (Rec. ITU-R BT.601)."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """The display matrix in quarter turns: transpose first, then mirror."""

    is_transposed: bool
    flips_rows: bool
    flips_columns: bool

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Read the display matrix that the decoder attached to `frame`."""
        a, b, c, d = _display_matrix(frame)
        if abs(b) > abs(a):
            return cls(True, flips_rows=b < 0, flips_columns=c < 0)
        return cls(False, flips_rows=d < 0, flips_columns=a < 0)

    def apply(self, image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:  # noqa: N803 shape suffix
        """The image as a player shows it, contiguous."""
        shown = image_HWC.transpose(1, 0, 2) if self.is_transposed else image_HWC
        shown = shown[::-1] if self.flips_rows else shown
        shown = shown[:, ::-1] if self.flips_columns else shown
        return np.ascontiguousarray(shown)


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    # x' = a*x + c*y, y' = b*x + d*y (libavutil/display.h: rows a b u, c d v, x y w, 16.16 fixed).
    found: Any = frame.side_data.get("DISPLAYMATRIX")
    if found is not None:
        matrix = np.frombuffer(bytes(found), dtype=np.int32)
        return int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4])
    return _UPRIGHT


def scaled_size(width: int, height: int, pixel_aspect: Fraction | None, short_side_px: int | None) -> tuple[int, int]:
    """Width and height in pixels for a stored picture of `width` x `height`.

    Pixels become square by growing one side, then the short side comes down to `short_side_px`
    (never up) with the aspect ratio kept and both sides even; None keeps the size.
    """
    shape = _sane(pixel_aspect)
    wide = width * shape if shape > 1 else Fraction(width)
    high = height / shape if shape < 1 else Fraction(height)
    if short_side_px is None:
        return round(wide), round(high)
    scale = min(Fraction(1), short_side_px / min(wide, high))
    return _even(wide * scale), _even(high * scale)


def _sane(pixel_aspect: Fraction | None) -> Fraction:
    if not pixel_aspect or not Fraction(1, _MAX_PIXEL_ASPECT) <= pixel_aspect <= _MAX_PIXEL_ASPECT:
        return Fraction(1)
    return pixel_aspect


def _even(pixels: Fraction) -> int:
    return max(2, 2 * round(pixels / 2))
