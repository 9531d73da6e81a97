"""Ramps: pricing beside enumeration, fits beside CLARABEL, and what is said of them."""

import pickle

import numpy as np
import optima
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    Dictionary,
    awkward_tables,
    every_neuron,
    every_ramp,
    joined,
    of_class,
    optimum,
    random_dual,
    signed_values,
    unit_l2,
)
from plain_cv import regressor_cv

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    alpha_max,
    wedge_relu_path,
)
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing import Pricing
from sklearn_wedge.inspection import SupportDisplay

TABLES = awkward_tables()
SOME = ["generic 1 input", "generic 2 inputs", "standardised grid of 2 inputs"]
SOME += ["standardised few values", "points on a line", "heavy tails", "one point"]
pytestmark = pytest.mark.newest

on_tables = pytest.mark.parametrize("table", [*SOME, *(name for name in TABLES if "sum" in name)])
RAW = {"standardize": False, "clip_quantile": None, "max_iter": 500, "tol": 1e-8}
EXACT = {**RAW, "pricing": "exact", "ramps": True}


def enumerated(points, neuron_class):
    """All neurons among which, under l1, the best ones are, and the signs they must have."""
    neurons = joined(
        every_neuron(points, neuron_class.order), every_ramp(points, neuron_class.order)
    )
    return of_class(neurons, neuron_class.groups, neuron_class.monotone)


def value_size(points, dual):
    return np.abs(dual).sum() * (np.ptp(points, axis=0).max() or 1.0)


def classes_of(table):
    """Classes of neurons, each with a dual point."""
    rng, d = np.random.default_rng(len(table)), TABLES[table].shape[1]
    monotone = tuple(rng.integers(-1, 2, size=d).tolist())
    for order in (1, 2):
        for constraints in ((None, None), (None, monotone), (((0,), tuple(range(d))), None)):
            q = 1 if constraints[1] else int(rng.integers(1, 4))
            dual = random_dual(rng, len(TABLES[table]), q, rng.choice(["normal", "integer"]))
            yield NeuronClass(order, "l1", False, *constraints, ramps=True), dual


def unpacked(neurons, d):
    return Dictionary(neurons.weight_matrix(d).T, neurons.offsets, neurons.heights)


@on_tables
def test_the_bound_is_the_largest_value_of_all_hinges_and_ramps(table):
    points = TABLES[table]
    for neuron_class, dual in classes_of(table):
        neurons, signs = enumerated(points, neuron_class)
        largest = signed_values(neurons.activations(points) @ dual, signs).max(initial=0.0)
        priced = Pricing(points, neuron_class).price_exactly(dual)
        assert_allclose(priced.bound, largest, rtol=0, atol=1e-11 * value_size(points, dual))
        rounding = 1e-9 * value_size(points, dual)
        assert_allclose(priced.values.max(initial=0.0), largest, rtol=0, atol=rounding)


