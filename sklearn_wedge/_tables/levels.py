"""Categories of a table as numbers: which columns are categories, and the number of each level."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Level = str | float

# Modules whose calls users do not see.
OWN_MODULES = "sklearn_wedge", "sklearn"
# How types of categories and of text begin, as pandas, polars and Arrow call them.
CATEGORIES = "category", "categorical", "enum", "dictionary"
TEXT = "str", "string", "large_string", "utf8"
# What makes text of the values of a column, but not of missing ones.
AS_TEXT = "X[...].map(str, na_action='ignore')"
# Columns of text of so many levels, of which no more than this part are no numbers, are hardly
# categories.
MANY_LEVELS = 20
MOST_OTHERS = 0.1


@dataclass(frozen=True)
class Levels:
    """The levels of the columns that are categories.

    Attributes
    ----------
    of_column : dict of int to tuple
        By column, ascending: text, or numbers.
    """

    of_column: dict[int, tuple[Level, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> list[int]:
        """The columns that are categories."""
        return list(self.of_column)

    def codes(self, X: Any) -> Any:
        """The table with the number of its level for each category.

        NaN where it is missing, and one more than the last number where a level is not known.
        """
        if not self.of_column or max(self.of_column) >= n_columns(X):  # validation says so
            return X
        codes = {}
        for column, levels in self.of_column.items():
            entries = column_of(X, column)
            codes[column] = codes_of(entries, levels)
            if not np.any(codes[column] < len(levels)):
                _warn_of_other_kind(entries, levels, name_of_column(X, column))
        return with_columns(X, codes)


def is_no_value(value: Any) -> bool:
    """Whether an entry stands for a value that is not known, other than by NaN."""
    # pandas has a type of its own, and need not be there.
    return value is None or type(value).__name__ == "NAType"


def is_missing(value: Any) -> bool:
    """Whether an entry stands for a value that is not known."""
    return is_no_value(value) or bool(value != value)


def level_of(value: Any) -> Any:
    """An entry as a level: text, or a number whatever its type."""
    if isinstance(value, str):
        return str(value)
    return float(value) if isinstance(value, Number | np.bool_ | np.number) else value


def fractions_in_single(levels: Sequence[float]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Levels with a fraction as single precision has them, and the number of the first of each.

    A table may be of another precision than the one that was fitted. Whole numbers are what they
    are: those that single precision does not hold are others.
    """
    with np.errstate(over="ignore"):
        single = np.asarray(levels, dtype=np.float64).astype(np.float32)
    places = np.flatnonzero(np.floor(single) != single)
    distinct, first = np.unique(single[places], return_index=True)
    return distinct, places[first]


class _Places:
    """The number of each level: of the very level, or of a fraction in single precision."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self.unknown = float(len(levels))
        self.exact = {level: float(k) for k, level in enumerate(levels)}

    @cached_property
    def near(self) -> dict[float, float]:
        """The number of each level that is a fraction, by that in single precision."""
        if any(isinstance(level, str) for level in self.exact):
            return {}
        keys, places = fractions_in_single(list(self.exact))
        return dict(zip(keys.tolist(), places.astype(np.float64).tolist(), strict=True))

    def of(self, level: Any) -> float:
        """Of a level, or of anything else that can be looked up."""
        code = self.exact.get(level)
        if code is None and isinstance(level, float):
            code = self.near.get(_in_single(level))
        return self.unknown if code is None else code


def _in_single(number: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(number))


def codes_of(entries: Sequence[Any], levels: Sequence[Level]) -> Array:
    """The number of the level of each entry."""
    place = _Places(levels)
    found: dict[Any, float] = {}
    codes = np.empty(len(entries))
    for row, value in enumerate(entries):
        try:
            code = found.get(value)
        except TypeError:  # an object of another kind is no level
            codes[row] = place.unknown
            continue
        if code is None:
            code = np.nan if is_missing(value) else place.of(level_of(value))
            found[value] = code
        codes[row] = code
    return codes


def calls_below_user() -> int:
    """How far up the stack, for a warning, the line is that called this package.

    As many calls are between as estimators are inside of each other.
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in OWN_MODULES:
        frame, level = frame.f_back, level + 1
    return level


