"""Missing values of a row as the others of it say, in sweeps."""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled
from sklearn_wedge._core.kernels.sums import dot


@compiled("void(f8[:,::1], b1[:,::1], f8[:,::1], i8)")
def fill(values, missing, weights, sweeps):
    """In each sweep what is missing of a row, (n, d), becomes ``weights @ row``; in place."""
    n_rows, d = values.shape
    places, found = np.empty(d, dtype=np.int64), np.empty(d)
    for i in range(n_rows):
        row, n_missing = values[i], 0
        for j in range(d):
            if missing[i, j]:
                places[n_missing] = j
                n_missing += 1
        for _ in range(sweeps if n_missing else 0):
            for k in range(n_missing):
                found[k] = dot(weights[places[k]], row)
            for k in range(n_missing):
                row[places[k]] = found[k]
