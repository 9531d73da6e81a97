"""Reading networks: effects, importances, neurons in words."""

import copy
import pickle
import re
import sys
from html import escape

import cvxpy
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from sklearn.base import is_classifier
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    wedge_relu_path,
)
from sklearn_wedge._core.marginals import MOST_VALUES, marginal
from sklearn_wedge.inspection import EffectDisplay
from sklearn_wedge.inspection._html import tables

N, D = 30, 3


def table(seed=0, n=N, d=D):
    """Correlated inputs of different units, one of them with ties, and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[:, 1] += X[:, 0]
    X = X * [1.0, 100.0, 0.01] + [5.0, 0.0, 1.0]
    X[:, 2] = np.round(X[:, 2], 2)
    signal = np.abs(X[:, 0] - 5 - X[:, 1] / 100) + 30 * np.maximum(X[:, 2] - 1, 0)
    return X, signal + 0.1 * rng.normal(size=n), rng.integers(1, 4, n).astype(float)


def far(X):
    """The training rows, and others far outside them."""
    rng = np.random.default_rng(1)
    spread = 50 * np.ptp(X, axis=0)
    return np.vstack([X, X.mean(axis=0) + spread * rng.normal(size=(40, X.shape[1]))])


def expectile(f, y):
    return 0.8 * cvxpy.square(cvxpy.pos(y - f)) + 0.2 * cvxpy.square(cvxpy.pos(f - y))


REGRESSORS = {
    "squared error": WedgeReLURegressor(0.02, clip_quantile=0.1),
    "not clipped": WedgeReLURegressor(0.02, clip_quantile=None, standardize=True),
    "additive": WedgeReLURegressor(0.02, interaction_order=1),
    "l2": WedgeReLURegressor(0.02, norm="l2"),
    "absolute error": WedgeReLURegressor(0.05, loss="absolute_error"),
    "huber": WedgeReLURegressor(0.02, loss="huber"),
    "quantile": WedgeReLURegressor(0.05, loss="quantile", quantile=0.7),
    "poisson": WedgeReLURegressor(0.005, loss="poisson"),
    "gamma": WedgeReLURegressor(0.005, loss="gamma"),
    "own loss": WedgeReLURegressor(0.01, loss=expectile, tol=1e-3),
    "two targets": WedgeReLURegressor(0.02),
    "cross-validated": regressor_cv([0.1, 0.02], cv=2),
}
CLASSIFIERS = {
    "two classes": WedgeReLUClassifier(0.005),
    "three classes": WedgeReLUClassifier(0.005),
    "hinge": WedgeReLUClassifier(0.01, loss="hinge"),
    "squared hinge": WedgeReLUClassifier(0.01, loss="squared_hinge"),
    "cross-validated": classifier_cv([0.005, 0.003], cv=2),
}
CASES = [
    *(pytest.param(name, model, id=name) for name, model in REGRESSORS.items()),
    *(pytest.param(name, model, id=f"classifier, {name}") for name, model in CLASSIFIERS.items()),
]
_FITTED = {}


def fitted(name, model):
    """The model fitted to a target that suits it; each once."""
    key = type(model).__name__, name
    if key not in _FITTED:
        X, y, weight = table()
        if name == "two targets":
            y = np.column_stack([y, X[:, 0]])
        elif is_classifier(model):
            edges = [0.5] if name != "three classes" else [0.3, 0.7]
            y = np.array(["a", "b", "c"])[np.searchsorted(np.quantile(y, edges), y)]
        elif name in ("poisson", "gamma"):
            y = np.exp(y)
        _FITTED[key] = copy.deepcopy(model).fit(X, y, sample_weight=weight)
        assert _FITTED[key].n_neurons_ > 1
    return _FITTED[key]


def output(model, X):
    """The network's output."""
    if is_classifier(model):
        return model.decision_function(X)
    prediction = model.predict(X)
    return np.log(prediction) if model.loss in ("poisson", "gamma") else prediction


def training_weight():
    weight = table()[2]
    return weight / weight.sum()


