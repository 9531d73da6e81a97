"""The fit against CLARABEL on the enumerated dictionary: optimal, and never falsely certified."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import (
    Dictionary,
    every_neuron,
    grid,
    l1_objective,
    optimum,
    random_neurons,
    standardized,
)
from sklearn.exceptions import ConvergenceWarning

from sklearn_wedge import WedgeReLURegressor, alpha_max
from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.state import resume
from sklearn_wedge._core.stopping import StoppingRule
from sklearn_wedge._core.warm_path import solve_from, solve_path
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem

pytestmark = pytest.mark.newest

# Of a bound or objective, relative to the objective of the constant model.
ROUNDING = 1e-12


def fit(X, y, alpha, order, weight=None, **options):
    """The estimator in the units of the data; it must converge unless it is told to stop early."""
    options = {"pricing": "exact", "tol": 1e-10, "max_iter": 500, **options}
    model = WedgeReLURegressor(
        alpha, interaction_order=order, standardize=False, clip_quantile=None, **options
    )
    stopped_early = options["tol"] > 1e-10 or options["max_iter"] < 500
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if stopped_early else "error", ConvergenceWarning)
        return model.fit(X, y, weight)


def best(X, y, alpha, order, weight=None):
    """Bounds on the optimum over the whole class, from enumeration."""
    weight = np.ones(len(X)) if weight is None else weight
    present = weight > 0
    X, y, weight = X[present], y[present], weight[present]
    distinct = np.unique(X, axis=0)
    return optimum(every_neuron(distinct, order).activations(X), y, weight, alpha)


def largest(X, y, order, weight=None):
    return alpha_max(
        X,
        y,
        sample_weight=weight,
        interaction_order=order,
        standardize=False,
        clip_quantile=None,
        pricing="exact",
    )


def constant_objective(y, weight=None):
    return 0.5 * np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)


def generic(n, d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, np.sin(2 * X[:, 0]) + np.abs(X[:, -1]) + 0.3 * rng.standard_normal(n)


def on_grid(*sides, scale=False, seed=0):
    rng = np.random.default_rng(seed)
    X = grid(*sides).astype(float)
    X = X[rng.integers(len(X), size=len(X) + 3)]  # some twice, with other targets
    y = np.abs(X @ np.linspace(-1, 1, X.shape[1]) + 0.5) + rng.integers(0, 2, size=len(X))
    return (standardized(X) if scale else X), y


DATA = {
    "generic 1 input": generic(20, 1),
    "generic 2 inputs": generic(16, 2),
    "generic 3 inputs": generic(10, 3),
    "tied 1 input": on_grid(9),
    "tied 2 inputs": on_grid(5, 4),
    "tied 3 inputs": on_grid(3, 2, 2),
    "tied and standardised 2 inputs": on_grid(4, 4, scale=True),
    "tied and standardised 3 inputs": on_grid(3, 2, 2, scale=True),
    "fewer rows than inputs": generic(3, 4),
}
CASES = [(name, order) for name, (X, _) in DATA.items() for order in range(1, X.shape[1] + 1)]
on_all_data = pytest.mark.parametrize(("data", "order"), CASES)


def priced_exactly(history):
    """Which rounds looked at the whole class."""
    return np.array([r.pricing == "exact" for r in history])


# --- optimality ---------------------------------------------------------------------------------


@on_all_data
def test_the_fit_is_the_global_optimum(data, order):
    X, y = DATA[data]
    scale = constant_objective(y)
    for fraction in (0.5, 0.1, 1e-2, 1e-3):
        alpha = fraction * largest(X, y, order)
        model, oracle = fit(X, y, alpha, order), best(X, y, alpha, order)
        certificate = model.certificate_
        assert oracle.upper - oracle.lower <= 1e-7 * oracle.upper
        assert certificate.exact
        assert_allclose(certificate.objective, oracle.upper, rtol=1e-6)
        assert certificate.objective >= oracle.lower - ROUNDING * scale
        assert certificate.lower_bound <= oracle.upper + ROUNDING * scale
        assert certificate.max_violation <= 1e-6


@on_all_data
def test_the_objective_reported_is_that_of_the_network(data, order):
    """Half the mean squared error of predict plus ``alpha / 2 Σ (‖w‖₁² + a²)`` of the layers."""
    X, y = DATA[data]
    alpha = 0.05 * largest(X, y, order)
    model = fit(X, y, alpha, order)
    w, a = model.coefs_
    assert np.count_nonzero(w, axis=0).max(initial=0) <= order
    penalty = alpha / 2 * (np.sum(np.abs(w).sum(axis=0) ** 2) + np.sum(a**2))
    objective = 0.5 * np.mean((model.predict(X) - y) ** 2) + penalty
    assert_allclose(model.certificate_.objective, objective, rtol=1e-10)


@on_all_data
def test_neurons_that_were_not_priced_meet_the_dual_constraint(data, order):
    X, y = DATA[data]
    alpha = 0.03 * largest(X, y, order)
    model = fit(X, y, alpha, order)
    dual = (y - model.predict(X)) / len(y)
    assert_allclose(dual.sum(), 0.0, atol=1e-12)
    values = random_neurons(np.random.default_rng(0), X, order, 20_000).values(X, dual[:, None])
    assert values.max() <= alpha * (1 + 1e-6)


@pytest.mark.parametrize("data", ["generic 2 inputs", "tied 3 inputs"])
def test_the_largest_alpha_is_where_neurons_appear(data):
    X, y = DATA[data]
    for order in range(1, X.shape[1] + 1):
        alpha = largest(X, y, order)
        dual = ((y - y.mean()) / len(y))[:, None]
        neurons = every_neuron(np.unique(X, axis=0), order)
        assert_allclose(alpha, neurons.values(X, dual).max(), rtol=1e-12)
        assert fit(X, y, alpha * (1 + 1e-9), order).n_neurons_ == 0
        assert fit(X, y, alpha * 0.99, order).n_neurons_ > 0


def test_more_interaction_is_better():
    X = np.random.default_rng(0).standard_normal((10, 3))
    y = np.maximum(X @ [1.0, -1.0, 1.0], 0.0)
    objectives = [fit(X, y, 0.01, order).certificate_.objective for order in (1, 2, 3)]
    assert objectives[0] > objectives[1] > objectives[2]
    assert fit(X, y, 0.01, None).certificate_.objective == objectives[2]


@on_all_data
def test_the_violation_reported_is_that_of_the_network(data, order):
    """Over the whole class, also when the fit stopped early."""
    X, y = DATA[data]
    neurons = every_neuron(np.unique(X, axis=0), order)
    alpha = 0.02 * largest(X, y, order)
    for stop in ({"tol": 0.3}, {"tol": 1e-2}, {"tol": 1e-4}, {"max_iter": 1}, {"max_iter": 3}, {}):
        model = fit(X, y, alpha, order, **stop)
        dual = (y - model.predict(X)) / len(y)
        violation = neurons.values(X, dual[:, None]).max() / alpha - 1
        assert_allclose(model.certificate_.max_violation, violation, rtol=1e-7, atol=1e-9)


# --- bounds that hold on the way ----------------------------------------------------------------


def tiny_problem(seed):
    """Random rows, order, alpha; every second one with ties, every third with random weights."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 11)), int(rng.integers(1, 4))
    X = rng.integers(0, 3, size=(n, d)) * 1.0 if seed % 2 else rng.standard_normal((n, d))
    y = rng.standard_normal(n)
    weight = rng.uniform(0.1, 3.0, size=n) if seed % 4 >= 2 else None
    order = int(rng.integers(1, d + 1))
    alpha = float(10 ** rng.uniform(-3, -0.1)) * largest(X, y, order, weight)
    return X, y, weight, order, alpha


