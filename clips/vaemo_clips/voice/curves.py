"""The voice over time: what every voice cue is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.cues.cue import Reason

HOP_S = 0.01
"""Curves have one value each 10 ms; value i belongs to the sound around (i + 0.5) * HOP_S."""


@dataclass(frozen=True, slots=True)
class VoiceCurves:
    """Curves of one clip's sound, (T,) each, on the clip's clock (second 0 = begin of the segment).

    `loudness_db`: level in dB re full scale, floored at -100. `is_speech`: somebody speaks.
    `f0_hz`: fundamental frequency, NaN where not voiced. `tilt_db`: spectral tilt in dB an octave,
    NaN outside speech. `reason` tells why no voice cue is measurable, None where speech was found.
    `pauses_s`: the silent gaps between the first and the last speech, half-open (begin, end).
    `syllables_s`: times of the syllable-like peaks. `timbre`: further curves of the voice's sound, see
    `timbre.TIMBRE_CURVES`, NaN where they do not apply. `bandwidth_hz`: where the sound's spectrum ends.
    """

    duration_s: float
    loudness_db: NDArray[np.float32]
    is_speech: NDArray[np.bool_]
    f0_hz: NDArray[np.float32]
    tilt_db: NDArray[np.float32]
    pauses_s: tuple[tuple[float, float], ...]
    reason: Reason | None = None
    syllables_s: tuple[float, ...] = ()
    timbre: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    bandwidth_hz: float = 8000.0

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Centre of each value's stretch of sound in seconds, (T,)."""
        return np.asarray((np.arange(len(self.loudness_db)) + 0.5) * HOP_S, np.float64)
