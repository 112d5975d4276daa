"""Shot changes: where one picture has little to do with the one before it."""

from __future__ import annotations

from collections import deque
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vaemo_clips.picture import LUMA

_GRID = (32, 18)
_BRIGHTEST = 32 * 18 // 20
_BINS = 6  # a channel; coarse, so that a little more light moves few pixels to another bin
_MIN_CHANGE = 0.3
_TIMES_USUAL = 3.0
_MEMORY = 12


class CutFinder:
    """Finds hard cuts while pictures go by; dissolves and fades are not looked for."""

    brightness: float = 0.0
    """Luma in [0, 255] that a twentieth of the last picture exceeds."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._last_histogram: NDArray[np.float32] | None = None
        self._usual: deque[float] = deque(maxlen=_MEMORY)

    def is_cut(self, picture: Image.Image) -> bool:
        """Whether a new shot begins with `picture` (RGB); the first picture begins none.

        The change is the mean of two shares in [0, 1], colours that differ in number (blind to motion) and
        places that differ in colour (blind to none), so that neither a fast motion nor a flash of light
        alone makes a cut; it must also stand out from the changes of the last pictures.
        """
        small = np.asarray(picture.resize(_GRID, Image.Resampling.BOX, reducing_gap=1.0), dtype=np.float32)
        self.brightness = float(np.partition((small @ LUMA).ravel(), -_BRIGHTEST)[-_BRIGHTEST])
        histogram = _histogram(small)
        last, last_histogram = self._last, self._last_histogram
        self._last, self._last_histogram = small, histogram
        if last is None or last_histogram is None:
            return False
        colours = float(np.abs(histogram - last_histogram).sum()) / 2
        places = min(float(np.abs(small - last).mean()) / 64, 1.0)
        change = (colours + places) / 2
        usual = median(self._usual) if self._usual else 0.0
        self._usual.append(change)
        return change > max(_MIN_CHANGE, _TIMES_USUAL * usual)


def _histogram(small: NDArray[np.float32]) -> NDArray[np.float32]:
    bins = np.minimum((small * (_BINS / 256)).astype(np.int64), _BINS - 1).reshape(-1, 3)
    counts = np.bincount(bins @ np.array([_BINS * _BINS, _BINS, 1]), minlength=_BINS**3)
    return np.asarray(counts / len(bins), dtype=np.float32)