# --- effects ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "model"), CASES)
def test_effects_add_up_to_the_network(name, model):
    model = fitted(name, model)
    X = far(table()[0])
    explanation = model.explain(X)
    total = explanation.contributions.sum(axis=1) + explanation.intercept
    expected = output(model, X)
    assert total.shape == expected.shape
    assert_allclose(total, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    assert len(explanation.names) == len(explanation.inputs) == explanation.contributions.shape[1]


def product_means(model):
    """The output on the product of the marginals, an axis per input, and weights of each."""
    own = model.marginals_
    grid = np.stack(np.meshgrid(*(m.values for m in own), indexing="ij"), axis=-1)
    shape = grid.shape[:-1]
    values = output(model, grid.reshape(-1, D)).reshape(*shape, -1)
    return grid, values, [m.weights for m in own]


@pytest.mark.parametrize("name", ["squared error", "poisson", "l2", "two targets"])
def test_effects_are_the_functional_anova_over_the_product_of_the_marginals(name):
    model = fitted(name, REGRESSORS[name])
    grid, values, weights = product_means(model)
    explanation = model.explain(grid.reshape(-1, D))
    contributions = explanation.contributions.reshape(*values.shape[:-1], -1, values.shape[-1])

    def mean(table, over):
        for axis in sorted(over, reverse=True):
            table = np.tensordot(weights[axis], table, axes=(0, axis))
        return table

    whole = mean(values, range(D))
    assert_allclose(np.ravel(explanation.intercept), whole, rtol=1e-9)
    scale = np.abs(values).max()
    for i, inputs in enumerate(explanation.inputs):
        others = [k for k in range(D) if k not in inputs]
        expected = mean(values, others) - whole
        if len(inputs) == 2:
            first = mean(values, [k for k in range(D) if k != inputs[0]]) - whole
            second = mean(values, [k for k in range(D) if k != inputs[1]]) - whole
            expected = expected - first[:, None] - second[None, :]
        at = tuple(slice(None) if k in inputs else 0 for k in range(D))
        assert_allclose(contributions[at][..., i, :], expected, atol=1e-10 * scale)


@pytest.mark.parametrize(("name", "model"), CASES)
def test_effects_are_centred_on_the_training_marginals(name, model):
    model = fitted(name, model)
    own = model.marginals_
    found = set()
    for i, inputs in enumerate(model.explain(table()[0]).inputs):
        rows = np.tile([m.values[0] for m in own], (np.prod([len(own[k]) for k in inputs]), 1))
        grid = np.meshgrid(*(own[k].values for k in inputs), indexing="ij")
        rows[:, inputs] = np.stack(grid, axis=-1).reshape(-1, len(inputs))
        values = model.explain(rows).contributions[:, i]
        values = values.reshape(*(len(own[k]) for k in inputs), -1)
        scale = max(np.abs(values).max(), 1e-3)
        for axis, k in enumerate(inputs):
            means = np.tensordot(own[k].weights, values, axes=(0, axis))
            assert_allclose(means, 0, atol=1e-11 * scale)
        found.add(len(inputs))
    assert found == ({1} if name == "additive" else {1, 2})


def test_marginals_are_those_of_the_clipped_training_data():
    model = fitted("squared error", REGRESSORS["squared error"])
    given, weight = table()[0], training_weight()
    X = np.clip(given, *model.clip_bounds_)
    assert np.any(given != X)
    for k, own in enumerate(model.marginals_):
        values, place = np.unique(X[:, k], return_inverse=True)
        assert_allclose(own.values, values, atol=1e-9 * model.x_scale_[k])
        assert_allclose(own.weights, np.bincount(place, weight), rtol=1e-9)


def test_a_marginal_of_many_values_is_small_and_close():
    rng = np.random.default_rng(0)
    values, weight = rng.lognormal(size=20_000), rng.integers(1, 3, 20_000).astype(float)
    small = marginal(values, weight)
    assert len(small) == MOST_VALUES
    assert np.all(np.diff(small.values) > 0)
    assert np.all(small.weights < 2.1 / MOST_VALUES)
    assert_allclose(small.weights.sum(), 1)
    assert_allclose(small.mean, np.average(values, weights=weight))
    for knot in (0.5, 1.0, 3.0):
        exact = np.average(np.maximum(values - knot, 0), weights=weight)
        assert_allclose(small.weights @ np.maximum(small.values - knot, 0), exact, rtol=1e-4)
    repeated = marginal(np.repeat(values, weight.astype(int)), np.ones(int(weight.sum())))
    assert_array_equal(repeated.values, small.values)


def test_effects_of_many_distinct_values_add_up_and_are_nearly_centred():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 2))
    y = np.abs(X[:, 0] - X[:, 1])
    model = WedgeReLURegressor(0.01, pricing="search", tol=1e-3).fit(X, y)
    explanation = model.explain(X)
    total = explanation.contributions.sum(axis=1) + explanation.intercept
    assert_allclose(total, model.predict(X), atol=1e-10)
    mains = explanation.contributions[:, :2]
    assert np.all(np.abs(mains.mean(axis=0)) < 1e-4 * mains.std(axis=0))


def test_a_constant_network_has_no_effects_and_no_importances():
    X, y, _ = table()
    model = WedgeReLURegressor(alpha=10.0).fit(X, y)
    explanation = model.explain(X)
    assert explanation.contributions.shape == (N, 0)
    assert_allclose(explanation.intercept, model.predict(X)[0])
    assert_array_equal(model.feature_importances_, np.zeros(D))
    assert "constant" in model.summary()
    assert len(model.neurons_frame()) == 0
    assert explanation.to_frame().shape == (N, 1)


def test_neurons_of_more_than_two_inputs_are_not_explained():
    X, y, _ = table()
    model = WedgeReLURegressor(alpha=0.01, interaction_order=None, norm="l2").fit(X, y)
    with pytest.raises(ValueError, match=r"neurons of 3 inputs.*=2 \(or 1\), a CV .*=\(1, 2\)"):
        model.explain(X)


def deep(model):
    """A made-up network of two hidden layers."""
    model = copy.copy(model)
    d, m = model.coefs_[0].shape
    model.coefs_ = [model.coefs_[0], np.ones((d + m, m)), model.coefs_[1]]
    model.intercepts_ = [model.intercepts_[0], *model.intercepts_]
    model.blocks_ = (*model.blocks_, *model.blocks_)
    model._importances = None
    return model


def test_several_hidden_layers_are_not_explained():
    model = deep(fitted("squared error", REGRESSORS["squared error"]))
    with pytest.raises(ValueError, match=r"2 hidden layers.*n_blocks=1"):
        model.explain(table()[0])
    with pytest.raises(AttributeError, match=r"n_blocks=1.*permutation_importance"):
        model.feature_importances_  # noqa: B018
    assert not hasattr(model, "feature_importances_")
    assert model.neurons_frame()["inputs"][0][-1] == f"h{model.n_neurons_ - 1}"
    assert "hidden layers" in model.summary()


def test_explain_refuses_bad_inputs_and_dask_arrays():
    model = fitted("squared error", REGRESSORS["squared error"])
    X = table()[0]
    with pytest.raises(ValueError, match="features"):
        model.explain(X[:, :2])
    with pytest.raises(ValueError, match="infinity"):
        model.explain(np.full_like(X, np.inf))
    array = pytest.importorskip("dask.array")
    with pytest.raises(ValueError, match="compute"):
        model.explain(array.from_array(X))
    with pytest.raises(NotFittedError):
        WedgeReLURegressor(0.01).explain(X)


