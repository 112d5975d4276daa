"""From sound to curves: one pass over the samples that keeps only what each 10 ms says."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.cues.cue import Reason
from vaemo_clips.voice.curves import VoiceCurves
from vaemo_clips.voice.cycles import perturbation
from vaemo_clips.voice.framing import HOPS_A_FRAME, Stretch, hop_samples, stretches
from vaemo_clips.voice.loudness import SILENT_DB, level_db
from vaemo_clips.voice.pitch import Autocorrelation, Candidates, best_path
from vaemo_clips.voice.rhythm import syllable_peaks
from vaemo_clips.voice.speech import Background, background, find_speech, pauses
from vaemo_clips.voice.strays import without_strays
from vaemo_clips.voice.timbre import TIMBRE_CURVES, Timbre

_BIN_HZ = 12.5
_MOST_BROKEN = 0.1
_CLEAR_STRENGTH = 0.5
_SAME_OCTAVES = 0.05  # the path's pitch is the frame's strongest one
_VOICED_CURVES = frozenset({"h1_h2", "harmonicity", "jitter", "shimmer", "f1", "f2"})


def measure_voice(blocks: Iterable[NDArray[np.float32]], rate_hz: int = 16000) -> VoiceCurves:
    """Curves of the voice in consecutive blocks of mono sound, whatever the blocks' lengths.

    Memory grows by some hundred bytes for each 10 ms, not with the samples. Samples that are not finite
    count as silence; where they are more than a tenth of the sound, `reason` is not_finite. Raises
    ValueError for a rate below 8 kHz or not a multiple of 200 Hz.
    """
    meter = _Meter(rate_hz)
    for stretch in stretches(blocks, rate_hz):
        meter.add(stretch)
    return meter.finish()


class _Meter:
    """Collects each stretch's curves, then joins and judges them."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._num_samples = 0
        self._n_fft = round(rate_hz / _BIN_HZ)
        length = HOPS_A_FRAME * hop_samples(rate_hz)
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
        self._autocorrelation = Autocorrelation(self._window, self._n_fft, rate_hz)
        self._timbre = Timbre(rate_hz, self._n_fft)
        self._spectrum = np.zeros(self._n_fft // 2 + 1)
        self._parts: dict[str, list[NDArray[np.float32]]] = {}
        self._num_broken = 0

    def add(self, stretch: Stretch) -> None:
        """Measure a stretch."""
        frames = stretch.frames
        centred = (frames - frames.mean(axis=1, keepdims=True)) * self._window
        spectra = np.fft.rfft(centred, self._n_fft, axis=1)
        power = np.square(spectra.real) + np.square(spectra.imag)
        power = power.astype(np.float32, copy=False)
        pitch = self._autocorrelation.candidates(power)
        self._num_samples += stretch.num_samples
        self._spectrum += power.sum(axis=0, dtype=np.float64)
        self._num_broken += int(stretch.is_broken.sum())
        self._keep(loudness=level_db(stretch))
        self._keep(octaves=pitch.octaves, strengths=pitch.strengths, sonority=self._sonority_db(power))
        is_clear = pitch.strengths[:, 0] > _CLEAR_STRENGTH
        self._keep(**self._timbre.curves(power, 2 ** pitch.octaves[:, 0], is_clear))
        self._keep_cycles(frames[is_clear], self._rate_hz / 2 ** pitch.octaves[is_clear, 0], is_clear)

    def _keep(self, **curves: NDArray[np.float32]) -> None:
        for name, curve in curves.items():
            self._parts.setdefault(name, []).append(curve)

    def _keep_cycles(
        self, frames: NDArray[np.float32], periods: NDArray[np.float32], is_clear: NDArray[np.bool_]
    ) -> None:
        """Jitter and shimmer of the clearly voiced frames (F',) with their periods; the others have none."""
        jitter, shimmer = np.full((2, len(is_clear)), np.nan, np.float32)
        if len(frames):
            jitter[is_clear], shimmer[is_clear] = perturbation(frames, periods)
        self._keep(jitter=jitter, shimmer=shimmer)

    def _sonority_db(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """Level of the band in which vowels are strongest, in dB."""
        band = power[:, round(300 / _BIN_HZ) : round(2500 / _BIN_HZ)].sum(axis=1)
        return np.asarray(10 * np.log10(np.maximum(band, np.float32(1e-12))), np.float32)

    def finish(self) -> VoiceCurves:
        """Join the curves, decide on pitch and speech, and blank what does not apply."""
        joined = {name: np.concatenate(parts) for name, parts in self._parts.items()}
        if not joined:
            return _nothing()
        self._parts.clear()
        loudness_db = joined.pop("loudness")
        surroundings = background(loudness_db)
        f0_hz, harmonicity, is_clear = _pitch(joined, loudness_db, surroundings)
        joined["harmonicity"] = harmonicity
        is_speech = find_speech(loudness_db, f0_hz, surroundings)
        f0_hz[~is_speech] = np.nan
        f0_hz = without_strays(f0_hz)
        is_voiced = ~np.isnan(f0_hz)
        return VoiceCurves(
            duration_s=self._num_samples / self._rate_hz,
            loudness_db=loudness_db,
            is_speech=is_speech,
            f0_hz=f0_hz,
            tilt_db=_only(joined["tilt"], is_speech),
            pauses_s=pauses(is_speech),
            reason=_reason(loudness_db, is_speech, self._num_broken),
            syllables_s=syllable_peaks(joined["sonority"], is_speech, is_voiced),
            timbre={
                name: _only(joined[name], is_voiced & is_clear if name in _VOICED_CURVES else is_speech)
                for name in TIMBRE_CURVES
            },
            bandwidth_hz=_bandwidth_hz(self._spectrum, self._rate_hz),
        )


def _pitch(
    joined: dict[str, NDArray[np.float32]], loudness_db: NDArray[np.float32], surroundings: Background
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """F0 in Hz and harmonicity in dB, NaN where not voiced, and where the strongest candidate won: (T,) each.

    Harmonicity: Boersma (1993), eq. 4.
    """
    candidates = Candidates(joined.pop("octaves"), joined.pop("strengths"))
    path = best_path(candidates, loudness_db, surroundings.peak_db)
    rows = np.arange(len(path))
    octaves, strengths = candidates.octaves[rows, path], candidates.strengths[rows, path]
    f0_hz = np.where(path >= 0, 2**octaves, np.nan).astype(np.float32)
    height = np.clip(strengths, 1e-3, 1 - 1e-4)
    is_clear = np.abs(octaves - candidates.octaves[:, 0]) < _SAME_OCTAVES
    return f0_hz, (10 * np.log10(height / (1 - height))).astype(np.float32), is_clear


def _only(curve: NDArray[np.float32], applies: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(applies, curve, np.nan).astype(np.float32)


def _reason(loudness_db: NDArray[np.float32], is_speech: NDArray[np.bool_], num_broken: int) -> Reason | None:
    if num_broken > _MOST_BROKEN * len(is_speech):
        return "not_finite"
    if loudness_db.max() < SILENT_DB:
        return "silent"
    return None if is_speech.any() else "no_speech"


def _bandwidth_hz(spectrum: NDArray[np.float64], rate_hz: int) -> float:
    """Where the long-term spectrum ends: the edge of a fall by 30 dB within 500 Hz, else half the rate."""
    width = round(250 / _BIN_HZ)
    bands = spectrum[1 : 1 + (len(spectrum) - 1) // width * width].reshape(-1, width).mean(axis=1)
    levels_db = 10 * np.log10(np.maximum(bands, 1e-30))
    for band in range(8, len(levels_db) - 1):
        if levels_db[band + 1 :].max() < levels_db[band - 1] - 30:
            return 250.0 * band
    return rate_hz / 2


def _nothing() -> VoiceCurves:
    """Curves of no sound at all."""
    empty = np.zeros(0, np.float32)
    curves = dict.fromkeys(TIMBRE_CURVES, empty)
    return VoiceCurves(0.0, empty, np.zeros(0, bool), empty, empty, (), "silent", timbre=curves)
