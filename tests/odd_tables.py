"""Tables as they come from anywhere, drawn by hypothesis: what becomes of them, and what to expect.

Every table ends in a fit that predicts, or in an error that says what is wrong, where, and what to
do: one of ``REFUSALS``. ``benchmarks/adversarial.py --tables`` draws as many as wanted.
"""

from __future__ import annotations

import datetime
import decimal
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone, is_classifier

from sklearn_wedge import WedgeFeatures, WedgeReLUClassifier, WedgeReLURegressor

# What errors say, and the advice that they end with.
REFUSALS = (
    r"All values of columns? .+ are missing .+ leave (it|them) out\.",
    r"Several columns of X have the same name: .+ leave out or rename all but one",
    r"contains dates or times: .+ make of them what should matter",
    r"Levels of a category are text or numbers, and those of column .+ make text of all of them",
    r"A column of X mixes text and numbers: .+ in row \d+, column .+ for a quantity numbers, with",
    r"Input X contains text: .+ in row \d+, column .+ convert numbers that are written as text",
    r"Input X contains an object that is no number: .+ in row \d+, column .+ make one of it, or",
    r"Input X contains infinity: .+ in row \d+, column .+ replace them, for example",
    r"Input X contains values beyond .+ in row \d+, column",
    r"Feature names are only supported if all input features have string names",
    r"Complex data not supported",
    r"This solver needs samples of at least 2 classes|y has one class",
)
WORDS = ("", " ", "a", "b", "A", "ä", "0", "1.5", "nan", "None", "<NA>", "x = y", "it's\n", "duck")


@dataclass(frozen=True)
class OddTable:
    """A table, its target, and who fits it to what is said of its categories."""

    frame: pd.DataFrame
    target: np.ndarray
    estimator: BaseEstimator
    as_polars: bool

    def __repr__(self) -> str:
        kinds = {str(name): str(dtype) for name, dtype in self.frame.dtypes.items()}
        return (
            f"{self.estimator!r} on {'polars' if self.as_polars else 'pandas'}, {kinds}\n"
            f"{self.frame.to_dict('list')}\n{self.target.tolist()}"
        )


# --- columns --------------------------------------------------------------------------------------


def _entries(draw: Any, values: st.SearchStrategy, n: int) -> list:
    return draw(st.lists(values, min_size=n, max_size=n))


def _maybe(values: st.SearchStrategy, *missing: Any) -> st.SearchStrategy:
    return st.one_of(values, st.sampled_from(missing))


NUMBERS = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e3, 1e3, allow_nan=False),
    st.sampled_from([0.0, -0.0, 1e-300, 1e30, -1e8]),
)
CODES = st.sampled_from([0, 1, 2, 2**53 + 1, 2**60, 2**60 + 1, -(2**62)])
TEXT = st.one_of(st.sampled_from(WORDS), st.text(max_size=3))
OBJECTS = st.sampled_from(
    [[1], {}, b"x", 1j, decimal.Decimal("1.5"), datetime.date(2020, 1, 1), (1, 2), object]
)


def _floats(draw: Any, n: int) -> Any:
    return np.array(_entries(draw, _maybe(NUMBERS, np.nan), n), dtype=np.float64)


def _singles(draw: Any, n: int) -> Any:
    return np.array(_entries(draw, st.floats(width=32), n), dtype=np.float32)


def _whole(draw: Any, n: int) -> Any:
    return np.array(_entries(draw, CODES, n), dtype=np.int64)


def _nullable(draw: Any, n: int) -> Any:
    return pd.array(_entries(draw, _maybe(CODES, pd.NA), n), dtype="Int64")


def _booleans(draw: Any, n: int) -> Any:
    return np.array(_entries(draw, st.booleans(), n))


def _nullable_booleans(draw: Any, n: int) -> Any:
    return pd.array(_entries(draw, _maybe(st.booleans(), pd.NA), n), dtype="boolean")


