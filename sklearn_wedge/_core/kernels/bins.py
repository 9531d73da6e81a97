"""Which bins many values are in: see ``pricing.bins``."""

from __future__ import annotations

from sklearn_wedge._core.kernels.compiling import compiled


@compiled("void(f8[::1], f8[::1], i8[:,::1], i8[::1])")
def count(values, starts, table, found):
    """The number of starts that are at most each of the values, into ``found``."""
    low, last = starts[0], table.shape[1] - 1
    scale = table.shape[1] / (starts[-1] - low)
    for i in range(len(values)):
        value = values[i]
        entry = int(min(max((value - low) * scale, 0.0), last))
        least, most = table[0, entry], table[1, entry]
        while least < most:
            middle = (least + most) // 2
            if starts[middle] <= value:
                least = middle + 1
            else:
                most = middle
        found[i] = least