# --- names and frames ---------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_names_of_a_data_frame_are_kept(frame):
    X, y, _ = table()
    columns = ["length in m", "mass", "age"]
    data = frame(dict(zip(columns, X.T, strict=True)))
    named, plain = WedgeReLURegressor(0.02).fit(data, y), WedgeReLURegressor(0.02).fit(X, y)
    explanation, unnamed = named.explain(data), plain.explain(X)
    assert "length in m × mass" in explanation.names
    assert unnamed.names[0] == "x0"
    assert_array_equal(explanation.contributions, unnamed.contributions)
    result = explanation.to_frame()
    assert list(result.columns) == ["intercept", *explanation.names]
    assert_allclose(result.sum(axis=1), plain.predict(X), rtol=1e-10)
    assert set(named.neurons_frame()["inputs"].sum()) <= set(columns)


def test_the_rows_of_a_frame_keep_their_index():
    X, y, _ = table()
    customers = pd.Index([f"customer {i}" for i in range(N)], name="who")
    data = pd.DataFrame(X, columns=["a", "b", "c"], index=customers)
    explanation = WedgeReLURegressor(0.02).fit(data, y).explain(data.iloc[[7, 5]])
    assert explanation.to_frame().index.equals(customers[[7, 5]])
    assert explanation.to_frame(index=[1, 2]).index.tolist() == [1, 2]
    assert explanation.summary(row=1).startswith("row customer 5, target: ")
    assert fitted("squared error", REGRESSORS["squared error"]).explain(X).index is None


def test_an_input_called_intercept_is_not_taken_for_the_intercept():
    X, y, _ = table()
    for names, first in (
        (["intercept", "b", "c"], "_intercept"),
        (["intercept", "_intercept", "c"], "__intercept"),
    ):
        data = pd.DataFrame(X, columns=names)
        explanation = WedgeReLURegressor(0.02).fit(data, y).explain(data)
        frame = explanation.to_frame()
        assert list(frame.columns) == [first, *explanation.names]
        assert_allclose(frame[first], explanation.intercept)


def series(kind, X, y):
    frame = kind({"price": y, "rent": -2 * y + X[:, 0]})
    return frame["price"], frame


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_names_of_targets_are_kept(kind):
    X, y, _ = table()
    price, both = series(kind, X, y)
    model = WedgeReLURegressor(0.02).fit(X, price)
    assert "1 output (price)" in model.summary()
    assert "coefficient" in model.neurons_frame()
    assert model.explain(X).outputs == ()
    model.fit(X, both)
    assert model.target_names_in_.tolist() == ["price", "rent"]
    assert "2 outputs (price, rent)" in model.summary()
    assert {"coefficient_price", "coefficient_rent"} <= set(model.neurons_frame())
    explanation = model.explain(X)
    assert explanation.outputs == ("price", "rent")
    total = explanation.to_frame()["rent"].sum(axis=1)
    assert_allclose(total, model.predict(X)[:, 1], rtol=1e-9, atol=1e-9)
    chosen = regressor_cv([0.1, 0.02], cv=2).fit(X, price)
    assert "1 output (price)" in chosen.summary()


def test_names_of_targets_are_neither_invented_nor_left_from_another_fit():
    X, y, _ = table()
    model = WedgeReLURegressor(0.1).fit(X, pd.Series(y, name="price"))
    two = pd.DataFrame(np.column_stack([y, y]))
    for unnamed in (y, list(y), pd.Series(y), pd.Series(y, name=3), pl.Series(y), two):
        assert not hasattr(model.fit(X, unnamed), "target_names_in_")
    assert {"coefficient_0", "coefficient_1"} <= set(model.neurons_frame())


def test_the_frame_of_several_outputs_names_them():
    model = fitted("three classes", CLASSIFIERS["three classes"])
    X = table()[0]
    frame = model.explain(X).to_frame(index=np.arange(N) + 100)
    assert frame.index[0] == 100
    for k, label in enumerate("abc"):
        assert_allclose(frame[label].sum(axis=1), model.decision_function(X)[:, k], atol=1e-10)


def test_names_that_are_given_are_used():
    model, X = fitted("squared error", REGRESSORS["squared error"]), table()[0]
    names = ["length", "mass", "age"]
    named, plain = model.neurons_frame(feature_names=names), model.neurons_frame()
    assert set(named["inputs"].sum()) <= set(names)
    instead = dict(zip(["x0", "x1", "x2"], names, strict=True))
    expected = [tuple(map(instead.get, inputs)) for inputs in plain["inputs"]]
    assert list(named["inputs"]) == expected
    assert "length × mass" in model.explain(X, feature_names=names).names
    for read in (model.neurons_frame, lambda names: model.explain(X, names)):
        with pytest.raises(ValueError, match="feature_names has 1 names"):
            read(["age"])


def test_an_explanation_is_brief_and_shows_the_largest_contributions():
    model, X = fitted("squared error", REGRESSORS["squared error"]), table()[0]
    explanation = model.explain(X)
    said = f"Explanation(n_samples={N}, n_effects={len(explanation.names)}, largest=["
    assert repr(explanation).startswith(said)
    strongest = explanation.names[np.abs(explanation.contributions).sum(axis=0).argmax()]
    assert repr(explanation).split("largest=['")[1].startswith(f"{strongest}'")
    first, *lines = explanation.summary(row=3, most=2).splitlines()
    assert float(first.removeprefix("row 3, target: ")) == pytest.approx(
        model.predict(X)[3], rel=1e-3
    )
    numbers = [float(line.split()[0]) for line in lines]
    assert_allclose(sum(numbers), model.predict(X)[3], rtol=2e-3)
    own = explanation.contributions[3]
    largest = np.argsort(-np.abs(own))[:2]
    for line, i in zip(lines[1:3], largest, strict=True):
        words = line.split(maxsplit=1)[1]
        assert re.sub(r" = [-\d.]+|[()]", "", words) == explanation.names[i]
    assert_allclose(numbers[1:3], own[largest], rtol=1e-3)
    assert lines[-1].endswith(f" {len(own) - 2} other effects (most={len(own)} lists all)")
    assert len(explanation.summary(most=1000).splitlines()) == 2 + len(own)
    for row in (N, -N - 1, 0.5):
        with pytest.raises(ValueError, match=f"one of {N} rows"):
            explanation.summary(row)


