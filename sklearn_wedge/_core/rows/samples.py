"""The canonical training sample: what the mathematics sees of ``X``, ``y`` and the weights.

Rows of weight zero are dropped, equal rows are merged and the rest is put into a fixed order, so
that a weight of ``k`` *is* ``k`` copies and the order of the rows cannot matter, bit for bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.encoding import fitted_encoding
from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.rows.activations import Activations, KeptActivations
from sklearn_wedge._core.rows.chunks import Array, Kept, OneChunk, Rows
from sklearn_wedge._core.rows.quantiles import weighted_quantiles
from sklearn_wedge._core.rows.scaling import (
    SampleOptions,
    Scaling,
    clip_bounds,
    range_of,
    shares,
    standardized,
    target_scalings,
    units_of,
)

# Scaled values are rounded to multiples of this (a fraction of a standard deviation): a change of
# units moves them by rounding, and must not move the fit.
RESOLUTION = 2.0**-34


@dataclass(frozen=True)
class Sample(ABC):
    """Training data in the units of the problem solved.

    Attributes
    ----------
    points : ndarray of shape (p, d)
        Distinct input rows that hyperplanes may pass through, clipped, centred and scaled, in
        lexicographic order.
    point_weight : ndarray of shape (p,)
        Their weights.
    first_row : ndarray of shape (p,)
        Where each point first occurs in the ``X`` that was given.
    input_scaling, target_scaling : Scaling
        The way back to original units.
    output_scaling : Scaling
        Likewise for the output of the network: that of the target, or of its logarithm.
    rows : Rows
        All rows: targets scaled as their loss allows, weights summing to 1.
    """

    points: Array
    point_weight: Array
    first_row: NDArray[np.intp]
    input_scaling: Scaling
    target_scaling: Scaling
    output_scaling: Scaling
    rows: Rows

    @property
    def n_inputs(self) -> int:
        """Number of input columns."""
        return self.points.shape[1]

    @abstractmethod
    def activations(self, neurons: Neurons) -> Activations:
        """What these neurons make of the rows."""

    @abstractmethod
    def constant_model(self, loss: Loss) -> Array:
        """The best constant prediction, or a start towards it, (q,)."""

    @abstractmethod
    def dual_to_price(self, dual: Kept) -> Any:
        """A dual point of the rows as pricing takes it."""


@dataclass(frozen=True)
class TrainingSample(Sample):
    """Canonical samples in memory: all points may be passed through.

    Attributes
    ----------
    rows : OneChunk
        The n samples; those of one point (same inputs, different targets) are neighbours.
    point_of_sample : ndarray of shape (n,)
        The point of each sample, ascending.
    n_activations : int
        How many of the inputs, the last ones, are activations of neurons on those before.
    """

    rows: OneChunk
    point_of_sample: NDArray[np.intp]
    n_activations: int = 0

    @property
    def n_samples(self) -> int:
        """Number of merged samples."""
        return self.rows.n_rows

    @property
    def target(self) -> Array:
        """Scaled targets, (n, q)."""
        return self.rows.chunk.target

    @property
    def weight(self) -> Array:
        """Weights, (n,)."""
        return self.rows.chunk.weight

    @cached_property
    def _columns(self) -> Array:
        """The points by columns, (d, p)."""
        return np.ascontiguousarray(self.points.T)

    def activations(self, neurons: Neurons) -> KeptActivations:
        """See ``Sample``."""
        return KeptActivations(self.at_samples(neurons.activations(self._columns).T).T)

    def constant_model(self, loss: Loss) -> Array:
        """See ``Sample``."""
        return loss.constant_model(self.target, self.weight)

    def dual_to_price(self, dual: Kept) -> Array:
        """See ``Sample``: on the points."""
        return self.sum_over_points(dual[0])

    def at_samples(self, values: NDArray) -> NDArray:
        """Values at the points, (p, ...), repeated for the samples, (n, ...)."""
        if self.points.shape[0] == self.n_samples:
            return values
        return values[self.point_of_sample]

    def sum_over_points(self, values: NDArray) -> NDArray:
        """Values at the samples, (n, ...), summed over the samples of each point, (p, ...)."""
        if self.points.shape[0] == self.n_samples:
            return values
        starts = np.searchsorted(self.point_of_sample, np.arange(self.points.shape[0]))
        return np.add.reduceat(values, starts, axis=0)

    def with_activations(self, activations: Array) -> TrainingSample:
        """The same samples with more inputs: activations of neurons at the points, (p, k).

        They are centred, which no neuron notices, but neither scaled nor clipped: a neuron that
        passes one on costs what the neuron itself would.
        """
        activations = _rounded_to_size(activations)
        mean = self.point_weight @ activations
        none, one, before = np.full(len(mean), np.inf), np.ones(len(mean)), self.input_scaling
        points = np.hstack([self.points, activations - mean])
        return replace(
            self,
            points=points,
            rows=OneChunk(self.at_samples(points), self.target, self.weight),
            n_activations=self.n_activations + len(mean),
            input_scaling=Scaling(
                np.append(before.lower, -none),
                np.append(before.upper, none),
                np.append(before.mean, mean),
                np.append(before.scale, one),
                before.encoding,  # of columns, which come first
            ),
        )


def merge_samples(
    X: NDArray, y: NDArray, weight: NDArray, first: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Array, NDArray[np.intp]]:
    """Sort rows by ``(X, y)``, merge equal ones: one row of each group, its weight and first."""
    # The weight is the last key: a sum over equal rows is then taken in one order, whatever the
    # order of the rows was.
    keys = (weight, *y.T[::-1], *X.T[::-1])
    order = np.lexsort(keys)
    starts = group_starts(np.hstack([X, y])[order])
    merged = np.add.reduceat(weight[order], starts)
    return order[starts], merged, np.minimum.reduceat(first[order], starts)


def group_starts(rows: NDArray) -> NDArray[np.intp]:
    """Where runs of equal rows begin."""
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = np.any(rows[1:] != rows[:-1], axis=1)
    return np.flatnonzero(is_first)


def rounded(values: Array) -> Array:
    """Scaled values without what a change of units could move."""
    return np.round(values / RESOLUTION) * RESOLUTION + 0.0


def _rounded_to_size(columns: Array) -> Array:
    """Columns rounded relative to their largest entry: what is equal but for rounding is equal."""
    unit = np.ldexp(1.0, np.frexp(np.abs(columns).max(axis=0, initial=0.0))[1])
    return rounded(columns / unit) * unit


def _quantiles(X: Array, weight: Array, levels: tuple[float, ...]) -> Array:
    """Weighted quantiles of every column, (levels, d)."""
    return np.array([weighted_quantiles(column, weight, levels) for column in X.T]).T


def canonical_sample(
    X: NDArray, y: NDArray, weight: NDArray, options: SampleOptions
) -> TrainingSample:
    """Build the canonical sample.

    Parameters
    ----------
    X : ndarray of shape (n_rows, d)
        Finite inputs in original units.
    y : ndarray of shape (n_rows, q)
        Finite targets in original units.
    weight : ndarray of shape (n_rows,)
        Non-negative, not all zero.
    options : SampleOptions
        Standardisation and clipping.

    Returns
    -------
    TrainingSample
    """
    present = np.flatnonzero(weight > 0)
    # A power of two: huge weights do not overflow in a sum, and nothing is rounded.
    weight = np.ldexp(weight[present].astype(np.float64), -np.frexp(weight.max())[1])
    # "+ 0.0" makes -0.0 and 0.0 one value.
    X, y = X[present].astype(np.float64) + 0.0, y[present].astype(np.float64) + 0.0
    rows, weight, first = merge_samples(X, y, weight, present)
    X, y = X[rows], y[rows]
    share, extremes = shares(weight, weight.sum()), (X.min(axis=0), X.max(axis=0))
    quantiles = partial(_quantiles, X, share)
    bounds = clip_bounds(extremes, options.clip_quantile, quantiles)
    units = units_of(bounds, fitted_encoding(options.encoding, bounds, extremes, quantiles))
    X = np.clip(X, *bounds)
    # Clipping can make rows equal that were not: merge again.
    rows, weight, first = merge_samples(X, y, weight, first)
    X, y, weight = X[rows], y[rows], shares(weight, weight.sum())

    table = OneChunk(X, y, weight)
    extremes, scaled = range_of(table.chunk), options.standardize
    input_scaling = standardized(table, "inputs", extremes.inputs, units, 1.0, scaled)
    target_scaling, output_scaling = target_scalings(table, extremes.target, 1.0, options)
    inputs, target = input_scaling.transform(X), target_scaling.transform(y)
    if options.standardize:
        inputs = rounded(inputs)
        target = target if options.target_scaling == "none" else rounded(target)
        weight = rounded(np.frexp(weight)[0]) * np.ldexp(1.0, np.frexp(weight)[1])
        rows, weight, first = merge_samples(inputs, target, weight, first)
        inputs, target, weight = inputs[rows], target[rows], shares(weight, weight.sum())
    starts = group_starts(inputs)
    lengths = np.diff(np.append(starts, len(inputs)))
    return TrainingSample(
        points=np.ascontiguousarray(inputs[starts]),
        point_weight=np.add.reduceat(weight, starts),
        first_row=np.minimum.reduceat(first, starts),
        input_scaling=input_scaling,
        target_scaling=target_scaling,
        output_scaling=output_scaling,
        rows=OneChunk(inputs, target, weight),
        point_of_sample=np.repeat(np.arange(len(starts)), lengths),
    )
