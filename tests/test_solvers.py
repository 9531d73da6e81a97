"""Ways to solve a restricted problem, against each other and their optimality conditions."""

from functools import cache

import cvxpy
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import canonical, every_neuron, grid

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._losses import LogLoss, SquaredError
from sklearn_wedge._master import restricted_problem

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
    restricted = restricted_problem(LOSSES[loss], target, weight, solver)
    columns = restricted.extend(restricted.no_columns(), activations)
    coef = np.zeros((len(activations), 1)) if start is None else start
    intercept = LOSSES[loss].constant_model(target, weight)
    coef, intercept = restricted.solve(columns, alpha, coef, intercept)
    prediction = columns.predict(coef, intercept)
    objective = LOSSES[loss].value(prediction, target, weight) + alpha * np.abs(coef).sum()
    return coef, intercept, objective, LOSSES[loss].dual_point(prediction, target, weight)


@cache
def by_cvxpy(kind, loss, alpha):
    """The optimal value, from a formulation of its own."""
    activations, target, weight = case(kind, loss)
    z, t = cvxpy.Variable(len(activations)), cvxpy.Variable()
    prediction = activations.T @ z + t
    y = target[:, 0]
    if loss == "log":
        losses = cvxpy.logistic(prediction) - cvxpy.multiply(y, prediction)
    else:
        losses = cvxpy.square(prediction - y) / 2
    problem = cvxpy.Problem(cvxpy.Minimize(weight @ losses + alpha * cvxpy.norm1(z)))
    problem.solve(solver=cvxpy.CLARABEL)
    return problem.value


@each_case
def test_the_active_set_ends_above_the_optimum(kind, loss, alpha):
    objective = solved(kind, loss, alpha, "active_set")[2]
    optimum = by_cvxpy(kind, loss, alpha)
    assert objective <= optimum * (1 + 1e-7) + 1e-9
    assert objective >= optimum * (1 - 1e-5) - 1e-7


@each_case
def test_the_active_set_leaves_an_optimality_condition_open(kind, loss, alpha):
    coef, _, _, dual = solved(kind, loss, alpha, "active_set")
    values = case(kind, loss)[0] @ dual[:, 0]
    used = coef[:, 0] != 0
    assert np.all(np.abs(values) <= alpha * (1 + 1e-7) + 1e-13)
    assert_allclose(values[used], alpha * np.sign(coef[used, 0]), rtol=1e-6, atol=1e-13)
    assert_allclose(dual.sum(), 0.0, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_start_leads_elsewhere(kind, loss):
    start = solved(kind, loss, 1e-2, "active_set")[0]
    for alpha in (3e-2, 1e-3):
        cold = solved(kind, loss, alpha, "active_set")
        warm = solved(kind, loss, alpha, "active_set", start)
        assert_allclose(warm[2], cold[2], rtol=1e-10)
        assert_allclose(warm[3], cold[3], atol=1e-9)


@pytest.mark.parametrize("alpha", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_interior_point_disagrees_with_the_active_set(kind, loss, alpha):
    coef, _, objective, dual = solved(kind, loss, alpha, "cvxpy")
    _, _, expected, their_dual = solved(kind, loss, alpha, "active_set")
    assert_allclose(objective, expected, rtol=1e-6, atol=1e-9)
    assert_allclose(dual, their_dual, atol=1e-4 * np.abs(their_dual).max())
    slack = np.abs(case(kind, loss)[0] @ dual)[:, 0] < 0.99 * alpha
    assert_array_equal(coef[slack], 0.0)


@pytest.mark.parametrize("solver", ["active_set", "cvxpy"])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_columns_are_not_the_constant_model(loss, solver):
    _, target, weight = case("random", loss)
    restricted = restricted_problem(LOSSES[loss], target, weight, solver)
    constant = LOSSES[loss].constant_model(target, weight)
    coef, intercept = restricted.solve(
        restricted.no_columns(), 0.1, np.empty((0, 1)), np.zeros(1) + constant
    )
    assert coef.shape == (0, 1)
    assert_allclose(intercept, constant, rtol=1e-12)


def tables(n=60, d=4):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, d))
    y = np.abs(X[:, 0] - X[:, 1]) + X[:, 2] * X[:, 3] + 0.1 * rng.normal(size=n)
    return X, y


def output(model, X):
    return model.decision_function(X) if hasattr(model, "classes_") else model.predict(X)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("estimator", [WedgeReLURegressor, WedgeReLUClassifier])
def test_an_estimator_gives_another_network_with_cvxpy(estimator, norm):
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
def test_with_cvxpy_copies_order_or_units_matter(estimator):
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


def test_a_wrong_solver_is_not_named():
    with pytest.raises(ValueError, match="'solver' parameter of WedgeReLURegressor"):
        WedgeReLURegressor(solver="adam").fit([[0.0], [1.0]], [0.0, 1.0])
