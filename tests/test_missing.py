"""Tables with missing values: the network is that of the table completed by hand."""

import json
import math
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest
import sklearn
from exported import predict_by_hand
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

from sklearn_wedge import (
    TableEncoding,
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    polish,
)
from sklearn_wedge.inspection import EffectDisplay, NeuronDisplay, SupportDisplay

NAMES = ["age", "bmi", "bp"]
N = 81  # odd: the median is the same by any convention
LITTLE = 0.5  # megabytes of working memory: fits go in chunks


def table(n=N, seed=0):
    """Values of two columns are missing, where the target is large or where it is small."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[:, 1] += X[:, 0] + 0.5 * X[:, 2]
    gaps = rng.random(X.shape) < [0.2, 0.15, 0.0]
    y = np.abs(X[:, 0]) + X[:, 1] / 2 + gaps @ [2.5, -3.5, 0.0] + 0.1 * rng.normal(size=n)
    return np.where(gaps, np.nan, X), y


X, Y = table()
LABELS = np.where(np.median(Y) < Y, "high", "low")
FRAME = pd.DataFrame(X, columns=NAMES)
FITTED = WedgeReLURegressor(0.01).fit(FRAME, Y)
NEW = FRAME.sample(40, random_state=0).reset_index(drop=True)
NEW.iloc[:5, 2] = np.nan  # which was complete in training
NEW.iloc[5, :] = np.nan


def lower_quantile(values, weight, level):
    order = np.argsort(values)
    reached = np.cumsum(weight[order]) / weight.sum() >= level - 1e-9
    return values[order][np.argmax(reached)]


def moments(X, weight):
    """Ends, means and deviations of columns, and correlations of pairs over rows that have both."""
    d, row, known = X.shape[1], weight.min(), ~np.isnan(X)
    ends = [
        [lower_quantile(x[k], weight[k], q) for q in (0.005, 0.995)]
        for x, k in zip(X.T, known.T, strict=True)
    ]
    clipped = np.clip(X, *np.transpose(ends))
    mean = [np.average(x[k], weights=weight[k]) for x, k in zip(clipped.T, known.T, strict=True)]
    apart = clipped - mean
    deviation = np.sqrt(
        [np.average(x[k] ** 2, weights=weight[k]) for x, k in zip(apart.T, known.T, strict=True)]
    )
    correlation, z = np.eye(d), apart / deviation
    for i in range(d):
        for j in set(range(d)) - {i}:
            both = known[:, i] & known[:, j]
            sums = weight[both] @ (z[both, i] * z[both, j])
            correlation[i, j] = sums / (weight[both].sum() + 10 * row)
    part = d / (d + (weight @ known).max() / row)
    return np.transpose(ends), mean, deviation, (1 - part) * correlation + part * np.eye(d)


def by_hand(X, weight=None):
    """The table completed: steps along the gradient of a square, indicators at the end."""
    weight = np.ones(len(X)) if weight is None else weight
    present = weight > 0
    ends, mean, deviation, correlation = moments(X[present], weight[present])
    inverse = np.linalg.inv(correlation)
    curvature = np.diag(inverse)
    steps = np.linalg.eigvals(inverse / curvature).real
    complete = X.copy()
    for row in complete:
        gaps = np.isnan(row)
        z = np.where(gaps, 0.0, (np.clip(row, *ends) - mean) / deviation)
        for _ in range(20):
            gradient = inverse @ z / curvature
            z[gaps] -= 2 / (steps.min() + steps.max()) * gradient[gaps]
        row[gaps] = (mean + deviation * z)[gaps]
    missing = np.isnan(X)
    return np.hstack([complete, missing[:, missing[present].any(axis=0)]])


def with_medians(X):
    """The table completed by lower medians, indicators at the end."""
    missing = np.isnan(X)
    known = [x[~np.isnan(x)] for x in X.T]
    medians = [lower_quantile(x, np.ones(len(x)), 0.5) for x in known]
    return np.hstack([np.where(missing, medians, X), missing[:, missing.any(axis=0)]])


def same_network(model, other):
    assert model.certificate_.exact == other.certificate_.exact
    assert_allclose(model.certificate_.objective, other.certificate_.objective, rtol=1e-10)
    assert_allclose(model.certificate_.lower_bound, other.certificate_.lower_bound, rtol=1e-10)
    for own, given in zip(model.coefs_, other.coefs_, strict=True):
        assert_allclose(own, given, rtol=1e-9, atol=1e-12)


# --- the fit ------------------------------------------------------------------------------------


MODELS = {
    "regression": (WedgeReLURegressor(0.01), Y),
    "classes": (WedgeReLUClassifier(0.01), LABELS),
    "penalty chosen": (WedgeReLURegressor(tol=1e-2), Y),
    "cross-validation": (regressor_cv(alphas=[0.1, 0.03], cv=3), Y),
    "cross-validation, classes": (classifier_cv(alphas=[0.1, 0.03], cv=3), LABELS),
    "encoded": (WedgeReLURegressor(0.01, encoding="uniform"), Y),
    "of order 3": (WedgeReLURegressor(0.02, interaction_order=3), Y),
    "median": (WedgeReLURegressor(0.05, loss="absolute_error", interaction_order=1), Y),
    "two blocks": (WedgeReLURegressor(0.01, n_blocks=2, tol=1e-2), Y),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_network_is_that_of_the_table_completed_by_hand(name):
    model, y = MODELS[name]
    complete = by_hand(X)
    model, other = clone(model).fit(X, y), clone(model).fit(complete, y)
    same_network(model, other)
    assert_allclose(model.table_.transform(X), complete, rtol=1e-9)
    if hasattr(model, "classes_"):
        assert_array_equal(model.predict(X), other.predict(complete))
    else:
        assert_allclose(model.predict(X), other.predict(complete), rtol=1e-8, atol=1e-10)
    assert_array_equal(model.support_, other.support_)
    assert model.n_features_in_ == 3 and len(model.clip_bounds_.T) == 5
    if name.startswith("cross"):
        assert_allclose(model.score_path_, other.score_path_, rtol=1e-8)


def test_scikit_learns_imputer_completes_the_table_alike():
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    for constraint in ({"monotonic_cst": [0, 0, 1]}, {"interaction_cst": "pairwise"}):
        model = WedgeReLURegressor(0.1, **constraint).fit(X, Y)
        assert model.table_.filling is None
        assert_allclose(model.table_.transform(X), imputer.fit_transform(X))


def test_a_row_is_filled_with_conditional_means():
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(3000, 3)) @ rng.normal(size=(3, 4)) + 0.3 * rng.normal(size=(3000, 4))
    given = np.where(rng.random(mixed.shape) < 0.2, np.nan, mixed)
    filling = WedgeReLURegressor(10.0).fit(given, mixed[:, 0]).table_.filling
    z = (mixed[:50] - mixed.mean(axis=0)) / mixed.std(axis=0)
    correlation = np.corrcoef(mixed.T)
    gaps = [1, 3]
    wanted = np.linalg.solve(correlation[::2, ::2], correlation[::2, 1::2])
    wanted = mixed.mean(axis=0)[gaps] + z[:, ::2] @ wanted * mixed.std(axis=0)[gaps]
    rows = mixed[:50].copy()
    rows[:, gaps] = np.nan
    error = filling.complete(rows)[:, gaps] - wanted
    assert np.sqrt(np.mean(error**2)) < 0.1 * np.std(wanted)  # what 3000 rows tell, and ends
    assert_array_equal(filling.complete(rows)[:, ::2], rows[:, ::2])


def test_an_indicator_is_made_only_of_a_gap_that_tells_something():
    y = X[:, 2] + 2.0 * np.isnan(X[:, 1])
    model = WedgeReLURegressor(0.01).fit(FRAME, y)
    assert model.table_.lacking.tolist() == [0, 1]
    assert model.table_.input_names() == [*NAMES, "bmi is missing"]
    says = "Missing values: in age, bmi; filled in from other columns, with an input that says so"
    assert f"{says} of bmi" in model.summary()
    for scale, shift in ((1e200, 0.0), (1e-200, 0.0), (1.0, 1e6)):
        other = WedgeReLURegressor(0.1).fit(FRAME, scale * y + shift)
        assert other.table_.with_indicator.tolist() == [1]
    neither = WedgeReLURegressor(0.01).fit(FRAME, X[:, 2])
    assert neither.table_.input_names() == NAMES
    assert "from other columns" in neither.summary()
    assert_allclose(neither.predict(NEW), neither.predict(neither.inputs_frame(NEW)))


@pytest.mark.parametrize("copies", [None, 7])
def test_an_indicator_is_made_of_gaps_in_many_rows(copies):
    n = 4_000 if copies is None else 1_000
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(n, 2))
    gaps = rng.permutation(n)[:, None] < [0.3 * n, 0.2 * n]
    y = inputs.sum(axis=1) + rng.normal(size=n)
    weight = None if copies is None else np.full(n, 1) + (np.arange(n) % 2) * (copies - 1)
    model = WedgeReLURegressor(1.0).fit(np.where(gaps, np.nan, inputs), y, weight)
    counts = gaps.sum(axis=0) if weight is None else weight @ gaps
    assert 700 < counts[1] < 1_000 <= counts[0]
    assert model.table_.with_indicator.tolist() == [0]


def test_a_gap_in_one_row_is_none_in_many_however_light_another_row_is():
    rng = np.random.default_rng(0)
    inputs, weight = rng.normal(size=(300, 2)), np.ones(300)
    inputs[0], weight[-1] = (np.nan, inputs[1:, 1].mean()), 1e-3
    model = WedgeReLURegressor(1.0).fit(inputs, inputs[:, 1], weight)
    assert model.table_.with_indicator.tolist() == []


def test_columns_alone_constant_or_too_many_are_not_filled_from_others():
    alone = WedgeReLURegressor(0.1).fit(X[:, :1], X[:, 2].round())
    assert alone.table_.filling is None and alone.table_.with_indicator.tolist() == [0]
    constant = np.column_stack([X[:, 0], np.full(N, 5.0), X[:, 1:]])
    table = WedgeReLURegressor(0.1).fit(constant, Y).table_
    assert table.filling.is_used.tolist() == [True, False, True, True]
    row = np.array([[np.nan, np.nan, 0.1, 0.2]])
    assert table.transform(row)[0, 1] == 5.0
    without = WedgeReLURegressor(0.1).fit(X, Y).table_.transform(row[:, [0, 2, 3]])
    assert_allclose(table.transform(row)[0, 0], without[0, 0], atol=0.05)  # shrunk a little more
    many = np.random.default_rng(0).normal(size=(60, 101))
    many[3, 4] = np.nan
    wide = WedgeReLURegressor(1.0, interaction_order=1).fit(many, many[:, 0])
    assert wide.table_.filling is None and wide.table_.with_indicator.tolist() == [4]


def test_a_column_all_but_missing_is_filled_near_its_known_values():
    rare = X.copy()
    rare[2:, 1] = np.nan
    model = WedgeReLURegressor(0.1).fit(rare, Y)
    complete = model.table_.transform(rare)
    assert np.isfinite(complete).all()
    known = np.sort(rare[:2, 1])
    assert (complete[:, 1] >= known[0] - 2 * np.ptp(known)).all()
    assert (complete[:, 1] <= known[1] + 2 * np.ptp(known)).all()
    never_together = X.copy()
    never_together[::2, 0], never_together[1::2, 1] = np.nan, np.nan
    assert np.isfinite(WedgeReLURegressor(0.1).fit(never_together, Y).predict(X)).all()


@pytest.mark.parametrize("scale", [1e300, 1e-300, 2.0**40])
def test_units_leave_what_is_filled_in(scale):
    units = np.array([scale, 1.0, 1 / scale])
    model = WedgeReLURegressor(0.1).fit(X * units, Y)
    plain = WedgeReLURegressor(0.1).fit(X, Y)
    filled = model.table_.transform(X * units)[:, :3]
    assert_allclose(filled / units, plain.table_.transform(X)[:, :3])
    extreme = np.array([[np.nan, 1e308, -1e308]]) * [1.0, 1.0, 0.1]
    assert np.isfinite(plain.table_.transform(extreme)).all()


def test_weights_are_copies():
    weight = np.random.default_rng(1).integers(0, 4, size=N)
    copies = np.repeat(np.arange(N), weight)
    for model, y in ((WedgeReLURegressor(0.01), Y), (WedgeReLUClassifier(0.01), LABELS)):
        weighted = clone(model).fit(X, y, sample_weight=weight)
        copied = clone(model).fit(X[copies], y[copies])
        assert_array_equal(weighted.table_.medians, copied.table_.medians)
        same_network(weighted, copied)
        rescaled = clone(model).fit(X, y, sample_weight=weight * 1e-300)
        assert_allclose(rescaled.table_.medians, weighted.table_.medians, rtol=1e-14)
    assert_allclose(weighted.table_.transform(X[copies]), by_hand(X[copies]), rtol=1e-9)


def test_rows_without_weight_make_no_indicator_and_no_median():
    weight = 1.0 - np.isnan(X[:, 0])
    weight[:10] = 0
    model = WedgeReLURegressor(0.01).fit(X, Y, weight)
    present = weight > 0
    other = WedgeReLURegressor(0.01).fit(X[present], Y[present])
    assert model.table_.with_indicator.tolist() == [1]
    assert_array_equal(model.predict(X), other.predict(X))
    cv = regressor_cv(alphas=[0.1, 0.03], cv=3).fit(X, Y, weight)
    assert np.isfinite(cv.score_path_).all() and np.isfinite(cv.predict(X)).all()


def test_the_order_of_rows_does_not_change_the_network():
    order = np.random.default_rng(2).permutation(N)
    shuffled = WedgeReLURegressor(0.01).fit(X[order], Y[order])
    assert_array_equal(shuffled.predict(X), FITTED.predict(FRAME))


def test_a_complete_table_is_neither_changed_nor_copied():
    complete = by_hand(X)
    model = WedgeReLURegressor(0.1).fit(complete, Y)
    assert model.table_.n_inputs == model.table_.n_columns == 5
    assert model.table_.transform(complete) is complete
    assert np.isfinite(model.table_.medians).all()


def test_a_value_missing_only_in_prediction_is_filled_in_or_is_the_median():
    others_known = NEW[NEW["bp"].isna() & NEW[["age", "bmi"]].notna().all(axis=1)]
    filled = others_known.assign(bp=FITTED.inputs_frame(others_known)["bp"])
    assert filled["bp"].nunique() == len(filled) > 2
    assert_array_equal(FITTED.predict(others_known), FITTED.predict(filled))
    complete = WedgeReLURegressor(0.01).fit(X[:, 2:], Y)
    assert_allclose(complete.predict([[np.nan]]), complete.predict([[np.median(X[:, 2])]]))
    many = WedgeReLURegressor(10.0, interaction_order=1)
    with warnings.catch_warnings(action="ignore"):
        model = many.fit(np.arange(20_001.0)[:, None], np.zeros(20_001))
    assert_allclose(model.table_.medians, 10_000, atol=20)  # of values merged into a thousand


@pytest.mark.parametrize("name", ["regression", "classes", "cross-validation", "features"])
def test_a_column_without_a_value_is_refused_and_named(name):
    model, y = {**MODELS, "features": (WedgeFeatures(), Y)}[name]
    empty = FRAME.assign(bmi=np.nan)
    with pytest.raises(ValueError, match=r"All values of column 'bmi' of X .*leave it out"):
        clone(model).fit(empty, y)
    with pytest.raises(ValueError, match=r"columns \['x0', 'x1'\] of X .*leave them out"):
        clone(model).fit(np.where([1, 1, 0], np.nan, X), y)
    with pytest.raises(ValueError, match=r"column 'bmi'.*rows with a weight"):
        WedgeReLURegressor(0.1).fit(FRAME, Y, 1.0 * FRAME["bmi"].isna())


def test_few_rows_and_constant_columns_with_gaps_are_fitted():
    one = WedgeReLURegressor(0.1).fit([[1.0, 2.0]], [3.0])
    assert_allclose(one.predict([[np.nan, 2.0]]), 3.0)
    with pytest.raises(ValueError, match="column 'x0'"):
        WedgeReLURegressor(0.1).fit([[np.nan, 2.0]], [3.0])
    two = WedgeReLURegressor(1e-3).fit([[np.nan], [2.0]], [3.0, 4.0])
    assert_allclose(two.predict([[np.nan], [2.0]]), [3.0, 4.0], atol=0.01)
    constant = np.where(np.isnan(X), np.nan, 7.0)
    model = WedgeReLURegressor(0.01).fit(constant, Y)
    assert {name for names in model.neurons_frame()["inputs"] for name in names} <= {
        "x0 is missing",
        "x1 is missing",
    }


def test_a_rare_gap_is_not_clipped_away():
    rare = np.random.default_rng(0).normal(size=(400, 1))
    rare[7] = np.nan
    model = WedgeReLURegressor(1e-4).fit(rare, 9.0 * np.isnan(rare[:, 0]))
    assert_allclose(model.predict([[np.nan], [0.0]]), [9.0, 0.0], atol=0.5)


# --- constraints --------------------------------------------------------------------------------


def inputs_of(model):
    return {tuple(names) for names in model.neurons_frame()["inputs"]}


def test_an_indicator_keeps_to_the_constraints():
    alone = WedgeReLURegressor(0.003, interaction_order=1).fit(FRAME, Y)
    assert all(len(inputs) == 1 for inputs in inputs_of(alone))
    assert ("age is missing",) in inputs_of(alone)
    groups = WedgeReLURegressor(0.003, interaction_cst=[["age", "bp"]]).fit(FRAME, Y)
    apart = {"bmi", "bmi is missing"}
    assert all(set(inputs) <= apart or not apart & set(inputs) for inputs in inputs_of(groups))
    assert any("age is missing" in inputs and len(inputs) == 2 for inputs in inputs_of(groups))
    with_own = WedgeReLURegressor(0.003, interaction_cst="no_interactions").fit(FRAME, Y)
    columns = [{name.removesuffix(" is missing") for name in i} for i in inputs_of(with_own)]
    assert all(len(each) == 1 for each in columns)


def test_a_direction_does_not_bind_an_indicator():
    y = X[:, 2] - 3 * np.isnan(X[:, 0]) + np.nan_to_num(X[:, 0])
    model = WedgeReLURegressor(0.003, monotonic_cst={"age": 1}).fit(FRAME, y)
    grid = pd.DataFrame({"age": np.linspace(-2, 2, 50), "bmi": 0.0, "bp": 0.0})
    assert (np.diff(model.predict(grid)) >= -1e-12).all()
    lacking = model.predict(grid.assign(age=np.nan))[0]
    assert lacking < model.predict(grid)[25] - 1.5
    complete = with_medians(X)
    other = WedgeReLURegressor(0.003, monotonic_cst=[1, 0, 0, 0, 0]).fit(complete, y)
    same_network(model, other)


# --- kinds of tables ----------------------------------------------------------------------------


def kinds():
    objects = FRAME.astype(object)
    yield "None", objects.where(FRAME.notna(), None)
    yield "pd.NA", objects.where(FRAME.notna(), pd.NA)
    mixed = objects.where(FRAME.notna(), None)
    mixed.iloc[np.flatnonzero(FRAME["age"].isna())[0], 0] = pd.NA
    yield "None, NaN and pd.NA", mixed.assign(bmi=FRAME["bmi"])
    yield "an array of objects", mixed.to_numpy()
    yield "Float64", FRAME.astype("Float64")
    yield "of Arrow", FRAME.astype("double[pyarrow]")
    yield "polars", pl.from_pandas(FRAME)
    yield "polars, NaN", pl.DataFrame(dict(zip(NAMES, X.T, strict=True)))
    yield "Arrow", pyarrow.Table.from_pandas(FRAME)
    yield "lists", objects.where(FRAME.notna(), None).to_numpy().tolist()


@pytest.mark.parametrize("given", [pytest.param(given, id=kind) for kind, given in kinds()])
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_missing_values_of_every_kind_are_the_same(given):
    assert_array_equal(FITTED.predict(given), FITTED.predict(FRAME))
    model = WedgeReLURegressor(0.01).fit(given, Y)
    assert_array_equal(model.predict(given), FITTED.predict(FRAME))


def test_gaps_among_integers_and_booleans_are_taken():
    n = pd.array(np.arange(N) % 5, dtype="Int64")
    n[::7] = pd.NA
    flag = pd.array(np.arange(N) % 2 == 0, dtype="boolean")
    flag[::5] = pd.NA
    frame = FRAME.assign(n=n, flag=flag)
    model = WedgeReLURegressor(0.01).fit(frame, Y)
    plain = WedgeReLURegressor(0.01).fit(
        frame.astype("Float64").to_numpy(float, na_value=np.nan), Y
    )
    assert_array_equal(model.predict(frame), plain.predict(frame.to_numpy(float, na_value=np.nan)))
    assert_array_equal(model.predict(pl.from_pandas(frame)), model.predict(frame))


def test_single_precision_is_completed_like_double_precision():
    single = WedgeReLURegressor(0.01).fit(X.astype(np.float32), Y)
    double = WedgeReLURegressor(0.01).fit(X.astype(np.float32).astype(float), Y)
    assert_array_equal(single.predict(X), double.predict(X))


def test_text_and_infinity_beside_a_gap_are_refused():
    text = FRAME.astype(object)
    text.iloc[3, 1] = "low"
    text.iloc[4, 1] = pd.NA
    with pytest.raises(ValueError, match=r"mixes text .* 'low' \(str\) in row 3, column 'bmi'"):
        WedgeReLURegressor(0.1).fit(text, Y)
    infinite = FRAME.copy()
    infinite.iloc[6, 2] = np.inf
    with pytest.raises(ValueError, match=r"infinity: 1 value\(s\), the first in row 6"):
        WedgeReLURegressor(0.1).fit(infinite, Y)


# --- in chunks, on dask -------------------------------------------------------------------------


def test_a_mapped_file_is_fitted_in_chunks_like_the_completed_table(tmp_path, monkeypatch):
    large, y = table(900)
    np.save(tmp_path / "X.npy", large)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = WedgeReLURegressor(0.1)
    seen = []
    transform = TableEncoding.transform
    monkeypatch.setattr(
        TableEncoding,
        "transform",
        lambda self, rows: seen.append(len(rows)) or transform(self, rows),
    )
    with sklearn.config_context(working_memory=LITTLE):
        chunked = clone(model).fit(mapped, y)
        assert max(seen) < 900
        other = clone(model).fit(by_hand(large), y)
    assert not chunked.certificate_.exact
    assert_allclose(chunked.table_.medians[:2], by_hand_medians(large)[:2])
    assert_allclose(chunked.certificate_.objective, other.certificate_.objective, rtol=1e-9)
    folds = regressor_cv(alphas=[0.3], cv=2).fit(mapped, y)
    assert_array_equal(folds.predict(mapped), folds.predict(large))


def by_hand_medians(X):
    medians = np.sort(X, axis=0)  # NaN come last
    known = np.sum(~np.isnan(X), axis=0)
    return medians[(known - 1) // 2, np.arange(X.shape[1])]


def test_a_dask_array_is_fitted_like_the_completed_table():
    array = pytest.importorskip("dask.array")
    large, y = table(600)
    chunks = array.from_array(large, chunks=(170, 2))
    targets = array.from_array(y, chunks=170)
    model = WedgeReLURegressor(0.1).fit(chunks, targets)
    other = WedgeReLURegressor(0.1).fit(array.from_array(by_hand(large), chunks=(170, -1)), targets)
    assert_allclose(model.certificate_.objective, other.certificate_.objective, rtol=1e-9)
    assert_array_equal(model.predict(chunks).compute(), model.predict(large))
    chosen = WedgeReLUClassifier(tol=1e-1, interaction_order=1).fit(chunks, targets > 1)
    assert chosen.n_features_in_ == 3 and chosen.table_.n_inputs == 5
    assert_array_equal(chosen.predict_proba(chunks).compute(), chosen.predict_proba(large))
    with pytest.raises(ValueError, match="All values of column 'x1'"):
        WedgeReLURegressor(0.1).fit(chunks * array.asarray([1.0, np.nan, 1.0]), targets)


# --- reading ------------------------------------------------------------------------------------


def test_the_inputs_can_be_seen():
    inputs = FITTED.inputs_frame(NEW)
    assert inputs.columns.tolist() == [*NAMES, "age is missing", "bmi is missing"]
    assert inputs.index.equals(NEW.index) and inputs.notna().all(axis=None)
    assert_array_equal(inputs, FITTED.table_.transform(NEW.to_numpy()))
    assert FITTED.table_.column_of_input.tolist() == [0, 1, 2, 0, 1]
    assert "with_indicator=['age', 'bmi']" in repr(FITTED.table_)
    assert FITTED.feature_names_in_.tolist() == NAMES


def test_words_say_what_is_missing():
    assert "Missing values: in age, bmi" in FITTED.summary()
    assert "(age is missing)" in FITTED.summary()
    assert {"age is missing", "age"} <= {n for names in inputs_of(FITTED) for n in names}
    renamed = FITTED.neurons_frame(["a", "b", "c"])
    assert any("a is missing" in names for names in renamed["inputs"])
    taken = FRAME.rename(columns={"bp": "age is missing"})
    names = WedgeReLURegressor(0.01).fit(taken, Y).inputs_frame(taken).columns
    assert names.is_unique and "_age is missing" in names


def test_neurons_of_the_frame_sum_to_the_prediction():
    inputs, total = FITTED.inputs_frame(NEW).clip(*FITTED.clip_bounds_, axis=1), 0.0
    for neuron in FITTED.neurons_frame().itertuples():
        within = inputs[list(neuron.inputs)] @ np.array(neuron.weights) + neuron.bias
        total = total + neuron.coefficient * within.clip(lower=0)
    assert_allclose(total + FITTED.intercepts_[-1][0], FITTED.predict(NEW), rtol=1e-9)


def test_effects_sum_to_the_prediction_and_are_by_column():
    found = FITTED.explain(NEW)
    total = found.intercept + found.contributions.sum(axis=1)
    assert_allclose(total, FITTED.predict(NEW), rtol=1e-9)
    assert set(found.names) <= {"age", "bmi", "bp", "age × bmi", "age × bp", "bmi × bp"}
    assert "age is missing, filled in" in found.summary(row=5, most=9)
    row = int(np.argmax(NEW.notna().all(axis=1)))
    assert f"  age = {NEW['age'].iloc[row]:.4g}" in found.summary(row=row, most=9)
    assert "is missing" not in found.summary(row=row, most=9)
    importances = FITTED.feature_importances_
    assert importances.shape == (3,) and np.isclose(importances.sum(), 1)
    complete = WedgeReLURegressor(0.01).fit(by_hand(X), Y).feature_importances_
    assert_allclose(importances, complete[:3] + [*complete[3:], 0.0])


def test_displays_show_the_effect_of_a_gap():
    pytest.importorskip("matplotlib").use("agg")
    display = EffectDisplay.from_estimator(FITTED, ["age", "bp", ("age", "bp")])
    age, bp, _ = display.effects
    means = FITTED.table_.filling.means
    row = pd.DataFrame([[np.nan, *means[1:]]], columns=NAMES)
    found = FITTED.explain(row)
    assert_allclose(age.missing, found.contributions[0, found.names.index("age")])
    assert bp.missing is None
    at = pd.DataFrame({"age": age.ticks[0], "bmi": 0.0, "bp": 0.0})
    values = FITTED.explain(at).contributions[:, found.names.index("age")]
    assert_allclose(age.values, values, atol=1e-12)
    assert EffectDisplay.from_estimator(FITTED).effects
    plane = SupportDisplay.from_estimator(FITTED, FRAME, columns=("age", "bmi is missing"))
    assert np.isfinite(plane.positions).all()
    assert SupportDisplay.from_estimator(FITTED, FRAME)
    narrow = WedgeReLURegressor(0.05).fit(FRAME[["age"]], Y)
    with pytest.raises(ValueError, match=r"without missing values.*'age is missing'"):
        NeuronDisplay.from_estimator(narrow, FRAME[["age"]])
    assert "is missing" in FITTED._repr_html_()


# --- out of the door ----------------------------------------------------------------------------


def test_twenty_lines_of_python_predict_the_same():
    record = json.loads(json.dumps(FITTED.to_dict(), allow_nan=False))
    rows = [
        {name: None if math.isnan(x) else x for name, x in row.items()}
        for row in NEW.to_dict("records")
    ]
    assert_allclose([predict_by_hand(record, row) for row in rows], FITTED.predict(NEW), rtol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_graph_of_onnx_predicts_the_same(dtype):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    classifier = WedgeReLUClassifier(0.02).fit(FRAME, LABELS)
    rows = NEW.to_numpy(dtype)
    for model, wanted in (
        (FITTED, FITTED.predict(NEW)[:, None]),
        (classifier, classifier.predict_proba(NEW)),
    ):
        session = runtime.InferenceSession(model.to_onnx(dtype).SerializeToString())
        assert [(each.name, each.shape[1]) for each in session.get_inputs()] == [("X", 3)]
        got = session.run(None, {"X": rows})[-1]
        assert_allclose(got, wanted, atol=1e-5 if dtype == "float32" else 1e-12)


def test_an_mlp_of_scikit_learn_warns_of_gaps_and_agrees_on_complete_rows():
    with pytest.warns(UserWarning, match=r"\['age', 'bmi'\] lacked values.*on complete rows"):
        mlp = FITTED.to_mlp()
    complete = NEW.dropna()
    assert_allclose(mlp.predict(complete), FITTED.predict(complete), rtol=1e-10)


def test_a_saved_network_keeps_its_medians():
    for model in (FITTED, regressor_cv(alphas=[0.1], cv=2).fit(FRAME, Y)):
        again = pickle.loads(pickle.dumps(model))
        assert_array_equal(again.predict(NEW), model.predict(NEW))
        skops = pytest.importorskip("skops.io")
        saved = skops.dumps(model)
        trusted = skops.get_untrusted_types(data=saved)
        assert_array_equal(skops.loads(saved, trusted=trusted).predict(NEW), model.predict(NEW))


def test_searches_and_features_in_a_frame_take_gaps():
    search = GridSearchCV(WedgeReLURegressor(tol=1e-2), {"alpha": [0.1, 0.01]}, cv=3).fit(FRAME, Y)
    assert_array_equal(search.predict(NEW), search.best_estimator_.predict(NEW))
    features = WedgeFeatures(WedgeReLURegressor(0.01)).set_output(transform="pandas").fit(FRAME, Y)
    values = features.transform(NEW)
    assert values.notna().all(axis=None)
    assert any("(age is missing)" in name for name in values.columns)
    gaps = NEW.fillna(dict(zip(NAMES, features.estimator_.table_.medians, strict=True)))
    assert not np.allclose(features.transform(gaps), values)
    for estimator in (FITTED, features, classifier_cv()):
        assert get_tags(estimator).input_tags.allow_nan


def test_polish_refuses_gaps():
    from sklearn.neural_network import MLPRegressor

    complete = by_hand(X)[:, :3]
    with warnings.catch_warnings(action="ignore"):
        mlp = MLPRegressor(hidden_layer_sizes=5, max_iter=20, random_state=0).fit(complete, Y)
    with pytest.raises(ValueError, match=r"polish does not accept missing values"):
        polish(mlp, X, Y, alpha=0.1)
    assert_array_equal(polish(mlp, complete, Y, alpha=0.1).estimator.table_.with_indicator, [])
