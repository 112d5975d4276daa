"""Numbers that stand for what the columns of the clips say: classes, or targets of a regression.

Shapes: R rows, K targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import shown, texts


def class_values(
    labels: NDArray[np.object_], clip_ids: NDArray[np.object_], names: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes, sorted, and the number of each row's class (R,) int64 among them, -1 for a row without a label.

    With `names`, the classes of a model in its order, these are the classes. Raises SplitError for labels that are
    not among `names`, or fewer than two classes where there are no `names`.
    """
    found = {str(label) for label in labels if label is not None}
    if names is None and len(found) < 2:
        raise SplitError(
            f"{where}: holds {len(found)} class ({shown(found)}); there is nothing to choose from below two: give "
            f"clips of more classes or name another column"
        )
    classes = tuple(names) if names is not None else tuple(sorted(found))
    unknown = found - set(classes)
    if unknown:
        is_unknown = np.isin(labels.astype(str), sorted(unknown)) & (labels != None)  # noqa: E711 - elementwise
        raise SplitError(
            f"{where}: labels unknown to the model: {shown(unknown)} ({_clips(is_unknown, clip_ids)}); it knows "
            f"{', '.join(classes)}: rename the labels, or leave these clips out of the manifest"
        )
    number = {name: place for place, name in enumerate(classes)}
    return classes, np.array([number.get(label, -1) for label in labels], np.int64)


def target_values(
    rows: pa.Table, columns: Sequence[str], clip_ids: NDArray[np.object_], where: str
) -> NDArray[np.float32]:
    """Columns of numbers as (R, K) float32; a row that lacks one of them is NaN in all.

    Numbers that are written as text count too. Raises SplitError for a column of another kind, and for values that
    are no finite number (of float32).
    """
    values = np.stack([_numbers(rows.column(name), clip_ids, f"{where}: target {name}") for name in columns], axis=1)
    values[np.isnan(values).any(axis=1)] = np.nan
    return values


def _numbers(column: pa.ChunkedArray, clip_ids: NDArray[np.object_], where: str) -> NDArray[np.float32]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (is_text or is_number or pa.types.is_null(kind)):
        raise SplitError(f"{where} is {kind}, it must be numeric; write one number a clip")
    raw = column.to_pylist()
    is_missing = np.array([value is None or (is_text and not value.strip()) for value in raw], bool)
    with np.errstate(over="ignore"):
        values = np.array([_number(value) for value in raw], np.float64).astype(np.float32)
    is_bad = ~np.isfinite(values) & ~is_missing
    if is_bad.any():
        first = raw[int(np.flatnonzero(is_bad)[0])]
        raise SplitError(
            f"{where}: no finite number in {_clips(is_bad, clip_ids, str(first))}; mend them, or leave them empty and "
            f"add --skip-unlabelled"
        )
    return values


def _number(value: Any) -> float:
    try:
        return np.nan if value is None else float(value)
    except ValueError:
        return np.nan


def _clips(chosen: NDArray[np.bool_], clip_ids: NDArray[np.object_], value: str | None = None) -> str:
    """How many clips the rows are of, and the first of them."""
    ids = clip_ids[chosen]
    count = len(set(ids.tolist()))
    first = f"the first: {ids[0]}" + (f" has {value!r}" if value is not None else "")
    return f"{count:,} {'clip' if count == 1 else 'clips'}, {first}"


def check_clips(values: NDArray[Any], clip_ids: NDArray[np.object_], column: str, where: str) -> None:
    """Raises SplitError where rows of one clip differ in `values` (R,) or (R, K)."""
    first: dict[Any, int] = {}
    place = np.array([first.setdefault(clip, row) for row, clip in enumerate(clip_ids.tolist())], np.int64)
    differs = values != values[place]
    if values.dtype.kind == "f":
        differs &= ~(np.isnan(values) & np.isnan(values[place]))
    rows = np.flatnonzero(differs.reshape(len(values), -1).any(axis=1))
    if len(rows):
        clip = clip_ids[rows[0]]
        own = [texts(np.atleast_1d(values[row])) for row in (place[rows[0]], rows[0])]
        told = " and ".join(", ".join(map(str, one)) for one in own)
        raise SplitError(
            f"{where}: clip {clip} has rows of different {column} ({told}; {len(set(clip_ids[rows].tolist())):,} such "
            f"clips); a clip is labelled, and tested, as a whole: mend the column or prepare again"
        )
