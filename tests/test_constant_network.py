"""A penalty so large that the network is constant: said once, with what to do."""

import warnings

import numpy as np
import pytest
from plain_cv import regressor_cv

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLURegressor,
    alpha_max,
    polish,
    wedge_relu_path,
)

MSE = {"loss": "squared_error"}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    return X, np.abs(X[:, 0] - X[:, 1]) + 0.1 * rng.normal(size=60)


def constant_warnings(caught):
    return [str(w.message) for w in caught if "network is constant" in str(w.message)]


def test_a_constant_network_is_told_where_a_penalty_makes_it(data):
    X, y = data
    largest = alpha_max(X, y)
    words = f"network is constant: at alpha=.*{largest:.3g} .alpha_max"
    for factor in (1.0 + 1e-9, 1.5, 1e30):
        model = WedgeReLURegressor(alpha=largest * factor)
        with pytest.warns(UserWarning, match=words) as caught:
            model.fit(X, y)
        assert len(caught) == 1 and caught[0].filename == __file__
        assert model.n_neurons_ == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert WedgeReLURegressor(alpha=0.9 * largest).fit(X, y).n_neurons_
        # No penalty makes a network of these.
        for loss in ("squared_error", "huber", "poisson", "gamma"):
            model = WedgeReLURegressor(alpha=2.0, loss=loss, clip_quantile=None)
            assert not model.fit(X, np.full(len(y), 0.3)).n_neurons_
        assert not WedgeReLURegressor(alpha=2.0).fit(np.ones_like(X), y).n_neurons_
        # The first penalty of a path is where the network is constant.
        assert not len(wedge_relu_path(X, y, [largest]).networks[0].neurons)


@pytest.mark.parametrize(
    "fit",
    [
        lambda X, y: WedgeReLUClassifier(alpha=2.0).fit(X, y > y.mean()),
        lambda X, y: WedgeReLURegressor(alpha=2.0, n_blocks=2).fit(X, y),
        lambda X, y: regressor_cv([3.0, 2.0], cv=3).fit(X, y),
        lambda X, y: polish(([[[0.1]] * 4, [[0.1]]], [[0.0], [0.0]]), X, y / 1e3, alpha=9.0, **MSE),
    ],
    ids=["classes", "blocks", "CV", "polish"],
)
def test_a_constant_network_is_told_once(fit, data):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(*data)
    assert len(constant_warnings(caught)) == 1
    assert caught[0].filename == __file__
