"""What is known of rows that are read in blocks: their scaling, and a few thousand of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._samples import SampleOptions, Scaling, are_equal, bounds_of_rounding, shares
from sklearn_wedge._streaming.blocks import Array, Block, RowBlocks
from sklearn_wedge._streaming.quantiles import column_quantiles

# Rows that hyperplanes may pass through: all of them if they are no more.
MOST_POINTS = 8192
# Its multiples, modulo 1, are spread evenly, and in step with no period of the rows.
GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class StreamedSample:
    """Rows in blocks with what is needed to see them in the units of the problem solved.

    Attributes
    ----------
    blocks : RowBlocks
        Inputs as given; targets scaled as their loss allows; weights summing to 1.
    points : ndarray of shape (p, d)
        Distinct rows that hyperplanes may pass through, scaled, in lexicographic order: all rows or
        a sample that depends on nothing but their number.
    point_weight : ndarray of shape (p,)
        Their weights.
    first_row : ndarray of shape (p,)
        Where each of them occurs in the data.
    target_mean : ndarray of shape (q,)
        Weighted mean of the scaled target.
    input_scaling, target_scaling, output_scaling : Scaling
        As in ``TrainingSample``.
    """

    blocks: RowBlocks
    points: Array
    point_weight: Array
    first_row: NDArray[np.intp]
    target_mean: Array
    input_scaling: Scaling
    target_scaling: Scaling
    output_scaling: Scaling

    @property
    def n_inputs(self) -> int:
        """Number of input columns."""
        return self.points.shape[1]

    @property
    def n_activations(self) -> int:
        """No input is an activation: further blocks are solved in memory."""
        return 0


@dataclass(frozen=True)
class Range:
    """Ranges of inputs and targets, and the largest weight."""

    inputs: tuple[Array, Array]
    target: tuple[Array, Array]
    weight: float


def range_of(block: Block) -> Range:
    """The ranges of one block."""
    inputs, target = (
        (columns.min(axis=0).astype(np.float64), columns.max(axis=0).astype(np.float64))
        for columns in (block.inputs, block.target)
    )
    return Range(inputs, target, float(block.weight.max()))


def whole_range(parts: list[Range]) -> Range:
    """The ranges of all blocks."""

    def joined(ranges: list[tuple[Array, Array]]) -> tuple[Array, Array]:
        lows, highs = zip(*ranges, strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    return Range(
        joined([part.inputs for part in parts]),
        joined([part.target for part in parts]),
        max(part.weight for part in parts),
    )


def shifted_weight(block: Block, exponent: int) -> tuple[Array, Array]:
    """Targets, and weights times a power of two: huge ones do not overflow in a sum."""
    return block.target, shares(np.ldexp(block.weight, exponent), 1.0)


def total_weight(block: Block) -> tuple[Array]:
    """Sum of the weights."""
    return (np.atleast_1d(block.weight.sum()),)


def _reduced(columns: NDArray, bounds: tuple[Array, Array], centre: Array, unit: Array) -> Array:
    return (np.clip(np.asarray(columns, dtype=np.float64), *bounds) - centre) / unit


def sums(block: Block, of_target: bool, *scaling: Array) -> tuple[Array]:
    """Weighted sums of reduced columns."""
    columns = block.target if of_target else block.inputs
    return (block.weight @ _reduced(columns, *scaling),)


def squares(block: Block, of_target: bool, mean: Array, *scaling: Array) -> tuple[Array]:
    """Weighted sums of squared deviations of reduced columns."""
    columns = block.target if of_target else block.inputs
    return (block.weight @ (_reduced(columns, *scaling) - mean) ** 2,)


def mean_and_scale(
    blocks: RowBlocks,
    of_target: bool,
    bounds: tuple[Array, Array],
    extremes: tuple[Array, Array],
    total: float,
    standardize: bool,
) -> tuple[Array, Array]:
    """Weighted mean and standard deviation of each column, clipped, in two passes.

    As ``_samples.mean_and_scale``: a constant column has scale 1.
    """
    low, high = (np.clip(end, *bounds) for end in extremes)
    middle, half_range = low / 2 + high / 2, high / 2 - low / 2
    constant = low == high
    unit = np.where(constant | (half_range == 0), 1.0, half_range)
    (first,) = blocks.sum(sums, of_target, bounds, middle, unit)
    mean = first / total
    scale = np.ones_like(mean)
    if standardize:
        (second,) = blocks.sum(squares, of_target, mean, bounds, middle, unit)
        scale = np.sqrt(second / total) * unit
    usable = ~constant & (scale > 0)
    return np.where(constant, low, middle + mean * unit), np.where(usable, scale, 1.0)


def prepared(block: Block, scaling: Scaling, total: float) -> tuple[Array, Array]:
    """Targets in the units of the problem solved, weights summing to 1."""
    return scaling.transform(block.target), shares(block.weight, total)


def chosen_rows(block: Block, rows: NDArray[np.intp]) -> tuple[NDArray, NDArray, NDArray]:
    """Those of some rows, given ascending, that are in a block: which, their inputs, weights."""
    mine = np.flatnonzero(np.isin(block.rows, rows, assume_unique=True))
    return block.rows[mine], np.asarray(block.inputs[mine], dtype=np.float64), block.weight[mine]


def spread_rows(n_rows: int, at_most: int) -> NDArray[np.intp]:
    """At most so many row numbers, ascending, spread evenly: all of them if there are no more."""
    if n_rows <= at_most:
        return np.arange(n_rows)
    return np.unique((np.arange(1, at_most + 1) * GOLDEN_RATIO % 1.0 * n_rows).astype(np.intp))


def _points(blocks: RowBlocks, scaling: Scaling) -> tuple[Array, Array, NDArray[np.intp]]:
    """Distinct scaled rows in lexicographic order, their weights, where each occurs."""
    at_most = MOST_POINTS
    while True:
        found = blocks.map(chosen_rows, spread_rows(blocks.n_rows, at_most))
        rows, inputs, weight = (np.concatenate(part) for part in zip(*found, strict=True))
        # Most rows may have no weight.
        if len(rows) >= MOST_POINTS // 4 or at_most >= blocks.n_rows:
            break
        at_most *= 4
    points, first, place = np.unique(
        scaling.transform(inputs) + 0.0, axis=0, return_index=True, return_inverse=True
    )
    return points, np.bincount(place.ravel(), weight), rows[first]


def streamed_sample(blocks: RowBlocks, options: SampleOptions) -> StreamedSample:
    """Scale rows in blocks, and choose the points.

    Parameters
    ----------
    blocks : RowBlocks
        Finite inputs and targets in original units; not all weights zero.
    options : SampleOptions
    """
    ranges = whole_range(blocks.map(range_of))
    blocks = blocks.with_targets(shifted_weight, -int(np.frexp(ranges.weight)[1]))
    total = float(blocks.sum(total_weight)[0][0])
    bounds = bounds_of_rounding(*ranges.inputs)
    if options.clip_quantile is not None:
        low, high = ranges.inputs
        if options.clip_quantile > 0:
            levels = (options.clip_quantile, 1.0 - options.clip_quantile)
            low, high = column_quantiles(blocks, total, levels)
        # Else a rare indicator column would vanish.
        clipped = ~are_equal(low, high)
        bounds = np.where(clipped, low, bounds[0]), np.where(clipped, high, bounds[1])
    moments = mean_and_scale(blocks, False, bounds, ranges.inputs, total, options.standardize)
    inputs = Scaling(*bounds, *moments)
    target, output = _target_scalings(blocks, ranges.target, total, options)
    blocks = blocks.with_targets(prepared, target, total)
    points, point_weight, first_row = _points(blocks, inputs)
    q = len(target.mean)
    unbounded = np.full(q, -np.inf), np.full(q, np.inf)
    (target_mean,) = blocks.sum(sums, True, unbounded, np.zeros(q), np.ones(q))
    return StreamedSample(
        blocks, points, point_weight, first_row, target_mean, inputs, target, output
    )


def _target_scalings(
    blocks: RowBlocks, extremes: tuple[Array, Array], total: float, options: SampleOptions
) -> tuple[Scaling, Scaling]:
    """Scaling of the target, and of what the network predicts of it, as for samples in memory."""
    q = len(extremes[0])
    bounds, zero, one = bounds_of_rounding(*extremes), np.zeros(q), np.ones(q)
    kind = options.target_scaling
    if kind == "none" or (kind == "mean" and not options.standardize):
        return Scaling(*bounds, zero, one), Scaling(*bounds, zero, one)
    scaled = kind == "standardize" and options.standardize
    mean, scale = mean_and_scale(blocks, True, bounds, extremes, total, scaled)
    if kind == "mean":
        unbounded = np.full(q, np.inf)
        return Scaling(*bounds, zero, mean), Scaling(-unbounded, unbounded, np.log(mean), one)
    return Scaling(*bounds, mean, scale), Scaling(*bounds, mean, scale)
