"""What pricing needs of a block: sums of a dual point over bins, cells and sectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._samples import Scaling
from sklearn_wedge._streaming.blocks import Array, Block
from sklearn_wedge._streaming.passes import scaled_columns

# Stands for the slope of a vertical line.
VERTICAL = 1e100


def hinge_sums(
    block: Block, dual: Array, scaling: Scaling, starts: list[tuple[int, Array]]
) -> tuple[Array, ...]:
    """``Σ v`` and ``Σ v x`` by bins of some inputs.

    Parameters
    ----------
    block : Block
    dual : ndarray of shape (r, q)
    scaling : Scaling
    starts : list of (int, ndarray of shape (b,))
        Inputs, each with where its bins start, ascending; what is below the first start is in a bin
        of its own.

    Returns
    -------
    tuple of ndarrays of shape (q, 2, b + 1)
        For each of the inputs.
    """
    columns = scaled_columns(block, scaling)
    found = []
    for k, edges in starts:
        place, size = np.searchsorted(edges, columns[k], side="right"), len(edges) + 1
        sums = [[np.bincount(place, w, size) for w in (v, v * columns[k])] for v in dual.T]
        found.append(np.array(sums))
    return tuple(found)


def cell_sums(
    block: Block,
    dual: Array,
    scaling: Scaling,
    starts: dict[int, Array],
    pairs: list[tuple[int, int]],
    n_bins: int,
) -> tuple[Array]:
    """``Σ v`` and ``Σ v x`` over the cells of some pairs of inputs.

    Parameters
    ----------
    block : Block
    dual : ndarray of shape (r, q)
    scaling : Scaling
    starts : dict of int to ndarray
        Where the bins of each input start; what is below the first start is in the first bin.
    pairs : list of (int, int)
    n_bins : int
        Cells per input.

    Returns
    -------
    tuple of one ndarray of shape (pairs, q, 3, n_bins * n_bins)
    """
    columns = scaled_columns(block, scaling)
    used = sorted({k for pair in pairs for k in pair})
    place = {
        k: np.maximum(np.searchsorted(starts[k], columns[k], side="right") - 1, 0) for k in used
    }
    moments = {k: dual.T * columns[k] for k in used}
    sums = np.empty((len(pairs), dual.shape[1], 3, n_bins * n_bins))
    for of_pair, (k, j) in zip(sums, pairs, strict=True):
        cell = place[k] * n_bins + place[j]
        for output, v in enumerate(dual.T):
            for row, w in enumerate((v, moments[k][output], moments[j][output])):
                of_pair[output, row] = np.bincount(cell, w, n_bins * n_bins)
    return (sums,)


@dataclass(frozen=True)
class Sectors:
    """A pencil of order 2 cut into sectors by some of its lines.

    Attributes
    ----------
    inputs : tuple of int
        The two inputs.
    pivot : ndarray of shape (2,)
        The point that all lines pass through.
    slopes : ndarray of shape (b,)
        Of the lines, ascending.
    """

    inputs: tuple[int, int]
    pivot: Array
    slopes: Array


def sector_sums(
    block: Block, dual: Array, scaling: Scaling, pencils: list[Sectors]
) -> tuple[Array, ...]:
    """Moments ``Σ v (x - pivot)`` over the sectors of pencils.

    Returns
    -------
    tuple of ndarrays of shape (q, 2, 2, b + 1)
        For each pencil: by output, input, side (left, right of the pivot) and sector.
    """
    columns = scaled_columns(block, scaling)
    found = []
    for pencil in pencils:
        x, y = (columns[k] - at for k, at in zip(pencil.inputs, pencil.pivot, strict=True))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = y / x
        # Above and below the pivot: to the right and left of it, and as steep as can be.
        slope[x == 0] = VERTICAL
        right = (x > 0) | ((x == 0) & (y > 0))
        size = len(pencil.slopes) + 1
        place = np.searchsorted(pencil.slopes, slope, side="right") + size * right
        sums = [[np.bincount(place, v * z, 2 * size) for z in (x, y)] for v in dual.T]
        found.append(np.array(sums).reshape(dual.shape[1], 2, 2, size))
    return tuple(found)


def hinge_values_of_bins(starts: Array, sums: Array, direction: int) -> Array:
    """``‖V·(±(x - t))_+‖`` at the start ``t`` of every bin, exact: as ``hinges.hinge_values``.

    Parameters
    ----------
    starts : ndarray of shape (b,)
    sums : ndarray of shape (q, 2, b + 1)
        See ``hinge_sums``.
    direction : {-1, 0, 1}
    """
    left = np.cumsum(sums, axis=2)[:, :, :-1]
    right = np.cumsum(sums[:, :, ::-1], axis=2)[:, :, ::-1][:, :, 1:]
    falling = starts * left[:, 0] - left[:, 1]
    rising = right[:, 1] - starts * right[:, 0]
    if direction != 0:
        return np.maximum(np.maximum(-direction * falling[0], direction * rising[0]), 0.0)
    return np.sqrt(np.maximum((falling**2).sum(axis=0), (rising**2).sum(axis=0)))


def sides_of_lines(slopes: Array, sums: Array) -> tuple[Array, Array]:
    """``Σ v (u·x + c)_+`` and ``Σ v (-u·x - c)_+``, (q, b), for lines of unit l1 normals ``u``.

    Parameters
    ----------
    slopes : ndarray of shape (b,)
        The normals are ``(-slope, 1)`` up to their length.
    sums : ndarray of shape (q, 2, 2, b + 1)
        See ``sector_sums``.
    """
    below = np.cumsum(sums, axis=3)[..., :-1]
    above = sums.sum(axis=3, keepdims=True) - below
    # To the right of the pivot what is steeper is on the positive side, to the left what is less.
    positive, negative = above[:, :, 1] + below[:, :, 0], below[:, :, 1] + above[:, :, 0]
    size = np.abs(slopes) + 1.0
    first = (positive[:, 1] - slopes * positive[:, 0]) / size
    second = (slopes * negative[:, 0] - negative[:, 1]) / size
    return first, second


def line_weights(slopes: NDArray) -> Array:
    """Unit l1 normals of lines, (2, b)."""
    size = np.abs(slopes) + 1.0
    return np.array([-slopes / size, 1.0 / size])
