"""What differs by rounding at its own size is constant: inputs and targets, wherever rows are."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._core.rows import SampleOptions, canonical_sample
from sklearn_wedge._core.rows.scaling import bounds_of_rounding

# As sums of the same numbers come out in another order.
SAME = np.array([0.3, 0.1 + 0.2])
PLACES = ["in memory", "in blocks", "on dask"]


def fit(model, place, X, y, weight=None):
    """Fit with the rows in one of the places."""
    if place == "on dask":
        array = pytest.importorskip("dask.array")
        weight = None if weight is None else array.from_array(weight, chunks=100)
        X, y = array.from_array(X, chunks=(150, -1)), array.from_array(y, chunks=150)
    working_memory = 0.25 if place == "in blocks" else 1024
    with sklearn.config_context(working_memory=working_memory):
        return model.fit(X, y, sample_weight=weight)


def table(n=300, size=1.0, seed=0):
    """Three columns, the second of which is constant but for rounding, and a target."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[:, 1] = size * SAME[rng.integers(0, 2, n)]
    return X, np.abs(X[:, 0]) + 0.1 * rng.normal(size=n)


@pytest.mark.parametrize(
    ("place", "standardize", "size"),
    [
        *(("in memory", standardize, 1.0) for standardize in (True, False)),
        *(("in memory", True, size) for size in (-1e12, 1e-200, 1e300)),
        ("in blocks", True, 1.0),
        ("in blocks", False, -1e12),
        ("on dask", True, 1.0),
    ],
)
def test_rounding_of_a_constant_column_becomes_no_feature(place, standardize, size):
    X, y = table(size=size)
    assert len(np.unique(X[:, 1])) == 2
    settings = {"alpha": 0.02, "standardize": standardize, "tol": 0.01}
    model = fit(WedgeReLURegressor(**settings), place, X, y)
    assert model.x_scale_[1] == 1.0
    assert model.feature_importances_[1] == 0.0
    assert not np.any(model.coefs_[0][1])
    others = fit(WedgeReLURegressor(**settings), place, np.delete(X, 1, axis=1), y)
    assert_array_equal(model.predict(X), others.predict(np.delete(X, 1, axis=1)))


@pytest.mark.parametrize(
    ("place", "loss"),
    [
        *(("in memory", loss) for loss in ("huber", "poisson", "gamma", "absolute_error")),
        *(("in blocks", loss) for loss in ("poisson", "gamma")),
        *((place, "squared_error") for place in PLACES),
    ],
)
@pytest.mark.parametrize("standardize", [True, False])
def test_rounding_of_a_constant_target_is_not_fitted(place, standardize, loss):
    X, _ = table()
    y = np.random.default_rng(1).permutation(np.resize(SAME, len(X)))
    model = WedgeReLURegressor(1e-3, loss=loss, standardize=standardize)
    model = fit(model, place, X, y)
    assert model.n_neurons_ == 0
    np.testing.assert_allclose(model.predict(X), 0.3, rtol=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_one_of_several_targets_that_is_rounding_gets_no_coefficient(place):
    X, y = table()
    targets = np.column_stack([y, np.resize(SAME, len(y))])
    model = fit(WedgeReLURegressor(0.05, tol=0.01), place, X, targets)
    assert model.y_scale_[1] == 1.0
    assert np.all(model.coefs_[-1][:, 1] == 0.0)


@pytest.mark.parametrize("place", PLACES)
def test_a_classifier_does_not_use_rounding(place):
    X, y = table()
    model = fit(WedgeReLUClassifier(0.02, tol=0.01), place, X, (y > 0.8).astype(int))
    assert model.x_scale_[1] == 1.0
    assert model.feature_importances_[1] == 0.0


@pytest.mark.parametrize("place", PLACES)
def test_clipping_leaves_more_than_rounding_of_a_column(place):
    X, y = table()
    X[7, 1] = 5.0
    model = fit(WedgeReLURegressor(0.02, tol=0.01), place, X, y)
    assert_array_equal(model.clip_bounds_[:, 1], [-np.inf, np.inf])
    assert model.x_scale_[1] > 0.1


@pytest.mark.parametrize("noise", [0.25, 1.0, 20.0])
@pytest.mark.parametrize("size", [0.3, 1e9, -7e-8])
def test_a_column_is_constant_where_it_is_for_standard_scaler(noise, size):
    rng = np.random.default_rng(0)
    column = size * (1 + noise * np.finfo(float).eps * rng.uniform(-1, 1, 200))
    assert StandardScaler().fit(column[:, None]).scale_[0] == 1.0
    lower, upper = bounds_of_rounding(column.min(), column.max())
    assert lower == upper == column.min() or column.min() == column.max()
    # Something that is no rounding is none for either.
    column[3] *= 1 + 1e-10
    assert StandardScaler().fit(column[:, None]).scale_[0] != 1.0
    assert_array_equal(bounds_of_rounding(column.min(), column.max()), [-np.inf, np.inf])


def test_weights_and_copies_do_not_decide_what_is_constant():
    rng = np.random.default_rng(0)
    edge = 0.3 * (1 + np.linspace(0, 200, 12) * np.finfo(float).eps)
    for n in range(2, 12):
        X, y = edge[:n, None], rng.normal(size=(n, 1))
        weight = 10.0 ** rng.uniform(-6, 0, n)
        scales = {
            float(
                canonical_sample(*given, SampleOptions(clip_quantile=None)).input_scaling.lower[0]
            )
            for given in (
                (X, y, np.ones(n)),
                (X, y, weight),
                (np.tile(X, (50, 1)), np.tile(y, (50, 1)), np.ones(50 * n)),
            )
        }
        assert len(scales) == 1
