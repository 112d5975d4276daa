"""WAR, UAR and WF1 of predicted labels, their spread over seeds, and their interval over speakers.

Shapes: n clips, C classes, S runs (seeds), G clusters (speakers, or clips). Scores are shares in [0, 1]; texts show
percent.
A confusion matrix (..., C, C) has the true class in its rows and the predicted one in its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import Column, texts
from vaemo_train.evaluate.interval import Interval, Statistic, bootstrap_interval

Values = NDArray[np.float64]


def war(confusion: NDArray[Any]) -> Values:
    """(...) weighted average recall: the share of clips named rightly, which is the accuracy.

    Schuller et al., Interspeech 2009 (The INTERSPEECH 2009 Emotion Challenge), section 4. NaN without clips.
    """
    return _divided(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def recalls(confusion: NDArray[Any]) -> Values:
    """(..., C) the share of each class's clips named rightly; NaN for a class without clips."""
    return _divided(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def uar(confusion: NDArray[Any]) -> Values:
    """(...) unweighted average recall: the mean recall of the classes that occur; chance is 1 over their number.

    Schuller et al., Interspeech 2009, section 4; `balanced_accuracy_score` of scikit-learn. NaN without clips.
    """
    occurs = confusion.sum(-1) > 0
    return _divided(np.where(occurs, recalls(confusion), 0.0).sum(-1), occurs.sum(-1))


def wf1(confusion: NDArray[Any]) -> Values:
    """(...) weighted F1: each class's 2 TP / (true + predicted), weighted with its share of the clips.

    Lian et al., ACM MM 2023 (MER 2023), section 3; `f1_score(average="weighted")` of scikit-learn: a class that is
    never named right has F1 0. NaN without clips.
    """
    support = confusion.sum(-1)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    f1 = 2 * hits / np.maximum(support + confusion.sum(-2), 1)
    return _divided((f1 * support).sum(-1), support.sum(-1))


_SCORES = {"war": war, "uar": uar, "wf1": wf1}


def _divided(above: Any, below: Any) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.true_divide(above, below))


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores of one set of predictions: all follow from `confusion` (C, C), whose classes are `names`."""

    names: tuple[str, ...]
    confusion: NDArray[np.int64]

    @classmethod
    def of(cls, truth: Column, predicted: Column, names: Sequence[str] | None = None) -> Scores:
        """Compare labels (n,) as text; `names` defaults to those that occur, in order.

        Raises SplitError without clips, ValueError for lengths that differ or a label that is not in `names`.
        """
        rows, columns = _as_names(truth), _as_names(predicted)
        if len(rows) != len(columns):
            raise ValueError(f"{len(rows)} true and {len(columns)} predicted labels; there must be one each a clip")
        known = _classes(rows, columns) if names is None else tuple(names)
        cells = _numbers(rows, known) * len(known) + _numbers(columns, known)
        return cls(known, np.bincount(cells, minlength=len(known) ** 2).reshape(len(known), len(known)))

    @property
    def num_clips(self) -> int:
        """How many clips were scored."""
        return int(self.confusion.sum())

    @property
    def war(self) -> float:
        """Accuracy."""
        return float(war(self.confusion))

    @property
    def uar(self) -> float:
        """Mean recall of the classes that occur."""
        return float(uar(self.confusion))

    @property
    def wf1(self) -> float:
        """F1, weighted by support."""
        return float(wf1(self.confusion))

    @property
    def recalls(self) -> dict[str, float]:
        """Recall of each class; NaN for one without clips."""
        return dict(zip(self.names, recalls(self.confusion).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score's mean over runs, the standard deviation between them (n - 1; NaN for one), its 95 % interval."""

    mean: float
    deviation: float
    interval: Interval | None = None

    @classmethod
    def of(cls, values: Sequence[float], interval: Interval | None = None) -> Estimate:
        """Of one score a run; runs in which it is undefined (NaN) are left out."""
        known = np.array([value for value in values if not np.isnan(value)])
        mean = float(known.mean()) if len(known) else float("nan")
        return cls(mean, float(known.std(ddof=1)) if len(known) > 1 else float("nan"), interval)

    def __str__(self) -> str:
        """In percent: 51.5 ± 0.4 [49.0, 54.0]; what is not known is left out."""
        text = f"{100 * self.mean:.1f}"
        if not np.isnan(self.deviation):
            text += f" ± {100 * self.deviation:.1f}"
        return text if self.interval is None else f"{text} {self.interval}"

    def as_dict(self) -> dict[str, float | None]:
        """For results.json; what is not known is None."""
        interval = self.interval or Interval(float("nan"), float("nan"))
        values = {"mean": self.mean, "deviation": self.deviation, "low": interval.low, "high": interval.high}
        return {name: None if np.isnan(value) else value for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """Scores over several runs. `resampled` names what the intervals are over, as "24 speakers"; "" without any."""

    war: Estimate
    uar: Estimate
    wf1: Estimate
    num_runs: int
    resampled: str

    @classmethod
    def of_means(cls, scores: Sequence[Sequence[Scores]]) -> ScoreSummary:
        """Mean and spread over parts that stand apart, such as folds, each the mean of its scores; no interval."""
        estimates = {
            name: Estimate.of([Estimate.of([getattr(one, name) for one in part]).mean for part in scores])
            for name in _SCORES
        }
        return cls(**estimates, num_runs=len(scores), resampled="")

    @classmethod
    def of_predictions(
        cls,
        truth: Column,
        predictions: Sequence[Column],
        speakers: Column | None = None,
        *,
        seed: int = 0,
    ) -> ScoreSummary:
        """Of S runs' predicted labels (S, n) for the same clips (n,).

        The interval is that of the mean over runs when other speakers (or, without `speakers`, other clips) had been
        recorded; it does not hold the spread between runs, which stands beside it. Raises as `Scores.of` does.
        """
        names = _classes(_as_names(truth), *(_as_names(run) for run in predictions))
        runs = [Scores.of(truth, run, names) for run in predictions]
        parts, counts = _parts(truth, predictions, names, speakers)
        what = "clips" if speakers is None else "speakers"
        estimates = {}
        for name, score in _SCORES.items():
            interval = bootstrap_interval(parts, partial(_mean_over_runs, score), counts=counts, seed=seed)
            estimates[name] = Estimate.of([getattr(run, name) for run in runs], interval)
        resampled = f"{counts.sum():,} {what}" if counts.sum() > 1 else ""
        return cls(**estimates, num_runs=len(runs), resampled=resampled)

    def __str__(self) -> str:
        """One line: WAR 51.5 ± 0.4 [49.0, 54.0]  UAR ...  WF1 ...."""
        return f"WAR {self.war}  UAR {self.uar}  WF1 {self.wf1}"

    def as_dict(self) -> dict[str, Any]:
        """For results.json."""
        scores = {name: getattr(self, name).as_dict() for name in _SCORES}
        return {**scores, "num_runs": self.num_runs, "resampled": self.resampled}


def _mean_over_runs(score: Statistic, confusions: NDArray[Any]) -> Values:
    """(R, S, C, C) -> (R,)."""
    return np.asarray(score(confusions).mean(-1))


def _parts(
    truth: Column, predictions: Sequence[Column], names: tuple[str, ...], speakers: Column | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Confusions of each cluster (G, S, C, C), and how many clusters have just these (G,)."""
    size = len(names)
    rows = _numbers(_as_names(truth), names)
    patterns = np.stack([rows * size + _numbers(_as_names(run), names) for run in predictions], axis=1)
    if speakers is None:
        # Clips that are named alike in every run are alike.
        cells, counts = np.unique(patterns, axis=0, return_counts=True)
        clusters = np.arange(len(cells))
    else:
        cells, clusters = patterns, np.unique(texts(speakers).astype(str), return_inverse=True)[1]
        counts = np.ones(clusters.max() + 1, np.int64)
    runs = np.arange(len(predictions))
    flat = (clusters[:, None] * len(runs) + runs) * size**2 + cells
    parts = np.bincount(flat.ravel(), minlength=len(counts) * len(runs) * size**2)
    return parts.reshape(len(counts), len(runs), size, size), counts


def _as_names(labels: Column) -> NDArray[np.str_]:
    if not len(labels):
        raise SplitError("no clip to score; scores need at least one")
    names = texts(labels)
    unknown = sum(name is None for name in names)
    if unknown:
        raise SplitError(f"{unknown} of {len(names)} clips have no label; label them or leave them out")
    return names.astype(str)


def _classes(*labels: NDArray[np.str_]) -> tuple[str, ...]:
    return tuple(np.unique(np.concatenate(labels)).tolist())


def _numbers(labels: NDArray[np.str_], names: Sequence[str]) -> NDArray[np.int64]:
    order = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(labels.tolist()) - order.keys())
    if unknown:
        raise ValueError(f"label {unknown[0]!r} is none of the classes {', '.join(names)}")
    return np.array([order[label] for label in labels.tolist()], np.int64)
