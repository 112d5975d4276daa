"""Where speech is: sound that stands out of its background and holds a voice that is no melody.

Plain signal processing. Held notes give music away; drums, noise with a hum and singing that glides do not.
A whisper has no voice and so is not found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from vaemo_clips.voice.curves import HOP_S
from vaemo_clips.voice.loudness import SILENT_DB
from vaemo_clips.voice.runs import from_runs, runs_of, without_gaps, without_short

SHORTEST_PAUSE_S = 0.15
"""Shorter gaps are closures of plosives, not pauses."""
_SHORTEST_SPEECH_S = 0.06
_SHORTEST_VOICING_S = 0.04
_REACH_S = 0.2  # sounds without voice belong to a voice so near
_WINDOW_HOPS, _STEP_HOPS = 1000, 100  # 10 s: the background may change within a clip
_ABOVE_BACKGROUND_DB = 7.0
_BELOW_PEAK_DB = 32.0
_ALWAYS_BELOW_PEAK_DB = 12.0
_SOUND_BELOW_PEAK_DB = 40.0
_NOTE_HOPS, _NOTE_SEMITONES = 20, 0.15
_NOTES_SHARE, _NUM_NOTES = 0.3, 3


@dataclass(frozen=True, slots=True)
class Background:
    """Level of the loud and of the quiet parts around each hop, (T,) each, in dB re full scale."""

    peak_db: NDArray[np.float32]
    quiet_db: NDArray[np.float32]

    @property
    def threshold_db(self) -> NDArray[np.float32]:
        """Level above which a sound stands out.

        In a clean recording it hangs on the peak, in a noisy one on the noise; where speech never
        rests there is no quiet part to be seen, so it stays well below the peak.
        """
        over_noise = np.maximum(self.quiet_db + _ABOVE_BACKGROUND_DB, self.peak_db - _BELOW_PEAK_DB)
        bounded = np.minimum(over_noise, self.peak_db - _ALWAYS_BELOW_PEAK_DB)
        return np.asarray(np.maximum(bounded, SILENT_DB), np.float32)


def background(loudness_db: NDArray[np.float32]) -> Background:
    """The 95th and 10th percentile of the level in the 10 s around each second, joined by lines."""
    num_hops = len(loudness_db)
    centres = np.arange(min(_STEP_HOPS // 2, num_hops // 2), max(num_hops, 1), _STEP_HOPS)
    reach = _WINDOW_HOPS // 2
    around = [loudness_db[max(centre - reach, 0) : centre + reach] for centre in centres]
    levels = np.array([np.percentile(part, (95, 10)) for part in around if len(part)], np.float32).reshape(-1, 2)
    if not len(levels):
        return Background(loudness_db, loudness_db)
    hops = np.arange(num_hops)
    peak_db, quiet_db = (np.interp(hops, centres, levels[:, column]).astype(np.float32) for column in (0, 1))
    return Background(peak_db, quiet_db)


def find_speech(
    loudness_db: NDArray[np.float32], f0_hz: NDArray[np.float32], surroundings: Background
) -> NDArray[np.bool_]:
    """Whether somebody speaks in each hop, (T,): loud enough, and voiced or beside something voiced.

    `f0_hz` (T,) is NaN where not voiced.
    """
    is_loud = loudness_db > surroundings.threshold_db
    is_sound = loudness_db > np.maximum(surroundings.peak_db - _SOUND_BELOW_PEAK_DB, SILENT_DB)
    is_voiced = ~np.isnan(f0_hz) & ~_is_melody(f0_hz, is_sound)
    is_voice = without_short(is_voiced & is_loud, _hops(_SHORTEST_VOICING_S))
    is_near = _widened(is_voice, _hops(_REACH_S))
    is_speech = without_gaps(_runs_with(is_loud & is_near, is_voice), _hops(SHORTEST_PAUSE_S))
    return without_short(is_speech, _hops(_SHORTEST_SPEECH_S))


def pauses(is_speech: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Gaps between the first and the last speech in seconds, half-open."""
    runs = runs_of(is_speech)
    return tuple(
        (float(end * HOP_S), float(begin * HOP_S)) for end, begin in zip(runs[:-1, 1], runs[1:, 0], strict=True)
    )


def _is_melody(f0_hz: NDArray[np.float32], is_sound: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Hops of unbroken sound in which at least three notes are held for much of the voiced time, (T,).

    A speaker's pitch never rests: of 490 utterances of RAVDESS and Emo-DB none holds three notes for
    three tenths of its voiced time. Sound that goes on is judged in pieces of 10 s.
    """
    semitones = 12 * np.log2(f0_hz)
    is_melody = np.zeros(len(f0_hz), bool)
    for begin, end in runs_of(without_gaps(is_sound, _hops(SHORTEST_PAUSE_S))):
        for first in range(begin, end, _WINDOW_HOPS):
            last = min(first + _WINDOW_HOPS, end)
            is_melody[first:last] = _holds_notes(semitones[first:last])
    return is_melody


def _holds_notes(semitones: NDArray[np.float32]) -> bool:
    notes = _notes(semitones)
    held = sum(len(note) for note in notes)
    num_notes = len({round(float(np.median(note))) for note in notes})
    return num_notes >= _NUM_NOTES and held >= _NOTES_SHARE * float(np.isfinite(semitones).sum())


def _notes(semitones: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Stretches of at least 200 ms whose pitch stays where it is; a slow glide does not."""
    if len(semitones) < _NOTE_HOPS:
        return []
    is_still = np.ptp(sliding_window_view(semitones, _NOTE_HOPS), axis=1) < _NOTE_SEMITONES
    stretches = [semitones[first : last + _NOTE_HOPS - 1] for first, last in runs_of(is_still)]
    return [stretch for stretch in stretches if np.ptp(stretch) < 2 * _NOTE_SEMITONES]


def _hops(seconds: float) -> int:
    return round(seconds / HOP_S)


def _widened(is_on: NDArray[np.bool_], num_hops: int) -> NDArray[np.bool_]:
    runs = runs_of(is_on) + np.array([-num_hops, num_hops])
    return from_runs(np.clip(runs, 0, len(is_on)), len(is_on)) if len(runs) else is_on


def _runs_with(is_on: NDArray[np.bool_], is_voice: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Runs that hold a voice, or lie within a plosive's closure of one that does."""
    joined = runs_of(without_gaps(is_on, _hops(SHORTEST_PAUSE_S)))
    count = np.concatenate([[0], np.cumsum(is_voice)])
    holds = count[joined[:, 1]] > count[joined[:, 0]]
    return is_on & from_runs(joined[holds], len(is_on))