def random_ramps_beat(points, norm, order, dual, how_many=2000):
    """The largest value of ramps along random directions, between any two samples."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((how_many, points.shape[1]))
    directions[np.argsort(rng.random(directions.shape), axis=1) >= order] = 0.0
    size = np.linalg.norm(directions, ord=1 if norm == "l1" else 2, axis=1, keepdims=True)
    reach = directions / size @ points.T
    hinges = np.maximum(reach[:, None, :] - np.sort(reach, axis=1)[:, :, None], 0.0) @ dual
    return np.linalg.norm(hinges[:, :, None] - hinges[:, None], axis=3).max()


@pytest.mark.parametrize("norm", ["l1", "l2"])
@on_tables
def test_no_random_ramp_is_worth_more_than_the_bound(table, norm):
    points = TABLES[table]
    for order in (1, 2):
        for seed, q in enumerate((1, 2)):
            dual = random_dual(np.random.default_rng(seed), len(points), q)
            priced = Pricing(points, NeuronClass(order, norm, ramps=True)).price_exactly(dual)
            slack = 1e-11 * value_size(points, dual)
            assert random_ramps_beat(points, norm, order, dual) <= priced.bound + slack
            assert priced.values.max(initial=0.0) >= priced.bound * (1 - 1e-8) - slack


def test_under_l2_the_bound_is_above_that_of_lines_through_samples():
    points = TABLES["generic 2 inputs"]
    above = []
    for seed in range(5):
        dual = random_dual(np.random.default_rng(seed), len(points), 1)
        neurons = unit_l2(joined(every_neuron(points, 2), every_ramp(points, 2)))
        priced = Pricing(points, NeuronClass(2, "l2", ramps=True)).price_exactly(dual)
        above.append(priced.bound / neurons.values(points, dual).max())
    assert min(above) >= 1 - 1e-12
    assert max(above) > 1.00001


@on_tables
def test_priced_ramps_have_the_values_and_the_points_that_they_name(table):
    points = TABLES[table]
    for neuron_class, dual in classes_of(table):
        priced = Pricing(points, neuron_class).price_exactly(dual)
        neurons = unpacked(priced.neurons, points.shape[1])
        products = neurons.activations(points) @ dual
        values = neuron_class.values(priced.neurons, products)
        assert_allclose(priced.values, values, rtol=0, atol=1e-12 * value_size(points, dual))
        ramps = priced.neurons.take(priced.neurons.are_ramps)
        reach = ramps.signed_distances(np.ascontiguousarray(points.T))
        near = 1e-8 * np.abs(points).max()
        for j, corners in enumerate(ramps.points):
            assert_allclose(reach[j, corners[corners >= 0]], 0.0, atol=near)
            assert_allclose(reach[j, ramps.ends[j]], ramps.heights[j], atol=near)
            # A ramp without samples beyond one of its ends would be a hinge.
            assert reach[j].min() < 0 < ramps.heights[j] < reach[j].max()


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_search_finds_a_ramp_of_several_inputs(order, norm, nothing_is_cheap):
    rng = np.random.default_rng(order)
    points = rng.standard_normal((150, 4))
    points -= points.mean(axis=0)
    points = points[np.lexsort(points.T[::-1])]
    direction = np.array([1.0, -0.7, 0.5, 0.0])[:4] * (np.arange(4) < order)
    reach = points @ direction
    ramp = np.clip(reach, *np.quantile(reach, [0.35, 0.65]))
    # What a ramp adds to what is linear: no hinge is worth as much.
    linear = np.column_stack([np.ones(len(points)), points])
    dual = (ramp - linear @ np.linalg.lstsq(linear, ramp, rcond=None)[0])[:, None]
    pricing, tight = Pricing(points, NeuronClass(order, norm, ramps=True)), Neurons.empty(order)
    size = np.linalg.norm(direction, ord=1 if norm == "l1" else 2)
    for turn in range(4):
        priced = pricing.propose(dual, tight, turn, everywhere=True)
        tight = priced.neurons.take(slice(0, 20))
    assert priced.values[0] >= 0.97 * (ramp @ dual[:, 0]) / size
    assert priced.neurons.are_ramps[0]


# --- fits -----------------------------------------------------------------------------------------


def tiny_problem(seed):
    """A few rows of one or two inputs, with ties or without."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 8)), int(rng.integers(1, 3))
    X = rng.integers(0, 3, size=(n, d)) * 1.0 if seed % 2 else rng.standard_normal((n, d))
    y = np.tanh(3 * X.sum(axis=1)) + 0.3 * rng.standard_normal(n)
    return X, y, rng.integers(1, 4, size=n) * 1.0, 10.0 ** rng.uniform(-3, -1) * np.std(y)