@pytest.mark.parametrize(
    ("name", "among"), [("squared error", REGRESSORS), ("three classes", CLASSIFIERS)]
)
def test_the_frame_of_many_effects_may_list_the_largest_and_add_up_the_others(name, among):
    found = fitted(name, among[name]).explain(table()[0])
    n_effects = len(found.names)
    whole, short = found.to_frame(), found.to_frame(most=2)
    sizes = np.abs(found.contributions.reshape(N, n_effects, -1)).sum(axis=(0, 2))
    largest = [found.names[i] for i in np.argsort(-sizes, kind="stable")]
    for label in found.outputs or [None]:
        own, all_of_it = (short, whole) if label is None else (short[label], whole[label])
        assert list(own) == ["intercept", *largest[:2], f"{n_effects - 2} other effects"]
        assert_allclose(own.iloc[:, :3], all_of_it[["intercept", *largest[:2]]])
        assert_allclose(own.sum(axis=1), all_of_it.sum(axis=1), atol=1e-10)
    every = found.to_frame(most=n_effects - 1)  # rather than "1 other effects"
    assert_allclose(every, whole[every.columns])
    assert every.shape == whole.shape
    with pytest.raises(ValueError, match="most must be"):
        found.to_frame(most=0)


def test_an_explanation_says_what_the_values_of_a_row_are():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "dist": np.round(rng.uniform(0, 9, 80), 3),
            "balcony": rng.random(80) < 0.5,
            "built": rng.integers(1900, 2020, 80),
            "longitude": 8.5 + 1e-4 * rng.random(80),
        }
    )
    y = 3 * data["dist"] * data["balcony"] + 0.1 * data["built"] + 2e5 * (data["longitude"] - 8.5)
    model = WedgeReLURegressor(1e-3, tol=0.01, clip_quantile=0.3).fit(data, y.to_numpy())
    row = pd.DataFrame([[54.32109, True, 12034, 8.500012345678]], columns=data.columns)
    row = row.astype({"balcony": bool})
    found = model.explain(row)
    row.loc[0, "dist"] = 0.0
    text = found.summary(most=20)
    said = {line.split("  ")[-1].strip() for line in text.splitlines()}
    assert {"built = 12034", "balcony = 1", "dist = 54.32", "longitude = 8.5000123"} <= said
    assert "(dist = 54.32) × (balcony = 1)" in said
    assert_array_equal(found.numbers, [[54.32109, 1, 12034, 8.500012345678]])
    assert pickle.loads(pickle.dumps(found)).summary(most=20) == text


@pytest.mark.parametrize(
    ("model", "target", "label"),
    [
        (WedgeReLUClassifier(0.01), lambda y: np.where(y > 1, "dear", "cheap"), "log odds of dear"),
        (WedgeReLUClassifier(0.01, loss="hinge"), lambda y: y > 1, "margin of True"),
        (WedgeReLURegressor(0.01, loss="poisson"), np.exp, "log of target"),
        (WedgeReLURegressor(0.01), lambda y: pd.Series(y, name="rent"), "rent"),
        (WedgeReLURegressor(0.01), lambda y: np.column_stack([y, -y]), "target 1"),
    ],
)
def test_an_explanation_says_what_its_sum_is_of_in_the_words_of_the_display(model, target, label):
    X, y, _ = table()
    model = model.set_params(tol=0.01).fit(X, target(y))
    output = 1 if label == "target 1" else None
    explanation = model.explain(X)
    assert explanation.summary(row=2, output=output).startswith(f"row 2, {label}: ")
    display = EffectDisplay.from_estimator(model, [0], output=output)
    assert display.output_label == explanation.output_labels[-1] == label


def test_what_fits_and_methods_return_is_shown_in_one_line():
    X, y, _ = table()
    model = fitted("squared error", REGRESSORS["squared error"])
    path = wedge_relu_path(X, y, np.geomspace(0.5, 0.02, 12))
    held = [
        model.neurons_,
        model.blocks_[0],
        model.certificate_,
        *model.history_,
        *model.marginals_,
        model.explain(X),
        fitted("three classes", CLASSIFIERS["three classes"]).explain(X),
        path,
        path.networks[-1],
        *EffectDisplay.from_estimator(model, [0, (0, 1)]).effects,
    ]
    for each in held:
        text = repr(each)
        assert text.startswith(f"{type(each).__name__}(")
        assert "\n" not in text
        assert len(text) < 400
    assert f"n_neurons={model.n_neurons_}, order=2" in repr(model.neurons_)
    assert f"n_neurons={len(path.networks[-1].neurons)}, n_outputs=1" in repr(path.networks[-1])
    assert repr(path) == "WedgePath(n_alphas=12, largest=0.5, least=0.02)"
    assert repr(model.marginals_[2]).startswith(f"Marginal(n_values={len(model.marginals_[2])}, ")


