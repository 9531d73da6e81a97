"""The restricted problem against CLARABEL, Lasso and its own optimality conditions."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from in_memory import KeptActivations, table
from numpy.testing import assert_allclose, assert_array_equal
from oracles import every_neuron, grid, l1_objective, optimum, random_neurons
from sklearn.linear_model import Lasso

from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._core.restricted.active_set import Enough, solve_quadratic_l1
from sklearn_wedge._core.restricted.least_squares import LeastSquares

pytestmark = pytest.mark.newest

SEEDS = st.integers(0, 10**6)
ALPHAS = [1.0, 0.3, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]


def restricted_problem(activations, target, weight):
    """Columns as column generation builds them."""
    loss = LeastSquares(SquaredError(), table(target[:, None], weight))
    return loss.extend(loss.no_columns(), KeptActivations(activations))


def solve(columns, alpha, start=None):
    start = np.zeros(len(columns)) if start is None else start
    return solve_quadratic_l1(columns.gram, columns.linear[:, 0], alpha, start)


def largest_alpha(columns):
    return np.abs(columns.linear).max()


def assert_optimality_conditions(columns, alpha, coef):
    """To 1e-8 of alpha, or to the rounding of the gradient itself where alpha is smaller."""
    gradient = columns.gram @ coef - columns.linear[:, 0]
    rounding = 100 * np.finfo(float).eps * np.abs(columns.gram).max() * np.abs(coef).sum()
    allowed = 1e-8 * alpha + rounding
    active = coef != 0
    assert np.all(np.abs(gradient[~active]) <= alpha + allowed)
    assert_allclose(gradient[active], -alpha * np.sign(coef[active]), rtol=0, atol=allowed)


def assert_as_good_as_clarabel(activations, target, weight, alpha, coef):
    objective = l1_objective(activations, target, weight, alpha, coef)
    oracle = optimum(activations, target, weight, alpha)
    rounding = 1e-12 * (weight @ target**2)
    assert oracle.lower - rounding <= objective <= oracle.upper + rounding


def dependent_columns(kind, seed=0):
    """Activations (m, n), target, weights with exactly dependent columns."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((25, 2))
    if kind == "both orientations":
        activations = random_neurons(rng, points, 2, 40).activations(points)
    elif kind == "copies":
        activations = random_neurons(rng, points, 2, 10).activations(points)
        activations = np.repeat(activations, 4, axis=0)
    elif kind == "low rank":
        activations = rng.standard_normal((50, 6)) @ rng.standard_normal((6, 25))
    elif kind == "more columns than rows":
        points = points[:6]
        activations = random_neurons(rng, points, 2, 40).activations(points)
    elif kind == "whole dictionary of a grid":
        points = grid(4, 3).astype(float)
        activations = every_neuron(points, 2).activations(points)
    elif kind == "linear functions":
        activations = points @ rng.standard_normal((2, 30)) @ np.eye(30)
        activations = np.concatenate([activations.T, -activations.T])
    n = activations.shape[1]
    weight = rng.uniform(0.2, 1.0, size=n)
    return activations, rng.standard_normal(n), weight / weight.sum()


DEPENDENT = [
    "both orientations",
    "copies",
    "low rank",
    "more columns than rows",
    "whole dictionary of a grid",
    "linear functions",
]


@pytest.mark.parametrize("fraction", ALPHAS)
@pytest.mark.parametrize("kind", DEPENDENT)
def test_the_active_set_reaches_the_optimum_of_dependent_columns(kind, fraction):
    activations, target, weight = dependent_columns(kind)
    columns = restricted_problem(activations, target, weight)
    alpha = fraction * largest_alpha(columns)
    coef = solve(columns, alpha)
    assert_optimality_conditions(columns, alpha, coef)
    assert_as_good_as_clarabel(activations, target, weight, alpha, coef)


@pytest.mark.parametrize("kind", DEPENDENT)
def test_a_warm_start_ends_where_a_cold_one_does(kind):
    activations, target, weight = dependent_columns(kind, seed=1)
    columns = restricted_problem(activations, target, weight)
    coef = None
    for fraction in np.geomspace(1.0, 1e-5, 25):
        alpha = fraction * largest_alpha(columns)
        coef, cold = solve(columns, alpha, coef), solve(columns, alpha)
        assert_optimality_conditions(columns, alpha, coef)
        warm, cold = (l1_objective(activations, target, weight, alpha, z) for z in (coef, cold))
        assert_allclose(warm, cold, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("start", ["wrong signs", "huge", "optimum", "tiny"])
def test_the_start_does_not_decide_the_optimum(start):
    activations, target, weight = dependent_columns("both orientations")
    columns = restricted_problem(activations, target, weight)
    alpha = 1e-2 * largest_alpha(columns)
    best = solve(columns, alpha)
    rng = np.random.default_rng(0)
    coef = solve(
        columns,
        alpha,
        {
            "wrong signs": -best,
            "huge": 1e6 * rng.standard_normal(len(columns)),
            "optimum": best,
            "tiny": np.full(len(columns), 1e-30),
        }[start],
    )
    if start == "huge":  # rounding of the start is all that is allowed for
        objective = [l1_objective(activations, target, weight, alpha, z) for z in (coef, best)]
        assert_allclose(*objective, rtol=1e-9)
    else:
        assert_optimality_conditions(columns, alpha, coef)
        assert_as_good_as_clarabel(activations, target, weight, alpha, coef)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 40), st.integers(1, 60), st.sampled_from(ALPHAS[1:]), st.booleans())
