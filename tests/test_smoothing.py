"""Losses with kinks: their envelopes, and restricted problems against CLARABEL and duality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

from sklearn_wedge import WedgeReLURegressor
from sklearn_wedge._core.losses import Hinge, Pinball
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.restricted import restricted_problem, smoothing
from sklearn_wedge._core.restricted.interior_point import InteriorPoint
from sklearn_wedge._core.restricted.newton import newton_step
from sklearn_wedge._core.rows import KeptActivations, OneChunk

LOSSES = {
    "absolute": Pinball(1.0, 1.0),
    "quantile": Pinball(0.9, 0.1),
    "hinge": Hinge(),
    "hinge of several": Hinge(),
}
each_loss = pytest.mark.parametrize("name", LOSSES)
SEEDS = st.integers(0, 10**6)
# Of CLARABEL's objective, relative to that of the constant model.
SHARP = 1e-7


def sample(name, seed, n):
    """Target and weights."""
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.1, 1.0, n)
    if name == "hinge of several":
        target = np.eye(3)[rng.integers(3, size=n)]
    elif name == "hinge":
        target = rng.integers(2, size=(n, 1)) * 1.0
    else:
        target = rng.standard_normal((n, 1))
    return target, weight / weight.sum(), rng


@each_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_envelope_is_the_least_of_loss_and_square(name, seed):
    loss, width = LOSSES[name], 0.3
    target, _, rng = sample(name, seed, 1)
    target, prediction = target[:, :1], 2 * rng.standard_normal((1, 1))

    def near(g):
        return loss.value(np.array([[g]]), target, np.ones(1)) + (prediction - g) ** 2 / (2 * width)

    ends = prediction.item() - 2, prediction.item() + 2
    least = minimize_scalar(
        lambda g: near(g).item(), bounds=ends, method="bounded", options={"xatol": 1e-10}
    ).fun
    smoothed = loss.smoothed(width)
    assert_allclose(smoothed.value(prediction, target, np.ones(1)), least, atol=1e-8)


@each_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_gradient_of_an_envelope_is_a_dual_point_of_the_loss(name, seed):
    loss, width = LOSSES[name], 0.3
    target, weight, rng = sample(name, seed, 8)
    prediction = 2 * rng.standard_normal(target.shape)
    smoothed = loss.smoothed(width)
    dual = smoothed.dual_point(prediction, target, weight)
    assert_allclose(loss.within_domain(dual, target, weight), dual, rtol=1e-12, atol=1e-300)
    value = smoothed.value(prediction, target, weight)
    bound = smoothed.dual_value(dual, target, weight) - (dual * prediction).sum()
    assert_allclose(value, bound, rtol=1e-12, atol=1e-13)
    step = 1e-6
    up, down = (smoothed.value(prediction + s, target, weight) for s in (step, -step))
    assert_allclose((down - up) / (2 * step), dual.sum(), atol=1e-5)


@each_loss
@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_gap_that_an_envelope_leaves_is_foreseen(name, seed):
    """Rows all over the places: on average it is what is foreseen."""
    loss, width = LOSSES[name], 0.05
    target, weight, rng = sample(name, seed, 20_000)
    prediction = loss.kinks(target) + rng.uniform(-0.3, 0.3, target.shape)
    dual = loss.smoothed(width).dual_point(prediction, target, weight)
    gap = loss.value(prediction, target, weight) + (dual * prediction).sum()
    gap -= loss.dual_value(dual, target, weight)
    (foreseen,) = loss.left_by_widths(prediction, target, weight, np.array([width]))
    assert_allclose(foreseen, gap, rtol=0.15)


def problems(name, kind, seed):
    """Activations of some columns, target and weights: generic, with ties, or fewer rows."""
    n = 9 if kind == "few rows" else 40
    target, weight, rng = sample(name, seed, n)
    X = rng.standard_normal((n, 2))
    if kind == "ties":
        X = rng.integers(0, 3, size=(n, 2)) * 1.0
        if not name.startswith("hinge"):
            target = np.round(target)
    hidden = np.maximum(rng.standard_normal((25, 2)) @ X.T + rng.standard_normal((25, 1)), 0.0)
    return np.vstack([hidden, hidden[:5]]), OneChunk(X, target, weight)


@pytest.mark.parametrize("kind", ["generic", "ties", "few rows"])
@each_loss
def test_envelopes_reach_the_objective_of_clarabel_and_leave_no_gap(name, kind):
    loss = LOSSES[name]
    for seed in range(3):
        hidden, rows = problems(name, kind, seed)
        solved = []
        for solver in ("active_set", "cvxpy"):
            problem = restricted_problem(loss, rows, solver)
            columns = problem.extend(problem.no_columns(), KeptActivations(hidden))
            q = rows.chunk.target.shape[1]
            start = np.zeros((len(hidden), q)), np.zeros(q)
            found = problem.solve(columns, 0.02, *start)
            dual = problem.balanced(found.dual)
            largest = problem.values(columns, found.coef, dual).max()
            objective = problem.objective(found.predicted, found.coef, 0.02)
            solved.append((objective, dual.bound(min(1.0, 0.02 / largest))))
        (objective, bound), (theirs, _) = solved
        constant = loss.constant_model(rows.chunk.target, rows.chunk.weight)
        scale = loss.value(constant, rows.chunk.target, rows.chunk.weight)
        assert abs(objective - theirs) <= SHARP * scale
        assert -1e-12 * scale <= objective - bound <= SHARP * scale
        assert bound <= theirs + 1e-12 * scale


@each_loss
def test_the_constant_model_has_no_gap(name):
    """Its dual point is that of a quantile: rows at the kink share what is left."""
    loss = LOSSES[name]
    _, rows = problems(name, "ties", 0)
    target, weight = rows.chunk.target, rows.chunk.weight
    problem = restricted_problem(loss, rows, "active_set")
    constant = loss.constant_model(target, weight)
    found = problem.solve(problem.no_columns(), 1.0, np.empty((0, len(constant))), constant)
    value = loss.value(np.broadcast_to(constant, target.shape), target, weight)
    assert_allclose(problem.balanced(found.dual).bound(1.0), value, rtol=1e-10)


def test_a_start_is_not_made_worse():
    """The best point seen is returned, the start among them."""
    hidden, rows = problems("absolute", "generic", 0)
    problem = restricted_problem(LOSSES["absolute"], rows, "active_set")
    columns = problem.extend(problem.no_columns(), KeptActivations(hidden))
    sharp = problem.solve(columns, 0.02, np.zeros((len(hidden), 1)), np.zeros(1))
    again = problem.solve(columns, 0.02, sharp.coef, sharp.intercept, accuracy=0.1)
    best, after = (problem.objective(o.predicted, o.coef, 0.02) for o in (sharp, again))
    assert after <= best


def test_neurons_slide_under_a_loss_with_kinks(monkeypatch):
    slides, original = [], Problem.slid

    def recorded(problem, *args):
        slides.append(args)
        return original(problem, *args)

    monkeypatch.setattr(Problem, "slid", recorded)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    y = np.abs(X @ np.ones(4)) + 0.1 * rng.standard_normal(120)
    model = WedgeReLURegressor(
        0.02, loss="absolute_error", norm="l2", interaction_order=None, pricing="search", tol=1e-2
    ).fit(X, y)
    assert model.n_neurons_ > 0
    assert len(slides) > 0


def test_an_infinite_accuracy_ends_in_a_finite_objective():
    hidden, rows = problems("absolute", "generic", 0)
    problem = restricted_problem(LOSSES["absolute"], rows, "active_set")
    columns = problem.extend(problem.no_columns(), KeptActivations(hidden))
    with np.errstate(all="raise"):
        found = problem.solve(columns, 0.02, np.zeros((len(hidden), 1)), np.zeros(1), np.inf)
    assert np.isfinite(problem.objective(found.predicted, found.coef, 0.02))


def test_a_tiny_penalty_takes_a_bounded_number_of_steps(monkeypatch):
    """Where no envelope closes the gap, the next ones do not, either."""
    steps = []

    def counted(*args):
        steps.append(args)
        return newton_step(*args)

    monkeypatch.setattr(smoothing, "newton_step", counted)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y = np.abs(X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=120)
    values = np.maximum(np.concatenate([X.T, -X.T]), 0.0)
    target = ((y - y.mean()) / y.std())[:, None]
    rows = OneChunk(values.T, target, np.full(120, 1 / 120))
    level = 1e-6
    problem = restricted_problem(Pinball(level, 1 - level), rows, "active_set")
    columns = problem.extend(problem.no_columns(), KeptActivations(values))
    start = np.zeros((len(values), 1)), target.min(axis=0)
    found = problem.solve(columns, 1e-9, *start, 1e-10)
    assert 0 < len(steps) <= smoothing.MAX_STEPS_OF_ALL
    predicted = problem.predict(columns, *start)
    before = problem.objective(predicted, start[0], 1e-9)
    assert problem.objective(found.predicted, found.coef, 1e-9) <= before


@pytest.mark.parametrize(("n", "q", "by_cvxpy"), [(60, 3, True), (60, 1, False), (600, 3, False)])
def test_hinge_of_several_outputs_on_few_rows_goes_to_cvxpy(n, q, by_cvxpy):
    rows = OneChunk(np.zeros((n, 1)), np.zeros((n, q)), np.full(n, 1 / n))
    problem = restricted_problem(Hinge(), rows, "auto")
    assert isinstance(problem, InteriorPoint) == by_cvxpy
    assert isinstance(restricted_problem(Hinge(), rows, "active_set"), smoothing.Smoothing)
