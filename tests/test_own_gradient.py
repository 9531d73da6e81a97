"""Losses of the user's own with a gradient: what is refused, fits in chunks, derivatives."""

from dataclasses import dataclass

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, xlog1py, xlogy

from sklearn_wedge import WedgeReLURegressor
from sklearn_wedge._core.losses import Huber, OwnSmoothLoss, Pinball
from sklearn_wedge._core.rows import LocalChunks, SampleOptions, chunked_sample


@dataclass(frozen=True)
class Squares:
    """Half the squared error; a conjugate that is ``wrong`` is that of no loss."""

    wrong: float = 0.0

    def value(self, f, y):
        return (y - f) ** 2 / 2

    def gradient(self, f, y):
        return f - y

    def curvature(self, f, y):
        return np.ones_like(f)

    def conjugate(self, slope, y):
        return slope * y + (1 - self.wrong) * slope**2 / 2


class Logistic:
    """The log loss of targets -1 and 1: its best constant is nowhere near their mean."""

    def value(self, f, y):
        return np.logaddexp(0.0, -y * f)

    def gradient(self, f, y):
        return -y * expit(-y * f)

    def curvature(self, f, y):
        return expit(f) * expit(-f)

    def conjugate(self, slope, y):
        p = -slope * y
        inside = np.clip(p, 0.0, 1.0)
        return np.where(p == inside, xlogy(inside, inside) + xlog1py(1 - inside, -inside), np.inf)


class Deviance:
    """Half the gamma deviance of logarithms: terms of size 1 cancel where a target is met."""

    def value(self, f, y):
        return y * np.exp(-f) + f - np.log(y) - 1

    def gradient(self, f, y):
        return 1 - y * np.exp(-f)

    def curvature(self, f, y):
        return y * np.exp(-f)

    def conjugate(self, slope, y):
        ratio = 1 - slope
        found = xlogy(ratio, ratio) - (ratio - 1) * np.log(y) - ratio + 1
        return np.where(ratio < 0, np.inf, found)


class Linex:
    """Exponential on one side: near its kink it is the little that is left of terms of size 1."""

    def value(self, f, y):
        return np.exp(f - y) - (f - y) - 1

    def gradient(self, f, y):
        return np.exp(f - y) - 1

    def curvature(self, f, y):
        return np.exp(f - y)

    def conjugate(self, slope, y):
        ratio = 1 + slope
        return np.where(ratio < 0, np.inf, slope * y + xlogy(ratio, ratio) - slope)


class Flat(Squares):
    """Nothing is curved beyond a distance."""

    def curvature(self, f, y):
        return np.where(np.abs(f - y) < 1, 1.0, 0.0)


UNITS = [1e-120, 1e-80, 1e-8, 1e-3, 1.0, 1e8]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("wrong", [1.0, 1e-4])
def test_a_wrong_conjugate_is_refused_whatever_the_unit_of_targets(unit, wrong):
    y = unit * np.random.default_rng(0).normal(size=(60, 1))
    assert OwnSmoothLoss(Squares()).impossible(y) is None
    assert "conjugate" in OwnSmoothLoss(Squares(wrong)).impossible(y)


@pytest.mark.parametrize("spread", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_rounding_leaves_a_conjugate_right(unit, spread):
    noise = np.random.default_rng(0).normal(size=(200, 1))
    # The logarithms of targets are predicted: places are around these.
    y = unit * np.exp(spread * noise)
    loss = OwnSmoothLoss(Deviance())
    for place in (-2.0, -0.7, 0.1, 0.9, 2.3):
        assert loss._wrong_at(np.log(y[:, 0]) + place * spread, y[:, 0], spread) is None


@pytest.mark.parametrize("unit", [1e-6, 1e-5, 1e-3, 1.0, 10.0])
@pytest.mark.parametrize("loss", [Linex(), Logistic()])
def test_a_right_conjugate_is_taken(loss, unit):
    y = unit * np.random.default_rng(0).normal(size=(200, 1))
    y = np.sign(y) if isinstance(loss, Logistic) else y
    assert OwnSmoothLoss(loss).impossible(y) is None


def test_the_class_of_a_loss_in_place_of_an_instance_is_refused():
    with pytest.raises(ValueError, match="class Squares: pass an instance"):
        WedgeReLURegressor(loss=Squares).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0])


def in_chunks(y, weight):
    X = np.random.default_rng(1).normal(size=(len(y), 2))
    rows = LocalChunks(X, y[:, None], weight, 100)
    return chunked_sample(rows, SampleOptions(target_scaling="none"))


@pytest.mark.parametrize("share", [0.5, 0.2, 1e-3])
def test_the_constant_of_an_own_logistic_loss_in_chunks_is_the_log_odds(share):
    rng = np.random.default_rng(0)
    y = np.where(np.arange(20_000) < share * 20_000, 1.0, -1.0)
    weight = rng.uniform(0.5, 1.0, len(y))
    part = weight[y > 0].sum() / weight.sum()
    constant = in_chunks(y, weight).constant_model(OwnSmoothLoss(Logistic()))
    assert_allclose(constant, [np.log(part / (1 - part))], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("loss", [Huber(0.5), Pinball(0.9, 0.1), Pinball(1.0, 1.0)])
def test_a_start_in_chunks_is_the_best_constant(loss):
    rng = np.random.default_rng(0)
    y, weight = rng.exponential(size=5000) ** 3, rng.uniform(0.5, 1.0, 5000)
    sample = in_chunks(y, weight)
    target, share = y[:, None], weight / weight.sum()
    assert_allclose(sample.constant_model(loss), loss.constant_model(target, share), rtol=1e-9)


def test_a_fit_in_chunks_of_an_own_loss_is_as_good_as_one_in_memory():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    y = np.where(np.abs(X[:, 0]) + X[:, 1] * X[:, 2] + 0.5 * rng.normal(size=3000) > 0.8, 1.0, -1.0)
    model = WedgeReLURegressor(0.02, loss=Logistic(), interaction_order=1)
    memory = sklearn.clone(model).fit(X, y).certificate_
    with sklearn.config_context(working_memory=0.02):
        chunks = sklearn.clone(model).fit(X, y).certificate_
    assert not chunks.exact
    assert abs(chunks.objective - memory.objective) <= 1e-3 * memory.objective


def test_curvatures_of_a_row_do_not_depend_on_the_rows_beside_it():
    y, f = np.zeros((3, 1)), np.array([[0.0], [5.0], [0.5]])
    weight = np.full(3, 1 / 3)
    loss = OwnSmoothLoss(Flat())
    whole = loss.curvature(f, y, weight)
    parts = [loss.curvature(f[k : k + 1], y[k : k + 1], weight[k : k + 1]) for k in range(3)]
    assert_array_equal(whole, np.concatenate(parts))
    assert np.all(whole > 0)
