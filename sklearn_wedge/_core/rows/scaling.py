"""Scaling of inputs and targets, from sums over the rows wherever they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.encoding import PLAIN, Encoding, are_equal
from sklearn_wedge._core.rows.chunks import Array, Chunk, Rows

Bounds = tuple[Array, Array]


@dataclass(frozen=True)
class Scaling:
    """Clip, encode, centre, scale: an affine change of units after clipping and encoding.

    Attributes
    ----------
    lower, upper : ndarray of shape (d,)
        Clipping bounds in original units, ``-inf`` and ``inf`` where a column is not clipped. They
        are equal where it is constant but for rounding.
    mean, scale : ndarray of shape (d,)
        Of the columns clipped and encoded.
    encoding : Encoding
        Of clipped columns; targets have none.
    """

    lower: Array
    upper: Array
    mean: Array
    scale: Array
    encoding: Encoding = PLAIN

    def clip(self, X: NDArray) -> Array:
        """``X`` within the bounds, in original units."""
        return np.clip(np.asarray(X, dtype=np.float64), self.lower, self.upper)

    def encoded(self, X: NDArray) -> Array:
        """``X`` clipped and encoded."""
        clipped = self.clip(X)
        return self.encoding.transform(clipped) if self.encoding.columns else clipped

    def transform(self, X: NDArray) -> Array:
        """Original units to the units of the problem solved."""
        return (self.encoded(X) - self.mean) / self.scale

    def original(self, points: Array) -> Array:
        """The way back, to clipped inputs in original units."""
        return self.clip(self.encoding.inverse_transform(points * self.scale + self.mean))

    def columns(self, X: NDArray) -> Array:
        """The same by columns, (d, r)."""
        # In place, and the same operations as ``transform``: a point lies on its own hyperplanes.
        columns = np.array(X.T, dtype=np.float64, order="C")
        np.clip(columns, self.lower[:, None], self.upper[:, None], out=columns)
        self.encoding.transform_in_place(columns)
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
    encoding: str | None = None


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


def units_of(bounds: Bounds, encoding: Encoding = PLAIN) -> Scaling:
    """Clipping and encoding alone: neither centred nor scaled."""
    return Scaling(*bounds, np.zeros_like(bounds[0]), np.ones_like(bounds[0]), encoding)


def _reduced(columns: NDArray, units: Scaling, centre: Array, unit: Array) -> Array:
    return (units.encoded(columns) - centre) / unit


def sums(chunk: Chunk, part: str, *reduction: Any) -> tuple[Array]:
    """Weighted sums of reduced columns."""
    return (chunk.weight @ _reduced(getattr(chunk, part), *reduction),)


def squares(chunk: Chunk, part: str, mean: Array, *reduction: Any) -> tuple[Array]:
    """Weighted sums of squared deviations of reduced columns."""
    return (chunk.weight @ (_reduced(getattr(chunk, part), *reduction) - mean) ** 2,)


def standardized(
    rows: Rows,
    part: Literal["inputs", "target"],
    extremes: Bounds,
    units: Scaling,
    total: float,
    standardize: bool,
) -> Scaling:
    """With the weighted mean and standard deviation of each column, in two passes.

    The scale of a constant column is 1.

    Parameters
    ----------
    rows : Rows
    part : {"inputs", "target"}
        Which columns.
    extremes : tuple of ndarrays of shape (d,)
        Least and largest values.
    units : Scaling
        How the columns are clipped and encoded.
    total : float
        Sum of the weights.
    standardize : bool
        If not, every scale is 1.
    """
    low, high = units.encoded(np.stack(extremes))
    # Midpoint and half range first: neither overflows nor loses the variance of a tiny column.
    middle, half_range = low / 2 + high / 2, high / 2 - low / 2
    constant = low == high
    unit = np.where(constant | (half_range == 0), 1.0, half_range)
    (first,) = rows.sum(sums, part, units, middle, unit)
    mean = first / total
    scale = np.ones_like(mean)
    if standardize:
        (second,) = rows.sum(squares, part, mean, units, middle, unit)
        scale = np.sqrt(second / total) * unit
    usable = ~constant & (scale > 0)
    mean = np.where(constant, low, middle + mean * unit)
    return replace(units, mean=mean, scale=np.where(usable, scale, 1.0))


def target_scalings(
    rows: Rows, extremes: Bounds, total: float, options: SampleOptions
) -> tuple[Scaling, Scaling]:
    """Scaling of the target, and of what the network predicts of it."""
    units, kind = units_of(bounds_of_rounding(*extremes)), options.target_scaling
    if kind == "none" or (kind == "mean" and not options.standardize):
        return units, units
    scaled = kind == "standardize" and options.standardize
    scaling = standardized(rows, "target", extremes, units, total, scaled)
    if kind == "standardize":
        return scaling, scaling
    unbounded = np.full_like(scaling.mean, np.inf)
    return replace(units, scale=scaling.mean), Scaling(
        -unbounded, unbounded, np.log(scaling.mean), units.scale
    )
