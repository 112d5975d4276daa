"""What the curves of a clip come to: one number for each voice cue, and how much of the clip it rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.voice.curves import HOP_S, VoiceCurves
from vaemo_clips.voice.loudness import mean_level_db
from vaemo_clips.voice.runs import runs_of

_END_S = 0.2
_SLOPE_HOPS = 3  # 30 ms on both sides: a slope over less is noise
_REFERENCE_HZ = 55.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """A cue's number (NaN where it cannot be had), the hops it rests on, and whether those are voiced ones."""

    value: float
    hops: int
    needs_voice: bool = True


def statistics(curves: VoiceCurves) -> dict[str, Statistics]:
    """Every voice cue's number by the cue's name, from curves that hold speech."""
    return {**_pitch(curves), **_loudness(curves), **_rhythm(curves), **_quality(curves)}


def _pitch(curves: VoiceCurves) -> dict[str, Statistics]:
    is_voiced = ~np.isnan(curves.f0_hz)
    hops = int(is_voiced.sum())
    if not hops:
        return {name: Statistics(np.nan, 0) for name in _PITCH}
    semitones = 12 * np.log2(curves.f0_hz / _REFERENCE_HZ)
    low, middle, high = np.percentile(semitones[is_voiced], (5, 50, 95))
    slopes = _slopes(semitones)
    voiced = semitones[is_voiced]
    values = {
        "f0_median": _hz(middle),
        "f0_low": _hz(low),
        "f0_peak": _hz(high),
        "f0_range": high - low,
        "f0_variability": voiced.std(),
        "f0_slope": _trend(curves.times_s[is_voiced], voiced),
        "f0_rise": _mean(slopes[slopes > 0]),
        "f0_fall": -_mean(slopes[slopes < 0]),
        "f0_end": voiced[-round(_END_S / HOP_S) :].mean() - middle,
    }
    return {name: Statistics(float(value), hops) for name, value in values.items()}


_PITCH = (
    "f0_median", "f0_low", "f0_peak", "f0_range", "f0_variability", "f0_slope", "f0_rise", "f0_fall", "f0_end",
)  # fmt: skip


def _loudness(curves: VoiceCurves) -> dict[str, Statistics]:
    levels_db = curves.loudness_db[curves.is_speech]
    low, high = np.percentile(levels_db, (10, 95))
    slopes = _slopes(np.where(curves.is_speech, curves.loudness_db, np.nan))
    values = {
        "loudness_level": mean_level_db(levels_db),
        "loudness_range": high - low,
        "loudness_variability": levels_db.std(),
        "loudness_slope": _trend(curves.times_s[curves.is_speech], levels_db),
        "loudness_rise": _mean(slopes[slopes > 0]),
        "loudness_fall": -_mean(slopes[slopes < 0]),
    }
    return {name: Statistics(float(value), len(levels_db), needs_voice=False) for name, value in values.items()}


def _rhythm(curves: VoiceCurves) -> dict[str, Statistics]:
    places = np.flatnonzero(curves.is_speech)
    span, speech = int(places[-1] - places[0]) + 1, len(places)
    num_syllables = len(curves.syllables_s)
    pauses_s = np.array([end - begin for begin, end in curves.pauses_s])
    is_voiced = ~np.isnan(curves.f0_hz)
    stretches = runs_of(is_voiced)
    values = {
        "speech_length": span * HOP_S,
        "speech_rate": num_syllables / (span * HOP_S),
        "syllable_length": speech * HOP_S / max(num_syllables, 1),
        "pause_share": pauses_s.sum() / (span * HOP_S),
        "pause_length": _mean(pauses_s) if len(pauses_s) else 0.0,
        "voiced_share": is_voiced.sum() / speech,
        "voiced_length": is_voiced.sum() * HOP_S / max(len(stretches), 1),
    }
    return {name: Statistics(float(value), span, needs_voice=False) for name, value in values.items()}


def _quality(curves: VoiceCurves) -> dict[str, Statistics]:
    is_voiced = ~np.isnan(curves.f0_hz)
    tilt = curves.tilt_db[is_voiced]
    timbre = curves.timbre
    found = {
        "spectral_tilt": _middle(tilt),
        "tilt_variability": Statistics(float(tilt.std()) if len(tilt) else np.nan, len(tilt)),
        "hammarberg_index": _middle(timbre["hammarberg"][is_voiced]),
        "spectral_centroid": _middle(timbre["centroid"][is_voiced]),
        "first_formant": _middle(timbre["f1"]),
        "second_formant": _middle(timbre["f2"]),
        "fricative_ratio": _middle(timbre["alpha_ratio"][curves.is_speech & ~is_voiced], needs_voice=False),
        "spectral_flux": _middle(timbre["flux"][curves.is_speech], needs_voice=False),
    }
    for name in ("alpha_ratio", "low_band_ratio"):
        found[name] = _middle(timbre[name][is_voiced])
    for name in ("harmonicity", "h1_h2", "jitter", "shimmer"):
        found[name] = _middle(timbre[name])
    return found


def _middle(curve: NDArray[np.float32], needs_voice: bool = True) -> Statistics:
    """Median of the values that apply."""
    applying = curve[~np.isnan(curve)]
    return Statistics(float(np.median(applying)) if len(applying) else np.nan, len(applying), needs_voice)


def _slopes(curve: NDArray[np.float32]) -> NDArray[np.float32]:
    """Slope a second over 60 ms of each place whose whole neighbourhood applies, (N,)."""
    rise = (curve[2 * _SLOPE_HOPS :] - curve[: -2 * _SLOPE_HOPS]) / np.float32(2 * _SLOPE_HOPS * HOP_S)
    broken = np.cumsum(np.concatenate([[0], np.isnan(curve)]))
    is_whole = broken[2 * _SLOPE_HOPS + 1 :] == broken[: -2 * _SLOPE_HOPS - 1]
    return np.asarray(rise[is_whole], np.float32)


def _trend(times_s: NDArray[np.float64], values: NDArray[np.float32]) -> float:
    """Slope of the line of least squares, 0 for a single value."""
    offsets = times_s - times_s.mean()
    return float((offsets * values).sum() / max((offsets * offsets).sum(), 1e-9))


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _hz(semitones: float) -> float:
    return float(_REFERENCE_HZ * 2 ** (semitones / 12))
