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

from sklearn_wedge._neurons import NEGLIGIBLE_WEIGHT, NeuronClass, inputs_in_use
from sklearn_wedge._pricing.hinges import hinge_values
from sklearn_wedge._pricing.pencils import TIE, Hyperplanes, PointTable, first_of_best
from sklearn_wedge._pricing.sweep import ascending_order

Array = NDArray[np.float64]

# Steps at most; most directions stop earlier.
MAX_STEPS = 8
# A step counts if it raises the value by this fraction.
IMPROVEMENT = 1e-3
# Offsets tried on the way, evenly spaced; at the end, those through every sample.
OFFSETS = 256
# Directions × points in one batch.
BATCH_SIZE = 500_000


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


def _at_best_offsets(points: Array, dual: Array, directions: Array) -> _Climb:
    """Hyperplanes with these normals at the best of some offsets, on the better side.

    Two histograms of the projections give the value at every edge between bins.
    """
    reach = directions @ points.T
    low, high = reach.min(axis=1, keepdims=True), reach.max(axis=1, keepdims=True)
    width = np.maximum((high - low) / OFFSETS, np.finfo(float).tiny)
    # A sample on an edge, but for rounding, belongs above it.
    bins = np.minimum(((reach - low) / width + TIE).astype(np.int32), OFFSETS - 1)
    places = (bins + OFFSETS * np.arange(len(bins), dtype=np.int32)[:, None]).ravel()
    edges = low + width * np.arange(1, OFFSETS)
    values = np.zeros((2, len(reach), OFFSETS - 1))
    for v in dual.T:
        mass, moment = (
            np.bincount(places, weights.ravel(), minlength=len(bins) * OFFSETS)
            .reshape(-1, OFFSETS)
            .cumsum(axis=1)
            for weights in (np.broadcast_to(v, reach.shape), reach * v)
        )
        below = edges * mass[:, :-1] - moment[:, :-1]
        above = (moment[:, -1:] - moment[:, :-1]) - edges * (mass[:, -1:] - mass[:, :-1])
        values += np.stack([below**2, above**2])
    rows = np.arange(len(reach))
    best = first_of_best(values.transpose(1, 0, 2).reshape(len(rows), -1))
    side, place = np.divmod(best, OFFSETS - 1)
    sign = np.where(side == 0, -1.0, 1.0)[:, None]
    active = (bins > place[:, None]) == (side == 1)[:, None]
    moments = np.stack([(active * v) @ points for v in dual.T])
    # Relative to a point of the hyperplane; the active mass is next to nothing at a best offset.
    foot = directions * edges[rows, place][:, None]
    moments -= (active @ dual).T[:, :, None] * foot
    directions = sign * directions
    return _Climb(directions, np.sqrt(values[side, rows, place]), _leading(moments, directions))


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


def _sparse_unit(vectors: Array, neuron_class: NeuronClass) -> Array:
    """Unit vectors along the largest components of each row that a neuron may combine."""
    vectors = _largest_that_go_together(vectors, neuron_class)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return np.where(np.abs(unit) < NEGLIGIBLE_WEIGHT, 0.0, unit)


def new_directions(
    neuron_class: NeuronClass, n_inputs: int, how_many: int, round_number: int
) -> Array:
    """Random directions to climb from, (how_many, d), in each group in its turn."""
    # Seeded by the round alone: the same data give the same network everywhere.
    directions = np.random.default_rng(round_number).standard_normal((how_many, n_inputs))
    if neuron_class.groups is None:
        return directions
    inside = np.zeros_like(directions)
    for row in range(how_many):
        turn = (round_number * how_many + row) % len(neuron_class.groups)
        group = list(neuron_class.groups[turn])
        inside[row, group] = directions[row, group]
    return inside


def ascend(
    table: PointTable, dual: Array, directions: Array, neuron_class: NeuronClass
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

    Returns
    -------
    Hyperplanes
        With their normals, each through one sample.
    """
    order = neuron_class.order
    batch = max(1, BATCH_SIZE // table.n_points)
    parts = [Hyperplanes.empty(order)]
    for begin in range(0, len(directions), batch):
        start = _sparse_unit(directions[begin : begin + batch], neuron_class)
        reached = _climb(table.points, dual, start, neuron_class).directions
        parts.append(_through_best_samples(table.points, dual, reached, order))
    return Hyperplanes.concatenate(parts, order)


def _climb(points: Array, dual: Array, directions: Array, neuron_class: NeuronClass) -> _Climb:
    reached = _at_best_offsets(points, dual, directions)
    going = np.arange(len(directions))
    for _ in range(MAX_STEPS):
        now = reached.take(going)
        target = _sparse_unit(now.moments, neuron_class)
        after = _at_best_offsets(points, dual, target)
        failed = np.flatnonzero(after.values <= (1 + IMPROVEMENT) * now.values)
        if len(failed):
            half = _sparse_unit(target[failed] + now.directions[failed], neuron_class)
            after = after.put(failed, _at_best_offsets(points, dual, half))
        better = after.values > (1 + IMPROVEMENT) * now.values
        reached = reached.put(going[better], after.take(better))
        going = going[better]
        if len(going) == 0:
            break
    return reached


def _through_best_samples(points: Array, dual: Array, directions: Array, order: int) -> Hyperplanes:
    """The best hyperplanes with these normals, each through a sample; zero weights are padding."""
    reach = directions @ points.T
    by_reach = ascending_order(reach)
    ordered = np.take_along_axis(reach, by_reach, axis=1)
    values = np.stack(
        [
            hinge_values(row, dual.T[:, places])
            for row, places in zip(ordered, by_reach, strict=True)
        ]
    )
    best = first_of_best(values)
    rows = np.arange(len(directions))
    values, pivots = values[rows, best], by_reach[rows, best]
    inputs, normals = inputs_in_use(directions, order)
    samples = np.full(inputs.shape, -1, dtype=np.intp)
    samples[:, 0] = pivots
    found = Hyperplanes(inputs, samples, normals, values)
    return found.take(values > 0)
