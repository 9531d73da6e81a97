"""Exact pricing of ramps of one and of two inputs.

Let the active samples on both sides of two parallel lines be given. Then the product of the ramp
with a dual point is linear in its direction, so it is largest, under l1, where a line passes
through two samples, or in the direction of an input. There are ``n (n - 1) / 2`` such directions of
two inputs; they are gone through in their order, in which sorted samples hardly change from one to
the next. Under l2 best directions may lie between two of these; what a ramp is worth there is at
most the linear function of the direction that agrees with the best ones of both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import Threads, ready
from sklearn_wedge._core.neurons import NeuronClass, Neurons, Norm, length
from sklearn_wedge._core.pricing.budget import SearchBudget
from sklearn_wedge._core.pricing.candidates import Priced
from sklearn_wedge._core.pricing.hinges import local_maxima
from sklearn_wedge._core.pricing.pencils import PointTable
from sklearn_wedge._core.pricing.ramps import (
    Ramps,
    joined,
    priced_ramps,
    ramps_along,
    ramps_of_single_inputs,
)
from sklearn_wedge._core.pricing.sweep import ascending_order

Array = NDArray[np.float64]

# Directions × positions gone through at a time, by one thread.
STEPS_AT_ONCE = 4_000_000
# Under l2, directions are halved until no ramp between two of them is worth more than the best one
# found by this fraction.
CLOSE = 1e-9
# Often enough for any two directions.
MOST_HALVINGS = 60


def price_all_ramps(
    table: PointTable,
    dual: Array,
    neuron_class: NeuronClass,
    threads: Threads,
    budget: SearchBudget,
) -> Priced:
    """The best ramps of a class of neurons of at most two inputs; the bound is exact.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    neuron_class : NeuronClass
    threads : Threads
        Over which directions are shared out.
    budget : SearchBudget
        How many are kept.
    """
    kept = budget.kept_per_inputs
    parts = [ramps_of_single_inputs(table, dual, kept, neuron_class)]
    bound = float(parts[0].values.max(initial=0.0))
    if neuron_class.order > 1:
        for pair in neuron_class.input_sets([int(k) for k in table.varying_inputs()], 2):
            found, largest = _of_pair(table, dual, pair, neuron_class, threads, kept)
            parts.append(found)
            bound = max(bound, largest)
    ramps = joined(parts, neuron_class.order)
    priced = priced_ramps(table, dual, ramps, budget.evaluated, neuron_class, threads)
    return replace(priced, bound=max(priced.bound, bound))


@dataclass(frozen=True)
class _Pair:
    """Two inputs: distinct positions (2, m), the dual point at these (q, m), and its class."""

    positions: Array
    dual: Array
    neuron_class: NeuronClass

    @property
    def norm(self) -> Norm:
        return self.neuron_class.norm

    def signs(self, slopes: Array) -> NDArray[np.int64]:
        """Of the coefficients of ramps along ``(slope, 1)``; 2 where none is allowed."""
        first, second = self.neuron_class.monotone or (0, 0)
        first = np.sign(slopes).astype(np.int64) * first
        return np.where(first * second < 0, 2, np.sign(first + second))

    def slopes(self) -> Array:
        """Of all directions orthogonal to a line through two positions, ascending, each once.

        Those in the direction of an input are left out.
        """
        x, y = self.positions
        first, second = np.triu_indices(len(x), 1)
        dx, dy = x[second] - x[first], y[second] - y[first]
        inside = (dx != 0) & (dy != 0)
        return np.unique(-dy[inside] / dx[inside])

    def along(self, slopes: Array, threads: Threads) -> Ramps:
        """The best ramp along each ``(slope, 1)``, ascending; some are not allowed, and left out.

        A value below 0 is minus an upper bound: a ramp that is worth far less than the best one.
        """
        signs = self.signs(slopes)
        slopes, signs = slopes[signs < 2], signs[signs < 2]
        size = max(1, STEPS_AT_ONCE // self.positions.shape[1])

        def work(begin: int) -> tuple[Array, NDArray]:
            some = ready(slopes[begin : begin + size])
            values, pairs = np.empty(len(some)), np.empty((len(some), 2), dtype=np.int64)
            reach = some[0] * self.positions[0] + self.positions[1]
            order = ascending_order(reach[None])[0]
            wanted = ready(signs[begin : begin + size], np.int64)
            sizes = length(_normals(some), self.norm)
            how = some, sizes, wanted
            kernels.ramps.around(self.positions, self.dual, order, *how, values, pairs)
            return values, pairs

        found = threads.map(work, range(0, len(slopes), size))
        values = np.concatenate([np.empty(0), *(part for part, _ in found)])
        pairs = np.concatenate([np.empty((0, 2), dtype=np.intp), *(part for _, part in found)])
        normals = _normals(slopes)
        return Ramps(np.broadcast_to(np.arange(2), normals.shape), normals, pairs, values)


def _normals(slopes: Array) -> Array:
    return np.column_stack([slopes, np.ones(len(slopes))])


def _of_pair(
    table: PointTable,
    dual: Array,
    inputs: tuple[int, int],
    neuron_class: NeuronClass,
    threads: Threads,
    kept: int,
) -> tuple[Ramps, float]:
    """The best ramps of two inputs, and what none of them is worth more than."""
    projection, own = table.projection(inputs), neuron_class.within(inputs)
    pair = _Pair(ready(projection.positions), ready(projection.sum(dual)), own)
    found = pair.along(pair.slopes(), threads)
    best, bound = found.take(local_maxima(np.maximum(found.values, 0.0), kept)), 0.0
    if neuron_class.has_rejections:
        between, bound = _between(pair, found, kept)
        best = joined([between, best], 2)
    best = best.take(best.values > 0)
    named = replace(
        best,
        inputs=np.asarray(inputs, dtype=np.intp)[best.inputs],
        pairs=projection.representatives(best.pairs),
    )
    return named, float(best.values.max(initial=bound))


def _between(pair: _Pair, found: Ramps, kept: int) -> tuple[Ramps, float]:
    """The best ramps between directions of samples, and what none there is worth more than.

    Between two of these, and the two of the inputs, the best value is a convex function of the
    direction, of any length: it is below the linear one that agrees with it at both.
    """
    table = PointTable(np.ascontiguousarray(pair.positions.T))
    axes = np.array([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    normals = np.concatenate([found.normals, axes])
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    values = np.append(np.abs(found.values), _values_along(table, pair, axes).values)
    order = np.argsort(-normals[:, 0], kind="stable")
    normals, values = normals[order], values[order]
    left, right = (normals[:-1], values[:-1]), (normals[1:], values[1:])
    parts, largest = [], values.max()
    for _ in range(MOST_HALVINGS):
        bounds = _largest_between(*left, *right)
        open_ones = np.flatnonzero(bounds > (1 + CLOSE) * largest)
        if len(open_ones) == 0:
            break
        left, right = ((u[open_ones], f[open_ones]) for u, f in (left, right))
        middle = left[0] + right[0]
        middle /= np.linalg.norm(middle, axis=1)[:, None]
        parts.append(_values_along(table, pair, middle))
        centre = middle, parts[-1].values
        largest = max(largest, centre[1].max())
        left, right = (
            tuple(map(np.concatenate, zip(*ends, strict=True)))
            for ends in ((left, centre), (centre, right))
        )
    return joined(parts, 2).best(kept), max(float(bounds.max()), (1 + CLOSE) * largest)


def _values_along(table: PointTable, pair: _Pair, directions: Array) -> Ramps:
    """The best ramp along each of some unit vectors, (k, 2), of any signs."""
    inputs = np.tile(np.arange(2), (len(directions), 1))
    neurons = Neurons.unbounded(inputs, directions, np.zeros(len(directions)))
    return ramps_along(table, np.ascontiguousarray(pair.dual.T), neurons, pair.neuron_class)


def _largest_between(first: Array, at_first: Array, second: Array, at_second: Array) -> Array:
    """The largest, on unit vectors between two, of the linear function with given values there."""
    cosine = (first * second).sum(axis=1)
    sine = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    tilt = np.divide(at_second - cosine * at_first, sine, out=np.zeros_like(sine), where=sine > 0)
    # At an angle t from the first it is at_first · cos t + tilt · sin t.
    top = np.hypot(at_first, tilt)
    inside = (tilt > 0) & (tilt * cosine < at_first * sine)
    return np.where(inside, top, np.maximum(at_first, at_second))
