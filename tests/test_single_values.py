"""Numbers of which single values matter have target means of these, beside the number."""

import json

import numpy as np
import pandas as pd
import pytest
from exported import predict_by_hand
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import regressor_cv
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sklearn_wedge import WedgeFeatures, WedgeReLUClassifier, WedgeReLURegressor, wedge_relu_path
from sklearn_wedge.inspection import EffectDisplay


def amounts(seed=0, n=900, values=30):
    """An amount that most rows do not have; the others have one of a list, each of its own class.

    A year beside it, with gaps, and a group.
    """
    rng = np.random.default_rng(seed)
    listed = np.round(np.sort(rng.uniform(500, 20_000, values)))
    high = rng.permutation(values) < values // 2
    which = rng.integers(0, values, n)
    amount = np.where(rng.random(n) < 0.55, 0.0, listed[which])
    year = rng.uniform(20, 70, n)
    y = np.where(amount > 0, 2.0 * high[which], 0.4) + 0.01 * year + 0.2 * rng.normal(size=n)
    frame = pd.DataFrame({"amount": amount, "year": year, "group": rng.choice(["a", "b"], n)})
    frame.loc[::11, "year"] = np.nan
    return frame, y


FRAME, Y = amounts()
LABELS = (Y > 1).astype(int)
FITTED = WedgeReLURegressor(0.01).fit(FRAME, Y)
CLASSES = WedgeReLUClassifier(0.01).fit(FRAME, LABELS)
NEW = FRAME.head(40).reset_index(drop=True)
NEW.loc[:4, "amount"] = np.nan
NEW.loc[5:9, "amount"] = [1.0, 1e9, -3.0, 501.5, 0.0]
NAME = "amount as target mean"


def test_single_values_that_matter_have_an_input():
    assert FITTED.table_.input_names() == ["amount", "year", "group = b", NAME]
    assert "\nSingle values: amount (31) as target means\n" in FITTED.summary()
    assert "Categories: group (2 levels) as indicators\n" in FITTED.summary()
    assert repr(FITTED.table_).endswith("categories=['group'], single_values=['amount'])")
    assert FITTED.score(*amounts()) > 0.8
    other = WedgeReLURegressor(0.01).fit(FRAME[["amount"]].to_numpy(), Y)
    assert other.table_.input_names() == ["x0", "x0 as target mean"]
    scores = cross_val_score(WedgeReLURegressor(0.01), FRAME, Y)
    assert scores.mean() > 0.75  # 0.1 without


@pytest.mark.parametrize(
    "other", ["a step", "noise", "continuous", "mostly several", "a direction"]
)
def test_other_numbers_have_no_input_of_single_values(other):
    rng, frame, y, options = np.random.default_rng(1), FRAME[["amount"]], Y, {}
    if other == "a step":
        y = (FRAME["amount"] > 9_000) + 0.2 * rng.normal(size=len(Y))
    elif other == "noise":
        y = rng.normal(size=len(Y))
    elif other == "continuous":
        frame = frame + rng.uniform(size=(len(Y), 1))
    elif other == "mostly several":
        frame = frame.assign(amount=rng.permutation(np.repeat(np.arange(45.0), 20)))
        y = frame["amount"] % 2 + 0.1 * rng.normal(size=len(Y))
    else:
        options = {"monotonic_cst": [1]}
    model = WedgeReLURegressor(0.05, **options).fit(frame, y)
    assert model.table_.n_inputs == 1 and not model.table_.has_target_means


def test_values_that_are_not_known_are_one_level_and_missing_ones_another():
    inputs = FITTED.inputs_frame(NEW)[NAME]
    (category,) = (each for each in FITTED.table_.categories if each.is_of_numbers)
    assert_array_equal(inputs[5:9], np.full(4, category.values[-2, 0]))
    assert_array_equal(inputs[:5], np.full(5, category.values[-1, 0]))
    assert inputs[9] == category.values[category.levels.index(0.0), 0]
    single = FITTED.predict(FRAME[["amount", "year", "group"]].astype({"amount": np.float32}))
    assert_allclose(single, FITTED.predict(FRAME), rtol=1e-6)


def test_weights_are_copies_and_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(2)
    weight, order = rng.integers(0, 3, len(Y)), rng.permutation(len(Y))
    copies = np.repeat(np.arange(len(Y)), weight)
    for model, y in ((WedgeReLURegressor(0.02), Y), (WedgeReLUClassifier(0.02), LABELS)):
        weighted = model.fit(FRAME, y, weight).predict(NEW)
        copied = model.fit(FRAME.iloc[copies], y[copies])
        assert copied.table_.has_target_means
        assert_allclose(weighted, copied.predict(NEW), rtol=1e-8)
        given = model.fit(FRAME, y).predict(NEW)
        assert_allclose(model.fit(FRAME.iloc[order], y[order]).predict(NEW), given, rtol=1e-8)


