"""Rejection ascent: under l2, from a hyperplane to a better one of any direction. It proposes.

With the active set of a hyperplane through a sample ``x_j`` the value is ``g·u`` with the moment
``g = Σ v_i (x_i - x_j)`` over the active samples, largest for ``u`` along ``g``: take that
direction, then the best sample to pass through, and so on. With few inputs per neuron, ``g`` keeps
its largest components. All steps are products of matrices and sorts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import SERIAL, Threads, ready
from sklearn_wedge._core.kernels.rounding import TIE
from sklearn_wedge._core.neurons import NEGLIGIBLE_WEIGHT, NeuronClass, inputs_in_use
from sklearn_wedge._core.pricing.budget import DEFAULT, SearchBudget
from sklearn_wedge._core.pricing.pencils import Hyperplanes, PointTable, first_of_equal_rows
from sklearn_wedge._core.pricing.sweep import ascending_order

Array = NDArray[np.float64]

# Directions × points in one batch.
BATCH_SIZE = 500_000
# Entries of the points from which on a climb multiplies in single precision: products with them
# take nearly all of its time then. Where it ends is looked at in double precision.
LARGE = 2**20
# Decimals to which directions agree that count as one.
SAME_PLACE = 6


@dataclass(frozen=True)
class _Climb:
    """Where climbs are: unit directions (m, d), values (m,), moments (m, d) on the active side."""

    directions: Array
    values: Array
    moments: Array

    def take(self, which: NDArray) -> _Climb:
        """Those at these indices (or where a mask is true)."""
        return _Climb(self.directions[which], self.values[which], self.moments[which])

    def put(self, which: NDArray, other: _Climb) -> _Climb:
        """These with others at some indices."""
        directions, values, moments = (
            self.directions.copy(),
            self.values.copy(),
            self.moments.copy(),
        )
        directions[which], values[which] = other.directions, other.values
        moments[which] = other.moments
        return _Climb(directions, values, moments)


def _at_best_offsets(points: Array, dual: Array, directions: Array, offsets: int) -> _Climb:
    """Hyperplanes with these normals at the best of some offsets, on the better side."""
    reach = _product(directions, points.T)
    values, edges = np.empty((2, len(reach)))
    active = np.empty((dual.shape[1], *reach.shape))
    kernels.offsets.best_edges(reach, ready(dual.T), offsets, values, edges, active)
    sign = np.copysign(1.0, values)[:, None]
    moments = _product(active, points)
    # Relative to a point of the hyperplane; the active mass is next to nothing at a best offset.
    moments -= active.sum(axis=2)[:, :, None] * (directions * edges[:, None])
    directions = sign * directions
    return _Climb(directions, np.abs(values), _leading(moments, directions))


def _product(first: Array, points: NDArray) -> Array:
    """A product with the points, in their precision."""
    return (first.astype(points.dtype, copy=False) @ points).astype(np.float64, copy=False)


def _leading(moments: Array, directions: Array) -> Array:
    """Leading left singular vector of each ``G`` (q, m, d), on the side of the direction."""
    if len(moments) == 1:
        leading = moments[0]
    else:
        leading = np.linalg.svd(moments.transpose(1, 2, 0), full_matrices=False)[0][:, :, 0]
    sign = np.where((leading * directions).sum(axis=1) < 0, -1.0, 1.0)
    return sign[:, None] * leading


def _largest(vectors: Array, order: int) -> Array:
    """The ``order`` largest components of each row, zeros elsewhere."""
    if order >= vectors.shape[1]:
        return vectors
    largest = np.argsort(-np.abs(vectors), axis=1, kind="stable")[:, :order]
    kept = np.zeros_like(vectors)
    np.put_along_axis(kept, largest, np.take_along_axis(vectors, largest, axis=1), axis=1)
    return kept


def _largest_that_go_together(vectors: Array, neuron_class: NeuronClass) -> Array:
    """Of each row the ``order`` largest components in the group in which they are longest."""
    vectors = _one_of_a_kind(vectors, neuron_class)
    if neuron_class.groups is None:
        return _largest(vectors, neuron_class.order)
    kept, longest = np.zeros_like(vectors), np.zeros(len(vectors))
    for group in map(list, neuron_class.groups):
        inside = _largest(vectors[:, group], neuron_class.order)
        length = np.linalg.norm(inside, axis=1)
        better = length > (1 + TIE) * longest
        longest[better] = length[better]
        kept[better] = 0.0
        kept[np.ix_(better, group)] = inside[better]
    return kept


def _one_of_a_kind(vectors: Array, neuron_class: NeuronClass) -> Array:
    """Of inputs that are to be kept apart, in each row the largest component."""
    if neuron_class.apart is None:
        return vectors
    kinds = neuron_class.kinds_apart(vectors.shape[1])
    kept = np.where(kinds < 0, vectors, 0.0)
    rows = np.arange(len(vectors))
    for kind in np.unique(kinds[kinds >= 0]):
        columns = np.flatnonzero(kinds == kind)
        largest = columns[np.abs(vectors[:, columns]).argmax(axis=1)]
        kept[rows, largest] = vectors[rows, largest]
    return kept


def _sparse_unit(vectors: Array, neuron_class: NeuronClass) -> Array:
    """Unit vectors along the largest components of each row that a neuron may combine."""
    vectors = _largest_that_go_together(vectors, neuron_class)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return np.where(np.abs(unit) < NEGLIGIBLE_WEIGHT, 0.0, unit)


def ascend(
    table: PointTable,
    dual: Array,
    directions: Array,
    neuron_class: NeuronClass,
    threads: Threads = SERIAL,
    budget: SearchBudget = DEFAULT,
    least: float = 0.0,
) -> Hyperplanes:
    """Climb from each of these directions; returns where each climb ended.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    directions : ndarray of shape (m, d)
        Where to start; of any length.
    neuron_class : NeuronClass
        How many inputs a neuron may have, and which go together.
    threads : Threads
        Over which directions are shared out.
    budget : SearchBudget
        Steps of a climb, and the offsets it tries.
    least : float, default=0
        Climbs that end below this value are of no interest.

    Returns
    -------
    Hyperplanes
        With their normals, each through one sample.
    """
    batch = max(1, BATCH_SIZE // table.n_points)
    is_large = table.points.size >= LARGE
    points = table.points.astype(np.float32) if is_large else table.points

    def work(begin: int) -> Hyperplanes:
        start = _sparse_unit(directions[begin : begin + batch], neuron_class)
        reached = _climb(points, dual, start, neuron_class, budget)
        promising = reached.directions[reached.values >= least]
        return _through_best_samples(table.points, dual, _apart(promising), neuron_class.order)

    parts = threads.map(work, range(0, len(directions), batch))
    return Hyperplanes.concatenate(parts, neuron_class.order)


def _climb(
    points: Array, dual: Array, directions: Array, neuron_class: NeuronClass, budget: SearchBudget
) -> _Climb:
    reached = _at_best_offsets(points, dual, directions, budget.offsets)
    going = np.arange(len(directions))
    for _ in range(budget.climb_steps):
        now = reached.take(going)
        target = _sparse_unit(now.moments, neuron_class)
        after = _at_best_offsets(points, dual, target, budget.offsets)
        failed = np.flatnonzero(after.values <= (1 + budget.climb_gain) * now.values)
        if len(failed):
            half = _sparse_unit(target[failed] + now.directions[failed], neuron_class)
            after = after.put(failed, _at_best_offsets(points, dual, half, budget.offsets))
        better = after.values > (1 + budget.climb_gain) * now.values
        reached = reached.put(going[better], after.take(better))
        going = going[better]
        if len(going) == 0:
            break
    return reached


def _apart(directions: Array) -> Array:
    """One of those directions that are nearly the same: many climbs end at one place."""
    first = first_of_equal_rows(np.round(directions, SAME_PLACE) + 0.0)
    return directions[np.sort(first)]


def _through_best_samples(points: Array, dual: Array, directions: Array, order: int) -> Hyperplanes:
    """The best hyperplanes with these normals, each through a sample; zero weights are padding."""
    reach = directions @ points.T
    values, pivots = np.empty(len(reach)), np.empty(len(reach), dtype=np.int64)
    kernels.offsets.best_offsets(reach, ascending_order(reach), ready(dual.T), values, pivots)
    inputs, normals = inputs_in_use(directions, order)
    samples = np.full(inputs.shape, -1, dtype=np.intp)
    samples[:, 0] = pivots
    found = Hyperplanes(inputs, samples, normals, values)
    return found.take(values > 0)
