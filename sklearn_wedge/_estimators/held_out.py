"""By how much a network for a quantile is off on new rows, as far as rows held out tell.

The intercept of such a network is the best one of the training rows, and neurons follow these: of
new rows more are on the wrong side. The networks of the folds are off by as much, on rows that they
have not seen; and these rows say which constant, added to the output, would have put it right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import Pinball
from sklearn_wedge._estimators.blend import Blend
from sklearn_wedge._estimators.folds import Task
from sklearn_wedge._estimators.race_rows import rows_of

Array = NDArray[np.float64]

# Rows held out that are to be expected on the smaller side of a quantile: of fewer a share is far
# from normal, and its standard error says little (the usual condition of the approximation).
LEAST_BEYOND = 5


def held_out_shift(task: Task, blend: Blend) -> Array:
    """What to add to each output, in original units: zeros of losses that are not of quantiles.

    Parameters
    ----------
    task : Task
    blend : Blend
        What was chosen.
    """
    if not isinstance(task.loss, Pinball):
        return np.zeros(task.target.shape[1])
    counts = [task.fit_weight[fold.test] > 0 for fold in blend.folds]
    rows = np.concatenate([fold.test[c] for fold, c in zip(blend.folds, counts, strict=True)])
    if len(rows) == 0:
        return np.zeros(task.target.shape[1])
    predicted = [said[c] for said, c in zip(blend.held_out, counts, strict=True)]
    weight = task.fit_weight[rows] / task.fit_weight[rows].max()
    n_rows = effective_rows(weight, rows_of(task).group[rows])
    held_out = np.concatenate(predicted), task.target[rows], weight / weight.sum()
    return shrunken_shift(task.loss, *held_out, n_rows)


def effective_rows(weight: Array, group: NDArray[np.intp]) -> float:
    """How many rows of equal weight know a mean as well, by Kish's formula.

    Copies of a row, and a row that several folds have held out, are one row.
    """
    of_groups = np.bincount(np.unique(group, return_inverse=True)[1], weights=weight)
    return float(of_groups.sum() ** 2 / (of_groups @ of_groups))


def shrunken_shift(
    loss: Pinball, prediction: Array, target: Array, weight: Array, n_rows: float
) -> Array:
    """The constants that the loss of rows held out asks for, as far as these can know them, (q,).

    The share of ``n_rows`` below a quantile has a variance of ``level · (1 - level) / n_rows`` by
    chance alone. By this the square of its distance from the level is expected to be larger than
    that of the true one: what is left over, as a part of it, is by how much a deviation is to be
    believed (the positive part of James and Stein's estimate). Of a deviation below its standard
    error nothing is, nor of any where the rows are too few to have one. Weights sum to 1.
    """
    low, high = loss.slopes(target)
    level = high / (high - low)
    distance = loss.kinks(target) - prediction
    off = level - np.clip(level, weight @ (distance < 0), weight @ (distance <= 0))
    by_chance = level * (1 - level) / n_rows
    by_chance = np.where(n_rows * np.minimum(level, 1 - level) < LEAST_BEYOND, np.inf, by_chance)
    believed = np.maximum(off**2 - by_chance, 0.0) / np.where(off == 0.0, 1.0, off**2)
    return believed * loss.best_shift(prediction, target, weight) + 0.0  # which -0.0 is not
