"""The rows of a race: few first, then more, in parts that stay what they are from stage to stage.

Which rows come first and which part has a row depends on the content of rows: equal rows are one
row, and their order is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import group_starts, mixed
from sklearn_wedge._estimators.folds import Fold, Task, judged
from sklearn_wedge._estimators.parts import (
    LEAST_OF_CLASS,
    DistinctRows,
    dealt,
    labels_of,
)
from sklearn_wedge._estimators.race_plan import PARTS

# Distinct rows that a race is run on, at most.
MOST_ROWS = 25_000
# The share of the rows that a fold is fitted on.
OF_A_FOLD = 1 - 1 / PARTS
# Where a row has no weight, and is in no group of equal ones.
NOWHERE = -1


@dataclass(frozen=True)
class RaceRows:
    """Groups of equal rows.

    Attributes
    ----------
    group : int ndarray of shape (n,)
        Of each row; ``NOWHERE`` without a weight.
    distinct : DistinctRows
        One row of each group.
    codes : int ndarray of shape (n_groups,)
        Its class; in a regression zeros, but for counts: which of them are positive.
    order : int ndarray of shape (n_groups,)
        The groups, in an order that looks random.
    """

    group: NDArray[np.intp]
    distinct: DistinctRows
    codes: NDArray[np.intp]
    order: NDArray[np.intp]

    @property
    def n_groups(self) -> int:
        """Distinct rows."""
        return len(self.order)

    def n_distinct(self, rows: NDArray[np.intp]) -> int:
        """How many distinct rows with weight some rows are."""
        groups = np.unique(self.group[rows])
        return np.count_nonzero(groups != NOWHERE)

    def has_outside(self, quantile: float) -> bool:
        """Whether clipping of the inputs to these quantiles changes any."""
        X = self.distinct.X
        low, high = np.quantile(X, [quantile, 1 - quantile], axis=0, method="inverted_cdf")
        return bool(np.any(((low > X) | (high < X)) & (low < high)))

    def first(self, n: int) -> NDArray[np.bool_]:
        """Whether a row is of the first ``n`` groups, or of the first ones of its class."""
        chosen = np.zeros(self.n_groups + 1, dtype=bool)  # the last one is nowhere
        chosen[self.order[:n]] = True
        for code in np.unique(self.codes):
            chosen[self.order[self.codes[self.order] == code][:LEAST_OF_CLASS]] = True
        return chosen[self.group]

    def first_with(self, n: int, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether a row is of the first groups, as many of all as it takes for ``n`` of some."""
        groups = np.unique(self.group[rows])
        places = np.sort(np.argsort(self.order)[groups[groups != NOWHERE]])
        return self.first(places[n - 1] + 1 if n < len(places) else self.n_groups)

    def parts(self, n_folds: int, by_class: bool) -> list[NDArray[np.intp]]:
        """The part of each row, as often as they must be dealt for so many folds."""
        found = []
        for time in range(-(-n_folds // PARTS)):
            part = dealt(self.distinct, PARTS, by_class, time)
            found.append(np.append(part, NOWHERE)[self.group])
        return found


def rows_of(task: Task) -> RaceRows:
    """The groups of equal rows of a task."""
    present = np.flatnonzero(task.fit_weight > 0)
    X, target = task.X[present].astype(np.float64) + 0.0, task.target[present] + 0.0
    order = np.lexsort((*target.T[::-1], *X.T[::-1]))
    starts = group_starts(np.hstack([X, target])[order])
    group = np.full(len(task.X), NOWHERE)
    group[present[order]] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    X, target = X[order[starts]], target[order[starts]]
    distinct = DistinctRows(X, target, np.ones(len(X)), len(X))
    keys = mixed(np.arange(len(X), dtype=np.uint64) ^ np.uint64(1 << 40))
    return RaceRows(group, distinct, _codes(task, target), np.argsort(keys, kind="stable"))


def _codes(task: Task, target: NDArray) -> NDArray[np.intp]:
    if task.loss.target_scaling == "mean":
        # Of counts that are all 0 there is no model of a logarithm: of several targets, the one
        # that is positive in a row and in the fewest others tells how rare the row is.
        positive = target > 0
        positive = positive[:, np.argsort(positive.sum(axis=0), kind="stable")]
        return np.where(positive.any(axis=1), positive.argmax(axis=1), positive.shape[1])
    if task.classes is None:
        return np.zeros(len(target), dtype=np.intp)
    return labels_of(target).astype(np.intp)


def folds_by_content(
    task: Task, rows: RaceRows, n_folds: int, score_weight: NDArray | None
) -> list[Fold]:
    """Folds of all rows of a race that can be fitted and scored."""
    raced = rows.first(MOST_ROWS) & (rows.group != NOWHERE)
    parts = rows.parts(n_folds, task.classes is not None)
    held_out = [raced & (part == k) for part in parts for k in range(PARTS)]
    folds = [
        Fold(np.flatnonzero(raced & ~test), np.flatnonzero(test), place, n_folds)
        for place, test in enumerate(held_out[:n_folds])
    ]
    folds, wrong = judged(task, folds, score_weight)
    return placed([fold for fold in folds if not wrong[fold.place]])


def placed(folds: Sequence[Fold]) -> list[Fold]:
    """The folds that are left, numbered anew."""
    return [replace(fold, place=k, n_folds=len(folds)) for k, fold in enumerate(folds)]


def fewer(folds: Sequence[Fold], rows: RaceRows, n_rows: int, n_folds: int) -> list[Fold]:
    """Of the first folds, so many distinct rows to fit; all rows that they are scored on."""
    chosen = []
    for fold in folds[:n_folds]:
        kept = rows.first_with(n_rows, fold.train)[fold.train]
        chosen.append(replace(fold, train=fold.train[kept], n_folds=len(folds[:n_folds])))
    return chosen
