"""Fits and predictions on dask arrays: chunks stay where they are, sums come back.

With a client of ``dask.distributed`` every chunk is pinned to the worker that has it; without one
the chunks are computed anew in every pass on dask's threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_wedge._core.rows import LocalChunks, added
from sklearn_wedge._core.threads import single_threaded_blas
from sklearn_wedge._settings.inputs import (
    bad_weights,
    refuse_bad_targets,
    refuse_not_finite,
    validated_weight,
)
from sklearn_wedge._settings.labels import refuse_odd_labels
from sklearn_wedge._settings.refusals import (
    Found,
    joined,
    not_finite,
    refuse_found,
    refuse_no_weight,
    refuse_shape_of_weights,
)
from sklearn_wedge._training.chunked import rows_at_once
from sklearn_wedge._training.cluster import Cluster, Engine, Handle, Scheduler, engine_for

# Sums of so many chunks are added in one task.
FAN_IN = 8


def is_dask(data: Any) -> bool:
    """Whether data are a dask collection; dask is not imported to find out."""
    return type(data).__module__.split(".")[0] in ("dask", "dask_expr")


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


# --- what validate_data does for arrays -----------------------------------------------------------


def _refuse_frame(data: Any, name: str) -> None:
    if not hasattr(data, "chunks"):
        raise TypeError(
            f"{name} is a dask {type(data).__name__}: pass a dask array, for example "
            f"{name}.to_dask_array(lengths=True)."
        )


def _refuse_type(array: Any, name: str) -> None:
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must be numeric, and its dtype is {array.dtype}: convert it first."
        )


def _validated_inputs(X: Any) -> Any:
    """Inputs with one chunk of columns and rows in chunks of known size."""
    _refuse_frame(X, "X")
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead. Reshape your data with "
            "X.reshape(-1, 1) if it has a single feature."
        )
    _refuse_type(X, "X")
    if np.isnan(sum(X.chunks[0])):
        raise ValueError(
            "The sizes of the row chunks of X are not known: call X.compute_chunk_sizes() first."
        )
    if X.shape[0] == 0 or X.shape[1] == 0:
        raise ValueError(f"X of shape {X.shape} has no rows or no columns.")
    return X if len(X.chunks[1]) == 1 else X.rechunk({1: -1})


def target_array(estimator: BaseEstimator, y: ArrayLike | None, numeric: bool) -> Any:
    """Targets as an array, of dask or of NumPy, with one or two dimensions.

    Raises
    ------
    TypeError, ValueError
        If there are none, they have other dimensions or, where this is known before they are
        computed, are not what a fit takes.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    if is_dask(y):
        _refuse_frame(y, "y")
        if numeric:
            _refuse_type(y, "y")
    else:
        refuse_bad_targets(y, estimator, numeric)
        y = np.asarray(y)
    if y.ndim not in (1, 2):
        raise ValueError(f"y must have one or two dimensions, and has {y.ndim}.")
    return y


def _weight_array(sample_weight: ArrayLike, n_rows: int, estimator: BaseEstimator) -> Any:
    """Weights as an array, of dask or of NumPy; a number is the weight of every row."""
    if not is_dask(sample_weight):
        return validated_weight(sample_weight, n_rows, estimator)
    _refuse_frame(sample_weight, "sample_weight")
    _refuse_type(sample_weight, "sample_weight")
    refuse_shape_of_weights(sample_weight.shape)
    return sample_weight if sample_weight.ndim else np.full(n_rows, float(sample_weight))


def _aligned(values: Any, X: Any, name: str) -> Any:
    """An array with an entry per row, as a dask array in the chunks of the inputs."""
    from dask import array

    if is_dask(values) and np.isnan(sum(values.chunks[0])):
        raise ValueError(
            f"The sizes of the chunks of {name} are not known: call {name}.compute_chunk_sizes() "
            "first."
        )
    if values.shape[0] != X.shape[0]:
        raise ValueError(
            f"X and {name} have inconsistent numbers of samples: {X.shape[0]} and "
            f"{values.shape[0]}."
        )
    chunks = (X.chunks[0], *values.shape[1:])
    if is_dask(values):
        return values.rechunk(chunks)
    return array.from_array(values, chunks=chunks)


def _parts(array: Any) -> list:
    """The chunks of an array with one chunk of columns."""
    return list(array.to_delayed().ravel())


def _tidied(y: NDArray, weight: NDArray | None) -> tuple[NDArray, NDArray]:
    y = np.asarray(y)
    y = y[:, None] if y.ndim == 1 else y
    weight = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    return y, weight


def dense(chunk: Any) -> NDArray:
    """A chunk of inputs as an array.

    Raises
    ------
    TypeError
        If it is sparse.
    """
    if hasattr(chunk, "todense"):
        method = "toarray" if issparse(chunk) else "todense"
        raise TypeError(
            "Sparse data was passed: the chunks of X are of type "
            f"{type(chunk).__name__}, and dense ones are needed, such as those of "
            f"X.map_blocks(lambda block: block.{method}())."
        )
    return np.asarray(chunk)


