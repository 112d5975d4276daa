"""Did the encoder's earlier stages see the clips that a fold is tested on? Asked of the run.json beside each model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import ShardError, SplitError
from vaemo_train.evaluate.folds import Holdout, texts
from vaemo_train.models.config import SIZES
from vaemo_train.outcome.results_file import Known
from vaemo_train.shards.folder import ShardFolder

Seen = Known


def digest_of_rows(rows: NDArray[np.int64]) -> str:
    """Identifies rows of the shards."""
    return sha256(rows.astype("<i8").tobytes()).hexdigest()


def saw_test_speakers(init: Path | str, rows: pa.Table, test: NDArray[np.int64]) -> Seen:
    """Whether clips of the speakers of the rows `test` were in any training that the encoder went through.

    "no" for random weights. A clip is known again by its content (column sha256), speakers by all their clips among
    `rows`, those of the shards with the columns that count; where a run's record or its shards are not there any more,
    it is "unknown". Raises SplitError where such clips were trained on with their labels: by a fine-tuning, unless it
    had this very test part.
    """
    if isinstance(init, str):
        return "no"
    contents, found = _contents_of_speakers(rows, test), "no"
    for record in _records(init):
        seen = "unknown" if record is None else _saw(record, contents, test)
        if seen == "labelled":
            raise SplitError(
                f"--init {init} was fine-tuned with the labels of speakers who are tested here; begin with a run of "
                "stage1 or stage2, or with the fold's own fine-tuning ({fold} stands for the fold's name)"
            )
        found = max(found, seen, key=("no", "unknown", "yes").index)
    return cast(Seen, found)


def _contents_of_speakers(rows: pa.Table, test: NDArray[np.int64]) -> set[str]:
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
        if place is None and isinstance(before, str) and before not in SIZES:
            yield None  # it began with a model that is not there any more


def _saw(record: dict[str, Any], contents: set[str], test: NDArray[np.int64]) -> str:
    """As `saw_test_speakers`, of one run; "labelled" where it was a fine-tuning that had their labels."""
    try:
        folder = ShardFolder.open(Path(record["data"]))
        identity = record["identity"]
        if folder.digest != identity["data"]:
            return "unknown"
        rows = folder.rows
        if "labels" in identity and identity["test"] == digest_of_rows(test):
            return "no"
        is_out = np.zeros(rows.num_rows, bool)
        if identity["holdout"] is not None:
            is_out = Holdout.parse(identity["holdout"]).matches(rows)
    except (KeyError, TypeError, ShardError, SplitError):
        return "unknown"
    trained = set(np.asarray(rows["sha256"].to_pylist(), object)[~is_out].tolist())
    if not trained & contents:
        return "no"
    return "labelled" if "labels" in identity else "yes"
