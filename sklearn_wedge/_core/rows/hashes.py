"""Hashes of values: numbers that look random, and are always the same."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]


def mixed(values: Hashes) -> Hashes:
    """Integers that look random, each always the same (the mixer of SplitMix64)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hashes_of_rows(columns: Iterable[Hashes], n_rows: int) -> Hashes:
    """A hash of each row of some columns of integers, one after the other."""
    found = np.zeros(n_rows, dtype=np.uint64)
    for column in columns:
        found = mixed(found ^ column)
    return found


def bits_of(values: NDArray) -> Hashes:
    """Numbers as the integers of the same bits; -0.0 is 0.0, and missing values are one."""
    values = np.asarray(values, dtype=np.float64) + 0.0
    return np.ascontiguousarray(np.where(np.isnan(values), np.nan, values)).view(np.uint64)
