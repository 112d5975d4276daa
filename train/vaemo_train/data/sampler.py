"""Which windows make a batch: every selected row once an epoch, modalities kept apart, the same on every resume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from vaemo_clips.errors import TrainingError
from vaemo_train.data.dataset import EvenWindows, WindowKey

_SHUFFLE = 1  # keeps the shuffling's random numbers apart from those of the windows


class WindowBatchSampler(Sampler[list[WindowKey]]):
    """Batches of window keys, a pure function of (seed, epoch); where processes train together, each takes its slice.

    `kinds` (R,) says of each selected row which modalities it has (`WindowDataset.kinds`). A batch holds windows of
    one kind, so that no missing modality is computed; what is left of the kinds fills mixed ones. The order of batches
    is random. Fewer windows than a batch are left over in the end, at random: `num_dropped` of each epoch.

    `set_epoch` names the epoch; `start_batch` is how many of its batches the next pass, and only that, leaves out.
    """

    def __init__(
        self,
        kinds: Sequence[int] | NDArray[np.integer],
        batch_size: int,
        seed: int = 0,
        windows_per_row: int = 1,
        groups: NDArray[np.int64] | None = None,
        group_size: int = 1,
    ) -> None:
        """`groups` (R,): rows of a group, as a speaker's, stand together, `group_size` of them where there are so many.

        Raises TrainingError where there are fewer windows than a batch holds.
        """
        if min(batch_size, windows_per_row) < 1:
            raise ValueError(f"batch_size={batch_size} and windows_per_row={windows_per_row} must be at least 1")
        self.batch_size, self.seed = batch_size, seed
        self.epoch = 0
        self.start_batch = 0
        self._kinds = np.tile(np.asarray(kinds), windows_per_row)  # item n is of row n % R
        self._groups = None if groups is None else np.tile(groups, windows_per_row)
        self._group_size = group_size
        self._check_size(len(kinds), windows_per_row)

    @property
    def num_dropped(self) -> int:
        """How many windows of an epoch no batch holds."""
        return len(self._kinds) % self.batch_size

    def __len__(self) -> int:
        """Batches of a whole epoch, whatever `start_batch` is."""
        return len(self._kinds) // self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Name the epoch of the next pass."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[WindowKey]]:
        """Batches of keys from `start_batch` on; it is used up with the first one, as a DataLoader begins twice."""
        epoch, begin, self.start_batch = self.epoch, self.start_batch, 0
        for items in self._batches(epoch)[begin:]:
            yield [(epoch, item) for item in items.tolist()]

    def _batches(self, epoch: int) -> NDArray[np.int64]:
        """Items of all batches of an epoch, (number of batches, batch size)."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, epoch], spawn_key=(_SHUFFLE,)))
        size = self.batch_size
        whole, left = [], []
        for kind in np.unique(self._kinds):
            items = self._together(rng.permutation(np.flatnonzero(self._kinds == kind)), rng)
            num_whole = len(items) // size * size
            whole.append(items[:num_whole])
            left.append(items[num_whole:])
        mixed = rng.permutation(np.concatenate(left))
        whole.append(mixed[: len(mixed) // size * size])
        return rng.permutation(np.concatenate(whole).reshape(-1, size), axis=0)

    def _together(self, items: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """The items (I,) in another random order, in which up to `group_size` of a group stand side by side."""
        if self._groups is None:
            return items
        items = items[np.argsort(self._groups[items], kind="stable")]
        groups = self._groups[items]
        is_first = np.concatenate([[True], groups[1:] != groups[:-1]])
        begins = np.flatnonzero(is_first)
        rank = np.arange(len(items)) - begins[np.cumsum(is_first) - 1]
        piece = np.cumsum(rank % self._group_size == 0) - 1
        return items[np.argsort(rng.permutation(piece[-1] + 1)[piece], kind="stable")]

    def _check_size(self, num_rows: int, windows_per_row: int) -> None:
        if len(self) == 0:
            raise TrainingError(
                f"{num_rows} rows with {windows_per_row} windows each do not fill one batch of "
                f"{self.batch_size} over all processes; lower the batch size, raise the windows per row, or prepare "
                "more clips"
            )


class DistinctWindows(Sampler[list[WindowKey]]):
    """Batches of the keys of an EvenWindows, in order, without the windows that a short row gives again."""

    def __init__(self, dataset: EvenWindows, batch_size: int) -> None:
        """Raises ValueError for a batch size below 1."""
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be at least 1")
        self.dataset, self.batch_size = dataset, batch_size

    def __iter__(self) -> Iterator[list[WindowKey]]:
        """Batches; the last may be smaller, nothing is dropped."""
        keys = self._keys()
        while batch := list(islice(keys, self.batch_size)):
            yield batch

    def _keys(self) -> Iterator[WindowKey]:
        previous: tuple[int, float] | None = None
        for item in range(len(self.dataset)):
            window = self.dataset.window((0, item))
            place = (window.row_number, window.begin_s)
            if place != previous:
                yield 0, item
            previous = place
