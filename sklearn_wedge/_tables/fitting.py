"""What is known of a table before a network is fitted: which values are missing, and medians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import Chunk, Rows, column_quantiles
from sklearn_wedge._tables.encoding import TableEncoding

Array = NDArray[np.float64]


def _lacking(chunk: Chunk) -> NDArray[np.bool_]:
    """Which columns lack a value."""
    return np.isnan(chunk.inputs).any(axis=0)


def _known_weight(chunk: Chunk, columns: NDArray[np.intp]) -> tuple[Array]:
    """The weight of the rows that have a value, by column."""
    return (chunk.weight @ ~np.isnan(chunk.inputs[:, columns]),)


def _largest_weight(chunk: Chunk) -> float:
    return float(chunk.weight.max())


def _scaled_weight(chunk: Chunk, exponent: int) -> tuple[Array, Array]:
    """Targets, and weights times a power of two: huge ones do not overflow in a sum."""
    tiny = np.finfo(np.float64).smallest_subnormal
    return chunk.target, np.maximum(np.ldexp(chunk.weight, exponent), tiny)


def _missing_last(inputs: NDArray, columns: NDArray[np.intp]) -> NDArray:
    """Some columns, with missing values as the largest: quantiles of the others are below."""
    values = np.asarray(inputs)[:, columns]
    return np.where(np.isnan(values), np.inf, values)


def fitted_table(rows: Rows, column_names: Sequence[str]) -> TableEncoding:
    """The encoding of a table of numbers, from its rows with a weight.

    The order of the rows does not matter, and a weight of k is k copies.

    Parameters
    ----------
    rows : Rows
        With NaN where a value is missing.
    column_names : sequence of str

    Raises
    ------
    ValueError
        If all values of a column are missing.
    """
    plain = TableEncoding.of_numbers(column_names)
    lacking = np.flatnonzero(np.any(rows.map(_lacking), axis=0))
    if not len(lacking):
        return plain
    exponent = -int(np.frexp(max(rows.map(_largest_weight)))[1])
    rows = rows.with_targets(_scaled_weight, exponent)
    (known,) = rows.sum(_known_weight, lacking)
    _refuse_unknown_columns(lacking[known == 0], column_names)
    of_lacking = rows.with_inputs(partial(_missing_last, columns=lacking), len(lacking))
    medians = plain.medians.copy()
    medians[lacking] = column_quantiles(of_lacking, known, (0.5,))[0]
    return replace(plain, medians=medians, with_indicator=lacking)


def _refuse_unknown_columns(columns: NDArray[np.intp], column_names: Sequence[str]) -> None:
    if len(columns):
        names = [column_names[k] for k in columns]
        which = f"column {names[0]!r}" if len(names) == 1 else f"columns {names}"
        raise ValueError(
            f"All values of {which} of X are missing in the rows with a weight, and nothing can be "
            f"learned from them: leave {'it' if len(names) == 1 else 'them'} out."
        )