@pytest.mark.parametrize("share", range(3))
def test_the_bound_is_below_and_the_objective_above_the_optimum(share):
    for seed in range(share, 300, 3):
        X, y, weight, alpha = tiny_problem(seed)
        if np.ptp(y) == 0 or np.all(np.ptp(X, axis=0) == 0):
            continue
        model = WedgeReLURegressor(alpha, **EXACT).fit(X, y, weight)
        neurons, _ = enumerated(np.unique(X, axis=0), NeuronClass(2, ramps=True))
        oracle = optimum(neurons.activations(X), y, weight, alpha)
        certificate, slack = model.certificate_, 1e-10 * np.var(y)
        assert certificate.exact
        assert certificate.lower_bound <= oracle.upper + slack
        assert oracle.lower - slack <= certificate.objective <= oracle.upper * (1 + 1e-6) + slack


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("ties", [False, True], ids=["generic", "ties"])
def test_the_objective_is_that_of_an_interior_point_solver_on_all_neurons(d, ties):
    rng = np.random.default_rng(d)
    X = rng.integers(0, 4, size=(11, d)) - 1.5 if ties else rng.standard_normal((11, d))
    y = np.tanh(3 * X.sum(axis=1)) + 0.3 * X[:, 0] + 0.1 * rng.standard_normal(11)
    model = WedgeReLURegressor(0.01, **EXACT).fit(X, y)
    neurons, _ = enumerated(np.unique(X, axis=0), NeuronClass(2, ramps=True))
    oracle = optimum(neurons.activations(X), y, np.ones(11), 0.01)
    assert oracle.relative_gap < 1e-8
    assert model.neurons_.are_ramps.any()
    assert_allclose(model.certificate_.objective, oracle.upper, rtol=1e-6)
    without = WedgeReLURegressor(0.01, **{**EXACT, "ramps": False}).fit(X, y)
    assert model.certificate_.objective < without.certificate_.objective