@dataclass(frozen=True)
class Checked:
    """What is wrong in one chunk, by kind, with the number of the row in the whole array."""

    inputs: dict[str, Found]
    target: dict[str, Found]
    weight: dict[str, Found]
    any_weight: bool


def check_chunk(inputs: Any, targets: tuple[NDArray, NDArray], first_row: int) -> Checked:
    """Look for values that no fit takes."""
    y, weight = targets
    return Checked(
        not_finite(dense(inputs), first_row, missing=True),
        not_finite(y[:, 0] if y.shape[1] == 1 else y, first_row),
        bad_weights(weight, first_row),
        bool((weight > 0).any()),
    )


def _refuse(checked: list[Checked], estimator: BaseEstimator) -> None:
    """Raise what validation of arrays would raise."""
    refuse_found("X", joined(chunk.inputs for chunk in checked), estimator)
    refuse_found("y", joined(chunk.target for chunk in checked), estimator)
    refuse_found("sample_weight", joined(chunk.weight for chunk in checked), estimator)
    refuse_no_weight(any(chunk.any_weight for chunk in checked))


def dask_chunks(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: ArrayLike | None
) -> DaskChunks:
    """Validated chunks of dask arrays, with the targets as given, of shape (r, q).

    Sets ``n_features_in_``. For ``y`` see ``target_array``.

    Raises
    ------
    ValueError
        If the data are malformed or not finite, or all weights are zero.
    """
    X = _validated_inputs(X)
    if not isinstance(estimator.categorical_features, str | None):
        raise ValueError(
            f"categorical_features={estimator.categorical_features!r} and dask arrays do not "
            "combine: make numbers of the categories first, or fit on a sample of the rows in "
            "memory."
        )
    y = _aligned(y, X, "y")
    weights = [None] * X.numblocks[0]
    if sample_weight is not None:
        sample_weight = _weight_array(sample_weight, X.shape[0], estimator)
        weights = _parts(_aligned(sample_weight, X, "sample_weight"))
    engine = engine_for()
    inputs = engine.start(_parts(X))
    from dask import delayed

    pairs = [
        delayed(_tidied, pure=False)(part, weight)
        for part, weight in zip(_parts(y), weights, strict=True)
    ]
    targets = engine.settled(_near(engine, inputs, pairs))
    starts = [0, *np.cumsum(X.chunks[0])[:-1].tolist()]
    places = zip(inputs, targets, starts, strict=True)
    checks = [engine.submit(check_chunk, x, t, first, near=x) for x, t, first in places]
    _refuse(engine.gather(checks), estimator)
    estimator.n_features_in_ = int(X.shape[1])
    if hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    n_rows, n_inputs = map(int, X.shape)
    return DaskChunks(engine, inputs, targets, starts, n_rows, n_inputs, rows_at_once(n_inputs))


def _same(value: Any) -> Any:
    return value


def _near(engine: Cluster | Scheduler, inputs: list, delayed: list) -> list[Handle]:
    """Small results moved to where the chunks of inputs are."""
    if isinstance(engine, Scheduler):
        return delayed
    futures = engine.client.compute(delayed)
    return [engine.submit(_same, f, near=x) for f, x in zip(futures, inputs, strict=True)]


# --- predictions ----------------------------------------------------------------------------------


def chunkwise(method: Callable) -> Callable:
    """A method of an estimator that predicts, made to map itself over the chunks of a dask array.

    The result is a dask array with the same chunks of rows.
    """

    @wraps(method)
    def predict(self: BaseEstimator, X: ArrayLike) -> Any:
        if not is_dask(X):
            return method(self, X)
        check_is_fitted(self)
        _refuse_frame(X, "X")
        if X.ndim != 2 or X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has shape {X.shape}, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        X = X if len(X.chunks[1]) == 1 else X.rechunk({1: -1})
        example = method(self, np.zeros((1, self.n_features_in_)))
        options = {"dtype": example.dtype, "meta": example[:0]}
        if example.ndim == 1:
            return X.map_blocks(_predict, self, method.__name__, drop_axis=1, **options)
        chunks = X.chunks[0], (example.shape[1],)
        return X.map_blocks(_predict, self, method.__name__, chunks=chunks, **options)

    return predict


def _predict(
    chunk: Any, estimator: BaseEstimator, method: str, block_info: dict | None = None
) -> NDArray:
    predict, chunk = getattr(estimator, method), dense(chunk)
    if len(chunk) == 0:
        # Estimators refuse to predict no rows, and dask arrays have chunks without any.
        return predict(np.zeros((1, chunk.shape[1])))[:0]
    try:
        return predict(chunk)
    except ValueError as error:
        # Of this chunk: say which row of the whole array it is.
        first_row, number = (block_info[0][f"{of}-location"][0] for of in ("array", "chunk"))
        if np.isnan(first_row[0]):  # sizes of chunks are not known
            raise ValueError(f"In block {number} of the rows: {error}") from error
        refuse_not_finite(chunk, estimator, first_row=int(first_row[0]), missing=True)
        raise
