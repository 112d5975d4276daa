"""A linear probe: how well do frozen features tell classes apart, for speakers that it never met?

Shapes: n clips, D features, S seeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from vaemo_clips.errors import SplitError, TrainingError
from vaemo_train.evaluate.folds import Column, Fold, deal_folds, texts
from vaemo_train.evaluate.scores import Scores, ScoreSummary

PENALTIES = tuple(float(c) for c in 10.0 ** np.arange(-4, 1.01, 0.5))
"""Values of C, the weight of the loss of the training clips against the squared weights; ascending."""
NUM_INNER_FOLDS = 4
_MAX_ITERATIONS = 1000
_TOLERANCE = 1e-4
_INNER_TOLERANCE = 1e-3  # near enough to choose C, in half the time

Vectors = NDArray[np.float64]
Names = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class ProbedFold:
    """One fold's scores, one a seed, and the C chosen for it. `absent` classes have no clip in test: no recall."""

    name: str
    num_train: int
    num_test: int
    absent: tuple[str, ...]
    scores: tuple[Scores, ...]
    penalties: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ProbeResult:
    """What a probe scored.

    `summary` is of the predictions of all folds put together, `by_fold` the mean and spread of the folds' own scores
    (each the mean over seeds). `predictions` (S, n) are labels, "" for clips that no fold tests.
    """

    summary: ScoreSummary
    by_fold: ScoreSummary
    folds: tuple[ProbedFold, ...]
    scores: tuple[Scores, ...]
    predictions: Names
    num_features: int

    @property
    def pooled(self) -> Scores:
        """The confusions of all seeds added up: for a confusion matrix, and recalls that are means over seeds."""
        return Scores(self.scores[0].names, np.sum([one.confusion for one in self.scores], axis=0))

    def __str__(self) -> str:
        """One line, the summary's."""
        return str(self.summary)

    def as_dict(self) -> dict[str, Any]:
        """For results.json."""
        return {
            **self.summary.as_dict(),
            "by_fold": self.by_fold.as_dict(),
            "recalls": self.pooled.recalls,
            "num_features": self.num_features,
            "num_clips": self.scores[0].num_clips,
            "folds": [
                {"name": fold.name, "num_train": fold.num_train, "num_test": fold.num_test, "absent": list(fold.absent)}
                | {name: [getattr(one, name) for one in fold.scores] for name in ("war", "uar", "wf1")}
                | {"penalties": list(fold.penalties)}
                for fold in self.folds
            ],
        }


def linear_probe(
    vectors: NDArray[Any],
    labels: Column,
    speakers: Column | None,
    folds: Sequence[Fold],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    is_balanced: bool = False,
) -> ProbeResult:
    """Multinomial logistic regression on `vectors` (n, D), trained and tested on each fold.

    Features are standardised by the training part. Its C is the one of `PENALTIES` with the best UAR over 4 inner
    folds of the training part's speakers (the least of equals); the test part has no say in anything. A seed deals the
    inner folds and does nothing else: the fit is convex, so seeds that choose the same C agree. `is_balanced` gives
    each class the same weight in the loss. Without `speakers` clips stand for them, and nothing is known to be
    disjoint. Runs on one thread: for such small products more are slower, and rounding stays the same.
    Raises SplitError for clips without labels, fewer than two classes, a speaker on both sides of a fold, a class that
    a training part lacks, fewer than two training speakers, a clip that two folds test; TrainingError for features
    that are no numbers.
    """
    names = _checked(vectors, labels, speakers, folds)
    groups = np.arange(len(names)).astype(str) if speakers is None else texts(speakers).astype(str)
    table = np.asarray(vectors, np.float64)
    predictions = np.full((len(seeds), len(names)), "", dtype=names.dtype)
    chosen: list[list[float]] = []
    with threadpool_limits(1):
        for fold in folds:
            part = _Part(table, names, groups, fold, is_balanced)
            chosen.append([part.best_penalty(seed) for seed in seeds])
            for run, penalty in zip(predictions, chosen[-1], strict=True):
                run[fold.test] = part.predict(penalty)
    probed = [_probed(fold, names, predictions, penalties) for fold, penalties in zip(folds, chosen, strict=True)]
    tested = np.sort(np.concatenate([fold.test for fold in folds]))
    truth, runs = names[tested], predictions[:, tested]
    classes = tuple(np.unique(names).tolist())
    return ProbeResult(
        summary=ScoreSummary.of_predictions(truth, list(runs), None if speakers is None else groups[tested]),
        by_fold=ScoreSummary.of_means([fold.scores for fold in probed]),
        folds=tuple(probed),
        scores=tuple(Scores.of(truth, run, classes) for run in runs),
        predictions=predictions,
        num_features=table.shape[1],
    )


