"""A batch of windows: the tensors that a training step gets, on the CPU.

Shapes: B windows, T frames of H x W pixels with C colours, S samples.

    frames (B, 16, H, W, 3) uint8      0 where there is no picture
    is_frame_padding (B, 16) bool      True where there is no picture
    sound (B, 40960) int16             0 where there is no sound
    num_samples (B,) int64             how many samples from the window's begin are no padding; 0 without sound
    clip_number, row_number (B,) int64
    window_begin_s (B,) float64        counted from the clip's begin
    has_padding (2,) bool              whether any picture, and any sample, of any window is missing
    batch_seed () int64                for all that is random on the device

The first two are absent when no row of the batch has a picture, the next two when none has sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from vaemo_train.data.window import NUM_FRAMES, NUM_SAMPLES, Window

Batch = dict[str, Tensor]
NUM_COLOURS = 3


def read_batch(windows: Sequence[Window], size_px: int, batch_seed: int) -> Batch:
    """Read windows into one batch. Raises ShardError for a picture that cannot be decoded."""
    if not windows:
        raise ValueError("a batch needs at least one window")
    batch: Batch = {}
    if any(len(window.row.jpeg_ends) for window in windows):
        batch |= _read_frames(windows, size_px)
    if any(window.row.sound is not None for window in windows):
        batch |= _read_sound(windows)
    return batch | {
        "has_padding": torch.tensor([has_frame_padding(batch), has_sound_padding(batch)]),
        "clip_number": torch.tensor([window.clip_number for window in windows]),
        "row_number": torch.tensor([window.row_number for window in windows]),
        "window_begin_s": torch.tensor([window.begin_in_clip_s for window in windows], dtype=torch.float64),
        "batch_seed": torch.tensor(batch_seed),
    }


def has_frame_padding(batch: Batch) -> bool:
    """Whether a picture of the batch is missing."""
    return "frames" in batch and bool(batch["is_frame_padding"].any())


def has_sound_padding(batch: Batch) -> bool:
    """Whether a sample of the batch is missing."""
    return "sound" in batch and bool((batch["num_samples"] < NUM_SAMPLES).any())


def seed_of(seed: int, keys: Iterable[tuple[int, int]]) -> int:
    """A seed in [0, 2 ** 63) for a batch of (epoch, item): the same for the same ones in the same order."""
    numbers = np.array([seed, *(number for key in keys for number in key)], np.int64)
    return int.from_bytes(blake2b(numbers.tobytes(), digest_size=8).digest(), "little") >> 1


def _read_frames(windows: Sequence[Window], size_px: int) -> Batch:
    frames_BTHWC = _room((len(windows), NUM_FRAMES, size_px, size_px, NUM_COLOURS), torch.uint8)
    is_padding_BT = torch.empty((len(windows), NUM_FRAMES), dtype=torch.bool)
    for window, frames_THWC, is_padding_T in zip(windows, frames_BTHWC.numpy(), is_padding_BT.numpy(), strict=True):
        window.read_frames(frames_THWC, is_padding_T)
    return {"frames": frames_BTHWC, "is_frame_padding": is_padding_BT}


def _read_sound(windows: Sequence[Window]) -> Batch:
    sound_BS = _room((len(windows), NUM_SAMPLES), torch.int16)
    counts = [window.read_sound(sound_S) for window, sound_S in zip(windows, sound_BS.numpy(), strict=True)]
    return {"sound": sound_BS, "num_samples": torch.tensor(counts)}


def _room(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """An empty tensor; in a worker it lies in shared memory, so that the way to the main process copies nothing."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=dtype)
    num_bytes = int(np.prod(shape)) * dtype.itemsize
    kind: Any = torch.UntypedStorage
    return torch.empty(0, dtype=dtype).set_(kind._new_shared(num_bytes)).view(shape)
