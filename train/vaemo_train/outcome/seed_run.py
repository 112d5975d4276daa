"""Checks that files of predictions belong together, and joins those of one seed.

Shapes: n clips, C classes or targets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import shown
from vaemo_train.outcome.predictions_file import SHORT, FoldPredictions

if TYPE_CHECKING:
    from vaemo_train.evaluate.features import Modality


@dataclass(frozen=True, slots=True, eq=False)
class SeedRun:
    """What all folds of one seed say, clips in the order of their names."""

    seed: int
    clip_ids: NDArray[np.object_]
    speakers: NDArray[np.object_]
    folds: NDArray[np.object_]
    truth: NDArray[Any]
    values: Mapping[Modality, NDArray[np.float32]]

    @classmethod
    def of(cls, parts: Sequence[FoldPredictions]) -> SeedRun:
        """Join the folds of one seed. Raises SplitError for a fold, or a clip, that comes twice."""
        seed, repeated = parts[0].seed, _repeated(part.fold for part in parts)
        if repeated:
            twice = [part.where for part in parts if part.fold == repeated[0]]
            raise SplitError(
                f"fold {repeated[0]} with seed {seed} is there twice, in {' and '.join(twice)}; take one away"
            )
        clip_ids = np.concatenate([part.clip_ids for part in parts])
        if again := _repeated(clip_ids.tolist()):
            raise SplitError(
                f"seed {seed} tests {len(again)} clips more than once, the first is {again[0]}; each clip is tested in "
                f"one fold: make the folds disjoint"
            )
        order = np.argsort(clip_ids.astype(str), kind="stable")
        folds = np.concatenate([np.full(len(part.clip_ids), part.fold, object) for part in parts])
        return cls(
            seed, clip_ids[order], np.concatenate([part.speakers for part in parts])[order], folds[order],
            np.concatenate([part.truth for part in parts])[order],
            {name: np.concatenate([_values(part, name) for part in parts])[order] for name in SHORT},
        )  # fmt: skip

    def refuse_other(self, first: SeedRun) -> None:
        """Raise SplitError where the clips, their folds or their truth are not those of another seed."""
        seeds = f"seeds {first.seed} and {self.seed}"
        if odd := sorted(set(first.clip_ids.tolist()) ^ set(self.clip_ids.tolist())):
            raise SplitError(
                f"{seeds} do not test the same clips: {len(odd)} are tested by one alone, the first is {odd[0]}; "
                f"finish every fold with every seed"
            )
        for what, ours, theirs in (("fold", self.folds, first.folds), ("truth", self.truth, first.truth)):
            differs = (ours != theirs).reshape(len(ours), -1).any(axis=1)
            if differs.any():
                raise SplitError(
                    f"{seeds}: {differs.sum()} clips have another {what}, the first is {self.clip_ids[differs][0]}; "
                    f"train all seeds on the same folds and labels"
                )


def refuse_other_training(part: FoldPredictions, first: FoldPredictions) -> None:
    """Raise SplitError where two files have another task, names, windows or modality to train on."""
    for what, ours, theirs in (
        ("task", _task(part.is_regression), _task(first.is_regression)),
        ("names", ", ".join(part.names), ", ".join(first.names)),
        ("number of windows", part.num_windows, first.num_windows),
        ("modality to train on", part.trained_on, first.trained_on),
    ):
        if ours != theirs:
            raise SplitError(
                f"{part.where}: its {what}: {ours}, but {theirs} in {first.where}; these are of different trainings, "
                f"give those of one"
            )


def _values(part: FoldPredictions, name: Modality) -> NDArray[np.float32]:
    """(n, C), all NaN where no clip of the fold has the modality."""
    missing = np.full((len(part.clip_ids), len(part.names)), np.nan, np.float32)
    return part.values.get(name, missing)


def _task(is_regression: bool) -> str:
    return "regression" if is_regression else "classification"


def refuse_shared_speakers(speakers: NDArray[np.object_], folds: NDArray[np.object_]) -> None:
    """Raise SplitError for a speaker who is tested in two folds; clips (n,) without a known speaker are left out."""
    of_speaker: dict[str, set[str]] = {}
    for speaker, fold in zip(speakers, folds, strict=True):
        if speaker is not None:
            of_speaker.setdefault(speaker, set()).add(fold)
    for speaker, tested in of_speaker.items():
        if len(tested) > 1:
            raise SplitError(
                f"speaker {speaker} is tested in folds {shown(tested)}; who is tested in one fold is trained on in the "
                f"other: split by speaker"
            )


def _repeated(values: Iterable[str]) -> list[str]:
    return sorted(value for value, times in Counter(values).items() if times > 1)
