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

from sklearn_wedge._neurons import NeuronClass
from sklearn_wedge._pricing.pencils import Hyperplanes, PointTable

Array = NDArray[np.float64]

# Steps at most; most directions stop earlier.
MAX_STEPS = 12
# A step counts if it raises the value by this fraction.
IMPROVEMENT = 1e-6
# Directions × points in one batch.
BATCH_SIZE = 1_000_000


@dataclass(frozen=True)
class _Climb:
    """Hyperplanes on the way: unit directions (m, d), pivots (m,), values (m,), moments (m, d)."""

    directions: Array
    pivots: NDArray[np.intp]
    values: Array
    moments: Array

    def take(self, which: NDArray) -> _Climb:
        """The hyperplanes at these indices."""
        return _Climb(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def put(self, which: NDArray, other: _Climb) -> _Climb:
        """These hyperplanes with others at these indices."""
        arrays = {name: getattr(self, name).copy() for name in self.__dataclass_fields__}
        for name, array in arrays.items():
            array[which] = getattr(other, name)
        return _Climb(**arrays)


def _at_best_pivots(points: Array, dual: Array, directions: Array) -> _Climb:
    """The best hyperplane with each of these normals, through any sample, on either side."""
    reach = directions @ points.T
    order = np.argsort(reach, axis=1)
    ordered = np.take_along_axis(reach, order, axis=1)
    gaps = np.diff(ordered, axis=1)
    values = np.zeros((2, *reach.shape))
    for v in dual.T:
        sorted_dual = v[order]
        # Sums over gaps: no cancellation however far from 0 the points are.
        left = np.cumsum(np.cumsum(sorted_dual, axis=1)[:, :-1] * gaps, axis=1)
        right = np.cumsum(np.cumsum(sorted_dual[:, :0:-1], axis=1) * gaps[:, ::-1], axis=1)[:, ::-1]
        values[0, :, 1:] += left**2
        values[1, :, :-1] += right**2
    rows = np.arange(len(directions))
    best = np.argmax(values.transpose(1, 0, 2).reshape(len(rows), -1), axis=1)
    side, place = np.divmod(best, reach.shape[1])
    pivots = order[rows, place]
    sign = np.where(side == 0, -1.0, 1.0)
    active = sign[:, None] * (reach - ordered[rows, place][:, None]) > 0
    moments = np.stack([(active * v) @ points for v in dual.T])
    moments -= (active @ dual).T[:, :, None] * points[pivots]
    return _Climb(
        sign[:, None] * directions,
        pivots,
        np.sqrt(values[side, rows, place]),
        _leading(moments, sign[:, None] * directions),
    )


def _leading(moments: Array, directions: Array) -> Array:
    """Leading left singular vector of each ``G`` (q, m, d), on the side of the direction."""
    if len(moments) == 1:
        leading = moments[0]
    else:
        leading = np.linalg.svd(moments.transpose(1, 2, 0), full_matrices=False)[0][:, :, 0]
    sign = np.where((leading * directions).sum(axis=1) < 0, -1.0, 1.0)
    return sign[:, None] * leading


def _sparse_unit(vectors: Array, order: int) -> Array:
    """Unit vectors along the ``order`` largest components of each row."""
    if order < vectors.shape[1]:
        largest = np.argsort(-np.abs(vectors), axis=1, kind="stable")[:, :order]
        kept = np.zeros_like(vectors)
        np.put_along_axis(kept, largest, np.take_along_axis(vectors, largest, axis=1), axis=1)
        vectors = kept
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


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
        Where to start; of any length, with at most ``order`` non-zero components.
    neuron_class : NeuronClass
        How many inputs a neuron may have.

    Returns
    -------
    Hyperplanes
        With their normals, each through one sample.
    """
    batch = max(1, BATCH_SIZE // table.n_points)
    parts = [Hyperplanes.empty(neuron_class.order)]
    for begin in range(0, len(directions), batch):
        start = _sparse_unit(directions[begin : begin + batch], neuron_class.order)
        climbed = _climb(table.points, dual, start, neuron_class.order)
        parts.append(_as_hyperplanes(climbed, neuron_class.order))
    return Hyperplanes.concatenate(parts, neuron_class.order)


def _climb(points: Array, dual: Array, directions: Array, order: int) -> _Climb:
    reached = _at_best_pivots(points, dual, directions)
    going = np.arange(len(directions))
    for _ in range(MAX_STEPS):
        now = reached.take(going)
        target = _sparse_unit(now.moments, order)
        after = _at_best_pivots(points, dual, target)
        failed = np.flatnonzero(after.values <= (1 + IMPROVEMENT) * now.values)
        if len(failed):
            half = _sparse_unit(target[failed] + now.directions[failed], order)
            after = after.put(failed, _at_best_pivots(points, dual, half))
        better = after.values > (1 + IMPROVEMENT) * now.values
        reached = reached.put(going[better], after.take(better))
        going = going[better]
        if len(going) == 0:
            break
    return reached


def _as_hyperplanes(climbed: _Climb, order: int) -> Hyperplanes:
    """Name the inputs of each direction; zero components are padding."""
    found = climbed.values > 0
    directions = climbed.directions[found]
    used = np.abs(directions) > 0
    inputs = np.argsort(~used, axis=1, kind="stable")[:, :order]
    normals = np.take_along_axis(directions, inputs, axis=1)
    count = np.minimum(used.sum(axis=1), order)
    padding = np.arange(order) >= count[:, None]
    points = np.full(inputs.shape, -1, dtype=np.intp)
    points[:, 0] = climbed.pivots[found]
    return Hyperplanes(
        np.where(padding, -1, inputs),
        points,
        np.where(padding, 0.0, normals),
        climbed.values[found],
    )
