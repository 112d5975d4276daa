"""The texts that belong to each row of the shards, as flat arrays.

N rows of the folder of shards, R of them with texts, K captions of a path over all its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_train.captions.paths import NEEDED_OF, PATHS

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RowCaptions:
    """Row `r` has the texts `text[path][begin[path][r] : begin[path][r + 1]]`; rows that were not asked for, none.

    `rows` (R,): the numbers of the rows with a text of any path, ascending. By path: `begin` (N + 1,), `text` (K,)
    text numbers, and `without_tokens`, how many rows have a text but lack the picture (the sound) that it describes;
    such a text is left out.
    """

    rows: Ints
    begin: Mapping[str, Ints]
    text: Mapping[str, Ints]
    without_tokens: Mapping[str, int]

    def of_row(self, path: str, row: int) -> Ints:
        """Text numbers of a row, ascending; none for a row that was not asked for."""
        begin = self.begin[path]
        return self.text[path][begin[row] : begin[row + 1]]

    def used_texts(self) -> Ints:
        """The numbers of all texts that a row has, ascending, each once."""
        return np.unique(np.concatenate([self.text[path] for path in PATHS]))


def row_captions(
    shard_rows: pa.Table, rows: Ints, text_of: Mapping[str, Ints], clip_of: Mapping[str, NDArray[np.object_]]
) -> RowCaptions:
    """Give `rows` of `shard_rows` (N) the texts of their clips; `text_of`, `clip_of` are those of `Captions`.

    Raises IndexError for a row that is not there.
    """
    clips = shard_rows["clip_id"].to_pylist()
    asked = np.unique(np.asarray(rows, np.int64))
    if len(asked) and not 0 <= asked[0] <= asked[-1] < len(clips):
        raise IndexError(f"rows {asked[0]} to {asked[-1]} are not all in [0, {len(clips)})")
    begin, text, without_tokens = {}, {}, {}
    for path in PATHS:
        first, length = _ranges(clips, asked, clip_of[path])
        column = NEEDED_OF[path]
        has_tokens = np.ones(len(clips), bool) if column is None else np.asarray(shard_rows[column].to_numpy(), bool)
        without_tokens[path] = int((length[~has_tokens] > 0).sum())
        length[~has_tokens] = 0
        begin[path] = np.concatenate([[0], np.cumsum(length)])
        # (K,): the place of a caption = that of its row's first one + its own place within the row
        within = np.arange(begin[path][-1]) - np.repeat(begin[path][:-1], length)
        text[path] = np.asarray(text_of[path], np.int64)[np.repeat(first, length) + within]
    has_text = sum(np.diff(begin[path]) for path in PATHS)
    return RowCaptions(np.flatnonzero(has_text), begin, text, without_tokens)


def _ranges(clips: Sequence[str], asked: Ints, clip_of: NDArray[np.object_]) -> tuple[Ints, Ints]:
    """Where the captions of each row's clip begin among those sorted by clip, and how many there are, both (N,)."""
    first, length = np.zeros(len(clips), np.int64), np.zeros(len(clips), np.int64)
    if len(clip_of):
        is_new = np.concatenate([[True], clip_of[1:] != clip_of[:-1]])
        begins = np.flatnonzero(is_new)
        numbers = dict(zip(clip_of[begins].tolist(), range(len(begins)), strict=True))
        lengths = np.diff(begins, append=len(clip_of))
        for row in asked.tolist():
            number = numbers.get(clips[row])
            if number is not None:
                first[row], length[row] = begins[number], lengths[number]
    return first, length
