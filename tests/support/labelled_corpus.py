"""Rows of labelled clips whose speakers and folds are known, and splits of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from vaemo_train.protocol.splits import Split, make_splits
from vaemo_train.protocol.targets import Targets


def table(**columns: Sequence[object]) -> pa.Table:
    """A row for each clip unless `clip_id` says otherwise."""
    num_rows = len(next(iter(columns.values())))
    ids = columns.pop("clip_id", [f"clip_{number:04d}" for number in range(num_rows)])
    return pa.table({"clip_id": ids, **columns})


def split_of(
    rows: pa.Table, folds: str | None = None, share: float = 0.0, seed: int = 0, names: Sequence[str] | None = None
) -> tuple[Split, ...]:
    targets = Targets.of_rows(rows, skip_unlabelled=True, names=names)
    return make_splits(targets.rows, targets, folds=folds, validation_share=share, seed=seed)


def corpus(num_speakers: int = 8, columns: Mapping[str, Sequence[object]] | None = None) -> pa.Table:
    """Speakers with three clips of x and three of y, two speakers a fold; `columns` replace these."""
    speakers = np.repeat(np.arange(num_speakers), 6)
    own: dict[str, Sequence[object]] = {
        "speaker": [f"s{one}" for one in speakers],
        "label": list("xy") * (len(speakers) // 2),
        "fold": (speakers // 2 + 1).tolist(),
    }
    return table(**{**own, **(columns or {})})
