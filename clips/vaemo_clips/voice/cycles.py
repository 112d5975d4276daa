"""Unevenness of neighbouring glottal cycles: jitter of their lengths, shimmer of their amplitudes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_POINTS = 48  # of the waveform to a period
_REACH = 7  # points by which a period may differ from the mean one: 15 %


def perturbation(
    frames: NDArray[np.float32], periods: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Jitter (percent) and shimmer (dB) of the two periods around each frame's centre, (F,) each.

    `frames` (F, L) are not windowed; `periods` (F,) in samples, at most L / 3. Jitter is the difference
    of the two periods' lengths over their mean, shimmer the ratio of their amplitudes: GeMAPS's
    definitions (Eyben et al. 2016) for one pair of cycles. A length is where the waveform is most like
    itself, found on a grid of 1/48 period and refined by a parabola.
    """
    pulses = _strongest(frames, periods)
    cycles = _periods_around(frames, pulses, periods, 3)
    before = _length(cycles[:, : 2 * _POINTS + _REACH])
    after = _length(cycles[:, _POINTS - _REACH :][:, ::-1])
    jitter = 200 * np.abs(before - after) / (before + after)
    first, second = cycles[:, _POINTS // 2 : 3 * _POINTS // 2], cycles[:, 3 * _POINTS // 2 : 5 * _POINTS // 2]
    heights = [np.maximum(np.ptp(part, axis=1), 1e-9) for part in (first, second)]
    return jitter.astype(np.float32), np.abs(20 * np.log10(heights[0] / heights[1])).astype(np.float32)


def _strongest(frames: NDArray[np.float32], periods: NDArray[np.float32]) -> NDArray[np.float32]:
    """Place of the largest deflection in the middle period of each frame: cut there, no cycle is torn apart.

    A pulse stays far enough inside for a period and a half on both sides.
    """
    middle = np.full(len(frames), frames.shape[1] / 2, np.float32)
    offset = np.abs(_periods_around(frames, middle, periods, 1)).argmax(axis=1) - _POINTS / 2
    room = np.maximum(frames.shape[1] / 2 - 1.5 * periods, 0)
    return np.asarray(middle + np.clip(offset / _POINTS * periods, -room, room), np.float32)


def _periods_around(
    frames: NDArray[np.float32], centres: NDArray[np.float32], periods: NDArray[np.float32], num: int
) -> NDArray[np.float32]:
    """The `num` periods around a place in each frame on a grid of period lengths, (F, num * _POINTS)."""
    steps = np.arange(num * _POINTS, dtype=np.float32) / _POINTS - np.float32(num / 2)
    places = np.clip(centres[:, None] + steps * periods[:, None], 0, frames.shape[1] - 2)
    whole = places.astype(np.intp)
    part = places - whole
    left = np.take_along_axis(frames, whole, axis=1)
    right = np.take_along_axis(frames, whole + 1, axis=1)
    return np.asarray(left + part * (right - left), np.float32)


def _length(cycles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lag, in mean periods, at which the first period of each row comes back, (F,)."""
    first = cycles[:, :_POINTS]
    likeness = []
    for lag in range(_POINTS - _REACH, _POINTS + _REACH + 1):
        later = cycles[:, lag : lag + _POINTS]
        norm = np.sqrt(np.maximum((later * later).sum(axis=1), 1e-20))
        likeness.append((first * later).sum(axis=1) / norm)
    heights = np.stack(likeness, axis=1)
    best = np.clip(heights.argmax(axis=1), 1, 2 * _REACH - 1)
    rows = np.arange(len(cycles))
    left, middle, right = (heights[rows, best + step] for step in (-1, 0, 1))
    shift = np.clip(0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-9), -0.5, 0.5)
    return np.asarray((best + shift + _POINTS - _REACH) / _POINTS, np.float32)
