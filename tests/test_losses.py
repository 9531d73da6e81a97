"""Losses against differences and duality; balancing against its three promises."""

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.special import xlogy

from sklearn_wedge._core.losses import (
    Gamma,
    Hinge,
    Huber,
    KinkedLoss,
    LogLoss,
    Multinomial,
    OwnLoss,
    Pinball,
    Poisson,
    SmoothLoss,
    SquaredError,
    SquaredHinge,
    balanced,
)

pytestmark = pytest.mark.newest


def own(f, y):
    """Expectiles, with a linear tail on one side."""
    return cvxpy.square(cvxpy.pos(y - f)) + cvxpy.huber(cvxpy.pos(f - y), 0.5)


QUANTITIES = {
    "squared": SquaredError(),
    "Huber": Huber(0.7),
    "absolute": Pinball(1.0, 1.0),
    "quantile": Pinball(0.9, 0.1),
    "Poisson": Poisson(),
    "gamma": Gamma(),
    "own": OwnLoss(own),
}
CLASSES = {
    "log": LogLoss(),
    "multinomial": Multinomial(),
    "hinge": Hinge(),
    "squared hinge": SquaredHinge(),
}
LOSSES = {**QUANTITIES, **CLASSES}
SEVERAL_OUTPUTS = ("squared", "multinomial", "hinge", "squared hinge")


# Of bounds that come out of a numerical solver.
ACCURACY = {OwnLoss: 1e-7}


def each(chosen):
    """Parametrise by loss."""
    return pytest.mark.parametrize("loss", chosen.values(), ids=chosen.keys())


each_loss = each(LOSSES)
each_smooth_loss = each({k: v for k, v in LOSSES.items() if isinstance(v, SmoothLoss)})
each_kinked_loss = each({k: v for k, v in LOSSES.items() if isinstance(v, KinkedLoss)})
SEEDS = st.integers(0, 10**6)


