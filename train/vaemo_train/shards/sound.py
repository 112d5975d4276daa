"""A clip's sound as it is stored: mono, 16 bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.audio import iterate_audio
from vaemo_clips.clip import Clip
from vaemo_clips.faces.target import Sound
from vaemo_clips.voice.measure import measure_voice
from vaemo_train.shards.row import FULL_SCALE

SILENT_PEAK = 1e-4
"""Sound that stays below is digital silence: 16 bits cannot hold three steps of it."""
_BLOCK_S = 30.0


def clip_sound(path: Path, clip: Clip, rate_hz: int) -> NDArray[np.int16]:
    """The sound of a clip, (round(duration_s * rate_hz),), full scale at 32767; what is no number is 0.

    Costs about 2 ms a second of clip. Raises MediaError.
    """
    blocks = iterate_audio(path, clip.begin_s, clip.duration_s, rate_hz, _BLOCK_S)
    return np.concatenate([np.zeros(0, np.int16), *(_as_int16(block) for block in blocks)])


def is_silent(sound: NDArray[np.int16]) -> bool:
    """Whether nothing rises above SILENT_PEAK."""
    return not len(sound) or int(np.abs(sound.astype(np.int32)).max()) < SILENT_PEAK * FULL_SCALE


def loudness(sound: NDArray[np.int16], rate_hz: int) -> Sound | None:
    """What a mouth can be seen to move with, as `cues.measure` takes it: None where nobody speaks.

    Costs about 5 ms a second of clip, most of it for telling speech from noise.
    """
    voice = measure_voice(_blocks(sound, rate_hz), rate_hz)
    return (voice.times_s, voice.loudness_db) if voice.is_speech.any() else None


def _as_int16(block: NDArray[np.float32]) -> NDArray[np.int16]:
    return (np.clip(np.nan_to_num(block, posinf=0, neginf=0), -1, 1) * FULL_SCALE).round().astype(np.int16)


def _blocks(sound: NDArray[np.int16], rate_hz: int) -> Iterator[NDArray[np.float32]]:
    size = round(_BLOCK_S * rate_hz)
    for first in range(0, len(sound), size):
        yield sound[first : first + size].astype(np.float32) / np.float32(FULL_SCALE)
