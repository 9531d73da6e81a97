"""What pricing needs of a chunk: sums of a dual point over bins, cells and sectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import ready
from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.pricing.bins import Bins
from sklearn_wedge._core.rows.chunks import Array, Chunk
from sklearn_wedge._core.rows.scaling import Scaling


def neuron_sums(chunk: Chunk, dual: Array, scaling: Scaling, neurons: Neurons) -> tuple:
    """``V·(Xu + c)_+``, (m, q), and ``V·X``, (d, q)."""
    columns = scaling.columns(chunk.inputs)
    return neurons.products(columns, dual), columns @ dual


def hinge_sums(
    chunk: Chunk, dual: Array, scaling: Scaling, bins: list[tuple[int, Bins]]
) -> tuple[Array, ...]:
    """``Σ v`` and ``Σ v x`` by bins of some inputs.

    Parameters
    ----------
    chunk : Chunk
    dual : ndarray of shape (r, q)
    scaling : Scaling
    bins : list of (int, Bins)
        Inputs with their bins, b of them; what is below the first start is in a bin of its own.

    Returns
    -------
    tuple of ndarrays of shape (q, 2, b + 1)
        For each of the inputs.
    """
    columns = scaling.columns(chunk.inputs)
    found = []
    for k, of_input in bins:
        place, size = of_input.count(columns[k]), len(of_input) + 1
        sums = [[np.bincount(place, w, size) for w in (v, v * columns[k])] for v in dual.T]
        found.append(np.array(sums))
    return tuple(found)


def cell_sums(
    chunk: Chunk,
    dual: Array,
    scaling: Scaling,
    bins: dict[int, Bins],
    pairs: list[tuple[int, int]],
    n_bins: int,
) -> tuple[Array]:
    """``Σ v`` and ``Σ v x`` over the cells of some pairs of inputs.

    Parameters
    ----------
    chunk : Chunk
    dual : ndarray of shape (r, q)
    scaling : Scaling
    bins : dict of int to Bins
        Those of each input; what is below the first start is in the first bin.
    pairs : list of (int, int)
    n_bins : int
        Cells per input.

    Returns
    -------
    tuple of one ndarray of shape (pairs, q, 3, n_bins * n_bins)
    """
    columns = scaling.columns(chunk.inputs)
    used = sorted({k for pair in pairs for k in pair})
    place = {k: np.maximum(bins[k].count(columns[k]) - 1, 0) for k in used}
    by_output = ready(dual.T)
    sums = np.empty((len(pairs), dual.shape[1], 3, n_bins * n_bins))
    for of_pair, (k, j) in zip(sums, pairs, strict=True):
        cell = (place[k] * n_bins + place[j]).astype(np.uint16)
        kernels.fans.cell_sums(cell, by_output, ready(columns[k]), ready(columns[j]), of_pair)
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
    bins : Bins
        The sectors between them, by ``flattened`` slopes: these are spread more evenly.
    """

    inputs: tuple[int, int]
    pivot: Array
    slopes: Array
    bins: Bins


def flattened(slope: Array) -> Array:
    """Slopes mapped to the numbers from -1 to 1, in their order."""
    return slope / (1.0 + np.abs(slope))


def sector_sums(
    chunk: Chunk, dual: Array, scaling: Scaling, pencils: list[Sectors]
) -> tuple[Array, ...]:
    """Moments ``Σ v (x - pivot)`` over the sectors of pencils.

    Returns
    -------
    tuple of ndarrays of shape (q, 2, 2, b + 1)
        For each pencil: by output, input, side (left, right of the pivot) and sector.
    """
    columns = scaling.columns(chunk.inputs)
    found = []
    for pencil in pencils:
        x, y = (columns[k] - at for k, at in zip(pencil.inputs, pencil.pivot, strict=True))
        right, size = x > 0, len(pencil.slopes) + 1
        # The flattened slope, without a division by zero; that of the pivot does not matter.
        flat = y / np.maximum(np.abs(x) + np.abs(y), np.finfo(float).tiny)
        np.negative(flat, out=flat, where=~right)
        # Above and below the pivot: to the right and left of it, and as steep as can be.
        vertical = np.flatnonzero(x == 0)
        flat[vertical], right[vertical] = 1.0, y[vertical] > 0
        place = pencil.bins.count(flat) + size * right
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
