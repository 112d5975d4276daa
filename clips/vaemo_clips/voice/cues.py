"""The voice cues of a clip: what a phonetician would note about pitch, loudness, rhythm and quality.

The catalogue is that of GeMAPS (Eyben et al. 2016, "The Geneva minimalistic acoustic parameter set for
voice research and affective computing", IEEE Trans. Affective Computing 7(2)) and of Juslin & Laukka
(2003), "Communication of emotions in vocal expression and music performance", Psych. Bulletin 129(5).
Every clip gets all of them, in the order of VOICE_CUES.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vaemo_clips.cues.cue import Cue, Reason
from vaemo_clips.voice.curves import HOP_S, VoiceCurves
from vaemo_clips.voice.statistics import Statistics, statistics

VOICE_CUES: tuple[tuple[str, str], ...] = (
    ("f0_median", "Hz"),  # how high the voice is
    ("f0_low", "Hz"),  # 5th percentile: the bottom to which it falls
    ("f0_peak", "Hz"),  # 95th percentile: the top to which it rises
    ("f0_range", "semitones"),  # between the two
    ("f0_variability", "semitones"),  # standard deviation: monotonous or lively
    ("f0_slope", "semitones/s"),  # line through all of it: declining or rising over the utterance
    ("f0_rise", "semitones/s"),  # mean speed where it rises
    ("f0_fall", "semitones/s"),  # mean speed where it falls, above 0
    ("f0_end", "semitones"),  # its last 0.2 s against the median: a rising or falling end
    ("loudness_level", "dBFS"),  # level of the mean power of speech; hangs on the recording's gain
    ("loudness_range", "dB"),  # 10th to 95th percentile of speech
    ("loudness_variability", "dB"),  # standard deviation in speech
    ("loudness_slope", "dB/s"),  # line through the levels of speech: dying away or growing
    ("loudness_rise", "dB/s"),  # mean speed where it rises: sharp or soft attacks
    ("loudness_fall", "dB/s"),  # mean speed where it falls, above 0
    ("speech_length", "s"),  # first to last speech
    ("speech_rate", "syllables/s"),  # syllable-like peaks over the span from first to last speech
    ("syllable_length", "s"),  # speech without pauses over its syllable-like peaks
    ("pause_share", "share"),  # of the span from first to last speech
    ("pause_length", "s"),  # mean; 0 without a pause
    ("voiced_share", "share"),  # of speech
    ("voiced_length", "s"),  # mean stretch of unbroken voice: legato or staccato
    ("spectral_tilt", "dB/octave"),  # 0.2 to 2.8 kHz in voice: flat when the voice is raised or pressed
    ("tilt_variability", "dB/octave"),  # its standard deviation
    ("low_band_ratio", "dB"),  # 0.5-1.5 kHz over 0.1-0.5 kHz in voice: vocal effort
    ("alpha_ratio", "dB"),  # 1-5 kHz over 0.05-1 kHz in voice: vocal effort
    ("hammarberg_index", "dB"),  # peak below 2 kHz over peak in 2-5 kHz in voice: small when sharp
    ("spectral_centroid", "Hz"),  # centre of gravity in voice: dark or bright
    ("fricative_ratio", "dB"),  # 1-5 kHz over 0.05-1 kHz where there is no voice: weak or hissing consonants
    ("spectral_flux", "dB"),  # how fast the spectrum changes in speech: slurred or crisply articulated
    ("harmonicity", "dB"),  # harmonics to noise: clear or rough and breathy
    ("h1_h2", "dB"),  # first over second harmonic: breathy or pressed
    ("jitter", "%"),  # difference of neighbouring periods' lengths
    ("shimmer", "dB"),  # difference of neighbouring periods' amplitudes
    ("first_formant", "Hz"),  # open or close mouth
    ("second_formant", "Hz"),  # spread or rounded lips, tongue forward or back
)
"""Name and unit of every voice cue, in the order of `voice_cues`."""

WITHOUT_NORM = frozenset(
    {"loudness_level", "speech_length", "speech_rate", "syllable_length", "pause_share", "pause_length"}
)
"""Cues with no mean over people: the recording's gain decides the first, how much there was to say the second,
and people who read short sentences, as in the data sets of known affect, do not pause."""

_NEEDS_HZ = 5000.0
_WIDE_BAND_CUES = frozenset({"alpha_ratio", "hammarberg_index", "spectral_centroid", "fricative_ratio"})
_SHORTEST_SPEECH_S = 0.1
_WEAK_SPEECH_S = 0.5
_SHORTEST_VOICING_S = 0.05


@dataclass(frozen=True, slots=True)
class _Grounds:
    """Why cues of a clip are missing or weak."""

    missing: Reason | None
    weak: Reason | None
    is_narrow: bool

    @classmethod
    def of(cls, curves: VoiceCurves) -> _Grounds:
        """Judge a clip's curves."""
        speech_s = float(curves.is_speech.sum()) * HOP_S
        missing: Reason | None = curves.reason
        if missing is None and speech_s < _SHORTEST_SPEECH_S:
            missing = "too_little_speech"
        weak: Reason | None = "too_little_speech" if speech_s < _WEAK_SPEECH_S else None
        return cls(missing, weak, curves.bandwidth_hz < _NEEDS_HZ)


def voice_cues(curves: VoiceCurves) -> tuple[Cue, ...]:
    """Every cue of VOICE_CUES, in its order, measured, weak or with the reason why not.

    Coverage is the share of the clip's duration that the value rests on: the voiced time for cues of
    pitch and quality, the speech for loudness, the span from first to last speech for rhythm.
    """
    grounds = _Grounds.of(curves)
    values = {} if grounds.missing else statistics(curves)
    return tuple(_cue(name, unit, values, grounds, len(curves.loudness_db)) for name, unit in VOICE_CUES)


def _cue(name: str, unit: str, values: Mapping[str, Statistics], grounds: _Grounds, num_hops: int) -> Cue:
    if grounds.missing:
        return Cue.missing(name, unit, grounds.missing)
    if grounds.is_narrow and name in _WIDE_BAND_CUES:
        return Cue.missing(name, unit, "narrow_band")
    statistic = values[name]
    if statistic.hops * HOP_S < _SHORTEST_VOICING_S or not np.isfinite(statistic.value):
        return Cue.missing(name, unit, "no_voicing" if statistic.needs_voice else "too_little_speech")
    cue = Cue(name, statistic.value, unit, min(statistic.hops / num_hops, 1.0))
    return cue.weakened(grounds.weak) if grounds.weak else cue
