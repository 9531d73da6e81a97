"""Bins of many values: a table says roughly which, a few comparisons exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.rows.chunks import Array

# Entries of the table: most of them lie within one bin.
ENTRIES = 4096


@dataclass(frozen=True)
class Bins:
    """Bins by where they start, ascending.

    Attributes
    ----------
    starts : ndarray of shape (b,)
    table : int ndarray of shape (2, entries), or None
        The least and the largest number of starts that are at most a value, by the part of the
        range that the value is in; None if starts have no range.
    """

    starts: Array
    table: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.starts)

    def count(self, values: Array) -> NDArray[np.intp]:
        """The number of starts that are at most each of the values."""
        if self.table is None:
            return np.searchsorted(self.starts, values, side="right")
        found = np.empty(len(values), dtype=np.int64)
        starts = kernels.ready(self.starts)
        kernels.bins.count(kernels.ready(values), starts, self.table, found)
        return found


def bins_of(starts: Array) -> Bins:
    """Bins with their table.

    Parameters
    ----------
    starts : ndarray of shape (b,)
        Ascending, distinct.
    """
    width = (starts[-1] - starts[0]) / ENTRIES if len(starts) > 1 else 0.0
    if not (np.isfinite(width) and width > 0):
        return Bins(starts, None)
    edges = starts[0] + width * np.arange(ENTRIES + 1)
    # Rounding may put a value into the next entry.
    least = np.searchsorted(starts, edges[:-1] - 1e-3 * width, side="right")
    most = np.searchsorted(starts, edges[1:] + 1e-3 * width, side="right")
    return Bins(starts, np.array([least, most], dtype=np.int64))
