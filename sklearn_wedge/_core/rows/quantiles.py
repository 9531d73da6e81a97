"""Weighted quantiles: of a sorted column, or of columns whose rows are read in chunks.

In chunks, digit by digit: the bits of a floating-point number, read as an integer, order it as its
value does (once the negative ones are turned round), and each pass sums the weights of the rows
that agree with the digits found so far by their next digit. Nothing is sorted, the number of passes
is fixed, and the result is one of the values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows.chunks import Array, Chunk, Rows

# Two cumulative weights closer than this are a tie: rescaling the weights moves a sum by rounding
# and must not move a quantile from one data value to the next.
QUANTILE_TIE_TOLERANCE = 1e-9
DIGIT_BITS = 11
# Columns times levels that are looked for in the same passes: their sums take 64 MB.
QUANTILES_AT_ONCE = 4096


def weighted_quantiles(values: NDArray, weight: NDArray, levels: Sequence[float]) -> Array:
    """Inverse-CDF quantiles: the least values whose cumulative weights reach the ``levels``.

    Weights must be positive and sum to 1. Results are always some of the values, copies of a row
    equal its weight, and a tie within ``QUANTILE_TIE_TOLERANCE`` counts as reached.
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weight[order])
    reached = np.searchsorted(cumulative, np.asarray(levels) - QUANTILE_TIE_TOLERANCE)
    return values[order[np.minimum(reached, values.shape[0] - 1)]].astype(np.float64)


def _width(dtype: np.dtype) -> int:
    """Bits that tell values of a type apart: 32 or 64."""
    return 32 if dtype == np.float32 else 64


def ordered_keys(values: NDArray, width: int) -> NDArray:
    """Integers in the order of floating-point numbers; 0.0 and -0.0 are one."""
    real, unsigned = (np.float32, np.uint32) if width == 32 else (np.float64, np.uint64)
    bits = (np.asarray(values, dtype=real) + real(0)).view(unsigned)
    negative = (bits >> unsigned(width - 1)).astype(bool)
    return np.where(negative, ~bits, bits | unsigned(1 << (width - 1)))


def value_of_key(key: int, width: int) -> float:
    """The number that an integer stands for."""
    real, unsigned = (np.float32, np.uint32) if width == 32 else (np.float64, np.uint64)
    sign = 1 << (width - 1)
    bits = key ^ sign if key & sign else key ^ ((1 << width) - 1)
    return float(np.array(bits, dtype=unsigned).view(real))


def input_width(chunk: Chunk) -> int:
    """Bits of the type of the inputs."""
    return _width(chunk.inputs.dtype)


def digit_weights(
    chunk: Chunk, prefixes: list[list[int]], shift: int, bits: int, width: int
) -> tuple[Array]:
    """Weight by next digit of the rows that agree with the digits so far: (d, most, 2^bits).

    Each column has as many distinct prefixes, ascending, as it may have: ``most`` at most.
    """
    sums = np.zeros((len(prefixes), max(map(len, prefixes)), 1 << bits))
    for column, of_column, wanted in zip(chunk.inputs.T, sums, prefixes, strict=True):
        keys = ordered_keys(column, width)
        digit = ((keys >> keys.dtype.type(shift)) & keys.dtype.type((1 << bits) - 1)).astype(
            np.intp
        )
        known = np.zeros_like(keys)  # no digit yet: a shift by all bits is undefined
        if shift + bits < width:
            known = keys >> keys.dtype.type(shift + bits)
        wanted = np.array(wanted, dtype=keys.dtype)
        place = np.minimum(np.searchsorted(wanted, known), len(wanted) - 1)
        agree = np.flatnonzero(wanted[place] == known)
        cell = (place[agree] << bits) + digit[agree]
        found = np.bincount(cell, chunk.weight[agree], minlength=len(wanted) << bits)
        of_column[: len(wanted)] = found.reshape(len(wanted), -1)
    return (sums,)


def column_quantiles(rows: Rows, total: float | Array, levels: tuple[float, ...]) -> Array:
    """Weighted inverse-CDF quantiles of every column, (levels, d).

    Parameters
    ----------
    rows : Rows
    total : float or ndarray of shape (d,)
        Sum of the weights; of each column, if it is that of its least values only.
    levels : tuple of float
        Between 0 and 1, ascending.
    """
    width = max(rows.map(input_width))
    at_once = max(1, QUANTILES_AT_ONCE // rows.n_inputs)
    parts = [levels[begin : begin + at_once] for begin in range(0, len(levels), at_once)]
    totals = np.broadcast_to(total, rows.n_inputs)
    return np.concatenate([_quantiles_together(rows, totals, part, width) for part in parts])


def _quantiles_together(rows: Rows, totals: Array, levels: tuple[float, ...], width: int) -> Array:
    """All levels in the same passes."""
    d = rows.n_inputs
    prefixes = [[0] * len(levels) for _ in range(d)]
    below = np.zeros((d, len(levels)))
    shift = width
    while shift > 0:
        bits = min(DIGIT_BITS, shift)
        shift -= bits
        distinct = [sorted(set(prefix)) for prefix in prefixes]
        (sums,) = rows.sum(digit_weights, distinct, shift, bits, width)
        for column in range(d):
            for target, level in enumerate(levels):
                weight = sums[column, distinct[column].index(prefixes[column][target])]
                reached = below[column, target] + np.cumsum(weight)
                wanted = (level - QUANTILE_TIE_TOLERANCE) * totals[column]
                filled = np.flatnonzero(weight)
                # A level within the tolerance of 0 or 1 is reached before the first value, or, by
                # rounding, not by the last one.
                digit = int(np.clip(np.searchsorted(reached, wanted), filled[0], filled[-1]))
                if digit:
                    below[column, target] = reached[digit - 1]
                prefixes[column][target] = (prefixes[column][target] << bits) | digit
    return np.array([[value_of_key(key, width) for key in prefix] for prefix in prefixes]).T