@pytest.mark.parametrize("batch", range(2))
def test_bounds_are_below_the_optimum_and_objectives_above(batch):
    """Solved, stopped early by the rounds, and stopped early by the tolerance."""
    for seed in range(20 * batch, 20 * batch + 20):
        X, y, weight, order, alpha = tiny_problem(seed)
        if alpha < 1e-12:  # all rows are one point
            continue
        oracle, scale = best(X, y, alpha, order, weight), constant_objective(y, weight)
        allowed = ROUNDING * scale
        stops = [{}, {"max_iter": 1}, {"max_iter": 2}, {"tol": 0.1}, {"tol": 1e-3}]
        for stop in stops:
            certificate = fit(X, y, alpha, order, weight, **stop).certificate_
            assert certificate.lower_bound <= oracle.upper + allowed, (seed, stop)
            assert certificate.objective >= oracle.lower - allowed, (seed, stop)
            assert certificate.gap >= certificate.objective - oracle.upper - allowed
            if not stop:
                assert_allclose(certificate.objective, oracle.upper, rtol=1e-6, atol=1e-9 * scale)


STOPS = [{"max_iter": 1}, {"max_iter": 2}, {"tol": 0.1}, {"tol": 1e-3}, {"tol": 1e-6}]


@pytest.mark.parametrize("batch", range(1))
def test_with_cvxpy_bounds_are_below_the_optimum_and_objectives_above(batch):
    for seed in range(40 * batch, 40 * batch + 40):
        X, y, weight, order, alpha = tiny_problem(seed)
        if alpha < 1e-12:
            continue
        oracle, scale = best(X, y, alpha, order, weight), constant_objective(y, weight)
        stop = STOPS[seed % len(STOPS)]
        certificate = fit(X, y, alpha, order, weight, solver="cvxpy", **stop).certificate_
        assert certificate.lower_bound <= oracle.upper + 1e-10 * scale, (seed, stop)
        assert certificate.objective >= oracle.lower - 1e-10 * scale, (seed, stop)
        if stop == {"tol": 1e-6}:
            assert_allclose(certificate.objective, oracle.upper, rtol=2e-6, atol=2e-6 * scale)


