"""Data that no fit takes: errors that say what it is, where it is and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import _get_feature_names

from sklearn_wedge._core.rows import release

# Inputs looked at at a time: about a second-level cache.
CHUNK_BYTES = 2**21

# What to do with text.
TEXT = {
    "X": "Encode categories first, for example with OneHotEncoder(sparse_output=False) in a "
    "ColumnTransformer;",
    "table": "Of a data frame, columns of text alone are categories; name others, and those of an "
    "array, in categorical_features, or",
    "y": "Labels are for WedgeReLUClassifier;",
    "sample_weight": "Give a weight for each row;",
}
# How types of dates, times, durations and periods begin, in any library.
TEMPORAL = "date", "time", "duration", "period"
# One of these has every date, time, duration and period.
DATE_METHODS = "isoformat", "total_seconds", "start_time"
# What conversions to numbers say that fail because of an entry.
FAILED_CONVERSIONS = (
    "could not convert string",
    "must be a string or a real number",
    "setting an array element with a sequence",
    "NA is ambiguous",
)

Caller = BaseEstimator | str


def name_of_caller(caller: Caller) -> str:
    """Who needs the data: a function by its name, or the class of an estimator."""
    return caller if isinstance(caller, str) else type(caller).__name__


@dataclass(frozen=True)
class Found:
    """Entries of an array that no fit takes: how many, and the first, with its row (and column)."""

    count: int = 0
    place: tuple[int, ...] = ()
    value: float = np.nan

    @classmethod
    def among(cls, values: NDArray, wrong: NDArray[np.bool_], first_row: int = 0) -> Found:
        """Those marked as wrong; the first row of the array has this number."""
        if not wrong.any():
            return cls()
        row, *column = (int(index) for index in np.argwhere(wrong)[0])
        count = int(np.count_nonzero(wrong))
        return cls(count, (first_row + row, *column), values[row, *column])

    def joined(self, later: Found) -> Found:
        """These, and others in later rows."""
        first = self if self.count else later
        return Found(self.count + later.count, first.place, first.value)


def not_finite(values: NDArray, first_row: int = 0, missing: bool = False) -> dict[str, Found]:
    """NaN, unless values may be ``missing``, and infinity among floating-point values."""
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return {}
    infinite = {"infinity": Found.among(values, np.isinf(values), first_row)}
    return (
        infinite
        if missing
        else {"NaN": Found.among(values, np.isnan(values), first_row), **infinite}
    )


def joined(parts: Iterable[dict[str, Found]]) -> dict[str, Found]:
    """What was found in parts of an array, in the order of its rows."""
    whole: dict[str, Found] = {}
    for part in parts:
        for kind, found in part.items():
            whole[kind] = whole.get(kind, Found()).joined(found)
    return whole


# --- what to say ----------------------------------------------------------------------------------


def _in_words(place: tuple[int, ...], names: Sequence | None) -> str:
    """Where an entry is: its row and, by name if columns have names, its column."""
    row, *column = place
    if not column:
        return f"row {row}"
    name = column[0] if names is None else repr(str(names[column[0]]))
    return f"row {row}, column {name}"


def _what_to_do(name: str, kind: str, caller: Caller) -> str:
    """With values that no fit takes."""
    if name == "y":
        return "Leave out the rows whose target is not a finite number."
    if name == "sample_weight":
        return "Give a row that should not count a weight of 0."
    who = name_of_caller(caller)
    if kind == "infinity":
        return (
            f"{who} needs finite numbers: replace them, for example by the largest finite value "
            "of their column, or leave these rows out."
        )
    # An imputer cannot read them in columns of type object.
    fill = "Take X.astype('Float64') and fill" if kind == "pd.NA" else "Fill"
    return (
        f"{who} does not accept missing values. {fill} them in first, for example with "
        "SimpleImputer().fit_transform(X) (sklearn.impute.SimpleImputer)."
    )


def refuse_found(
    name: str, found: dict[str, Found], caller: Caller, names: Sequence | None = None
) -> None:
    """Raise if values were found that no fit takes.

    Parameters
    ----------
    name : {"X", "y", "sample_weight"}
        Where.
    found : dict
        By what they are: ``"NaN"``, ``"pd.NA"``, ``"infinity"`` or, of weights, ``"negative"``.
    caller : estimator or str
        Who needs the data.
    names : sequence of str, default=None
        Of the columns, if they have any.

    Raises
    ------
    ValueError
        It names the first entry, and says what to do.
    """
    for kind, values in found.items():
        if values.count:
            raise ValueError(
                f"{_what(name, kind, values)} in {_in_words(values.place, names)}. "
                f"{_what_to_do(name, kind, caller)}"
            )


def _what(name: str, kind: str, found: Found) -> str:
    if kind == "negative":
        return f"Negative values in {name}: {found.count}, the first ({found.value})"
    return f"Input {name} contains {kind}: {found.count} value(s), the first"


def refuse_no_weight(any_weight: bool) -> None:
    """Raise unless there is a positive weight.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not any_weight:
        raise ValueError(
            "sample_weight is zero for every row: at least one weight must be positive."
        )