@example(seed=4, n=18, n_hyperplanes=4, fraction=1e-6, ties=True)
@example(seed=0, n=8, n_hyperplanes=4, fraction=1e-6, ties=True)
def test_every_problem_is_solved_to_optimality(seed, n, n_hyperplanes, fraction, ties):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 4))
    points = rng.integers(0, 4, (n, d)).astype(float) if ties else rng.standard_normal((n, d))
    activations = random_neurons(rng, points, d, n_hyperplanes).activations(points)
    target = rng.standard_normal(n)
    weight = rng.uniform(0.05, 1.0, size=n)
    weight /= weight.sum()
    columns = restricted_problem(activations, target, weight)
    if largest_alpha(columns) < 1e-12:
        return
    alpha = fraction * largest_alpha(columns)
    coef = solve(columns, alpha)
    assert_optimality_conditions(columns, alpha, coef)
    assert_as_good_as_clarabel(activations, target, weight, alpha, coef)


@pytest.mark.parametrize("fraction", [0.5, 0.1, 1e-2, 1e-3])
def test_independent_columns_give_the_coefficients_of_lasso(fraction):
    rng = np.random.default_rng(2)
    n, m = 40, 10
    activations, target = rng.standard_normal((m, n)), rng.standard_normal(n)
    weight = rng.uniform(0.2, 1.0, size=n)
    weight /= weight.sum()
    columns = restricted_problem(activations, target, weight)
    alpha = fraction * largest_alpha(columns)
    root = np.sqrt(weight * n)
    features = (activations - (activations @ weight)[:, None]).T * root[:, None]
    lasso = Lasso(alpha=alpha, fit_intercept=False, tol=1e-14, max_iter=100_000)
    lasso.fit(features, (target - weight @ target) * root)
    assert_allclose(solve(columns, alpha), lasso.coef_, atol=1e-9)


def test_no_column_is_active_above_the_largest_alpha():
    columns = restricted_problem(*dependent_columns("both orientations"))
    coef = solve(columns, largest_alpha(columns) * (1 + 1e-9))
    assert_array_equal(coef, 0.0)
    assert np.count_nonzero(solve(columns, largest_alpha(columns) * 0.999)) > 0


def test_columns_of_zeros_get_no_coefficient_and_hide_no_others():
    activations, target, weight = dependent_columns("both orientations")
    silent = np.zeros((3, activations.shape[1]))
    columns = restricted_problem(activations, target, weight)
    alpha = 1e-2 * largest_alpha(columns)
    padded = np.concatenate([silent, activations, silent])
    coef = solve(restricted_problem(padded, target, weight), alpha)
    assert_array_equal(coef[:3], 0.0)
    assert_array_equal(coef[-3:], 0.0)
    expected = l1_objective(activations, target, weight, alpha, solve(columns, alpha))
    objective = l1_objective(padded, target, weight, alpha, coef)
    assert_allclose(objective, expected, rtol=1e-12)
    only_zeros = restricted_problem(silent, target, weight)
    assert_array_equal(solve(only_zeros, 1e-3), 0.0)


def test_without_columns_there_are_no_coefficients():
    assert solve_quadratic_l1(np.empty((0, 0)), np.empty(0), 1.0, np.empty(0)).shape == (0,)


def test_the_start_is_not_overwritten():
    columns = restricted_problem(*dependent_columns("copies"))
    start = np.ones(len(columns))
    solve(columns, 1e-2, start)
    assert_array_equal(start, 1.0)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(-60, 60))
