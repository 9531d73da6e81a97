"""Activations of neurons with few inputs, and what a dual point makes of them."""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled
from sklearn_wedge._core.kernels.sums import dot

# Points at a time: their activations stay in the first-level cache.
POINTS_AT_ONCE = 1024


@compiled()
def _distances(columns, begin, end, inputs, weights, offset, out):
    """``u·x + c`` of one neuron at some points."""
    for i in range(end - begin):
        out[i] = offset
    for j in range(len(inputs)):
        if inputs[j] < 0:
            break
        weight, column = weights[j], columns[inputs[j], begin:end]
        for i in range(end - begin):
            out[i] += weight * column[i]


@compiled("void(f8[:,::1], i8[:,::1], f8[:,::1], f8[::1], f8[::1], b1, f8[:,::1])")
def distances(columns, inputs, weights, offsets, heights, active, out):
    """``u·x + c`` of neurons at points by columns, (m, p); ``active``: from 0 to the height."""
    n_points = columns.shape[1]
    for row in range(len(inputs)):
        for begin in range(0, n_points, POINTS_AT_ONCE):
            end = min(begin + POINTS_AT_ONCE, n_points)
            part = out[row, begin:end]
            _distances(columns, begin, end, inputs[row], weights[row], offsets[row], part)
            if active:
                for i in range(end - begin):
                    part[i] = min(max(part[i], 0.0), heights[row])


@compiled("void(f8[:,::1], i8[:,::1], f8[:,::1], f8[::1], f8[::1], f8[:,::1], f8[:,::1])")
def products(columns, inputs, weights, offsets, heights, dual, out):
    """``V·min((Xu + c)_+, h)`` of neurons at points by columns; ``dual`` (q, p), ``out`` (m, q)."""
    n_points = columns.shape[1]
    values = np.empty(POINTS_AT_ONCE)
    out[:] = 0.0
    for begin in range(0, n_points, POINTS_AT_ONCE):
        end = min(begin + POINTS_AT_ONCE, n_points)
        for row in range(len(inputs)):
            _distances(columns, begin, end, inputs[row], weights[row], offsets[row], values)
            for i in range(end - begin):
                values[i] = min(max(values[i], 0.0), heights[row])
            for k in range(len(dual)):
                out[row, k] += dot(values, dual[k, begin:end])
