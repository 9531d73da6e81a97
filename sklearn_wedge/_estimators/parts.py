"""Rows to choose a penalty on, and their parts: by the content of rows, never by their order.

Equal rows are one row with their weights summed, in the order of their values: copies and weights,
and rows in another order, make the same parts, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.rows import Chunk, Rows, bits_of, hashes_of_rows, merge_samples, mixed

Array = NDArray[np.float64]
Hashes = NDArray[np.uint64]

# Distinct rows that a penalty is chosen on, at most.
MOST_ROWS = 12_500
# Of these, rows of each class at least, if there are as many.
LEAST_OF_CLASS = 40


@dataclass(frozen=True)
class DistinctRows:
    """Distinct rows with a weight, sorted by inputs and targets.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        In original units.
    target : ndarray of shape (n, q)
        As the loss sees it.
    weight : ndarray of shape (n,)
    n_of_table : int
        How many distinct rows the table has that these are from.
    """

    X: Array
    target: Array
    weight: Array
    n_of_table: int


def rows_to_choose_on(rows: Rows, by_class: bool) -> DistinctRows:
    """All distinct rows, or a sample of them if they are many.

    Which rows are in a sample depends on a hash of their values; if targets are of classes, a class
    has its share in the sample, and rare ones have more.
    """
    if rows.n_rows <= MOST_ROWS:
        return _merged(rows.map(_contents))
    hashes, codes = (np.concatenate(part) for part in zip(*rows.map(_hashes), strict=True))
    codes = codes if by_class else np.zeros_like(codes)
    hashes, first = np.unique(hashes, return_index=True)
    limits = _limits(hashes, codes[first])
    found = _merged(rows.map(_contents_below, limits, by_class))
    return replace(found, n_of_table=len(hashes))


def _limits(hashes: Hashes, codes: NDArray[np.intp]) -> Hashes:
    """The largest hash of each class of which rows are in the sample, of sorted distinct ones."""
    limits = np.zeros(codes.max() + 1, dtype=np.uint64)
    for code in np.unique(codes):
        mine = hashes[codes == code]
        share = MOST_ROWS * len(mine) // len(hashes)
        limits[code] = mine[min(len(mine), max(share, LEAST_OF_CLASS)) - 1]
    return limits


def _merged(parts: list[tuple[Array, Array, Array]]) -> DistinctRows:
    X, target, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    # A power of two: huge weights do not overflow in a sum, and nothing is rounded.
    weight = np.ldexp(weight, -np.frexp(weight.max())[1])
    rows, weight, _ = merge_samples(X, target, weight, np.arange(len(weight)))
    return DistinctRows(X[rows], target[rows], weight, len(weight))


def _contents(chunk: Chunk) -> tuple[Array, Array, Array]:
    """Inputs, targets and weights; "+ 0.0" makes -0.0 and 0.0 one value."""
    return chunk.inputs.astype(np.float64) + 0.0, chunk.target + 0.0, chunk.weight


def _contents_below(chunk: Chunk, limits: Hashes, by_class: bool) -> tuple[Array, Array, Array]:
    hashes, codes = _hashes(chunk)
    chosen = hashes <= limits[codes if by_class else 0]
    return tuple(part[chosen] for part in _contents(chunk))


def _hashes(chunk: Chunk) -> tuple[Hashes, NDArray[np.intp]]:
    """A hash of each row, and the number of its class if targets are of classes."""
    inputs, target, weight = _contents(chunk)
    found = hashes_of_rows(map(bits_of, (*inputs.T, *target.T)), len(weight))
    with np.errstate(invalid="ignore"):  # numbers of a regression are none of classes
        return found, labels_of(target).astype(np.intp)


def labels_of(target: Array) -> Array:
    """One number per row: the target, or the place of its class."""
    return target[:, 0] if target.shape[1] == 1 else target.argmax(axis=1)


def dealt(rows: DistinctRows, n_parts: int, by_class: bool, time: int = 0) -> NDArray[np.intp]:
    """The part of each row, from 0; -1 for the only row of a class, which no part may have.

    Sorted by target, each run of ``n_parts`` rows has one in every part, in an order that changes
    from run to run: every part has targets of all sizes, and nothing periodic can hide in one. Of
    classes each is dealt for itself. Another ``time`` they are dealt differently.
    """
    order = np.lexsort((np.arange(len(rows.weight)), *rows.target.T[::-1]))
    sizes = np.array([len(order)])
    if by_class:
        changes = np.any(np.diff(rows.target[order], axis=0) != 0, axis=1)
        sizes = np.diff(np.flatnonzero(np.concatenate([[True], changes, [True]])))
    found = np.empty(len(order), dtype=np.intp)
    found[order] = np.concatenate([_dealt(n, n_parts, time) if n > 1 else [-1] for n in sizes])
    return found


def _dealt(n: int, n_parts: int, time: int) -> NDArray[np.intp]:
    """Parts of n rows in a row."""
    runs = -(-n // n_parts)
    first = time * runs * n_parts
    keys = np.arange(first, first + runs * n_parts, dtype=np.uint64)
    keys = mixed(keys).reshape(runs, n_parts)
    return np.argsort(keys, axis=1, kind="stable").ravel()[:n]
