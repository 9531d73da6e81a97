"""What validation does for arrays, done for dask arrays and frames, and their chunks as numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_feature_names, check_array

from sklearn_wedge._settings.inputs import (
    bad_weights,
    converted,
    refuse_bad_targets,
    validated_weight,
)
from sklearn_wedge._settings.refusals import (
    Found,
    joined,
    not_finite,
    refuse_found,
    refuse_no_weight,
    refuse_shape_of_weights,
    refuse_unreadable,
)
from sklearn_wedge._tables import Levels, found_levels


def is_dask(data: Any) -> bool:
    """Whether data are a dask collection; dask is not imported to find out."""
    return type(data).__module__.split(".")[0] in ("dask", "dask_expr")


def is_frame(data: Any) -> bool:
    """Whether a dask collection is a frame or a series."""
    return hasattr(data, "to_dask_array")


# --- the table ------------------------------------------------------------------------------------


def without_rows(X: Any) -> Any:
    """A table of the columns of a dask array or frame."""
    return X._meta if is_frame(X) else np.empty((0, X.shape[1]), X.dtype)


def row_without_values(X: Any) -> Any:
    """A table of one row, all of whose values are missing, as some table has it."""
    if hasattr(X, "iloc"):
        return X.iloc[:0].reset_index(drop=True).reindex([0])
    return np.full((1, X.shape[1]), np.nan)


def _refuse_other(data: Any, name: str) -> None:
    if not hasattr(data, "chunks"):
        raise TypeError(
            f"{name} is a dask {type(data).__name__}: pass a dask array, or a data frame of dask."
        )


def _refuse_type(array: Any, name: str) -> None:
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must be numeric, and its dtype is {array.dtype}: convert it first."
        )


def validated_inputs(X: Any, estimator: BaseEstimator) -> Any:
    """A frame, or an array with one chunk of columns and rows in chunks of known size.

    Sets ``n_features_in_`` and ``feature_names_in_``.

    Raises
    ------
    TypeError, ValueError
        If this can be none.
    """
    if not is_frame(X):
        _refuse_other(X, "X")
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead. Reshape your data with "
            "X.reshape(-1, 1) if it has a single feature."
        )
    X = X if is_frame(X) else _validated_array(X, estimator)
    refuse_unreadable(without_rows(X), "X", estimator)
    _check_feature_names(estimator, without_rows(X), reset=True)
    estimator.n_features_in_ = int(without_rows(X).shape[1])
    return X


def _validated_array(X: Any, estimator: BaseEstimator) -> Any:
    given = estimator.categorical_features
    if given is None or isinstance(given, str):  # categories may be of any type
        _refuse_type(X, "X")
    if np.isnan(sum(X.chunks[0])):
        raise ValueError(
            "The sizes of the row chunks of X are not known: call X.compute_chunk_sizes() first."
        )
    if X.shape[0] == 0 or X.shape[1] == 0:
        raise ValueError(f"X of shape {X.shape} has no rows or no columns.")
    return X if len(X.chunks[1]) == 1 else X.rechunk({1: -1})


def looked_at(chunk: Any, columns: Sequence[int]) -> tuple[int, dict[int, set]]:
    """How many rows a chunk has, and what levels some of its columns."""
    return len(chunk), found_levels(_table(chunk), columns)


def numbers_of_chunk(levels: Levels, caller: BaseEstimator, chunk: Any, number: int) -> NDArray:
    """A chunk as numbers, and of categories those of their levels.

    Raises
    ------
    TypeError, ValueError
        If there is anything else in it.
    """
    options = {"dtype": (np.float64, np.float32), "ensure_all_finite": False}
    read = partial(check_array, ensure_min_samples=0, **options)
    with in_partition(number):
        return converted(read, _table(chunk), caller, levels.codes)


def _table(chunk: Any) -> Any:
    return chunk if hasattr(chunk, "iloc") else dense(chunk)


@contextmanager
def in_partition(number: int) -> Iterator[None]:
    """Say which part of the rows an error is about: rows are counted from its beginning."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"In partition {number} of X, rows counted from its first: {error}") from error


# --- targets and weights --------------------------------------------------------------------------


def _array_of(values: Any, name: str) -> Any:
    """Targets or weights as a dask array."""
    if is_frame(values):
        array = values.map_partitions(np.asarray, meta=np.asarray(values._meta))
        return array.compute_chunk_sizes()
    _refuse_other(values, name)
    return values


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
        y = _array_of(y, "y")
        if numeric:
            _refuse_type(y, "y")
    else:
        refuse_bad_targets(y, estimator, numeric)
        y = np.asarray(y)
    if y.ndim not in (1, 2):
        raise ValueError(f"y must have one or two dimensions, and has {y.ndim}.")
    return y


def weight_array(sample_weight: ArrayLike, n_rows: int, estimator: BaseEstimator) -> Any:
    """Weights as an array, of dask or of NumPy; a number is the weight of every row."""
    if not is_dask(sample_weight):
        return validated_weight(sample_weight, n_rows, estimator)
    sample_weight = _array_of(sample_weight, "sample_weight")
    _refuse_type(sample_weight, "sample_weight")
    refuse_shape_of_weights(sample_weight.shape)
    return sample_weight if sample_weight.ndim else np.full(n_rows, float(sample_weight))


def aligned(values: Any, sizes: Sequence[int], name: str) -> Any:
    """An array with an entry per row, as a dask array in chunks as large as those of the inputs."""
    from dask import array

    if is_dask(values) and np.isnan(sum(values.chunks[0])):
        raise ValueError(
            f"The sizes of the chunks of {name} are not known: call {name}.compute_chunk_sizes() "
            "first."
        )
    if values.shape[0] != sum(sizes):
        raise ValueError(
            f"X and {name} have inconsistent numbers of samples: {sum(sizes)} and "
            f"{values.shape[0]}."
        )
    chunks = (tuple(sizes), *values.shape[1:])
    if is_dask(values):
        return values.rechunk(chunks)
    return array.from_array(values, chunks=chunks)


def parts_of(data: Any) -> list:
    """The partitions of a frame, or the chunks of an array with one chunk of columns."""
    parts = data.to_delayed()
    return parts if isinstance(parts, list) else list(parts.ravel())


def tidied(y: NDArray, weight: NDArray | None) -> tuple[NDArray, NDArray]:
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


def refuse_checked(checked: list[Checked], estimator: BaseEstimator) -> None:
    """Raise what validation of arrays would raise."""
    names = getattr(estimator, "feature_names_in_", None)
    refuse_found("X", joined(chunk.inputs for chunk in checked), estimator, names)
    refuse_found("y", joined(chunk.target for chunk in checked), estimator)
    refuse_found("sample_weight", joined(chunk.weight for chunk in checked), estimator)
    refuse_no_weight(any(chunk.any_weight for chunk in checked))