def _warn_of_other_kind(entries: Sequence[Any], levels: Sequence[Level], which: str) -> None:
    """Say that no value is known because text stands for numbers, or numbers for text."""
    kinds = {isinstance(value, str) for value in entries if not is_missing(value)}
    if len(kinds) != 1 or isinstance(levels[0], str) in kinds:
        return
    here, in_fit = ("text", "numbers") if kinds == {True} else ("numbers", "text")
    warnings.warn(
        f"{which} of X has {here}, and its levels in fit were {in_fit}: each value counts as a "
        f"level that was not there. Make {in_fit} of them.",
        stacklevel=calls_below_user(),
    )


def _warn_of_numbers_as_text(X: Any, types: Sequence[str], levels: Levels) -> None:
    """Say which columns of text are categories of many levels, most of which are numbers.

    Columns of a type of categories are taken for what they are.
    """
    for column, its_levels in levels.of_column.items():
        if types[column].startswith(CATEGORIES):
            continue
        others = [level for level in its_levels if not _is_number(level)]
        if len(its_levels) < MANY_LEVELS or len(others) > MOST_OTHERS * len(its_levels):
            continue
        name = name_of_column(X, column)
        but = f" (not {others[:3]})" if others else ""
        with_comma = any("," in level for level in its_levels if _is_number(level))
        entries = "X[...].str.replace(',', '.')" if with_comma else "X[...]"
        warnings.warn(
            f"{name} of X is text, and {len(its_levels) - len(others)} of its {len(its_levels)} "
            f"levels are numbers{but}: it is taken for a category, without the order of numbers. "
            "If it is a quantity, make numbers of it before fit and predict, as with "
            f"pandas.to_numeric({entries}, errors='coerce'); if its levels are names, make its "
            "type 'category'.",
            stacklevel=calls_below_user(),
        )


def _is_number(level: Level) -> bool:
    """Whether text can be read as a number, also with a decimal comma."""
    try:
        float(level.replace(",", ".", 1))
    except ValueError:
        return False
    return True


# --- tables of any library ------------------------------------------------------------------------


def types_of(X: Any) -> list[str] | None:
    """Types of the columns of a frame, in lower case; None of anything else."""
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        return [str(dtype).lower() for dtype in X.dtypes]
    if hasattr(X, "schema") and hasattr(X.schema, "types"):
        return [str(dtype).lower() for dtype in X.schema.types]
    return None


def name_of_column(X: Any, column: int) -> str:
    """A column of a frame or an array in words, to begin a sentence."""
    if types_of(X) is None:
        return f"Column {column}"
    names = X.columns if hasattr(X, "dtypes") else X.schema.names
    return f"Column {str(names[column])!r}"


def column_of(X: Any, column: int) -> Sequence[Any]:
    """The entries of a column of a frame or an array, as objects of Python."""
    if hasattr(X, "iloc"):
        return X.iloc[:, column].astype(object).tolist()
    if hasattr(X, "to_series"):  # polars
        return X.to_series(column).to_list()
    if hasattr(X, "column"):  # Arrow
        return X.column(column).to_pylist()
    return _objects(X)[:, column].tolist()


def _objects(X: Any) -> NDArray:
    array = X if isinstance(X, np.ndarray) else np.array(X, dtype=object)
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {array.ndim}D array instead: a table has rows and columns."
        )
    return array


def with_columns(X: Any, columns: dict[int, Array]) -> Any:
    """The table with other columns in the place of some."""
    if hasattr(X, "iloc"):
        X = X.copy(deep=False)
        for column, values in columns.items():
            X.isetitem(column, values)
    elif hasattr(X, "to_series"):
        X = X.clone()
        for column, values in columns.items():
            X.replace_column(column, type(X.to_series(column))(X.columns[column], values))
    elif hasattr(X, "set_column"):
        for column, values in columns.items():
            is_batch = not hasattr(X, "combine_chunks")  # a RecordBatch has no chunks
            X = X.set_column(column, X.schema.names[column], values if is_batch else [values])
    else:
        array = _objects(X)
        X = array.astype(object if array.dtype.kind in "OUS" else np.float64)
        for column, values in columns.items():
            X[:, column] = values
    return X


# --- which columns --------------------------------------------------------------------------------


