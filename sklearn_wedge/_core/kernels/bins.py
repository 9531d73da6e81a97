"""Which bins many values are in: see ``pricing.bins``."""

from __future__ import annotations

from sklearn_wedge._core.kernels.compiling import compiled


@compiled("void(f8[::1], f8[::1], i8[::1], i8, i8[::1])")
def count(values, starts, table, steps, found):
    """The number of starts that are at most each of the values, into ``found``."""
    low, last = starts[0], len(table) - 1
    scale = len(table) / (starts[-1] - low)
    for i in range(len(values)):
        value = values[i]
        k = table[int(min(max((value - low) * scale, 0.0), last))]
        for _ in range(steps):
            if k < len(starts) and value >= starts[k]:
                k += 1
        found[i] = k
