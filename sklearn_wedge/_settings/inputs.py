"""Inputs, targets and weights as they are given, read as arrays of numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import _check_feature_names, _get_feature_names

from sklearn_wedge._core.rows import release
from sklearn_wedge._settings.refusals import (
    FAILED_CONVERSIONS,
    Caller,
    Found,
    explain_failure,
    explain_other_columns,
    joined,
    not_finite,
    refuse_found,
    refuse_lazy,
    refuse_no_weight,
    refuse_shape_of_weights,
    refuse_sparse,
    refuse_unreadable,
)
from sklearn_wedge._tables import is_no_value

# Inputs looked at at a time: about a second-level cache.
CHUNK_BYTES = 2**21


def _with_nan(X: Any) -> Any:
    """Inputs with NaN for entries that stand for a missing value, and are not read as such."""
    entries = np.array(X, dtype=object)
    if entries.ndim != 2:
        return X
    entries[np.vectorize(is_no_value, otypes=[bool])(entries)] = np.nan
    return type(X)(entries, index=X.index, columns=X.columns) if hasattr(X, "iloc") else entries


def read_inputs(
    read: Callable[[Any], Any],
    X: ArrayLike,
    caller: Caller,
    coded: Callable[[Any], Any] | None = None,
    fits: bool = True,
) -> Any:
    """What scikit-learn makes of the inputs, alone or with targets, if all of them are finite.

    Parameters
    ----------
    read : callable
        Calls the function of scikit-learn on the inputs; returns them as an array, or a tuple that
        begins with it.
    X : array-like
        The inputs as given.
    caller : estimator or str
        Who needs them.
    coded : callable, default=None
        Makes of a table the same with numbers for its categories. With it values may be missing:
        they are NaN then.
    fits : bool, default=True
        Whether they are read for a fit.

    Raises
    ------
    TypeError, ValueError
        If the inputs are not numbers, or not finite.
    """
    refuse_unreadable(X, "X", caller)
    refuse_sparse(X, "X", caller, encodes=fits and coded is not None)
    try:
        data = converted(read, X, caller, coded, fits)
    except ValueError as error:
        explain_other_columns(error)
        raise
    array = data[0] if isinstance(data, tuple) else data
    is_function = isinstance(caller, str)
    names = _get_feature_names(X) if is_function else getattr(caller, "feature_names_in_", None)
    refuse_not_finite(array, caller, names, missing=coded is not None)
    return data


def converted(
    read: Callable[[Any], Any],
    X: ArrayLike,
    caller: Caller,
    coded: Callable[[Any], Any] | None = None,
    fits: bool = True,
) -> Any:
    """The same, whether they are finite or not; see ``read_inputs``."""
    table = X if coded is None else coded(X)
    try:
        return _read(read, table, missing=coded is not None)
    except (TypeError, ValueError) as error:
        # Rows of different lengths have no columns to be named.
        if any(part in str(error) for part in FAILED_CONVERSIONS) and "homog" not in str(error):
            explain_failure(table, "X", caller, fits)
        raise


def _read(read: Callable[[Any], Any], X: ArrayLike, missing: bool) -> Any:
    try:
        return read(X)
    except (TypeError, ValueError) as error:
        if missing and any(part in str(error) for part in ("NAType", "NA is ambiguous")):
            return read(_with_nan(X))
        raise


def coding(owner: Any, codes: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Makes numbers of the categories of a table, if its columns are named as those of its owner.

    Entries of other columns are no levels, and would be warned of before these are refused.
    """

    def coded(X: Any) -> Any:
        named = getattr(owner, "feature_names_in_", None) is not None
        if named and _get_feature_names(X) is not None:
            _check_feature_names(owner, X, reset=False)
        return codes(X)

    return coded


