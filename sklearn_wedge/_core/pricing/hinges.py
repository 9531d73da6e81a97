"""Order 1: every axis hinge ``(±(x_k - t))_+`` priced by two cumulative sums per input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import ready
from sklearn_wedge._core.neurons import NeuronClass
from sklearn_wedge._core.pricing.pencils import Hyperplanes, PointTable, significant


def hinge_values(positions: NDArray, dual: NDArray, direction: int = 0) -> NDArray[np.float64]:
    """``‖V·(±(x - t))_+‖`` at every position ``t``, the larger of the two orientations.

    With a direction, -1 or 1, that of a coefficient with which the hinge falls or rises; at least
    0.

    Parameters
    ----------
    positions : ndarray of shape (m,)
        Ascending.
    dual : ndarray of shape (q, m)
        The dual point, summed at each position.
    direction : {-1, 0, 1}
        0: falling and rising hinges count.

    Returns
    -------
    ndarray of shape (m,)
    """
    values = np.empty(len(positions))
    kernels.hinges.values_along(ready(positions), ready(dual), float(direction), values)
    return values


def local_maxima(values: NDArray[np.float64], at_most: int) -> NDArray[np.intp]:
    """Indices of the largest local maxima of a sequence; the global one always comes first."""
    rounded = significant(values)
    before = np.append(-1.0, rounded[:-1])
    after = np.append(rounded[1:], -1.0)
    peaks = np.flatnonzero((rounded >= after) & (rounded > before))
    return peaks[np.argsort(-rounded[peaks], kind="stable")[:at_most]]


def price_hinges(
    table: PointTable, dual: NDArray, per_input: int, neuron_class: NeuronClass
) -> Hyperplanes:
    """The best axis hinges of every input; exact: none of order 1 is better than the best here.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Summing to zero over the points.
    per_input : int
        Hinges returned per input, at local maxima of the value.
    neuron_class : NeuronClass
        Which inputs may be used, and in which direction.
    """
    inputs, points, found = [], [], []
    varying = [int(k) for k in table.varying_inputs()]
    for (k,) in neuron_class.input_sets(varying, 1):
        projection = table.projection((k,))
        direction = 0 if neuron_class.monotone is None else neuron_class.monotone[k]
        values = hinge_values(projection.positions[0], projection.sum(dual), direction)
        best = local_maxima(values, per_input)
        inputs += [k] * len(best)
        points.append(projection.representatives(best))
        found.append(values[best])
    if not found:
        return Hyperplanes.empty(1)
    # In one go: of few rows, arrays of each input would take most of the time.
    named = np.array(inputs, dtype=np.intp)[:, None]
    return Hyperplanes.through(named, np.concatenate(points)[:, None], np.concatenate(found))
