"""Hidden neurons as features: values, names, and how they go with the rest of scikit-learn."""

import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from plain_cv import regressor_cv
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    alpha_max,
)
from sklearn_wedge._estimators.features import distinct_formulas, hidden_activations
from sklearn_wedge._text.sums import Ranges

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, size=(80, 3)) * [1, 10, 100]
y = np.abs(X[:, 0]) - 0.1 * np.maximum(X[:, 1], 0) + 0.05 * rng.normal(size=80)
NAMES = ["age", "bmi", "s5"]
network = WedgeReLURegressor(alpha=0.01)


def X_named():
    return pd.DataFrame(X, columns=NAMES)


@pytest.fixture(scope="module")
def features():
    return WedgeFeatures(network).fit(X_named(), y)


def evaluated(name, row):
    """The value of a name such as "relu(0.5*age - 2)" for a row."""
    inner = re.fullmatch(r"relu\((.*)\)", name).group(1)
    return max(0.0, eval(inner, {}, dict(zip(NAMES, row, strict=True))))


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_features_are_those_of_unit_norm_neurons(norm):
    model = clone(network).set_params(norm=norm)
    fitted = WedgeFeatures(model).fit(X, y).estimator_
    neurons = fitted.neurons_
    inputs = (np.clip(X, *fitted.clip_bounds_) - fitted.x_mean_) / fitted.x_scale_
    padded = np.where(neurons.inputs < 0, 0, neurons.inputs)
    expected = np.maximum(
        np.sum(inputs[:, padded] * neurons.weights, axis=2) + neurons.offsets, 0.0
    )
    assert np.allclose(np.linalg.norm(neurons.weights, 1 if norm == "l1" else 2, axis=1), 1)
    assert np.allclose(WedgeFeatures(model).fit_transform(X, y), expected, atol=1e-10)


def test_the_network_is_linear_in_its_features(features):
    hidden, predicted = features.transform(X_named()), features.estimator_.predict(X_named())
    assert LinearRegression().fit(hidden, predicted).score(hidden, predicted) > 1 - 1e-10


def test_a_name_is_the_formula_of_its_column(features):
    names = features.get_feature_names_out()
    values = features.transform(X_named())
    clipped = np.clip(X, *features.estimator_.clip_bounds_)
    said = np.array([[evaluated(name, row) for name in names] for row in clipped])
    assert len(names) > 3
    assert np.allclose(said, values, atol=0.02)


def test_names_are_distinct_and_no_longer_than_needed():
    weights = np.array([[1.00001, 1.00002, 2.0, 0.0], [0.0, 0.0, -1.0, 0.0]])
    biases = np.array([0.5, 0.5, -0.25, 0.0])
    ranges = Ranges(np.zeros(2), np.ones(2), np.ones(2))
    unbounded = np.full(4, np.inf)
    words = distinct_formulas(weights, biases, unbounded, ["age", "bmi"], ranges)
    assert words == [
        "relu(1.00001*age + 0.5)",
        "relu(1.00002*age + 0.5)",
        "relu(2*age - bmi - 0.25)",
        "relu(0)",
    ]
    twice = np.array([[1.0, 0.0], [0.0, 1.0]])
    words = distinct_formulas(twice, np.zeros(2), unbounded[:2], ["a", "a"], ranges)
    assert words == ["relu(a) #0", "relu(a) #1"]
    falls, names = np.array([[-2.0], [0.5]]), ["age", "bmi"]
    falling = distinct_formulas(falls, np.zeros(1), unbounded[:1], names, ranges)
    assert falling == ["relu(-2*age + 0.5*bmi)"]


@pytest.mark.parametrize("centre", [0.0, 47.5, 1.6e9])
def test_a_name_of_columns_far_from_zero_is_the_formula_of_its_column(centre):
    far = centre + X / 100
    fitted = WedgeFeatures(network).fit(pd.DataFrame(far, columns=NAMES), y)
    values = fitted.transform(pd.DataFrame(far, columns=NAMES))
    clipped = np.clip(far, *fitted.estimator_.clip_bounds_)
    names = fitted.get_feature_names_out()
    said = np.array([[evaluated(name, row) for name in names] for row in clipped])
    assert len(names) > 3
    assert np.all(np.abs(said - values).max(axis=0) < 0.05 * values.max(axis=0))


