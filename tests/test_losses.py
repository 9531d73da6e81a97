"""Losses against differences and duality; balancing against its three promises."""

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar

from sklearn_wedge._losses import LogLoss, SquaredError, balanced

each_loss = pytest.mark.parametrize("loss", [SquaredError(), LogLoss()], ids=["squared", "log"])
SEEDS = st.integers(0, 10**6)


def random_case(loss, seed, least_rows=1):
    """Prediction, target, weights, random generator; the log loss has one output of 0 and 1."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(least_rows, 9))
    weight = rng.uniform(0.1, 1.0, size=n)
    weight /= weight.sum()
    if isinstance(loss, SquaredError):
        return rng.standard_normal((n, 2)), rng.standard_normal((n, 2)), weight, rng
    return 3 * rng.standard_normal((n, 1)), rng.integers(0, 2, (n, 1)).astype(float), weight, rng


def two_classes(loss, seed):
    """Target, weights, random generator, with a best constant model."""
    _, target, weight, rng = random_case(loss, seed, least_rows=2)
    if isinstance(loss, LogLoss):
        target[:2, 0] = 0.0, 1.0
    return target, weight, rng


def random_dual(loss, target, weight, rng):
    """In the domain of the conjugate: all of it, or probabilities of the other class."""
    if isinstance(loss, SquaredError):
        return rng.standard_normal(target.shape) * weight[:, None]
    other = rng.uniform(size=target.shape)
    return weight[:, None] * np.where(target > 0.5, other, -other)


def test_the_squared_error_is_scaled_unlike_lasso():
    """Half the mean of squares: (0.25·1 + 0.75·4) / 2."""
    prediction, weight = np.array([[1.0], [2.0]]), np.array([0.25, 0.75])
    assert SquaredError().value(prediction, np.zeros((2, 1)), weight) == 1.625


def test_the_log_loss_is_not_minus_the_mean_log_probability_of_the_labels():
    prediction, target = np.log([[3.0], [3.0], [0.25]]), np.array([[1.0], [0.0], [1.0]])
    weight = np.array([0.5, 0.2, 0.3])
    expected = -0.5 * np.log(3 / 4) - 0.2 * np.log(1 / 4) - 0.3 * np.log(1 / 5)
    assert_allclose(LogLoss().value(prediction, target, weight), expected, rtol=1e-15)


@each_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_dual_point_is_not_minus_the_gradient(loss, seed):
    prediction, target, weight, _ = random_case(loss, seed)
    step = 1e-6
    for i, k in np.ndindex(prediction.shape):
        moved = prediction.copy()
        moved[i, k] += step
        up = loss.value(moved, target, weight)
        moved[i, k] -= 2 * step
        slope = (up - loss.value(moved, target, weight)) / (2 * step)
        dual = loss.dual_point(prediction, target, weight)[i, k]
        assert_allclose(-slope, dual, atol=1e-8)


@each_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_curvature_is_not_the_slope_of_the_gradient(loss, seed):
    prediction, target, weight, rng = random_case(loss, seed)
    step = 1e-4 * rng.standard_normal(prediction.shape)
    before, after = (loss.dual_point(prediction + t * step, target, weight) for t in (-1.0, 1.0))
    curvature = loss.curvature(prediction, target, weight)
    assert curvature.shape == weight.shape
    assert_allclose((before - after) / 2, curvature[:, None] * step, atol=1e-12)


@each_loss
@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_the_dual_value_is_no_lower_bound(loss, seed):
    """Fenchel-Young: ``loss(f) + v·f >= dual(v)`` for all f and v; equal at the gradient."""
    prediction, target, weight, rng = random_case(loss, seed)
    value = loss.value(prediction, target, weight)
    tight = loss.dual_point(prediction, target, weight)
    for dual in (random_dual(loss, target, weight, rng), tight * rng.uniform(0.8, 1.0)):
        bound = loss.dual_value(dual, target, weight) - (dual * prediction).sum()
        assert value >= bound - 1e-12 * (1 + abs(bound))
    bound = loss.dual_value(tight, target, weight) - (tight * prediction).sum()
    assert_allclose(value, bound, rtol=1e-12, atol=1e-13)


@each_loss
@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_dual_value_is_not_the_least_value_of_the_lagrangian(loss, seed):
    """By definition ``dual(v) = min over f of loss(f) + v·f``, here for one sample."""
    _, target, _, rng = random_case(loss, seed)
    target, weight = target[:1, :1], np.ones(1)
    dual = 0.9 * random_dual(loss, target, weight, rng)

    def lagrangian(f):
        return loss.value(np.array([[f]]), target, weight) + f * dual[0, 0]

    least = minimize_scalar(lagrangian, bracket=(-1.0, 1.0), tol=1e-12).fun
    assert_allclose(loss.dual_value(dual, target, weight), least, rtol=1e-10, atol=1e-12)


@each_loss
@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_a_balanced_dual_point_bounds_more_than_the_best_constant(loss, seed):
    """With ``Σ v = 0`` the bound holds for every constant; the best one's residual attains it."""
    target, weight, rng = two_classes(loss, seed)
    constant = np.broadcast_to(loss.constant_model(target, weight), target.shape)
    value = loss.value(constant, target, weight)
    dual = balanced(random_dual(loss, target, weight, rng))
    assert loss.dual_value(dual, target, weight) <= value + 1e-12
    residual = loss.dual_point(constant, target, weight)
    assert_allclose(residual.sum(axis=0), 0.0, atol=1e-15)
    assert_allclose(loss.dual_value(residual, target, weight), value, rtol=1e-12, atol=1e-15)