def _text(draw: Any, n: int) -> Any:
    return pd.array(_entries(draw, _maybe(TEXT, pd.NA), n), dtype="string")


def _objects_of_text(draw: Any, n: int) -> Any:
    return np.array([*_entries(draw, _maybe(TEXT, None, np.nan, pd.NA), n), None], object)[:-1]


def _categories(draw: Any, n: int) -> Any:
    levels = draw(
        st.one_of(
            st.lists(TEXT, unique=True, max_size=30),
            st.lists(CODES, unique=True, min_size=1, max_size=7),
            st.lists(st.booleans(), unique=True, min_size=1),
            st.lists(st.floats(-5, 5), unique=True, min_size=1, max_size=4),
            st.lists(st.one_of(CODES, TEXT), unique=True, min_size=1, max_size=4),
            st.lists(st.dates(), unique=True, min_size=1, max_size=3),
        )
    )
    codes = _entries(draw, st.integers(-1, len(levels) - 1), n)
    return pd.Categorical.from_codes(codes, levels, ordered=draw(st.booleans()))


def _many_levels(draw: Any, n: int) -> Any:
    return np.array([f"level {k % 27}" for k in range(n)], dtype=object)


def _constant(draw: Any, n: int) -> Any:
    return pd.Series([draw(_maybe(st.one_of(NUMBERS, TEXT, st.booleans()), None, np.nan))] * n)


def _nothing(draw: Any, n: int) -> Any:
    dtype = draw(st.sampled_from(["float64", "object", "string", "category", "Int64", "boolean"]))
    return pd.Series([None] * n, dtype=dtype)


def _numbers_as_text(draw: Any, n: int) -> Any:
    return np.array([str(value) for value in _entries(draw, NUMBERS, n)], dtype=object)


def _mixed(draw: Any, n: int) -> Any:
    kinds = st.one_of(NUMBERS, CODES, TEXT, st.booleans())
    return pd.Series(_entries(draw, _maybe(kinds, None, pd.NA, np.nan), n), dtype=object)


def _others(draw: Any, n: int) -> Any:
    return pd.Series(_entries(draw, _maybe(OBJECTS, None), n), dtype=object)


def _infinite(draw: Any, n: int) -> Any:
    return np.array(_entries(draw, _maybe(NUMBERS, np.inf, -np.inf), n), dtype=np.float64)


def _dates(draw: Any, n: int) -> Any:
    dtype = draw(st.sampled_from(["datetime64[ns]", "timedelta64[ns]"]))
    return pd.Series(_entries(draw, st.integers(0, 10**15), n)).astype(dtype)


USUAL = (
    *(_floats, _whole, _nullable, _booleans, _nullable_booleans, _text, _objects_of_text),
    *(_categories, _many_levels, _constant),
)
ODD = (_singles, _nothing, _numbers_as_text, _mixed, _others, _infinite, _dates)
NAMES = st.one_of(
    st.sampled_from(["a", "b", "a is missing", "a = b", "intercept", "h0", ""]), st.text(max_size=3)
)


@st.composite
def _frames(draw: Any) -> pd.DataFrame:
    n = draw(st.one_of(st.integers(1, 4), st.integers(5, 40)))
    kinds = draw(st.lists(st.sampled_from(USUAL), min_size=1, max_size=4))
    if draw(st.integers(0, 3)) == 0:
        kinds.append(draw(st.sampled_from(ODD)))
    columns = [pd.Series(kind(draw, n)) for kind in kinds]
    frame = pd.concat(columns, axis=1)
    unique = draw(st.integers(1, 20)) < 20
    names = st.lists(NAMES, min_size=len(kinds), max_size=len(kinds), unique=unique)
    numbered = st.just(list(range(len(kinds))))
    frame.columns = draw(st.one_of(names, names, names, numbered))
    return frame


