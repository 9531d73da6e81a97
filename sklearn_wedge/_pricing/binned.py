"""Binned sweep: every pair of inputs searched on a coarse grid of cells, at a cost free of n.

The value of a hyperplane needs, of the cells that it does not cut, only the sums of ``v`` and
``v x``. These are three weighted histograms per pair; the sweep then runs over cells instead of
samples. The values are approximate: they propose and are priced again on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._pricing.pencils import Hyperplanes, Pencils, PointTable, significant
from sklearn_wedge._pricing.sweep import sweep_pencils

Array = NDArray[np.float64]

# Cells per input: all pencils through the cells of a pair take (BINS²)² steps at most.
BINS = 16
# Pairs of inputs searched in one round: the most promising ones and, in turn, all the others.
PAIRS_PER_ROUND = 64
# Hyperplanes proposed from each pair.
KEPT_PER_PAIR = 6
# Multiples of it are spread evenly modulo 1.
GOLDEN_RATIO = (5**0.5 - 1) / 2


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

    cell_of_point: NDArray[np.int32]
    order: NDArray[np.int32]
    starts: NDArray[np.intp]
    count: NDArray[np.intp]

    def representatives(self, round_number: int) -> NDArray[np.intp]:
        """A point of each cell: another one every round, spread evenly over the cell."""
        share = (round_number + 1) * GOLDEN_RATIO % 1.0
        return self.order[self.starts + (share * self.count).astype(np.intp)].astype(np.intp)


def quantile_bins(values: Array, n_bins: int) -> NDArray[np.int32]:
    """Bin of each value: one per distinct value if there are few, else of equal numbers."""
    distinct = np.unique(values)
    if len(distinct) > n_bins:
        ordered = np.sort(values)
        distinct = np.unique(ordered[np.arange(n_bins) * len(ordered) // n_bins])
    return (np.searchsorted(distinct, values, side="right") - 1).astype(np.int32)


class BinnedPairs:
    """Grids of all pairs of inputs over the points; built once, used for every dual point.

    Parameters
    ----------
    table : PointTable
    """

    def __init__(self, table: PointTable):
        self.table = table
        self.inputs = table.varying_inputs()
        self._bins = {int(k): quantile_bins(table.columns[k], BINS) for k in self.inputs}
        self._cells: dict[tuple[int, int], Cells] = {}

    def cells(self, pair: tuple[int, int]) -> Cells:
        """The grid of one pair of inputs."""
        if pair not in self._cells:
            grid = self._bins[pair[0]] * BINS + self._bins[pair[1]]
            _, cell, count = np.unique(grid, return_inverse=True, return_counts=True)
            order = np.argsort(cell, kind="stable").astype(np.int32)
            starts = np.cumsum(count) - count
            self._cells[pair] = Cells(cell.astype(np.int32), order, starts, count)
        return self._cells[pair]

    def propose(self, dual: Array, promise: Array, round_number: int) -> Hyperplanes:
        """Good hyperplanes of order 2 among all those through two cells of a grid.

        Parameters
        ----------
        dual : ndarray of shape (p, q)
            Dual point on the points, summing to zero.
        promise : ndarray of shape (d,)
            Larger for inputs that are more likely to matter (their best hinge).
        round_number : int
            Which of the less promising pairs have their turn.
        """
        parts = [Hyperplanes.empty(2)]
        for pair in self._pairs(promise, round_number):
            points = self.cells(pair).representatives(round_number)
            values, events = self._sweep(pair, dual, points)
            # A hyperplane through two cells is found from both.
            corners = np.sort(np.column_stack([points, points[events]]), axis=1)
            first = np.sort(np.unique(corners, axis=0, return_index=True)[1])
            first = first[values[first] > 0]
            inputs = np.tile(np.array(pair, dtype=np.intp), (len(first), 1))
            parts.append(Hyperplanes(inputs, corners[first], values[first]).best(KEPT_PER_PAIR))
        return Hyperplanes.concatenate(parts, order=2)

    def _pairs(self, promise: Array, round_number: int) -> list[tuple[int, int]]:
        pairs = [(int(k), int(j)) for k, j in combinations(self.inputs, 2)]
        if len(pairs) <= PAIRS_PER_ROUND:
            return pairs
        promise = significant(promise)
        score = np.array([promise[k] + promise[j] for k, j in pairs])
        ranking = np.argsort(-score, kind="stable")
        half = PAIRS_PER_ROUND // 2
        others = np.sort(ranking[half:])
        turn = (np.arange(half) + round_number * half) % len(others)
        return [pairs[k] for k in np.concatenate([ranking[:half], others[turn]])]

    def _sweep(
        self, pair: tuple[int, int], dual: Array, representatives: NDArray[np.intp]
    ) -> tuple[Array, NDArray[np.intp]]:
        """Per cell, the best value of a hyperplane through it and another cell, and which one."""
        cell_of_point, n_cells = self.cells(pair).cell_of_point, len(representatives)

        def histogram(values: Array) -> Array:
            return np.bincount(cell_of_point, values, minlength=n_cells)

        columns = self.table.columns[list(pair)]
        summed = np.array([histogram(v) for v in dual.T])
        moments = np.array([[histogram(v * column) for column in columns] for v in dual.T])
        positions = np.ascontiguousarray(columns[:, representatives])
        pencils = Pencils(
            np.broadcast_to(np.arange(2), (n_cells, 2)), np.arange(n_cells, dtype=np.intp)[:, None]
        )
        return sweep_pencils(positions, summed, pencils, moments)