@each_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_some_constant_is_better_than_the_constant_model(loss, seed):
    target, weight, rng = two_classes(loss, seed)
    best = loss.constant_model(target, weight)
    assert best.shape == target.shape[1:]

    def value(constant):
        return loss.value(np.broadcast_to(constant, target.shape), target, weight)

    for size in (1e-3, 1e-1, 10.0):
        assert value(best + size * rng.choice([-1.0, 1.0], size=len(best))) > value(best)


@each_loss
@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_cvxpy_is_told_another_loss(loss, seed):
    prediction, target, weight, _ = random_case(loss, seed)
    prediction, target = prediction[:, 0], target[:, 0]
    expression = loss.expression(cvxpy.Constant(prediction), target)
    value = loss.value(prediction[:, None], target[:, None], weight)
    assert expression.shape == target.shape
    assert_allclose(weight @ expression.value, value, rtol=1e-12)
    assert loss.expression(cvxpy.Variable(len(target)), target).is_dcp()


# --- the log loss far from zero ------------------------------------------------------------------

# Every combination of a large prediction with either class.
SURE = np.array([[800.0], [-800.0], [800.0], [-800.0]])
LABELS = np.array([[1.0], [0.0], [0.0], [1.0]])
QUARTERS = np.array([0.4, 0.3, 0.2, 0.1])


def test_sure_predictions_overflow():
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
def test_the_loss_of_a_right_and_sure_prediction_is_lost_to_rounding(size, label):
    """``log(1 + e)`` and the value of the entropy in ``e = exp(-|f|)``, to all digits."""
    prediction, target = np.array([[size * (2 * label - 1)]]), np.array([[label]])
    weight, e = np.ones(1), np.exp(-size)
    dual = LogLoss().dual_point(prediction, target, weight)
    entropy = e / (1 + e) * size + np.log1p(e)
    assert_allclose(LogLoss().value(prediction, target, weight), np.log1p(e), rtol=1e-14)
    assert_allclose(np.abs(dual[0, 0]), e / (1 + e), rtol=1e-14)
    assert_allclose(LogLoss().dual_value(dual, target, weight), entropy, rtol=1e-13)


@pytest.mark.parametrize("excess", [1e-16, 1e-12, 1e-9])
def test_a_dual_point_that_rounding_took_out_of_the_domain_is_no_bound(excess):
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
def test_balancing_leaves_a_remainder_grows_an_entry_or_turns_a_sign(dual):
    result = balanced(dual)
    assert np.all(np.abs(result.sum(axis=0)) <= 1e-15 * len(dual) * np.abs(dual).sum(axis=0))
    assert np.all(np.abs(result) <= np.abs(dual))
    assert np.all(result * dual >= 0)


@settings(max_examples=100, deadline=None)
@given(DUALS)
def test_balancing_shrinks_the_lighter_sign(dual):
    """Only the heavier one: everything else would waste some of the bound."""
    result = balanced(dual)
    for column, changed in zip(dual.T, result.T, strict=True):
        up, down = column[column > 0], -column[column < 0]
        lighter = column > 0 if up.sum() <= down.sum() else column < 0
        assert_array_equal(changed[lighter], column[lighter])


@pytest.mark.parametrize("dual", [[[1.0], [2.0]], [[-1.0], [0.0]], [[0.0], [0.0]], [[5.0]]])
def test_a_dual_of_one_sign_is_not_balanced_to_zero(dual):
    assert_array_equal(balanced(np.array(dual)), np.zeros_like(dual))
