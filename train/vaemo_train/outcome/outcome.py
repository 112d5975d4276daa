"""What a cross-validation came to: every tested clip with its truth and what each seed's models said of it.

Shapes: n clips, C classes or targets, S seeds, F folds. A clip is tested once a seed, by the model of its fold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import texts
from vaemo_train.evaluate.interval import bootstrap_interval, cluster_sums, ratio
from vaemo_train.evaluate.scores import Estimate, Scores, ScoreSummary
from vaemo_train.outcome.predictions_file import SHORT, FoldPredictions, read_predictions
from vaemo_train.outcome.seed_run import SeedRun, refuse_other_training, refuse_shared_speakers

if TYPE_CHECKING:
    from vaemo_train.data.dataset import Modality as TrainedOn
    from vaemo_train.evaluate.features import Modality
    from vaemo_train.evaluate.regression import RegressionSummary

    Summary: TypeAlias = ScoreSummary | RegressionSummary

ANY: Final = "any"
"""All clips by what they have: both where both are there, else the one that is."""
CLASS_SCORES: Final = ("war", "uar", "wf1")
REGRESSION_SCORES: Final = ("ccc", "pcc", "rmse")


@dataclass(frozen=True, slots=True)
class Chance:
    """What a guess scores: always the class `named`, or always the mean (None)."""

    named: str | None
    scores: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Predictions of n clips by S seeds. Its modalities are called V, A, VA and "any"; see `modalities`.

    `truth` is (n,) labels as text or (n, C) numbers, `folds` (n,) the fold in which a clip is tested, `speakers` (n,),
    None where nobody knows; `values` (S, n, C) are probabilities, or numbers, NaN for clips that lack the modality.
    """

    names: tuple[str, ...]
    is_regression: bool
    num_windows: int
    trained_on: TrainedOn
    seeds: tuple[int, ...]
    clip_ids: NDArray[np.object_]
    speakers: NDArray[np.object_]
    folds: NDArray[np.object_]
    truth: NDArray[Any]
    values: Mapping[str, NDArray[np.float32]]

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Outcome:
        """Join files of `write_predictions`, one a fold and seed. Raises RunFolderError, and SplitError as `of`."""
        return cls.of([read_predictions(path) for path in paths])

    @classmethod
    def of(cls, parts: Sequence[FoldPredictions]) -> Outcome:
        """Join what trainings of all folds and seeds say.

        Raises SplitError where they do not belong together: another task, names, windows or modality to train on; a
        clip that a seed tests twice or not at all, or in another fold than the others do; a speaker who is tested in
        two folds; or where nothing is said of any clip.
        """
        if not parts:
            raise SplitError("no predictions to join; finish a training that tests on something first")
        for part in parts:
            refuse_other_training(part, parts[0])
        seeds = tuple(sorted({part.seed for part in parts}))
        runs = [SeedRun.of([part for part in parts if part.seed == seed]) for seed in seeds]
        for run in runs:
            run.refuse_other(runs[0])
        first = runs[0]
        refuse_shared_speakers(first.speakers, first.folds)
        head = parts[0]
        return cls(
            names=head.names, is_regression=head.is_regression, num_windows=head.num_windows,
            trained_on=head.trained_on, seeds=seeds, clip_ids=first.clip_ids, speakers=first.speakers,
            folds=first.folds, truth=first.truth,
            values=_by_modality({name: np.stack([run.values[name] for run in runs]) for name in SHORT}),
        )  # fmt: skip

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Those of V, A, VA of which any clip has something; "any" last, where it is not one of them."""
        some = tuple(name for name in self.values if name != ANY)
        same = (np.array_equal(self.values[ANY], self.values[name], equal_nan=True) for name in some)
        return some if any(same) else (*some, ANY)

    @property
    def main(self) -> str:
        """The modality to name first: what all clips have, as much of it as the model was trained on."""
        if self.trained_on in ("video", "audio") and SHORT[self.trained_on] in self.modalities:
            return SHORT[self.trained_on]
        return self.modalities[-1]

    @property
    def fold_names(self) -> tuple[str, ...]:
        """The folds, in order."""
        names = set(self.folds.tolist())
        return tuple(sorted(names, key=lambda name: (int(name) if name.isdecimal() else 10**9, name)))

    @property
    def known_speakers(self) -> NDArray[np.object_] | None:
        """(n,) who speaks; None where that is not known of every clip."""
        return None if any(speaker is None for speaker in self.speakers) else self.speakers

    def has(self, modality: str) -> NDArray[np.bool_]:
        """(n,) which clips have it."""
        return _has(self.values[modality])

    def labels(self, modality: str) -> list[NDArray[np.object_]]:
        """S times (m,) the likeliest class of each of the m clips that have the modality."""
        numbers = self.values[modality][:, self.has(modality)].argmax(axis=-1)
        return list(np.array(self.names, object)[numbers])

    def summary(self, modality: str, *, seed: int = 0) -> Summary:
        """Scores over seeds, with intervals over speakers, of the clips that have the modality."""
        has = self.has(modality)
        speakers = None if self.known_speakers is None else self.known_speakers[has]
        if not self.is_regression:
            return ScoreSummary.of_predictions(self.truth[has], self.labels(modality), speakers, seed=seed)
        from vaemo_train.evaluate.regression import RegressionSummary

        given = self.values[modality][:, has]
        return RegressionSummary.of_predictions(self.truth[has], given, self.names, speakers, seed=seed)

    def scores(self, modality: str, fold: str | None = None) -> list[Scores]:
        """Of each seed the scores of a classification's clips that have the modality, of one fold or of all."""
        has = self.has(modality)
        chosen = np.ones(has.sum(), bool) if fold is None else self.folds[has] == fold
        return [Scores.of(self.truth[has][chosen], run[chosen], self.names) for run in self.labels(modality)]

    def confusion(self, modality: str) -> NDArray[np.int64]:
        """(C, C) how often clips of a class (rows) were called each class (columns), added over seeds."""
        return np.asarray(np.sum([one.confusion for one in self.scores(modality)], axis=0))

    def recalls(self, modality: str, *, seed: int = 0) -> dict[str, Estimate]:
        """Each class's recall: mean and standard deviation over seeds, 95 % interval over speakers, else over clips."""
        has, runs = self.has(modality), self.labels(modality)
        speakers = None if self.known_speakers is None else self.known_speakers[has]
        by_seed = [one.recalls for one in self.scores(modality)]
        found = {}
        for name in self.names:
            is_class = self.truth[has] == name
            hits = np.mean([is_class & (run == name) for run in runs], axis=0)
            interval = None
            if is_class.any():
                parts, counts = _alike(np.stack([hits, is_class], axis=1), speakers)
                interval = bootstrap_interval(parts, ratio, counts=counts, seed=seed)
            found[name] = Estimate.of([one[name] for one in by_seed], interval)
        return found

    def fold_scores(self, modality: str, fold: str) -> list[dict[str, float]]:
        """Of each seed war, uar and wf1, or means over the targets of ccc, pcc and rmse, of a fold's clips.

        Empty where none of its clips has the modality.
        """
        has = self.has(modality) & (self.folds == fold)
        if not has.any():
            return []
        if not self.is_regression:
            return [{name: getattr(one, name) for name in CLASS_SCORES} for one in self.scores(modality, fold)]
        return [_regression_scores(self.truth[has], run[has]) for run in self.values[modality]]

    def chance(self, modality: str) -> Chance:
        """What always the commonest class (the first by name of those that tie) scores or, in a regression, the mean.

        Of the clips that have the modality.
        """
        truth = self.truth[self.has(modality)]
        if self.is_regression:
            return Chance(None, {"ccc": 0.0, "pcc": 0.0, "rmse": float(truth.std(axis=0).mean())})
        commonest = Counter(sorted(truth.tolist())).most_common(1)[0][0]
        guessed = Scores.of(truth, [commonest] * len(truth), self.names)
        return Chance(commonest, {name: getattr(guessed, name) for name in CLASS_SCORES})


