"""Activations of neurons with few inputs, and what a dual point makes of them."""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled

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


@compiled("void(f8[:,::1], i8[:,::1], f8[:,::1], f8[::1], b1, f8[:,::1])")
def distances(columns, inputs, weights, offsets, active, out):
    """``u·x + c`` of neurons at points by columns, (m, p); ``active``: at least 0."""
    n_points = columns.shape[1]
    for row in range(len(inputs)):
        for begin in range(0, n_points, POINTS_AT_ONCE):
            end = min(begin + POINTS_AT_ONCE, n_points)
            part = out[row, begin:end]
            _distances(columns, begin, end, inputs[row], weights[row], offsets[row], part)
            if active:
                for i in range(end - begin):
                    part[i] = max(part[i], 0.0)


@compiled()
def _dot(values, v):
    """In eight sums side by side: one after the other would take as many times as long."""
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
    whole = len(v) // 8 * 8
    for i in range(0, whole, 8):
        a0 += values[i] * v[i]
        a1 += values[i + 1] * v[i + 1]
        a2 += values[i + 2] * v[i + 2]
        a3 += values[i + 3] * v[i + 3]
        a4 += values[i + 4] * v[i + 4]
        a5 += values[i + 5] * v[i + 5]
        a6 += values[i + 6] * v[i + 6]
        a7 += values[i + 7] * v[i + 7]
    for i in range(whole, len(v)):
        a0 += values[i] * v[i]
    return ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))


@compiled("void(f8[:,::1], i8[:,::1], f8[:,::1], f8[::1], f8[:,::1], f8[:,::1])")
def products(columns, inputs, weights, offsets, dual, out):
    """``V·(Xu + c)_+`` of neurons at points by columns; ``dual`` (q, p), ``out`` (m, q)."""
    n_points = columns.shape[1]
    values = np.empty(POINTS_AT_ONCE)
    out[:] = 0.0
    for begin in range(0, n_points, POINTS_AT_ONCE):
        end = min(begin + POINTS_AT_ONCE, n_points)
        for row in range(len(inputs)):
            _distances(columns, begin, end, inputs[row], weights[row], offsets[row], values)
            for i in range(end - begin):
                values[i] = max(values[i], 0.0)
            for k in range(len(dual)):
                out[row, k] += _dot(values, dual[k, begin:end])