def test_the_unit_of_the_target_does_not_matter(seed, exponent):
    """y·c and alpha·c scale the coefficients by c, exactly for a power of two."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((12, 2))
    activations = random_neurons(rng, points, 2, 15).activations(points)
    target, weight, unit = rng.standard_normal(12), np.full(12, 1 / 12), 2.0**exponent
    columns = restricted_problem(activations, target, weight)
    alpha = 1e-2 * largest_alpha(columns)
    scaled = restricted_problem(activations, unit * target, weight)
    assert_array_equal(solve(scaled, unit * alpha), unit * solve(columns, alpha))


# --- the columns --------------------------------------------------------------------------------


def random_columns(rng, m=7, n=9, q=2):
    weight = rng.uniform(0.2, 1.0, size=n)
    rows = table(rng.standard_normal((n, q)), weight / weight.sum())
    return LeastSquares(SquaredError(), rows), rng.standard_normal((m, n))


def direct_products(loss, activations):
    """Weighted covariances, entry by entry."""
    n_columns, q = len(activations), loss.rows.chunk.target.shape[1]
    target, weight = loss.rows.chunk.target, loss.rows.chunk.weight
    means = np.array([np.average(a, weights=weight) for a in activations])
    gram, linear = np.empty((n_columns, n_columns)), np.empty((n_columns, q))
    for j, a in enumerate(activations):
        for k, b in enumerate(activations):
            gram[j, k] = sum(weight * (a - means[j]) * (b - means[k]))
        for k in range(q):
            linear[j, k] = sum(weight * (a - means[j]) * target[:, k])
    return means, gram, linear


def assert_columns(columns, loss, activations):
    means, gram, linear = direct_products(loss, activations)
    assert len(columns) == len(activations)
    assert_array_equal(columns.activations.array, activations)
    assert_allclose(columns.means, means, atol=1e-14)
    assert_allclose(columns.gram, gram, atol=1e-14)
    assert_array_equal(columns.gram, columns.gram.T)
    assert_allclose(columns.linear, linear, atol=1e-14)


@pytest.mark.parametrize("steps", [(7,), (1, 6), (3, 0, 4), (0, 7)])
def test_columns_added_in_several_steps_have_their_products(steps):
    loss, activations = random_columns(np.random.default_rng(0))
    columns, done = loss.no_columns(), 0
    for k in steps:
        columns = loss.extend(columns, KeptActivations(activations[done : done + k]))
        done += k
    assert_columns(columns, loss, activations)


@pytest.mark.parametrize(
    "which", [np.array([5, 0, 2]), np.arange(7) % 2 == 0, np.array([], dtype=int)], ids=str
)
def test_columns_taken_are_those_asked_for(which):
    loss, activations = random_columns(np.random.default_rng(1))
    taken = loss.extend(loss.no_columns(), KeptActivations(activations)).take(which)
    assert_columns(taken, loss, activations[which])


@pytest.mark.parametrize(
    "kept", [np.array([0, 2, 4]), np.arange(5), np.array([], dtype=int), None], ids=str
)
def test_columns_added_to_those_kept_have_their_products(kept):
    loss, activations = random_columns(np.random.default_rng(3))
    before = loss.extend(loss.no_columns(), KeptActivations(activations[:5]))
    columns = loss.extend(before, KeptActivations(activations[5:]), kept=kept)
    stay = activations[:5] if kept is None else activations[kept]
    assert_columns(columns, loss, np.concatenate([stay, activations[5:]]))


def test_the_intercept_is_the_best_one():
    loss, activations = random_columns(np.random.default_rng(2), q=1)
    columns = loss.extend(loss.no_columns(), KeptActivations(activations))
    found = loss.solve(columns, 0.05, np.zeros((7, 1)), np.zeros(1))
    coef, intercept = found.coef, found.intercept
    assert np.any(coef)
    (prediction,), chunk = loss.predict(columns, coef, intercept), loss.rows.chunk
    assert_allclose(chunk.weight @ (chunk.target - prediction), 0.0, atol=1e-14)
    assert_allclose(prediction, activations.T @ coef + intercept)


def test_a_good_enough_solution_is_within_its_gap():
    rng = np.random.default_rng(0)
    for seed in range(30):
        H = np.maximum(rng.standard_normal((30, 40)), 0.0)
        y = rng.standard_normal(40)
        H, y = H - H.mean(axis=1, keepdims=True), y - y.mean()
        gram, linear, alpha = H @ H.T / 40, H @ y / 40, 0.02 + 0.1 * rng.random()
        signs = rng.integers(-1, 2, 30) if seed % 2 else None

        def objective(z, gram=gram, linear=linear, alpha=alpha):
            return 0.5 * z @ gram @ z - linear @ z + alpha * np.abs(z).sum()

        exact = solve_quadratic_l1(gram, linear, alpha, np.zeros(30), signs)
        for accuracy in (1e-1, 1e-2, 1e-4, 0.0):
            enough = Enough(accuracy, 0.5 * float(y @ y) / 40)
            rough = solve_quadratic_l1(gram, linear, alpha, np.zeros(30), signs, enough)
            assert -1e-12 <= objective(rough) - objective(exact) <= accuracy + 1e-12
