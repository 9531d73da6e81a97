"""Trained networks on their way to the optimum: never up, certified, the same from everywhere."""

import sys
from functools import cache

import numpy as np
import pytest
import sklearn
from given_networks import LOSS_OF, N_OUTPUTS, forward, random_network, targets
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from optima import Task, bounds_on_optimum, squared
from oracles import every_neuron, optimum
from scipy.special import log_softmax, xlogy
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor, polish
from sklearn_wedge._core.neurons import NeuronClass, Neurons, neurons_through
from sklearn_wedge._polish.given_neurons import snapped

pytestmark = pytest.mark.newest

ROUNDING = 1e-9
RAW = {"standardize": False, "clip_quantile": None}

# --- networks and objectives in the open --------------------------------------------------------


def with_oddities(network):
    """Neurons that are silent, linear, constant, without effect or there twice."""
    (hidden, output), (hidden_bias, output_bias) = network
    hidden, output, hidden_bias = hidden.copy(), output.copy(), hidden_bias.copy()
    hidden_bias[0], hidden_bias[1] = -1e3, 1e3
    hidden[:, 2] = 0.0
    output[3] = 0.0
    hidden[:, 5], hidden_bias[5] = hidden[:, 4], hidden_bias[4]
    hidden[:, 6], hidden_bias[6] = -2 * hidden[:, 4], -2 * hidden_bias[4]
    hidden[:, 7] *= 1e-200
    return [hidden, output], [hidden_bias, output_bias]


def mean_loss(outputs, y, kind, weight=None):
    """Of outputs of shape (n, q), by the formulas."""
    if kind == "counts":
        mu = np.exp(outputs[:, 0])
        losses = xlogy(y, y) - y * outputs[:, 0] - y + mu
    elif kind.endswith("classes"):
        if outputs.shape[1] == 1:
            outputs = np.hstack([np.zeros_like(outputs), outputs])
        codes = np.unique(y, return_inverse=True)[1]
        losses = -log_softmax(outputs, axis=1)[np.arange(len(y)), codes]
    else:
        losses = 0.5 * ((outputs - np.reshape(y, outputs.shape)) ** 2).sum(axis=1)
    return np.average(losses, weights=weight)


def rescaled(network, norm):
    """The same function with ``‖w_j‖ = ‖a_j‖``."""
    (hidden, output), (hidden_bias, output_bias) = network
    incoming = np.linalg.norm(hidden, axis=0, ord=1 if norm == "l1" else 2)
    outgoing = np.linalg.norm(output, axis=1)
    factor = np.sqrt(outgoing / incoming)
    return [hidden * factor, output / factor[:, None]], [hidden_bias * factor, output_bias]


def objective_by_hand(network, X, y, kind, alpha, norm, weight=None):
    """``loss + α/2 Σ ‖w‖² + ‖a‖²`` of weights as they are."""
    hidden, output = network[0]
    incoming = np.linalg.norm(hidden, axis=0, ord=1 if norm == "l1" else 2)
    penalty = (incoming**2).sum() + (output**2).sum()
    return mean_loss(forward(network, X), y, kind, weight) + alpha / 2 * penalty


def layers_of(estimator):
    return estimator.coefs_, estimator.intercepts_


@cache
def trained(kind, seed, n=60, a=0.12):
    """Data of two inputs, and a network of scikit-learn on it."""
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, size=(n, 2))
    shape = np.abs(X[:, 0] - X[:, 1]) + 0.05 * rng.standard_normal(n)
    y = {
        "one target": shape,
        "two targets": np.column_stack([shape, np.maximum(X[:, 0], 0)]),
        "counts": rng.poisson(np.exp(2 * shape)),
        "two classes": np.where(shape > 0.6, "far", "near"),
        "three classes": np.digitize(shape, [0.3, 0.8]),
    }[kind]
    make = MLPClassifier if kind.endswith("classes") else MLPRegressor
    network = make(hidden_layer_sizes=12, alpha=a, solver="lbfgs", max_iter=3000, random_state=seed)
    return network.fit(X, y), X, y


