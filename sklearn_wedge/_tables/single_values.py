"""Columns of numbers of which single values matter: mostly one, and others from a list.

Such are amounts that most rows do not have, and that a form or a law names in the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._tables.categories import RARE_ROWS

Array = NDArray[np.float64]

# Values that recur in a column, at the least.
LEAST_VALUES = 10
# The part of the rows that have the most common value, at the least, and the part of the others
# that have one that recurs.
LEAST_COMMON, LEAST_RECURRING = 0.5, 0.8
# What single values explain of the variance of the target, at the least, beyond what is expected
# of values between their neighbours.
LEAST_EXPLAINED = 0.05


def recurring_values(x: Array, target: Array, weight: Array, row: float) -> Array | None:
    """The values of a column that recur, ascending, if they matter one by one; else None.

    They do if the mean of the target at a value is far from the line between those at the two
    values next to it: a neuron would be needed for each side of each of them.

    Parameters
    ----------
    x : ndarray of shape (n,)
        NaN where it is missing.
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
        Positive.
    row : float
        The weight that counts as one row.
    """
    known = ~np.isnan(x)
    x, target, weight = x[known], target[known], weight[known]
    values, place = np.unique(x, return_inverse=True)
    # Of values in one row each, others say nothing, whatever these weigh.
    if not LEAST_VALUES <= len(values) < len(x):
        return None
    weights = np.bincount(place, weight)
    recurs = weights >= RARE_ROWS * row
    if np.count_nonzero(recurs) < LEAST_VALUES or not _is_of_a_list(weights, recurs):
        return None
    variances = [_variance(t, weight) for t in target.T]
    means = [_means(place, weight, t)[recurs] for t in target.T]
    explained = sum(
        _explained(values[recurs], its_means, weights[recurs], row * variance)
        for its_means, variance in zip(means, variances, strict=True)
    )
    total = sum(variances)
    return values[recurs] if explained > LEAST_EXPLAINED * weight.sum() * total > 0 else None


def _is_of_a_list(weights: Array, recurs: NDArray[np.bool_]) -> bool:
    """Whether most rows have one value, and nearly all others one that recurs."""
    common = weights.max()
    others = weights.sum() - common
    is_common = common >= LEAST_COMMON * weights.sum()
    return bool(is_common and weights[recurs].sum() - common >= LEAST_RECURRING * others)


def _means(place: NDArray[np.intp], weight: Array, target: Array) -> Array:
    return np.bincount(place, weight * target) / np.bincount(place, weight)


def _variance(target: Array, weight: Array) -> float:
    mean = weight @ target / weight.sum()
    return float(weight @ (target - mean) ** 2 / weight.sum())


def _explained(values: Array, means: Array, weights: Array, of_row: float) -> float:
    """Squared distances from the lines between neighbours, without what noise makes of them.

    The variance of a mean is ``of_row`` divided by its weight.
    """
    left, right = values[:-2], values[2:]
    of_right = (values[1:-1] - left) / (right - left)
    distance = means[1:-1] - (1 - of_right) * means[:-2] - of_right * means[2:]
    noise = 1 / weights[1:-1] + (1 - of_right) ** 2 / weights[:-2] + of_right**2 / weights[2:]
    return float(weights[1:-1] @ (distance**2 - of_row * noise))
