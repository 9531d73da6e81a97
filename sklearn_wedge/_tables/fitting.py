"""What is known of a table before a network is fitted: what is missing, categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import Chunk, Rows, column_quantiles, mixed
from sklearn_wedge._tables.categories import (
    MOST_LEVELS,
    OF_VALUES,
    PARTS,
    TARGET_MEANS,
    Category,
    TargetRows,
    codes_of_values,
    fitted_category,
    target_means,
)
from sklearn_wedge._tables.encoding import TableEncoding
from sklearn_wedge._tables.filling import ENDS, fitted_filling
from sklearn_wedge._tables.gaps import informative, lightest, with_scaled_targets
from sklearn_wedge._tables.levels import Levels
from sklearn_wedge._tables.single_values import recurring_values

Array = NDArray[np.float64]

# Rows that differ in their target alone are dealt one by one to the parts of target means if there
# are no more than so many distinct other ones a level, or so many targets to each.
ROWS_PER_LEVEL = 2
MANY_TARGETS = 1.05


def _lacking(chunk: Chunk) -> NDArray[np.bool_]:
    """Which columns lack a value."""
    return np.isnan(chunk.inputs).any(axis=0)


def _known_weight(chunk: Chunk) -> tuple[Array]:
    """The weight of the rows that have a value, by column."""
    return (chunk.weight @ ~np.isnan(chunk.inputs),)


def _columns(inputs: NDArray, columns: NDArray[np.intp]) -> NDArray:
    return np.asarray(inputs)[:, columns]


def _missing_last(inputs: NDArray) -> NDArray:
    """Missing values as the largest: quantiles of the others are below."""
    return np.where(np.isnan(inputs), np.inf, inputs)


def fitted_table(
    rows: Rows,
    column_names: Sequence[str],
    categories: Sequence[Category] = (),
    with_filling: bool = True,
) -> TableEncoding:
    """The encoding of a table of numbers, and of categories, from its rows with a weight.

    The order of the rows does not matter, and a weight of k is k copies.

    Parameters
    ----------
    rows : Rows
        With NaN where a value is missing.
    column_names : sequence of str
    categories : sequence of Category
        What is made of some columns.
    with_filling : bool, default=True
        Whether numbers may be filled in from each other.

    Raises
    ------
    ValueError
        If all values of a column are missing.
    """
    plain = replace(TableEncoding.of_numbers(column_names), categories=tuple(categories))
    lacking = np.flatnonzero(np.any(rows.map(_lacking), axis=0))
    lacking = np.intersect1d(lacking, plain.numbers)
    if not len(lacking):
        return plain
    rows = with_scaled_targets(rows)
    columns = plain.numbers if with_filling else lacking
    numbers = rows.with_inputs(partial(_columns, columns=columns), len(columns))
    (known,) = numbers.sum(_known_weight)
    _refuse_unknown_columns(columns[known == 0], column_names)
    quantiles = _quantiles(numbers, known)
    row = lightest(numbers)
    filling = fitted_filling(numbers, quantiles, row) if with_filling else None
    medians = plain.medians.copy()
    medians[columns] = quantiles[1]
    tells = informative(numbers, row)[np.searchsorted(columns, lacking)]
    if filling is None:
        tells[:] = True
    else:
        tells |= ~filling.is_used[np.searchsorted(columns, lacking)]
    return replace(
        plain, medians=medians, with_indicator=lacking[tells], lacking=lacking, filling=filling
    )


def _quantiles(numbers: Rows, known: Array) -> Array:
    """The ends of each column, and between them its median."""
    last = numbers.with_inputs(_missing_last, numbers.n_inputs)
    return column_quantiles(last, known, (ENDS[0], 0.5, ENDS[1]))


def _refuse_unknown_columns(columns: NDArray[np.intp], column_names: Sequence[str]) -> None:
    if len(columns):
        names = [column_names[k] for k in columns]
        which = f"column {names[0]!r}" if len(names) == 1 else f"columns {names}"
        raise ValueError(
            f"All values of {which} of X are missing in the rows with a weight, and nothing can be "
            f"learned from them: leave {'it' if len(names) == 1 else 'them'} out."
        )


@dataclass(frozen=True)
class FittedCategories:
    """What is made of the categories of a table, and target means of the rows themselves.

    Attributes
    ----------
    categories : tuple of Category
    own : list of pairs of Category and ndarray of shape (n, q)
        Of the rows that were fitted: see ``target_means``.
    """

    categories: tuple[Category, ...] = ()
    own: list[tuple[Category, Array]] = field(default_factory=list)

    def inputs(self, table: TableEncoding, X: NDArray) -> NDArray:
        """The inputs of the rows that were fitted."""
        if not self.own:
            return table.of_rows(X)
        inputs = table.transform(X)
        for category, values in self.own:
            inputs[:, table.inputs_made_of(category)] = values
        return inputs


def fitted_categories(
    X: NDArray,
    levels: Levels,
    target: Array,
    weight: Array,
    column_names: Sequence[str],
    with_values: bool = True,
) -> FittedCategories:
    """Indicators or target means of each category, and target means of single values of numbers.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        With numbers of levels.
    levels : Levels
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
    column_names : sequence of str
    with_values : bool, default=True
        Whether single values of numbers are looked at.

    Raises
    ------
    ValueError
        If all values of a category are missing.
    """
    if not levels.of_column and not with_values:
        return FittedCategories()
    present = np.flatnonzero(weight > 0)
    share = np.ldexp(weight[present], -int(np.frexp(weight.max())[1]))
    values = _recurring(X[present], levels, target[present], share) if with_values else {}
    n_levels = max(map(len, (*levels.of_column.values(), *values.values())), default=0)
    fitting = _Fitting(X, present, target[present], share, n_levels)
    found = []
    for column, its_levels in levels.of_column.items():
        codes = X[present, column]
        if np.isnan(codes).all():
            _refuse_unknown_columns(np.array([column]), column_names)
        category = fitted_category(column, its_levels, codes, share)
        found.append(category or fitting.means(column, its_levels, codes, TARGET_MEANS))
    for column, own in values.items():
        codes = codes_of_values(X[present, column], own)
        found.append(fitting.means(column, tuple(own.tolist()), codes, OF_VALUES))
    return FittedCategories(tuple(found), fitting.own)


def _recurring(X: NDArray, levels: Levels, target: Array, weight: Array) -> dict[int, Array]:
    """By column of numbers the values that recur, if single ones matter."""
    found, row = {}, float(weight.min())
    for column in np.delete(np.arange(X.shape[1]), levels.columns).tolist():
        values = recurring_values(X[:, column].astype(np.float64), target, weight, row)
        if values is not None:
            found[column] = values
    return found


@dataclass
class _Fitting:
    """Target means while a table is fitted: the rows are dealt once, if there are any."""

    X: NDArray
    present: NDArray[np.intp]
    target: Array
    weight: Array
    n_levels: int
    own: list[tuple[Category, Array]] = field(default_factory=list)

    @cached_property
    def rows(self) -> TargetRows:
        return _target_rows(self.X[self.present], self.target, self.weight, self.n_levels)

    def means(self, column: int, levels: tuple, codes: Array, kind: str) -> Category:
        """Target means, of which those of the rows themselves are kept."""
        category, means = target_means(column, levels, codes, self.rows, kind)
        own = np.zeros((len(self.X), means.shape[1]))
        own[self.present] = means
        self.own.append((category, own))
        return category


def _target_rows(X: NDArray, target: Array, weight: Array, n_levels: int) -> TargetRows:
    """Rows in parts by their values, whatever their order.

    Of values ranks count, a missing one being the largest: units do not matter. A target of few
    values must not count: of two classes the other parts would have the rows of the other class,
    and means would tell the class. So rows that differ in nothing else are in one part, and copies
    are as good as a weight, unless too many of the rows are of this kind.
    """
    hashes, few = np.zeros(len(X), dtype=np.uint64), False
    for column, values in enumerate((*X.T, *target.T)):
        distinct, ranks = np.unique(values, return_inverse=True)
        if column < X.shape[1] or len(distinct) > MOST_LEVELS:
            hashes = mixed(hashes ^ ranks.ravel().astype(np.uint64))
        else:
            few = True
    if few:
        hashes = _dealt_if_repeated(hashes, target, weight, n_levels)
    part = (hashes % np.uint64(PARTS)).astype(np.intp)
    return TargetRows(target, weight, part, float(weight.min()))


def _dealt_if_repeated(
    hashes: NDArray[np.uint64], target: Array, weight: Array, n_levels: int
) -> NDArray[np.uint64]:
    """Hashes by which rows of one hash are dealt one by one, if such rows are the rule.

    Where a category is the only column, or one of few, all rows of a level may be of one hash:
    together in a part, they would have no rows of their level in the other parts.
    """
    order = np.lexsort((weight, *target.T, hashes))
    place = np.arange(len(order))
    first = np.diff(hashes[order], prepend=~hashes[order[:1]]) != 0
    other = np.any(np.diff(target[order], axis=0, prepend=np.nan) != 0, axis=1)
    n_distinct, n_with_target = np.count_nonzero(first), np.count_nonzero(first | other)
    if n_distinct > ROWS_PER_LEVEL * n_levels and n_with_target < MANY_TARGETS * n_distinct:
        return hashes
    among = np.empty(len(order), dtype=np.uint64)
    among[order] = place - np.maximum.accumulate(np.where(first, place, 0))
    return mixed(hashes ^ among)
