"""CCC, PCC and RMSE of predicted values, their spread over seeds, and their interval over speakers.

Shapes: n clips, K targets, S runs (seeds), G clusters (speakers, or clips), R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import Column
from vaemo_train.evaluate.interval import Interval, Statistic, bootstrap_interval, cluster_sums
from vaemo_train.evaluate.moments import Values, ccc, moments, pcc, rmse
from vaemo_train.evaluate.scores import Estimate

_SCORES = {"ccc": ccc, "pcc": pcc, "rmse": rmse}


@dataclass(frozen=True, slots=True, eq=False)
class RegressionScores:
    """Scores of one set of predicted values: all follow from `sums` (6,)."""

    sums: Values

    @classmethod
    def of(cls, truth: ArrayLike, predicted: ArrayLike) -> RegressionScores:
        """Compare values (n,). Raises SplitError without clips or for a value that is no number, ValueError for shapes.

        Both have the same length.
        """
        x, y = _checked(np.asarray(truth, np.float64)[:, None], np.asarray(predicted, np.float64)[None, :, None], [""])
        return cls(moments(x[:, 0], y[0, :, 0]).sum(axis=0))

    @property
    def num_clips(self) -> int:
        """How many clips were scored."""
        return int(self.sums[0])

    @property
    def ccc(self) -> float:
        """Concordance correlation coefficient."""
        return float(ccc(self.sums))

    @property
    def pcc(self) -> float:
        """Pearson's correlation coefficient."""
        return float(pcc(self.sums))

    @property
    def rmse(self) -> float:
        """Root of the mean squared error, in the target's unit."""
        return float(rmse(self.sums))


@dataclass(frozen=True, slots=True)
class RegressionSummary:
    """Scores over several runs. `resampled` names what the intervals are over, as "24 speakers"; "" without any.

    `ccc`, `pcc` and `rmse` are means over the targets (that of RMSE says something where the targets share a unit);
    `targets` holds the same three of each target by its name.
    """

    ccc: Estimate
    pcc: Estimate
    rmse: Estimate
    targets: Mapping[str, Mapping[str, Estimate]]
    num_runs: int
    resampled: str

    @classmethod
    def of_predictions(
        cls,
        truth: ArrayLike,
        predictions: ArrayLike,
        names: Sequence[str],
        speakers: Column | None = None,
        *,
        seed: int = 0,
    ) -> RegressionSummary:
        """Of S runs' values (S, n, K) for the same clips and the targets `names` (K,), whose truth is (n, K).

        The interval is that of the mean over runs when other speakers (or, without `speakers`, other clips) had been
        recorded; it does not hold the spread between runs, which stands beside it. A run in which a score is undefined
        is left out of the mean, and the score has no interval then. Raises as `RegressionScores.of` does.
        """
        x, y = _checked(np.asarray(truth, np.float64), np.asarray(predictions, np.float64), names)
        # (S, n, K, 6) -> (n, S, K, 6) -> (G, S, K, 6)
        parts = cluster_sums(np.moveaxis(moments(x, y), 0, 1), speakers)
        whole = range(len(names))
        means = {name: _estimate(parts, score, whole, seed) for name, score in _SCORES.items()}
        targets = {
            target: {name: _estimate(parts, score, [number], seed) for name, score in _SCORES.items()}
            for number, target in enumerate(names)
        }
        what = "clips" if speakers is None else "speakers"
        resampled = f"{len(parts):,} {what}" if len(parts) > 1 else ""
        return cls(**means, targets=targets, num_runs=len(y), resampled=resampled)

    def __str__(self) -> str:
        """One line: CCC .512 ± .004 [.49, .53]  PCC ...  RMSE 0.213 ± 0.002 [0.201, 0.224]."""
        return shown_scores({name: getattr(self, name) for name in _SCORES})

    def lines(self) -> list[str]:
        """One line for each target: valence: CCC .512 ...."""
        return [f"{name}: {shown_scores(scores)}" for name, scores in self.targets.items()]

    def as_dict(self) -> dict[str, Any]:
        """For results.json."""
        means = {name: getattr(self, name).as_dict() for name in _SCORES}
        targets = {
            target: {name: estimate.as_dict() for name, estimate in scores.items()}
            for target, scores in self.targets.items()
        }
        return {**means, "targets": targets, "num_runs": self.num_runs, "resampled": self.resampled}


