"""Binned sweep: pairs of inputs searched on a grid of cells, at a cost almost free of n.

The value of a hyperplane needs, of the cells that it does not cut, only the sums of ``v`` and
``v x``. These are three weighted histograms per pair; the sweep then runs over cells instead of
samples. The values are approximate: they propose and are priced again on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._neurons import NeuronClass
from sklearn_wedge._pricing.pencils import (
    Hyperplanes,
    KeptWhileThereIsRoom,
    Pencils,
    PointTable,
    significant,
    whose_turn,
)
from sklearn_wedge._pricing.sweep import completed, sweep_pencils

Array = NDArray[np.float64]

# Cells per input: all pencils through the cells of a pair take (BINS²)² steps at most.
BINS = 16
# Cells per input for pencils that are given: they are few, and the grid may be finer.
FINE_BINS = 48
# Bytes of grids kept between pricings.
GRID_CACHE_BYTES = 256 * 2**20
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

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        arrays = (self.cell_of_point, self.order, self.starts, self.count)
        return sum(array.nbytes for array in arrays)

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
    """Grids of pairs of inputs over the points; built once, used for every dual point.

    Parameters
    ----------
    table : PointTable
    neuron_class : NeuronClass
        Its norm, its constraints, and whether hyperplanes between two cells count.
    n_bins : int
        Cells per input.
    """

    def __init__(self, table: PointTable, neuron_class: NeuronClass, n_bins: int = BINS):
        self.table = table
        self.neuron_class = neuron_class
        self.n_bins = n_bins
        self.inputs = table.varying_inputs()
        self._bins = {int(k): quantile_bins(table.columns[k], n_bins) for k in self.inputs}
        self._cells = KeptWhileThereIsRoom(GRID_CACHE_BYTES)

    def cells(self, pair: tuple[int, int]) -> Cells:
        """The grid of one pair of inputs."""
        return self._cells.get(pair, self._cells_of)

    def _cells_of(self, pair: tuple[int, int]) -> Cells:
        grid = self._bins[pair[0]] * self.n_bins + self._bins[pair[1]]
        _, cell, count = np.unique(grid, return_inverse=True, return_counts=True)
        order = np.argsort(cell, kind="stable").astype(np.int32)
        return Cells(cell.astype(np.int32), order, np.cumsum(count) - count, count)

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
            found = self._sweep(pair, dual, points, np.arange(len(points)))
            # A hyperplane through two cells is found from both.
            low, high = np.sort(found.points, axis=1).T
            once = np.unique(low * self.table.n_points + high, return_index=True)[1]
            parts.append(found.take(np.sort(once)).best(KEPT_PER_PAIR))
        return Hyperplanes.concatenate(parts, order=2)

    def _pairs(self, promise: Array, round_number: int) -> list[tuple[int, int]]:
        pairs = [(int(k), int(j)) for k, j in self.neuron_class.input_sets(self.inputs, 2)]
        if len(pairs) <= PAIRS_PER_ROUND:
            return pairs
        promise = significant(promise)
        score = np.array([promise[k] + promise[j] for k, j in pairs])
        ranking = np.argsort(-score, kind="stable")
        half = PAIRS_PER_ROUND // 2
        others = np.sort(ranking[half:])
        turn = others[whose_turn(len(others), half, round_number)]
        return [pairs[k] for k in np.concatenate([ranking[:half], turn])]

    def around(self, pencils: Pencils, dual: Array, round_number: int) -> Hyperplanes:
        """The best hyperplane, by cells, of each of these pencils of order 2."""
        pencils = pencils.distinct()
        if len(pencils) == 0:
            return Hyperplanes.empty(2)
        parts = []
        starts = np.flatnonzero(np.any(np.diff(pencils.inputs, axis=0, prepend=-1), axis=1))
        for rows in np.split(np.arange(len(pencils)), starts[1:]):
            pair = (int(pencils.inputs[rows[0], 0]), int(pencils.inputs[rows[0], 1]))
            cells = self.cells(pair).representatives(round_number)
            points = np.concatenate([cells, pencils.points[rows, 0]])
            pivots = len(cells) + np.arange(len(rows))
            parts.append(self._sweep(pair, dual, points, pivots))
        return Hyperplanes.concatenate(parts, order=2)

    def _sweep(
        self, pair: tuple[int, int], dual: Array, points: NDArray[np.intp], pivots: NDArray
    ) -> Hyperplanes:
        """Per pivot, the best hyperplane through it, by cells.

        ``points`` are the representatives of the cells, then any others; ``pivots`` are indices
        into them.
        """
        cell_of_point = self.cells(pair).cell_of_point

        def histogram(values: Array) -> Array:
            return np.bincount(cell_of_point, values, minlength=len(points))

        columns = self.table.columns[list(pair)]
        summed = np.array([histogram(v) for v in dual.T])
        moments = np.array([[histogram(v * column) for column in columns] for v in dual.T])
        positions = np.ascontiguousarray(columns[:, points])
        both = np.broadcast_to(np.arange(2), (len(pivots), 2))
        pencils = Pencils(both, pivots[:, None])
        own_class = self.neuron_class.within(pair)
        swept = sweep_pencils(positions, summed, pencils, own_class, moments)
        found = completed(pencils, swept)
        return replace(
            found,
            inputs=np.asarray(pair, dtype=np.intp)[found.inputs],
            points=np.where(found.points >= 0, points[found.points], -1),
        )