# --- never up -----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(sorted(LOSS_OF)),
    norm=st.sampled_from(["l1", "l2"]),
    d=st.integers(1, 2),
    alpha=st.sampled_from([0.3, 0.03, 0.003]),
    odd=st.booleans(),
    snap=st.booleans(),
)
def test_polishing_does_not_raise_the_objective_and_reports_that_of_its_layers(
    seed, kind, norm, d, alpha, odd, snap
):
    rng = np.random.default_rng(seed)
    X = rng.integers(-3, 4, size=(10, d)) * 0.5 + 0.25
    y = targets(rng, kind, 10)
    network = random_network(rng, d, 8, N_OUTPUTS[kind])
    network = with_oddities(network) if odd else network
    result = polish(network, X, y, alpha=alpha, loss=LOSS_OF[kind], norm=norm, snap=snap, tol=1e-3)
    slack = ROUNDING * result.objective_of_network
    assert result.objective_on_its_hyperplanes <= result.objective_of_network + slack
    assert result.objective <= result.objective_on_its_hyperplanes + slack
    assert result.certificate.exact
    # A fit that knows nothing of the network is on its way to the same optimum.
    make = WedgeReLUClassifier if kind.endswith("classes") else WedgeReLURegressor
    alone = make(alpha, loss=LOSS_OF[kind], norm=norm, tol=1e-3, **RAW).fit(X, y).certificate_
    assert result.lower_bound <= alone.objective + slack
    assert alone.lower_bound <= result.objective + slack
    polished = layers_of(result.estimator)
    assert_allclose(
        objective_by_hand(polished, X, y, kind, alpha, norm), result.objective, rtol=1e-9
    )


@pytest.mark.parametrize("ratio", [1e8, 1e13, 1e16, 1e100, 1e-14])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("kind", LOSS_OF)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_tiny_weights_on_large_inputs_are_not_taken_for_nothing(kind, norm, ratio):
    mlp, X, y = trained(kind, 0)
    hidden, output = mlp.coefs_
    scale = np.array([1.0, ratio])
    network = [hidden / scale[:, None], output], mlp.intercepts_
    result = polish(
        network, X * scale, y, alpha=1e-4, loss=LOSS_OF[kind], norm=norm, tol=0.1, max_iter=2
    )
    own = objective_by_hand(rescaled(network, norm), X * scale, y, kind, 1e-4, norm)
    assert_allclose(result.objective_of_network, own, rtol=1e-9)
    assert result.objective_on_its_hyperplanes <= own * (1 + ROUNDING)
    assert result.objective <= own * (1 + ROUNDING)
    polished = layers_of(result.estimator)
    by_hand = objective_by_hand(polished, X * scale, y, kind, 1e-4, norm)
    assert_allclose(by_hand, result.objective, rtol=1e-6)


def test_a_network_that_is_lost_in_rounding_is_refused(monkeypatch):
    module = sys.modules[polish.__module__]
    given_neurons = module.given_neurons

    def without_half_of_the_weights(*args):
        given = given_neurons(*args)
        given.neurons.weights[:, 1] = 0.0
        return given

    monkeypatch.setattr(module, "given_neurons", without_half_of_the_weights)
    mlp, X, y = trained("one target", 0)
    with pytest.raises(ValueError, match=r"least objective .* above its own .*Scale the columns"):
        polish(mlp, X, y, alpha=1e-6)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("kind", LOSS_OF)
def test_the_objective_of_the_network_is_that_of_its_best_scale(kind, norm):
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 2)), targets(rng, kind, 12)
    network = random_network(rng, 2, 5, N_OUTPUTS[kind])
    weight = rng.uniform(0.5, 2.0, size=12)
    result = polish(
        network, X, y, alpha=0.07, loss=LOSS_OF[kind], norm=norm, sample_weight=weight, tol=0.1
    )
    balanced = rescaled(network, norm)
    assert_allclose(forward(balanced, X), forward(network, X))
    expected = objective_by_hand(balanced, X, y, kind, 0.07, norm, weight)
    assert_allclose(result.objective_of_network, expected, rtol=1e-12)
    assert expected < objective_by_hand(network, X, y, kind, 0.07, norm, weight)