def n_columns(X: Any) -> int:
    types = types_of(X)
    return len(types) if types is not None else _objects(X).shape[1]


def candidates(X: Any, categorical_features: Any, names: Sequence[str] | None) -> list[int]:
    """The columns that may be categories, ascending: as users say, or of types that may be.

    Raises
    ------
    ValueError
        If ``categorical_features`` does not fit the columns.
    """
    if categorical_features is None:
        return []
    if isinstance(categorical_features, str):
        types = types_of(X) or []
        may_be = (*CATEGORIES, *TEXT, "object")
        return [k for k, dtype in enumerate(types) if dtype.startswith(may_be)]
    given = np.asarray(categorical_features)
    n = n_columns(X)
    if given.size == 0:
        return []
    if given.ndim != 1:
        raise ValueError(
            "categorical_features must be 'from_dtype', None, or names, numbers or a mask of "
            f"columns, in one dimension; got {categorical_features!r}."
        )
    if given.dtype.kind == "b":
        if len(given) != n:
            raise ValueError(
                f"categorical_features is a mask of {len(given)} columns, and X has {n}: give one "
                "entry for each."
            )
        return np.flatnonzero(given).tolist()
    return sorted({_place(each, n, names) for each in given.tolist()})


def _place(column: Any, n: int, names: Sequence[str] | None) -> int:
    if isinstance(column, str):
        if names is None:
            raise ValueError(
                f"categorical_features names the column {column!r}, and X has no names: pass a "
                "data frame whose columns are all named by strings, or numbers of columns."
            )
        if column in list(names):
            return list(names).index(column)
    elif isinstance(column, Integral) and 0 <= column < n:
        return int(column)
    raise ValueError(
        f"categorical_features has {column!r}, and X has no such column: give names, numbers from "
        f"0 to {n - 1} or a mask."
    )


def found_levels(X: Any, columns: Sequence[int]) -> dict[int, set]:
    """What distinct entries some columns have that are not missing, as levels."""
    return {column: _distinct(column_of(X, column)) for column in columns}


def _distinct(entries: Sequence[Any]) -> set:
    try:
        return {level_of(value) for value in set(entries) if not is_missing(value)}
    except TypeError:  # objects of another kind, which are no levels
        return {()}


def fitted_levels(
    X: Any,
    categorical_features: Any,
    found: dict[int, set],
    names: Sequence[str] | None,
) -> Levels:
    """The levels of categories, in an order that depends on nothing but themselves.

    A warning says which columns of text look like numbers.

    Parameters
    ----------
    X : table
        Of which names and types count, and not the rows.
    categorical_features : "from_dtype", array-like or None
        By their types columns of objects are categories only if all of these are text.
    found : dict of int to set
        Levels of the ``candidates``.
    names : sequence of str, or None

    Raises
    ------
    ValueError
        If a category has text and numbers, which are in no order, or objects of another kind.
    """
    types = types_of(X) if isinstance(categorical_features, str) else None
    fitted = Levels(
        {
            column: _sorted(levels, column, names)
            for column, levels in found.items()
            if types is None or _is_category(types[column], levels)
        }
    )
    if types is not None:
        _warn_of_numbers_as_text(X, types, fitted)
    return fitted


def levels_of_table(X: Any, categorical_features: Any, names: Sequence[str] | None) -> Levels:
    """The levels of the categories of a table in memory; see ``fitted_levels``."""
    columns = candidates(X, categorical_features, names)
    return fitted_levels(X, categorical_features, found_levels(X, columns), names)


def _is_category(dtype: str, levels: set) -> bool:
    if dtype.startswith(CATEGORIES):
        return True
    return bool(levels) and all(isinstance(level, str) for level in levels)


def _sorted(levels: set, column: int, names: Sequence[str] | None) -> tuple[Level, ...]:
    kinds = {type(level) for level in levels}
    if not kinds <= {str} and not kinds <= {float}:
        which = f"column {column}" if names is None else f"column {str(names[column])!r}"
        found = sorted(kind.__name__ for kind in kinds)
        raise ValueError(
            f"Levels of a category are text or numbers, and those of {which} of X are of the types "
            f"{found}: make text of all of them, as with {AS_TEXT}."
        )
    return tuple(sorted(levels))