class _Part:
    """The training part of a fold, standardised, with the test part brought to the same scale."""

    def __init__(self, vectors: Vectors, names: Names, groups: Names, fold: Fold, is_balanced: bool) -> None:
        self._train, self._test = _standardised(vectors[fold.train], vectors[fold.test])
        self._names = names[fold.train]
        self._groups = groups[fold.train]
        self._raw = vectors[fold.train]
        self._is_balanced = is_balanced
        self._predicted: dict[float, Names] = {}
        self.num_groups = len(np.unique(self._groups))

    def predict(self, penalty: float) -> Names:
        """Labels of the test part; fitted once for each C."""
        if penalty not in self._predicted:
            fits = _path(self._train, self._names, self._test, (penalty,), self._is_balanced, _TOLERANCE)
            self._predicted[penalty] = next(fits)
        return self._predicted[penalty]

    def best_penalty(self, seed: int) -> float:
        """C with the best UAR on inner folds of the training part's own speakers; each scales by its own training."""
        guesses = np.full((len(PENALTIES), len(self._names)), "", dtype=self._names.dtype)
        for inner in deal_folds(self._groups, self._names, min(NUM_INNER_FOLDS, self.num_groups), seed):
            train, held = _standardised(self._raw[inner.train], self._raw[inner.test])
            fits = _path(train, self._names[inner.train], held, PENALTIES, self._is_balanced, _INNER_TOLERANCE)
            for guess, predicted in zip(guesses, fits, strict=True):
                guess[inner.test] = predicted
        return PENALTIES[int(np.argmax([Scores.of(self._names, guess).uar for guess in guesses]))]


def _standardised(train: Vectors, other: Vectors) -> tuple[Vectors, Vectors]:
    mean, deviation = train.mean(0), train.std(0)
    # What does not vary in training, but for rounding, says nothing; it must not be blown up in test.
    is_constant = deviation <= 1e-10 * np.maximum(np.abs(mean), 1e-30)
    scale = np.where(is_constant, 0.0, 1 / np.where(is_constant, 1.0, deviation))
    return _in_span((train - mean) * scale, (other - mean) * scale)


def _in_span(train: Vectors, other: Vectors) -> tuple[Vectors, Vectors]:
    """The same in coordinates of the space that the training clips span, where they are fewer than the features.

    Squared weights do not change with the axes, and what lies outside that space has weight 0 (Hastie & Tibshirani
    2004, Biostatistics 5:329, section 2), so the fit is the same, of n instead of D weights a class.
    """
    if len(train) >= train.shape[1]:
        return train, other
    axes = np.linalg.qr(train.T)[0]
    return train @ axes, other @ axes


def _path(
    train: Vectors, names: Names, other: Vectors, penalties: Sequence[float], is_balanced: bool, tolerance: float
) -> Iterator[Names]:
    """Predictions for `other` with each C, ascending: each fit begins where the last one ended."""
    if len(np.unique(names)) == 1:
        yield from (np.full(len(other), names[0]) for _ in penalties)
        return
    weight = "balanced" if is_balanced else None
    model = LogisticRegression(class_weight=weight, warm_start=True, tol=tolerance, max_iter=_MAX_ITERATIONS)
    for penalty in penalties:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that separates its clips need not end
            model.set_params(C=penalty).fit(train, names)
        yield np.asarray(model.predict(other))


def _probed(fold: Fold, names: Names, predictions: Names, penalties: Sequence[float]) -> ProbedFold:
    classes = tuple(np.unique(names).tolist())
    scores = tuple(Scores.of(names[fold.test], run[fold.test], classes) for run in predictions)
    return ProbedFold(fold.name, len(fold.train), len(fold.test), fold.absent(names), scores, tuple(penalties))


def _checked(vectors: NDArray[Any], labels: Column, speakers: Column | None, folds: Sequence[Fold]) -> Names:
    """The labels as text, once all is as it must be."""
    num_speakers = len(labels) if speakers is None else len(speakers)
    if vectors.ndim != 2 or not len(vectors) == len(labels) == num_speakers:
        raise ValueError(
            f"vectors {vectors.shape}, {len(labels)} labels and {num_speakers} speakers; they must be of the same clips"
        )
    faulty = ~np.isfinite(vectors).all(axis=1)
    if faulty.any():
        num_values = int((~np.isfinite(vectors)).sum())
        raise TrainingError(
            f"features of {faulty.sum()} of {len(vectors)} clips hold {num_values} values that are no numbers; "
            f"a probe needs numbers: look at the model or the clips that gave them"
        )
    names = texts(labels)
    unlabelled = sum(name is None for name in names)
    if unlabelled:
        raise SplitError(f"{unlabelled} of {len(names)} clips have no label; a probe needs one each: leave them out")
    if len(set(names)) < 2:
        raise SplitError(f"all {len(names)} clips are {names[0]}; a probe needs two classes or more")
    if not folds:
        raise SplitError("no folds to test on; make them with speaker_folds")
    for fold in folds:
        fold.check(speakers, labels)
        if speakers is not None and len(set(texts(speakers)[fold.train])) < 2:
            raise SplitError(f"fold {fold.name}: one speaker to train on; to choose C by speaker it needs two or more")
    rows, counts = np.unique(np.concatenate([fold.test for fold in folds]), return_counts=True)
    if (counts > 1).any():
        raise SplitError(
            f"{(counts > 1).sum()} of {len(rows)} clips are tested in more than one fold; scores are over all folds, "
            f"so a clip must be in one"
        )
    return names.astype(str)
