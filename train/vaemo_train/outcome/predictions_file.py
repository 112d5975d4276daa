"""A file of what one training says of the clips that it was tested on: predictions.parquet.

One row a tested clip: clip_id, speaker, fold, seed, windows (how many it was heard and seen in), its truth, and of each
modality what the model says when given only that, null for a clip that lacks it.
Classification: `truth` is the label, `probabilities_V`, `_A`, `_VA` are lists in the order of the metadata's names.
Regression: `truth_<target>`, and lists `values_V`, `_A`, `_VA`. The schema's metadata `vaemo` is JSON: format_version,
names, is_regression, num_windows (of a row of the shards, at most), trained_on.

Shapes: n clips, C classes or targets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vaemo_clips.errors import RunFolderError, SplitError
from vaemo_train.evaluate.folds import Column, texts
from vaemo_train.shards.record import one_line

if TYPE_CHECKING:
    from vaemo_train.data.dataset import Modality as TrainedOn
    from vaemo_train.evaluate.features import Modality
    from vaemo_train.evaluate.predict import Predictions

FORMAT_VERSION: Final = 1
SHORT: Final[Mapping[Modality, str]] = {"video": "V", "audio": "A", "both": "VA"}
"""What people call the modalities, in the order in which they are shown."""
_KEY: Final = b"vaemo"


@dataclass(frozen=True, slots=True, eq=False)
class FoldPredictions:
    """What one training, of one fold with one seed, says of n clips.

    `truth` is (n,) labels as text, or (n, C) numbers; `values` (n, C) are probabilities, or the numbers themselves, NaN
    for a clip that lacks the modality. `speakers` are None where nobody knows; `where` is the file, for errors.
    """

    where: str
    fold: str
    seed: int
    names: tuple[str, ...]
    is_regression: bool
    num_windows: int
    trained_on: TrainedOn
    clip_ids: NDArray[np.object_]
    speakers: NDArray[np.object_]
    truth: NDArray[Any]
    values: Mapping[Modality, NDArray[np.float32]]


def write_predictions(
    path: Path,
    predictions: Predictions,
    truth: Column | NDArray[Any],
    *,
    fold: str,
    seed: int,
    speakers: Column | None = None,
    trained_on: TrainedOn = "both",
) -> None:
    """Write what a model says of n tested clips, whole or not at all.

    `truth` is (n,) labels or class numbers (an array of integers), or (n, C) numbers, in the order of the predictions.
    Raises SplitError for a clip without its truth, ValueError where there is not one truth a clip, RunFolderError where
    the file cannot be written.
    """
    count = len(predictions.clip_ids)
    if len(truth) != count or (speakers is not None and len(speakers) != count):
        raise ValueError(f"{count} predicted clips, {len(truth)} truths; there must be one each, and one speaker")
    columns: dict[str, pa.Array] = {
        "clip_id": pa.array(predictions.clip_ids.tolist(), pa.string()),
        "speaker": pa.array([None] * count if speakers is None else texts(speakers).tolist(), pa.string()),
        "fold": pa.array([fold] * count, pa.string()),
        "seed": pa.array([seed] * count, pa.int64()),
        "windows": pa.array(predictions.windows_used, pa.int64()),
    }
    columns |= _truth_columns(truth, predictions.names, predictions.is_regression)
    kind = _kind(predictions.is_regression)
    for name in (name for name in SHORT if name in predictions.values):
        columns[f"{kind}_{SHORT[name]}"] = _lists(predictions.values[name])
    facts = {
        "format_version": FORMAT_VERSION, "names": list(predictions.names), "is_regression": predictions.is_regression,
        "num_windows": predictions.num_windows, "trained_on": trained_on,
    }  # fmt: skip
    _write(pa.table(columns).replace_schema_metadata({_KEY: json.dumps(facts, ensure_ascii=False)}), path)


def _kind(is_regression: bool) -> str:
    return "values" if is_regression else "probabilities"


def _truth_columns(truth: Any, names: Sequence[str], is_regression: bool) -> dict[str, pa.Array]:
    if is_regression:
        numbers = np.asarray(truth, np.float64).reshape(-1, len(names))
        _refuse_unknown(np.logical_not(np.isfinite(numbers).all(axis=1)))
        return {f"truth_{name}": pa.array(numbers[:, column]) for column, name in enumerate(names)}
    if isinstance(truth, np.ndarray) and np.issubdtype(truth.dtype, np.integer):
        _refuse_unknown(np.asarray(truth < 0))
        return {"truth": pa.array([names[number] for number in truth.tolist()], pa.string())}
    labels = texts(truth)
    _refuse_unknown(np.array([label is None for label in labels], bool))
    if unknown := sorted(set(labels.tolist()) - set(names)):
        raise SplitError(
            f"label {unknown[0]!r} of a tested clip is none of the model's classes {', '.join(names)}; "
            f"leave these clips out, or train with them"
        )
    return {"truth": pa.array(labels.tolist(), pa.string())}


def _refuse_unknown(is_unknown: NDArray[np.bool_]) -> None:
    if is_unknown.any():
        raise SplitError(
            f"{is_unknown.sum()} of {len(is_unknown)} tested clips have no truth; label them or leave them out"
        )


def _lists(values: NDArray[np.float32]) -> pa.Array:
    """(n, C) as lists, null where a row holds NaN."""
    kept = [None if np.isnan(row).any() else row for row in np.asarray(values, np.float32)]
    return pa.array(kept, pa.list_(pa.float32()))


def _write(table: pa.Table, path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RunFolderError(f"{path}: predictions cannot be written ({one_line(error)}); make room") from error


def read_predictions(path: Path) -> FoldPredictions:
    """Read such a file. Raises RunFolderError for one that is missing, damaged, or of a later version."""
    try:
        table = pq.read_table(path)
        facts = json.loads((table.schema.metadata or {})[_KEY])
        if facts["format_version"] > FORMAT_VERSION:
            raise RunFolderError(
                f"{path}: its format_version is {facts['format_version']}, this vaemo reads up to {FORMAT_VERSION}; "
                f"update vaemo"
            )
        return _parsed(table, facts, path)
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: there is no such file; finish this fold's training first") from error
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, IndexError) as error:
        raise RunFolderError(
            f"{path}: is no file of predictions ({one_line(error)}); take it away and train this fold again"
        ) from error


def _parsed(table: pa.Table, facts: Mapping[str, Any], path: Path) -> FoldPredictions:
    names, kind = tuple(facts["names"]), _kind(facts["is_regression"])
    if not table.num_rows:
        raise ValueError("it holds no clip")
    given = [name for name, short in SHORT.items() if f"{kind}_{short}" in table.column_names]
    if not given:
        raise ValueError(f"it has no column {kind}_V, {kind}_A or {kind}_VA")
    if facts["is_regression"]:
        truth = np.column_stack([table.column(f"truth_{name}").to_numpy() for name in names])
    else:
        truth = texts(table.column("truth").to_pylist())
    return FoldPredictions(
        where=str(path),
        fold=str(_only(table, "fold")),
        seed=int(_only(table, "seed")),
        names=names,
        is_regression=bool(facts["is_regression"]),
        num_windows=int(facts["num_windows"]),
        trained_on=_trained_on(facts["trained_on"]),
        clip_ids=texts(table.column("clip_id").to_pylist()),
        speakers=texts(table.column("speaker").to_pylist()),
        truth=truth,
        values={name: _array(table.column(f"{kind}_{SHORT[name]}"), len(names)) for name in given},
    )


def _trained_on(value: Any) -> TrainedOn:
    if value not in (*SHORT, "any"):
        raise ValueError(f"trained_on is {value!r}; it is one of {', '.join(SHORT)} or any")
    return cast("TrainedOn", value)


def _only(table: pa.Table, column: str) -> Any:
    values = table.column(column).unique().to_pylist()
    if len(values) != 1:
        raise ValueError(f"its column {column} holds {len(values)} values; a training has one")
    return values[0]


def _array(column: pa.ChunkedArray, width: int) -> NDArray[np.float32]:
    """(n, width), NaN for null; a list of another length is a ValueError."""
    missing = [float("nan")] * width
    rows = [missing if row is None else row for row in column.to_pylist()]
    return np.array(rows, np.float32).reshape(len(rows), width)
