"""Rows far from the kinks of their losses, taken together: functions of a chunk for ``Rows``.

A *lump* is all rows on one side of their kinks with the same slopes, as one row: their means, with
their weight. The number of a row's lump, (r,), stays with the rows; ``ALONE`` is that of a row by
itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import PiecewiseLinear
from sklearn_wedge._core.rows.activations import Activations
from sklearn_wedge._core.rows.chunks import Array, Chunk

ALONE = -1


def farthest(chunk: Chunk, predicted: Array, loss: PiecewiseLinear) -> float:
    """The largest distance of a prediction from a kink."""
    return float(np.abs(loss.kinks(chunk.target) - predicted).max())


def within_margins(
    chunk: Chunk, predicted: Array, loss: PiecewiseLinear, margins: Array
) -> tuple[Array]:
    """How many rows are nearer to their kinks than some margins, (k,)."""
    distance = np.abs(loss.kinks(chunk.target) - predicted)[:, 0]
    return (np.searchsorted(np.sort(distance), margins).astype(np.float64),)


def lump_of_rows(
    chunk: Chunk, predicted: Array, loss: PiecewiseLinear, margin: float
) -> NDArray[np.int8]:
    """The lump of each row; those nearer to their kinks than a margin are alone."""
    distance = (loss.kinks(chunk.target) - predicted)[:, 0]
    number = 2 * loss.pair_of_slopes(chunk.target) + (distance > 0)
    return np.where(np.abs(distance) < margin, ALONE, number).astype(np.int8)


def separated(
    chunk: Chunk, predicted: Array, lumps: NDArray[np.int8], loss: PiecewiseLinear, margin: float
) -> NDArray[np.int8]:
    """The same lumps without the rows that have come to the other side, or within a margin."""
    now = lump_of_rows(chunk, predicted, loss, margin)
    return np.where(now == lumps, lumps, ALONE).astype(np.int8)


def n_alone(chunk: Chunk, lumps: NDArray[np.int8]) -> tuple[Array]:
    """How many rows are alone."""
    return (np.atleast_1d(float(np.count_nonzero(lumps == ALONE))),)


def rows_alone(
    chunk: Chunk, lumps: NDArray[np.int8], activations: Activations
) -> tuple[NDArray[np.intp], Array, Array, Array]:
    """Those by themselves: which they are, their activations (m, k), targets and weights."""
    alone = np.flatnonzero(lumps == ALONE)
    return (
        chunk.rows[alone],
        activations.of_rows(chunk, alone),
        chunk.target[alone],
        chunk.weight[alone],
    )


def lump_sums(
    chunk: Chunk, lumps: NDArray[np.int8], activations: Activations, n_lumps: int
) -> tuple[Array, Array, Array]:
    """Weighted sums of activations, (m, k), and of the target, (k,), of each lump; its weight."""
    shares = np.where(lumps[:, None] == np.arange(n_lumps), chunk.weight[:, None], 0.0)
    return activations.products(chunk, shares), shares.T @ chunk.target[:, 0], shares.sum(axis=0)


def dual_of_lumps(
    chunk: Chunk,
    lumps: NDArray[np.int8],
    slopes: Array,
    alone: NDArray[np.intp],
    slopes_alone: Array,
) -> Array:
    """The dual point of all rows, (r, 1), by those of lumps and rows alone, over their weights."""
    found = slopes[np.maximum(lumps, 0)]
    here = np.flatnonzero(lumps == ALONE)
    found[here] = slopes_alone[np.searchsorted(alone, chunk.rows[here])]
    return (chunk.weight * found)[:, None]
