"""Folds of clips whose speakers never meet, and rows that are kept out of a training.

Values of columns compare as text, so a fold 1 is the same whether the column holds numbers or words.
Row indices count from 0; a fold's name is the value of its column, or its number from 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError

Column = Sequence[Any] | NDArray[Any]
"""One value a clip."""

_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows to train on and rows to test on, ascending. Raises SplitError where one is empty or they share a row."""

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check that both parts have rows, and none in common."""
        for part, rows in (("train", self.train), ("test", self.test)):
            if not len(rows):
                raise SplitError(f"fold {self.name}: no clip to {part} on; a fold needs clips on both sides")
        common = np.intersect1d(self.train, self.test)
        if len(common):
            raise SplitError(f"fold {self.name}: {len(common)} clips are in train and in test; a clip has one side")

    def check(self, speakers: Column | None, labels: Column | None = None) -> Fold:
        """Return the fold itself. Raises SplitError for a speaker on both sides or a class that train lacks."""
        if speakers is not None:
            _refuse_shared(f"fold {self.name}", texts(speakers), self.train, self.test)
        if labels is not None:
            names = texts(labels)
            lacking = _known(names[self.test]) - _known(names[self.train])
            if lacking:
                raise SplitError(
                    f"fold {self.name}: {shown(lacking)} in test, but no clip of it in train; what was never shown "
                    f"cannot be recognised: leave these clips out, or make fewer or other folds"
                )
        return self

    def absent(self, labels: Column) -> tuple[str, ...]:
        """Classes of train without a clip in test: their recall there is undefined and left out of the fold's UAR.

        Scores pooled over all folds still have them.
        """
        names = texts(labels)
        return tuple(sorted(_known(names[self.train]) - _known(names[self.test])))


def speaker_folds(
    speakers: Column | None,
    folds: Column | None = None,
    *,
    labels: Column | None = None,
    num_folds: int = 5,
    seed: int = 0,
) -> tuple[Fold, ...]:
    """Folds of n clips such that no speaker is on both sides of any, checked.

    `folds` (n,) says in which fold a clip is tested (a corpus's official folds); a clip without a value is only
    trained on. Without it, whole speakers are dealt to `num_folds` folds of like size and like shares of
    each class of `labels` (n,), as well as whole speakers allow. `speakers` None: nothing tells who speaks, so
    given folds are taken as they are.
    Raises SplitError for a speaker in two folds, clips without a speaker, fewer than two folds or speakers than
    folds, a class that a training part lacks.
    """
    made = _given_folds(folds) if folds is not None else deal_folds(speakers, labels, num_folds, seed)
    if speakers is not None:
        _known_speakers(speakers)
    return tuple(fold.check(speakers, labels) for fold in made)


def leave_one_speaker_out(speakers: Column, labels: Column | None = None) -> tuple[Fold, ...]:
    """One fold for each speaker, named after them. Raises SplitError as `speaker_folds` does."""
    names = _known_speakers(speakers)
    return tuple(fold.check(speakers, labels) for fold in _given_folds(names))


def _given_folds(column: Column) -> tuple[Fold, ...]:
    names = texts(column)
    values = sorted(_known(names), key=_natural)
    if len(values) < 2:
        raise SplitError(f"the fold column holds {shown(values)}; cross-validation needs at least two folds")
    return tuple(_fold(value, names == value) for value in values)


def deal_folds(speakers: Column | None, labels: Column | None, num_folds: int, seed: int) -> tuple[Fold, ...]:
    """Whole speakers dealt to folds as `speaker_folds` does, classes that a part lacks unchecked."""
    if speakers is None:
        raise SplitError("no column says who speaks and none is named fold; add one of them to the manifest")
    names = _known_speakers(speakers)
    num_speakers = len(np.unique(names))
    if not 2 <= num_folds <= num_speakers:
        raise SplitError(
            f"num_folds={num_folds} for {num_speakers} speakers; it must lie between 2 and the number of speakers"
        )
    classes = np.zeros(len(names), np.int64) if labels is None else np.unique(texts(labels), return_inverse=True)[1]
    tests = _dealt(names, classes, num_folds, seed)
    return tuple(_fold(str(number), np.isin(np.arange(len(names)), test)) for number, test in enumerate(tests, 1))


def _dealt(
    speakers: NDArray[np.str_], classes: NDArray[np.int64], num_folds: int, seed: int
) -> list[NDArray[np.int64]]:
    """The test rows of each fold, none empty."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold

    if np.bincount(classes).max() >= num_folds:
        # Speakers of one clip each need no grouping, which takes 10 s for 16,000 of them.
        kind = StratifiedKFold if len(set(speakers.tolist())) == len(speakers) else StratifiedGroupKFold
        stratified = kind(num_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class with fewer clips than folds: Fold.absent tells
            tests = [test for _, test in stratified.split(speakers, classes, speakers)]
        if all(len(test) for test in tests):
            return tests
    # Balancing classes may leave a fold without a speaker; balancing sizes does not.
    by_size = GroupKFold(num_folds, shuffle=True, random_state=seed)
    return [test for _, test in by_size.split(speakers, groups=speakers)]


def _fold(name: str, is_test: NDArray[np.bool_]) -> Fold:
    return Fold(name, np.flatnonzero(~is_test), np.flatnonzero(is_test))


@dataclass(frozen=True, slots=True)
class Holdout:
    """Rows whose `column` holds one of `values` are kept out of a training."""

    column: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Holdout:
        """Read COLUMN=VALUE[,VALUE...]. Raises SplitError for anything else."""
        column, equals, rest = text.partition("=")
        values = tuple(dict.fromkeys(value.strip() for value in rest.split(",")))
        if not (equals and column.strip() and all(values)):
            raise SplitError(f"holdout {text!r}: it must read COLUMN=VALUE[,VALUE...], as fold=1 or speaker=03,04")
        return cls(column.strip(), values)

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.column}={','.join(self.values)}"

    def mask(self, rows: pa.Table) -> NDArray[np.bool_]:
        """(n,) True for the rows that are held out.

        Where the rows name their `speaker`, none may be on both sides; rows that name none cannot be checked and
        are counted by `summary`. Raises SplitError as `matches` does, for values that all rows have, or a speaker on
        both sides.
        """
        mask = self.matches(rows)
        if mask.all():
            raise SplitError(f"holdout {self}: all {len(mask)} rows match, none is left to train on; name fewer values")
        if "speaker" in rows.column_names:
            speakers = texts(rows.column("speaker").to_pylist())
            _refuse_shared(f"holdout {self}", speakers, np.flatnonzero(~mask), np.flatnonzero(mask))
        return mask

    def matches(self, rows: pa.Table) -> NDArray[np.bool_]:
        """(n,) which rows it names. Raises SplitError for an unknown column, or a value that no row has."""
        if self.column not in rows.column_names:
            raise SplitError(f"holdout {self}: there is no column {self.column}; there are {shown(rows.column_names)}")
        names = texts(rows.column(self.column).to_pylist())
        missing = [value for value in self.values if value not in _known(names)]
        if missing:
            raise SplitError(
                f"holdout {self}: no row has {self.column} {shown(missing)}; "
                f"{'its values are ' + shown(_known(names)) if _known(names) else 'it is empty in every row'}"
            )
        return np.array([name in self.values for name in names], bool)

    def summary(self, rows: pa.Table) -> str:
        """One line: how many rows and speakers are held out, and what could not be checked. Raises as `mask` does."""
        mask = self.mask(rows)
        line = f"holdout {self}: {mask.sum():,} of {len(mask):,} rows are kept out of the training"
        if "speaker" not in rows.column_names:
            return f"{line}; without a column speaker, nobody knows whether its speakers are"
        speakers = texts(rows.column("speaker").to_pylist())
        line += f", {len(_known(speakers[mask]))} of {len(_known(speakers))} speakers"
        unknown = sum(speaker is None for speaker in speakers)
        return line if not unknown else f"{line}; {unknown:,} rows name no speaker and could not be checked"


def texts(values: Iterable[Any]) -> NDArray[np.object_]:
    """(n,) str of each value, None where it has none (None, NaN, empty); a whole float reads as an integer."""
    found = [_text(value) for value in values]
    result = np.empty(len(found), dtype=object)
    result[:] = found
    return result


def _text(value: Any) -> str | None:
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else str(int(value)) if float(value).is_integer() else str(value)
    return None if value is None else str(value).strip() or None


def shown(names: Iterable[str]) -> str:
    """The first few names, in order, and how many more there are."""
    ordered = sorted(names, key=_natural)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(ordered[:_SHOWN]) + more


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (10**9, name)


def _known(names: NDArray[np.object_]) -> set[str]:
    return {name for name in names if name is not None}


def _known_speakers(speakers: Column) -> NDArray[np.str_]:
    names = texts(speakers)
    unknown = sum(name is None for name in names)
    if unknown:
        raise SplitError(
            f"{unknown} of {len(names)} clips name no speaker; folds must not share speakers, so name them or leave "
            f"these clips out"
        )
    return names.astype(str)


def _refuse_shared(where: str, speakers: NDArray[np.object_], train: Any, test: Any) -> None:
    shared = _known(speakers[train]) & _known(speakers[test])
    if shared:
        raise SplitError(
            f"{where}: {'speaker' if len(shared) == 1 else 'speakers'} {shown(shared)} would be in train and in test; "
            f"a speaker must be on one side: split by speaker, or drop the clips on one of them"
        )
