"""What polishing accepts as a network, and what it says about anything else."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from given_networks import forward, random_network, targets
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import WedgeReLURegressor, polish
from sklearn_wedge._polish.trained_network import read_network

# --- PyTorch ------------------------------------------------------------------------------------


def assert_read(network, module_output, X):
    assert_allclose(read_network(network).predict(X), module_output, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_a_torch_network_is_read_as_it_is(bias):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(2, 6, bias=bias), torch.nn.ReLU(), torch.nn.Linear(6, 1, bias=bias)
    )
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 2)), rng.standard_normal(20)
    with torch.no_grad():
        output = network(torch.as_tensor(X, dtype=torch.float32)).numpy()
    assert_read(network, output, X)
    result = polish(network, X, y, alpha=0.02, loss="squared_error")
    assert result.objective <= result.objective_of_network
    deep = torch.nn.Sequential(*network, torch.nn.ReLU(), torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="Linear, ReLU, Linear"):
        polish(deep, X, y, alpha=0.02, loss="squared_error")


class Tensor:
    """What is asked of a tensor."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    cpu = double = detach

    def numpy(self):
        return self.values


class Linear(SimpleNamespace):
    pass


class ReLU:
    pass


class Sequential(list):
    def children(self):
        return iter(self)

    def state_dict(self):
        raise AssertionError("not needed")


def test_modules_are_read_without_torch():
    rng = np.random.default_rng(0)
    network = coefs, intercepts = random_network(rng, 3, 4, 2)
    first, second = (
        Linear(weight=Tensor(coef.T), bias=Tensor(bias))
        for coef, bias in zip(coefs, intercepts, strict=True)
    )
    X = rng.standard_normal((5, 3))
    assert_read(Sequential([first, ReLU(), second]), forward(network, X), X)


# --- bad input ----------------------------------------------------------------------------------


def data(kind="one target", n=12, d=2):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), targets(rng, kind, n)


def fitted(make=MLPRegressor, kind="one target", **parameters):
    parameters = {"hidden_layer_sizes": 3, "max_iter": 3, **parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make(**parameters).fit(*data(kind))


def layers(d=2, m=3, q=1):
    return random_network(np.random.default_rng(0), d, m, q)


def broken(where, value=np.nan):
    coefs, intercepts = layers()
    (coefs if where < 2 else intercepts)[where % 2][0] = value
    return coefs, intercepts


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: fitted(hidden_layer_sizes=()), "a hidden layer or several.*got 1 and 1"),
        (lambda: (layers()[0], layers()[1][:1]), "as many of biases; got 2 and 1"),
        (lambda: fitted(activation="tanh"), "activation='tanh'"),
        (lambda: layers(d=3), "X has 2 features, and network takes 3"),
        (lambda: layers(q=2), "2 outputs, and y has 1"),
        (lambda: (layers()[0], layers(m=4)[1]), "do not fit together"),
        (lambda: (layers()[0], [np.zeros((3, 1)), np.zeros(1)]), r"intercepts\[0\].*1 dimension"),
        (lambda: ([["a"], np.ones((3, 1))], layers()[1]), r"coefs\[0\].*numbers"),
        (lambda: broken(0), r"coefs\[0\] of network has 3 weight.*NaN"),
        (lambda: broken(3, np.inf), r"intercepts\[1\].*NaN or infinite"),
    ],
)
def test_a_network_that_cannot_be_polished_is_refused(network, message):
    X, y = data()
    network = network()
    loss = "auto" if isinstance(network, MLPRegressor) else "squared_error"
    with pytest.raises(ValueError, match=message):
        polish(network, X, y, alpha=0.1, loss=loss)


@pytest.mark.parametrize(
    "network",
    [make_pipeline(StandardScaler(), MLPRegressor()), WedgeReLURegressor(0.01), None, "mlp"],
)
def test_other_objects_are_not_taken_for_networks(network):
    with pytest.raises(TypeError, match="network must be a fitted MLPRegressor"):
        polish(network, *data(), alpha=0.1)


def test_an_unfitted_network_is_refused():
    with pytest.raises(NotFittedError):
        polish(MLPRegressor(), *data(), alpha=0.1)


def test_columns_of_other_names_or_number_are_refused():
    pandas = pytest.importorskip("pandas")
    X, y = data()
    frame = pandas.DataFrame(X, columns=["a", "b"])
    network = sklearn.clone(fitted()).set_params(solver="lbfgs", max_iter=1000).fit(frame, y)
    assert polish(network, frame, y, alpha=0.1).estimator.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        polish(network, frame[["b", "a"]], y, alpha=0.1)
    with pytest.raises(ValueError, match="X has 1 features"):
        polish(fitted(), X[:, :1], y, alpha=0.1)


def test_labels_that_the_network_does_not_know_are_refused():
    X, y = data("two classes")
    network = fitted(MLPClassifier, "two classes")
    with pytest.raises(ValueError, match=r"trained on the classes \['a', 'b'\].*\['a', 'c'\]"):
        polish(network, X, np.where(y == "b", "c", y), alpha=0.1)
    with pytest.raises(ValueError, match="at least two classes"):
        polish(network, X, np.full(12, "a"), alpha=0.1)


@pytest.mark.parametrize(
    ("kind", "q", "message"),
    [
        ("two classes", 2, "for 2 classes 1 are needed.*second minus first"),
        ("three classes", 1, r"for 3 classes 3 are needed: log odds[^.]*per class\.$"),
    ],
)
def test_outputs_that_are_not_those_of_the_classes_are_refused(kind, q, message):
    with pytest.raises(ValueError, match=message):
        polish(layers(q=q), *data(kind), alpha=0.1, loss="log_loss")


def test_a_multilabel_network_is_refused():
    X, _ = data()
    labels = (X > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = MLPClassifier(hidden_layer_sizes=3, max_iter=3).fit(X, labels)
    with pytest.raises(ValueError, match="multilabel"):
        polish(network, X, labels, alpha=0.1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"snap": "yes"}, "'snap' parameter of polish must be"),
        ({"loss": "auto"}, "loss='auto' needs an MLPRegressor"),
        ({"loss": "hinge"}, "loss must be 'auto' or one of"),
        ({"alpha": 0.0}, "'alpha' parameter"),
        ({"norm": "l3"}, "'norm' parameter"),
        ({"interaction_order": 1}, "combines 2 inputs and interaction_order=1"),
        ({"sample_weight": np.zeros(12)}, "(?i)sample.weight"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        polish(layers(), *data(), **{"alpha": 0.1, "loss": "squared_error", **parameters})


def test_another_loss_than_the_network_was_trained_with_is_refused():
    with pytest.raises(ValueError, match="trained with loss='squared_error', not 'log_loss'"):
        polish(fitted(), *data(), alpha=0.1, loss="log_loss")


def test_dask_arrays_are_refused():
    array = pytest.importorskip("dask.array")
    X, y = data()
    with pytest.raises(ValueError, match="does not take dask"):
        polish(layers(), array.from_array(X), y, alpha=0.1, loss="squared_error")


def test_additive_networks_are_polished_at_order_one():
    coefs, intercepts = layers()
    coefs[0][0, :2], coefs[0][1, 2] = 0.0, 0.0
    result = polish(
        (coefs, intercepts), *data(), alpha=0.01, loss="squared_error", interaction_order=1
    )
    assert result.objective <= result.objective_of_network
    assert np.all((result.estimator.neurons_.inputs >= 0).sum(axis=1) == 1)
