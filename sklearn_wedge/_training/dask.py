"""Fits on dask arrays and frames: chunks stay where they are, sums come back.

With a client of ``dask.distributed`` every chunk is pinned to the worker that has it; without one
the chunks are computed anew in every pass on dask's threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from sklearn_wedge._core.rows import Chunk, LocalChunks, added
from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._settings.labels import refuse_odd_labels
from sklearn_wedge._tables import Levels, candidates, fitted_levels
from sklearn_wedge._training.chunked import rows_at_once
from sklearn_wedge._training.cluster import Cluster, Engine, Handle, Scheduler, engine_for
from sklearn_wedge._training.dask_inputs import (
    aligned,
    check_chunk,
    is_frame,
    looked_at,
    numbers_of_chunk,
    parts_of,
    refuse_checked,
    tidied,
    validated_inputs,
    weight_array,
    without_rows,
)

# Sums of so many chunks are added in one task.
FAN_IN = 8


@single_threaded_blas()  # also on workers, which know of no limit
def _run(
    method: str,
    function: Callable,
    inputs: NDArray,
    targets: tuple[NDArray, NDArray],
    first: int,
    at_most: int,
    along: list,
    args: tuple,
) -> Any:
    """Map a function over the small chunks of one large one."""
    chunks = LocalChunks(np.asarray(inputs), *targets, at_most, first)
    return getattr(chunks, method)(function, *args, along=along)


@single_threaded_blas()
def _new_targets(
    function: Callable,
    inputs: NDArray,
    targets: tuple[NDArray, NDArray],
    first: int,
    at_most: int,
    args: tuple,
) -> tuple[NDArray, NDArray]:
    chunks = LocalChunks(np.asarray(inputs), *targets, at_most, first)
    if not np.any(targets[1] > 0):
        return np.zeros_like(targets[0]), targets[1]
    changed = chunks.with_targets(function, *args)
    return changed.target, changed.weight


def _new_inputs(function: Callable, inputs: NDArray) -> NDArray:
    return function(np.asarray(inputs))


def _inputs_of_rows(
    function: Callable, inputs: NDArray, targets: tuple[NDArray, NDArray], first: int
) -> NDArray:
    inputs = np.asarray(inputs)
    return function(Chunk(first + np.arange(len(inputs)), inputs, *targets))


def _labels(
    targets: tuple[NDArray, NDArray], first_row: int
) -> tuple[NDArray, NDArray] | ValueError:
    """Labels and their weights, or what is wrong with them: the first chunk has the word."""
    y, weight = targets
    try:
        refuse_odd_labels(y, first_row)
    except ValueError as error:
        return error
    labels, codes = np.unique(y, return_inverse=True)
    return labels, np.bincount(codes.ravel(), weight)


@dataclass(frozen=True)
class DaskChunks:
    """Rows in the chunks of a dask array; see ``Rows``.

    Attributes
    ----------
    engine : Engine
    inputs : list of handles
        Chunks of inputs.
    targets : list of handles
        Pairs of targets and weights.
    starts : list of int
        The first row of each chunk.
    n_rows, n_inputs : int
    at_most : int
        Rows looked at at a time.
    """

    engine: Engine
    inputs: list[Handle]
    targets: list[Handle]
    starts: list[int]
    n_rows: int
    n_inputs: int
    at_most: int

    def _submit(self, method: str, function: Callable, args: tuple, along: Sequence) -> list:
        kept = zip(*along, strict=True) if along else [()] * len(self.inputs)
        chunks = zip(self.inputs, self.targets, self.starts, kept, strict=True)
        return [
            self.engine.submit(
                _run, method, function, x, y, first, self.at_most, list(values), args, near=x
            )
            for x, y, first, values in chunks
        ]

    def map(self, function: Callable, *args: Any, along: Sequence = ()) -> list:
        """See ``Rows``."""
        parts = self.engine.gather(self._submit("map", function, args, along))
        return [result for part in parts for result in part]

    def sum(self, function: Callable, *args: Any, along: Sequence = ()) -> tuple:
        """See ``Rows``: neighbours are added first, on the workers."""
        parts = self._submit("sum", function, args, along)
        while len(parts) > 1:
            groups = [parts[k : k + FAN_IN] for k in range(0, len(parts), FAN_IN)]
            parts = [self.engine.submit(added, group) for group in groups]
        return self.engine.gather(parts)[0]

    def keep(self, function: Callable, *args: Any, along: Sequence = ()) -> list:
        """See ``Rows``."""
        return self.engine.settled(self._submit("keep", function, args, along))

    def classes(self) -> tuple[NDArray, NDArray]:
        """The labels, ascending, of the type given, and their weights: also those without any."""
        found = self.engine.gather(
            [
                self.engine.submit(_labels, y, first)
                for y, first in zip(self.targets, self.starts, strict=True)
            ]
        )
        for part in found:
            if isinstance(part, ValueError):
                raise part
        # A chunk without rows may be of another type.
        labels, weights = zip(*(part for part in found if len(part[0])), strict=True)
        classes, codes = np.unique(np.concatenate(labels), return_inverse=True)
        return classes, np.bincount(codes, np.concatenate(weights))

    def with_inputs(self, function: Callable[[NDArray], NDArray], n_inputs: int) -> DaskChunks:
        """See ``Rows``."""
        inputs = self.engine.changed(partial(_new_inputs, function), self.inputs)
        return replace(self, inputs=inputs, n_inputs=n_inputs, at_most=rows_at_once(n_inputs))

    def with_inputs_of_rows(
        self, function: Callable[[Chunk], NDArray], n_inputs: int
    ) -> DaskChunks:
        """The same, made of chunks with their targets and all their rows, also without weight."""
        along = self.targets, self.starts
        inputs = self.engine.changed(partial(_inputs_of_rows, function), self.inputs, *along)
        return replace(self, inputs=inputs, n_inputs=n_inputs, at_most=rows_at_once(n_inputs))

    def with_targets(self, function: Callable, *args: Any) -> DaskChunks:
        """See ``Rows``."""
        targets = [
            self.engine.submit(_new_targets, function, x, y, first, self.at_most, args, near=x)
            for x, y, first in zip(self.inputs, self.targets, self.starts, strict=True)
        ]
        return DaskChunks(
            self.engine,
            self.inputs,
            self.engine.settled(targets),
            self.starts,
            self.n_rows,
            self.n_inputs,
            self.at_most,
        )


def dask_chunks(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: ArrayLike | None
) -> DaskChunks:
    """Validated chunks of a dask array or frame, with the targets as given, of shape (r, q).

    Inputs are numbers, and of categories those of their levels. Sets ``n_features_in_``,
    ``feature_names_in_`` and the levels. For ``y`` see ``target_array``.

    Raises
    ------
    TypeError, ValueError
        If the data are malformed or not finite, or all weights are zero.
    """
    X = validated_inputs(X, estimator)
    engine = engine_for()
    inputs, sizes = _read(engine, X, estimator)
    n_rows, n_inputs = sum(sizes), estimator.n_features_in_
    if n_rows == 0:
        raise ValueError("X has no rows: all of its partitions are empty.")
    y = aligned(y, sizes, "y")
    weights = [None] * len(sizes)
    if sample_weight is not None:
        sample_weight = weight_array(sample_weight, n_rows, estimator)
        weights = parts_of(aligned(sample_weight, sizes, "sample_weight"))
    from dask import delayed

    pairs = [
        delayed(tidied, pure=False)(part, weight)
        for part, weight in zip(parts_of(y), weights, strict=True)
    ]
    targets = engine.settled(_near(engine, inputs, pairs))
    starts = [0, *np.cumsum(sizes)[:-1].tolist()]
    places = zip(inputs, targets, starts, strict=True)
    checks = [engine.submit(check_chunk, x, t, first, near=x) for x, t, first in places]
    refuse_checked(engine.gather(checks), estimator)
    return DaskChunks(engine, inputs, targets, starts, n_rows, n_inputs, rows_at_once(n_inputs))


def _read(engine: Engine, X: Any, estimator: BaseEstimator) -> tuple[list[Handle], list[int]]:
    """Chunks of numbers, and how many rows they have; sets the levels of categories."""
    meta, given = without_rows(X), estimator.categorical_features
    names = getattr(estimator, "feature_names_in_", None)
    columns = candidates(meta, given, names)
    inputs = engine.start(parts_of(X))
    if not columns and not is_frame(X) and X.dtype.kind in "fiub":
        estimator._levels = Levels()
        return inputs, list(X.chunks[0])
    looked = engine.gather([engine.submit(looked_at, x, columns, near=x) for x in inputs])
    sizes, found = zip(*looked, strict=True)
    found = {k: set().union(*(each[k] for each in found)) for k in columns}
    estimator._levels = fitted_levels(meta, given, found, names)
    read = partial(numbers_of_chunk, estimator._levels, type(estimator)())
    return engine.changed(read, inputs, list(range(len(inputs)))), list(sizes)


def _same(value: Any) -> Any:
    return value


def _near(engine: Cluster | Scheduler, inputs: list, delayed: list) -> list[Handle]:
    """Small results moved to where the chunks of inputs are."""
    if isinstance(engine, Scheduler):
        return delayed
    futures = engine.client.compute(delayed)
    return [engine.submit(_same, f, near=x) for f, x in zip(futures, inputs, strict=True)]