@pytest.mark.parametrize("kind", LOSS_OF)
def test_alpha_corresponds_to_that_of_scikit_learn_as_documented(kind):
    if kind == "counts" and "loss" not in MLPRegressor().get_params():
        pytest.skip("this scikit-learn has no loss for counts")
    network, X, y = trained(kind, 0)
    # scikit-learn averages over targets, this package adds them.
    q = 2 if kind == "two targets" else 1
    result = polish(network, X, y, alpha=q * network.alpha / len(X), tol=0.1)
    # Weight decay has nearly balanced the layers; balancing them lowers the penalty.
    assert result.objective_of_network <= q * network.loss_
    assert_allclose(result.objective_of_network, q * network.loss_, rtol=5e-3)


# --- the optimum --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["one target", "two targets", "two classes", "three classes"])
def test_two_networks_end_at_the_same_optimum(kind):
    results = []
    for seed in range(2):
        network, X, y = trained(kind, seed)
        results.append(polish(network, X, y, alpha=0.002, tol=1e-6))
    first, second = results
    assert first.objective_of_network != second.objective_of_network
    assert_allclose(first.objective, second.objective, rtol=1e-5)
    assert max(first.lower_bound, second.lower_bound) <= min(first.objective, second.objective)
    for result, other in (results, results[::-1]):
        own, allowed = result.objective_of_network, 1e-5 * other.objective
        distance = own - other.objective
        assert 0 < distance <= result.gap_of_network <= distance + allowed
        assert distance <= result.relative_gap_of_network * own * (1 + 1e-12)
        assert result.relative_gap_of_network * own <= distance + allowed


@pytest.mark.parametrize("snap", [False, True])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_polished_network_is_the_optimum_of_the_oracle(d, snap):
    rng = np.random.default_rng(d)
    X, y = rng.standard_normal((9, d)), rng.standard_normal(9)
    network = random_network(rng, d, 6, 1)
    result = polish(network, X, y, alpha=0.02, loss="squared_error", norm="l1", snap=snap, tol=1e-9)
    best = optimum(every_neuron(X, d).activations(X), y, np.ones(9), 0.02)
    assert_allclose(result.objective, best.upper, rtol=1e-6)
    assert result.lower_bound <= best.upper * (1 + ROUNDING)
    assert result.certificate.exact


@pytest.mark.parametrize("seed", range(3))
def test_under_l2_the_polished_network_is_the_optimum_of_the_oracle(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((10, 2)), rng.standard_normal(10)
    network = random_network(rng, 2, 6, 1)
    result = polish(network, X, y, alpha=0.02, loss="squared_error", tol=1e-8)
    best = bounds_on_optimum(Task(X, y[:, None], np.full(10, 0.1), squared(), 0.02, 2, "l2"))
    assert best.upper - best.lower <= 1e-7 * best.upper
    assert best.lower * (1 - ROUNDING) <= result.objective <= best.upper * (1 + 1e-7)
    assert result.lower_bound <= best.upper * (1 + ROUNDING)


@pytest.mark.parametrize("kind", ["counts", "two classes", "three classes"])
def test_the_polished_network_is_as_good_as_that_of_an_interior_point_method(kind):
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((24, 2)), targets(rng, kind, 24)
    network = random_network(rng, 2, 6, N_OUTPUTS[kind])
    result = polish(network, X, y, alpha=0.03, loss=LOSS_OF[kind], norm="l1", tol=1e-6)
    options = {"tol": 1e-6, "solver": "cvxpy", "loss": LOSS_OF[kind], **RAW}
    make = WedgeReLUClassifier if kind.endswith("classes") else WedgeReLURegressor
    other = make(0.03, **options).fit(X, y)
    assert_allclose(result.objective, other.certificate_.objective, rtol=1e-5)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("kind", ["one target", "three classes"])
def test_the_optimum_is_left_as_it_is(kind, norm):
    _, X, y = trained(kind, 0)
    make = WedgeReLUClassifier if kind.endswith("classes") else WedgeReLURegressor
    best = make(0.01, norm=norm, tol=1e-6, **RAW).fit(X, y)
    result = polish(layers_of(best), X, y, alpha=0.01, loss=LOSS_OF[kind], norm=norm, tol=1e-6)
    assert_allclose(result.objective_of_network, best.certificate_.objective, rtol=1e-9)
    assert_allclose(result.objective, best.certificate_.objective, rtol=1e-9)
    assert result.relative_gap_of_network < 1e-5
    assert result.estimator.n_iter_ == 1


def test_a_search_beyond_two_inputs_goes_down_and_is_not_called_certified():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 3)), rng.standard_normal(30)
    result = polish(random_network(rng, 3, 5, 1), X, y, alpha=0.05, loss="squared_error", tol=1e-3)
    assert not result.certificate.exact
    assert "not certified" in str(result)
    assert result.objective < result.objective_on_its_hyperplanes < result.objective_of_network


