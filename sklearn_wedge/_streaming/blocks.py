"""Rows in blocks: what is computed from them is mapped over the blocks and summed.

The functions that are mapped are pure and take a block first. Where the blocks are is no concern of
theirs: in an array or a file of this machine, or on the workers of a cluster.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BlockFunction = Callable[..., Any]
# An entry per row, block by block, wherever the blocks are.
Kept = Any

# Columns of a restricted problem that there is room for, as a rule.
EXPECTED_COLUMNS = 512
# Arrays of the inputs, and of the activations, that a block function holds at a time.
COPIES_OF_INPUTS, COPIES_OF_ACTIVATIONS = 4, 3
# Blocks of more rows would not stay in the cache; of fewer, calls cost more than sums.
MOST_ROWS, LEAST_ROWS = 4096, 64


@dataclass(frozen=True)
class Block:
    """Some rows of a positive weight.

    Attributes
    ----------
    rows : int ndarray of shape (r,)
        Which rows of the data they are, ascending.
    inputs : ndarray of shape (r, d)
        As given: in original units, of any type of real number.
    target : ndarray of shape (r, q)
    weight : ndarray of shape (r,)
    """

    rows: NDArray[np.intp]
    inputs: NDArray
    target: Array
    weight: Array


class RowBlocks(Protocol):
    """Rows in blocks.

    Attributes
    ----------
    n_rows, n_inputs : int
    """

    n_rows: int
    n_inputs: int

    def map(self, function: BlockFunction, *args: Any, along: Sequence[Kept] = ()) -> list:
        """Results of ``function(block, *kept, *args)``, in the order of the rows."""

    def sum(
        self, function: BlockFunction, *args: Any, along: Sequence[Kept] = ()
    ) -> tuple[Array, ...]:
        """Sums of results that are tuples of arrays."""

    def keep(self, function: BlockFunction, *args: Any, along: Sequence[Kept] = ()) -> Kept:
        """Results that stay where the blocks are, to be handed to later functions ``along``."""

    def with_targets(self, function: BlockFunction, *args: Any) -> RowBlocks:
        """The same rows with other targets and weights, those that the function returns."""


def rows_per_block(n_inputs: int, memory: float) -> int:
    """Rows that a block may have for its arrays to fit into so many bytes."""
    floats = COPIES_OF_INPUTS * n_inputs + COPIES_OF_ACTIVATIONS * EXPECTED_COLUMNS
    return int(np.clip(memory // (8 * floats), LEAST_ROWS, MOST_ROWS))


def added(sums: Iterable[tuple[Array, ...] | None]) -> tuple[Array, ...] | None:
    """Tuples of arrays added in their order, array by array; None stands for no rows."""
    total: list[Array] | None = None
    for parts in sums:
        if parts is None:
            continue
        if total is None:
            total = [np.array(part, dtype=np.float64) for part in parts]
            continue
        for so_far, part in zip(total, parts, strict=True):
            so_far += part
    return None if total is None else tuple(total)


def release(array: NDArray) -> None:
    """Let go of the pages of a memory-mapped array: they are read again when they are needed.

    Otherwise the pages read so far would count as memory in use, up to the whole file.
    """
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    pages = getattr(array, "_mmap", None)
    # Pages written to in a private copy exist nowhere else.
    if pages is not None and array.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)


class LocalBlocks:
    """Rows of arrays, one block at a time; the inputs may be a file mapped into memory.

    Parameters
    ----------
    inputs : ndarray of shape (n, d)
        Not copied.
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
        Rows of weight zero are left out of the blocks.
    at_most : int
        Rows in a block.
    first : int, default=0
        Which row of the data the first one is.
    """

    def __init__(self, inputs: NDArray, target: Array, weight: Array, at_most: int, first: int = 0):
        self.inputs, self.target, self.weight = inputs, target, weight
        self.at_most, self.first = at_most, first
        self.n_rows, self.n_inputs = inputs.shape

    def _blocks(self) -> Iterator[Block]:
        for begin in range(0, self.n_rows, self.at_most):
            part = slice(begin, begin + self.at_most)
            inputs, target, weight = self.inputs[part], self.target[part], self.weight[part]
            present = weight > 0
            if not present.any():
                continue
            rows = self.first + begin + np.flatnonzero(present)
            if not present.all():
                inputs, target, weight = inputs[present], target[present], weight[present]
            yield Block(rows, inputs, target, weight)

    def _results(self, function: BlockFunction, args: tuple, along: Sequence[Kept]) -> Iterator:
        # Results kept belong to the blocks one by one: more or fewer would be those of other rows.
        for block, *values in zip(self._blocks(), *along, strict=True):
            yield function(block, *values, *args)
            release(self.inputs)

    def map(self, function: BlockFunction, *args: Any, along: Sequence[Kept] = ()) -> list:
        """See ``RowBlocks``."""
        return list(self._results(function, args, along))

    def sum(
        self, function: BlockFunction, *args: Any, along: Sequence[Kept] = ()
    ) -> tuple[Array, ...]:
        """See ``RowBlocks``."""
        return added(self._results(function, args, along))

    def keep(self, function: BlockFunction, *args: Any, along: Sequence[Kept] = ()) -> list:
        """See ``RowBlocks``."""
        return self.map(function, *args, along=along)

    def with_targets(self, function: BlockFunction, *args: Any) -> LocalBlocks:
        """See ``RowBlocks``."""
        target, all_weights = None, np.zeros(self.n_rows)
        for block in self._blocks():
            values, weight = function(block, *args)
            if target is None:
                target = np.zeros((self.n_rows, values.shape[1]))
            rows = block.rows - self.first
            target[rows], all_weights[rows] = values, weight
        return LocalBlocks(self.inputs, target, all_weights, self.at_most, self.first)