def test_an_explanation_of_several_outputs_is_that_of_the_one_asked_for():
    model, X = fitted("three classes", CLASSIFIERS["three classes"]), table()[0]
    explanation = model.explain(X)
    assert "n_outputs=3" in repr(explanation)
    for output in ("b", 1):
        first = explanation.summary(row=-1, output=output).splitlines()[0]
        assert first.startswith(f"row {N - 1}, score of b: ")
        assert float(first.split()[-1]) == pytest.approx(
            model.decision_function(X)[-1, 1], rel=1e-3
        )
    for output in (3, "d"):
        with pytest.raises(ValueError, match=f"no output {output!r}: choose of a, b, c"):
            explanation.summary(output=output)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (WedgeReLUClassifier(0.01), "classes"),
        (WedgeReLURegressor(0.01), "targets"),
        (WedgeReLURegressor(0.01, loss="quantile", quantile=(0.2, 0.5, 0.8)), "quantiles"),
    ],
)
def test_an_explanation_and_effects_of_several_outputs_ask_for_one_in_the_same_words(model, kind):
    X, y, _ = table()
    target = np.digitize(y, np.quantile(y, [0.3, 0.7]))
    target = np.eye(3)[target] if kind == "targets" else target
    model = model.set_params(interaction_order=1, tol=0.01).fit(X, target)
    with pytest.raises(ValueError, match=f"an output for each of 3 {kind}: choose one by") as asked:
        model.explain(X).summary()
    with pytest.raises(ValueError) as of_effects:
        EffectDisplay.from_estimator(model)
    assert str(asked.value) == str(of_effects.value)


@pytest.mark.parametrize(("name", "model"), CASES)
def test_the_frame_of_neurons_is_the_network(name, model):
    model = fitted(name, model)
    X = far(table()[0])
    frame = model.neurons_frame()
    coefficients = frame.filter(like="coefficient").to_numpy()
    total = np.tile(model.intercepts_[-1], (len(X), 1))
    clipped = np.clip(X, *model.clip_bounds_)
    for j, neuron in frame.iterrows():
        columns = [int(name[1:]) for name in neuron["inputs"]]
        hidden = np.maximum(clipped[:, columns] @ neuron["weights"] + neuron["bias"], 0)
        total += hidden[:, None] * coefficients[j]
        assert max(np.abs(neuron["weights"]), key=lambda w: w == 1) == 1
    expected = output(model, X).reshape(len(X), -1)
    assert_allclose(total, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    assert [len(rows) for rows in frame["rows"]] == list((model.neurons_.rows >= 0).sum(axis=1))


def test_a_formula_reads_like_the_neuron():
    x = np.array([0.0, 1.0, 2.0, 4.0])
    model = WedgeReLURegressor(1e-6, clip_quantile=None, tol=1e-10)
    model.fit(pd.DataFrame({"dose": x}), np.maximum(x - 1, 0) * 3)
    frame = model.neurons_frame()
    assert frame["formula"][0] in ("+3 · (dose - 1)₊", "-3 · (-dose + 1)₊")
    assert frame["rows"][0] == (1,)
    assert "through row 1" in model.summary()


def evaluated(hinge, rows):
    """What a printed formula such as ``(-x0 + 2·x1 - 3)₊`` is for each row of a data frame."""
    text = hinge.removesuffix("₊").strip("()").replace("·", "*")
    return np.maximum(rows.eval(text, engine="python"), 0.0)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("centre", [0.0, 47.5, 1.6e9])
def test_a_formula_of_columns_far_from_zero_is_near_the_neuron(centre, order):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(centre + 0.1 * rng.random((300, 2)), columns=["lat", "long"])
    off = (X - centre).to_numpy()
    y = np.abs(off[:, 0] - 0.055) + np.maximum(off[:, 1] - 0.027 - off[:, 0], 0)
    model = WedgeReLURegressor(1e-3, interaction_order=order, pricing="search", tol=1e-3).fit(X, y)
    weights, biases = model.coefs_[0], model.intercepts_[0]
    clipped = X.clip(*model.clip_bounds_, axis=1)
    hidden = np.maximum(clipped.to_numpy() @ weights + biases, 0.0)
    frame = model.neurons_frame()
    assert len(frame) > 4
    for j, formula in enumerate(frame["formula"]):
        slope, hinge = formula.split(" · ", 1)
        exact = hidden[:, j] * model.coefs_[1][j, 0] / float(slope)
        assert_allclose(evaluated(hinge, clipped), exact, atol=0.02 * np.abs(exact).max())


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1e12, 1e200])
def test_a_formula_does_not_depend_on_the_unit_of_a_column(unit):
    X, y, _ = table()
    plain = WedgeReLURegressor(0.02).fit(X, y).neurons_frame()
    model = WedgeReLURegressor(0.02).fit(X * [unit, 1.0, 1.0], y)
    frame = model.neurons_frame()
    assert list(frame["inputs"]) == list(plain["inputs"])
    for own, other in zip(frame["formula"], plain["formula"], strict=True):
        assert own.count("x0") == other.count("x0")
        assert len(own) < len(other) + 30
    assert all(np.isfinite(each.values).all() and len(each) > 1 for each in model.marginals_)
    assert_allclose(model.marginals_[0].values.max() / unit, X[:, 0].max(), rtol=0.5)


def test_no_two_neurons_read_alike():
    x = np.array([0.0, 1.0, 1.00001, 2.0, 3.0])
    y = np.array([0.0, 0.0, 1.0, 1.0, 0.0])
    model = WedgeReLURegressor(1e-7, clip_quantile=None).fit(pd.DataFrame({"dose": x}), y)
    hinges = [formula.split(" · ")[1] for formula in model.neurons_frame()["formula"]]
    assert {"(dose - 1)₊", "(dose - 1.00001)₊"} <= set(hinges)
    assert len(set(hinges)) == len(hinges)
    seconds = pd.DataFrame({"t": 1.6e9 + 3600.0 * np.arange(200)})
    model = WedgeReLURegressor(0.05).fit(seconds, np.sin(np.arange(200) / 20))
    formulas = model.neurons_frame()["formula"]
    assert len(set(formulas)) == len(formulas) > 1
    assert "e+" not in model.summary().split("neurons:")[1]


