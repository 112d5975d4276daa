"""How well predicted values agree with true ones, from sums that add up over clips and clusters.

Moments (..., 6) are n, sum x, sum y, sum xx, sum yy, sum xy of truth x and prediction y; a score of them is (...).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_ROUNDING = 1e-12
"""Below this share of its mean square a variance is rounding: float32 predictions that differ, differ by more."""


def moments(truth: Values, predicted: Values) -> Values:
    """(..., 6) moments of each pair of values; they add up over clips.

    No score changes when the same number is taken off both, and the sums lose no digits where it is the truth's mean.
    """
    x, y = np.broadcast_arrays(truth, predicted)
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)


def ccc(sums: Values) -> Values:
    """(..., 6) to (...): concordance, 2 cov(x, y) / (var x + var y + (mean x - mean y)^2), with moments over n.

    Lin, Biometrics 45:255 (1989), equation (1) and its estimate there. 0 where either is constant, NaN where both are
    and agree, or without clips.
    """
    mean_x, mean_y, var_x, var_y, cov = _central(sums)
    return _divided(2 * cov, var_x + var_y + (mean_x - mean_y) ** 2)


def pcc(sums: Values) -> Values:
    """(..., 6) to (...): Pearson's correlation.

    NaN where the truth is constant, or without clips; 0 where only the prediction is, so that a run that collapsed
    counts in a mean.
    """
    _, _, var_x, var_y, cov = _central(sums)
    return np.where((var_x > 0) & (var_y == 0), 0.0, _divided(cov, np.sqrt(var_x * var_y)))


def rmse(sums: Values) -> Values:
    """(..., 6) to (...): root of the mean squared error, in the target's unit; NaN without clips."""
    num, _, _, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return np.asarray(np.sqrt(np.maximum(_divided(xx + yy - 2 * xy, num), 0)))


def _central(sums: Values) -> tuple[Values, Values, Values, Values, Values]:
    """Means, variances and covariance (over n) of truth and prediction; a variance that is mere rounding is 0."""
    num, x, y, xx, yy, xy = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    mean_x, mean_y = _divided(x, num), _divided(y, num)
    var_x, var_y = _variance(_divided(xx, num), mean_x), _variance(_divided(yy, num), mean_y)
    cov = np.where((var_x == 0) | (var_y == 0), 0.0, _divided(xy, num) - mean_x * mean_y)
    return mean_x, mean_y, var_x, var_y, cov


def _variance(mean_square: Values, mean: Values) -> Values:
    found = mean_square - mean**2
    return np.where(found <= _ROUNDING * mean_square, 0.0, found)


def _divided(above: Any, below: Any) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.true_divide(above, below))
