"""Ways to solve a restricted problem, against each other and their optimality conditions."""

import signal
import warnings
from contextlib import contextmanager
from functools import cache

import cvxpy
import numpy as np
import pytest
from in_memory import KeptActivations, table
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    Optimum,
    canonical,
    every_neuron,
    grid,
    optimum,
    random_neurons,
    signed_values,
)
from scipy.optimize import brentq
from scipy.special import expit, xlog1py, xlogy

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._core.losses import LogLoss, SquaredError
from sklearn_wedge._core.restricted import restricted_problem

ALPHAS = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]
LOSSES = {"squared": SquaredError(), "log": LogLoss()}


@cache
def case(kind, loss):
    """Activations (m, n), target (n, 1) and weights (n,)."""
    rng = np.random.default_rng(0)
    if kind == "wedge columns":  # both orientations: exactly dependent
        points = canonical(rng.standard_normal((10, 2)))
        activations = every_neuron(points, 2).activations(points)
    elif kind == "wedge columns of a grid":
        points = canonical(grid(4, 3))
        activations = every_neuron(points, 2).activations(points)
    else:
        points = rng.standard_normal((30, 3))
        activations = np.maximum(rng.standard_normal((50, 3)) @ points.T, 0.0)
    n = activations.shape[1]
    weight = rng.uniform(0.1, 1.0, size=n)
    if kind == "a heavy weight":
        weight[0] = 1e4
    score = np.sin(3 * points[:, 0]) + (0.0 if kind == "separable" else rng.standard_normal(n))
    target = (score > np.median(score)).astype(float) if loss == "log" else score
    return activations, target[:, None], weight / weight.sum()


KINDS = ["random", "separable", "a heavy weight", "wedge columns", "wedge columns of a grid"]
each_case = pytest.mark.parametrize(
    ("kind", "loss", "alpha"), [(k, s, a) for k in KINDS for s in LOSSES for a in ALPHAS]
)


def solved(kind, loss, alpha, solver, start=None):
    """Coefficients, intercept, objective and dual point."""
    activations, target, weight = case(kind, loss)
    restricted = restricted_problem(LOSSES[loss], table(target, weight), solver)
    columns = restricted.extend(restricted.no_columns(), KeptActivations(activations))
    coef = np.zeros((len(activations), 1)) if start is None else start
    intercept = LOSSES[loss].constant_model(target, weight)
    found = restricted.solve(columns, alpha, coef, intercept)
    (prediction,) = restricted.predict(columns, found.coef, found.intercept)
    objective = LOSSES[loss].value(prediction, target, weight) + alpha * np.abs(found.coef).sum()
    (dual,) = found.dual
    assert_array_equal(found.predicted[0], prediction)
    assert_array_equal(dual, LOSSES[loss].dual_point(prediction, target, weight))
    return found.coef, found.intercept, objective, dual


@each_case
def test_the_active_set_ends_at_the_optimum(kind, loss, alpha):
    objective = solved(kind, loss, alpha, "active_set")[2]
    activations, target, weight = case(kind, loss)
    of_loss = log_loss_optimum if loss == "log" else optimum
    bounds = of_loss(activations, target[:, 0], weight, alpha)
    assert bounds.relative_gap <= 1e-5
    assert bounds.lower * (1 - 1e-12) <= objective <= bounds.upper * (1 + 1e-12)


