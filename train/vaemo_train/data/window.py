"""A window: 2.56 s of a shard row, its pictures and its sound on one clock.

Shapes: T frames of a window, K slots of a row, P begins that a window may have in a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from vaemo_clips.errors import ShardError
from vaemo_clips.timeline import seconds_to_samples
from vaemo_train.shards.row import FRAME_STRIDE_S, SAMPLE_RATE_HZ, ShardRow

NUM_FRAMES = 16
TUBELET_FRAMES = 2
WINDOW_S = NUM_FRAMES * FRAME_STRIDE_S
NUM_SAMPLES = seconds_to_samples(WINDOW_S, SAMPLE_RATE_HZ)

_ROUNDING = 1e-6  # of a slot: what floats may lose on the way


@dataclass(frozen=True, slots=True)
class Window:
    """[begin_s, begin_s + 2.56) of a row, `begin_s` counted from the row's begin, and half a slot before it at most.

    Frame i shows begin_s + (i + 0.5) * 0.16 s; sample i is begin_s + i / 16000. `row_number` is the row's in its
    folder, `clip_number` its clip's.
    """

    row: ShardRow
    row_number: int
    clip_number: int
    begin_s: float

    @property
    def begin_in_clip_s(self) -> float:
        """Where the window begins in the clip."""
        return self.row.begin_s + self.begin_s

    def read_frames(self, frames_THWC: NDArray[np.uint8], is_padding_T: NDArray[np.bool_]) -> None:
        """Decode the 16 pictures shown, and no other, into `frames_THWC`; 0 and padding where there is none.

        Raises ShardError for a picture that cannot be decoded, or that is not of the shard's size.
        """
        for frame, slot in enumerate(frame_slots(self.begin_s, self.row.fps)):
            jpeg = self.row.jpeg(int(slot))
            is_padding_T[frame] = jpeg is None
            if jpeg is None:
                frames_THWC[frame] = 0
                continue
            try:
                # Arrow's buffers are of signed bytes, which simplejpeg does not take.
                decoded = simplejpeg.decode_jpeg(
                    jpeg.cast("B"), fastdct=True, fastupsample=True, buffer=frames_THWC[frame]
                )
            except ValueError as error:
                raise ShardError(f"{self._name(slot)}: {error}; prepare the shards again") from error
            if decoded.shape != frames_THWC[frame].shape:
                height, width = decoded.shape[:2]
                rule = f"the shards' pictures are {frames_THWC.shape[1]} pixels high and wide"
                raise ShardError(f"{self._name(slot)}: {height}x{width} pixels; {rule}; prepare the shards again")

    def read_sound(self, sound_S: NDArray[np.int16]) -> int:
        """Copy the window's samples into `sound_S`, 0 before and after them; return how many are no padding.

        What a window has before its row is silence like any other, and no padding.
        """
        if self.row.sound is None:
            sound_S[:] = 0
            return 0
        begin = seconds_to_samples(self.begin_s, SAMPLE_RATE_HZ)
        silent = max(-begin, 0)
        samples = self.row.sound[begin + silent : begin + NUM_SAMPLES]
        end = silent + len(samples)
        sound_S[:silent] = 0
        sound_S[silent:end] = samples
        sound_S[end:] = 0
        return end

    def _name(self, slot: int) -> str:
        return f"clip {self.row.clip_id}, row {self.row.row}, picture {slot}"


def frame_slots(begin_s: float, fps: float) -> NDArray[np.int64]:
    """The slots that hold a window's frames, (T,)."""
    times_s = begin_s + (np.arange(NUM_FRAMES) + 0.5) * FRAME_STRIDE_S
    return np.asarray(np.floor(times_s * fps + _ROUNDING), np.int64)


def begins(row: ShardRow) -> NDArray[np.float64]:
    """Where a window may begin in a row, in seconds from its begin, ascending (P,), P at least 1.

    Begins are 1 / fps apart. With pictures a frame's time is the middle of a slot, which is what the slot shows: at
    12.5 fps begins on the slots' borders would show every picture 0.04 s late. There the first begin is half a slot
    after the row's. A row without room for a window from there has the one begin half a slot before it: the first
    picture and the first sample are seen, half a slot of silence comes before them, and where the row is as long as a
    window nothing is padding; its last half slot is not heard.
    """
    first_s = _first_begin_s(row.fps) if len(row.jpeg_ends) else 0.0
    room = math.floor((row.duration_s - WINDOW_S - first_s) * row.fps + _ROUNDING)
    if room < 0:
        return np.array([-first_s])
    return np.asarray(first_s + np.arange(room + 1) / row.fps, np.float64)


def seen_begins(row: ShardRow) -> NDArray[np.float64]:
    """Those of the row's begins whose window shows a whole tubelet of pictures; all where none does, or there is none.

    A tubelet is frames 2k and 2k + 1, the least that the encoder takes.
    """
    possible_P = begins(row)
    is_seen_K = np.diff(row.jpeg_ends, prepend=0) > 0
    if is_seen_K.all():
        return possible_P
    slots_PT = frame_slots(float(possible_P[0]), row.fps) + np.arange(len(possible_P))[:, None]
    is_shown_PT = is_seen_K[np.minimum(slots_PT, len(is_seen_K) - 1)] & (slots_PT < len(is_seen_K))
    # (P, T) -> (P, T / 2, 2) -> (P,)
    has_tubelet_P = is_shown_PT.reshape(len(possible_P), -1, TUBELET_FRAMES).all(axis=2).any(axis=1)
    return possible_P[has_tubelet_P] if has_tubelet_P.any() else possible_P


def random_begin_s(row: ShardRow, rng: np.random.Generator) -> float:
    """One of the row's begins that show a picture, all equally likely, in seconds."""
    possible_P = seen_begins(row)
    return float(possible_P[rng.integers(len(possible_P))])


def eval_windows(row: ShardRow, count: int) -> list[float]:
    """Begins of at most `count` windows spread evenly over those that show a picture, in seconds; fewer of fewer.

    One window lies in the middle of them; of several, the first and the last are the first and the last of them.
    """
    if count < 1:
        raise ValueError(f"count={count} must be at least 1")
    possible_P = seen_begins(row)
    last = len(possible_P) - 1
    at = [last / 2] if count == 1 else np.linspace(0, last, min(count, last + 1))
    return [float(possible_P[math.floor(position + 0.5)]) for position in at]


@lru_cache(maxsize=8)
def _first_begin_s(fps: float) -> float:
    """0 or half a slot, so that FRAME_STRIDE_S / 2 later a slot is in its middle."""
    slots = FRAME_STRIDE_S / 2 * fps - 0.5
    return round(math.ceil(slots - _ROUNDING) - slots, 9) / fps
