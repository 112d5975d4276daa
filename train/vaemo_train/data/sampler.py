"""Which windows make a batch: every selected row once an epoch, modalities kept apart, the same on every resume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from vaemo_clips.errors import TrainingError
from vaemo_train.data.dataset import WindowKey

_SHUFFLE = 1  # keeps the shuffling's random numbers apart from those of the windows


class WindowBatchSampler(Sampler[list[WindowKey]]):
    """Batches of window keys of one process (`rank` of `world_size`), a pure function of (seed, epoch).

    `kinds` (R,) says of each selected row which modalities it has (`WindowDataset.kinds`). A global batch holds
    `batch_size * world_size` windows of one kind, so that no missing modality is computed; what is left of the kinds
    fills mixed ones. The order of global batches is random, and rank r has the r-th slice of each. Fewer windows than
    a global batch are left over in the end, at random: `num_dropped` of each epoch.

    `set_epoch` names the epoch; `start_batch` is how many of its batches the next pass, and only that, leaves out.
    """

    def __init__(
        self,
        kinds: Sequence[int] | NDArray[np.integer],
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        windows_per_row: int = 1,
    ) -> None:
        """Raises TrainingError where there are fewer windows than a global batch holds."""
        if min(batch_size, world_size, windows_per_row) < 1 or not 0 <= rank < world_size:
            raise ValueError(
                f"batch_size={batch_size}, windows_per_row={windows_per_row} and world_size={world_size} must be at "
                f"least 1, and rank={rank} below world_size"
            )
        self.batch_size, self.seed, self.rank, self.world_size = batch_size, seed, rank, world_size
        self.epoch = 0
        self.start_batch = 0
        self._kinds = np.tile(np.asarray(kinds), windows_per_row)  # item n is of row n % R
        self._check_size(len(kinds), windows_per_row)

    @property
    def global_batch_size(self) -> int:
        """Windows of a batch over all processes."""
        return self.batch_size * self.world_size

    @property
    def num_dropped(self) -> int:
        """How many windows of an epoch no batch holds, over all processes."""
        return len(self._kinds) % self.global_batch_size

    def __len__(self) -> int:
        """Batches of a whole epoch, whatever `start_batch` is."""
        return len(self._kinds) // self.global_batch_size

    def set_epoch(self, epoch: int) -> None:
        """Name the epoch of the next pass."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[WindowKey]]:
        """Batches of keys from `start_batch` on; it is used up with the first one, as a DataLoader begins twice."""
        epoch, begin, self.start_batch = self.epoch, self.start_batch, 0
        own = slice(self.rank * self.batch_size, (self.rank + 1) * self.batch_size)
        for items in self._global_batches(epoch)[begin:, own]:
            yield [(epoch, item) for item in items.tolist()]

    def _global_batches(self, epoch: int) -> NDArray[np.int64]:
        """Items of all global batches of an epoch, (number of batches, global batch size)."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch], spawn_key=(_SHUFFLE,)))
        size = self.global_batch_size
        whole, left = [], []
        for kind in np.unique(self._kinds):
            items = rng.permutation(np.flatnonzero(self._kinds == kind))
            num_whole = len(items) // size * size
            whole.append(items[:num_whole])
            left.append(items[num_whole:])
        mixed = rng.permutation(np.concatenate(left))
        whole.append(mixed[: len(mixed) // size * size])
        return rng.permutation(np.concatenate(whole).reshape(-1, size), axis=0)

    def _check_size(self, num_rows: int, windows_per_row: int) -> None:
        if len(self) == 0:
            raise TrainingError(
                f"{num_rows} rows with {windows_per_row} windows each do not fill one batch of "
                f"{self.global_batch_size} ({self.batch_size} on each of {self.world_size} processes); "
                "lower the batch size, raise the windows per row, or prepare more clips"
            )


class SequentialBatches(Sampler[list[WindowKey]]):
    """Keys of `num_windows` windows in order, for evaluation; the last batch may be smaller, nothing is dropped."""

    def __init__(self, num_windows: int, batch_size: int) -> None:
        """Raises ValueError for a batch size below 1."""
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be at least 1")
        self.num_windows, self.batch_size = num_windows, batch_size

    def __len__(self) -> int:
        """The number of batches."""
        return -(-self.num_windows // self.batch_size)

    def __iter__(self) -> Iterator[list[WindowKey]]:
        """Batches of keys of epoch 0."""
        for begin in range(0, self.num_windows, self.batch_size):
            yield [(0, item) for item in range(begin, min(begin + self.batch_size, self.num_windows))]
