"""Did the encoder's earlier stages see the clips that a fold is tested on? Asked of the run.json beside each model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import ShardError, SplitError
from vaemo_train.evaluate.folds import Holdout, texts
from vaemo_train.shards.folder import ShardFolder

Seen = Literal["no", "yes", "unknown"]


def saw_test_speakers(init: Path | str, folder: ShardFolder, test: NDArray[np.int64]) -> Seen:
    """Whether clips of the speakers of the rows `test` of `folder` were in any training that the encoder went through.

    "no" for random weights. A clip is known again by its content (column sha256), speakers by all their clips in
    `folder`; where a run's record or its shards are not there any more, it is "unknown". Labels are never seen by stage
    1 and 2.
    """
    if isinstance(init, str):
        return "no"
    contents = _contents_of_speakers(folder, test)
    found: Seen = "no"
    for record in _records(init):
        seen = "unknown" if record is None else _saw(record, contents)
        if seen == "yes":
            return "yes"
        found = seen if seen == "unknown" else found
    return found


def _contents_of_speakers(folder: ShardFolder, test: NDArray[np.int64]) -> set[str]:
    rows = folder.rows
    is_wanted = np.zeros(rows.num_rows, bool)
    is_wanted[test] = True
    if "speaker" in rows.column_names:
        speakers = texts(rows["speaker"].to_pylist())
        known = [one for one in set(speakers[test].tolist()) if one is not None]
        is_wanted |= np.isin(speakers.astype(str), known) & (speakers != None)  # noqa: E711 - elementwise
    return set(np.asarray(rows["sha256"].to_pylist(), object)[is_wanted].tolist())


def _records(init: Path) -> Iterator[dict[str, Any] | None]:
    """run.json of the run that a model lies in, and of those that it began with; None where one is not there."""
    place: Path | None = init
    while place is not None:
        try:
            record = json.loads((place.resolve().parent / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            yield None
            return
        yield record
        before = record.get("init")
        place = Path(before) if isinstance(before, str) and Path(before).is_dir() else None
        if place is None and isinstance(before, str) and ("/" in before or "\\" in before):
            yield None  # it began with a model that is not there any more


def _saw(record: dict[str, Any], contents: set[str]) -> Seen:
    try:
        folder = ShardFolder.open(Path(record["data"]))
        identity = record["identity"]
        if folder.digest != identity["data"]:
            return "unknown"
        rows = folder.rows
        is_out = np.zeros(rows.num_rows, bool)
        if identity["holdout"] is not None:
            is_out = Holdout.parse(identity["holdout"]).matches(rows)
    except (KeyError, TypeError, ShardError, SplitError):
        return "unknown"
    trained = set(np.asarray(rows["sha256"].to_pylist(), object)[~is_out].tolist())
    return "yes" if trained & contents else "no"
