"""The rows of a run folder's datasets as a stream, and the order in which they were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_annotate.quality.caption_rows import read_tables
from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.errors import ManifestError
from vaemo_clips.manifest import Manifest

_BATCH_ROWS = 1000
_MOST_BINS = 30
_LEAST_IN_BIN = 3


def stream(dataset: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a saved dataset, with those of `columns` that there are; memory holds one batch.

    A folder that is not there has no rows. Raises RunFolderError where it is damaged.
    """
    for table in read_tables(dataset) if dataset.exists() else ():
        wanted = table.select([name for name in columns if name in table.column_names])
        for begin in range(0, len(wanted), _BATCH_ROWS):
            yield from wanted.slice(begin, _BATCH_ROWS).to_pylist()


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Into which stretch of the run each row falls: all stretches hold about as many outcomes.

    `accepted` and `rejected` give the stretch of each row of the datasets; `rejected` is None where the rejects' place
    in the run is not known. `middles` are the numbers of the outcomes in the middle of each stretch.
    """

    accepted: NDArray[np.int32]
    rejected: NDArray[np.int32] | None
    middles: list[float]

    @property
    def bins(self) -> int:
        """How many stretches there are."""
        return len(self.middles)


def run_order(folder: RunFolder) -> RunOrder:
    """Order all outcomes by the time they were made.

    A reject has no time of its own: it takes that of the caption before it in the manifest, since a run goes through
    its manifest in order.
    """
    made = _times(folder.dataset)
    refused = _times_of_rejects(folder, made)
    known = np.concatenate([made, refused]) if refused is not None else made
    ranks = np.empty(len(known), np.int64)
    ranks[np.argsort(known, kind="stable")] = np.arange(len(known))
    bins = min(max(len(known) // _LEAST_IN_BIN, 1), _MOST_BINS)
    place = (ranks * bins // max(len(known), 1)).astype(np.int32)
    middles = [(index + 0.5) * len(known) / bins for index in range(bins)]
    return RunOrder(place[: len(made)], None if refused is None else place[len(made) :], middles)


def _times(dataset: Path) -> NDArray[np.float64]:
    """Seconds since 1970 of each row; one without a time takes that of the row before."""
    times = np.array(
        [row["created_at"].timestamp() if row["created_at"] else np.nan for row in stream(dataset, ["created_at"])]
    )
    last = np.maximum.accumulate(np.where(np.isnan(times), 0, np.arange(len(times))))
    return np.nan_to_num(times[last]) if len(times) else times.astype(np.float64)


def _times_of_rejects(folder: RunFolder, made: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The times of the captions before the rejects; None where the manifest does not tell their places."""
    of_accepted, of_rejected = _Ids(folder.dataset), _Ids(folder.rejects)
    if of_rejected.is_at_end:
        return np.empty(0)
    try:
        manifest = Manifest.open(folder.manifest, root=folder.path)  # only ids are read: no media is needed
    except ManifestError:
        return None
    times: list[float] = []
    for clip_id in manifest.clip_ids():
        of_accepted.skip(clip_id)
        count = of_rejected.skip(clip_id)
        times += [float(made[max(of_accepted.passed - 1, 0)]) if len(made) else 0.0] * count
    return np.array(times) if of_rejected.is_at_end else None


class _Ids:
    """The clip ids of a dataset, in order, passed by as the manifest comes to them."""

    def __init__(self, dataset: Path) -> None:
        self.passed = 0
        self._ids = (row["clip_id"] for row in stream(dataset, ["clip_id"]))
        self._next = next(self._ids, None)

    @property
    def is_at_end(self) -> bool:
        """Whether all were passed."""
        return self._next is None

    def skip(self, clip_id: str) -> int:
        """Pass all rows of a clip; return how many there were."""
        before = self.passed
        while self._next == clip_id:
            self.passed += 1
            self._next = next(self._ids, None)
        return self.passed - before
