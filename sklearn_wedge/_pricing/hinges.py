"""Order 1: every axis hinge ``(±(x_k - t))_+`` priced by two cumulative sums per input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._pricing.pencils import Hyperplanes, PointTable, significant


def hinge_values(positions: NDArray, dual: NDArray) -> NDArray[np.float64]:
    """``‖V·(±(x - t))_+‖`` at every position ``t``, the larger of the two orientations.

    Parameters
    ----------
    positions : ndarray of shape (m,)
        Ascending.
    dual : ndarray of shape (q, m)
        The dual point, summed at each position.

    Returns
    -------
    ndarray of shape (m,)
    """
    gaps = np.diff(positions)
    # Sums over gaps rather than over positions: no cancellation however far from 0 the data are.
    from_left = np.cumsum(np.cumsum(dual, axis=1)[:, :-1] * gaps, axis=1)
    from_right = np.cumsum((np.cumsum(dual[:, :0:-1], axis=1) * gaps[::-1]), axis=1)[:, ::-1]
    values = np.zeros(len(positions))
    values[1:] = np.sqrt((from_left**2).sum(axis=0))
    values[:-1] = np.maximum(values[:-1], np.sqrt((from_right**2).sum(axis=0)))
    return values


def local_maxima(values: NDArray[np.float64], at_most: int) -> NDArray[np.intp]:
    """Indices of the largest local maxima of a sequence; the global one always comes first."""
    rounded = significant(values)
    before = np.append(-1.0, rounded[:-1])
    after = np.append(rounded[1:], -1.0)
    peaks = np.flatnonzero((rounded >= after) & (rounded > before))
    return peaks[np.argsort(-rounded[peaks], kind="stable")[:at_most]]


def price_hinges(table: PointTable, dual: NDArray, per_input: int) -> Hyperplanes:
    """The best axis hinges of every input; exact: none of order 1 is better than the best here.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Summing to zero over the points.
    per_input : int
        Hinges returned per input, at local maxima of the value.
    """
    parts = [Hyperplanes.empty(1)]
    for k in table.varying_inputs():
        projection = table.projection((int(k),))
        values = hinge_values(projection.positions[0], projection.sum(dual))
        best = local_maxima(values, per_input)
        points = projection.representatives(best)
        inputs = np.full((len(best), 1), k, dtype=np.intp)
        parts.append(Hyperplanes.through(inputs, points[:, None], values[best]))
    return Hyperplanes.concatenate(parts, order=1)