def indicators():
    """Columns of 0 and 1, whose standardised values are rounded, and a target."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.random((300, 12)) < rng.uniform(0.1, 0.9, 12)).astype(float)
    X.columns = [f"is_{name}" for name in "abcdefghijkl"]
    return X, X @ rng.normal(size=12) + X["is_a"] * X["is_b"] + 0.1 * rng.normal(size=300)


@pytest.mark.parametrize("order", [1, 2])
def test_what_only_rounding_keeps_from_zero_is_read_as_zero(order):
    X, y = indicators()
    model = WedgeReLURegressor(0.02, interaction_order=order, pricing="search").fit(X, y)
    noise = np.abs(model.intercepts_[0]) < 1e-8 * np.abs(model.coefs_[0]).sum(axis=0)
    assert np.any(noise & (model.intercepts_[0] != 0))
    frame = model.neurons_frame()
    assert_array_equal(frame["bias"] == 0, noise)
    texts = [*frame["formula"], model.summary().split("neurons:")[1]]
    assert not any("e-1" in text for text in texts)
    record = model.to_dict()
    assert_array_equal([neuron["bias"] == 0 for neuron in record["neurons"]], noise)
    assert all(set(each.values) <= {0.0} or 0.0 in each.values for each in model.marginals_)


def test_every_hidden_neuron_that_others_have_as_input_is_defined():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.uniform(-1, 1, size=(100, 3)), columns=["a", "b", "c"])
    y = np.abs(np.abs(X["a"]) - np.abs(X["b"] + X["c"]))
    options = {"n_blocks": 3, "pricing": "search", "tol": 1e-2}
    model = WedgeReLURegressor(1e-3, **options).fit(X, y)
    assert model.n_blocks_ > 1
    frame = model.neurons_frame()
    record = model.to_dict()
    assert sorted(frame["name"]) == sorted(neuron["name"] for neuron in record["neurons"])
    clipped = X.clip(*model.clip_bounds_, axis=1)
    values, total = {name: clipped[name] for name in X}, model.intercepts_[-1]
    for _, neuron in frame.sort_values("block", kind="stable").iterrows():
        assert neuron["block"] == record["neurons"][int(neuron["name"][1:])]["block"]
        within = sum(
            w * values[name] for w, name in zip(neuron.weights, neuron.inputs, strict=True)
        )
        values[neuron["name"]] = np.maximum(within + neuron.bias, 0.0)
        total = total + neuron.coefficient * values[neuron["name"]]
    assert_allclose(total, model.predict(X), rtol=1e-8, atol=1e-8)
    for text in (model.summary(), tables(model)):
        used, defined = (set(re.findall(end, text)) for end in (r"\bh\d+(?! =)\b", r"\bh\d+(?= =)"))
        assert used == defined != set()
    before = frame[frame["block"] < model.n_blocks_]
    for name, formula in zip(before["name"], before["formula"], strict=True):
        assert formula.startswith(f"{name} = (")


def test_weights_that_add_nothing_are_left_out_but_not_far_from_zero():
    model = copy.copy(fitted("additive", REGRESSORS["additive"]))
    own = model.neurons_frame()["inputs"]
    assert all(len(inputs) == 1 for inputs in own)
    weights, coef = model.coefs_
    adds_nothing = 1e-12 * (np.abs(weights).T @ model.x_scale_)
    model.coefs_ = [np.where(weights == 0, adds_nothing / model.x_scale_[:, None], weights), coef]
    assert list(model.neurons_frame()["inputs"]) == list(own)
    assert [tuple(each["weights"]) for each in model.to_dict()["neurons"]] == list(own)
    # x0 is about 5, with a standard deviation of 1.
    far = copy.copy(model.marginals_[0])
    object.__setattr__(far, "values", far.values + 1e13)
    model.marginals_ = (far, *model.marginals_[1:])
    assert all("x0" in inputs for inputs in model.neurons_frame()["inputs"])


def test_a_formula_of_many_inputs_is_short_and_shows_the_strongest():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 8))
    y = np.maximum(X[:, 6] + 0.8 * X[:, 7] + 0.1 * X.sum(axis=1), 0)
    model = WedgeReLURegressor(0.01, norm="l2", interaction_order=None).fit(X, y)
    formula = model.neurons_frame()["formula"][0]
    assert "+ 4 more" in formula
    assert "x6" in formula
    assert "x7" in formula


def test_formulas_of_few_classes_show_a_coefficient_of_each_and_the_summary_names_them():
    X, _, _ = table()
    labels = np.array(["low", "middle", "high"])[
        np.digitize(X[:, 0], np.quantile(X[:, 0], [0.3, 0.7]))
    ]
    model = WedgeReLUClassifier(1e-2).fit(X, labels)
    assert "3 outputs (high, low, middle)" in model.summary()
    frame = model.neurons_frame()
    slopes = frame[["coefficient_high", "coefficient_low", "coefficient_middle"]].to_numpy()
    for formula, own in zip(frame["formula"], slopes, strict=True):
        shown, hinge = formula.split(" · ", 1)
        assert_allclose([float(text) for text in shown.strip("()").split(", ")], own, rtol=1e-3)
        assert hinge.endswith(")₊")
        assert f"{formula} through" in model.summary() or len(frame) > 5


def test_the_summary_says_along_which_columns_a_network_is_not_clipped():
    X, y, _ = table()
    says = "Not clipped: the network goes on linearly outside the training range"
    X = np.column_stack([X, X[:, 0] > 5])  # has no outside
    for clip_quantile in (0.005, 0, None):
        model = WedgeReLURegressor(0.01, clip_quantile=clip_quantile).fit(X, y)
        assert (f"{says}\n" in model.summary()) == (clip_quantile is None)
    encoded = WedgeReLURegressor(0.01, clip_quantile=None, encoding="normal").fit(X, y)
    assert "Not clipped" not in encoded.summary()
    chosen = regressor_cv(alphas=[0.1, 0.01], cv=2, clip_quantile=None).fit(X, y)
    assert chosen.clip_quantile_ is None and f"{says}\n" in chosen.summary()
    assert "Not clipped" not in WedgeReLURegressor(10.0, clip_quantile=None).fit(X, y).summary()


def test_a_column_whose_quantiles_coincide_is_not_clipped_and_the_summary_names_it():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=600), np.r_[30.0, 70.0, np.zeros(598)]])
    model = WedgeReLURegressor(1e-4, interaction_order=1).fit(X, X[:, 0] + X[:, 1])
    assert "outside the training range along x1\n" in model.summary()
    far = model.predict([[0.0, 100.0], [0.0, 200.0], [0.0, 300.0]])
    assert np.diff(far, n=2) == pytest.approx(0, abs=1e-6) and far[1] - far[0] > 50


def test_the_summary_has_inputs_bound_neurons_and_importances():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    model = WedgeReLURegressor(0.1).fit(X, y)
    text = model.summary()
    assert "10 inputs" in text
    assert "(certified bound)" in text
    assert f"{model.n_neurons_} neurons" in text
    best = X.columns[np.argmax(model.feature_importances_)]
    assert f"Importances: {best} " in text
    assert model.neurons_frame()["formula"][0] in text
    unnamed = WedgeReLURegressor(0.1).fit(X.to_numpy(), y)
    assert unnamed.summary(feature_names=list(X.columns)) == text != unnamed.summary()
    with pytest.raises(ValueError, match="feature_names has 1 names"):
        unnamed.summary(["age"])


def test_a_summary_names_an_input_that_works_against_others_by_the_size_of_its_share():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1)) + 0.5 * rng.normal(size=(300, 3))
    model = WedgeReLURegressor(1e-3, interaction_order=1).fit(
        X, 3 * X[:, 0] - X[:, 1] + X[:, 2] / 4
    )
    shares = model.feature_importances_
    assert shares[1] < 0 < shares[2] < -shares[1] < shares[0]
    assert f"Importances: x0 {shares[0]:.2f}, x1 {shares[1]:.2f}, x2" in model.summary()


def test_a_summary_says_how_many_importances_it_leaves_out():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8))
    model = WedgeReLURegressor(1e-2, interaction_order=1).fit(X, np.abs(X) @ np.arange(1.0, 9.0))
    n_used = np.count_nonzero(model.feature_importances_)
    assert n_used > 5
    assert f", and {n_used - 5} more" in " ".join(model.summary().split())


def test_the_html_has_certificate_and_neurons_and_is_escaped():
    X, y, _ = table()
    unfitted = WedgeReLURegressor(0.02)
    assert "relative gap" not in unfitted._repr_html_()
    model = unfitted.fit(pd.DataFrame(X, columns=["<dose>", "b", "c"]), y)
    formulas = [escape(formula) for formula in model.neurons_frame()["formula"]]
    for page in (model._repr_html_(), model._repr_mimebundle_()["text/html"]):
        assert "sk-container" in page
        assert formulas[0] in page
        assert "<dose>" not in page
    own = tables(model)
    assert all(formula in own for formula in formulas)
    assert own.count("<td>through row") == len(formulas)
    with sklearn.config_context(display="text"):
        assert not hasattr(model, "_repr_html_")
        assert "text/html" not in model._repr_mimebundle_()


def test_the_html_shows_the_gap_before_it_is_unfolded(nothing_is_cheap):
    X, y, _ = table()
    model = WedgeReLURegressor(0.02).fit(X, y)
    gap = f"relative gap {model.certificate_.relative_gap:.1e}, certified"
    assert f'<div class="caption">{gap}</div>' in model._repr_html_()
    assert f"<summary>Certificate: {gap}</summary>" in tables(model)
    searched = WedgeReLURegressor(0.02, pricing="search").fit(X, y)
    assert "estimated, not certified</div>" in searched._repr_html_()


def test_a_network_within_something_else_is_shown_as_fitted():
    X, y, _ = table()
    network = WedgeReLURegressor(0.02)
    step = make_pipeline(StandardScaler(), network).fit(X, y)
    search = GridSearchCV(make_pipeline(network), {"wedgereluregressor__tol": [1e-4]}, cv=2)
    features = make_pipeline(WedgeFeatures(network), LinearRegression()).fit(X, y)
    for model, fitted_network in (
        (step, step[-1]),
        (search.fit(X, y), search.best_estimator_[-1]),
        (features, features[0].estimator_),
    ):
        page = model._repr_html_()
        gap = f"relative gap {fitted_network.certificate_.relative_gap:.1e}, certified"
        assert page.count(f'<div class="caption">{gap}</div>') == 1
        assert escape(fitted_network.neurons_frame()["formula"][0]) in page


def test_frames_without_pandas_say_how_to_install_it(monkeypatch):
    model = fitted("squared error", REGRESSORS["squared error"])
    explanation = model.explain(table()[0])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        explanation.to_frame()
    with pytest.raises(ImportError, match="pip install pandas"):
        model.neurons_frame()
    assert "neurons" in model.summary()


# --- importances --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "model"), CASES)
def test_importances_are_the_covariances_of_effects_with_the_output(name, model):
    model = fitted(name, model)
    X, weight = table()[0], training_weight()
    explanation = model.explain(X)
    contributions = explanation.contributions.reshape(N, len(explanation.names), -1)
    f = output(model, X).reshape(N, -1)
    centred = f - weight @ f
    expected = np.zeros(D)
    for i, inputs in enumerate(explanation.inputs):
        share = np.sum(weight[:, None] * centred * contributions[:, i]) / len(inputs)
        expected[list(inputs)] += share / np.sum(weight @ centred**2)
    assert_allclose(model.feature_importances_, expected, atol=1e-9)
    assert_allclose(model.feature_importances_.sum(), 1, rtol=1e-10)


def test_importances_of_neurons_of_many_inputs_are_shares_along_the_line():
    X, y, weight = table()
    model = WedgeReLURegressor(0.01, norm="l2", interaction_order=None, clip_quantile=None)
    model.fit(X, y, sample_weight=weight)
    assert np.all(np.count_nonzero(model.coefs_[0], axis=0) == 3)
    mean, share = np.average(X, axis=0, weights=weight), np.zeros((N, D))
    steps = (np.arange(4000) + 0.5) / 4000
    for i, x in enumerate(X):
        way = mean + steps[:, None] * (x - mean)
        active = way @ model.coefs_[0] + model.intercepts_[0] > 0
        gradient = (active * model.coefs_[1][:, 0]) @ model.coefs_[0].T
        share[i] = gradient.mean(axis=0) * (x - mean)
    f, weight = model.predict(X), training_weight()
    centred = f - weight @ f
    expected = (weight * centred) @ share / (weight @ centred**2)
    assert_allclose(model.feature_importances_, expected, atol=2e-3)
    assert_allclose(model.feature_importances_.sum(), 1, rtol=1e-10)


def test_importances_of_a_linear_function_are_those_of_its_terms():
    X, _, _ = table()
    y = X @ [1.0, 0.01, 20.0]
    for parameters in ({}, {"interaction_order": None, "norm": "l2"}):
        model = WedgeReLURegressor(1e-5, clip_quantile=None, tol=1e-8, **parameters).fit(X, y)
        expected = [np.cov(X[:, k] * w, y)[0, 1] for k, w in enumerate([1.0, 0.01, 20.0])]
        expected /= np.var(y, ddof=1)
        assert_allclose(model.feature_importances_, expected, atol=2e-3)


def test_weights_are_copies_for_importances_and_marginals():
    X, y, weight = table()
    rng = np.random.default_rng(3)
    copies = rng.permutation(np.repeat(np.arange(N), weight.astype(int)))
    weighted = WedgeReLURegressor(0.02).fit(X, y, sample_weight=weight * 0.1)
    repeated = WedgeReLURegressor(0.02).fit(X[copies], y[copies])
    assert_allclose(weighted.feature_importances_, repeated.feature_importances_, atol=1e-9)
    for one, other in zip(weighted.marginals_, repeated.marginals_, strict=True):
        assert_allclose(one.values, other.values, rtol=1e-12)
        assert_allclose(one.weights, other.weights, rtol=1e-9)


def test_a_change_of_units_does_not_change_importances():
    X, y, _ = table()
    model = WedgeReLURegressor(0.02).fit(X, y)
    other = WedgeReLURegressor(0.02).fit(X * [1e6, 1e-6, 1.0] + [0.0, 1.0, -2.0], 1e3 * y)
    assert_allclose(other.feature_importances_, model.feature_importances_, atol=1e-6)


def test_an_irrelevant_input_is_not_important():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 3))
    model = WedgeReLURegressor(0.01).fit(X, np.abs(X[:, 0]) * X[:, 1] + X[:, 0])
    assert abs(model.feature_importances_[2]) < 0.01
    assert model.feature_importances_[0] > 0.5


def test_selection_by_importance_takes_the_important():
    X, y, _ = table(n=60)
    X = np.column_stack([X, np.random.default_rng(0).normal(size=60)])
    selected = SelectFromModel(WedgeReLURegressor(0.05), threshold=0.05).fit(X, y)
    importances = selected.estimator_.feature_importances_
    assert_array_equal(selected.get_support(), importances >= 0.05)
    assert 0 < selected.get_support().sum() < 4
    eliminated = RFE(WedgeReLURegressor(0.05), n_features_to_select=2).fit(X, y)
    assert not eliminated.support_[3]


def test_importances_after_a_fit_in_chunks_are_near_those_in_memory():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = np.abs(X[:, 0] - X[:, 1]) + X[:, 2]
    with sklearn.config_context(working_memory=0.5):
        streamed = WedgeReLURegressor(0.02, tol=1e-3).fit(X, y)
    assert not streamed.certificate_.exact
    in_memory = WedgeReLURegressor(0.02, tol=1e-3).fit(X, y)
    assert_allclose(streamed.feature_importances_, in_memory.feature_importances_, atol=0.02)
    explanation = streamed.explain(X)
    total = explanation.contributions.sum(axis=1) + explanation.intercept
    assert_allclose(total, streamed.predict(X), atol=1e-10)


def test_a_pickled_network_reads_the_same():
    model = fitted("squared error", REGRESSORS["squared error"])
    again = pickle.loads(pickle.dumps(model))
    X = table()[0]
    assert_array_equal(again.explain(X).contributions, model.explain(X).contributions)
    assert_array_equal(again.feature_importances_, model.feature_importances_)
    assert again.summary() == model.summary()


def test_an_estimator_that_is_not_fitted_cannot_be_read():
    model = WedgeReLURegressor(0.01)
    assert not hasattr(model, "feature_importances_")
    for read in (model.summary, model.neurons_frame):
        with pytest.raises(NotFittedError):
            read()
