"""Rows in chunks: what is computed from them is mapped over the chunks and summed.

The functions that are mapped are pure and take a chunk first. Where the chunks are is no concern of
theirs: a table in memory is one chunk; a file of this machine or an array on the workers of a
cluster is many.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.kernels import SERIAL, Threads

Array = NDArray[np.float64]
ChunkFunction = Callable[..., Any]
# An entry per row, chunk by chunk, wherever the chunks are.
Kept = Any

# Columns of a restricted problem that there is room for, as a rule.
EXPECTED_COLUMNS = 512
# Arrays of the inputs, and of the activations, that a function of a chunk holds at a time.
COPIES_OF_INPUTS, COPIES_OF_ACTIVATIONS = 4, 3
# Chunks of more rows would not stay in the cache; of fewer, calls cost more than sums.
MOST_ROWS, LEAST_ROWS = 4096, 64
# Chunks that each thread takes before results are added up.
CHUNKS_PER_THREAD = 4


@dataclass(frozen=True)
class Chunk:
    """Some rows of a positive weight.

    Attributes
    ----------
    rows : int ndarray of shape (r,)
        Which rows of the data they are, ascending.
    inputs : ndarray of shape (r, d)
        Of any type of real number.
    target : ndarray of shape (r, q)
    weight : ndarray of shape (r,)
    threads : Threads
        Over which a function of the chunk may share out its work.
    """

    rows: NDArray[np.intp]
    inputs: NDArray
    target: Array
    weight: Array
    threads: Threads = SERIAL


class Rows(Protocol):
    """Rows in chunks.

    Attributes
    ----------
    n_rows, n_inputs : int
    """

    n_rows: int
    n_inputs: int

    def map(self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()) -> list:
        """Results of ``function(chunk, *kept, *args)``, in the order of the rows."""

    def sum(
        self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()
    ) -> tuple[Array, ...]:
        """Sums of results that are tuples of arrays."""

    def keep(self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()) -> Kept:
        """Results that stay where the chunks are, to be handed to later functions ``along``."""

    def with_targets(self, function: ChunkFunction, *args: Any) -> Rows:
        """The same rows with other targets and weights, those that the function returns."""

    def with_inputs(self, function: Callable[[NDArray], NDArray], n_inputs: int) -> Rows:
        """The same rows with other inputs, those that the function makes of an array of them."""


def rows_per_chunk(n_inputs: int, memory: float) -> int:
    """Rows that a chunk may have for its arrays to fit into so many bytes."""
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


def is_mapped(array: NDArray) -> bool:
    """Whether an array, or what it is a view of, is a file mapped into memory."""
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


class MappedRows:
    """What a function makes of the rows of an array, whenever some of them are asked for.

    Parameters
    ----------
    base : ndarray of shape (n, d)
        Not copied.
    function : callable
        From some rows, (r, d), to an array of shape (r, n_columns).
    n_columns : int
    """

    def __init__(self, base: NDArray, function: Callable[[NDArray], NDArray], n_columns: int):
        self.base, self.function = base, function
        self.shape = len(base), n_columns

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray:
        return self.function(self.base[rows])


class OneChunk:
    """Rows of a table in memory, all in one chunk; see ``Rows``.

    Parameters
    ----------
    inputs : ndarray of shape (n, d)
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
        Positive.
    threads : Threads
        Over which functions of the chunk share out their work.
    """

    def __init__(self, inputs: NDArray, target: Array, weight: Array, threads: Threads = SERIAL):
        self.chunk = Chunk(np.arange(len(weight)), inputs, target, weight, threads)
        self.n_rows, self.n_inputs = inputs.shape

    def shared_out(self, threads: Threads) -> OneChunk:
        """The same rows, their work shared out over threads."""
        return OneChunk(self.chunk.inputs, self.chunk.target, self.chunk.weight, threads)

    def with_output(self, output: int) -> OneChunk:
        """The same rows with one of their targets."""
        target = np.ascontiguousarray(self.chunk.target[:, [output]])
        return OneChunk(self.chunk.inputs, target, self.chunk.weight, self.chunk.threads)

    def map(self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()) -> list:
        """See ``Rows``."""
        return [function(self.chunk, *(kept[0] for kept in along), *args)]

    def sum(
        self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()
    ) -> tuple[Array, ...]:
        """See ``Rows``."""
        return self.map(function, *args, along=along)[0]

    def keep(self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()) -> list:
        """See ``Rows``."""
        return self.map(function, *args, along=along)

    def with_targets(self, function: ChunkFunction, *args: Any) -> OneChunk:
        """See ``Rows``."""
        return OneChunk(self.chunk.inputs, *function(self.chunk, *args))

    def with_inputs(self, function: Callable[[NDArray], NDArray], n_inputs: int) -> OneChunk:
        """See ``Rows``."""
        return OneChunk(function(self.chunk.inputs), self.chunk.target, self.chunk.weight)


class LocalChunks:
    """Rows of arrays, one chunk at a time; the inputs may be a file mapped into memory.

    Parameters
    ----------
    inputs : ndarray of shape (n, d)
        Not copied.
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
        Rows of weight zero are left out of the chunks.
    at_most : int
        Rows in a chunk.
    first : int, default=0
        Which row of the data the first one is.
    threads : Threads
        Over which chunks are shared out.
    """

    def __init__(
        self,
        inputs: NDArray,
        target: Array,
        weight: Array,
        at_most: int,
        first: int = 0,
        threads: Threads = SERIAL,
    ):
        self.inputs, self.target, self.weight = inputs, target, weight
        self.at_most, self.first, self.threads = at_most, first, threads
        self.n_rows, self.n_inputs = inputs.shape

    def _chunks(self) -> Iterator[Chunk]:
        for begin in range(0, self.n_rows, self.at_most):
            part = slice(begin, begin + self.at_most)
            inputs, target, weight = self.inputs[part], self.target[part], self.weight[part]
            present = weight > 0
            if not present.any():
                continue
            rows = self.first + begin + np.flatnonzero(present)
            if not present.all():
                inputs, target, weight = inputs[present], target[present], weight[present]
            yield Chunk(rows, inputs, target, weight)

    def _results(self, function: ChunkFunction, args: tuple, along: Sequence[Kept]) -> Iterator:
        def work(task: tuple) -> Any:
            chunk, *values = task
            result = function(chunk, *values, *args)
            release(self.inputs)
            return result

        # Results kept belong to the chunks one by one: more or fewer would be those of other rows.
        tasks = zip(self._chunks(), *along, strict=True)
        # A few at a time: sums of all chunks would not fit into memory.
        while some := list(islice(tasks, CHUNKS_PER_THREAD * self.threads.n_threads)):
            yield from self.threads.map(work, some)

    def map(self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()) -> list:
        """See ``Rows``."""
        return list(self._results(function, args, along))

    def sum(
        self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()
    ) -> tuple[Array, ...]:
        """See ``Rows``."""
        return added(self._results(function, args, along))

    def keep(self, function: ChunkFunction, *args: Any, along: Sequence[Kept] = ()) -> list:
        """See ``Rows``."""
        return self.map(function, *args, along=along)

    def with_targets(self, function: ChunkFunction, *args: Any) -> LocalChunks:
        """See ``Rows``."""
        target, all_weights = None, np.zeros(self.n_rows)
        for chunk in self._chunks():
            values, weight = function(chunk, *args)
            if target is None:
                target = np.zeros((self.n_rows, values.shape[1]))
            rows = chunk.rows - self.first
            target[rows], all_weights[rows] = values, weight
        data = self.inputs, target, all_weights
        return LocalChunks(*data, self.at_most, self.first, self.threads)

    def with_inputs(self, function: Callable[[NDArray], NDArray], n_inputs: int) -> LocalChunks:
        """See ``Rows``: made anew in every pass."""
        inputs = MappedRows(self.inputs, function, n_inputs)
        data = inputs, self.target, self.weight
        return LocalChunks(*data, self.at_most, self.first, self.threads)
