"""Was the model trained on the clips that it is measured with? Asked of the run.json beside the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import RunFolderError, SplitError
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training.record import RunFolder


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The digest of the shards that a model was trained on, and the `holdout` of that run; None: there was none."""

    shards: str
    holdout: str | None

    @classmethod
    def read(cls, model: Path) -> Self | None:
        """From the record of the run that the model's folder lies in; None where nothing tells it."""
        try:
            identity: Any = RunFolder(model.resolve().parent).read_record()["identity"]
            shards, holdout = identity["data"], identity["holdout"]
        except (RunFolderError, KeyError, TypeError):
            return None
        return cls(shards, holdout) if isinstance(shards, str) and isinstance(holdout, str | None) else None

    def kept_out(self, folder: ShardFolder) -> NDArray[np.int64] | None:
        """The rows of `folder` that the holdout names; None without a holdout, or one that does not fit the rows."""
        try:
            return None if self.holdout is None else np.flatnonzero(Holdout.parse(self.holdout).matches(folder.rows))
        except SplitError:
            return None


def note_on(trained: TrainedOn | None, folder: ShardFolder, rows: NDArray[np.int64]) -> str | None:
    """What must be told beside a score on `rows` (R,) of `folder`; None where all were kept out of the training."""
    num_clips = len(folder.rows["clip_id"].take(rows).unique())
    searched = f"{'all ' if len(rows) == folder.num_rows else ''}{num_clips:,} clips are searched"
    if trained is None:
        return f"note: {searched}, and nobody knows which of them the model was trained on: no run.json tells it"
    kept_out = trained.kept_out(folder)
    if kept_out is not None and np.isin(rows, kept_out).all():
        return None
    remedy = "" if kept_out is None else f"; --holdout {trained.holdout} takes those it was not"
    if trained.shards != folder.digest:
        return f"note: {searched}, perhaps also such that the model was trained on (from other shards){remedy}"
    told = f"note: {searched}, also those that the model was trained on{remedy}"
    return told if trained.holdout is not None else f"{told}; train with --holdout to measure with others"
