"""Quantile grids over pairs of inputs: what is far from a hyperplane needs no sample of its own.

The value of a hyperplane needs, of the cells that it does not cut, only the sums of ``v`` and
``v x``: three weighted histograms per pair and output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import ready
from sklearn_wedge._core.pricing.budget import DEFAULT
from sklearn_wedge._core.pricing.pencils import KeptWhileThereIsRoom, PointTable

Array = NDArray[np.float64]

# Multiples of it are spread evenly modulo 1.
GOLDEN_RATIO = (5**0.5 - 1) / 2
# Of sums of shares.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Cells:
    """Occupied cells of a quantile grid in two inputs.

    Attributes
    ----------
    cell_of_point : int ndarray of shape (p,)
        The cell that each point lies in.
    order : int ndarray of shape (p,)
        Points by cell; ``starts``, of shape (m,), is where each cell begins in it and ``count`` how
        many points it has.
    """

    cell_of_point: NDArray[np.uint16]
    order: NDArray[np.int32]
    starts: NDArray[np.intp]
    count: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        arrays = (self.cell_of_point, self.order, self.starts, self.count)
        return sum(array.nbytes for array in arrays)

    def representatives(
        self, round_number: int, cells: NDArray[np.intp] | slice = slice(None)
    ) -> NDArray[np.intp]:
        """A point of each cell: another one every round, spread evenly over the cell."""
        share = (round_number + 1) * GOLDEN_RATIO % 1.0
        places = self.starts[cells] + (share * self.count[cells]).astype(np.intp)
        return self.order[places].astype(np.intp)

    def sums(self, dual: Array, columns: Array) -> Array:
        """``Σ v`` and, of both inputs by columns, (2, p), ``Σ v x`` over each cell: (q, 3, m).

        ``dual`` has shape (q, p).
        """
        found = np.empty((len(dual), 3, len(self)))
        kernels.fans.cell_sums(self.cell_of_point, ready(dual), *map(ready, columns), found)
        return found


def bin_starts(values: Array, n_bins: int) -> Array:
    """Least value of each bin: one per distinct value if there are few, else of equal shares.

    Half of a share is of rows and half of their distances from the mean: what a cell that a
    hyperplane cuts is priced wrong by grows with its rows and with its size, and long tails are
    large. A value that alone has more than a share fills one bin, and the others are shared by the
    rest: of an input that is zero in most rows, all but one bin tell apart what is not.
    """
    distinct, count = np.unique(values, return_counts=True)
    if len(distinct) <= n_bins:
        return distinct
    # Sums of values themselves may overflow.
    scaled = distinct / np.abs(distinct).max()
    far = count * np.abs(scaled - count @ scaled / len(values))
    weight = count / len(values) + far / far.sum()
    full = _equal_share(weight, n_bins)
    # By as much as rounding, so that a value that fills a bin leaves none of it to the next.
    edges = (1 + ROUNDING) * full * np.arange(n_bins)
    first = np.searchsorted(np.cumsum(np.minimum(weight, full)), edges, side="right")
    return distinct[np.unique(first[first < len(distinct)])]


def _equal_share(weight: Array, n_bins: int) -> float:
    """The share at which so many bins are filled, none more than once by one value."""
    descending = np.sort(weight)[::-1][:n_bins]
    others = weight.sum() - np.cumsum(descending) + descending
    share = others / np.arange(n_bins, 0, -1)
    return float(share[np.argmin(descending > share)])


def quantile_bins(values: Array, n_bins: int) -> NDArray[np.int32]:
    """Bin of each value; see ``bin_starts``."""
    starts = bin_starts(values, n_bins)
    return (np.searchsorted(starts, values, side="right") - 1).astype(np.int32)


class Grids:
    """Grids of pairs of inputs over the points; built once, used for every dual point.

    Parameters
    ----------
    table : PointTable
    n_bins : int
        Cells per input.
    cache_bytes : int
        Of grids kept between pricings.
    """

    def __init__(
        self, table: PointTable, n_bins: int, cache_bytes: int = DEFAULT.bytes_of_one_cache // 2
    ):
        self.table = table
        self.n_bins = n_bins
        self._bins: dict[int, NDArray[np.int32]] = {}
        self._cells = KeptWhileThereIsRoom(cache_bytes)

    def cells(self, pair: tuple[int, int]) -> Cells:
        """The grid of one pair of inputs."""
        return self._cells.get(pair, self._cells_of)

    def _bins_of(self, k: int) -> NDArray[np.int32]:
        """Those of an input, when they are first needed: fits by local moves need none."""
        if k not in self._bins:
            self._bins[k] = quantile_bins(self.table.columns[k], self.n_bins)
        return self._bins[k]

    def _cells_of(self, pair: tuple[int, int]) -> Cells:
        grid = self._bins_of(pair[0]) * self.n_bins + self._bins_of(pair[1])
        count = np.bincount(grid)
        occupied = np.flatnonzero(count)
        number = np.zeros(len(count), dtype=np.uint16)
        number[occupied] = np.arange(len(occupied))
        cell, count = number[grid], count[occupied]
        order = np.argsort(cell, kind="stable").astype(np.int32)  # by radix: they are of 16 bits
        return Cells(cell, order, np.cumsum(count) - count, count)