def test_single_values_matter_with_weights_if_they_do_with_copies():
    rng = np.random.default_rng(0)
    x = np.where(rng.random(400) < 0.6, 0, rng.integers(1, 15, 400)) ** 2.0
    y, weight = 0.6 * (x % 2) + rng.normal(size=400), np.repeat([1, 12], 200)
    copies = np.repeat(np.arange(len(x)), weight)
    weighted = WedgeReLURegressor(0.02).fit(x[:, None], y, weight)
    copied = WedgeReLURegressor(0.02).fit(x[copies, None], y[copies])
    assert copied.table_.has_target_means
    assert weighted.table_.input_names() == copied.table_.input_names()
    (of_weights,), (of_copies,) = weighted.table_.categories, copied.table_.categories
    assert of_weights.levels == of_copies.levels
    assert_allclose(of_weights.values, of_copies.values, rtol=1e-10)


@pytest.mark.parametrize("memory", [1024, 0.5], ids=["in memory", "in chunks"])
def test_a_mapped_file_has_the_inputs_of_its_array(tmp_path, memory):
    X = FRAME[["amount", "year"]].to_numpy()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    with config_context(working_memory=memory):
        for model in (WedgeReLURegressor(0.05), regressor_cv(alphas=[0.05], cv=2)):
            of_array, of_file = clone(model).fit(X, Y), clone(model).fit(mapped, Y)
            assert of_array.table_.has_target_means == (memory > 1)
            assert of_file.table_.input_names() == of_array.table_.input_names()
            assert_allclose(of_file.predict(X), of_array.predict(X), rtol=1e-9)
        of_array, of_file = (wedge_relu_path(each, Y, [0.05]) for each in (X, mapped))
        assert of_file.table.input_names() == of_array.table.input_names()


def test_effects_are_by_column():
    explanation = FITTED.explain(NEW)
    total = explanation.intercept + explanation.contributions.sum(axis=1)
    assert_allclose(total, FITTED.predict(NEW), rtol=1e-9)
    assert {column for columns in explanation.inputs for column in columns} <= {0, 1, 2}
    assert FITTED.feature_importances_.shape == (3,)
    assert np.argmax(FITTED.feature_importances_) == 0
    effects = EffectDisplay.from_estimator(FITTED).effects
    amount = next(effect for effect in effects if effect.names == ("amount",))
    assert amount.missing is None  # none was missing in training
    assert_array_equal(amount.ticks[0], FITTED.table_.values_of(0))
    features = WedgeFeatures(WedgeReLURegressor(0.02)).fit(FRAME, Y)
    assert np.isfinite(features.transform(NEW)).all()


def test_lines_of_python_predict_the_same():
    record = json.loads(json.dumps(FITTED.to_dict(), allow_nan=False))
    rows = NEW.astype(object).where(NEW.notna(), None).to_dict("records")
    assert_allclose([predict_by_hand(record, row) for row in rows], FITTED.predict(NEW), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_graph_of_onnx_predicts_the_same(dtype):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    numbers = FRAME[["amount", "year"]].to_numpy()
    plain = WedgeReLURegressor(0.01).fit(numbers, Y)
    feed = {"X": NEW[["amount", "year"]].to_numpy().astype(dtype)}
    session = runtime.InferenceSession(plain.to_onnx(dtype).SerializeToString())
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    (got,) = session.run(None, feed)
    assert_allclose(got[:, 0], plain.predict(feed["X"].astype(float)), atol=tolerance)
    feed = {name: NEW[[name]].to_numpy().astype(dtype) for name in ("amount", "year")}
    feed["group"] = NEW[["group"]].to_numpy(object)
    session = runtime.InferenceSession(CLASSES.to_onnx(dtype).SerializeToString())
    assert_allclose(session.run(None, feed)[1], CLASSES.predict_proba(NEW), atol=tolerance)


@pytest.mark.parametrize("unit", [1e-9, 1.0], ids=["fractions", "whole"])
def test_values_that_only_double_precision_tells_apart_have_means_of_their_own(unit):
    rng = np.random.default_rng(3)
    listed = 1000.5 + unit * np.arange(20) if unit < 1 else 2e7 + np.arange(20)
    which = rng.integers(0, 20, 1500)
    x = np.where(rng.random(1500) < 0.55, 0.0, listed[which])
    y = np.where(x > 0, 1.0 * (which % 2), 0.4)
    model = WedgeReLURegressor(0.01).fit(x[:, None], y)
    assert_array_equal(model.table_.values_of(0), np.append(0.0, listed))
    inputs = model.inputs_frame(np.append(0.0, listed)[:, None])["x0 as target mean"]
    assert_array_equal(inputs, model.table_.categories[0].values[:-2, 0])
    assert np.all(np.abs(inputs[1:] - np.arange(20) % 2) < 0.2)
    record = model.to_dict()
    by_hand = [predict_by_hand(record, {"x0": each}) for each in listed.tolist()]
    assert_allclose(by_hand, model.predict(listed[:, None]), rtol=1e-9)
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    session = runtime.InferenceSession(model.to_onnx("float64").SerializeToString())
    (got,) = session.run(None, {"X": listed[:, None]})
    assert_allclose(got[:, 0], model.predict(listed[:, None]), atol=1e-10)


def test_networks_on_numbers_refuse_single_values():
    with pytest.raises(ValueError, match=r"of \['group', 'amount'\] levels or single values have"):
        FITTED.to_mlp()
