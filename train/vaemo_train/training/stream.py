"""The batches of a whole training as one stream: it begins at any of them, reads none before, and ends when closed.

B windows of one process in a batch, W processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from vaemo_train.data.batch import Batch, has_frame_padding, has_sound_padding
from vaemo_train.data.dataset import PICTURE_ONLY, SOUND_ONLY, WindowDataset, WindowKey
from vaemo_train.data.loader import make_loader
from vaemo_train.data.sampler import WindowBatchSampler
from vaemo_train.data.window import NUM_FRAMES, NUM_SAMPLES


class BatchStream:
    """An endless pass over epoch after epoch, from batch `start_batch` of the first one on.

    Workers live as long as the stream, across epochs. Where W > 1, a process whose part of a batch lacks a modality
    that another's has gets it as padding, so that all of them meet in the same collective operations.
    """

    def __init__(
        self,
        dataset: WindowDataset,
        batch_size: int,
        *,
        seed: int,
        windows_per_row: int = 1,
        workers: int = 0,
        prefetch: int = 2,
        rank: int = 0,
        num_processes: int = 1,
        groups: NDArray[np.int64] | None = None,
        group_size: int = 1,
    ) -> None:
        """`groups` (R,) of the dataset's rows are kept together, as the sampler has it.

        Raises TrainingError where the rows do not fill one batch or shared memory does not hold the workers'.
        """
        self._keys = _EndlessKeys(
            dataset.kinds,
            batch_size,
            seed=seed,
            windows_per_row=windows_per_row,
            rank=rank,
            num_processes=num_processes,
            groups=groups,
            group_size=group_size,
        )
        self.batches_per_epoch = self._keys.batches_per_epoch
        self.num_dropped = self._keys.num_dropped
        self.start_batch = 0
        self._size_px = dataset.folder.settings.size_px
        self._make_loader: Callable[[], DataLoader[Batch]] = lambda: make_loader(dataset, self._keys, workers, prefetch)
        self._loader: DataLoader[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches from `start_batch` on. Raises ShardError for a picture that cannot be decoded."""
        self.close()
        self._keys.begin(self.start_batch)
        self._loader = self._make_loader()
        return self._filled(iter(self._loader))

    def close(self) -> None:
        """End the workers."""
        self._loader = None

    def _filled(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            yield with_modalities(batch, *self._keys.modalities.popleft(), self._size_px)


def with_modalities(batch: Batch, has_picture: bool, has_sound: bool, size_px: int) -> Batch:
    """Return the batch with pictures or sound that are all padding, where other processes have them and it has none.

    `is_real` (2,) says whether the batch has pictures, and sound, of its own.
    """
    num_clips = len(batch["row_number"])
    batch["is_real"] = torch.tensor(["frames" in batch, "sound" in batch])
    if has_picture and "frames" not in batch:
        batch["frames"] = torch.zeros(num_clips, NUM_FRAMES, size_px, size_px, 3, dtype=torch.uint8)
        batch["is_frame_padding"] = torch.ones(num_clips, NUM_FRAMES, dtype=torch.bool)
    if has_sound and "sound" not in batch:
        batch["sound"] = torch.zeros(num_clips, NUM_SAMPLES, dtype=torch.int16)
        batch["num_samples"] = torch.zeros(num_clips, dtype=torch.int64)
    batch["has_padding"] = torch.tensor([has_frame_padding(batch), has_sound_padding(batch)])
    return batch


class _EndlessKeys(Sampler[list[WindowKey]]):
    """Key lists of one process; `modalities` says for each list under way what its global batch has."""

    def __init__(
        self,
        kinds: NDArray[np.int8],
        batch_size: int,
        *,
        seed: int,
        windows_per_row: int,
        rank: int,
        num_processes: int,
        groups: NDArray[np.int64] | None,
        group_size: int,
    ) -> None:
        self.batch_size = batch_size
        self.modalities: deque[tuple[bool, bool]] = deque()
        self._kinds = kinds
        self._own = slice(rank * batch_size, (rank + 1) * batch_size)
        # One process's sampler of the global batch size has the same global batches as that of W processes.
        self._sampler = WindowBatchSampler(
            kinds,
            batch_size * num_processes,
            seed=seed,
            windows_per_row=windows_per_row,
            groups=groups,
            group_size=group_size,
        )
        self.batches_per_epoch = len(self._sampler)
        self.num_dropped = self._sampler.num_dropped
        self._begin = (0, 0)

    def begin(self, batch: int) -> None:
        """Let the next pass begin at this batch, counted over epochs."""
        self._begin = divmod(batch, self.batches_per_epoch)
        self.modalities.clear()

    def __iter__(self) -> Iterator[list[WindowKey]]:
        epoch, start_batch = self._begin
        while True:
            self._sampler.set_epoch(epoch)
            self._sampler.start_batch = start_batch
            for keys in self._sampler:
                kinds = self._kinds[[item % len(self._kinds) for _, item in keys]]
                self.modalities.append((bool((kinds != SOUND_ONLY).any()), bool((kinds != PICTURE_ONLY).any())))
                yield keys[self._own]
            epoch, start_batch = epoch + 1, 0
