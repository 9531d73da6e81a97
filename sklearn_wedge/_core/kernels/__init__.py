"""Compiled loops: arrays in, arrays out; compiled once, then read from a cache on disk.

A module here is loaded when it is first used: importing the package does not import numba. All
loops release the GIL, and none starts threads: ``Threads`` shares out calls. Sums are taken in the
order in which they are written, so that results depend neither on the number of threads nor on how
wide the registers are.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sklearn_wedge._core.kernels.threads import SERIAL, Threads

__all__ = [
    "SERIAL",
    "Threads",
    "active_set",
    "bins",
    "envelopes",
    "fans",
    "filling",
    "groups",
    "hinges",
    "layers",
    "offsets",
    "products",
    "ramps",
    "ready",
    "sweeps",
]

_LOADED_WHEN_USED = set(__all__) - {"SERIAL", "Threads", "ready"}


def __getattr__(name: str) -> ModuleType:
    if name not in _LOADED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")


def ready(array: NDArray, dtype: DTypeLike = np.float64) -> NDArray:
    """An array as a compiled loop takes it: contiguous, and not read-only."""
    flags = array.flags
    if array.dtype == dtype and flags.c_contiguous and flags.writeable:
        return array  # np.require takes ten times as long to say so
    return np.require(array, dtype, ["C", "W"])
