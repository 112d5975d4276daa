"""Which file each row of the shards is of, for where nobody knows who speaks.

R rows of the shards.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_train.evaluate.folds import texts


def source_files(rows: pa.Table) -> NDArray[np.object_]:
    """(R,) the file that each row is of: its content's hash, else its path, else the clip alone.

    Clips that were cut from one file have the same; copies of a file too.
    """
    names = [name for name in ("sha256", "path", "clip_id") if name in rows.column_names]
    columns = [texts(rows[name].to_pylist()) for name in names]
    found = columns[-1]
    for column in reversed(columns[:-1]):
        found = np.where(column != None, column, found)  # noqa: E711 - elementwise
    return found
