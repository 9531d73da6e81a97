"""Sums of hinges along sorted positions."""

from __future__ import annotations

from math import sqrt

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled


@compiled()
def hinge_values(positions, dual, direction, values, squares):
    """See ``values_along``; ``squares``, (m,), is room for those of several outputs."""
    n_positions, one_output = len(positions), len(dual) == 1
    values[:] = 0.0
    # Sums over gaps rather than over positions: no cancellation however far from 0 the data are.
    for k in range(len(dual)):
        so_far, value = 0.0, 0.0
        for p in range(n_positions - 1):
            so_far += dual[k, p]
            value += so_far * (positions[p + 1] - positions[p])
            if direction != 0:
                values[p + 1] = max(-direction * value, 0.0)
            elif one_output:
                values[p + 1] = abs(value)
            else:
                values[p + 1] += value * value
    squares[:] = 0.0
    for k in range(len(dual)):
        so_far, value = 0.0, 0.0
        for p in range(n_positions - 2, -1, -1):
            so_far += dual[k, p + 1]
            value += so_far * (positions[p + 1] - positions[p])
            if direction != 0:
                values[p] = max(values[p], direction * value)
            elif one_output:
                values[p] = max(values[p], abs(value))
            else:
                squares[p] += value * value
    if not one_output:
        for p in range(n_positions):
            values[p] = sqrt(max(values[p], squares[p]))


@compiled("void(f8[::1], f8[:,::1], f8, f8[::1])")
def values_along(positions, dual, direction, values):
    """``‖V·(±(x - t))_+‖`` at every position, ascending, the larger of both orientations.

    ``direction`` -1 or 1 (one output): that of the coefficient; 0: any.
    """
    hinge_values(positions, dual, direction, values, np.empty(len(positions)))
