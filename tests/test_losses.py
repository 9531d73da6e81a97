"""Losses against differences and duality; balancing against its three promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_wedge._losses import SquaredError, balanced

LOSS = SquaredError()
SEEDS = st.integers(0, 10**6)


def random_case(seed, q=2):
    """Prediction, target, weights, random generator."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    weight = rng.uniform(0.1, 1.0, size=n)
    return rng.standard_normal((n, q)), rng.standard_normal((n, q)), weight / weight.sum(), rng


def test_the_loss_is_scaled_unlike_lasso():
    """Half the mean of squares: (0.25·1 + 0.75·4) / 2."""
    value = LOSS.value(np.array([[1.0], [2.0]]), np.zeros((2, 1)), np.array([0.25, 0.75]))
    assert value == 1.625


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_dual_point_is_not_minus_the_gradient(seed):
    prediction, target, weight, _ = random_case(seed)
    step = 1e-6
    for i, k in np.ndindex(prediction.shape):
        moved = prediction.copy()
        moved[i, k] += step
        up = LOSS.value(moved, target, weight)
        moved[i, k] -= 2 * step
        slope = (up - LOSS.value(moved, target, weight)) / (2 * step)
        dual = LOSS.dual_point(prediction, target, weight)[i, k]
        assert_allclose(-slope, dual, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_curvature_is_not_the_slope_of_the_gradient(seed):
    prediction, target, weight, rng = random_case(seed)
    direction = rng.standard_normal(prediction.shape)
    before, after = (
        LOSS.dual_point(prediction + t * direction, target, weight) for t in (0.0, 1.0)
    )
    curvature = LOSS.curvature(prediction, target, weight)
    assert_allclose(before - after, curvature[:, None] * direction, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_the_dual_value_is_no_lower_bound(seed):
    """Fenchel-Young: ``loss(f) + v·f >= dual(v)`` for all f and v; equal at the gradient."""
    prediction, target, weight, rng = random_case(seed)
    value = LOSS.value(prediction, target, weight)
    tight = LOSS.dual_point(prediction, target, weight)
    for dual in (rng.standard_normal(target.shape), tight + 0.1 * rng.standard_normal(tight.shape)):
        bound = LOSS.dual_value(dual, target, weight) - (dual * prediction).sum()
        assert value >= bound - 1e-12 * (1 + abs(bound))
    bound = LOSS.dual_value(tight, target, weight) - (tight * prediction).sum()
    assert_allclose(value, bound, rtol=1e-12, atol=1e-13)


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_a_balanced_dual_point_bounds_more_than_the_best_constant(seed):
    """With ``Σ v = 0`` the bound holds for every constant; the best one's residual attains it."""
    _, target, weight, rng = random_case(seed)
    constant = np.broadcast_to(LOSS.constant_model(target, weight), target.shape)
    value = LOSS.value(constant, target, weight)
    dual = rng.standard_normal(target.shape) * weight[:, None]
    dual -= weight[:, None] * dual.sum(axis=0)
    assert LOSS.dual_value(dual, target, weight) <= value + 1e-12
    residual = LOSS.dual_point(constant, target, weight)
    assert_allclose(residual.sum(axis=0), 0.0, atol=1e-15)
    assert_allclose(LOSS.dual_value(residual, target, weight), value, rtol=1e-12, atol=1e-15)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_some_constant_is_better_than_the_constant_model(seed):
    _, target, weight, rng = random_case(seed)
    best = LOSS.constant_model(target, weight)
    assert best.shape == (2,)

    def value(constant):
        return LOSS.value(np.broadcast_to(constant, target.shape), target, weight)

    for size in (1e-4, 1e-1, 10.0):
        assert value(best + size * rng.standard_normal(2)) > value(best)


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