def _regression_scores(truth_nK: NDArray[Any], predicted_nK: NDArray[Any]) -> dict[str, float]:
    from vaemo_train.evaluate.regression import RegressionScores

    targets = [RegressionScores.of(x, y) for x, y in zip(truth_nK.T, predicted_nK.T, strict=True)]
    return {name: float(np.mean([getattr(one, name) for one in targets])) for name in REGRESSION_SCORES}


def _by_modality(values: Mapping[Modality, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """V, A, VA in this order and what there is of each clip; those of which no clip has anything are left out."""
    named = {short: values[name] for name, short in SHORT.items() if _has(values[name]).any()}
    if not named:
        raise SplitError("nothing is said of any tested clip; they have neither video nor sound")
    best = values["both"]
    for name in ("video", "audio"):
        best = np.where(np.isnan(best), values[name], best)
    return {**named, ANY: best}


def _has(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(S, n, C) to (n,)."""
    return np.logical_not(np.isnan(values).any(axis=(0, 2)))


def _alike(
    parts: NDArray[np.float64], speakers: NDArray[np.object_] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Parts (n, 2) by speaker, else those of clips that are alike; how often there is just this."""
    if speakers is not None:
        sums = cluster_sums(parts, texts(speakers))
        return sums, np.ones(len(sums), np.int64)
    found, counts = np.unique(parts, axis=0, return_counts=True)
    return found, counts
