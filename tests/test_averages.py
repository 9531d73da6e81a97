"""The average of networks is one network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._core.averages import average

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, size=(120, 3))
Y = np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1])) + np.maximum(X[:, 2], 0) + 0.05 * RNG.normal(size=120)
NEW = RNG.uniform(-2, 2, size=(200, 3))


def fitted(alpha=3e-3, y=Y, **parameters):
    return WedgeReLURegressor(alpha, tol=1e-2, **parameters).fit(X, y)


KINDS = {
    "of one input": {"interaction_order": 1},
    "l1": {"interaction_order": 2},
    "l2": {"interaction_order": None, "norm": "l2"},
    "with ramps": {"interaction_order": 1, "ramps": True, "alpha": 0.02},
    "two layers": {"n_blocks": 2, "alpha": 1e-3},
    "two layers with ramps": {"n_blocks": 2, "alpha": 1e-3, "ramps": True, "interaction_order": 1},
    "three layers": {"n_blocks": 3, "alpha": 1e-3},
    "constant": {"alpha": 1e3},
}


@pytest.fixture(scope="module")
def models():
    with pytest.warns(UserWarning, match="constant"):
        return {name: fitted(**parameters) for name, parameters in KINDS.items()}


def mean_of(networks, shares, X):
    return sum(s * network.predict(X) for s, network in zip(shares, networks, strict=True))


def test_the_kinds_below_are_what_they_are_called(models):
    assert models["with ramps"].neurons_.are_ramps.any()
    assert [models[name].n_blocks_ for name in ("l1", "two layers", "three layers")] == [1, 2, 3]
    assert any(b.neurons.are_ramps.any() for b in models["two layers with ramps"].blocks_)
    assert models["constant"].n_neurons_ == 0


@pytest.mark.parametrize("one", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_its_outputs_are_the_average_of_outputs(models, one, other):
    networks, shares = [models[one]._network, models[other]._network], (0.3, 0.7)
    expected = mean_of(networks, shares, NEW)
    assert_allclose(average(networks, shares).predict(NEW), expected, rtol=1e-10, atol=1e-10)


def test_so_it_is_for_all_kinds_at_once_and_several_outputs(models):
    networks = [each._network for each in models.values()]
    shares = np.arange(1, 1 + len(networks)) / np.arange(1, 1 + len(networks)).sum()
    expected = mean_of(networks, shares, NEW)
    assert_allclose(average(networks, shares).predict(NEW), expected, rtol=1e-10, atol=1e-10)
    targets = np.column_stack([Y, X[:, 0] * X[:, 1]])
    networks = [fitted(y=targets, **KINDS[name])._network for name in ("l1", "l2", "two layers")]
    shares = (0.5, 0.25, 0.25)
    expected = mean_of(networks, shares, NEW)
    assert_allclose(average(networks, shares).predict(NEW), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", KINDS)
def test_of_one_network_it_is_that_network(models, name):
    network = models[name]._network
    alone = average([network], [1.0])
    for one, other in zip(alone.coefs, network.coefs, strict=True):
        assert_allclose(one, other, rtol=1e-14)
    for block, own in zip(alone.blocks, network.blocks, strict=True):
        assert_array_equal(block.neurons.inputs, own.neurons.inputs)
        assert_array_equal(block.neurons.rows, own.neurons.rows)
        assert block.certificate is own.certificate


def test_a_layer_of_several_networks_has_no_certificate(models):
    network = average([models["l1"]._network, models["two layers"]._network], (0.5, 0.5))
    assert [block.certificate for block in network.blocks] == [None, None]


def test_neurons_that_are_read_give_the_outputs_of_the_layer_weights(models):
    model = models["l1"]
    mean, scale = model.x_mean_, model.x_scale_
    networks = [models[name]._network for name in ("three layers", "l2", "with ramps", "l1")]
    network = average(networks, (0.4, 0.3, 0.2, 0.1))
    standardised = (np.clip(NEW, *network.clip_bounds) - mean) / scale
    seen = standardised
    for block in network.blocks:
        neurons = block.neurons
        padded = np.column_stack([seen, np.zeros(len(seen))])
        sums = np.einsum("jk,ijk->ij", neurons.weights, padded[:, neurons.inputs])
        hidden = np.minimum(np.maximum(sums + neurons.offsets, 0), neurons.heights)
        seen = np.column_stack([seen, hidden])
    output = hidden @ neurons.coef * model.y_scale_
    weights = network.predict(NEW)
    assert_allclose(output - output[:1], weights - weights[:1], rtol=1e-8, atol=1e-10)


def test_its_last_layer_is_balanced_and_by_descending_coefficient(models):
    network = average([models["l1"]._network, models["l2"]._network], (0.5, 0.5))
    sizes = np.linalg.norm(network.neurons.coef, axis=1)
    assert np.all(np.diff(sizes) <= 0)
    standardised = network.coefs[0] * models["l1"].x_scale_[:, None]
    out = network.coefs[1] / models["l1"].y_scale_
    # The norm of a neuron's weights is that of its class: l1 of one member, l2 of the other.
    for j, weights in enumerate(standardised.T):
        norms = np.abs(weights).sum(), np.linalg.norm(weights)
        assert np.isclose(norms, np.abs(out[j]), rtol=1e-8).any()


def test_neurons_of_several_networks_are_one(models):
    model, other = models["of one input"], fitted(alpha=2e-3, interaction_order=1)
    own, others = (
        {
            (*inputs, *weights.round(8), round(offset, 8))
            for inputs, weights, offset in zip(n.inputs, n.weights, n.offsets, strict=True)
        }
        for n in (model.neurons_, other.neurons_)
    )
    assert len(own & others) > 0
    network = average([model._network, other._network], (0.5, 0.5))
    assert len(network.neurons) == len(own | others)


@pytest.mark.parametrize("name", ["of one input", "l1", "l2", "with ramps", "constant"])
def test_of_a_network_with_itself_it_is_that_network(models, name):
    network = models[name]._network
    same = average([network, network], (0.25, 0.75))
    assert len(same.neurons) == len(network.neurons)
    assert_allclose(same.neurons.coef, network.neurons.coef, rtol=1e-12)
    assert_allclose(same.predict(NEW), network.predict(NEW), rtol=1e-10, atol=1e-12)


def test_logits_are_averaged_of_classifiers():
    labels = np.digitize(Y, [0.4, 0.8])
    models = [
        WedgeReLUClassifier(alpha, interaction_order=order).fit(X, labels)
        for alpha, order in ((1e-2, 1), (3e-3, 2))
    ]
    network = average([each._network for each in models], (0.5, 0.5))
    expected = np.mean([each.decision_function(NEW) for each in models], axis=0)
    assert_allclose(network.predict(NEW), expected, rtol=1e-10, atol=1e-10)