def refuse_shape_of_weights(shape: tuple[int, ...]) -> None:
    """Raise if weights are neither a number nor in one dimension.

    Raises
    ------
    ValueError
        It names the shape, and says how to make one dimension of a column.
    """
    if len(shape) > 1:
        advice = "; np.ravel(sample_weight) makes one of a column" if shape[1:] == (1,) else ""
        raise ValueError(
            f"Sample weights must be 1D array or scalar, and sample_weight has shape {shape}: give "
            f"one number for each row{advice}."
        )


# --- what no conversion makes numbers of ----------------------------------------------------------


def _column_types(data: Any) -> list[tuple[str, str]]:
    """Names and types of the columns of a frame, of any library; of anything else none."""
    if hasattr(data, "columns") and hasattr(data, "dtypes"):
        return list(zip(map(str, data.columns), map(str, data.dtypes), strict=True))
    if hasattr(data, "schema"):
        return list(zip(data.schema.names, map(str, data.schema.types), strict=True))
    return []


def _is_temporal(dtype: str) -> bool:
    """Whether a type, as NumPy, pandas, polars or Arrow calls it, is one of dates or times."""
    return dtype.lower().startswith(TEMPORAL)


def _array_type(data: Any) -> str:
    """The type of an array or a series, or of the array that anything else makes."""
    if hasattr(data, "dtype"):
        return str(data.dtype)
    try:
        return str(np.asarray(data).dtype)
    except (TypeError, ValueError):  # scikit-learn says so
        return ""


def refuse_unreadable(data: Any, name: str, caller: Caller) -> None:
    """Raise if data would fail, or become numbers that mean nothing, when they are converted.

    Raises
    ------
    TypeError
        If they are a lazy or a sparse frame, or contain dates or durations.
    ValueError
        If they are a frame without columns.
    """
    refuse_lazy(data, name)
    types = _column_types(data)
    if hasattr(data, "columns") and not types:
        raise ValueError(f"Input {name} is a frame with 0 feature(s): it has no columns.")
    if types and all(dtype.startswith("Sparse[") for _, dtype in types):
        raise TypeError(
            f"Sparse data was passed for {name}, and {name_of_caller(caller)} needs a dense "
            f"table: pass {name}.sparse.to_dense()."
        )
    for column, dtype in types:
        if _is_temporal(dtype):
            _refuse_dates(name, caller, f"column {column!r} is of type {dtype}")
    if not types and not issparse(data) and _is_temporal(_array_type(data)):
        _refuse_dates(name, caller, f"it is of type {_array_type(data)}")


def refuse_lazy(data: Any, name: str) -> None:
    """Raise if data are a frame that is not computed.

    Raises
    ------
    TypeError
        It says how to compute it.
    """
    if type(data).__name__ == "LazyFrame":
        raise TypeError(
            f"Input {name} is a LazyFrame, which has no rows before it is computed: pass "
            f"{name}.collect()."
        )


