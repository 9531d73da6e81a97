"""What the inputs of a network are, in terms of the columns of a table with missing values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.marginals import Marginal
from sklearn_wedge._core.rows import MappedRows, is_mapped

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class TableEncoding:
    """From the columns of a table to the inputs of a network, which are never missing.

    The first inputs are the columns, with missing values replaced by the median of the column.
    Then, for each column that lacked a value in training, comes an indicator: 1 where the value is
    missing, 0 elsewhere.

    Attributes
    ----------
    column_names : tuple of str
        Names of the columns of the table, or ``x0``, ``x1``, ... if they have none.
    medians : ndarray of shape (n_features,)
        What stands for a missing value of each column.
    with_indicator : int ndarray
        The columns that have an indicator, ascending.

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

    def __repr__(self) -> str:
        names = [self.column_names[k] for k in self.with_indicator]
        return f"TableEncoding(n_columns={self.n_columns}, with_indicator={names})"

    def __getstate__(self) -> dict[str, Any]:
        """What is saved: nothing that can be computed again."""
        return {name: getattr(self, name) for name in ("column_names", "medians", "with_indicator")}

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
        known = ~np.isnan(self.medians)
        if known.all():
            return self
        columns = zip(known, self.medians, marginals, strict=False)
        medians = [own if is_known else each.median for is_known, own, each in columns]
        return replace(self, medians=np.array(medians))

    @property
    def n_columns(self) -> int:
        """Columns of the table."""
        return len(self.column_names)

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return len(self.column_names) + len(self.with_indicator)

    @cached_property
    def column_of_input(self) -> NDArray[np.intp]:
        """The column that each input is about, of shape (n_inputs,)."""
        return np.concatenate([np.arange(self.n_columns), self.with_indicator])

    @property
    def is_indicator(self) -> NDArray[np.bool_]:
        """Whether each input says that a value is missing, of shape (n_inputs,)."""
        return np.arange(self.n_inputs) >= self.n_columns

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
        names = list(self.column_names if column_names is None else column_names)
        for column in self.with_indicator:
            name = f"{names[column]} is missing"
            while name in names:
                name = f"_{name}"
            names.append(name)
        return names

    def transform(self, X: NDArray) -> NDArray:
        """The inputs of the network.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Numbers, NaN where they are missing.

        Returns
        -------
        ndarray of shape (n_samples, n_inputs)
            ``X`` itself, if nothing is missing, and never was in training.
        """
        X = np.asarray(X)
        n_indicators = len(self.with_indicator)
        missing = np.isnan(X) if n_indicators or np.isnan(X).any() else None
        if missing is None:
            return X
        dtype = X.dtype if X.dtype.kind == "f" else np.float64
        inputs = np.empty((len(X), self.n_inputs), dtype=dtype)
        inputs[:, : self.n_columns] = X
        np.copyto(inputs[:, : self.n_columns], self.medians, where=missing, casting="same_kind")
        inputs[:, self.n_columns :] = missing[:, self.with_indicator]
        return inputs

    def of_rows(self, X: NDArray) -> NDArray | MappedRows:
        """The same of many rows; of a file that is mapped into memory, part by part when asked."""
        if not len(self.with_indicator):
            return X
        if is_mapped(X):
            return MappedRows(X, self.transform, self.n_inputs)
        return self.transform(X)

    def input_from(self, values: Array, which: int) -> Array:
        """One input, of shape (n,), from the values of its column; NaN where they are missing."""
        missing = np.isnan(values)
        if which >= self.n_columns:
            return missing.astype(np.float64)
        return np.where(missing, self.medians[which], values)

    def groups(self, groups: Sequence[Sequence[int]] | None) -> tuple[tuple[int, ...], ...] | None:
        """Groups of columns as groups of the inputs that are about them."""
        if groups is None:
            return None
        columns = self.column_of_input
        return tuple(tuple(np.flatnonzero(np.isin(columns, each)).tolist()) for each in groups)

    def directions(self, directions: Sequence[int] | None) -> tuple[int, ...] | None:
        """Directions of columns as those of inputs: an indicator is free."""
        if directions is None:
            return None
        return (*directions, *(0 for _ in self.with_indicator))

    def sums_by_column(self, values: Array) -> Array:
        """Numbers of the inputs, (n_inputs,), summed by column, (n_features,)."""
        return np.bincount(self.column_of_input, values, minlength=self.n_columns)