@st.composite
def odd_tables(draw: Any) -> OddTable:
    """A table and who fits it."""
    frame = draw(_frames())
    n, d = frame.shape
    seeded = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    classes = draw(st.booleans())
    labels = (seeded.permutation(n) % 2).astype(str)
    target = labels if classes else seeded.normal(size=n).round(2)
    text = [k for k in range(d) if not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[k])]
    more = st.lists(st.integers(0, d - 1), max_size=d).map(lambda own: sorted({*text, *own}))
    given = draw(
        st.one_of(
            *[st.just("from_dtype")] * 4,
            *[more] * 3,
            st.just(None),
            st.lists(st.booleans(), min_size=d, max_size=d),
        )
    )
    alpha = draw(st.sampled_from([0.1, 0.1, 0.1, "auto"]))
    kind = WedgeReLUClassifier if classes else WedgeReLURegressor
    order = draw(st.sampled_from([1, 2, 2, None]))
    model = kind(alpha, categorical_features=given, interaction_order=order, tol=1e-2, max_iter=5)
    if draw(st.integers(0, 9)) == 0:
        model = WedgeFeatures(model)
    return OddTable(frame, target, model, draw(st.integers(0, 2)) == 0)


# --- verdict --------------------------------------------------------------------------------------


def _other_rows(frame: pd.DataFrame, of_text: Sequence[int]) -> pd.DataFrame:
    """The same rows: in the first nothing is known, the last has levels that were not there."""
    other = frame.copy()
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place].astype(object).copy()
        column.iloc[0] = None
        if place in of_text:
            column.iloc[-1] = "a level that was not there"
        other.isetitem(place, column)
    return other


def _as_given(table: OddTable, frame: pd.DataFrame) -> Any:
    if not table.as_polars:
        return frame
    given = pl.from_pandas(frame)
    given.columns = [str(name) for name in frame.columns]  # polars has others for some
    return given


def _polars_has(frame: pd.DataFrame) -> bool:
    """Whether polars takes what pandas has."""
    try:
        for each in (frame, _other_rows(frame, [])):
            pl.from_pandas(each).columns = [str(name) for name in frame.columns]
    except Exception:  # of many kinds
        return False
    return True


def outcome(table: OddTable) -> str:
    """``"fit"``, or what was refused; anything else is an error.

    Raises
    ------
    AssertionError
        If an error does not say enough, or a fit predicts what it should not.
    """
    if table.as_polars and not _polars_has(table.frame):
        table = OddTable(table.frame, table.target, table.estimator, False)
    X, model = _as_given(table, table.frame), clone(table.estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(X, table.target)
        except (TypeError, ValueError) as error:
            return _refusal(error)
        network = getattr(model, "estimator_", model)
        levels = network.table_._levels.of_column.items()
        of_text = [column for column, own in levels if isinstance(own[0], str)]
        _check(model, X, _as_given(table, _other_rows(table.frame, of_text)))
    return "fit"


def _refusal(error: Exception) -> str:
    for pattern in REFUSALS:
        if re.search(pattern, str(error), re.DOTALL):
            return pattern
    raise AssertionError(f"an error says too little: {error!r}") from error


def _check(model: Any, X: Any, others: Any) -> None:
    if isinstance(model, WedgeFeatures):
        assert np.isfinite(model.transform(X)).all() and np.isfinite(model.transform(others)).all()
        assert len(model.get_feature_names_out()) == model.transform(X).shape[1]
        return
    predict = model.decision_function if is_classifier(model) else model.predict
    assert np.isfinite(predict(X)).all() and np.isfinite(predict(others)).all()
    assert isinstance(model.summary(), str)
    outputs = model.decision_function(others) if is_classifier(model) else model.predict(others)
    if model.neurons_.inputs.shape[1] <= 2:
        explanation = model.explain(others)
        total = explanation.intercept + explanation.contributions.sum(axis=1)
        assert np.allclose(total, outputs, rtol=1e-6, atol=1e-6 * np.abs(outputs).max())
    model.to_dict()