def _refuse_dates(name: str, caller: Caller, where: str) -> None:
    raise TypeError(
        f"Input {name} contains dates or times: {where}. {name_of_caller(caller)} needs numbers: "
        "make of them what should matter, such as the days since a first date, the month or the "
        "hour."
    )


def _is_missing(value: Any) -> bool:
    """Whether an entry stands for a value that is not known, other than by NaN."""
    return value is None or type(value).__name__ == "NAType"


def _refusal(value: Any) -> Exception | None:
    """Why an entry is no number; None if it is one, or is missing."""
    try:
        float(value)
    except (TypeError, ValueError) as error:
        return None if _is_missing(value) else error
    return None


def explain_failure(data: Any, name: str, caller: Caller) -> None:
    """After data could not be converted: raise an error about the first entry that is no number.

    Raises
    ------
    ValueError
        If it is text, or a value is missing.
    TypeError
        If it is anything else.
    """
    entries, names = np.atleast_1d(np.asarray(data, dtype=object)), getattr(data, "columns", None)
    if entries.ndim > 2:
        return
    for place in np.ndindex(entries.shape):
        refusal = _refusal(entries[place])
        if refusal is not None:
            _refuse_entry(entries[place], _in_words(place, names), name, caller, refusal)
    missing = np.vectorize(_is_missing, otypes=[bool])(entries)
    refuse_found(name, {"pd.NA": Found.among(entries, missing)}, caller, names)


def _refuse_entry(value: Any, where: str, name: str, caller: Caller, reason: Exception) -> None:
    needs = f"{name_of_caller(caller)} needs numbers"
    what_to_do = TEXT["table" if name == "X" and not isinstance(caller, str) else name]
    if isinstance(value, str):
        raise ValueError(
            f"Input {name} contains text: {str(value)!r} in {where}. {needs}. "
            f"{what_to_do} convert numbers that are written as text."
        ) from reason
    if any(hasattr(value, method) for method in DATE_METHODS):
        _refuse_dates(name, caller, f"{value!r} in {where}")
    raise TypeError(
        f"Input {name} contains an object that is no number: {value!r} in {where} ({reason}). "
        f"{needs}: make one of it, or leave it out."
    ) from reason


# --- reading --------------------------------------------------------------------------------------


def _with_nan(X: Any) -> Any:
    """Inputs with NaN for entries that stand for a missing value, and are not read as such."""
    entries = np.array(X, dtype=object)
    if entries.ndim != 2:
        return X
    entries[np.vectorize(_is_missing, otypes=[bool])(entries)] = np.nan
    return type(X)(entries, index=X.index, columns=X.columns) if hasattr(X, "iloc") else entries


def read_inputs(
    read: Callable[[Any], Any], X: ArrayLike, caller: Caller, missing: bool = False
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
    missing : bool, default=False
        Whether values may be missing: they are NaN then.

    Raises
    ------
    TypeError, ValueError
        If the inputs are not numbers, or not finite.
    """
    refuse_unreadable(X, "X", caller)
    try:
        data = _read(read, X, missing)
    except (TypeError, ValueError) as error:
        # Rows of different lengths have no columns to be named.
        if any(part in str(error) for part in FAILED_CONVERSIONS) and "homog" not in str(error):
            explain_failure(X, "X", caller)
        raise
    array = data[0] if isinstance(data, tuple) else data
    is_function = isinstance(caller, str)
    names = _get_feature_names(X) if is_function else getattr(caller, "feature_names_in_", None)
    refuse_not_finite(array, caller, names, missing=missing)
    return data


def _read(read: Callable[[Any], Any], X: ArrayLike, missing: bool) -> Any:
    try:
        return read(X)
    except (TypeError, ValueError) as error:
        if missing and any(part in str(error) for part in ("NAType", "NA is ambiguous")):
            return read(_with_nan(X))
        raise


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
    if y is None or issparse(y):  # scikit-learn says so
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
        "and predictions are of shape (n_samples,). Pass one dimension, for example y.ravel().",
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
            f"X and sample_weight have inconsistent numbers of samples: {n_rows} and {len(weight)}."
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