def rows_in_cache(biases: Sequence[NDArray], n_inputs: int, most_bytes: float = np.inf) -> int:
    """Rows of which a network with these biases of its layers keeps what it computes in the cache.

    Or fewer, if ``most_bytes`` asks for it.
    """
    n_hidden = sum(map(len, biases[:-1]))
    row_bytes = 8 * (n_inputs + 2 * max(n_hidden, 1))
    return max(1, int(min(CHUNK_BYTES, most_bytes) // row_bytes))


def row_chunks(n_rows: int, at_most: int) -> list[slice]:
    """Chunks of at most so many rows.

    scikit-learn's ``gen_batches`` first looks at its own signature, which takes as long as the
    network of a small table; and partial dependence predicts such a table thousands of times.
    """
    return [slice(start, min(start + at_most, n_rows)) for start in range(0, n_rows, at_most)]


def refuse_not_finite(
    X: NDArray,
    caller: Caller,
    names: Sequence | None = None,
    first_row: int = 0,
    missing: bool = False,
) -> None:
    """Raise if inputs are infinite, or missing unless they may be, in chunks: X may be a file.

    The first row of the array has the number ``first_row``.

    Raises
    ------
    ValueError
        It names row and column.
    """
    rows = max(1, int(CHUNK_BYTES // (8 * X.shape[1])))

    def in_chunks() -> Iterator[dict[str, Found]]:
        for chunk in row_chunks(len(X), rows):
            yield not_finite(X[chunk], first_row + chunk.start, missing)
            release(X)

    refuse_found("X", joined(in_chunks()), caller, names)


def _numbers(data: Any, name: str, caller: Caller) -> NDArray[np.float64]:
    """Targets or weights as numbers.

    Raises
    ------
    TypeError, ValueError
        If they are not; it names the first entry that is none.
    """
    refuse_unreadable(data, name, caller)
    values = np.asarray(data)
    try:
        return values.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        explain_failure(data, name, caller)
        raise


def refuse_bad_targets(y: Any, caller: Caller, numeric: bool) -> None:
    """Raise if targets are not numbers, if they must be, or numbers that are not finite.

    Raises
    ------
    TypeError, ValueError
        It names the first row.
    """
    refuse_lazy(y, "y")
    refuse_sparse(y, "y", caller)
    if y is None:  # scikit-learn says so
        return
    values = np.asarray(y)
    if numeric and values.dtype.kind != "c":
        values = _numbers(y, "y", caller)
    refuse_found("y", not_finite(values), caller, getattr(y, "columns", None))


def is_one_target(y: Any) -> bool:
    """Whether targets are one: in one dimension or, with a warning, in a column.

    One rule for every loss, and for exported networks: scikit-learn's predict one dimension.
    """
    if len(y.shape) == 1 or y.shape[1] > 1:
        return len(y.shape) == 1
    warnings.warn(
        f"A column-vector y was passed when a 1d array was expected: y has shape {tuple(y.shape)}, "
        "and predictions are of shape (n_samples,). Pass one dimension, for example np.ravel(y).",
        DataConversionWarning,
        stacklevel=5,
    )
    return True


def validated_weight(
    sample_weight: ArrayLike | None, n_rows: int, caller: Caller
) -> NDArray[np.float64]:
    """Weights as an array of shape (n_rows,); ones if there are none.

    Raises
    ------
    TypeError
        If they are not numbers.
    ValueError
        If they are of another shape, a weight is negative or not finite, or all are zero.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weight = _numbers(sample_weight, "sample_weight", caller)
    refuse_shape_of_weights(weight.shape)
    weight = np.full(n_rows, weight) if weight.ndim == 0 else weight
    if len(weight) != n_rows:
        raise ValueError(
            f"X and sample_weight have inconsistent numbers of samples: {n_rows} and "
            f"{len(weight)}. Give a weight for each row of X."
        )
    refuse_found("sample_weight", bad_weights(weight), caller)
    refuse_no_weight(bool(np.any(weight > 0)))
    return weight


def bad_weights(weight: NDArray[np.float64], first_row: int = 0) -> dict[str, Found]:
    """Weights that no fit takes: missing, infinite or negative."""
    negative = Found.among(weight, weight < 0, first_row)
    return {**not_finite(weight, first_row), "negative": negative}


def as_columns(y: NDArray) -> NDArray[np.float64]:
    """Targets as an array of shape (n, q)."""
    return np.asarray(y, dtype=np.float64).reshape(len(y), -1)