LOSSES = {
    "huber": ({"loss": "huber", "epsilon": 0.3}, optima.huber(0.3), 0.005),
    "poisson": ({"loss": "poisson"}, optima.poisson(), 0.005),
    "log loss": ({}, optima.logistic(), 0.01),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_ramps_are_optimal_under_other_losses(loss):
    parameters, kind, alpha = LOSSES[loss]
    rng, n = np.random.default_rng(1), 24 if loss == "log loss" else 14
    X = rng.standard_normal((n, 2))
    score = np.tanh(4 * X[:, 0]) + np.tanh(4 * X.sum(axis=1))
    noise = rng.random(n)
    y = score + noise
    if loss == "log loss":
        y = noise < 1 / (1 + np.exp(-score - np.tanh(4 * X[:, 0])))
    elif loss == "poisson":
        y = np.round(np.exp(y))
    make = WedgeReLUClassifier if loss == "log loss" else WedgeReLURegressor
    model = make(alpha, **parameters, **EXACT).fit(X, y)
    task = optima.Task(X, y[:, None] * 1.0, np.full(n, 1 / n), kind, alpha, 2, ramps=True)
    bounds, certificate = optima.bounds_on_optimum(task), model.certificate_
    assert certificate.exact
    assert model.neurons_.are_ramps.any()
    assert bounds.upper - bounds.lower <= 1e-6 * bounds.upper
    assert_allclose(certificate.objective, bounds.upper, rtol=1e-6)
    assert certificate.lower_bound <= bounds.upper * (1 + 1e-9)


def s_shaped(n=600, seed=0):
    """A target that rises with each column, S-shaped with two of them, and without noise."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, size=(n, 3))
    truth = 2 / (1 + np.exp(-4 * X[:, 0])) + np.tanh(2 * X[:, 1]) + 0.3 * X[:, 2]
    return X, truth + 0.1 * rng.standard_normal(n), truth


@pytest.mark.parametrize("order", [1, 2])
def test_a_monotone_network_may_be_s_shaped(order):
    X, y, _ = s_shaped()
    unseen, _, truth = s_shaped(5000, 1)
    model = WedgeReLURegressor(2e-3, interaction_order=order, monotonic_cst=[1, 1, 1]).fit(X, y)
    assert np.sqrt(np.mean((model.predict(unseen) - truth) ** 2)) <= 0.06
    assert model.n_neurons_ <= 25
    rng = np.random.default_rng(2)
    low = rng.uniform(-4, 4, size=(10_000, 3))
    high = low + rng.exponential(size=(10_000, 3)) * rng.integers(0, 2, size=(10_000, 3))
    assert np.all(model.predict(high) >= model.predict(low) - 1e-12)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_weights_are_copies_and_rows_have_no_order(norm):
    X, y, _ = s_shaped(60)
    weight = np.random.default_rng(0).integers(0, 3, size=60)
    model = WedgeReLURegressor(0.01, ramps=True, norm=norm).fit(X, y, weight)
    assert model.neurons_.are_ramps.any()
    rows = np.random.default_rng(1).permutation(np.repeat(np.arange(60), weight))
    copied = WedgeReLURegressor(0.01, ramps=True, norm=norm, n_jobs=2).fit(X[rows], y[rows])
    assert_array_equal(model.predict(X), copied.predict(X))


# --- what becomes of a ramp ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    X, y, _ = s_shaped(120)
    X = X * [1.0, 100.0, 0.01] + [0.0, 50.0, 3.0]
    return WedgeReLURegressor(5e-3, ramps=True, tol=1e-3).fit(X, y)


@pytest.fixture(scope="module")
def X():
    return s_shaped(120)[0] * [1.0, 100.0, 0.01] + [0.0, 50.0, 3.0]


def test_layers_have_two_neurons_for_a_ramp_and_neurons_one(model, X):
    neurons, (hidden, out) = model.neurons_, model.coefs_
    ramps = np.flatnonzero(neurons.are_ramps)
    assert 0 < len(ramps) < len(neurons) == model.n_neurons_
    assert hidden.shape == (3, len(neurons) + len(ramps))
    assert_array_equal(hidden[:, len(neurons) :], hidden[:, ramps])
    assert_array_equal(out[len(neurons) :], -out[ramps])
    inputs = (np.clip(X, *model.clip_bounds_) - model.x_mean_) / model.x_scale_
    sums = np.einsum("ijk,jk->ij", inputs[:, neurons.inputs], neurons.weights) + neurons.offsets
    output = np.clip(sums, 0.0, neurons.heights) @ neurons.coef[:, 0] * model.y_scale_
    assert_allclose(np.ptp(model.predict(X) - output), 0.0, atol=1e-10)


def test_rows_are_named_on_both_lines_of_a_ramp(model, X):
    neurons = model.neurons_
    inputs = (np.clip(X, *model.clip_bounds_) - model.x_mean_) / model.x_scale_
    for j in np.flatnonzero(neurons.are_ramps):
        at = inputs[:, neurons.inputs[j]] @ neurons.weights[j] + neurons.offsets[j]
        assert_allclose(at[neurons.rows[j][neurons.rows[j] >= 0]], 0.0, atol=1e-8)
        assert_allclose(at[neurons.end_rows[j]], neurons.heights[j], atol=1e-8)
        assert neurons.end_rows[j] in model.support_
    assert_array_equal(neurons.end_rows[~neurons.are_ramps], -1)


def test_words_call_a_ramp_one_neuron_and_say_how_far_it_rises(model):
    n_ramps, frame = model.neurons_.are_ramps.sum(), model.neurons_frame()
    assert f"{n_ramps} ramps among them" in model.summary()
    assert len(frame) == model.n_neurons_
    assert_array_equal(np.isfinite(frame["height"]), model.neurons_.are_ramps)
    assert_array_equal(frame["formula"].str.contains("min(", regex=False), model.neurons_.are_ramps)
    assert frame["formula"].is_unique
    end = model.neurons_.end_rows[model.neurons_.are_ramps]
    assert [rows[-1] for rows in frame["rows"][model.neurons_.are_ramps]] == end.tolist()


def test_effects_of_ramps_sum_to_the_prediction(model, X):
    explanation = model.explain(X)
    total = explanation.intercept + np.asarray(explanation.contributions).sum(axis=1)
    assert_allclose(np.ravel(total), model.predict(X), rtol=1e-10)


def test_exports_predict_the_same(model, X):
    assert_allclose(model.to_mlp().predict(X), model.predict(X), rtol=1e-9)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_features_are_ramps_not_their_halves(model, X):
    from sklearn.frozen import FrozenEstimator

    features = WedgeFeatures(FrozenEstimator(model)).fit(X, X[:, 0])
    made, names = features.transform(X), features.get_feature_names_out()
    ramps = model.neurons_.are_ramps
    assert made.shape == (len(X), model.n_neurons_) == (len(X), len(set(names)))
    assert_allclose(made[:, ramps].max(axis=0), model.neurons_.heights[ramps], rtol=1e-9)
    assert ["min(" in name for name in names] == ramps.tolist()
    scale = model.y_scale_ * model.neurons_.coef[:, 0]
    assert_allclose(np.ptp(model.predict(X) - made @ scale), 0.0, atol=1e-10)


def test_displays_take_ramps(model, X):
    display = SupportDisplay.from_estimator(model, X)
    assert_array_equal(display.rows, model.support_)
    assert_allclose(display.shares.sum(), 1.0)


def test_a_second_block_sees_ramps_as_one_activation():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(80, 2))
    y = np.abs(np.clip(3 * X[:, 0], -1, 1) - np.clip(3 * X[:, 1], -1, 1))
    deep = {"ramps": True, "tol": 1e-2, "interaction_order": 2}
    first = WedgeReLURegressor(3e-3, **deep).fit(X, y)
    model = WedgeReLURegressor(3e-3, n_blocks=2, **deep).fit(X, y)
    below, above = model.blocks_
    assert below.neurons.are_ramps.any()
    assert above.certificate.objective < first.certificate_.objective
    n_passed, n_ramps = len(below.neurons), below.neurons.are_ramps.sum()
    assert len(model.coefs_[1]) == 2 + n_passed + n_ramps
    residual = model.predict(X) - y
    penalty = 3e-3 * np.abs(model.neurons_.coef).sum()
    objective = 0.5 * np.mean((residual / model.y_scale_) ** 2) + penalty
    assert_allclose(above.certificate.objective, objective, rtol=1e-6)
    assert_allclose(model.to_mlp().predict(X), model.predict(X), atol=1e-9)
    assert model.neurons_frame()["formula"].is_unique


def test_paths_and_cross_validation_have_ramps_too():
    X, y, _ = s_shaped(80)
    path = wedge_relu_path(X, y, [0.05, 0.01], ramps=True, tol=1e-3)
    assert path.networks[-1].neurons.are_ramps.any()
    assert alpha_max(X, y, ramps=True) >= alpha_max(X, y)
    chosen = regressor_cv(3, cv=2, monotonic_cst=[1, 1, 1]).fit(X, y)
    assert chosen.neurons_.are_ramps.any()
    assert np.all(chosen.neurons_.end_rows[chosen.neurons_.are_ramps] >= 0)


def test_ramps_are_there_by_default_under_directions_only():
    X, y, _ = s_shaped(80)
    assert not WedgeReLURegressor(0.01).fit(X, y).neurons_.are_ramps.any()
    assert WedgeReLURegressor(0.01, monotonic_cst=[1, 0, 0]).fit(X, y).neurons_.are_ramps.any()
    off = WedgeReLURegressor(0.01, monotonic_cst=[1, 0, 0], ramps=False).fit(X, y)
    assert not off.neurons_.are_ramps.any()
    assert "ramps" not in off.certificate_.scope


def test_what_does_not_combine_with_ramps_is_refused():
    X, y, _ = s_shaped(30)
    with pytest.raises(ValueError, match="with ramps beyond interaction_order=2"):
        WedgeReLURegressor(0.01, ramps=True, pricing="exact", interaction_order=3).fit(X, y)
    with pytest.raises(ValueError, match="dictionary='wedge' and ramps=True do not combine"):
        wedge_relu_path(X, y, [0.1], ramps=True, dictionary="wedge")
    with pytest.raises(ValueError, match="ramps"):
        WedgeReLURegressor(0.01, ramps="some").fit(X, y)


def test_dask_arrays_refuse_ramps_that_are_asked_for():
    dask_array = pytest.importorskip("dask.array")
    X, y, _ = s_shaped(60)
    chunks = dask_array.from_array(X, chunks=(20, 3)), dask_array.from_array(y, chunks=20)
    with pytest.raises(ValueError, match="ramps=True and a fit in chunks of rows do not combine"):
        WedgeReLURegressor(0.01, ramps=True).fit(*chunks)
    model = WedgeReLURegressor(0.01, monotonic_cst=[1, 1, 1]).fit(*chunks)
    assert not model.neurons_.are_ramps.any()
