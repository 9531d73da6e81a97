"""What is known of rows that are read in chunks: their scaling, and a few thousand of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.encoding import fitted_encoding
from sklearn_wedge._core.losses import Loss, SmoothLoss, root_of_slope
from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.rows import passes
from sklearn_wedge._core.rows.activations import ComputedActivations
from sklearn_wedge._core.rows.chunks import Array, Chunk, ChunkFunction, Kept, Rows
from sklearn_wedge._core.rows.quantiles import column_quantiles
from sklearn_wedge._core.rows.samples import Sample
from sklearn_wedge._core.rows.scaling import (
    SampleOptions,
    Scaling,
    clip_bounds,
    range_of,
    shares,
    standardized,
    target_scalings,
    units_of,
    whole_range,
)

# Rows that hyperplanes may pass through: all of them if they are no more.
MOST_POINTS = 8192
# Its multiples, modulo 1, are spread evenly, and in step with no period of the rows.
GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class ChunkedSample(Sample):
    """Rows in chunks with what is needed to see them in the units of the problem solved.

    Their inputs are as given. Points are all rows, or some that depend on nothing but their number.
    """

    @property
    def n_activations(self) -> int:
        """No input is an activation: further layers are solved in memory."""
        return 0

    def activations(self, neurons: Neurons) -> ComputedActivations:
        """See ``Sample``."""
        # Means at the points: close to those over all rows.
        centre = neurons.activations(self.points.T) @ (self.point_weight / self.point_weight.sum())
        return ComputedActivations(neurons, self.input_scaling, centre)

    def constant_model(self, loss: Loss) -> Array:
        """See ``Sample``: without a gradient, that of some rows."""
        if loss.mean_tells_constant:
            (mean,) = self.rows.sum(passes.target_mean)
            return loss.constant_model(mean[None], np.ones(1))
        if isinstance(loss, SmoothLoss):
            return self._roots(loss)
        return loss.constant_model(*_spread(self.rows, chosen_targets))

    def _roots(self, loss: SmoothLoss) -> Array:
        """The best constant prediction of a loss whose outputs do not interact, (q,)."""

        def slope(constant: float, output: int) -> float:
            return -float(self.rows.sum(passes.dual_sum_at, loss, constant)[0][output])

        lows, highs = zip(*self.rows.map(passes.target_range), strict=True)
        ranges = enumerate(zip(np.min(lows, axis=0), np.max(highs, axis=0), strict=True))
        return np.array(
            [root_of_slope(partial(slope, output=k), float(a), float(b)) for k, (a, b) in ranges]
        )

    def dual_to_price(self, dual: Kept) -> Kept:
        """See ``Sample``: it stays with the chunks."""
        return dual


def shifted_weight(chunk: Chunk, exponent: int) -> tuple[Array, Array]:
    """Targets, and weights times a power of two: huge ones do not overflow in a sum."""
    return chunk.target, shares(np.ldexp(chunk.weight, exponent), 1.0)


def total_weight(chunk: Chunk) -> tuple[Array]:
    """Sum of the weights."""
    return (np.atleast_1d(chunk.weight.sum()),)


def prepared(chunk: Chunk, scaling: Scaling, total: float) -> tuple[Array, Array]:
    """Targets in the units of the problem solved, weights summing to 1."""
    return scaling.transform(chunk.target), shares(chunk.weight, total)


def chosen_rows(chunk: Chunk, rows: NDArray[np.intp]) -> tuple[NDArray, NDArray, NDArray]:
    """Those of some rows, given ascending, that are in a chunk: which, their inputs, weights."""
    mine = np.flatnonzero(np.isin(chunk.rows, rows, assume_unique=True))
    return chunk.rows[mine], np.asarray(chunk.inputs[mine], dtype=np.float64), chunk.weight[mine]


def chosen_targets(chunk: Chunk, rows: NDArray[np.intp]) -> tuple[Array, Array]:
    """Their targets and weights."""
    mine = np.flatnonzero(np.isin(chunk.rows, rows, assume_unique=True))
    return chunk.target[mine], chunk.weight[mine]


def spread_rows(n_rows: int, at_most: int) -> NDArray[np.intp]:
    """At most so many row numbers, ascending, spread evenly: all of them if there are no more."""
    if n_rows <= at_most:
        return np.arange(n_rows)
    return np.unique((np.arange(1, at_most + 1) * GOLDEN_RATIO % 1.0 * n_rows).astype(np.intp))


def _spread(rows: Rows, choose: ChunkFunction) -> list[NDArray]:
    """What a function of a chunk and row numbers returns of rows that are spread evenly."""
    at_most = MOST_POINTS
    while True:
        found = rows.map(choose, spread_rows(rows.n_rows, at_most))
        parts = [np.concatenate(part) for part in zip(*found, strict=True)]
        # Most rows may have no weight.
        if len(parts[0]) >= MOST_POINTS // 4 or at_most >= rows.n_rows:
            return parts
        at_most *= 4


def _points(rows: Rows, scaling: Scaling) -> tuple[Array, Array, NDArray[np.intp]]:
    """Distinct scaled rows in lexicographic order, their weights, where each occurs."""
    which, inputs, weight = _spread(rows, chosen_rows)
    points, first, place = np.unique(
        scaling.transform(inputs) + 0.0, axis=0, return_index=True, return_inverse=True
    )
    return points, np.bincount(place.ravel(), weight), which[first]


def chunked_sample(rows: Rows, options: SampleOptions) -> ChunkedSample:
    """Scale rows in chunks, and choose the points.

    Parameters
    ----------
    rows : Rows
        Finite inputs and targets in original units; not all weights zero.
    options : SampleOptions
    """
    ranges = whole_range(rows.map(range_of))
    rows = rows.with_targets(shifted_weight, -int(np.frexp(ranges.weight)[1]))
    total = float(rows.sum(total_weight)[0][0])
    quantiles = partial(column_quantiles, rows, total)
    bounds = clip_bounds(ranges.inputs, options.clip_quantile, quantiles)
    units = units_of(bounds, fitted_encoding(options.encoding, bounds, ranges.inputs, quantiles))
    inputs = standardized(rows, "inputs", ranges.inputs, units, total, options.standardize)
    target, output = target_scalings(rows, ranges.target, total, options)
    rows = rows.with_targets(prepared, target, total)
    return ChunkedSample(*_points(rows, inputs), inputs, target, output, rows)
