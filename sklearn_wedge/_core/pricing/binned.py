"""Binned sweep: every pair of inputs searched over the cells of a grid, in fixed directions.

Along one direction the cells of a pair come in an order that does not depend on the dual point: two
cumulative sums then price, by cells, every line orthogonal to it. The values are approximate. They
tell which pencils are worth a sweep over the samples, no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import SERIAL, Threads, ready
from sklearn_wedge._core.neurons import NeuronClass, Norm, length
from sklearn_wedge._core.pricing.budget import DEFAULT, SearchBudget
from sklearn_wedge._core.pricing.grids import Grids
from sklearn_wedge._core.pricing.pencils import (
    KeptWhileThereIsRoom,
    Pencils,
    PointTable,
    largest_of,
    significant,
    whose_turn,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fan:
    """The cells of a pair of inputs as seen along each of the directions.

    Attributes
    ----------
    weights : ndarray of shape (D, 2)
        Unit normals of the lines.
    order : int ndarray of shape (D, m)
        Cells in ascending order along each direction.
    means : ndarray of shape (2, m)
        Mean position of each cell.
    """

    weights: Array
    order: NDArray[np.uint16]
    means: Array

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return self.weights.nbytes + self.order.nbytes + self.means.nbytes

    def best(self, sums: Array, directions: NDArray | None) -> tuple[Array, NDArray[np.intp]]:
        """The best line in every direction: its approximate value, (D,), and a cell on it, (D,).

        Parameters
        ----------
        sums : ndarray of shape (q, 3, m)
            ``Σ v``, and ``Σ v x`` of both inputs, over each cell.
        directions : ndarray of shape (2,), or None
            Those in which the inputs are constrained (one output only).
        """
        values, cells = np.empty(len(self.weights)), np.empty(len(self.weights), dtype=np.int64)
        directions = np.empty(0) if directions is None else ready(directions)
        kernels.fans.best_lines(
            self.weights, self.order, self.means, ready(sums), directions, values, cells
        )
        return values, cells


def monotone_values(weights: Array, directions: NDArray, behind: Array, before: Array) -> Array:
    """Values with coefficients of the sign that the weights require; at least 0."""
    if not directions.any():
        return np.maximum(np.abs(behind), np.abs(before))
    agreement = np.tensordot(directions, np.sign(weights), 1)
    # A line whose weights partly follow their directions and partly oppose them is not monotone.
    agreement = np.where(np.abs(agreement) < np.abs(directions).sum(), 0.0, np.sign(agreement))
    return np.maximum(np.maximum(agreement * before, -agreement * behind), 0.0)


def fan_of(means: Array, scale: Array, norm: Norm, directions: int = DEFAULT.directions) -> Fan:
    """Directions evenly spread where both inputs have the same scale.

    Parameters
    ----------
    means : ndarray of shape (2, m)
        Mean position of each cell.
    scale : ndarray of shape (2,)
        Of the inputs.
    norm : {"l1", "l2"}
        The norm in which weights have unit length.
    directions : int
        How many.
    """
    angles = (np.arange(directions) + 0.5) * np.pi / directions
    weights = np.column_stack([np.cos(angles), np.sin(angles)]) / scale
    weights /= length(weights, norm)[:, None]
    positions = weights @ means
    # Rounded: cells at one position come in canonical order.
    order = np.argsort(significant(positions), axis=1, kind="stable")
    return Fan(weights, order.astype(np.uint16), ready(means))


class BinnedPairs:
    """Fans of pairs of inputs; built once, used for every dual point.

    Parameters
    ----------
    table : PointTable
    neuron_class : NeuronClass
        Its norm and its constraints.
    threads : Threads
        Over which pairs are shared out.
    budget : SearchBudget
        Cells, directions and pairs of a round.
    """

    def __init__(
        self,
        table: PointTable,
        neuron_class: NeuronClass,
        threads: Threads = SERIAL,
        budget: SearchBudget = DEFAULT,
    ):
        self.budget = budget
        self.table = table
        self.threads = threads
        self.neuron_class = neuron_class
        self.grids = Grids(table, budget.coarse_bins, budget.bytes_of_one_cache // 2)
        self.pairs = neuron_class.input_pairs(table.varying_inputs())
        self._scale = table.columns.std(axis=1)
        self._fans = KeptWhileThereIsRoom(budget.bytes_of_one_cache)

    def propose(self, dual: Array, promise: Array, round_number: int, at_most: int) -> Pencils:
        """Pencils of order 2 that are likely to have good hyperplanes, best first.

        Parameters
        ----------
        dual : ndarray of shape (p, q)
            Dual point on the points, summing to zero.
        promise : ndarray of shape (d,)
            Larger for inputs that are more likely to matter (their best hinge).
        round_number : int
            Which of the less promising pairs have their turn, if not all are looked at.
        at_most : int
            How many.
        """
        pairs = self._whose_turn(promise, round_number, dual.shape[1])
        if len(pairs) == 0:
            return Pencils(np.empty((0, 2), dtype=np.intp), np.empty((0, 1), dtype=np.intp))
        outputs = ready(dual.T)
        named = [(int(k), int(j)) for k, j in pairs]
        found = self.threads.map(lambda pair: self._best_by_direction(pair, outputs), named)
        of_pair, cell = best_cells(found, at_most, self.budget.kept_per_pair)
        points = [
            self.grids.cells(named[k]).representatives(round_number, [c])
            for k, c in zip(of_pair, cell, strict=True)
        ]
        return Pencils(pairs[of_pair], np.array(points, dtype=np.intp).reshape(-1, 1))

    def _best_by_direction(
        self, pair: tuple[int, int], dual: Array
    ) -> tuple[Array, NDArray[np.intp]]:
        """The largest value in every direction, (D,), and the cell that the line passes through."""
        fan, cells = self._fans.get(pair, self._fan_of), self.grids.cells(pair)
        monotone = self.neuron_class.monotone
        directions = None if monotone is None else np.array([monotone[k] for k in pair])
        return fan.best(cells.sums(dual, self.table.columns[list(pair)]), directions)

    def _fan_of(self, pair: tuple[int, int]) -> Fan:
        cells, columns = self.grids.cells(pair), self.table.columns[list(pair)]
        means = cells.sums(np.ones((1, self.table.n_points)), columns)[0, 1:] / cells.count
        return fan_of(
            means, self._scale[list(pair)], self.neuron_class.norm, self.budget.directions
        )

    def _whose_turn(self, promise: Array, round_number: int, n_outputs: int) -> NDArray[np.intp]:
        """The most promising pairs, (k, 2), and, in turn, all the others."""
        budget = self.budget
        of_fan = budget.coarse_bins**2 * budget.directions
        steps = n_outputs * (of_fan + self.table.n_points)
        at_most = max(budget.least_pairs, budget.steps_per_fan_round // steps)
        if len(self.pairs) <= at_most:
            return self.pairs
        promise = significant(promise)
        score = promise[self.pairs[:, 0]] + promise[self.pairs[:, 1]]
        best = largest_of(score, at_most // 2)
        others = np.delete(np.arange(len(self.pairs)), best)
        turn = others[whose_turn(len(others), at_most // 2, round_number)]
        return self.pairs[np.concatenate([best, turn])]


def best_cells(
    found: list[tuple[Array, NDArray[np.intp]]],
    at_most: int,
    kept_per_pair: int = DEFAULT.kept_per_pair,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs and cells of the best lines, best first, from what ``Fan.best`` gives for each pair."""
    values, cells = (np.array(part) for part in zip(*found, strict=True))
    of_pair, direction = peaks(values, kept_per_pair)
    best = np.argsort(-significant(values[of_pair, direction]), kind="stable")[:at_most]
    return of_pair[best], cells[of_pair, direction][best]


def peaks(values: Array, at_most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs and directions whose value, (k, D), beats those of both next directions.

    At most so many of each pair, the largest first; half a turn further a line is the same.
    """
    rounded = significant(values)
    next_one, last_one = np.roll(rounded, -1, axis=1), np.roll(rounded, 1, axis=1)
    rounded[(rounded < last_one) | (rounded <= next_one)] = 0.0
    direction = np.argsort(-rounded, axis=1, kind="stable")[:, :at_most]
    of_pair, rank = np.nonzero(np.take_along_axis(rounded, direction, axis=1))
    return of_pair, direction[of_pair, rank]
