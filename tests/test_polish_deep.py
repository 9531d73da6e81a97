"""Polishing networks of several hidden layers: all move, the last one is the convex problem."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from given_networks import LOSS_OF, N_OUTPUTS, targets
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from oracles import every_neuron, optimum
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from test_depth import output as network_output
from test_polish import mean_loss
from test_polish_input import Linear, ReLU, Sequential, Tensor

from sklearn_wedge import polish
from sklearn_wedge._polish.trained_network import read_network

pytestmark = pytest.mark.newest

ROUNDING = 1e-7


def random_layers(rng, d, widths, q):
    sizes = [d, *widths, q]
    pairs = list(pairwise(sizes))
    return [rng.standard_normal(pair) for pair in pairs], [rng.standard_normal(b) for _, b in pairs]


def forward(network, X):
    *hidden, (output, bias) = zip(*network, strict=True)
    for weights, its_bias in hidden:
        X = np.maximum(X @ weights + its_bias, 0.0)
    return X @ output + bias


def penalty(coefs, d, norm):
    """``Σ ‖w‖ ‖a‖`` of the last hidden layer, with neurons of unit norm in those before.

    Each layer has weights on the columns and all layers before, or on the one before only.
    """
    *hidden, outer = coefs
    sizes = np.ones(d)
    for weights in hidden:
        # What a layer does not have as an input are the first ones.
        weights = np.vstack([np.zeros((len(sizes) - len(weights), weights.shape[1])), weights])
        own = np.linalg.norm(weights * sizes[:, None], ord=1 if norm == "l1" else 2, axis=0)
        sizes = np.append(sizes, own)
    return own @ np.linalg.norm(outer, axis=1)


def without_constant(network, X):
    """Weights, without those on neurons that are constant on the rows."""
    coefs = [coef.copy() for coef in network[0]]
    for coef, bias, after in zip(network[0][:-2], network[1], coefs[1:], strict=False):
        X = np.maximum(X @ coef + bias, 0.0)
        after[np.ptp(X, axis=0) == 0] = 0.0
    return coefs


def polished(network, X, y, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return polish(network, X, y, **{"tol": 1e-2, "max_iter": 2, **parameters})


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(sorted(LOSS_OF)),
    norm=st.sampled_from(["l1", "l2"]),
    widths=st.sampled_from([(4, 3), (3, 3, 2)]),
    alpha=st.sampled_from([0.1, 0.003]),
    odd=st.booleans(),
)
def test_polishing_several_layers_lowers_the_objective_that_it_reports(
    seed, kind, norm, widths, alpha, odd
):
    rng = np.random.default_rng(seed)
    X, y = rng.uniform(-1, 1, size=(15, 2)), targets(rng, kind, 15)
    coefs, intercepts = network = random_layers(rng, 2, widths, N_OUTPUTS[kind])
    if odd:
        coefs[0][:, 0], intercepts[0][0] = 0.0, 0.7  # constant
        intercepts[0][1] = -99.0  # never active
        intercepts[1][0] = 5.0  # always
    assert_allclose(read_network(network).predict(X), forward(network, X))
    weight = rng.integers(1, 4, size=15)
    result = polished(
        network, X, y, alpha=alpha, loss=LOSS_OF[kind], norm=norm, sample_weight=weight
    )
    own = mean_loss(forward(network, X), y, kind, weight)
    own += alpha * penalty(without_constant(network, X), 2, norm)
    assert_allclose(result.objective_of_network, own, rtol=1e-9)
    slack = ROUNDING * result.objective_of_network
    assert result.objective_on_its_hyperplanes <= result.objective_of_network + slack
    assert result.objective <= result.objective_on_its_hyperplanes + slack
    assert result.lower_bound <= result.objective + slack
    estimator = result.estimator
    by_hand = mean_loss(network_output(estimator, X), y, kind, weight)
    by_hand += alpha * penalty(estimator.coefs_, 2, norm)
    assert_allclose(result.objective, by_hand, rtol=1e-6)


def test_weights_are_copies_where_several_layers_are_polished():
    rng = np.random.default_rng(0)
    X, y = rng.uniform(-1, 1, size=(15, 2)), targets(rng, "one target", 15)
    network, weight = random_layers(rng, 2, (4, 3), 1), rng.integers(1, 4, size=15)
    given_loss = {"alpha": 0.01, "loss": "squared_error"}
    weighted = polished(network, X, y, sample_weight=weight, **given_loss)
    copied = polished(network, np.repeat(X, weight, axis=0), np.repeat(y, weight), **given_loss)
    assert_allclose(copied.objective, weighted.objective, rtol=1e-9)
    assert_allclose(copied.estimator.predict(X), weighted.estimator.predict(X), rtol=1e-6)


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(60, 2))
    y = np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1])) + 0.05 * rng.standard_normal(60)
    mlp = MLPRegressor(
        hidden_layer_sizes=(8, 6), alpha=0.06, solver="lbfgs", max_iter=500, random_state=0
    )
    return mlp.fit(X, y), X, y


def test_a_trained_network_of_two_layers_is_lowered_with_a_bound_and_exports_predict_the_same(
    trained,
):
    mlp, X, y = trained
    result = polished(mlp, X, y, alpha=1e-3, tol=1e-3)
    assert result.objective < 0.95 * result.objective_of_network
    assert result.lower_bound < result.objective
    estimator = result.estimator
    assert estimator.n_blocks_ == len(estimator.blocks_) == 2
    given_block, last = estimator.blocks_
    assert given_block.certificate is None
    assert "no certificate" in repr(given_block)
    assert last.certificate is result.certificate
    assert "the bound is about the last hidden layer given these" in result.certificate.scope
    new = np.random.default_rng(1).uniform(-1, 1, size=(50, 2))
    expected = estimator.predict(new)
    assert_allclose(estimator.to_mlp().predict(new), expected, atol=1e-10)
    assert_allclose(predicted_by_record(estimator.to_dict(), new), expected, atol=1e-10)
    assert "hidden layers" in estimator.summary()


def predicted_by_record(record, X):
    """Its neurons, one after the other."""
    values = {entry["name"]: column for entry, column in zip(record["inputs"], X.T, strict=True)}

    def combined(unit):
        return unit["bias"] + sum(by * values[name] for name, by in unit["weights"].items())

    for neuron in record["neurons"]:
        values[neuron["name"]] = np.maximum(combined(neuron), 0.0)
    return combined(record["outputs"][0])


def columns_of_last_layer(estimator, X):
    """Activations of its unit-norm neurons, and of all neurons of a single input of it."""
    (first, last), (first_bias, last_bias) = estimator.coefs_[:2], estimator.intercepts_[:2]
    size = np.linalg.norm(first, axis=0)
    inputs = np.hstack([X, np.maximum(X @ first + first_bias, 0.0) / size])
    weights = last * np.append(np.ones(X.shape[1]), size)[:, None]
    own = np.maximum(inputs @ weights + last_bias, 0.0) / np.linalg.norm(weights, axis=0)
    return np.vstack([own.T, every_neuron(inputs, 1).activations(inputs)])


def test_the_bound_of_the_last_layer_is_one_on_its_neurons_and_all_of_a_single_input(trained):
    mlp, X, y = trained
    result = polished(mlp, X, y, alpha=1e-3, tol=1e-3)
    least = optimum(columns_of_last_layer(result.estimator, X), y, np.ones(len(X)), 1e-3)
    assert not result.certificate.exact
    assert result.lower_bound_of_last_layer <= least.upper * (1 + 1e-7)
    assert least.lower <= result.objective * (1 + 1e-7)
    assert result.relative_gap_of_last_layer < 1e-2


def test_all_layers_move_and_that_helps(trained, monkeypatch):
    mlp, X, y = trained
    moved = polished(mlp, X, y, alpha=1e-3, max_iter=1)
    module = polish.__globals__
    monkeypatch.setitem(module, "alternated", lambda whole, build, rule: whole)
    stayed = polished(mlp, X, y, alpha=1e-3, max_iter=1)
    assert stayed.objective_on_its_hyperplanes == moved.objective_on_its_hyperplanes
    assert moved.objective < stayed.objective
    first = moved.estimator.coefs_[0]
    assert first.shape != stayed.estimator.coefs_[0].shape or np.any(
        first != stayed.estimator.coefs_[0]
    )


def test_modules_of_several_layers_are_read():
    rng = np.random.default_rng(0)
    network = random_layers(rng, 3, (4, 2), 1)
    linear = [
        Linear(weight=Tensor(coef.T), bias=Tensor(bias))
        for coef, bias in zip(*network, strict=True)
    ]
    X = rng.standard_normal((5, 3))
    module = Sequential([linear[0], ReLU(), linear[1], ReLU(), linear[2]])
    assert_allclose(read_network(module).predict(X), forward(network, X))
    with pytest.raises(ValueError, match="a ReLU between any two linear layers"):
        read_network(Sequential([linear[0], linear[1], ReLU(), linear[2]]))