def shown_scores(scores: Mapping[str, Estimate]) -> str:
    """One line of estimates by score: CCC .512 ± .004 [.49, .53]  PCC ...  RMSE 0.213 ± 0.002 [0.201, 0.224]."""
    texts = {name: shown_error(one) if name == "rmse" else shown_share(one) for name, one in scores.items()}
    return "  ".join(f"{name.upper()} {text}" for name, text in texts.items())


def shown_share(estimate: Estimate) -> str:
    """A correlation: .512 ± .004 [.49, .53]; what is not known is left out."""
    return _shown(estimate, lambda value: _bare(value, 3), lambda value: _bare(value, 2))


def shown_error(estimate: Estimate) -> str:
    """An error in the target's unit, to three digits: 0.213 ± 0.002 [0.201, 0.224]."""
    size = abs(estimate.mean)
    decimals = max(2 - math.floor(math.log10(size)), 0) if math.isfinite(size) and size > 0 else 3

    def fixed(value: float) -> str:
        return f"{value:.{decimals}f}"

    return _shown(estimate, fixed, fixed)


def _shown(estimate: Estimate, text: Callable[[float], str], end: Callable[[float], str]) -> str:
    shown = text(estimate.mean)
    if not math.isnan(estimate.deviation):
        shown += f" ± {text(estimate.deviation)}"
    interval = estimate.interval
    return shown if interval is None else f"{shown} [{end(interval.low)}, {end(interval.high)}]"


def _bare(value: float, decimals: int) -> str:
    """Without the 0 in front of the point: .512, -.030, 1.000."""
    text = f"{value:.{decimals}f}"
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    return f"{sign}{digits[1:]}" if digits.startswith("0.") else text


def _estimate(parts: Values, score: Statistic, targets: Sequence[int], seed: int) -> Estimate:
    """Of the mean over some targets: its mean and spread over runs, the interval of that mean; parts (G, S, K, 6)."""
    own = parts[:, :, list(targets)]

    def over_runs(sums: Values) -> Values:
        """(R, S, K, 6) -> (R,)."""
        return np.asarray(score(sums).mean((-2, -1)))

    values = score(own.sum(axis=0)).mean(axis=-1)
    interval: Interval | None = None
    if not np.isnan(values).any():
        interval = bootstrap_interval(own, over_runs, seed=seed)
    return Estimate.of(values.tolist(), interval)


def _checked(truth_nK: Values, predictions_SnK: Values, names: Sequence[str]) -> tuple[Values, Values]:
    """Both less the truth's mean of each target."""
    if predictions_SnK.ndim != 3 or predictions_SnK.shape[1:] != truth_nK.shape or truth_nK.shape[1:] != (len(names),):
        raise ValueError(
            f"true values {truth_nK.shape} and predictions {predictions_SnK.shape} of {len(names)} targets; they must "
            f"be (n, K) and (S, n, K)"
        )
    if not truth_nK.size or not len(predictions_SnK):
        raise SplitError("no clip to score; scores need at least one")
    for number, name in enumerate(names):
        of = f" of {name}" if name else ""
        _refuse_nan(f"true value{of}", truth_nK[:, number])
        for run in predictions_SnK:
            _refuse_nan(f"predicted value{of}", run[:, number])
    means_K = truth_nK.mean(axis=0)
    return truth_nK - means_K, predictions_SnK - means_K


def _refuse_nan(what: str, values: Values) -> None:
    unknown = int((~np.isfinite(values)).sum())
    if unknown:
        raise SplitError(f"{unknown} of {len(values)} clips have no {what} that is a number; leave these clips out")
