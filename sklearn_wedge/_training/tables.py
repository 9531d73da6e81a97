"""From rows of a table to inputs of a network, and what is said of columns in their terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import LocalChunks
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._tables import Levels, TableEncoding, fitted_categories, fitted_table
from sklearn_wedge._training.chunked import rows_at_once

Array = NDArray[np.float64]


def inputs_to_fit(
    X: NDArray,
    levels: Levels,
    target: Array,
    weight: Array,
    names: Sequence[str],
    has_directions: bool,
    has_groups: bool,
    in_chunks: bool,
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
    has_directions : bool
        Whether some columns have a direction.
    has_groups : bool
        Whether only some columns may act together.
    in_chunks : bool
        Whether the fit will go through chunks of rows: single values are not looked at then.

    Raises
    ------
    ValueError
        If all values of a column are missing.
    """
    # A direction of a column is not one of its single values. Whether a table is a file does not
    # matter: joblib makes files of arrays.
    with_values = not has_directions and not in_chunks
    categories = fitted_categories(X, levels, target, weight, names, with_values)
    rows = LocalChunks(X, target, weight, rows_at_once(X.shape[1]))
    # What is filled in from other columns says something of these.
    with_filling = not has_directions and not has_groups
    table = fitted_table(rows, names, categories.categories, with_filling)
    return table, categories.inputs(table, X)


def on_inputs(options: FitOptions, table: TableEncoding) -> FitOptions:
    """What is said of columns, in terms of the inputs of the network."""
    return replace(
        options,
        groups=table.groups(options.groups),
        monotone=table.directions(options.monotone),
        # Without a limit neurons are of any inputs.
        apart=None if options.interaction_order is None else table.apart(),
    )
