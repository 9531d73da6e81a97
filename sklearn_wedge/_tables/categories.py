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

    @property
    def lacks_values(self) -> bool:
        """Whether it is one of levels, and some were missing in training."""
        return not self.is_of_numbers and bool(self.shares[-1] > 0)

    @property
    def missing_is_a_level(self) -> bool:
        """Whether a missing value is another one than a level that is not known."""
        return bool(np.any(self.values[-1] != self.values[-2]))

    def rows(self, codes: Array) -> NDArray[np.intp]:
        """The row of ``values`` for codes of the levels; or for the numbers, if it is of these."""
        codes = codes_of_values(codes, self.levels) if self.is_of_numbers else codes
        return rows_of_levels(codes, len(self.levels))

    def names(self) -> list[str]:
        """What each row of ``values`` is, to follow the name of the column."""
        known = [f" = {level_name(level)}" for level in self.levels]
        return [*known, " is of another level", " is missing"]

    def transform(self, codes: Array) -> Array:
        """Inputs, (n, n_inputs), of codes of the levels; or of the numbers, if it is of numbers."""
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


def rows_of_levels(codes: Array, n_levels: int) -> NDArray[np.intp]:
    """The row of each code among as many as ``Category.values`` has."""
    with np.errstate(invalid="ignore"):
        known = np.clip(codes, 0, n_levels)
    return np.where(np.isnan(codes), n_levels + 1, known).astype(np.intp)


@dataclass(frozen=True)
class ColumnOfLevels:
    """A column of a table before it is known what is made of it.

    Attributes
    ----------
    column : int
    levels : tuple of str or of float
    kind : {"target means", "target means of values"}
        What is made of it, if its levels are many.
    """

    column: int
    levels: tuple[str | float, ...]
    kind: str = TARGET_MEANS

    @property
    def n_rows(self) -> int:
        """Rows of the values of its category."""
        return len(self.levels) + 2

    def rows(self, X: NDArray) -> NDArray[np.intp]:
        """The row of ``Category.values`` for each row of a table."""
        x = X[:, self.column]
        codes = codes_of_values(x, self.levels) if self.kind == OF_VALUES else x
        return rows_of_levels(codes, len(self.levels))

    def category(self, kind: str, labels: Sequence[str], values: Array, weights: Array) -> Category:
        """What is made of it."""
        shares = weights / weights.sum()
        return Category(self.column, self.levels, kind, tuple(labels), values, shares)


def indicators(of: ColumnOfLevels, weights: Array) -> Category | None:
    """Indicators of the levels, if they are few; None if they are many, or single values.

    A level that is not known counts as the mean over the rows; of two levels one is enough.

    Parameters
    ----------
    of : ColumnOfLevels
    weights : ndarray of shape (n_levels + 2,)
        Of the rows of each level; then of those not known; then of those where it is missing.
    """
    n, share = len(of.levels), weights / weights.sum()
    present = np.flatnonzero(share)
    if of.kind == OF_VALUES or len(present) > MOST_LEVELS:
        return None
    shown = present[1:] if len(present) == 2 else present
    values = np.zeros((n + 2, len(shown)))
    values[shown, np.arange(len(shown))] = 1.0
    # What has no weight, "missing" too, is as a level that was never seen.
    values[share == 0] = share[shown]
    labels = [" is missing" if k > n else f" = {level_name(of.levels[k])}" for k in shown]
    return of.category(INDICATORS, labels, values, weights)


# --- target means ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class OwnMeans:
    """Target means of the rows that are fitted: those of the other parts of the rows.

    Attributes
    ----------
    category : Category
        What is made of all other rows.
    pooled : int ndarray of shape (n_levels + 2,)
        The row of ``Category.values`` that each counts as: the rarest levels are one.
    of_part : ndarray of shape (PARTS, n_levels + 2, q)
        Means without the rows of each part.
    """

    category: Category
    pooled: NDArray[np.intp]
    of_part: Array

    def of(self, x: Array, part: NDArray[np.intp]) -> Array:
        """Means, (n, q), of a column and the parts of its rows; 0 of rows that are in none."""
        n = len(self.category.levels)
        rows = self.pooled[self.category.rows(x)]
        found = self.of_part[np.maximum(part, 0), rows]
        found[rows == n] = self.category.values[n]
        found[part < 0] = 0.0
        return found


def pooled_levels(weights: Array, row: float) -> NDArray[np.intp]:
    """The row of ``Category.values`` that each counts as; ``row`` is the weight of a row."""
    n = len(weights) - 2
    return np.where(weights < RARE_ROWS * row, n, np.arange(n + 2))


def sums_of_levels(
    rows: NDArray[np.intp], target: Array, weight: Array, part: NDArray[np.intp], n_rows: int
) -> tuple[Array, ...]:
    """Weights and weighted sums of targets by row of ``Category.values``.

    Parameters
    ----------
    rows : int ndarray of shape (n,)
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
    part : int ndarray of shape (n,)
    n_rows : int

    Returns
    -------
    weights : ndarray of shape (PARTS + 1, n_rows)
        Of all rows that are not of a part, for each part; then of all.
    sums : ndarray of shape (PARTS + 1, n_rows, q)
    total : ndarray of shape ()
        Weight.
    total_sums : ndarray of shape (q,)
    """
    weights = np.empty((PARTS + 1, n_rows))
    sums = np.empty((PARTS + 1, n_rows, target.shape[1]))
    for but in range(PARTS + 1):
        kept = np.where(part == but, 0.0, weight)
        weights[but] = np.bincount(rows, kept, n_rows)
        for j, column in enumerate(target.T):
            sums[but, :, j] = np.bincount(rows, kept * column, n_rows)
    return weights, sums, weight.sum(), weight @ target


def target_means(
    of: ColumnOfLevels,
    weights: Array,
    pooled: NDArray[np.intp],
    sums: tuple[Array, ...],
    row: float,
    targets: Sequence[str] = (),
) -> OwnMeans:
    """A category of many levels as the mean of the target, and what the rows themselves have.

    Means are shrunk to that over all rows: without the own part it would be above where the own one
    is below, and a network could tell. The rows themselves have those of the other parts of the
    rows, without their own target; what is made of a table, also of the same rows, has those of
    all. The rarest levels are one, which has that of all its rows everywhere, and so are those not
    known.

    Parameters
    ----------
    of : ColumnOfLevels
    weights : ndarray of shape (n_levels + 2,)
        As for ``indicators``.
    pooled : int ndarray of shape (n_levels + 2,)
        Those of ``pooled_levels``.
    sums : tuple of ndarray
        Those of ``sums_of_levels``, of rows that are pooled.
    row : float
        The weight that counts as one row.
    targets : sequence of str
        What several targets are called; none: by their numbers.
    """
    of_levels, of_targets, total, total_sums = sums
    prior = ROWS_OF_PRIOR * row
    means = (of_targets + prior * (total_sums / total)) / (of_levels + prior)[..., None]
    names = targets or range(means.shape[-1])
    labels = [" as target mean" + (f" of {name}" if len(names) > 1 else "") for name in names]
    category = of.category(of.kind, labels, means[-1][pooled], weights)
    return OwnMeans(category, pooled, means[:-1])