def test_a_name_has_no_bias_that_is_rounding():
    indicators = pd.DataFrame(rng.integers(0, 2, size=(80, 3)), columns=NAMES)
    target = indicators @ [1.0, 2.0, 3.0]
    additive = WedgeReLURegressor(alpha=0.01, interaction_order=1)
    names = WedgeFeatures(additive).fit(indicators, target).get_feature_names_out()
    assert len(names) == 3
    for name in names:
        assert re.fullmatch(r"relu\([\d.]+\*\w+\)|relu\(-([\d.]+)\*\w+ \+ \1\)", name)


def test_names_are_those_asked_for():
    fitted = WedgeFeatures(network).fit(X, y)
    assert all("x" in name for name in fitted.get_feature_names_out())
    named = fitted.get_feature_names_out(NAMES)
    assert all(any(word in name for word in NAMES) for name in named)
    with pytest.raises(ValueError, match="input_features should have length"):
        fitted.get_feature_names_out(["one"])
    again = WedgeFeatures(network).fit(X_named(), y).fit(X, y)
    assert not hasattr(again, "feature_names_in_")


def test_a_deep_network_gives_the_last_layer():
    inputs = np.array([[1.0, -1.0]])
    first, second = np.array([[2.0], [1.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [3.0, -9.0]])
    hidden = hidden_activations(inputs, [first, second], [np.array([1.0]), np.array([0.0, 0.0])])
    # relu(2 - 1 + 1) = 2, then relu(1 + 3 * 2) and relu(-1 - 9 * 2)
    assert hidden.tolist() == [[7.0, 0.0]]


@pytest.mark.parametrize(("output", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_a_data_frame_is_returned_with_the_names(output, frame):
    transformer = WedgeFeatures(network).set_output(transform=output)
    table = transformer.fit_transform(frame({name: X[:, k] for k, name in enumerate(NAMES)}), y)
    assert isinstance(table, frame)
    assert list(table.columns) == list(transformer.get_feature_names_out())
    assert np.array_equal(table.to_numpy(), WedgeFeatures(network).fit_transform(X, y))


@pytest.mark.filterwarnings("ignore:The network is constant")
def test_a_network_without_neurons_gives_no_columns_and_a_warning():
    words = f"no features: at alpha=100 .*alpha_max is {alpha_max(X, y):.3g}"
    for output in ("default", "pandas"):
        transformer = WedgeFeatures(WedgeReLURegressor(alpha=100.0)).set_output(transform=output)
        with pytest.warns(UserWarning, match=words):
            assert transformer.fit_transform(X, y).shape == (80, 0)
    assert transformer.get_feature_names_out().shape == (0,)
    beside = ColumnTransformer([("wedge", transformer, [0, 1, 2]), ("as is", "passthrough", [0])])
    with pytest.warns(UserWarning, match=words):
        assert beside.fit_transform(X, y).shape == (80, 1)


@pytest.mark.filterwarnings("ignore:The network is constant")
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize(
    "network",
    [WedgeReLURegressor(3.0), regressor_cv([3.0], cv=2), WedgeReLUClassifier(3.0)],
    ids=lambda e: type(e).__name__,
)
def test_the_penalty_that_leaves_no_features_is_named(network, frozen):
    network = FrozenEstimator(clone(network).fit(X, y > 0.5)) if frozen else network
    features = WedgeFeatures(network).fit(X, y > 0.5)
    with pytest.warns(UserWarning, match="no features: at alpha=3 "):
        assert features.transform(X).shape == (80, 0)


def test_a_pipeline_of_columns_fits_and_names_the_neurons():
    columns = ColumnTransformer(
        [("wedge", WedgeFeatures(network), ["age", "bmi"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    model = make_pipeline(columns, LinearRegression()).fit(X_named(), y)
    names = model[:-1].get_feature_names_out()
    assert names[-1] == "s5"
    assert all(name.startswith("relu(") for name in names[:-1])
    assert model.score(X_named(), y) > 0.9


def test_a_search_reaches_the_network():
    pipeline = make_pipeline(WedgeFeatures(network), LinearRegression())
    grid = {"wedgefeatures__estimator__alpha": [0.3, 0.01]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_params_ == {"wedgefeatures__estimator__alpha": 0.01}


def test_labels_are_taken_with_a_classifier_only():
    labels = np.where(y > 0.2, "high", "low")
    with pytest.raises(ValueError, match=r"WedgeFeatures\(WedgeReLUClassifier\(\)\)"):
        WedgeFeatures().fit(X, labels)
    hinges = WedgeFeatures(WedgeReLUClassifier(alpha=0.01))
    model = make_pipeline(hinges, LogisticRegression()).fit(X, labels)
    assert model.score(X, labels) > 0.9


def test_an_estimator_without_hidden_neurons_is_refused():
    with pytest.raises(TypeError, match=r"LinearRegression\(\) has no hidden neurons"):
        WedgeFeatures(LinearRegression()).fit(X, y)
    with pytest.raises(ValueError, match="'estimator' parameter of WedgeFeatures"):
        WedgeFeatures("regressor").fit(X, y)


def test_a_frozen_network_is_not_fitted_again():
    fitted = clone(network).fit(X, y)
    frozen = WedgeFeatures(FrozenEstimator(fitted)).fit(X[:10], y[:10])
    assert np.array_equal(frozen.transform(X), WedgeFeatures(network).fit_transform(X, y))


def test_weights_reach_the_network_also_in_a_pipeline():
    weights = np.repeat([0.0, 2.0], 40)
    weighted = WedgeFeatures(network).fit(X, y, sample_weight=weights)
    half = WedgeFeatures(network).fit(X[40:], y[40:])
    assert np.array_equal(weighted.transform(X), half.transform(X))
    with sklearn.config_context(enable_metadata_routing=True):
        asking = WedgeFeatures(network).set_fit_request(sample_weight=True)
        last = LinearRegression().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(asking, last).fit(X, y, sample_weight=weights)
    assert np.array_equal(pipeline[0].transform(X), half.transform(X))


def test_a_pickle_is_the_same_transformer_and_a_clone_has_no_fit(features):
    copied = pickle.loads(pickle.dumps(features))
    assert np.array_equal(copied.transform(X_named()), features.transform(X_named()))
    assert list(copied.get_feature_names_out()) == list(features.get_feature_names_out())
    fresh = clone(features)
    assert not hasattr(fresh, "estimator_")
    assert fresh.get_params()["estimator__alpha"] == 0.01


def test_several_targets_and_a_chosen_penalty_give_features():
    both = np.column_stack([y, X[:, 2]])
    assert WedgeFeatures(network).fit_transform(X, both).shape[1] > 0
    chosen = WedgeFeatures(regressor_cv(alphas=3, eps=0.1, cv=3)).fit(X, y)
    assert chosen.transform(X).shape == (80, chosen.estimator_.n_neurons_)


def test_dask_arrays_are_transformed_in_their_chunks():
    array = pytest.importorskip("dask.array")
    blocks = array.from_array(X, chunks=(40, 3))
    transformer = WedgeFeatures(network).fit(blocks, array.from_array(y, chunks=40))
    hidden = transformer.transform(blocks)
    assert hidden.chunks[0] == (40, 40)
    assert np.allclose(hidden.compute(), transformer.transform(X))

    labels = array.from_array(np.where(y > 0.2, "high", "low"), chunks=40)
    with pytest.raises(ValueError, match="WedgeReLUClassifier"):
        WedgeFeatures().fit(blocks, labels)


def test_a_hidden_neuron_is_not_taken_for_a_column_of_that_name():
    table = pd.DataFrame(X, columns=["h0", "h1", "size"])
    kinks = np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1]) / 10)
    fitted = WedgeFeatures(WedgeReLURegressor(alpha=0.01, n_blocks=2)).fit(table, kinks)
    model = fitted.estimator_
    assert model.n_blocks_ == 2
    hidden = {f"_h{k}" for k in range(len(model.intercepts_[0]))}
    words = " ".join(fitted.get_feature_names_out())
    named = set(re.findall(r"\w*h\d+", words)) - {"h0", "h1"}
    assert named
    assert named <= hidden
    inputs = {name for names in model.neurons_frame()["inputs"] for name in names}
    assert inputs <= hidden | set(table.columns)
    # The network is linear in what it passes on.
    values, predicted = fitted.transform(table), model.predict(table)
    assert LinearRegression().fit(values, predicted).score(values, predicted) > 1 - 1e-10


def test_infinite_values_and_another_number_of_columns_are_refused():
    fitted = WedgeFeatures(network).fit(X, y)
    with pytest.raises(ValueError, match="contains infinity"):
        fitted.transform(np.full((2, 3), np.inf))
    with pytest.raises(ValueError, match="X has 2 features, but WedgeFeatures is expecting 3"):
        fitted.transform(X[:, :2])


def test_names_of_a_real_table_are_legible():
    table = load_diabetes(as_frame=True)
    fitted = WedgeFeatures(WedgeReLURegressor(alpha=0.1)).fit(table.data, table.target)
    names = fitted.get_feature_names_out()
    assert all(len(name) <= 40 for name in names)
    assert not any(set(',[]{}:"') & set(name) for name in names)  # refused by some libraries
