"""Exact quantiles of columns whose rows are read in blocks.

The bits of a floating-point number, read as an integer, order it as its value does (once the
negative ones are turned round). A quantile is found digit by digit of this integer: each pass sums
the weights of the rows that agree with the digits found so far by their next digit. Nothing is
sorted, the number of passes is fixed, and the result is one of the values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._samples import QUANTILE_TIE_TOLERANCE
from sklearn_wedge._streaming.blocks import Array, Block, RowBlocks

DIGIT_BITS = 11


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


def input_width(block: Block) -> int:
    """Bits of the type of the inputs."""
    return _width(block.inputs.dtype)


def digit_weights(
    block: Block, prefixes: list[list[int]], shift: int, bits: int, width: int
) -> tuple[Array]:
    """Weight by next digit of the rows that agree with the digits so far: (d, targets, 2^bits)."""
    sums = np.zeros((len(prefixes), len(prefixes[0]), 1 << bits))
    for column, of_column, prefix in zip(block.inputs.T, sums, prefixes, strict=True):
        keys = ordered_keys(column, width)
        digit = ((keys >> keys.dtype.type(shift)) & keys.dtype.type((1 << bits) - 1)).astype(
            np.intp
        )
        if shift + bits >= width:  # no digit is known yet: the same for all targets
            of_column[:] = np.bincount(digit, block.weight, minlength=1 << bits)
            continue
        known = keys >> keys.dtype.type(shift + bits)
        for target, wanted in enumerate(prefix):
            agree = np.flatnonzero(known == wanted)
            of_column[target] = np.bincount(digit[agree], block.weight[agree], minlength=1 << bits)
    return (sums,)


def column_quantiles(blocks: RowBlocks, total: float, levels: tuple[float, ...]) -> Array:
    """Weighted inverse-CDF quantiles of every column, (levels, d).

    Parameters
    ----------
    blocks : RowBlocks
    total : float
        Sum of the weights.
    levels : tuple of float
        Between 0 and 1.
    """
    width = max(blocks.map(input_width))
    d = blocks.n_inputs
    prefixes = [[0] * len(levels) for _ in range(d)]
    below = np.zeros((d, len(levels)))
    shift = width
    while shift > 0:
        bits = min(DIGIT_BITS, shift)
        shift -= bits
        (sums,) = blocks.sum(digit_weights, prefixes, shift, bits, width)
        for column in range(d):
            for target, level in enumerate(levels):
                weight = sums[column, target]
                reached = below[column, target] + np.cumsum(weight)
                wanted = (level - QUANTILE_TIE_TOLERANCE) * total
                filled = np.flatnonzero(weight)
                # A level within the tolerance of 0 or 1 is reached before the first value, or, by
                # rounding, not by the last one.
                digit = int(np.clip(np.searchsorted(reached, wanted), filled[0], filled[-1]))
                if digit:
                    below[column, target] = reached[digit - 1]
                prefixes[column][target] = (prefixes[column][target] << bits) | digit
    return np.array([[value_of_key(key, width) for key in prefix] for prefix in prefixes]).T
