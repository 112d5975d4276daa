"""What a model is fine-tuned for: a class or numbers of every clip, from the columns of its manifest.

Shapes: R rows of the shards, K targets of a regression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import shown, texts
from vaemo_train.protocol.labels_manifest import relabelled
from vaemo_train.protocol.target_values import check_clips, class_values, target_values
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.layout import told_columns


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is learnt of every row of the shards.

    `names` are the classes (sorted, or in a model's order), or the target columns in the order given.
    `values` are class numbers (R,) int64, -1 for a row without a label; of a regression (R, K) float32, NaN for a row
    that lacks a target. `speakers` (R,) as text, None where unknown; None where nobody's speaker is known.
    `rows` (R,) are those of the shards with the columns of the manifest of labels, where one was given: folds are
    made of these. `notes` are lines for the user.
    """

    names: tuple[str, ...]
    is_regression: bool
    values: NDArray[np.int64] | NDArray[np.float32]
    clip_ids: NDArray[np.object_]
    speakers: NDArray[np.object_] | None
    rows: pa.Table
    notes: tuple[str, ...] = ()

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """(R,) which rows have a label, or all their targets."""
        return np.asarray(~np.isnan(self.values).any(axis=1) if self.is_regression else self.values >= 0, np.bool_)

    @property
    def counts(self) -> Mapping[str, int]:
        """Clips of each class, in the order of `names`; empty for a regression."""
        if self.is_regression:
            return {}
        class_of = dict(zip(self.clip_ids.tolist(), self.values.tolist(), strict=True))
        found = np.bincount([number for number in class_of.values() if number >= 0], minlength=len(self.names))
        return dict(zip(self.names, found.tolist(), strict=True))

    @classmethod
    def read(
        cls,
        folder: ShardFolder,
        *,
        label_column: str = "label",
        target_columns: Sequence[str] = (),
        manifest: Path | None = None,
        names: Sequence[str] | None = None,
        skip_unlabelled: bool = False,
    ) -> Targets:
        """Read the targets of a folder of shards, from its own columns or from those of a `manifest` with clip_id.

        As `of_rows`; `manifest` is a .parquet, .csv or .jsonl whose columns replace those of the shards. Clips of the
        shards that it lacks are unlabelled. Raises ManifestError too, for a manifest that does not fit.
        """
        rows, notes = folder.rows, tuple[str, ...]()
        if manifest is not None:
            rows, notes = relabelled(rows, manifest, tuple(target_columns) or (label_column,))
        return cls.of_rows(
            rows,
            label_column=label_column,
            target_columns=target_columns,
            names=names,
            skip_unlabelled=skip_unlabelled,
            where=str(manifest or folder.path),
            notes=notes,
        )

    @classmethod
    def of_rows(
        cls,
        rows: pa.Table,
        *,
        label_column: str = "label",
        target_columns: Sequence[str] = (),
        names: Sequence[str] | None = None,
        skip_unlabelled: bool = False,
        where: str = "the shards",
        notes: tuple[str, ...] = (),
    ) -> Targets:
        """Targets of rows (R,): a regression where there are `target_columns`, else the classes of `label_column`.

        `names` are those of a model that exists, its classes or its targets in its order. With `skip_unlabelled`,
        clips without a label are left unlabelled, and a note counts them. An empty cell is no label.
        Raises SplitError for an unknown column, unlabelled clips, labels that are unknown to the model, fewer than
        two classes, targets that are no finite numbers or (where there are no `names`) the same for all clips, and
        rows of a clip that differ.
        """
        columns = _in_order(target_columns, names, where) if target_columns else (label_column,)
        for name in columns:
            if name not in rows.column_names:
                raise SplitError(
                    f"{where}: there is no column {name}; there are {told_columns(rows.column_names)}: name one of "
                    f"them, or give a manifest that has it"
                )
        clip_ids = texts(rows["clip_id"].to_pylist())
        values: NDArray[np.int64] | NDArray[np.float32]
        if target_columns:
            found, values = columns, target_values(rows, columns, clip_ids, where)
        else:
            labels = texts(rows[label_column].to_pylist())
            check_clips(labels, clip_ids, label_column, where)
            found, values = class_values(labels, clip_ids, names, f"{where}: column {label_column}")
        targets = cls(found, bool(target_columns), values, clip_ids, _speakers(rows), rows, notes)
        if target_columns:
            check_clips(values, clip_ids, " and ".join(columns), where)
            _check_constant(targets, where, is_new=names is None)
        return targets._checked(columns, where, skip_unlabelled)

    def _checked(self, columns: Sequence[str], where: str, skip_unlabelled: bool) -> Targets:
        """Raises SplitError for unlabelled clips; with `skip_unlabelled` they become a note."""
        is_labelled = self.is_labelled
        num_all, without = len(set(self.clip_ids.tolist())), set(self.clip_ids[~is_labelled].tolist())
        count = f"{len(without):,} of {num_all:,} clips have no {' and '.join(columns)}"
        if len(without) == num_all:
            raise SplitError(f"{where}: {count}; name another column, or give a manifest that has labels")
        if not without:
            return self
        if not skip_unlabelled:
            raise SplitError(
                f"{where}: {count} (the first: {min(without)}); label them, or leave them out with --skip-unlabelled"
            )
        notes = (*self.notes, f"{where}: {count} and are left out")
        return Targets(self.names, self.is_regression, self.values, self.clip_ids, self.speakers, self.rows, notes)


def _in_order(columns: Sequence[str], names: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """The target columns in the order of the model's `names`, if there are some."""
    if len(set(columns)) != len(columns):
        raise SplitError(f"{where}: targets {', '.join(columns)}: a column is named twice; name each once")
    if names is None:
        return tuple(columns)
    if set(names) != set(columns):
        raise SplitError(
            f"{where}: targets unknown to the model: it predicts {', '.join(names)}, asked for are "
            f"{', '.join(columns)}; rename the columns, or name the model's own"
        )
    return tuple(names)


def _speakers(rows: pa.Table) -> NDArray[np.object_] | None:
    if "speaker" not in rows.column_names:
        return None
    found = texts(rows["speaker"].to_pylist())
    return None if all(one is None for one in found) else found


def _check_constant(targets: Targets, where: str, is_new: bool) -> None:
    """A target that never changes teaches nothing, and its concordance is undefined."""
    known = targets.values[targets.is_labelled]
    if not (is_new and len(known)):
        return
    constant = {name: known[0, k] for k, name in enumerate(targets.names) if (known[:, k] == known[0, k]).all()}
    if constant:
        count = len(set(targets.clip_ids[targets.is_labelled].tolist()))
        raise SplitError(
            f"{where}: target {shown(constant)} is {next(iter(constant.values())):g} in all {count:,} clips; there is "
            f"nothing to learn from it: leave it out or mend the column"
        )
