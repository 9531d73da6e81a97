"""Of which columns the network is told that a number is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import Chunk, Rows

Array = NDArray[np.float64]

# Standard errors that a correlation of the target and of what is missing is away from 0, at the
# least, for the network to be told what is missing.
LEAST_CORRELATION = 2.5
# Where so many rows, and this part of all, lack a value, the network is told anyhow: they are
# enough to learn how far what is filled in can be trusted. The lightest row counts as one.
ENOUGH_ROWS, ENOUGH_SHARE = 1000, 0.01
# Variances of targets on a scale on which they fill the interval from -1 to 1: less is rounding.
LEAST_VARIANCE = 1e-12


def _extremes(chunk: Chunk) -> tuple[Array, Array, float]:
    """The least and the largest targets, and the largest weight."""
    return chunk.target.min(axis=0), chunk.target.max(axis=0), _largest_weight(chunk)


def _scaled(chunk: Chunk, exponent: int, centre: Array, radius: Array) -> tuple[Array, Array]:
    """Targets from -1 to 1, and weights times a power of two: huge ones do not overflow in sums."""
    tiny = np.finfo(np.float64).smallest_subnormal
    target = (chunk.target - centre) / radius
    return target, np.maximum(np.ldexp(chunk.weight, exponent), tiny)


def with_scaled_targets(rows: Rows) -> Rows:
    """The same rows, with targets and weights that can be squared and summed."""
    least, largest, weights = zip(*rows.map(_extremes), strict=True)
    least, largest = np.min(least, axis=0) / 2, np.max(largest, axis=0) / 2
    radius = largest - least
    scale = largest + least, np.where(radius > 0, radius, 1.0)
    return rows.with_targets(_scaled, _exponent(weights), *scale)


def with_scaled_weights(rows: Rows) -> Rows:
    """The same rows, with weights that can be summed."""
    exponent = _exponent(rows.map(_largest_weight))
    return rows.with_targets(_scaled, exponent, np.array(0.0), np.array(1.0))


def _largest_weight(chunk: Chunk) -> float:
    return float(chunk.weight.max())


def _exponent(weights: Sequence[float]) -> int:
    """The power of two by which the largest of these weights is about 1."""
    return -int(np.frexp(max(weights))[1])


def _least_weight(chunk: Chunk) -> float:
    return float(chunk.weight.min())


def lightest(rows: Rows) -> float:
    """The weight that counts as one row: the least."""
    return min(rows.map(_least_weight))


def _sums(chunk: Chunk) -> tuple[Array, ...]:
    """Weights of all and where columns lack a value, sums of targets there, of all, and squares."""
    missing, weighted = np.isnan(chunk.inputs), chunk.weight[:, None] * chunk.target
    weights = np.append(chunk.weight @ missing, chunk.weight.sum())
    sums = (of_rows.sum(axis=0) for of_rows in (weighted, weighted * chunk.target))
    return weights, missing.T @ weighted, *sums


def informative(rows: Rows, row: float) -> NDArray[np.bool_]:
    """Of which columns it helps to know that a value is missing.

    Where targets are others than chance would have it, and where many rows lack a value.

    Parameters
    ----------
    rows : Rows
        With targets that are scaled.
    row : float
        The weight that counts as one row.
    """
    weights, there, of_all, squares = rows.sum(_sums)
    share, mean = weights[:-1] / weights[-1], of_all / weights[-1]
    variance = squares / weights[-1] - mean**2
    covariance = there / weights[-1] - np.outer(share, mean)
    chance = np.outer(share * (1 - share), variance) * row / weights[-1]
    tells = covariance**2 > LEAST_CORRELATION**2 * chance
    many = (weights[:-1] >= ENOUGH_ROWS * row) & (share >= ENOUGH_SHARE)
    return many | np.any(tells & (variance > LEAST_VARIANCE), axis=1)
