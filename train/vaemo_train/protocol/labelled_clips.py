"""The labelled clips of shards, one entry a clip however many rows it has, in an order that rows do not change.

R rows of the shards, n labelled clips in the order of their ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import texts
from vaemo_train.evaluate.source_files import source_files
from vaemo_train.protocol.target_values import check_clips
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.layout import told_columns


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClips:
    """n clips: `labels` (n,) by name, None for a regression; `speakers` (n,) as text, None where nobody is known.

    `files` (n,) are what the clips were cut from. `rows` (m,) are the row numbers of all of them, ascending, and
    `clip_of_row` (m,) says of which clip each is; `table` has the columns of all m rows.
    """

    ids: NDArray[np.object_]
    labels: NDArray[np.object_] | None
    speakers: NDArray[np.object_] | None
    files: NDArray[np.object_]
    rows: NDArray[np.int64]
    clip_of_row: NDArray[np.int64]
    table: pa.Table

    @classmethod
    def of(cls, rows: pa.Table, targets: Targets) -> LabelledClips:
        """The clips that have a label.

        Raises SplitError for rows that are not those of the targets, or a clip of several speakers.
        """
        if rows.num_rows != len(targets.values):
            raise SplitError(
                f"splits: {rows.num_rows:,} rows for targets of {len(targets.values):,} rows; give the rows that the "
                f"targets were read from"
            )
        numbers = np.flatnonzero(targets.is_labelled)
        table = rows.take(pa.array(numbers, pa.int64()))
        ids, first, clip_of_row = np.unique(targets.clip_ids[numbers], return_index=True, return_inverse=True)
        labels = None
        if not targets.is_regression:
            labels = np.array(targets.names, object)[targets.values[numbers][first].astype(np.int64)]
        speakers = targets.speakers
        if speakers is not None:
            check_clips(speakers[numbers], targets.clip_ids[numbers], "speaker", "splits")
            speakers = speakers[numbers][first]
        return cls(ids, labels, speakers, source_files(table)[first], numbers, clip_of_row, table)

    def column(self, name: str) -> NDArray[np.object_]:
        """(n,) text of a column. Raises SplitError where there is none, or rows of a clip have different values."""
        if name not in self.table.column_names:
            raise SplitError(
                f"folds {name}: there is no column {name}; there are {told_columns(self.table.column_names)}: name one "
                f"of them, or deal whole speakers to folds by a number"
            )
        values = texts(self.table[name].to_pylist())
        check_clips(values, self.ids[self.clip_of_row], name, f"folds {name}")
        return values[self.first_rows]

    @property
    def first_rows(self) -> NDArray[np.int64]:
        """(n,) the place in `table` of each clip's first row."""
        return np.unique(self.clip_of_row, return_index=True)[1].astype(np.int64)

    def rows_of(self, clips: NDArray[np.int64]) -> NDArray[np.int64]:
        """All row numbers of some of the clips, ascending."""
        return self.rows[np.isin(self.clip_of_row, clips)]
