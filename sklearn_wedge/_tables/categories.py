"""Inputs of a network that are made of categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._tables.levels import fractions_in_single

Array = NDArray[np.float64]

# Categories of no more levels, "missing" among them, have an indicator for each. Networks of more
# inputs take longer in the square of their number.
MOST_LEVELS = 20
# A target mean counts the mean over all rows as so many rows more.
ROWS_OF_PRIOR = 10.0
# Levels of fewer rows than this are pooled, of a category that is a target mean.
RARE_ROWS = 5.0
# Kinds of what is made of categories; and of numbers of which single values matter, besides the
# number itself.
INDICATORS, TARGET_MEANS, OF_VALUES = "indicators", "target means", "target means of values"
# Parts of the rows, each of which has target means of the others.
PARTS = 5


@dataclass(frozen=True, repr=False)
class Category:
    """What is made of a category: a number for each of its levels, for each of its inputs.

    Or of a column of numbers of which single values matter: the levels are the values that recur.

    Attributes
    ----------
    column : int
    levels : tuple of str or of float
    kind : {"indicators", "target means", "target means of values"}
    labels : tuple of str
        Of each input what follows the name of the column, such as ``" = Private"``.
    values : ndarray of shape (n_levels + 2, n_inputs)
        Of each level; then of one that is not known; then where the value is missing.
    shares : ndarray of shape (n_levels + 2,)
        Of the rows of the training data, by weight, likewise.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> X = pd.DataFrame({"colour": ["red", "green", "blue", "red", "green"]})
    >>> model = WedgeReLURegressor(alpha=0.01).fit(X, [1.0, 2.0, 3.0, 1.0, 2.0])
    >>> (category,) = model.table_.categories
    >>> category
    Category(column=0, kind='indicators', n_levels=3)
    >>> category.levels
    ('blue', 'green', 'red')
    >>> category.values[:3]
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """

    column: int
    levels: tuple[str | float, ...]
    kind: str
    labels: tuple[str, ...]
    values: Array
    shares: Array

    def __repr__(self) -> str:
        return f"Category(column={self.column}, kind={self.kind!r}, n_levels={len(self.levels)})"

    @property
    def is_of_numbers(self) -> bool:
        """Whether the column is one of numbers, and an input itself."""
        return self.kind == OF_VALUES

    def rows(self, codes: Array) -> NDArray[np.intp]:
        """The row of ``values`` for each code."""
        n = len(self.levels)
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(codes), n + 1, np.clip(codes, 0, n)).astype(np.intp)

    def names(self) -> list[str]:
        """What each row of ``values`` is, to follow the name of the column."""
        known = [f" = {level_name(level)}" for level in self.levels]
        return [*known, " is of another level", " is missing"]

    def transform(self, codes: Array) -> Array:
        """Inputs, (n, n_inputs), of codes of the levels; or of the numbers, if it is of numbers."""
        codes = codes_of_values(codes, self.levels) if self.is_of_numbers else codes
        return self.values[self.rows(codes)]


def level_name(level: str | float) -> str:
    """A level in words; numbers without what they do not need."""
    return level if isinstance(level, str) else f"{level:.15g}"


def codes_of_values(x: Array, values: Sequence[float]) -> Array:
    """The number of the value that each number is, of fractions as single precision tells."""
    values, x = np.asarray(values, dtype=np.float64), np.asarray(x, dtype=np.float64)
    codes = _places(x, values, np.arange(len(values)), len(values))
    keys, places = fractions_in_single(values)
    if len(keys):
        with np.errstate(over="ignore"):
            near = _places(x.astype(np.float32), keys, places, len(values))
        codes = np.where(codes == len(values), near, codes)
    return np.where(np.isnan(x), np.nan, codes)


def _places(x: NDArray, keys: NDArray, places: NDArray[np.intp], unknown: int) -> Array:
    """The place of the key that each number is; the keys are ascending."""
    nearest = np.minimum(np.searchsorted(keys, x), len(keys) - 1)
    return np.where(keys[nearest] == x, places[nearest], unknown).astype(np.float64)


def fitted_category(
    column: int, levels: Sequence[str | float], codes: Array, weight: Array
) -> Category | None:
    """Indicators of the levels, if they are few; None if they are many.

    A level that is not known counts as the mean over the rows; of two levels one is enough.

    Parameters
    ----------
    column : int
    levels : sequence
    codes : ndarray of shape (n,)
    weight : ndarray of shape (n,)
        Positive.
    """
    n = len(levels)
    share = np.bincount(np.where(np.isnan(codes), n + 1, codes).astype(np.intp), weight, n + 2)
    share = share / share.sum()
    present = np.flatnonzero(share)
    if len(present) > MOST_LEVELS:
        return None
    shown = present[1:] if len(present) == 2 else present
    values = np.zeros((n + 2, len(shown)))
    values[shown, np.arange(len(shown))] = 1.0
    # What has no weight, "missing" too, is as a level that was never seen.
    values[share == 0] = share[shown]
    labels = [" is missing" if k > n else f" = {level_name(levels[k])}" for k in shown]
    return Category(column, tuple(levels), INDICATORS, tuple(labels), values, share)


@dataclass(frozen=True)
class TargetRows:
    """What target means are taken of.

    Attributes
    ----------
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
        Positive.
    part : int ndarray of shape (n,)
        Rows of a part have means of the others.
    row : float
        The weight that counts as one row: that of the lightest.
    """

    target: Array
    weight: Array
    part: NDArray[np.intp]
    row: float

    def means(self, rows: NDArray[np.intp], n_rows: int, but: int | None = None) -> Array:
        """Means of the targets by row of the values, (n_rows, q), without one part.

        They are shrunk to that over all parts: without the own one it would be above where the own
        one is below, and a network could tell.
        """
        kept = self.weight if but is None else np.where(self.part == but, 0.0, self.weight)
        overall = self.weight @ self.target / self.weight.sum()
        prior = ROWS_OF_PRIOR * self.row
        found = np.empty((n_rows, self.target.shape[1]))
        weights = np.bincount(rows, kept, n_rows)
        for j, column in enumerate(self.target.T):
            sums = np.bincount(rows, kept * column, n_rows)
            found[:, j] = (sums + prior * overall[j]) / (weights + prior)
        return found


def target_means(
    column: int,
    levels: Sequence[str | float],
    codes: Array,
    data: TargetRows,
    kind: str = TARGET_MEANS,
) -> tuple[Category, Array]:
    """A category of many levels as the mean of the target, and what the rows themselves have.

    Means are shrunk to that over all rows. The rows themselves have those of the other parts of
    the rows, without their own target; what is made of a table, also of the same rows, has those
    of all. The rarest levels are one, which has that of all its rows everywhere, and so are those
    not known.
    """
    n = len(levels)
    rows = np.where(np.isnan(codes), n + 1, codes).astype(np.intp)
    weights = np.bincount(rows, data.weight, n + 2)
    pooled = np.where(weights < RARE_ROWS * data.row, n, np.arange(n + 2))
    rows = pooled[rows]
    values = data.means(rows, n + 2)[pooled]
    own = np.empty((len(codes), values.shape[1]))
    for part in range(PARTS):
        mine = data.part == part
        own[mine] = data.means(rows, n + 2, but=part)[rows[mine]]
    own[rows == n] = values[n]
    q = values.shape[1]
    labels = [" as target mean" + (f" {j}" if q > 1 else "") for j in range(q)]
    shares = weights / weights.sum()
    return Category(column, tuple(levels), kind, tuple(labels), values, shares), own
