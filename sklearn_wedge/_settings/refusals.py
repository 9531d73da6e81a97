"""Data that no fit takes: errors that say what it is, where it is and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator

from sklearn_wedge._tables import AS_TEXT, is_no_value

# What to do with text.
TEXT = {
    "X": "Encode categories first, for example with OneHotEncoder(sparse_output=False) in a "
    "ColumnTransformer;",
    "table": "By default columns of a data frame that are all text are categories; once "
    "categorical_features is given it names all of them, those of text too, and those of an array "
    "(transformers make data frames after set_output(transform='pandas')). Name the column there, "
    "or",
    "fitted table": "In fit this was a column of numbers:",
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
    "Cannot cast ",
    "must be a string or a real number",
    "setting an array element with a sequence",
    "NA is ambiguous",
)

# How scikit-learn says that columns are not those of the fit, and that some of these are missing.
OTHER_COLUMNS = "The feature names should match those that were passed during fit."
MISSING_COLUMNS = "Feature names seen at fit time, yet now missing"

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
        If they are a frame without columns, or inputs of which several columns have one name.
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
    _refuse_repeated([column for column, _ in types], name)
    for column, dtype in types:
        if _is_temporal(dtype):
            _refuse_dates(name, caller, f"column {column!r} is of type {dtype}")
    if not types and not issparse(data) and _is_temporal(_array_type(data)):
        _refuse_dates(name, caller, f"it is of type {_array_type(data)}")


def _refuse_repeated(names: Sequence[str], name: str) -> None:
    repeated = [each for each, count in Counter(names).items() if count > 1]
    if name == "X" and repeated:
        raise ValueError(
            f"Several columns of X have the same name: {repeated}. Names tell columns apart: leave "
            "out or rename all but one of each, or pass X.to_numpy()."
        )


def refuse_sparse(data: Any, name: str, caller: Caller, encodes: bool = False) -> None:
    """Raise if data are a sparse matrix or array.

    Parameters
    ----------
    data : object
    name : {"X", "y"}
    caller : estimator or str
        Who needs the data.
    encodes : bool, default=False
        Whether the caller takes tables with categories.

    Raises
    ------
    TypeError
        It says how to make data dense, and where none are to be made.
    """
    if not issparse(data):
        return
    who = name_of_caller(caller)
    needs = f"Sparse data was passed for {name}, and {who} needs dense data."
    if name == "y":
        is_column = data.ndim == 2 and data.shape[1] == 1
        raise TypeError(f"{needs} Pass y.toarray(){'.ravel()' if is_column else ''}.")
    itself = (
        f" Or leave the encoder out: of a data frame {who} takes columns of text, and of type "
        "category, for categories."
    )
    raise TypeError(
        f"{needs} Write OneHotEncoder(sparse_output=False), "
        f"ColumnTransformer(..., sparse_threshold=0) or X.toarray().{itself if encodes else ''}"
    )


def explain_other_columns(error: ValueError) -> None:
    """Raise an error that says what to do, if this one says that columns are not those of the fit.

    Raises
    ------
    ValueError
        It begins as that of scikit-learn.
    """
    said = str(error)
    if not said.startswith(OTHER_COLUMNS):
        return
    what_to_do = (
        "Rename or add the columns that are missing."
        if MISSING_COLUMNS in said
        else "X[list(feature_names_in_)], of the fitted estimator, are those of the fit in order."
    )
    raise ValueError(said + what_to_do) from None


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


def _refusal(value: Any) -> Exception | None:
    """Why an entry is no number; None if it is one, or is missing."""
    try:
        float(value)
    except (TypeError, ValueError) as error:
        return None if is_no_value(value) else error
    return None


def _is_number(value: Any) -> bool:
    """Whether an entry is a number, not one in text."""
    is_other = isinstance(value, str) or is_no_value(value) or _refusal(value) is not None
    return not is_other and not np.isnan(float(value))


def explain_failure(data: Any, name: str, caller: Caller, fits: bool = True) -> None:
    """After data could not be converted: raise an error about the first entry that is no number.

    Categories of a table are numbers already; which they are is open only in a fit.

    Raises
    ------
    ValueError
        If it is text, or a value is missing.
    TypeError
        If it is anything else.
    """
    entries = np.atleast_1d(np.asarray(data, dtype=object))
    names = [column for column, _ in _column_types(data)] or None
    if entries.ndim > 2:
        return
    kind = "X" if isinstance(caller, str) else "table" if fits else "fitted table"
    kind = kind if name == "X" else name
    for place in np.ndindex(entries.shape):
        refusal = _refusal(entries[place])
        if refusal is not None:
            if kind == "table" and entries.ndim == 2:
                _refuse_mixed(entries, place, names, caller)
            where = _in_words(place, names)
            _refuse_entry(entries[place], where, name, caller, refusal, TEXT[kind])
    missing = np.vectorize(is_no_value, otypes=[bool])(entries)
    refuse_found(name, {"pd.NA": Found.among(entries, missing)}, caller, names)


def _refuse_mixed(
    entries: NDArray, place: tuple[int, ...], names: Sequence | None, caller: Caller
) -> None:
    """Raise if an entry is text, and its column has numbers, too."""
    text, column = entries[place], place[1]
    row = next((k for k, value in enumerate(entries[:, column]) if _is_number(value)), None)
    if not isinstance(text, str) or row is None:
        return
    number = entries[row, column]
    raise ValueError(
        f"A column of X mixes text and numbers: {str(text)!r} (str) in {_in_words(place, names)}, "
        f"and {number!r} ({type(number).__name__}) in row {row}. {name_of_caller(caller)} needs "
        f"one of both. For a category make text of all its values, as with {AS_TEXT} (and name it "
        "in categorical_features, if that is given or X is an array); for a quantity numbers, with "
        "pandas.to_numeric(X[...], errors='coerce'), which leaves text that is no number missing."
    )


def _refuse_entry(
    value: Any, where: str, name: str, caller: Caller, reason: Exception, what_to_do: str
) -> None:
    needs = f"{name_of_caller(caller)} needs numbers"
    if isinstance(value, str):
        raise ValueError(
            f"Input {name} contains text: {str(value)!r} in {where}. {needs}. "
            f"{what_to_do} convert numbers that are written as text, and what stands for missing "
            "ones, with pandas.to_numeric(column, errors='coerce')."
        ) from reason
    if any(hasattr(value, method) for method in DATE_METHODS):
        _refuse_dates(name, caller, f"{value!r} in {where}")
    raise TypeError(
        f"Input {name} contains an object that is no number: {value!r} in {where} ({reason}). "
        f"{needs}: make one of it, or leave it out."
    ) from reason
