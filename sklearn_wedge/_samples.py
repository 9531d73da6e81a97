"""The canonical training sample: what the mathematics sees of ``X``, ``y`` and the weights.

Rows of weight zero are dropped, equal rows are merged and the rest is put into a fixed order, so
that a weight of ``k`` *is* ``k`` copies and the order of the rows cannot matter, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# Two cumulative weights closer than this are a tie: rescaling the weights moves a sum by rounding
# and must not move a quantile from one data value to the next.
QUANTILE_TIE_TOLERANCE = 1e-9
# A column whose range is at most this fraction of its size (128 units in the last place) is taken
# for constant. By range, not by variance: weights and copies cannot matter.
ROUNDING = 2.0**-45
# Scaled values are rounded to multiples of this (a fraction of a standard deviation): a change of
# units moves them by rounding, and must not move the fit.
RESOLUTION = 2.0**-34


@dataclass(frozen=True)
class Scaling:
    """Clip, centre, scale: an affine change of units after clipping.

    Attributes
    ----------
    lower, upper : ndarray of shape (d,)
        Clipping bounds in original units, ``-inf`` and ``inf`` where a column is not clipped. They
        are equal where it is constant but for rounding.
    mean, scale : ndarray of shape (d,)
        Of the clipped columns, in original units.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def clip(self, X: NDArray) -> NDArray[np.float64]:
        """``X`` within the bounds, in original units."""
        return np.clip(np.asarray(X, dtype=np.float64), self.lower, self.upper)

    def transform(self, X: NDArray) -> NDArray[np.float64]:
        """Original units to the units of the problem solved."""
        return (self.clip(X) - self.mean) / self.scale


@dataclass(frozen=True)
class SampleOptions:
    """How inputs and target are prepared before the fit.

    ``target_scaling`` is ``"mean"`` where the target is divided by its mean, as the network then
    predicts its logarithm, and ``"none"`` where it is left alone.
    """

    standardize: bool = True
    clip_quantile: float | None = 0.005
    target_scaling: Literal["standardize", "mean", "none"] = "standardize"


@dataclass(frozen=True)
class TrainingSample:
    """Canonical samples in the units of the problem solved.

    Attributes
    ----------
    points : ndarray of shape (p, d)
        The distinct input rows, clipped, centred and scaled, in lexicographic order.
    point_of_sample : ndarray of shape (n,)
        The point of each sample, ascending: samples of one point (same inputs, different targets)
        are neighbours.
    target : ndarray of shape (n, q)
        Targets, scaled as their loss allows.
    weight : ndarray of shape (n,)
        Positive, summing to 1.
    first_row : ndarray of shape (p,)
        Where each point first occurs in the ``X`` that was given.
    input_scaling, target_scaling : Scaling
        The way back to original units.
    output_scaling : Scaling
        Likewise for the output of the network: that of the target, or of its logarithm.
    n_activations : int
        How many of the inputs, the last ones, are activations of neurons on those before.
    """

    points: NDArray[np.float64]
    point_of_sample: NDArray[np.intp]
    target: NDArray[np.float64]
    weight: NDArray[np.float64]
    first_row: NDArray[np.intp]
    input_scaling: Scaling
    target_scaling: Scaling
    output_scaling: Scaling
    n_activations: int = 0

    @property
    def n_samples(self) -> int:
        """Number of merged samples."""
        return self.weight.shape[0]

    @property
    def n_inputs(self) -> int:
        """Number of input columns."""
        return self.points.shape[1]

    @property
    def point_weight(self) -> NDArray[np.float64]:
        """Weights of the points, (p,)."""
        return self.sum_over_points(self.weight)

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

    def with_activations(self, activations: NDArray[np.float64]) -> TrainingSample:
        """The same samples with more inputs: activations of neurons at the points, (p, k).

        They are centred, which no neuron notices, but neither scaled nor clipped: a neuron that
        passes one on costs what the neuron itself would.
        """
        activations = _rounded_to_size(activations)
        mean = self.sum_over_points(self.weight) @ activations
        none, one, before = np.full(len(mean), np.inf), np.ones(len(mean)), self.input_scaling
        return replace(
            self,
            points=np.hstack([self.points, activations - mean]),
            n_activations=self.n_activations + len(mean),
            input_scaling=Scaling(
                np.append(before.lower, -none),
                np.append(before.upper, none),
                np.append(before.mean, mean),
                np.append(before.scale, one),
            ),
        )