@pytest.mark.parametrize("batch", range(1))
def test_under_l2_bounds_are_below_the_optimum_over_wedge_neurons(batch):
    """These are fewer than all: their optimum is an upper bound, and the fit gets below it."""
    for seed in range(40 * batch, 40 * batch + 40):
        X, y, weight, order, alpha = tiny_problem(seed)
        if alpha < 1e-12:
            continue
        neurons = every_neuron(np.unique(X, axis=0), min(order, 2))
        length = np.linalg.norm(neurons.weights, axis=1)
        unit = Dictionary(neurons.weights / length[:, None], neurons.offsets / length)
        row_weight = np.ones(len(y)) if weight is None else weight
        oracle = optimum(unit.activations(X), y, row_weight, alpha)
        allowed = 1e-9 * constant_objective(y, weight)
        stop = STOPS[seed % len(STOPS)]
        model = fit(X, y, alpha, min(order, 2), weight, norm="l2", **stop)
        certificate = model.certificate_
        assert certificate.exact
        assert certificate.lower_bound <= oracle.upper + allowed, (seed, stop)
        if stop == {"tol": 1e-6}:
            slack = 1e-6 * constant_objective(y, weight)
            assert certificate.objective <= oracle.upper + slack + allowed, (seed, stop)


@on_all_data
def test_rounds_lower_the_objective_and_raise_a_valid_bound(data, order):
    X, y = DATA[data]
    alpha = 0.01 * largest(X, y, order)
    scale = constant_objective(y)
    oracle = best(X, y, alpha, order)
    history = fit(X, y, alpha, order).history_
    objectives = np.array([r.objective for r in history])
    bounds = np.array([r.lower_bound for r in history])
    exact = priced_exactly(history)
    assert exact.any()
    assert np.all(bounds[: exact.argmax()] == -np.inf)
    assert np.all(np.diff(objectives) <= ROUNDING * scale)
    assert np.all(bounds[1:] >= bounds[:-1])
    assert np.all(bounds <= oracle.upper + ROUNDING * scale)
    assert np.all(objectives >= oracle.lower - ROUNDING * scale)