def random_case(loss, seed, least_rows=1):
    """Prediction, target, weights, random generator."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(least_rows, 9))
    weight = rng.uniform(0.1, 1.0, size=n)
    weight /= weight.sum()
    several = any(loss == LOSSES[name] for name in SEVERAL_OUTPUTS)
    prediction = 2 * rng.standard_normal((n, 3 if several else 1))
    if any(loss == other for other in CLASSES.values()):
        classes = rng.permutation(n) % max(2, prediction.shape[1])
        if prediction.shape[1] == 1:
            return prediction, classes[:, None].astype(float), weight, rng
        return prediction, np.eye(3)[classes], weight, rng
    if isinstance(loss, Poisson):
        return prediction, rng.poisson(1.5, size=prediction.shape) * 1.0, weight, rng
    if isinstance(loss, Gamma):
        return prediction, rng.gamma(1.5, size=prediction.shape), weight, rng
    return prediction, rng.standard_normal(prediction.shape), weight, rng


def solvable(loss, seed):
    """Target, weights, random generator, with a best constant model."""
    _, target, weight, rng = random_case(loss, seed, least_rows=4)
    target[0] += isinstance(loss, Poisson)
    return target, weight, rng


def random_dual(loss, target, weight, rng):
    """In the domain of the conjugate."""
    residual = rng.standard_normal(target.shape)
    if isinstance(loss, Multinomial):
        residual = target - rng.dirichlet(np.ones(target.shape[1]), size=len(target))
    elif isinstance(loss, LogLoss):
        residual = target - rng.uniform(size=target.shape)
    elif isinstance(loss, SquaredHinge):
        residual = (2 * target - 1) * np.abs(residual)
    elif isinstance(loss, Poisson):
        residual = np.minimum(residual, target)
    elif isinstance(loss, Gamma):
        residual = np.maximum(residual, -1.0)
    elif isinstance(loss, Huber):
        residual = np.clip(residual, -loss.epsilon, loss.epsilon)
    dual = residual * weight[:, None]
    return loss.within_domain(dual, target, weight) if isinstance(loss, KinkedLoss) else dual


def test_the_squared_error_is_scaled_as_in_the_lasso():
    """Half the mean of squares: (0.25·1 + 0.75·4) / 2."""
    prediction, weight = np.array([[1.0], [2.0]]), np.array([0.25, 0.75])
    assert SquaredError().value(prediction, np.zeros((2, 1)), weight) == 1.625


def test_the_log_loss_is_minus_the_mean_log_probability_of_the_labels():
    prediction, target = np.log([[3.0], [3.0], [0.25]]), np.array([[1.0], [0.0], [1.0]])
    weight = np.array([0.5, 0.2, 0.3])
    expected = -0.5 * np.log(3 / 4) - 0.2 * np.log(1 / 4) - 0.3 * np.log(1 / 5)
    assert_allclose(LogLoss().value(prediction, target, weight), expected, rtol=1e-15)


@each_smooth_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_dual_point_is_minus_the_gradient(loss, seed):
    prediction, target, weight, _ = random_case(loss, seed)
    step = 1e-6
    for i, k in np.ndindex(prediction.shape):
        moved = prediction.copy()
        moved[i, k] += step
        up = loss.value(moved, target, weight)
        moved[i, k] -= 2 * step
        slope = (up - loss.value(moved, target, weight)) / (2 * step)
        dual = loss.dual_point(prediction, target, weight)[i, k]
        assert_allclose(-slope, dual, rtol=1e-7, atol=1e-6 if kinked(loss) else 1e-8)


def kinked(loss):
    """Whether the gradient has kinks."""
    return isinstance(loss, Huber | SquaredHinge)


@each_smooth_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_curvature_is_the_slope_of_the_gradient(loss, seed):
    prediction, target, weight, rng = random_case(loss, seed)
    step = 1e-5 * rng.standard_normal(prediction.shape)
    ends = [prediction - step, prediction + step]
    before, after = (loss.dual_point(end, target, weight) for end in ends)
    curvature = loss.curvature(prediction, target, weight)
    if curvature.ndim == 3:
        change = np.einsum("iab,ib->ia", curvature, step)
    else:
        assert curvature.shape == prediction.shape
        change = curvature * step
    difference = (before - after) / 2 - change
    if kinked(loss):
        crossed = np.not_equal(*(loss.curvature(end, target, weight) for end in ends))
        difference[crossed] = 0.0
    size = np.abs(curvature).max()
    assert_allclose(difference, 0.0, atol=1e-12 * max(1.0, size) + 1e-7 * kinked(loss) * 1e-5)


@each_loss
@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_the_dual_value_is_a_lower_bound(loss, seed):
    """Fenchel-Young: ``loss(f) + v·f >= dual(v)`` for all f and v; equal at the gradient."""
    prediction, target, weight, rng = random_case(loss, seed)
    value = loss.value(prediction, target, weight)
    dual = random_dual(loss, target, weight, rng)
    for shrunk in (dual, dual * rng.uniform(0.8, 1.0)):
        bound = loss.dual_value(shrunk, target, weight) - (shrunk * prediction).sum()
        assert value >= bound - ACCURACY.get(type(loss), 1e-12) * (1 + abs(bound))
    if isinstance(loss, KinkedLoss):
        return
    tight = loss.dual_point(prediction, target, weight)
    bound = loss.dual_value(tight, target, weight) - (tight * prediction).sum()
    assert_allclose(value, bound, rtol=1e-12, atol=1e-13)


@each_loss
@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_dual_value_is_the_least_value_of_the_lagrangian(loss, seed):
    """By definition ``dual(v) = min over f of loss(f) + v·f``, here for one sample."""
    _, target, _, rng = random_case(loss, seed)
    target, weight = target[:1], np.ones(1)
    dual = 0.9 * random_dual(loss, target, weight, rng)
    bound = loss.dual_value(dual, target, weight)
    if isinstance(loss, Multinomial):  # in closed form: the entropy of the probabilities
        p = target - dual
        assert_allclose(bound, -xlogy(p, p).sum(), rtol=1e-12)
        return

    def lagrangian(f, k):
        one = loss.value(np.array([[f]]), target[:, k : k + 1], weight)
        return one + f * dual[0, k]

    least = sum(
        minimize_scalar(lagrangian, args=(k,), bounds=(-40.0, 40.0), options={"xatol": 1e-11}).fun
        for k in range(target.shape[1])
    )
    assert_allclose(bound, least, rtol=1e-7, atol=1e-7)


@each_loss
@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_a_balanced_dual_point_bounds_no_more_than_the_best_constant(loss, seed):
    """With ``Σ v = 0`` the bound holds for every constant; the best one's residual attains it."""
    target, weight, rng = solvable(loss, seed)
    constant = np.broadcast_to(loss.constant_model(target, weight), target.shape)
    value = loss.value(constant, target, weight)
    accuracy = ACCURACY.get(type(loss), 1e-12)
    dual = loss.balanced(random_dual(loss, target, weight, rng), target, weight)
    assert_allclose(dual.sum(axis=0), 0.0, atol=1e-14)
    assert loss.dual_value(dual, target, weight) <= value + accuracy * (1 + value)
    if isinstance(loss, KinkedLoss):
        return
    residual = loss.dual_point(constant, target, weight)
    assert_allclose(residual.sum(axis=0), 0.0, atol=1e-13)
    assert_allclose(loss.dual_value(residual, target, weight), value, rtol=1e-10, atol=1e-13)


@each_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_no_constant_is_better_than_the_constant_model(loss, seed):
    target, weight, rng = solvable(loss, seed)
    best = loss.constant_model(target, weight)
    assert best.shape == target.shape[1:]

    def value(constant):
        return loss.value(np.broadcast_to(constant, target.shape), target, weight)

    for size in (1e-3, 1e-1, 10.0):
        step = size * rng.choice([-1.0, 1.0], size=len(best))
        allowed = ACCURACY.get(type(loss), 1e-15) * value(best)
        assert value(best + step) >= value(best) - allowed