@each_case
def test_the_active_set_meets_the_optimality_conditions(kind, loss, alpha):
    coef, _, _, dual = solved(kind, loss, alpha, "active_set")
    values = case(kind, loss)[0] @ dual[:, 0]
    used = coef[:, 0] != 0
    assert np.all(np.abs(values) <= alpha * (1 + 1e-7) + 1e-13)
    assert_allclose(values[used], alpha * np.sign(coef[used, 0]), rtol=1e-6, atol=1e-13)
    assert_allclose(dual.sum(), 0.0, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_start_leads_to_the_same_optimum(kind, loss):
    start = solved(kind, loss, 1e-2, "active_set")[0]
    for alpha in (3e-2, 1e-3):
        cold = solved(kind, loss, alpha, "active_set")
        warm = solved(kind, loss, alpha, "active_set", start)
        assert_allclose(warm[2], cold[2], rtol=1e-10)
        assert_allclose(warm[3], cold[3], atol=1e-9)


@pytest.mark.parametrize("alpha", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_interior_point_agrees_with_the_active_set(kind, loss, alpha):
    coef, _, objective, dual = solved(kind, loss, alpha, "cvxpy")
    _, _, expected, their_dual = solved(kind, loss, alpha, "active_set")
    assert_allclose(objective, expected, rtol=1e-6, atol=1e-9)
    assert_allclose(dual, their_dual, atol=1e-4 * np.abs(their_dual).max())
    slack = np.abs(case(kind, loss)[0] @ dual)[:, 0] < 0.99 * alpha
    assert_array_equal(coef[slack], 0.0)


@pytest.mark.parametrize("solver", ["active_set", "cvxpy"])
@pytest.mark.parametrize("loss", LOSSES)
def test_without_columns_the_model_is_constant(loss, solver):
    _, target, weight = case("random", loss)
    restricted = restricted_problem(LOSSES[loss], table(target, weight), solver)
    constant = LOSSES[loss].constant_model(target, weight)
    nothing = restricted.no_columns()
    found = restricted.solve(nothing, 0.1, np.empty((0, 1)), np.zeros(1) + constant)
    assert found.coef.shape == (0, 1)
    assert_allclose(found.intercept, constant, rtol=1e-12)


def tables(n=60, d=4):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, d))
    y = np.abs(X[:, 0] - X[:, 1]) + X[:, 2] * X[:, 3] + 0.1 * rng.normal(size=n)
    return X, y


def output(model, X):
    return model.decision_function(X) if hasattr(model, "classes_") else model.predict(X)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("estimator", [WedgeReLURegressor, WedgeReLUClassifier])
def test_an_estimator_gives_the_same_network_with_cvxpy(estimator, norm):
    X, y = tables()
    y = y > np.median(y) if estimator is WedgeReLUClassifier else y
    kwargs = {"alpha": 0.02, "norm": norm, "tol": 1e-7}
    auto = estimator(**kwargs).fit(X, y)
    same = estimator(**kwargs, solver="active_set").fit(X, y)
    other = estimator(**kwargs, solver="cvxpy").fit(X, y)
    assert_array_equal(output(same, X), output(auto, X))
    assert_allclose(other.certificate_.objective, auto.certificate_.objective, rtol=1e-6)
    assert_allclose(output(other, X), output(auto, X), atol=2e-3 * np.abs(output(auto, X)).max())
    assert other.certificate_.lower_bound <= auto.certificate_.objective * (1 + 1e-9)


