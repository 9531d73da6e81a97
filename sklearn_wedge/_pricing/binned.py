"""Binned sweep: every pair of inputs searched over the cells of a grid, in fixed directions.

Along one direction the cells of a pair come in an order that does not depend on the dual point: two
cumulative sums then price, by cells, every line orthogonal to it. The values are approximate. They
tell which pencils are worth a sweep over the samples, no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._neurons import NeuronClass, Norm, length
from sklearn_wedge._pricing.grids import Grids
from sklearn_wedge._pricing.pencils import (
    KeptWhileThereIsRoom,
    Pencils,
    PointTable,
    first_of_best,
    row_starts,
    significant,
    whose_turn,
)

Array = NDArray[np.float64]

# Cells per input, and directions, spread over half a turn.
BINS = 24
DIRECTIONS = 32
# Cells × directions and points, over all pairs, looked at in one round; a minimum of pairs.
STEPS_PER_ROUND = 20_000_000
PAIRS_PER_ROUND = 64
# Bytes of fans kept between pricings: those of about 2,400 pairs.
FAN_CACHE_BYTES = 512 * 2**20
# Pencils proposed from each pair.
KEPT_PER_PAIR = 6


@dataclass(frozen=True)
class Fan:
    """The cells of a pair of inputs as seen along each of the directions.

    Attributes
    ----------
    weights : ndarray of shape (D, 2)
        Unit normals of the lines.
    places : int ndarray of shape (D, m)
        Cells in ascending order along each direction: where direction ``k`` and cell ``c`` are in
        an array of shape (D, m).
    positions : ndarray of shape (D, m)
        Where their means lie, in that order.
    """

    weights: Array
    places: NDArray[np.int32]
    positions: Array

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return self.weights.nbytes + self.places.nbytes + self.positions.nbytes

    def best(
        self, sums: Array, moments: Array, directions: NDArray | None
    ) -> tuple[Array, NDArray[np.int32]]:
        """The largest value in every direction, (D,), and the cell that the line passes through.

        The arguments are those of ``values``.
        """
        values = self.values(sums, moments, directions)
        ranks = first_of_best(values)
        cells = self.places[np.arange(len(ranks)), ranks] % values.shape[1]
        return values.max(axis=1), cells

    def values(self, sums: Array, moments: Array, directions: NDArray | None) -> Array:
        """Approximate values of the lines through every cell in every direction, (D, m).

        Parameters
        ----------
        sums : ndarray of shape (q, m)
            ``Σ v`` over each cell.
        moments : ndarray of shape (q, 2, m)
            ``Σ v x`` over each cell.
        directions : ndarray of shape (2,), or None
            Those in which the inputs are constrained (one output only).
        """
        sides = [self._sides(*of_output) for of_output in zip(sums, moments, strict=True)]
        if directions is not None:
            return monotone_values(self.weights.T[:, :, None], directions, *sides[0])
        if len(sides) == 1:
            return np.maximum(*map(np.abs, sides[0]))
        squares = (sum(side**2 for side in of_outputs) for of_outputs in zip(*sides, strict=True))
        return np.sqrt(np.maximum(*squares))

    def _sides(self, sums: Array, moments: Array) -> tuple[Array, Array]:
        """``Σ v (t - w·x)`` over the cells behind each line; ``Σ v (w·x - t)`` over the others."""
        # One sum of complex numbers: it takes as long as a sum of only one of the two parts.
        cells = np.empty(self.places.shape, dtype=complex)
        cells.real = sums
        np.matmul(self.weights, moments, out=cells.imag)
        behind = np.cumsum(cells.take(self.places), axis=1)
        along = behind.imag
        falling = behind.real * self.positions
        falling -= along
        return falling, falling + along[:, -1:]


def monotone_values(weights: Array, directions: NDArray, behind: Array, before: Array) -> Array:
    """Values with coefficients of the sign that the weights require; at least 0."""
    if not directions.any():
        return np.maximum(np.abs(behind), np.abs(before))
    agreement = np.tensordot(directions, np.sign(weights), 1)
    # A line whose weights partly follow their directions and partly oppose them is not monotone.
    agreement = np.where(np.abs(agreement) < np.abs(directions).sum(), 0.0, np.sign(agreement))
    return np.maximum(np.maximum(agreement * before, -agreement * behind), 0.0)


def fan_of(means: Array, scale: Array, norm: Norm) -> Fan:
    """Directions evenly spread where both inputs have the same scale.

    Parameters
    ----------
    means : ndarray of shape (2, m)
        Mean position of each cell.
    scale : ndarray of shape (2,)
        Of the inputs.
    norm : {"l1", "l2"}
        The norm in which weights have unit length.
    """
    angles = (np.arange(DIRECTIONS) + 0.5) * np.pi / DIRECTIONS
    weights = np.column_stack([np.cos(angles), np.sin(angles)]) / scale
    weights /= length(weights, norm)[:, None]
    positions = weights @ means
    # Rounded: cells at one position come in canonical order.
    order = np.argsort(significant(positions), axis=1, kind="stable")
    places = order + row_starts(order)
    return Fan(weights, places.astype(np.int32), positions.take(places))


class BinnedPairs:
    """Fans of pairs of inputs; built once, used for every dual point.

    Parameters
    ----------
    table : PointTable
    neuron_class : NeuronClass
        Its norm and its constraints.
    """

    def __init__(self, table: PointTable, neuron_class: NeuronClass):
        self.table = table
        self.neuron_class = neuron_class
        self.grids = Grids(table, BINS)
        inputs = [int(k) for k in table.varying_inputs()]
        self.pairs = list(neuron_class.input_sets(inputs, 2))
        self._scale = table.columns.std(axis=1)
        self._fans = KeptWhileThereIsRoom(FAN_CACHE_BYTES)

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
        moments = np.array([v * self.table.columns for v in dual.T])
        found = [self._best_by_direction(pair, dual, moments) for pair in pairs]
        of_pair, cell = best_cells(found, at_most)
        points = [
            self.grids.cells(pairs[k]).representatives(round_number, [c])
            for k, c in zip(of_pair, cell, strict=True)
        ]
        return Pencils(np.array(pairs)[of_pair], np.array(points, dtype=np.intp).reshape(-1, 1))

    def _best_by_direction(
        self, pair: tuple[int, int], dual: Array, moments: Array
    ) -> tuple[Array, NDArray[np.int32]]:
        """The largest value in every direction, (D,), and the cell that the line passes through."""
        fan, cells = self._fans.get(pair, self._fan_of), self.grids.cells(pair)
        sums = np.array([cells.sums(v) for v in dual.T])
        first = np.array([[cells.sums(moment[k]) for k in pair] for moment in moments])
        monotone = self.neuron_class.monotone
        directions = None if monotone is None else np.array([monotone[k] for k in pair])
        return fan.best(sums, first, directions)

    def _fan_of(self, pair: tuple[int, int]) -> Fan:
        cells, columns = self.grids.cells(pair), self.table.columns[list(pair)]
        means = np.array([cells.sums(column) for column in columns]) / cells.count
        return fan_of(means, self._scale[list(pair)], self.neuron_class.norm)

    def _whose_turn(
        self, promise: Array, round_number: int, n_outputs: int
    ) -> list[tuple[int, int]]:
        """The most promising pairs and, in turn, all the others."""
        steps = n_outputs * (BINS**2 * DIRECTIONS + self.table.n_points)
        at_most = max(PAIRS_PER_ROUND, STEPS_PER_ROUND // steps)
        if len(self.pairs) <= at_most:
            return self.pairs
        promise = significant(promise)
        score = np.array([promise[k] + promise[j] for k, j in self.pairs])
        ranking = np.argsort(-score, kind="stable")
        half = at_most // 2
        others = np.sort(ranking[half:])
        turn = others[whose_turn(len(others), half, round_number)]
        return [self.pairs[k] for k in np.concatenate([ranking[:half], turn])]


def best_cells(
    found: list[tuple[Array, NDArray[np.int32]]], at_most: int
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Pairs and cells of the best lines, best first, from what ``Fan.best`` gives for each pair."""
    values, cells = (np.array(part) for part in zip(*found, strict=True))
    of_pair, direction = peaks(values)
    best = np.argsort(-significant(values[of_pair, direction]), kind="stable")[:at_most]
    return of_pair[best], cells[of_pair, direction][best]


def peaks(values: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs and directions whose value, (k, D), beats those of both next directions.

    At most so many of each pair, the largest first; half a turn further a line is the same.
    """
    rounded = significant(values)
    next_one, last_one = np.roll(rounded, -1, axis=1), np.roll(rounded, 1, axis=1)
    rounded[(rounded < last_one) | (rounded <= next_one)] = 0.0
    direction = np.argsort(-rounded, axis=1, kind="stable")[:, :KEPT_PER_PAIR]
    of_pair, rank = np.nonzero(np.take_along_axis(rounded, direction, axis=1))
    return of_pair, direction[of_pair, rank]
