"""What the inputs of a network are, in terms of the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.marginals import Marginal
from sklearn_wedge._core.rows import MappedRows, is_mapped
from sklearn_wedge._tables.categories import INDICATORS, Category
from sklearn_wedge._tables.filling import Filling
from sklearn_wedge._tables.levels import Levels

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class TableEncoding:
    """From the columns of a table to the inputs of a network, which are never missing.

    The first inputs are the columns of numbers, with missing values filled in: with what is
    expected of them given the other numbers of the row, or with the median of the column. Then come
    indicators of some of those that lacked a value in training: 1 where the value is missing, 0
    elsewhere. Then come the inputs of the categories.

    Attributes
    ----------
    column_names : tuple of str
        Names of the columns of the table, or ``x0``, ``x1``, ... if they have none.
    medians : ndarray of shape (n_features,)
        Of each column of numbers; NaN of categories. They stand for missing values if there is no
        ``filling``.
    with_indicator : int ndarray
        The columns of numbers that have an indicator, ascending.
    categories : tuple of Category
        What is made of the columns that are categories, and of single values of numbers.
    lacking : int ndarray
        The columns of numbers that lacked a value in training, ascending.
    filling : Filling or None
        How missing numbers are filled in from the others of their row.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> X, y = np.array([[1.0], [2.0], [np.nan], [4.0], [5.0]]), [1.0, 2.0, 7.0, 2.0, 1.0]
    >>> model = WedgeReLURegressor(alpha=0.01).fit(X, y)
    >>> model.table_
    TableEncoding(n_columns=1, with_indicator=['x0'])
    >>> model.table_.input_names()
    ['x0', 'x0 is missing']
    >>> model.table_.transform(X[:3])
    array([[1., 0.],
           [2., 0.],
           [2., 1.]])
    """

    column_names: tuple[str, ...]
    medians: Array
    with_indicator: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    categories: tuple[Category, ...] = ()
    lacking: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    filling: Filling | None = None

    def __repr__(self) -> str:
        names = [self.column_names[k] for k in self.with_indicator]
        others = ""
        for kind, is_of_numbers in (("categories", False), ("single_values", True)):
            made = (each for each in self.categories if each.is_of_numbers == is_of_numbers)
            columns = [self.column_names[each.column] for each in made]
            others += f", {kind}={columns}" if columns else ""
        return f"TableEncoding(n_columns={self.n_columns}, with_indicator={names}{others})"

    def __getstate__(self) -> dict[str, Any]:
        """What is saved: nothing that can be computed again."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def of_numbers(cls, column_names: Sequence[str]) -> TableEncoding:
        """That of a table without missing values: the inputs are the columns."""
        return cls(tuple(column_names), np.full(len(column_names), np.nan))

    def with_medians_of(self, marginals: Sequence[Marginal]) -> TableEncoding:
        """With the medians of columns that had every value, which come with the fit for nothing.

        Parameters
        ----------
        marginals : sequence of Marginal
            Of the inputs, in the training data.

        Returns
        -------
        TableEncoding
        """
        medians = self.medians.copy()
        for which, column in enumerate(self.numbers):
            if np.isnan(medians[column]):
                medians[column] = marginals[which].median
        return replace(self, medians=medians)

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        return len(self.column_names)

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return len(self.column_of_input)

    @property
    def is_plain(self) -> bool:
        """Whether the inputs are the columns, as far as nothing is missing."""
        return not len(self.lacking) and not self.categories

    @property
    def has_target_means(self) -> bool:
        """Whether a category is a mean of the target."""
        return any(each.kind != INDICATORS for each in self.categories)

    @cached_property
    def numbers(self) -> NDArray[np.intp]:
        """The columns that are numbers, ascending: the first inputs."""
        return np.delete(np.arange(self.n_columns), self._levels.columns)

    @cached_property
    def unknown(self) -> Array:
        """Of each number what stands for it if the others of its row say nothing of it."""
        return self.medians[self.numbers] if self.filling is None else self.filling.means

    @cached_property
    def _levels(self) -> Levels:
        """Those of the columns that are categories."""
        made = (each for each in self.categories if not each.is_of_numbers)
        return Levels({each.column: each.levels for each in made})

    @cached_property
    def column_of_input(self) -> NDArray[np.intp]:
        """The column that each input is about, of shape (n_inputs,)."""
        own = [np.full(len(each.labels), each.column) for each in self.categories]
        return np.concatenate([self.numbers, self.with_indicator, *own])

    @property
    def is_indicator(self) -> NDArray[np.bool_]:
        """Whether each input says that a number is missing, of shape (n_inputs,)."""
        place, first = np.arange(self.n_inputs), len(self.numbers)
        return (place >= first) & (place < first + len(self.with_indicator))

    def category_of(self, column: int) -> Category | None:
        """What is made of a column, if it is a category."""
        if column not in self._levels.of_column:
            return None
        return next(each for each in self.categories if each.column == column)

    def values_of(self, column: int) -> Array | None:
        """The values that recur in a column of numbers, if single ones matter."""
        made = (each for each in self.categories if each.is_of_numbers and each.column == column)
        category = next(made, None)
        return None if category is None else np.array(category.levels, dtype=np.float64)

    def codes(self, X: Any) -> Any:
        """A table with numbers of levels for categories, as ``transform`` takes it."""
        return self._levels.codes(X)

    def made_of(self, which: int) -> tuple[Category, int] | None:
        """What an input is made of, if levels have values, and which of its inputs it is."""
        place = which - len(self.numbers) - len(self.with_indicator)
        for each in self.categories if place >= 0 else ():
            if place < len(each.labels):
                return each, place
            place -= len(each.labels)
        return None

    def inputs_made_of(self, category: Category) -> list[int]:
        """The numbers of the inputs that are made of a category, or of single values."""
        first = len(self.numbers) + len(self.with_indicator)
        for each in self.categories:
            if each is category:
                break
            first += len(each.labels)
        return list(range(first, first + len(category.labels)))

    def inputs_of(self, column: int) -> list[int]:
        """The numbers of the inputs that are about a column."""
        return np.flatnonzero(self.column_of_input == column).tolist()

    def input_names(self, column_names: Sequence[str] | None = None) -> list[str]:
        """Names of the inputs, such as ``bmi`` and ``bmi is missing``.

        Parameters
        ----------
        column_names : sequence of str, default=None
            Other names of the columns.
        """
        columns = list(self.column_names if column_names is None else column_names)
        names = [columns[k] for k in self.numbers]
        made = [f"{columns[k]} is missing" for k in self.with_indicator]
        for each in self.categories:
            made += [f"{columns[each.column]}{label}" for label in each.labels]
        for name in made:
            while name in columns or name in names:
                name = f"_{name}"
            names.append(name)
        return names

    def transform(self, X: NDArray) -> NDArray:
        """The inputs of the network.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Numbers, NaN where they are missing; of categories those of their levels, see ``codes``.

        Returns
        -------
        ndarray of shape (n_samples, n_inputs)
            ``X`` itself, if nothing is missing, and never was in training.
        """
        X = np.asarray(X)
        missing = np.isnan(X)
        if self.is_plain and not missing.any():
            return X
        n, end = len(self.numbers), len(self.numbers) + len(self.with_indicator)
        # What is computed is not rounded to what the table is stored in.
        as_stored = self.filling is None and X.dtype.kind == "f"
        inputs = np.empty((len(X), self.n_inputs), X.dtype if as_stored else np.float64)
        inputs[:, :n] = self._completed(X[:, self.numbers])
        inputs[:, n:end] = missing[:, self.with_indicator]
        for each in self.categories:
            begin, end = end, end + len(each.labels)
            inputs[:, begin:end] = each.transform(X[:, each.column])
        return inputs

    def _completed(self, numbers: NDArray) -> NDArray:
        """The columns of numbers without missing values."""
        if self.filling is not None:
            return self.filling.complete(numbers)
        return np.where(np.isnan(numbers), self.unknown, numbers)

    def of_rows(self, X: NDArray) -> NDArray | MappedRows:
        """The same of many rows; of a file that is mapped into memory, part by part when asked."""
        if self.is_plain:
            return X
        if is_mapped(X):
            return MappedRows(X, self.transform, self.n_inputs)
        return self.transform(X)

    def input_from(self, values: Array, which: int) -> Array:
        """One input, (n,), from values of its column, NaN where missing; no other is known."""
        made = self.made_of(which)
        if made is not None:
            category, place = made
            return category.transform(values)[:, place]
        missing = np.isnan(values)
        if self.is_indicator[which]:
            return missing.astype(np.float64)
        return np.where(missing, self.unknown[which], values)

    def groups(self, groups: Sequence[Sequence[int]] | None) -> tuple[tuple[int, ...], ...] | None:
        """Groups of columns as groups of the inputs that are about them."""
        if groups is None:
            return None
        columns = self.column_of_input
        return tuple(tuple(np.flatnonzero(np.isin(columns, each)).tolist()) for each in groups)

    def directions(self, directions: Sequence[int] | None) -> tuple[int, ...] | None:
        """Directions of columns as those of inputs: an indicator is free.

        Parameters
        ----------
        directions : sequence of int, or None
            Of each column -1, 0 or 1.

        Returns
        -------
        tuple of int, or None

        Raises
        ------
        ValueError
            If there is one of a category.
        """
        if directions is None:
            return None
        for column in self._levels.of_column:
            if directions[column]:
                raise ValueError(
                    f"monotonic_cst has {directions[column]} for the category "
                    f"{self.column_names[column]!r}, whose levels are in no order: give 0, or "
                    "make numbers of it."
                )
        columns = zip(self.column_of_input, self.is_indicator, strict=True)
        return tuple(0 if is_free else directions[k] for k, is_free in columns)

    def apart(self) -> tuple[int, ...] | None:
        """Of each input the category whose levels never share a neuron, -1 for all others."""
        own = {each.column for each in self.categories if each.kind == INDICATORS}
        if not own:
            return None
        return tuple(k if k in own else -1 for k in self.column_of_input.tolist())

    def sums_by_column(self, values: Array) -> Array:
        """Numbers of the inputs, (n_inputs,), summed by column, (n_features,)."""
        return np.bincount(self.column_of_input, values, minlength=self.n_columns)
