"""Data that no fit takes: the error says what it is, where it is and what to do."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest
import scipy.sparse
from dask import array
from numpy.testing import assert_array_equal
from plain_cv import regressor_cv
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    alpha_max,
    polish,
    wedge_relu_path,
)

N = 40
DATES = pd.date_range("2020", periods=N)


def table():
    X = np.random.default_rng(0).normal(size=(N, 3))
    return pd.DataFrame(X, columns=["age", "income", "rate"]), np.abs(X[:, 0])


def put(values, place, value):
    values = np.array(values, dtype=np.result_type(np.asarray(values), type(value)))
    values[place] = value
    return values


FITTED = WedgeReLURegressor(0.1).fit(*table())
FEATURES = WedgeFeatures(WedgeReLURegressor(0.1)).fit(*table())
# Everything that takes inputs.
ENTRANCES = {
    "fit": lambda X, y: WedgeReLURegressor(0.01).fit(X, y),
    "fit of a classifier": lambda X, y: WedgeReLUClassifier(0.01).fit(X, y > 0.5),
    "cross-validation": lambda X, y: regressor_cv().fit(X, y),
    "fit of features": lambda X, y: WedgeFeatures().fit(X, y),
    "predict": lambda X, y: FITTED.predict(X),
    "explain": lambda X, y: FITTED.explain(X),
    "transform": lambda X, y: FEATURES.transform(X),
    "path": lambda X, y: wedge_relu_path(X, y, [0.1]),
    "alpha_max": lambda X, y: alpha_max(X, y),
}
THROUGH = pytest.mark.parametrize("enter", ENTRANCES.values(), ids=ENTRANCES)


def in_date_columns():
    X, _ = table()
    moments = list(DATES.to_pydatetime())
    yield "pandas", X.assign(rate=DATES)
    yield "pandas, with a time zone", X.assign(rate=DATES.tz_localize("UTC"))
    yield "pandas, durations", X.assign(rate=DATES - DATES[0])
    yield "pandas, periods", X.assign(rate=DATES.to_period())
    yield "pandas, of Arrow", X.assign(rate=DATES.astype("timestamp[ns][pyarrow]"))
    yield "polars", pl.DataFrame(X.to_dict("list")).with_columns(rate=pl.Series(moments))
    dates = [moment.date() for moment in moments]
    yield "polars, dates", pl.DataFrame(X.to_dict("list")).with_columns(rate=pl.Series(dates))
    yield "Arrow", pyarrow.table({"age": X["age"], "rate": moments})


@pytest.mark.parametrize("X", [pytest.param(X, id=kind) for kind, X in in_date_columns()])
def test_a_column_of_dates_is_named(X):
    with pytest.raises(TypeError, match=r"X contains dates.*column 'rate'.*days since"):
        WedgeReLURegressor(0.01).fit(X, table()[1])


@THROUGH
def test_dates_alone_are_not_fitted_as_integers(enter):
    y = table()[1]
    for X in (
        pd.DataFrame({"when": DATES, "since": DATES - DATES[0], "then": DATES}),
        pl.DataFrame({"when": DATES.to_list(), "a": DATES.to_list(), "b": DATES.to_list()}),
        np.column_stack([DATES, DATES, DATES]),
        np.column_stack([DATES - DATES[0]] * 3),
        [[date, date, date] for date in DATES.to_numpy()],
    ):
        with pytest.raises(TypeError, match=r"X contains dates or times.*days since"):
            enter(X, y)


@pytest.mark.parametrize(
    "moment", [DATES[7], datetime.date(2020, 1, 2), datetime.timedelta(1), DATES[:1].to_period()[0]]
)
def test_a_date_among_objects_is_located(moment):
    X, y = table()
    X = X.astype(object)
    X.iloc[7, 2] = moment
    with pytest.raises(TypeError, match=r"dates or times.*row 7, column 'rate'.*days since"):
        WedgeReLURegressor(0.01).fit(X, y)


def test_a_target_or_a_weight_of_dates_is_refused():
    X, y = table()
    for dates in (DATES, DATES.to_numpy(), pl.Series(DATES.to_list()), DATES - DATES[0]):
        with pytest.raises(TypeError, match="y contains dates"):
            WedgeReLURegressor(0.01).fit(X, dates)
        with pytest.raises(TypeError, match="y contains dates"):
            alpha_max(X, dates)
        with pytest.raises(TypeError, match="sample_weight contains dates"):
            WedgeReLUClassifier(0.01).fit(X, y > 0.5, dates)


@THROUGH
def test_a_missing_value_of_pandas_in_a_column_of_objects_is_taken(enter):
    X, y = table()
    X = X.astype(object)
    X.iloc[[3, 9], 1] = pd.NA
    assert enter(X, y) is not None


@THROUGH
def test_a_lazy_or_sparse_frame_is_refused_with_advice(enter):
    X, y = table()
    with pytest.raises(TypeError, match=r"X is a LazyFrame.*X\.collect\(\)"):
        enter(pl.DataFrame(X.to_dict("list")).lazy(), y)
    for fill in (np.nan, 0.0):
        with pytest.raises(TypeError, match=r"Sparse data.*X\.sparse\.to_dense\(\)"):
            enter(X.astype(pd.SparseDtype(float, fill)), y)


@THROUGH
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.coo_array])
def test_a_sparse_matrix_is_refused_with_advice(enter, kind):
    X, y = table()
    said = r"Sparse data was passed for X.*sparse_output=False.*sparse_threshold=0.*X\.toarray"
    with pytest.raises(TypeError, match=said):
        enter(kind(X), y)


def test_advice_on_a_sparse_matrix_of_an_encoder_works():
    y = table()[1]
    X = pd.DataFrame({"job": np.resize([f"j{k}" for k in range(9)], N), "age": y})

    def fitted(encoder=None, **options):
        steps = [("job", encoder, ["job"])]
        first = ColumnTransformer(steps, remainder="passthrough", **options)
        return make_pipeline(first, WedgeReLURegressor(0.01)).fit(X, y)

    with pytest.raises(TypeError, match=r"Or leave the encoder out.*columns of text") as refused:
        make_pipeline(OneHotEncoder(), WedgeReLURegressor(0.01)).fit(X[["job"]], y)
    assert "WedgeReLURegressor" in str(refused.value)
    for model in (
        fitted(OneHotEncoder(sparse_output=False)),
        fitted(OneHotEncoder(), sparse_threshold=0),
        WedgeReLURegressor(0.01).fit(X, y),
    ):
        assert model.score(X, y) > 0.9
    with pytest.raises(TypeError) as refused:
        FITTED.predict(scipy.sparse.csr_matrix(table()[0]))
    assert "encoder out" not in str(refused.value)


def test_a_sparse_target_is_refused_with_advice():
    X, y = table()
    for model, target in ((WedgeReLURegressor(0.01), y), (WedgeReLUClassifier(0.01), y > 0.5)):
        with pytest.raises(TypeError, match=r"Sparse data was passed for y.*y\.toarray\(\)\.ravel"):
            model.fit(X, scipy.sparse.csr_matrix(target[:, None]))


def test_a_sparse_target_of_several_columns_is_not_to_be_flattened():
    X, y = table()
    with pytest.raises(TypeError, match=r"Pass y\.toarray\(\)\.$"):
        WedgeReLURegressor(0.01).fit(X, scipy.sparse.csr_matrix(np.column_stack([y, y])))


@pytest.mark.parametrize("make", [pd.DataFrame, lambda X: pl.DataFrame(X.to_dict("list"))])
def test_columns_other_than_those_of_the_fit_are_refused_with_advice(make):
    X = table()[0]
    path = wedge_relu_path(*table(), [0.1])
    for read in (FITTED.predict, FITTED.explain, FEATURES.transform, path.inputs):
        with pytest.raises(ValueError, match=r"now missing:\n- age\nRename or add the columns"):
            read(make(X.rename(columns={"age": "years"})))
        for other in (X[["rate", "age", "income"]], X.assign(more=1.0)):
            with pytest.raises(ValueError, match=r"X\[list\(feature_names_in_\)\]"):
                read(make(other))
            in_order = make(other)[list(FITTED.feature_names_in_)]
            assert_array_equal(FITTED.predict(in_order), FITTED.predict(X))


def test_weights_of_another_length_are_refused_with_both_lengths():
    X, y = table()
    with pytest.raises(ValueError, match=f"{N} and 5. Give a weight for each row"):
        WedgeReLURegressor(0.01).fit(X, y, np.ones(5))


def test_a_lazy_target_or_weight_is_refused_with_advice():
    X, y = table()
    lazy = pl.LazyFrame({"y": y})
    for model in (WedgeReLURegressor(0.01), WedgeReLUClassifier(0.01)):
        with pytest.raises(TypeError, match=r"y is a LazyFrame.*y\.collect\(\)"):
            model.fit(X, lazy)
    with pytest.raises(TypeError, match=r"sample_weight is a LazyFrame"):
        WedgeReLURegressor(0.01).fit(X, y, lazy)


def test_a_table_with_some_sparse_columns_is_taken():
    X, y = table()
    mixed = X.assign(rate=pd.arrays.SparseArray(X["rate"]))
    fitted = WedgeReLURegressor(0.1).fit(mixed, y)
    assert np.array_equal(fitted.predict(mixed), FITTED.predict(X))


@pytest.mark.parametrize("value", [{"a": 1}, [1.0], b"no", pd.Interval(0, 1), object()], ids=type)
def test_an_object_that_is_no_number_is_located(value):
    X, y = table()
    X = X.astype(object)
    X.iat[5, 1] = value
    with pytest.raises(TypeError, match=r"object that is no number.*row 5, column 'income'"):
        WedgeReLURegressor(0.01).fit(X, y)


def in_rate(value):
    X, y = table()
    X = X.copy()
    X.iloc[[7, 9], 2] = value
    return X, y


@THROUGH
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_value_is_located(enter, value):
    with pytest.raises(ValueError, match=r"inf.*2 value.*row 7, column 'rate'"):
        enter(*in_rate(value))


def test_a_missing_value_is_located():
    X, y = in_rate(np.nan)
    network = [np.ones((X.shape[1], 1)), np.ones((1, 1))], [np.zeros(1), np.zeros(1)]
    with pytest.raises(ValueError, match=r"NaN.*2 value.*row 7, column 'rate'.*SimpleImputer"):
        polish(network, X, y, alpha=0.1, loss="squared_error")


def test_a_value_in_a_later_block_of_a_long_table_is_located():
    X = np.zeros((150_000, 2), dtype=np.float32)
    X[::2] = 1
    X[140_001, 1] = -np.inf
    with pytest.raises(ValueError, match=r"infinity: 1 value.*row 140001, column 1"):
        WedgeReLURegressor(0.01).fit(X, X[:, 0])


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_a_target_or_weight_that_is_not_finite_is_located(value, word):
    X, y = table()
    bad = put(y, 7, value)
    message = f"y contains {word}: 1 value.*row 7.*Leave out the rows"
    for fit in (WedgeReLURegressor(0.01).fit, regressor_cv().fit, alpha_max):
        with pytest.raises(ValueError, match=message):
            fit(X, bad)
        with pytest.raises(ValueError, match=f"y contains {word}: 1 value.*row 7, column 'b'"):
            fit(X, pd.DataFrame({"a": y, "b": bad}))
    with pytest.raises(ValueError, match=message):
        WedgeReLUClassifier(0.01).fit(X, put(np.round(y), 7, value))
    with pytest.raises(ValueError, match=f"sample_weight contains {word}: 1 value.*row 7"):
        WedgeReLURegressor(0.01).fit(X, y, bad)


@pytest.mark.parametrize("missing", [None, pd.NA], ids=str)
def test_a_missing_target_or_weight_among_objects_is_located(missing):
    X, y = table()
    for kind in (object, "Float64"):
        bad = pd.Series(y, dtype=kind)
        bad[7] = missing
        with pytest.raises(ValueError, match=r"y contains.*row 7"):
            WedgeReLURegressor(0.01).fit(X, bad)
        with pytest.raises(ValueError, match=r"sample_weight contains.*row 7"):
            WedgeReLURegressor(0.01).fit(X, y, bad)


def test_text_in_target_or_weights_is_located():
    X, y = table()
    text = y.astype(object)
    text[4] = "low"
    with pytest.raises(ValueError, match=r"y contains text: 'low' in row 4.*WedgeReLUClassifier"):
        WedgeReLURegressor(0.01).fit(X, text)
    with pytest.raises(ValueError, match="sample_weight contains text: 'low' in row 4"):
        WedgeReLURegressor(0.01).fit(X, y, text)
    with pytest.raises(ValueError, match="sample_weight contains text: 'balanced'"):
        WedgeReLURegressor(0.01).fit(X, y, "balanced")


def test_negative_weights_and_those_in_a_column_get_advice():
    X, y = table()
    with pytest.raises(ValueError, match=r"sample_weight: 2, the first \(-0.5\) in row 7.*of 0"):
        WedgeReLURegressor(0.01).fit(X, y, put(np.ones(N), [7, 9], -0.5))
    for column in (np.ones((N, 1)), pd.DataFrame({"w": np.ones(N)})):
        with pytest.raises(ValueError, match=r"shape \(40, 1\).*np\.ravel\(sample_weight\)"):
            WedgeReLURegressor(0.01).fit(X, y, column)
    weight = np.random.default_rng(1).random((N, 1))
    assert WedgeReLURegressor(0.01).fit(X, y, np.ravel(weight)).n_neurons_


def test_a_frame_without_columns_is_refused():
    with pytest.raises(ValueError, match=r"X is a frame with 0 feature\(s\)"):
        WedgeReLURegressor(0.01).fit(pd.DataFrame(index=range(N)), table()[1])


# --- dask arrays --------------------------------------------------------------------------------


def blocks(values):
    return array.from_array(values, chunks=(15, *values.shape[1:]))


def dask_table():
    X, y = table()
    return X.to_numpy(), y


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_of_a_dask_array_is_counted_within_the_array(value):
    X, y = dask_table()
    word = "NaN" if np.isnan(value) else "infinity"
    bad, message = blocks(put(X, (34, 2), np.inf)), "X contains infinity: 1 val.*row 34, column 2"
    with pytest.raises(ValueError, match=message):
        WedgeReLURegressor(0.01).fit(bad, blocks(y))
    classifier = WedgeReLUClassifier(0.1).fit(X, y > 0.5)
    network, features = WedgeReLURegressor(0.1).fit(X, y), WedgeFeatures().fit(X, y)
    for predict in (network.predict, classifier.predict_proba, features.transform):
        with pytest.raises(ValueError, match=message):
            predict(bad).compute(scheduler="synchronous")
    with pytest.raises(ValueError, match=f"y contains {word}: 1 value.*row 34"):
        WedgeReLURegressor(0.01).fit(blocks(X), blocks(put(y, 34, value)))
    with pytest.raises(ValueError, match=f"sample_weight contains {word}: 1 value.*row 34"):
        WedgeReLURegressor(0.01).fit(blocks(X), blocks(y), blocks(put(y, 34, value)))


def test_a_row_in_a_block_among_those_of_unknown_size_is_counted_within_it():
    X, y = dask_table()
    network = WedgeReLURegressor(0.1).fit(X, y)
    bad = blocks(put(X, (34, 2), np.inf))
    unknown = bad[bad[:, 0] < 1e9]
    with pytest.raises(ValueError, match=r"block 2 of the rows: .*row 4, column 2"):
        network.predict(unknown).compute(scheduler="synchronous")


@pytest.mark.parametrize("meta", [None, np.zeros((0, 0))], ids=["known", "unknown"])
def test_sparse_blocks_of_a_dask_array_are_refused_with_advice(meta):
    X, y = dask_table()
    sparse = blocks(X).map_blocks(scipy.sparse.csr_array, meta=meta)
    message = r"Sparse data.*of type c\w+_\w+, .*X\.map_blocks\(lambda block: block\.toarray\(\)\)"
    with pytest.raises(TypeError, match=message):
        WedgeReLURegressor(0.01).fit(sparse, blocks(y))
    with pytest.raises(TypeError, match=message):
        FITTED.predict(sparse).compute(scheduler="synchronous")


def test_dates_text_and_lazy_targets_beside_a_dask_array_are_refused():
    X, y = dask_table()
    days = np.arange(N).astype("M8[D]")
    for bad in (blocks(days), blocks(np.full(N, "a"))):
        with pytest.raises(ValueError, match="y must be numeric, and its dtype is"):
            WedgeReLURegressor(0.01).fit(blocks(X), bad)
        with pytest.raises(ValueError, match="sample_weight must be numeric, and its dtype is"):
            WedgeReLURegressor(0.01).fit(blocks(X), blocks(y), bad)
    with pytest.raises(TypeError, match="y contains dates"):
        WedgeReLURegressor(0.01).fit(blocks(X), days)
    with pytest.raises(ValueError, match="y contains text: 'a' in row 0"):
        WedgeReLURegressor(0.01).fit(blocks(X), ["a"] * N)
    with pytest.raises(TypeError, match="y is a LazyFrame"):
        WedgeReLUClassifier(0.01).fit(blocks(X), pl.LazyFrame({"y": y > 0.5}))


# --- tables with categories ---------------------------------------------------------------------


def test_text_among_numbers_is_located_in_its_own_column():
    table = pd.DataFrame({"c": ["u", "v"] * 10, "k": np.arange(20.0)})
    y = np.arange(20.0)
    mixed = table.assign(k=table["k"].astype(object).where(table["k"] != 3, "three"))
    message = r"mixes .*: 'three' \(str\) in row 3, column 'k', and 0.0 \(float\) in row 0\."
    with pytest.raises(ValueError, match=message):
        WedgeReLURegressor(0.1).fit(mixed, y)
    model = WedgeReLURegressor(0.1).fit(table, y)
    message = r"'three' in row 3, column 'k'\. .* In fit this was a column of numbers: convert num"
    with pytest.raises(ValueError, match=message):
        model.predict(mixed)
    with pytest.raises(ValueError, match=r"column 'k'.* In fit this was"):
        WedgeFeatures(WedgeReLURegressor(0.01)).fit(table, y).transform(mixed)


def test_repeated_names_are_refused_and_named():
    table = pd.DataFrame(np.eye(4), columns=["a", "b", "a", "c"])
    with pytest.raises(ValueError, match=r"Several columns of X have the same name: \['a'\]"):
        WedgeReLURegressor(0.1).fit(table, [1.0, 2.0, 3.0, 4.0])