# --- from neurons of one's own ------------------------------------------------------------------


def on_first_input(X, thresholds):
    """Hinges at given places: hyperplanes through no sample."""
    m = len(thresholds)
    inputs, none = np.zeros((m, 1), dtype=np.intp), np.full((m, 1), -1, dtype=np.intp)
    return Neurons.unbounded(inputs, np.ones((m, 1)), -np.asarray(thresholds), none)


@pytest.mark.parametrize("data", ["generic 2 inputs", "tied 3 inputs"])
def test_neurons_of_ones_own_get_the_best_coefficients_and_leave_the_optimum(data):
    X, y = DATA[data]
    alpha, rule = 0.05 * largest(X, y, 2), StoppingRule(1e-10, 500)
    options = FitOptions(2, "l1", False, None, "exact")
    problem, sample = build_problem(X, y[:, None], np.ones(len(X)), options, SquaredError())
    given = on_first_input(X, np.linspace(-0.77, 0.66, 5))
    state = resume(problem, alpha, given, rule)
    columns = given.activations(sample.points.T)[:, sample.point_of_sample]
    oracle = optimum(columns, sample.target[:, 0], sample.weight, alpha)
    assert_allclose(state.objective, oracle.upper, rtol=1e-8)
    _, reached = solve_from(problem, state, rule)
    assert reached.converged
    assert_allclose(reached.certificate.objective, best(X, y, alpha, 2).upper, rtol=1e-6)


def test_a_start_from_the_optimum_stays_there_and_prices_once():
    X, y = DATA["generic 2 inputs"]
    alpha, rule = 0.05 * largest(X, y, 2), StoppingRule(1e-8, 500)
    options = FitOptions(2, "l1", False, None, "exact")
    problem, _ = build_problem(X, y[:, None], np.ones(len(X)), options, SquaredError())
    (found,) = solve_path(problem, np.array([alpha]), rule)
    state = resume(problem, alpha, found.neurons, rule, found.coef, found.intercept)
    _, again = solve_from(problem, state, rule)
    assert again.certificate.objective <= found.certificate.objective * (1 + 1e-12)
    assert len(again.history) == 1
    assert again.converged


# --- search -------------------------------------------------------------------------------------


def solve_by_search(X, y, fractions, order, certified, tolerance=1e-6):
    """The loop where pricing everything is too dear for every round, as on larger data."""
    options = FitOptions(order, "l1", False, None, "exact" if certified else "search")
    problem, _ = build_problem(X, y[:, None], np.ones(len(X)), options, SquaredError())
    problem.pricing.is_cheap = problem.pricing.confirms_at_once = False
    alphas = np.array(fractions) * largest(X, y, order)
    return list(solve_path(problem, alphas, StoppingRule(tolerance, 200)))


SEARCHED = [(name, order) for name, order in CASES if order >= 2]


@pytest.mark.parametrize(("data", "order"), SEARCHED)
def test_a_certified_search_reaches_the_optimum_with_a_valid_bound(data, order):
    X, y = DATA[data]
    scale = constant_objective(y)
    for solution in solve_by_search(X, y, [0.3, 0.03, 3e-3], order, certified=True):
        oracle = best(X, y, solution.alpha, order)
        certificate = solution.certificate
        assert certificate.exact
        assert solution.converged
        assert priced_exactly(solution.history).any()
        assert certificate.gap <= 1e-6 * scale
        assert certificate.objective >= oracle.lower - ROUNDING * scale
        assert certificate.objective <= oracle.upper + 1e-6 * scale
        assert certificate.lower_bound <= oracle.upper + ROUNDING * scale
        bounds = np.array([r.lower_bound for r in solution.history])
        assert np.all(bounds <= oracle.upper + ROUNDING * scale)


