"""Predictions of dask arrays and frames, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_wedge._settings.inputs import refuse_not_finite
from sklearn_wedge._training.dask_inputs import (
    dense,
    in_partition,
    is_dask,
    is_frame,
    row_without_values,
)


def chunkwise(method: Callable) -> Callable:
    """A method of an estimator that predicts, made to map itself over the chunks of a dask array.

    The result is a dask array with the same chunks of rows; of a dask frame with a chunk for each
    partition.
    """

    @wraps(method)
    def predict(self: BaseEstimator, X: ArrayLike) -> Any:
        if not is_dask(X):
            return method(self, X)
        check_is_fitted(self)
        return (_of_frame if is_frame(X) else _of_array)(self, method, X)

    return predict


def _of_array(estimator: BaseEstimator, method: Callable, X: Any) -> Any:
    if X.ndim != 2 or X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has shape {X.shape}, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    X = X if len(X.chunks[1]) == 1 else X.rechunk({1: -1})
    example = method(estimator, row_without_values(X))
    options = {"dtype": example.dtype, "meta": example[:0]}
    if example.ndim == 1:
        return X.map_blocks(_of_block, estimator, method.__name__, drop_axis=1, **options)
    chunks = X.chunks[0], (example.shape[1],)
    return X.map_blocks(_of_block, estimator, method.__name__, chunks=chunks, **options)


def _of_frame(estimator: BaseEstimator, method: Callable, X: Any) -> Any:
    from dask import array, delayed

    example = method(estimator, row_without_values(X._meta))
    predicted = delayed(_of_partition, pure=False)
    return array.concatenate(
        [
            array.from_delayed(
                predicted(part, estimator, method.__name__, number),
                shape=(np.nan, *example.shape[1:]),
                meta=example[:0],
            )
            for number, part in enumerate(X.to_delayed())
        ],
        allow_unknown_chunksizes=True,
    )


def _of_rows(chunk: Any, estimator: BaseEstimator, method: str) -> NDArray:
    predict = getattr(estimator, method)
    if len(chunk) == 0:
        # Estimators refuse to predict no rows, and dask has chunks without any.
        return predict(row_without_values(chunk))[:0]
    return predict(chunk)


def _of_block(
    chunk: Any, estimator: BaseEstimator, method: str, block_info: dict | None = None
) -> NDArray:
    chunk = dense(chunk)
    try:
        return _of_rows(chunk, estimator, method)
    except ValueError as error:
        # Of this chunk: say which row of the whole array it is.
        first_row, number = (block_info[0][f"{of}-location"][0] for of in ("array", "chunk"))
        if np.isnan(first_row[0]):  # sizes of chunks are not known
            raise ValueError(f"In block {number} of the rows: {error}") from error
        refuse_not_finite(chunk, estimator, first_row=int(first_row[0]), missing=True)
        raise ValueError(f"In block {number} of the rows: {error}") from error


def _of_partition(part: Any, estimator: BaseEstimator, method: str, number: int) -> NDArray:
    with in_partition(number):
        return _of_rows(part, estimator, method)