# --- what comes out -----------------------------------------------------------------------------


def test_the_classifier_predicts_like_its_layers_and_has_what_fit_sets():
    network, X, y = trained("two classes", 0)
    result = polish(network, X, y, alpha=0.002)
    estimator = result.estimator
    assert_array_equal(estimator.classes_, network.classes_)
    outputs = forward(layers_of(estimator), X)[:, 0]
    assert_allclose(estimator.decision_function(X), outputs, rtol=1e-9, atol=1e-9)
    assert_array_equal(estimator.predict(X), np.where(outputs > 0, "near", "far"))
    assert_allclose(estimator.predict_proba(X).sum(axis=1), 1.0)
    assert result.certificate is estimator.certificate_
    refitted = sklearn.clone(estimator).fit(X, y)
    assert set(vars(refitted)) == set(vars(estimator))
    assert_allclose(refitted.certificate_.objective, result.objective, rtol=1e-3)


def test_the_regressor_predicts_like_its_layers_and_has_what_fit_sets():
    network, X, y = trained("two targets", 0)
    estimator = polish(network, X, y, alpha=0.004).estimator
    assert_allclose(estimator.predict(X), forward(layers_of(estimator), X), rtol=1e-9, atol=1e-9)
    assert set(vars(sklearn.clone(estimator).fit(X, y))) == set(vars(estimator))


def test_hyperplanes_of_the_network_name_no_rows_of_the_data():
    network, X, y = trained("one target", 0)
    kept = polish(network, X, y, alpha=0.002, tol=0.5).estimator
    assert kept.n_neurons_ > 0
    assert np.all(kept.neurons_.rows == -1)
    assert len(kept.support_) == 0
    found = polish(network, X, y, alpha=0.002, tol=1e-6).estimator
    assert np.all(np.isin(found.support_, np.arange(len(X))))
    assert len(found.support_) > 0


def test_rows_without_a_weight_do_not_shift_the_rows_that_neurons_name():
    network, X, y = trained("one target", 0)
    weight = (np.arange(len(X)) % 3 > 0) * 1.0
    model = polish(network, X, y, alpha=0.002, sample_weight=weight).estimator
    named = model.neurons_.rows >= 0
    assert np.all(weight[model.neurons_.rows[named]] > 0)
    distances = X[model.neurons_.rows] @ model.coefs_[0]
    distances = np.einsum("jsj->js", distances) + model.intercepts_[0][:, None]
    assert_allclose(distances[named], 0.0, atol=1e-9)
    assert np.any(named)


def test_the_network_itself_is_not_changed():
    network, X, y = trained("one target", 0)
    before = [array.copy() for array in (*network.coefs_, *network.intercepts_)]
    polish(network, X, y, alpha=0.01, tol=0.1)
    for array, copy in zip((*network.coefs_, *network.intercepts_), before, strict=True):
        assert_array_equal(array, copy)


