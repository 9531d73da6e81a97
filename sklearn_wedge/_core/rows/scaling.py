"""Scaling of inputs and targets, from sums over the rows wherever they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows.chunks import Array, Chunk, Rows

Bounds = tuple[Array, Array]

# A column whose range is at most this fraction of its size (128 units in the last place) is taken
# for constant. By range, not by variance: weights and copies cannot matter.
ROUNDING = 2.0**-45


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

    lower: Array
    upper: Array
    mean: Array
    scale: Array

    def clip(self, X: NDArray) -> Array:
        """``X`` within the bounds, in original units."""
        return np.clip(np.asarray(X, dtype=np.float64), self.lower, self.upper)

    def transform(self, X: NDArray) -> Array:
        """Original units to the units of the problem solved."""
        return (self.clip(X) - self.mean) / self.scale

    def columns(self, X: NDArray) -> Array:
        """The same by columns, (d, r)."""
        # In place, and the same operations as ``transform``: a point lies on its own hyperplanes.
        columns = np.array(X.T, dtype=np.float64, order="C")
        np.clip(columns, self.lower[:, None], self.upper[:, None], out=columns)
        columns -= self.mean[:, None]
        columns /= self.scale[:, None]
        return columns


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
class Range:
    """Ranges of inputs and targets, and the largest weight."""

    inputs: Bounds
    target: Bounds
    weight: float


def range_of(chunk: Chunk) -> Range:
    """The ranges of one chunk."""
    inputs, target = (
        (columns.min(axis=0).astype(np.float64), columns.max(axis=0).astype(np.float64))
        for columns in (chunk.inputs, chunk.target)
    )
    return Range(inputs, target, float(chunk.weight.max()))


def whole_range(parts: list[Range]) -> Range:
    """The ranges of all chunks."""

    def joined(ranges: list[Bounds]) -> Bounds:
        lows, highs = zip(*ranges, strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    return Range(
        joined([part.inputs for part in parts]),
        joined([part.target for part in parts]),
        max(part.weight for part in parts),
    )


def are_equal(low: Array, high: Array) -> NDArray[np.bool_]:
    """Where two values, the second not below the first, differ by rounding at their size only."""
    # Halves: the difference must not overflow.
    return high / 2 - low / 2 <= ROUNDING / 2 * np.maximum(np.abs(low), np.abs(high))


def bounds_of_rounding(low: Array, high: Array) -> Bounds:
    """Bounds of columns of this range: equal where they are constant but for rounding, not exactly.

    Clipped to one value, such a column is constant for whatever comes later. Elsewhere infinite.
    """
    noisy = (low < high) & are_equal(low, high)
    return np.where(noisy, low, -np.inf), np.where(noisy, low, np.inf)


def shares(weight: Array, total: float) -> Array:
    """Positive weights divided by their sum; those that vanish beside it stay positive."""
    return np.maximum(weight / total, np.finfo(np.float64).smallest_subnormal)


def clip_bounds(
    extremes: Bounds, quantile: float | None, quantiles: Callable[[tuple[float, float]], Array]
) -> Bounds:
    """Bounds of each column at its quantiles; infinite where they would coincide.

    At the quantile 0 they are its range, however little the outermost rows weigh. What is constant
    but for rounding gets the bounds of that.

    Parameters
    ----------
    extremes : tuple of ndarrays of shape (d,)
        Least and largest values.
    quantile : float or None
        What to clip at, from below and above.
    quantiles : callable
        From two levels to the quantiles of every column, (2, d).
    """
    lower, upper = bounds_of_rounding(*extremes)
    if quantile is None:
        return lower, upper
    low, high = quantiles((quantile, 1.0 - quantile)) if quantile > 0 else extremes
    # Else a rare indicator column would vanish.
    clipped = ~are_equal(low, high)
    return np.where(clipped, low, lower), np.where(clipped, high, upper)


def _reduced(columns: NDArray, bounds: Bounds, centre: Array, unit: Array) -> Array:
    return (np.clip(np.asarray(columns, dtype=np.float64), *bounds) - centre) / unit


def sums(chunk: Chunk, part: str, *reduction: Array) -> tuple[Array]:
    """Weighted sums of reduced columns."""
    return (chunk.weight @ _reduced(getattr(chunk, part), *reduction),)


def squares(chunk: Chunk, part: str, mean: Array, *reduction: Array) -> tuple[Array]:
    """Weighted sums of squared deviations of reduced columns."""
    return (chunk.weight @ (_reduced(getattr(chunk, part), *reduction) - mean) ** 2,)


def mean_and_scale(
    rows: Rows,
    part: Literal["inputs", "target"],
    extremes: Bounds,
    bounds: Bounds,
    total: float,
    standardize: bool,
) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each column, in two passes; constant: scale 1.

    Parameters
    ----------
    rows : Rows
    part : {"inputs", "target"}
        Which columns.
    extremes : tuple of ndarrays of shape (d,)
        Least and largest values.
    bounds : tuple of ndarrays of shape (d,)
        What the columns are clipped to.
    total : float
        Sum of the weights.
    standardize : bool
        If not, every scale is 1.
    """
    low, high = (np.clip(end, *bounds) for end in extremes)
    # Midpoint and half range first: neither overflows nor loses the variance of a tiny column.
    middle, half_range = low / 2 + high / 2, high / 2 - low / 2
    constant = low == high
    unit = np.where(constant | (half_range == 0), 1.0, half_range)
    (first,) = rows.sum(sums, part, bounds, middle, unit)
    mean = first / total
    scale = np.ones_like(mean)
    if standardize:
        (second,) = rows.sum(squares, part, mean, bounds, middle, unit)
        scale = np.sqrt(second / total) * unit
    usable = ~constant & (scale > 0)
    return np.where(constant, low, middle + mean * unit), np.where(usable, scale, 1.0)


def target_scalings(
    rows: Rows, extremes: Bounds, total: float, options: SampleOptions
) -> tuple[Scaling, Scaling]:
    """Scaling of the target, and of what the network predicts of it."""
    q = len(extremes[0])
    bounds, zero, one = bounds_of_rounding(*extremes), np.zeros(q), np.ones(q)
    kind = options.target_scaling
    if kind == "none" or (kind == "mean" and not options.standardize):
        return Scaling(*bounds, zero, one), Scaling(*bounds, zero, one)
    scaled = kind == "standardize" and options.standardize
    mean, scale = mean_and_scale(rows, "target", extremes, bounds, total, scaled)
    if kind == "mean":
        unbounded = np.full(q, np.inf)
        return Scaling(*bounds, zero, mean), Scaling(-unbounded, unbounded, np.log(mean), one)
    return Scaling(*bounds, mean, scale), Scaling(*bounds, mean, scale)