@pytest.mark.parametrize(("data", "order"), SEARCHED)
def test_a_search_is_near_the_optimum_and_not_called_certified(data, order):
    X, y = DATA[data]
    scale = constant_objective(y)
    for solution in solve_by_search(X, y, [0.3, 0.03], order, certified=False):
        oracle = best(X, y, solution.alpha, order)
        assert not solution.certificate.exact
        assert not priced_exactly(solution.history).any()
        assert solution.certificate.objective >= oracle.lower - ROUNDING * scale
        assert solution.certificate.objective <= oracle.upper + 0.02 * scale


@on_all_data
def test_pricing_by_search_is_not_called_certified(data, order, nothing_is_cheap):
    X, y = DATA[data]
    alpha = 0.03 * largest(X, y, order)
    certificate = fit(X, y, alpha, order, pricing="search", tol=1e-6).certificate_
    assert not certificate.exact
    assert certificate.objective >= best(X, y, alpha, order).lower * (1 - 1e-12)
    assert "search" in certificate.scope


# --- degenerate data ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_a_constant_target_gets_no_neurons(value):
    X, _ = DATA["generic 2 inputs"]
    model = fit(X, np.full(len(X), value), 1e-3, 2)
    assert model.n_neurons_ == 0
    assert model.certificate_.objective == model.certificate_.gap == 0.0
    assert_allclose(model.predict(X), value, rtol=1e-15)


def test_constant_inputs_get_no_neurons():
    y = np.array([1.0, 2.0, 6.0])
    model = fit(np.full((3, 2), 0.1), y, 1e-3, 2)
    assert model.n_neurons_ == 0
    assert_allclose(model.predict([[0.1, 0.1], [5.0, -3.0]]), 3.0)
    assert_allclose(model.certificate_.objective, constant_objective(y))
    assert_allclose(model.certificate_.lower_bound, constant_objective(y))


@pytest.mark.parametrize("d", [1, 3])
def test_one_sample_gets_no_neurons(d):
    model = fit(np.arange(d)[None] * 1.0, np.array([4.0]), 0.1, None)
    assert model.n_neurons_ == 0
    assert model.predict(np.zeros((1, d)))[0] == 4.0


def test_two_samples_have_the_solution_in_closed_form():
    """One hinge of height z between them: ``(1 - z)²/8 + alpha z`` is least at 1 - 4 alpha."""
    model = fit(np.array([[0.0], [1.0]]), np.array([0.0, 1.0]), 0.05, 1)
    assert_allclose(model.certificate_.objective, 0.2**2 / 8 + 0.05 * 0.8, rtol=1e-12)
    assert_allclose(model.predict([[0.0], [1.0]]), [0.1, 0.9], rtol=1e-9)


def test_clashing_targets_of_one_point_are_averaged():
    """Rows equal in X act as their mean; their scatter stays in the objective."""
    X, y = DATA["generic 1 input"]
    twice = fit(np.repeat(X, 2, axis=0), np.repeat(y, 2) + np.tile([-1.0, 1.0], len(y)), 0.02, 1)
    once = fit(X, y, 0.02, 1)
    assert_allclose(twice.predict(X), once.predict(X), atol=1e-7)
    difference = twice.certificate_.objective - once.certificate_.objective
    assert_allclose(difference, 0.5, rtol=1e-9)


def test_the_coefficients_have_the_objective_of_the_oracle():
    """The oracle's own objective of our neurons and coefficients."""
    X, y = DATA["tied 2 inputs"]
    model = fit(X, y, 0.01, 2)
    hidden = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0.0)
    size = np.abs(model.coefs_[0]).sum(axis=0)
    coef = model.coefs_[1][:, 0] * size
    objective = l1_objective(hidden.T / size[:, None], y, np.full(len(y), 1 / len(y)), 0.01, coef)
    assert_allclose(objective, model.certificate_.objective, rtol=1e-10)
