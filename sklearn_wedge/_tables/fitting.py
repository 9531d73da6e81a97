"""What is known of a table before a network is fitted: what is missing, categories."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import Chunk, OneChunk, Rows, column_quantiles
from sklearn_wedge._tables.categories import (
    OF_VALUES,
    RARE_ROWS,
    Category,
    ColumnOfLevels,
    OwnMeans,
    indicators,
    pooled_levels,
    sums_of_levels,
    target_means,
)
from sklearn_wedge._tables.encoding import TableEncoding
from sklearn_wedge._tables.filling import ENDS, fitted_filling
from sklearn_wedge._tables.gaps import (
    informative,
    lightest,
    with_scaled_targets,
    with_scaled_weights,
)
from sklearn_wedge._tables.levels import Levels, calls_below_user
from sklearn_wedge._tables.parts import (
    PartsByContent,
    PartsByRank,
    parts_by_content,
    parts_by_rank,
)
from sklearn_wedge._tables.single_values import recurring_values

Array = NDArray[np.float64]

Parts = PartsByRank | PartsByContent


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


# --- categories -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class FittedCategories:
    """What is made of the categories of a table, and target means of the rows themselves.

    Attributes
    ----------
    categories : tuple of Category
    own : tuple of OwnMeans
        Of the rows that were fitted.
    parts : PartsByRank, PartsByContent or None
        The parts of these rows, if there are target means.
    """

    categories: tuple[Category, ...] = ()
    own: tuple[OwnMeans, ...] = ()
    parts: Parts | None = None

    def inputs(self, table: TableEncoding, X: NDArray, part: NDArray[np.intp]) -> NDArray:
        """The inputs of rows that were fitted, with their parts; -1 of a row that was not."""
        inputs = table.transform(X)
        for each in self.own:
            which = table.inputs_made_of(each.category)
            inputs[:, which] = each.of(X[:, each.category.column], part)
        return inputs

    def inputs_of_chunk(self, chunk: Chunk, table: TableEncoding) -> NDArray:
        """The inputs of a chunk of rows that were fitted; of one without weight, none was."""
        fitted = np.any(chunk.weight > 0)
        part = self.parts(chunk) if fitted else np.full(len(chunk.weight), -1)
        return self.inputs(table, chunk.inputs, part)


def categories_of_array(
    X: NDArray,
    levels: Levels,
    target: Array,
    weight: Array,
    column_names: Sequence[str],
    with_values: bool = True,
    target_names: Sequence[str] = (),
) -> tuple[FittedCategories, NDArray[np.intp]]:
    """What is made of categories and of single values of numbers, and the parts of the rows.

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
    target_names : sequence of str
        Of several; none: their numbers.

    Raises
    ------
    ValueError
        If all values of a category are missing.
    """
    part = np.full(len(X), -1)
    if not levels.of_column and not with_values:
        return FittedCategories(), part
    present = np.flatnonzero(weight > 0)
    rows = with_scaled_weights(OneChunk(X[present], target[present], weight[present]))
    columns = _columns_of_levels(levels)
    if with_values:
        columns += _recurring(rows.chunk, levels)
    fitted = _fitted_categories(rows, columns, column_names, target_names, parts_by_rank)
    if fitted.parts is not None:
        part[present] = fitted.parts(rows.chunk)
    return fitted, part


def categories_of_rows(
    rows: Rows, levels: Levels, column_names: Sequence[str], target_names: Sequence[str] = ()
) -> FittedCategories:
    """What is made of categories, of rows in chunks.

    Raises
    ------
    ValueError
        If all values of a category are missing.
    """
    if not levels.of_column:
        return FittedCategories()
    columns = _columns_of_levels(levels)
    rows = with_scaled_weights(rows)
    return _fitted_categories(rows, columns, column_names, target_names, parts_by_content)


def _columns_of_levels(levels: Levels) -> list[ColumnOfLevels]:
    return [ColumnOfLevels(column, own) for column, own in levels.of_column.items()]


def _recurring(chunk: Chunk, levels: Levels) -> list[ColumnOfLevels]:
    """The columns of numbers of which single values matter."""
    found, row = [], float(chunk.weight.min())
    for column in np.delete(np.arange(chunk.inputs.shape[1]), levels.columns).tolist():
        x = chunk.inputs[:, column].astype(np.float64)
        values = recurring_values(x, chunk.target, chunk.weight, row)
        if values is not None:
            found.append(ColumnOfLevels(column, tuple(values.tolist()), OF_VALUES))
    return found


def _fitted_categories(
    rows: Rows,
    columns: Sequence[ColumnOfLevels],
    column_names: Sequence[str],
    target_names: Sequence[str],
    deal: Callable[[Rows, int], Parts],
) -> FittedCategories:
    """Indicators or target means of each column; ``deal`` makes parts of the rows for these."""
    if not columns:
        return FittedCategories()
    weights = dict(zip(columns, rows.sum(_weights_of_levels, columns), strict=True))
    for of, its_weights in weights.items():
        if not its_weights[:-1].any():
            _refuse_unknown_columns(np.array([of.column]), column_names)
    few = {of: indicators(of, its_weights) for of, its_weights in weights.items()}
    many = {of: its_weights for of, its_weights in weights.items() if few[of] is None}
    if not many:
        return FittedCategories(tuple(few.values()))
    parts = deal(rows, max(len(of.levels) for of in columns))
    for of, its_weights in many.items():
        _warn_of_rare_levels(column_names[of.column], its_weights[:-2], lightest(rows))
    own = dict(zip(many, _own_means(rows, many, parts, target_names), strict=True))
    categories = tuple(few[of] or own[of].category for of in columns)
    return FittedCategories(categories, tuple(own.values()), parts)


def _warn_of_rare_levels(name: str, weights: Array, row: float) -> None:
    """Say so if most rows of a category are of levels so rare that they are pooled."""
    rare = weights < RARE_ROWS * row
    if weights[rare].sum() <= 0.5 * weights.sum():
        return
    warnings.warn(
        f"Most rows of {name!r} are of levels that are in fewer than {RARE_ROWS:.0f} rows: "
        f"{np.count_nonzero(rare)} of {len(weights)} levels count as one, and nothing is learned "
        "from them. Leave the column out if it only names rows; of dates and times make numbers "
        "that should matter, such as the days since a first date or the month, and of quantities "
        "with units their numbers.",
        stacklevel=calls_below_user(),
    )


def _weights_of_levels(chunk: Chunk, columns: Sequence[ColumnOfLevels]) -> tuple[Array, ...]:
    return tuple(np.bincount(of.rows(chunk.inputs), chunk.weight, of.n_rows) for of in columns)


def _own_means(
    rows: Rows, weights: dict[ColumnOfLevels, Array], parts: Parts, target_names: Sequence[str]
) -> Iterable[OwnMeans]:
    """Target means of columns of many levels."""
    row = lightest(rows)
    pooled = [pooled_levels(each, row) for each in weights.values()]
    sums = rows.sum(_sums_of_levels, list(weights), pooled, parts)
    each = len(sums) // len(pooled)
    its_sums = (sums[k : k + each] for k in range(0, len(sums), each))
    made = partial(target_means, row=row, targets=target_names)
    return map(made, weights, weights.values(), pooled, its_sums)


def _sums_of_levels(
    chunk: Chunk, columns: Sequence[ColumnOfLevels], pooled: Sequence[NDArray], parts: Parts
) -> tuple[Array, ...]:
    part, sums = parts(chunk), ()
    for of, its_pooled in zip(columns, pooled, strict=True):
        its_rows = its_pooled[of.rows(chunk.inputs)]
        sums += sums_of_levels(its_rows, chunk.target, chunk.weight, part, of.n_rows)
    return sums
