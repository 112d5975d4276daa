"""Fundamental frequency: candidates from the autocorrelation, and the best path through them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ, HIGHEST_HZ = 60.0, 600.0
"""From a low male voice to a child's."""
NUM_CANDIDATES = 4
_FULL_HZ, _NONE_HZ = 3500.0, 5000.0
_OCTAVE_COST = 0.01  # a candidate an octave higher wins where the two are as strong
_OCTAVE_JUMP_COST = 0.35
_VOICING_COST = 0.14
_VOICING_STRENGTH = 0.5  # Praat's 0.45; a little stricter, since there is no listener to correct it
_SILENCE = 0.03
_FRAMES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pitch candidates of F frames, the strongest first.

    `octaves` (F, K): log2 of the frequency in Hz. `strengths` (F, K): height of the autocorrelation's
    peak, at most 1, and -1 where a frame has fewer peaks.
    """

    octaves: NDArray[np.float32]
    strengths: NDArray[np.float32]


class Autocorrelation:
    """Boersma's normalised autocorrelation of Hann-windowed frames.

    What lies above 5 kHz counts as noise: its peaks would be narrower than the lags are apart.

    Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the
    harmonics-to-noise ratio of a sampled sound", Proc. Inst. Phonetic Sciences 17, eqs. 8-9, 23-24.
    """

    def __init__(self, window: NDArray[np.float32], n_fft: int, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._n_fft = n_fft
        self._first_lag = int(rate_hz / HIGHEST_HZ) - 1
        self._last_lag = int(np.ceil(rate_hz / LOWEST_HZ)) + 1
        frequencies_hz = np.arange(n_fft // 2 + 1) * rate_hz / n_fft
        turns = np.clip((frequencies_hz - _FULL_HZ) / (_NONE_HZ - _FULL_HZ), 0, 1)
        self._low_pass = (0.5 + 0.5 * np.cos(np.pi * turns)).astype(np.float32)
        of_window = np.fft.irfft(np.abs(np.fft.rfft(window, n_fft)) ** 2, n_fft)[: self._last_lag + 1]
        self._scale = (of_window[0] / of_window).astype(np.float32)

    def candidates(self, power: NDArray[np.float32]) -> Candidates:
        """The strongest peaks of each frame from its power spectrum (F, n_fft / 2 + 1)."""
        raw = np.fft.irfft(power * self._low_pass, self._n_fft, axis=1)[:, : self._last_lag + 1].astype(
            np.float32, copy=False
        )
        whole = (2 * power.sum(axis=1) - power[:, 0] - power[:, -1]) / self._n_fft  # lag 0 of all frequencies
        heights = raw[:, self._first_lag :] * (self._scale[self._first_lag :] / np.maximum(whole[:, None], 1e-20))
        is_peak = (heights[:, 1:-1] > heights[:, :-2]) & (heights[:, 1:-1] >= heights[:, 2:])
        lags = np.arange(self._first_lag + 1, self._last_lag)
        bonus = _OCTAVE_COST * np.log2(self._rate_hz / LOWEST_HZ / lags).astype(np.float32)
        ranks = np.where(is_peak, heights[:, 1:-1] + bonus, np.float32(-1))
        best = np.argpartition(ranks, -NUM_CANDIDATES, axis=1)[:, -NUM_CANDIDATES:]
        order = np.argsort(-np.take_along_axis(ranks, best, axis=1), axis=1, kind="stable")
        return self._refine(heights, is_peak, np.take_along_axis(best, order, axis=1))

    def _refine(self, heights: NDArray[np.float32], is_peak: NDArray[np.bool_], best: NDArray[np.intp]) -> Candidates:
        rows = np.arange(len(heights))[:, None]
        left, middle, right = (heights[rows, best + step] for step in range(3))
        curve = np.minimum(left - 2 * middle + right, -1e-9)
        shift = np.clip(0.5 * (left - right) / curve, -0.5, 0.5)
        strengths = np.minimum(middle - 0.25 * (left - right) * shift, 1.0)
        strengths = np.where(is_peak[rows, best], strengths, -1.0).astype(np.float32)
        lags = best + (self._first_lag + 1) + shift
        return Candidates(np.log2(self._rate_hz / lags).astype(np.float32), strengths)


def best_path(
    candidates: Candidates, loudness_db: NDArray[np.float32], peak_db: NDArray[np.float32]
) -> NDArray[np.int8]:
    """Candidate of each frame on the cheapest path, -1 where the frame is not voiced: (T,).

    Boersma (1993), section 3.4: a path gains the strength of what it passes and pays for jumps in
    octaves and for turns between voiced and not voiced; quiet frames lean to not voiced.
    """
    gains = _gains(candidates, loudness_db, peak_db)
    num_frames, num_states = gains.shape
    came_from = np.zeros((num_frames, num_states), np.int8)
    score = gains[0] if num_frames else np.zeros(num_states, np.float32)
    rows = np.arange(num_states)
    for first in range(1, num_frames, _FRAMES_AT_ONCE):
        jumps = _jumps(candidates.octaves[first - 1 : first + _FRAMES_AT_ONCE])
        for frame, jump in enumerate(jumps, first):
            total = score - jump  # (to, from)
            best = total.argmax(axis=1)
            came_from[frame] = best
            score = total[rows, best] + gains[frame]
            if not frame % 256:
                score = score - score.max()
    return _walk_back(came_from, int(score.argmax())) - np.int8(1)


def _gains(
    candidates: Candidates, loudness_db: NDArray[np.float32], peak_db: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What a path gains in each frame, (T, 1 + K): not voiced, then the candidates."""
    relative = 10 ** ((np.minimum(loudness_db, peak_db) - peak_db) / 20)
    quiet = np.maximum(0, 2 - relative * (1 + _VOICING_STRENGTH) / _SILENCE)
    height = np.log2(LOWEST_HZ) - candidates.octaves
    voiced = np.where(candidates.strengths > 0, candidates.strengths - _OCTAVE_COST * height, -1.0)
    return np.hstack([(_VOICING_STRENGTH + quiet)[:, None], voiced]).astype(np.float32)


def _jumps(octaves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cost of going from each state to each state of the next frame, (F - 1, to, from)."""
    num_states = octaves.shape[1] + 1
    costs = np.full((max(len(octaves) - 1, 0), num_states, num_states), _VOICING_COST, np.float32)
    costs[:, 0, 0] = 0
    costs[:, 1:, 1:] = _OCTAVE_JUMP_COST * np.abs(octaves[1:, :, None] - octaves[:-1, None, :])
    return costs


def _walk_back(came_from: NDArray[np.int8], state: int) -> NDArray[np.int8]:
    path = np.zeros(len(came_from), np.int8)
    for frame in range(len(came_from) - 1, -1, -1):
        path[frame] = state
        state = int(came_from[frame, state])
    return path
