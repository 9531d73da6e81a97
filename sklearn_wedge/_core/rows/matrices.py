"""Products of matrices with an entry per row of the data, in fixed blocks shared out over threads.

The blocks, and so the rounding, do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels import Threads
from sklearn_wedge._core.rows.chunks import Array

# Rows of the first factor in a block.
BLOCK = 128
# Rows of the data in a block of which two products are taken: they stay in the cache in between.
ROWS_OF_TWO = 2048


def row_blocks(n_rows: int) -> list[slice]:
    """The rows of the data, some at a time."""
    return [slice(begin, begin + ROWS_OF_TWO) for begin in range(0, n_rows, ROWS_OF_TWO)]


def product(first: Array, second: Array, threads: Threads) -> Array:
    """``first @ second.T``, (m, k), of arrays of shapes (m, r) and (k, r)."""
    result = np.empty((len(first), len(second)))

    def work(begin: int) -> None:
        block = slice(begin, begin + BLOCK)
        np.matmul(first[block], second.T, out=result[block])

    threads.map(work, range(0, len(first), BLOCK))
    return result


def gram(rows: Array, threads: Threads) -> Array:
    """``rows @ rows.T``, (m, m): half of it is computed."""
    result = np.empty((len(rows), len(rows)))

    def work(begin: int) -> None:
        block = rows[begin : begin + BLOCK]
        end = begin + len(block)
        left = block @ rows[:begin].T
        result[begin:end, :begin], result[:begin, begin:end] = left, left.T
        # A matrix times its own transpose takes half the time too.
        result[begin:end, begin:end] = block @ block.T

    # The last blocks are the longest.
    threads.map(work, reversed(range(0, len(rows), BLOCK)))
    return result
