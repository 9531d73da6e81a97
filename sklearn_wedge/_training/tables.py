"""From rows of a table to inputs of a network, and what is said of columns in their terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import LocalChunks
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._tables import (
    Levels,
    TableEncoding,
    categories_of_array,
    categories_of_rows,
    fitted_table,
)
from sklearn_wedge._training.chunked import rows_at_once
from sklearn_wedge._training.dask import DaskChunks

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Constraints:
    """What is said of columns that an input made of others, or of single values, would break.

    Attributes
    ----------
    directions : bool
        Whether some columns have a direction.
    groups : bool
        Whether only some columns may act together.
    """

    directions: bool
    groups: bool

    @property
    def allow_filling(self) -> bool:
        """Whether numbers may be filled in from other columns, and say something of these."""
        return not self.directions and not self.groups

    @property
    def allow_single_values(self) -> bool:
        """Whether single values may count: a direction of a column is not one of these."""
        return not self.directions


def inputs_to_fit(
    X: NDArray,
    levels: Levels,
    target: Array,
    weight: Array,
    names: Sequence[str],
    constraints: Constraints,
    in_chunks: bool,
    target_names: Sequence[str] = (),
) -> tuple[TableEncoding, NDArray]:
    """The encoding of a table in memory, and the inputs of its rows.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Numbers; of categories those of their levels. NaN where a value is missing.
    levels : Levels
    target : ndarray of shape (n, q)
        As the loss sees it.
    weight : ndarray of shape (n,)
    names : sequence of str
        Of the columns.
    constraints : Constraints
    in_chunks : bool
        Whether the fit will go through chunks of rows: single values are not looked at then.
    target_names : sequence of str
        Of several; none: their numbers.

    Raises
    ------
    ValueError
        If all values of a column are missing.
    """
    # Whether a table is a file does not matter: joblib makes files of arrays.
    with_values = constraints.allow_single_values and not in_chunks
    given = levels, target, weight, names
    fitted, part = categories_of_array(X, *given, with_values, target_names)
    rows = LocalChunks(X, target, weight, rows_at_once(X.shape[1]))
    table = fitted_table(rows, names, fitted.categories, constraints.allow_filling)
    return table, fitted.inputs(table, X, part) if fitted.own else table.of_rows(X)


def chunks_to_fit(
    chunks: DaskChunks,
    levels: Levels,
    names: Sequence[str],
    constraints: Constraints,
    target_names: Sequence[str] = (),
) -> tuple[TableEncoding, DaskChunks]:
    """The encoding of a table in chunks, and the same rows with the inputs.

    Parameters
    ----------
    chunks : DaskChunks
        With inputs as ``inputs_to_fit`` takes them, and targets as the loss sees them.
    levels : Levels
    names : sequence of str
    constraints : Constraints
    target_names : sequence of str
        Of several; none: their numbers.

    Raises
    ------
    ValueError
        If all values of a column are missing.
    """
    fitted = categories_of_rows(chunks, levels, names, target_names)
    table = fitted_table(chunks, names, fitted.categories, constraints.allow_filling)
    if fitted.own:
        made = partial(fitted.inputs_of_chunk, table=table)
        return table, chunks.with_inputs_of_rows(made, table.n_inputs)
    if table.is_plain:
        return table, chunks
    return table, chunks.with_inputs(table.transform, table.n_inputs)


def on_inputs(options: FitOptions, table: TableEncoding) -> FitOptions:
    """What is said of columns, in terms of the inputs of the network."""
    return replace(
        options,
        groups=table.groups(options.groups),
        monotone=table.directions(options.monotone),
        # Without a limit neurons are of any inputs: those kept apart would need one for each level
        # where one of several levels has a kink of its own at each.
        apart=None if options.interaction_order is None else table.apart(),
    )
