"""Voices with planted truth: harmonics of a pitch contour, formants, levels, pauses, noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16000
VOWELS = {"a": (750, 1250, 2500, 3500), "i": (300, 2200, 2900, 3600), "u": (320, 900, 2300, 3400)}


def voice(
    f0_hz: NDArray[np.float64] | float,
    duration_s: float,
    tilt_db: float = -12.0,
    vowel: str | None = "a",
    level_db: float = -20.0,
    rate_hz: int = RATE_HZ,
) -> NDArray[np.float32]:
    """A vowel at `level_db` re full scale.

    `f0_hz`: a number or a contour with one value a sample. The source's harmonics fall by `tilt_db` an
    octave; `vowel` None leaves out the formants.
    """
    num_samples = round(duration_s * rate_hz)
    contour = np.broadcast_to(np.asarray(f0_hz, np.float64), (num_samples,))
    phase = 2 * np.pi * np.cumsum(contour) / rate_hz
    signal = np.zeros(num_samples)
    for harmonic in range(1, int(0.48 * rate_hz / contour.min()) + 1):
        frequency_hz = harmonic * contour
        amplitude = harmonic ** (tilt_db / 20 / np.log10(2)) * resonance(frequency_hz, vowel)
        # Phases apart, as the vocal tract's are: cosines in phase would be a click.
        signal += np.where(frequency_hz < 0.48 * rate_hz, amplitude, 0) * np.cos(harmonic * phase + harmonic**2)
    return at_level(signal, level_db)


def resonance(frequency_hz: NDArray[np.float64], vowel: str | None) -> NDArray[np.float64]:
    """Gain of a cascade of formants 80 Hz wide or wider, 1 without a vowel."""
    gain = np.ones_like(frequency_hz)
    for formant_hz in VOWELS[vowel] if vowel else ():
        width_hz = 60 + 0.04 * formant_hz
        gain = gain * formant_hz**2 / np.hypot(formant_hz**2 - frequency_hz**2, frequency_hz * width_hz)
    return gain


def at_level(signal: NDArray[np.float64], level_db: float) -> NDArray[np.float32]:
    """The signal with a mean power of `level_db` re a full-scale square wave."""
    rms = np.sqrt(np.mean(signal**2))
    return np.asarray(signal * 10 ** (level_db / 20) / max(rms, 1e-12), np.float32)


def faded(signal: NDArray[np.float32], fade_s: float = 0.02, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """The signal with raised-cosine edges."""
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(round(fade_s * rate_hz)) + 0.5) / round(fade_s * rate_hz))
    edges = np.ones(len(signal))
    edges[: len(ramp)] = ramp
    edges[-len(ramp) :] = np.minimum(edges[-len(ramp) :], ramp[::-1])
    return np.asarray(signal * edges, np.float32)


def noise(duration_s: float, level_db: float, seed: int = 0, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """White noise."""
    return at_level(np.random.default_rng(seed).standard_normal(round(duration_s * rate_hz)), level_db)


def silence(duration_s: float, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    """Digital silence."""
    return np.zeros(round(duration_s * rate_hz), np.float32)


def intonation(
    duration_s: float, points: Sequence[tuple[float, float]], wobble: float = 0.01, rate_hz: int = RATE_HZ
) -> NDArray[np.float64]:
    """A pitch contour in Hz: straight lines in semitones through (second, Hz), with a 5 Hz wobble as speakers have."""
    times_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    seconds, hertz = zip(*points, strict=True)
    line = np.exp(np.interp(times_s, seconds, np.log(hertz)))
    return np.asarray(line * (1 + wobble * np.sin(2 * np.pi * 5 * times_s)))


def syllables(num: int, rate: float, f0_hz: float = 140.0, level_db: float = -20.0) -> NDArray[np.float32]:
    """`num` vowels, `rate` of them a second, with closures of a quarter of their time between."""
    length_s = 0.75 / rate
    times_s = np.arange(round(num / rate * RATE_HZ)) / RATE_HZ
    contour = f0_hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * times_s))
    step = round(RATE_HZ / rate)
    parts = []
    for first in range(0, num * step, step):
        own = contour[first : first + round(length_s * RATE_HZ)]
        part = np.zeros(step, np.float32)
        part[: len(own)] = faded(voice(own, len(own) / RATE_HZ, level_db=level_db))
        parts.append(part)
    return np.concatenate(parts)