def weighted_quantile(values: NDArray, weight: NDArray, quantile: float) -> float:
    """The inverse-CDF quantile: the least value whose cumulative weight reaches ``quantile``.

    Weights must be positive and sum to 1. The result is always one of the values, copies of a row
    equal its weight, and a tie within ``QUANTILE_TIE_TOLERANCE`` counts as reached.
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weight[order])
    reached = np.searchsorted(cumulative, quantile - QUANTILE_TIE_TOLERANCE)
    return float(values[order[min(reached, values.shape[0] - 1)]])


def are_equal(low: NDArray, high: NDArray) -> NDArray[np.bool_]:
    """Where two values, the second not below the first, differ by rounding at their size only."""
    # Halves: the difference must not overflow.
    return high / 2 - low / 2 <= ROUNDING / 2 * np.maximum(np.abs(low), np.abs(high))


def bounds_of_rounding(low: NDArray, high: NDArray) -> tuple[NDArray, NDArray]:
    """Bounds of columns of this range: equal where they are constant but for rounding, not exactly.

    Clipped to one value, such a column is constant for whatever comes later. Elsewhere infinite.
    """
    noisy = (low < high) & are_equal(low, high)
    return np.where(noisy, low, -np.inf), np.where(noisy, low, np.inf)


def shares(weight: NDArray, total: float) -> NDArray[np.float64]:
    """Positive weights divided by their sum; those that vanish beside it stay positive."""
    return np.maximum(weight / total, np.finfo(np.float64).smallest_subnormal)


def clip_bounds(X: NDArray, weight: NDArray, quantile: float | None) -> tuple[NDArray, NDArray]:
    """Bounds of each column at its weighted quantiles; infinite where they would coincide.

    At the quantile 0 they are its range, however little the outermost rows weigh. What is constant
    but for rounding gets the bounds of that.
    """
    extremes = X.min(axis=0), X.max(axis=0)
    lower, upper = bounds_of_rounding(*extremes)
    if quantile is None:
        return lower, upper
    if quantile == 0:
        clipped = ~are_equal(*extremes)
        return np.where(clipped, extremes[0], lower), np.where(clipped, extremes[1], upper)
    for k in range(X.shape[1]):
        low = weighted_quantile(X[:, k], weight, quantile)
        high = weighted_quantile(X[:, k], weight, 1.0 - quantile)
        if not are_equal(low, high):  # else a rare indicator column would vanish
            lower[k], upper[k] = low, high
    return lower, upper


def mean_and_scale(
    columns: NDArray, weight: NDArray, standardize: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean and standard deviation of each column, in two passes; constant: scale 1."""
    low, high = columns.min(axis=0), columns.max(axis=0)
    # Midpoint and half range first: neither overflows nor loses the variance of a tiny column.
    middle, half_range = low / 2 + high / 2, high / 2 - low / 2
    constant = low == high
    unit = np.where(constant | (half_range == 0), 1.0, half_range)
    reduced = (columns - middle) / unit
    mean = weight @ reduced
    scale = np.sqrt(weight @ (reduced - mean) ** 2) * unit
    if not standardize:
        scale = np.ones_like(scale)
    usable = ~constant & (scale > 0)
    return np.where(constant, low, middle + mean * unit), np.where(usable, scale, 1.0)


def _merge_samples(
    X: NDArray, y: NDArray, weight: NDArray, first: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """Sort rows by ``(X, y)``, merge equal ones: one row of each group, its weight and first."""
    # The weight is the last key: a sum over equal rows is then taken in one order, whatever the
    # order of the rows was.
    keys = (weight, *y.T[::-1], *X.T[::-1])
    order = np.lexsort(keys)
    starts = _group_starts(np.hstack([X, y])[order])
    merged = np.add.reduceat(weight[order], starts)
    return order[starts], merged, np.minimum.reduceat(first[order], starts)


def _group_starts(rows: NDArray) -> NDArray[np.intp]:
    """Where runs of equal rows begin."""
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = np.any(rows[1:] != rows[:-1], axis=1)
    return np.flatnonzero(is_first)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(values / RESOLUTION) * RESOLUTION + 0.0


def _rounded_to_size(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns rounded relative to their largest entry: what is equal but for rounding is equal."""
    unit = np.ldexp(1.0, np.frexp(np.abs(columns).max(axis=0, initial=0.0))[1])
    return _rounded(columns / unit) * unit


def _scalings_of_target(
    y: NDArray, weight: NDArray, options: SampleOptions
) -> tuple[Scaling, Scaling]:
    """Scaling of the target, and of what the network predicts of it."""
    unbounded, zero, one = np.full(y.shape[1], np.inf), np.zeros(y.shape[1]), np.ones(y.shape[1])
    bounds = bounds_of_rounding(y.min(axis=0), y.max(axis=0))
    y = np.clip(y, *bounds)
    if options.target_scaling == "mean" and options.standardize:
        mean = weight @ y
        logarithm = Scaling(-unbounded, unbounded, np.log(mean), one)
        return Scaling(*bounds, zero, mean), logarithm
    mean, scale = zero, one
    if options.target_scaling == "standardize":
        mean, scale = mean_and_scale(y, weight, options.standardize)
    scaling = Scaling(*bounds, mean, scale)
    return scaling, scaling


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
    rows, weight, first = _merge_samples(X, y, weight, present)
    X, y = X[rows], y[rows]
    lower, upper = clip_bounds(X, shares(weight, weight.sum()), options.clip_quantile)
    X = np.clip(X, lower, upper)
    # Clipping can make rows equal that were not: merge again.
    rows, weight, first = _merge_samples(X, y, weight, first)
    X, y, weight = X[rows], y[rows], shares(weight, weight.sum())

    mean, scale = mean_and_scale(X, weight, options.standardize)
    target_scaling, output_scaling = _scalings_of_target(y, weight, options)
    inputs, target = (X - mean) / scale, target_scaling.transform(y)
    if options.standardize:
        inputs = _rounded(inputs)
        target = target if options.target_scaling == "none" else _rounded(target)
        weight = _rounded(np.frexp(weight)[0]) * np.ldexp(1.0, np.frexp(weight)[1])
        rows, weight, first = _merge_samples(inputs, target, weight, first)
        inputs, target, weight = inputs[rows], target[rows], shares(weight, weight.sum())
    starts = _group_starts(inputs)
    lengths = np.diff(np.append(starts, len(inputs)))
    return TrainingSample(
        points=np.ascontiguousarray(inputs[starts]),
        point_of_sample=np.repeat(np.arange(len(starts)), lengths),
        target=target,
        weight=weight,
        first_row=np.minimum.reduceat(first, starts),
        input_scaling=Scaling(lower, upper, mean, scale),
        target_scaling=target_scaling,
        output_scaling=output_scaling,
    )
