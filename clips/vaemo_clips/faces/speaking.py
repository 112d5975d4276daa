"""Whether a mouth moves with the sound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.track import FaceTrack

_MOUTH = GEOMETRY.index("mouth_opening")
_LAGS_S = (-0.1, 0.0, 0.1)  # the mouth opens a little before the sound; players and cameras shift it too
_SMOOTHING_S = 0.15  # about a syllable
_QUIET_DB = -60.0
_MIN_ROWS, _MIN_SECONDS = 20, 1.0
_STILL = 0.004  # deviation of the mouth's opening, in eye distances, that a mesh has without any motion


def mouth_follows_sound(
    track: FaceTrack,
    times_s: NDArray[np.float64],
    sound_times_s: NDArray[np.floating],
    loudness_db: NDArray[np.floating],
) -> float:
    """Correlation in [0, 1] of mouth opening and loudness, the best of a few lags; 0 where nothing can be told.

    `times_s` (N,) are those of `FaceTracks`; the sound (T,) is on the same clock.
    """
    seen_s = times_s[track.frame_index]
    mouth = track.geometry[:, _MOUTH].astype(np.float64)
    is_there = np.isfinite(mouth)
    seen_s, mouth = seen_s[is_there], mouth[is_there]
    if len(mouth) < _MIN_ROWS or seen_s[-1] - seen_s[0] < _MIN_SECONDS or mouth.std() < _STILL:
        return 0.0
    if len(sound_times_s) < _MIN_ROWS:
        return 0.0
    sound = _smoothed(np.maximum(loudness_db.astype(np.float64), _QUIET_DB), float(np.median(np.diff(sound_times_s))))
    mouth = _smoothed(mouth, float(np.median(np.diff(seen_s))))
    found = [_correlation(mouth, np.interp(seen_s + lag, sound_times_s, sound)) for lag in _LAGS_S]
    return float(np.clip(max(found), 0, 1))


def _smoothed(values: NDArray[np.float64], step_s: float) -> NDArray[np.float64]:
    width = 2 * (round(_SMOOTHING_S / max(step_s, 1e-3)) // 2) + 1
    padded = np.pad(values, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale: Any = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale > 0 else 0.0