@each_loss
@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_cvxpy_is_told_the_same_loss(loss, seed):
    prediction, target, weight, _ = random_case(loss, seed)
    value = loss.value(prediction, target, weight)
    if target.shape[1] == 1:
        prediction, target = prediction[:, 0], target[:, 0]
    expression = loss.expression(cvxpy.Constant(prediction), target)
    losses = expression.value.reshape(len(target), -1).sum(axis=1)
    assert_allclose(weight @ losses, value, rtol=1e-11)
    assert loss.expression(cvxpy.Variable(prediction.shape), target).is_dcp()


@each_kinked_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_dual_points_of_the_domain_stay_and_others_are_moved_into_it(loss, seed):
    _, target, weight, rng = random_case(loss, seed)
    inside = random_dual(loss, target, weight, rng)
    assert_allclose(loss.within_domain(inside, target, weight), inside, rtol=1e-12, atol=1e-300)
    far = loss.within_domain(1e3 * rng.standard_normal(target.shape), target, weight)
    assert_allclose(loss.within_domain(far, target, weight), far)
    if not isinstance(loss, OwnLoss):  # its bound may be lost in rounding so close to the edge
        assert np.isfinite(loss.dual_value(far, target, weight))


# --- the log loss far from zero ------------------------------------------------------------------

# Every combination of a large prediction with either class.
SURE = np.array([[800.0], [-800.0], [800.0], [-800.0]])
LABELS = np.array([[1.0], [0.0], [0.0], [1.0]])
QUARTERS = np.array([0.4, 0.3, 0.2, 0.1])


def test_sure_predictions_do_not_overflow():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value = LogLoss().value(SURE, LABELS, QUARTERS)
        dual = LogLoss().dual_point(SURE, LABELS, QUARTERS)
        curvature = LogLoss().curvature(SURE, LABELS, QUARTERS)
        bound = LogLoss().dual_value(dual, LABELS, QUARTERS) - (dual * SURE).sum()
    assert_allclose(value, (0.2 + 0.1) * 800, rtol=1e-15)
    assert_array_equal(dual[:, 0], [0.0, 0.0, -0.2, 0.1])
    assert np.all((curvature > 0) & (curvature < 1e-10))
    assert_allclose(bound, value, rtol=1e-15)


@pytest.mark.parametrize("size", [5.0, 10.0, 20.0, 30.0, 36.0])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_the_loss_of_a_right_and_sure_prediction_keeps_its_digits(size, label):
    """``log(1 + e)`` and the value of the entropy in ``e = exp(-|f|)``, to all digits."""
    prediction, target = np.array([[size * (2 * label - 1)]]), np.array([[label]])
    weight, e = np.ones(1), np.exp(-size)
    dual = LogLoss().dual_point(prediction, target, weight)
    entropy = e / (1 + e) * size + np.log1p(e)
    assert_allclose(LogLoss().value(prediction, target, weight), np.log1p(e), rtol=1e-14)
    assert_allclose(np.abs(dual[0, 0]), e / (1 + e), rtol=1e-14)
    assert_allclose(LogLoss().dual_value(dual, target, weight), entropy, rtol=1e-13)


@pytest.mark.parametrize("excess", [1e-16, 1e-12, 1e-9])
def test_a_dual_point_that_rounding_took_out_of_the_domain_is_a_bound(excess):
    target, weight = np.array([[1.0], [0.0]]), np.array([0.5, 0.5])
    outside = np.array([[0.5 * (1 + excess)], [-0.5 * (1 + excess)]])
    assert LogLoss().dual_value(outside, target, weight) == 0.0
    assert LogLoss().dual_value(0 * outside, target, weight) == 0.0


# --- balancing -----------------------------------------------------------------------------------

# Without numbers so small that a product underflows: they are no duals of any problem.
DUALS = arrays(
    float,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.floats(-1e6, -1e-6)),
)


@settings(max_examples=200, deadline=None)
@given(DUALS)
def test_balancing_leaves_no_remainder_grows_no_entry_and_turns_no_sign(dual):
    result = balanced(dual)
    assert np.all(np.abs(result.sum(axis=0)) <= 1e-15 * len(dual) * np.abs(dual).sum(axis=0))
    assert np.all(np.abs(result) <= np.abs(dual))
    assert np.all(result * dual >= 0)


@settings(max_examples=100, deadline=None)
@given(DUALS)
def test_balancing_leaves_the_lighter_sign(dual):
    """Only the heavier one: everything else would waste some of the bound."""
    result = balanced(dual)
    for column, changed in zip(dual.T, result.T, strict=True):
        up, down = column[column > 0], -column[column < 0]
        lighter = column > 0 if up.sum() <= down.sum() else column < 0
        assert_array_equal(changed[lighter], column[lighter])


@pytest.mark.parametrize("dual", [[[1.0], [2.0]], [[-1.0], [0.0]], [[0.0], [0.0]], [[5.0]]])
def test_a_dual_of_one_sign_is_balanced_to_zero(dual):
    assert_array_equal(balanced(np.array(dual)), np.zeros_like(dual))
