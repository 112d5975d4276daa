"""A source-filter voice: pulses and breath through the resonances of a vocal tract that moves from vowel to vowel.

Fant (1960), Acoustic theory of speech production; the pulse is that of Rosenberg (1971), JASA 49(2B); the
resonators are those of Klatt (1980), JASA 67(3), eq. 1-4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.manner import VoiceManner
from vaemo_clips.demo.speaker import Voice
from vaemo_clips.demo.utterance import Utterance

Signal = NDArray[np.float64]

RATE_HZ = 16000
ROOM_NOISE_DB = -65.0
_VOICED_LEVEL = 0.1
_WINDOW, _HOP = 512, 128
_PEAK = 0.97
# Formants (Hz) of adult vowels after Peterson & Barney (1952), between men and women.
_FORMANTS_HZ = {
    "a": (790, 1160, 2600), "e": (570, 2080, 2720), "i": (290, 2540, 3150), "o": (580, 880, 2560),
    "u": (335, 910, 2460),
}  # fmt: skip
_BANDWIDTHS_HZ = (80, 100, 150, 250)
_FOURTH_HZ = 3700
_NOISY = {"s": (0.35, 4500.0), "f": (0.2, 2500.0), "t": (0.4, 3500.0), "g": (0.2, 1800.0), "d": (0.2, 3000.0)}


@dataclass(frozen=True, slots=True)
class Speech:
    """Sound in [-1, 1] (N,) at RATE_HZ, its fundamental frequency (N,) and where it is voiced (N,)."""

    sound: Signal
    f0_hz: Signal
    is_voiced: NDArray[np.bool_]
    is_said: NDArray[np.bool_]

    @property
    def f0_median_hz(self) -> float:
        """Median of F0 over the voiced samples."""
        return float(np.median(self.f0_hz[self.is_voiced]))

    @property
    def f0_range_semitones(self) -> float:
        """5th to 95th percentile of F0 over the voiced samples."""
        low, high = np.percentile(self.f0_hz[self.is_voiced], [5, 95])
        return float(12 * np.log2(high / low))

    @property
    def loudness_db(self) -> float:
        """Mean power within words in dB re full scale."""
        return float(10 * np.log10(np.square(self.sound[self.is_said]).mean()))


def speak(
    voice: Voice, manner: VoiceManner, utterance: Utterance, duration_s: float, rng: np.random.Generator
) -> Speech:
    """Say an utterance. Between words there is room noise alone."""
    times_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    level = utterance.level(times_s)
    is_said = level > 0
    f0_hz = _melody(voice, manner, utterance, times_s, rng)
    source = _source(voice, manner, f0_hz, rng) * level
    sound = _filtered(source, _responses(voice, manner, utterance, len(source))) + _consonants(utterance, times_s, rng)
    sound = sound * is_said * _edges(utterance, times_s)
    sound *= 10 ** ((voice.loudness_db + manner.loudness) / 20) / np.sqrt(np.square(sound[is_said]).mean())
    sound *= min(1.0, _PEAK / float(np.abs(sound).max()))
    room = 10 ** (ROOM_NOISE_DB / 20) * rng.standard_normal(len(sound))
    return Speech(np.clip(sound + room, -1, 1), f0_hz, level > _VOICED_LEVEL, is_said)


def _melody(
    voice: Voice, manner: VoiceManner, utterance: Utterance, times_s: Signal, rng: np.random.Generator
) -> Signal:
    """F0 in Hz at each sample: base, slope, an accent on each stressed syllable, tremor and jitter."""
    begin_s, end_s = utterance.syllables[0].begin_s, utterance.syllables[-1].end_s
    from_middle_s = np.clip(times_s, begin_s, end_s) - (begin_s + end_s) / 2
    semitones = manner.f0 + (manner.slope - 0.7) * from_middle_s
    height = float(np.clip(2.2 + manner.accent, 0.3, 7.0))
    for s in utterance.syllables:
        shape = np.exp(-0.5 * ((times_s - s.begin_s - 0.45 * (s.end_s - s.begin_s)) / 0.09) ** 2)
        semitones += height * (s.stress - 0.35 + 0.2 * rng.standard_normal()) * shape
    semitones += max(manner.tremor, 0.0) * np.sin(2 * np.pi * rng.uniform(5.5, 8) * times_s + rng.uniform(0, 6))
    steps = rng.standard_normal(len(times_s) // 160 + 2)
    jitter = 0.08 * np.interp(times_s * 100, np.arange(len(steps)), steps)
    return np.asarray(np.clip(voice.f0_hz * 2 ** ((semitones + jitter) / 12), 65.0, 500.0))


def _source(voice: Voice, manner: VoiceManner, f0_hz: Signal, rng: np.random.Generator) -> Signal:
    """The derivative of the glottal flow with breath, which comes when the glottis is open."""
    phase = np.cumsum(f0_hz) / RATE_HZ % 1
    opening, closing = 0.55, 0.17
    rise = np.sin(np.pi * phase / opening) * (phase < opening)
    fall_place = (phase - opening) / closing
    fall = -3.2 * np.sin(np.pi * fall_place / 2) * (fall_place >= 0) * (fall_place < 1)
    breath = float(np.clip(voice.breath + manner.breath, 0.005, 0.25))
    return np.asarray(rise + fall + breath * rng.standard_normal(len(phase)) * (0.5 + (phase < 0.72)))


def _responses(voice: Voice, manner: VoiceManner, utterance: Utterance, num_samples: int) -> NDArray[np.complex128]:
    """Frequency response of the tract at every hop, (T, F); formants glide from syllable to syllable."""
    hops_s = (np.arange(num_samples // _HOP + _WINDOW // _HOP + 1) * _HOP - _WINDOW / 2) / RATE_HZ
    middles = [(s.begin_s + s.end_s) / 2 for s in utterance.syllables]
    frequencies_hz = np.fft.rfftfreq(2 * _WINDOW, 1 / RATE_HZ)
    delay = np.exp(-2j * np.pi * frequencies_hz / RATE_HZ)
    response = np.ones((len(hops_s), len(delay)), complex)
    for place, width_hz in enumerate(_BANDWIDTHS_HZ):
        targets = [(*_FORMANTS_HZ[s.vowel], _FOURTH_HZ)[place] for s in utterance.syllables]
        centre_hz = np.interp(hops_s, middles, targets) * voice.tract
        radius = np.exp(-np.pi * width_hz / RATE_HZ)
        b = (2 * radius * np.cos(2 * np.pi * centre_hz / RATE_HZ))[:, None]
        response *= (1 - b + radius**2) / (1 - b * delay + radius**2 * delay**2)
    octaves = np.log2(np.maximum(frequencies_hz, 100) / 500)
    response *= 10 ** (np.clip(manner.tilt, -6, 6) * np.clip(octaves, -1, 3.5) / 20)
    return response


def _filtered(source: Signal, responses: NDArray[np.complex128]) -> Signal:
    """Overlap-add of windowed stretches, each through its own response."""
    padded = np.pad(source, (_WINDOW, 2 * _WINDOW))
    starts = np.arange(len(responses)) * _HOP
    stretches = padded[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW + 1)[:-1]
    moved = np.fft.irfft(np.fft.rfft(stretches, 2 * _WINDOW) * responses, 2 * _WINDOW)
    result = np.zeros(len(padded) + 2 * _WINDOW)
    for start, stretch in zip(starts, moved, strict=True):
        result[start : start + 2 * _WINDOW] += stretch
    return result[_WINDOW : _WINDOW + len(source)]


def _consonants(utterance: Utterance, times_s: Signal, rng: np.random.Generator) -> Signal:
    """Short noise at the beginning of syllables with s, f and the stops."""
    noise = np.zeros_like(times_s)
    for s in utterance.syllables:
        share, edge_hz = _NOISY.get(s.consonant, (0.0, 0.0))
        if not share:
            continue
        place = np.flatnonzero((times_s >= s.begin_s) & (times_s < s.begin_s + 0.05))
        spectrum = np.fft.rfft(rng.standard_normal(len(place)))
        spectrum[np.fft.rfftfreq(len(place), 1 / RATE_HZ) < edge_hz] = 0
        noise[place] += share * np.fft.irfft(spectrum, len(place)) * np.hanning(len(place))
    return noise


def _edges(utterance: Utterance, times_s: Signal) -> Signal:
    """Ramps of 8 ms at the ends of words, so that nothing clicks."""
    gain = np.zeros_like(times_s)
    for begin_s, end_s in utterance.words_s:
        gain = np.maximum(gain, np.clip(np.minimum(times_s - begin_s, end_s - times_s) / 0.008, 0, 1))
    return gain