def test_weights_are_copies_and_rows_without_one_do_not_matter():
    rng = np.random.default_rng(2)
    X, y = rng.standard_normal((12, 2)), rng.standard_normal(12)
    network = random_network(rng, 2, 5, 1)
    weight = np.arange(12) % 3
    # A row without a weight, far away, would make a neuron linear that is not.
    X[0] *= 100
    options = {"alpha": 0.02, "loss": "squared_error"}
    weighted = polish(network, X, y, sample_weight=weight, **options)
    copied = polish(network, np.repeat(X, weight, axis=0), np.repeat(y, weight), **options)
    for name in ("objective_of_network", "objective_on_its_hyperplanes", "objective"):
        assert_allclose(getattr(weighted, name), getattr(copied, name), rtol=1e-9)


def test_a_network_that_is_constant_on_the_data_is_polished():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((8, 2)), rng.standard_normal(8)
    silent = [np.ones((2, 3)), np.ones((3, 1))], [np.full(3, -100.0), np.array([0.5])]
    result = polish(silent, X, y, alpha=0.01, loss="squared_error")
    assert_allclose(result.objective_on_its_hyperplanes, 0.5 * np.var(y))
    assert result.objective < result.objective_on_its_hyperplanes
    constant = polish(silent, X, y, alpha=10.0, loss="squared_error")
    assert constant.estimator.n_neurons_ == 0
    assert_allclose(constant.objective, 0.5 * np.var(y))


def test_fits_in_chunks_of_rows_end_near_those_in_memory():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 2))
    y = np.abs(X[:, 0]) + np.maximum(X[:, 1] - X[:, 0], 0)
    network = random_network(rng, 2, 5, 1)
    options = {"alpha": 0.01, "loss": "squared_error", "norm": "l1", "tol": 1e-3}
    whole = polish(network, X, y, **options)
    with sklearn.config_context(working_memory=1):
        blocks = polish(network, X, y, **options)
    assert whole.certificate.exact
    assert not blocks.certificate.exact
    assert_allclose(blocks.objective_of_network, whole.objective_of_network)
    assert_allclose(
        blocks.objective_on_its_hyperplanes, whole.objective_on_its_hyperplanes, rtol=1e-6
    )
    assert abs(blocks.objective - whole.objective) < 2e-3 * np.var(y)


def test_stopping_early_is_said_where_polish_was_called():
    network, X, y = trained("one target", 0)
    with pytest.warns(ConvergenceWarning, match="stopped after 1 pricing rounds") as caught:
        polish(network, X, y, alpha=0.002, tol=1e-8, max_iter=1)
    assert caught[0].filename == __file__


# --- snapping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("s", [1, 2, 3])
def test_neurons_are_snapped_to_the_samples_nearest_to_them(s, norm):
    rng = np.random.default_rng(s)
    points = np.unique(rng.standard_normal((15, 3)), axis=0)
    inputs = np.array([[0, 1, 2][:s], [2, 1, 0][:s][::-1]], dtype=np.intp)
    # Far from each other: snapping passes over samples that lie close together.
    samples = np.array([[0, 7, 14][:s], [1, 8, 13][:s]])
    wedge = neurons_through(points, inputs, samples, norm)
    both = wedge.join(wedge.reversed())
    moved = Neurons.unbounded(
        both.inputs,
        both.weights * (1 + 1e-9 * rng.standard_normal(both.weights.shape)),
        both.offsets + 1e-9,
        np.full_like(both.points, -1),
    )
    found = snapped(moved, points, norm)
    assert_array_equal(found.points, both.points)
    assert_allclose(found.weights, both.weights, atol=1e-7)
    assert_allclose(found.offsets, both.offsets, atol=1e-7)


def test_samples_that_span_no_hyperplane_get_none():
    line = np.arange(5.0)[:, None] * [[1.0, 1.0, 1.0]]
    oblique = Neurons.unbounded(
        np.array([[0, 1, 2]]), np.array([[1.0, 0.5, 0.2]]), np.array([0.1]), np.full((1, 3), -1)
    )
    assert len(snapped(oblique, line, "l2")) == 0
    assert len(snapped(Neurons.empty(NeuronClass(3).order), line, "l2")) == 0
