"""The captions of a run by row number, read one at a time."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_annotate.dataset import load_rows
from vaemo_annotate.review.sheet import OWN_COLUMNS
from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.caption import DESCRIPTION_SCHEMA, caption_digest
from vaemo_clips.errors import RunFolderError
from vaemo_clips.verdict import CaptionKey

_UNREADABLE = "this value cannot be shown"


class Captions:
    """A caption dataset; rows are read from the disk when they are looked at."""

    def __init__(self, out: Path) -> None:
        """Open the run folder `out`. Raises RunFolderError where there is no finished run or no caption in it."""
        folder = RunFolder(out)
        self.record: dict[str, Any] = folder.read_record()
        self._table: pa.Table = load_rows(folder.dataset).data.table
        self._digests: dict[int, str] = {}
        if not len(self):
            look = f"vaemo-annotate show {shlex.quote(str(out))} --rejects"
            raise RunFolderError(f"{out} holds no caption, only rejects; look at them: {look}")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def keys(self) -> list[CaptionKey]:
        """Of each row clip_id and sample_index."""
        samples = self._table["sample_index"].to_pylist()
        return [
            (clip_id, sample or 0) for clip_id, sample in zip(self._table["clip_id"].to_pylist(), samples, strict=True)
        ]

    @cached_property
    def rows_by_key(self) -> Mapping[CaptionKey, int]:
        """Of each caption its row number."""
        return {key: row for row, key in enumerate(self.keys)}

    @cached_property
    def confidences(self) -> NDArray[np.float64]:
        """What the model said of its own certainty, (N,), NaN where it said nothing."""
        return np.asarray(self._table["confidence"].to_numpy(), np.float64)

    def row(self, number: int) -> dict[str, Any]:
        """Return a row; what of the manifest's further columns Python cannot hold is a text that says so."""
        one = self._table.slice(number, 1)
        return {name: _value(one, name) for name in one.column_names}

    def digest(self, number: int) -> str:
        """Return the digest of what the caption says, so that a verdict can be held against it."""
        if number not in self._digests:
            said = self._table.slice(number, 1).select(DESCRIPTION_SCHEMA.names)
            self._digests[number] = caption_digest(said.to_pylist()[0])
        return self._digests[number]

    def samples(self, number: int) -> Sequence[int]:
        """Return the rows of the clip's other samples; they stand beside each other in a run's dataset."""
        clip_id = self.keys[number][0]
        first = last = number
        while first > 0 and self.keys[first - 1][0] == clip_id:
            first -= 1
        while last + 1 < len(self) and self.keys[last + 1][0] == clip_id:
            last += 1
        return [row for row in range(first, last + 1) if row != number]


def _value(one: pa.Table, name: str) -> Any:
    if name in OWN_COLUMNS:
        return one[name].to_pylist()[0]
    try:
        return one[name].to_pylist()[0]
    except (ValueError, OverflowError, pa.ArrowException):  # nanoseconds, dates beyond Python's, broken text
        return _UNREADABLE
