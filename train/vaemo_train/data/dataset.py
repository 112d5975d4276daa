"""The windows of a folder of shards, for a DataLoader that asks for whole batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vaemo_clips.errors import ShardError, TrainingError
from vaemo_train.data.batch import Batch, read_batch, seed_of
from vaemo_train.data.window import Window, eval_windows, random_begin_s
from vaemo_train.shards.row import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from vaemo_train.shards.folder import ShardFolder

WindowKey = tuple[int, int]
"""(epoch, item). An item is a row of the selection; items beyond its length are further windows of the same rows."""

Rows = Sequence[int] | NDArray[np.int64]

BOTH, PICTURE_ONLY, SOUND_ONLY = 0, 1, 2

Modality = Literal["any", "both", "audio", "video"]
"""What of a row is used: all that it has (any; both is the same of rows that have both), its sound, its pictures."""


class WindowDataset(Dataset[Batch]):
    """Random windows of the selected rows: which one is a pure function of (seed, epoch, item).

    `rows` are numbers of the folder's rows, all of them by default. A batch of keys is read at once
    (`__getitems__`), straight into its tensors.
    """

    def __init__(
        self, folder: ShardFolder, rows: Rows | None = None, seed: int = 0, modality: Modality = "any"
    ) -> None:
        """`modality` leaves the rest of a row unread; the rows must have what it names.

        Raises ShardError for sound of another rate, TrainingError without rows, IndexError for unknown ones.
        """
        if folder.settings.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ShardError(
                f"{folder.path}: sound at {folder.settings.sample_rate_hz} Hz; the encoder hears {SAMPLE_RATE_HZ} Hz; "
                "prepare the shards again"
            )
        self.folder = folder
        self.seed = seed
        self.modality = modality
        self.rows = np.arange(folder.num_rows) if rows is None else np.asarray(rows, np.int64)
        if not len(self.rows):
            raise TrainingError(f"{folder.path}: no rows are selected of {folder.num_rows}; hold fewer clips out")
        if self.rows.min() < 0 or self.rows.max() >= folder.num_rows:
            raise IndexError(f"{folder.path}: row numbers must lie in [0, {folder.num_rows})")
        encoded = pc.dictionary_encode(folder.rows["clip_id"].combine_chunks())
        self._clip_numbers: NDArray[np.int64] = encoded.indices.to_numpy().astype(np.int64)

    @property
    def kinds(self) -> NDArray[np.int8]:
        """BOTH, PICTURE_ONLY or SOUND_ONLY for each selected row, (R,)."""
        table = self.folder.rows
        has_picture, has_sound = (table[name].to_numpy()[self.rows] for name in ("has_picture", "has_sound"))
        has_picture, has_sound = has_picture & (self.modality != "audio"), has_sound & (self.modality != "video")
        return np.where(has_picture, np.where(has_sound, BOTH, PICTURE_ONLY), SOUND_ONLY).astype(np.int8)

    def __len__(self) -> int:
        """The number of selected rows."""
        return len(self.rows)

    def __getitem__(self, key: WindowKey) -> Batch:
        """A batch of one window."""
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[WindowKey]) -> Batch:
        """The batch of these windows. Raises ShardError for a picture that cannot be decoded."""
        windows = [self.window(key) for key in keys]
        return read_batch(windows, self.folder.settings.size_px, seed_of(self.seed, keys))

    def window(self, key: WindowKey) -> Window:
        """The window of a key; no picture is decoded yet."""
        epoch, item = key
        number = int(self.rows[item % len(self.rows)])
        row = self.folder.row(number).only(self.modality)
        begin_s = random_begin_s(row, np.random.default_rng([self.seed, epoch, item]))
        return Window(row, number, int(self._clip_numbers[number]), begin_s)


class EvenWindows(WindowDataset):
    """For evaluation: item `n` of a key is window n % per_row of the selection's row n // per_row, evenly spaced.

    A row with fewer begins than `per_row` gives some windows again (`DistinctWindows` leaves them out); the epoch does
    not matter.
    """

    def __init__(
        self, folder: ShardFolder, rows: Rows | None = None, per_row: int = 1, modality: Modality = "any"
    ) -> None:
        """Raises what WindowDataset does, and ValueError for `per_row` below 1."""
        super().__init__(folder, rows, modality=modality)
        if per_row < 1:
            raise ValueError(f"per_row={per_row} must be at least 1")
        self.per_row = per_row

    def __len__(self) -> int:
        """The number of windows."""
        return len(self.rows) * self.per_row

    def window(self, key: WindowKey) -> Window:
        """The window of a key; no picture is decoded yet."""
        number = int(self.rows[key[1] // self.per_row])
        row = self.folder.row(number).only(self.modality)
        possible = eval_windows(row, self.per_row)
        begin_s = possible[key[1] % self.per_row * len(possible) // self.per_row]
        return Window(row, number, int(self._clip_numbers[number]), begin_s)