@pytest.mark.parametrize("estimator", [WedgeReLURegressor, WedgeReLUClassifier])
def test_with_cvxpy_copies_for_weights_order_and_units_do_not_matter(estimator):
    X, y = tables()
    y = y > np.median(y) if estimator is WedgeReLUClassifier else y
    rng = np.random.default_rng(0)
    weight = rng.integers(1, 4, size=len(y))
    copies = rng.permutation(np.repeat(np.arange(len(y)), weight))

    def predicted(X, y, weight=None, at=X):
        model = estimator(0.02, solver="cvxpy").fit(X, y, sample_weight=weight)
        return output(model, at)

    expected = predicted(X, y, weight)
    unit = np.array([0.3, 1.0, 1e6, 1.0])
    for actual in (
        predicted(X[copies], y[copies]),
        predicted(X * unit, y, weight, X * unit),
        predicted(X, y, 0.1 * weight),
    ):
        assert_allclose(actual, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_a_wrong_solver_is_named():
    with pytest.raises(ValueError, match="'solver' parameter of WedgeReLURegressor"):
        WedgeReLURegressor(0.01, solver="adam").fit([[0.0], [1.0]], [0.0, 1.0])


# --- the log loss on dependent columns, to more digits -------------------------------------------


@contextmanager
def time_limit(seconds):
    """Make a loop that does not end an error."""

    def stop(*_):
        raise TimeoutError(f"not done after {seconds} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def log_loss_objective(activations, y, weight, alpha, coef, intercept):
    margin = (2 * y - 1) * (activations.T @ coef + intercept)
    return weight @ np.logaddexp(0.0, -margin) + alpha * np.abs(coef).sum()


def feasible_entropy(activations, sign, weight, alpha, other, signs):
    """The dual value of probabilities of the other class, made feasible."""
    dual = weight * sign * np.clip(other, 0.0, 1.0)
    up, down = dual[dual > 0].sum(), -dual[dual < 0].sum()
    dual = np.where(dual > 0, dual * min(1.0, down / up), dual * min(1.0, up / down))
    largest = signed_values((activations @ dual)[:, None], signs).max()
    other = np.abs(dual) / weight / max(1.0, largest / alpha)
    return weight @ (-xlogy(other, other) - xlog1py(1 - other, -other))


def log_loss_optimum(activations, y, weight, alpha, signs=None):
    """Bounds on the optimum, from the dual: CLARABEL loses digits on the primal problem.

    ``max Σ w·entropy(p)`` with ``|Kᵀv| <= α`` and ``Σ v = 0``, where p is the probability of the
    class that a sample is not of and ``v = ± w p``; the multipliers are the coefficients. Where
    ``signs`` requires one, only one of the two inequalities is there.
    """
    signs = np.zeros(len(activations)) if signs is None else signs
    weight, sign = weight / weight.sum(), 2.0 * y - 1
    centred = activations - (activations @ weight)[:, None]
    length = np.sqrt(centred**2 @ weight)
    usable = np.flatnonzero(length > 1e-13 * length.max())
    keys = [centred[usable] / length[usable, None], length[usable], signs[usable]]
    keys = np.round(np.column_stack(keys), 12)
    usable = usable[np.unique(keys, axis=0, return_index=True)[1]]
    up, down = np.flatnonzero(signs[usable] >= 0), np.flatnonzero(signs[usable] <= 0)
    rows = centred[usable] * (weight * sign) / length[usable, None]
    p = cvxpy.Variable(len(y))
    limit = alpha / length[usable]
    upper, lower = rows[up] @ p <= limit[up], -(rows[down] @ p) <= limit[down]
    entropy = weight @ (cvxpy.entr(p) + cvxpy.entr(1 - p))
    problem = cvxpy.Problem(cvxpy.Maximize(entropy), [upper, lower, (weight * sign) @ p == 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the bounds below say how accurate it is
        tight = {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-13}
        problem.solve(solver=cvxpy.CLARABEL, **tight)
    coef = np.zeros(len(activations))
    coef[usable[up]] += upper.dual_value / length[usable[up]]
    coef[usable[down]] -= lower.dual_value / length[usable[down]]
    hidden = activations.T @ coef
    reach = 100 + np.abs(hidden).max()
    intercept = brentq(lambda t: weight @ (expit(hidden + t) - y), -reach, reach, xtol=1e-14)
    return Optimum(
        lower=feasible_entropy(activations, sign, weight, alpha, p.value, signs),
        upper=log_loss_objective(activations, y, weight, alpha, coef, intercept),
        coef=coef,
    )


FRACTIONS = [1.0, 0.3, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5]
DEPENDENT = ["both orientations", "grid", "copies", "low rank", "few rows", "separable", "clashes"]


@cache
def dependent(kind, heavy=1.0):
    """Activations (m, n), labels (n,), weights (n,) with exactly dependent columns."""
    rng = np.random.default_rng(1)
    points = rng.standard_normal((20, 2))
    if kind == "grid":
        points = grid(4, 3).astype(float)
    elif kind == "few rows":
        points = points[:6]
    elif kind == "clashes":
        points = np.repeat(points[:8], 3, axis=0)
    neurons = random_neurons(rng, points, 2, 20)
    if kind in ("grid", "clashes", "separable"):
        neurons = every_neuron(np.unique(points[:12], axis=0), 2)
    activations = neurons.activations(points)
    if kind == "copies":
        activations = np.repeat(activations, 3, axis=0)
    elif kind == "low rank":
        activations = rng.standard_normal((60, 5)) @ rng.standard_normal((5, 20))
    y = rng.integers(0, 2, size=len(points))
    y = (points[:, 0] > points[:, 1]).astype(int) if kind == "separable" else y
    weight = rng.uniform(0.1, 1.0, size=len(points))
    weight[0] = heavy
    return activations, y, weight / weight.sum()


def newton(activations, y, weight, alpha, start=None, solver="active_set"):
    """Coefficients (m,), prediction (n,), objective."""
    restricted = restricted_problem(LogLoss(), table(y[:, None] * 1.0, weight), solver)
    columns = restricted.extend(restricted.no_columns(), KeptActivations(activations))
    coef = np.zeros(len(activations)) if start is None else start
    intercept = LogLoss().constant_model(y[:, None] * 1.0, weight)
    with time_limit(10):
        found = restricted.solve(columns, alpha, coef[:, None], intercept)
    coef, intercept = found.coef, found.intercept
    objective = log_loss_objective(activations, y, weight, alpha, coef[:, 0], intercept)
    return coef[:, 0], restricted.predict(columns, coef, intercept)[0][:, 0], objective


def largest_alpha(activations, y, weight):
    return np.abs(activations @ (weight * (y - weight @ y))).max()


def assert_conditions_hold(activations, y, weight, alpha, coef, prediction):
    """To 1e-8 of alpha, or to what rounding of the prediction makes of the gradient."""
    dual = np.where(y == 1, expit(-prediction), -expit(prediction)) * weight
    values, size = activations @ dual, np.abs(activations)
    curvature = weight * expit(prediction) * expit(-prediction)
    rounding = 100 * np.finfo(float).eps * (size.T @ np.abs(coef)).max()
    allowed = 1e-8 * alpha + rounding * (size @ curvature).max()
    used = coef != 0
    assert np.all(np.abs(values) <= alpha + allowed)
    assert_allclose(values[used], alpha * np.sign(coef[used]), rtol=0, atol=allowed)
    assert_allclose(dual.sum(), 0.0, atol=1e-8 * np.abs(dual).sum() + rounding * curvature.sum())


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("kind", DEPENDENT)
def test_newton_reaches_the_optimum(kind, fraction):
    problem = dependent(kind)
    alpha = fraction * largest_alpha(*problem)
    coef, prediction, objective = newton(*problem, alpha)
    bounds = log_loss_optimum(*problem, alpha)
    assert bounds.relative_gap < 1e-4
    assert bounds.lower * (1 - 1e-12) <= objective <= bounds.upper * (1 + 1e-12)
    assert_conditions_hold(*problem, alpha, coef, prediction)


@pytest.mark.parametrize("heavy", [1e2, 1e3, 1e4])
@pytest.mark.parametrize("kind", DEPENDENT)
def test_a_heavy_weight_does_not_stop_newton(kind, heavy):
    problem = dependent(kind, heavy)
    for fraction in (0.3, 1e-2, 1e-3):
        alpha = fraction * largest_alpha(*problem)
        coef, prediction, _ = newton(*problem, alpha)
        assert_conditions_hold(*problem, alpha, coef, prediction)


def test_a_heavy_weight_on_a_small_table_is_solved():
    X = np.unique([[1.0, 0.0], [4.0, 2.0], [2.0, 4.0], [4.0, 4.0], [3.0, 2.0]], axis=0)
    activations, y = every_neuron(X, 2).activations(X), np.array([1, 0, 1, 1, 1])
    problem = activations, y, np.array([100, 1, 1, 1, 1]) / 104
    alpha = 1e-3 * largest_alpha(*problem)
    coef, prediction, _ = newton(*problem, alpha)
    assert_conditions_hold(*problem, alpha, coef, prediction)


@pytest.mark.parametrize("start", ["optimum", "wrong signs", "another alpha", "far away"])
@pytest.mark.parametrize("kind", DEPENDENT)
def test_the_start_does_not_decide_where_newton_ends(kind, start):
    problem = dependent(kind)
    alpha = 1e-2 * largest_alpha(*problem)
    cold, _, expected = newton(*problem, alpha)
    coef, prediction, objective = newton(
        *problem,
        alpha,
        {
            "optimum": cold,
            "wrong signs": -cold,
            "another alpha": newton(*problem, 1e-2 * alpha)[0],
            "far away": 100 * np.random.default_rng(0).standard_normal(len(cold)),
        }[start],
    )
    assert_allclose(objective, expected, rtol=1e-9)
    assert_conditions_hold(*problem, alpha, coef, prediction)


@pytest.mark.parametrize("solver", ["active_set", "cvxpy"])
@pytest.mark.parametrize("kind", DEPENDENT)
def test_no_column_is_used_above_the_largest_alpha(kind, solver):
    problem = dependent(kind)
    coef, prediction, _ = newton(*problem, 2 * largest_alpha(*problem), solver=solver)
    assert_array_equal(coef, 0.0)
    assert_allclose(expit(prediction), problem[2] @ problem[1], rtol=1e-6)


@pytest.mark.parametrize("fraction", [0.3, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("kind", DEPENDENT)
def test_the_interior_point_gets_as_far_as_newton(kind, fraction):
    problem = dependent(kind)
    alpha = fraction * largest_alpha(*problem)
    _, prediction, expected = newton(*problem, alpha)
    coef, _, objective = newton(*problem, alpha, solver="cvxpy")
    # On separable data and at a tiny penalty CLARABEL itself stops there.
    assert_allclose(objective, expected, rtol=2e-6 if kind == "separable" else 1e-6)
    dual = np.where(problem[1] == 1, expit(-prediction), -expit(prediction)) * problem[2]
    assert_array_equal(coef[np.abs(problem[0] @ dual) < 0.99 * alpha], 0.0)
