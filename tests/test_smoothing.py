"""Losses with kinks: their envelopes, and restricted problems against CLARABEL and duality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning

from sklearn_wedge import WedgeReLURegressor
from sklearn_wedge._core.losses import Hinge, Pinball
from sklearn_wedge._core.neurons import neurons_through
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.restricted import envelopes, restricted_problem, smoothing
from sklearn_wedge._core.restricted.interior_point import InteriorPoint
from sklearn_wedge._core.restricted.lumps import Lumped
from sklearn_wedge._core.restricted.newton import newton_step
from sklearn_wedge._core.rows import (
    ComputedActivations,
    KeptActivations,
    LocalChunks,
    OneChunk,
    Scaling,
    lumps,
    passes,
)

pytestmark = pytest.mark.newest

LOSSES = {
    "absolute": Pinball(1.0, 1.0),
    "quantile": Pinball(0.9, 0.1),
    "hinge": Hinge(),
    "hinge of several": Hinge(),
}
each_loss = pytest.mark.parametrize("name", LOSSES)
of_one_output = pytest.mark.parametrize("name", ["absolute", "quantile", "hinge"])
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
    # At a kink the search ends as far from it as the root of the rounding.
    assert_allclose(smoothed.value(prediction, target, np.ones(1)), least, atol=1e-7)


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
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_parabola_of_a_damped_step_is_nowhere_below_the_envelope(name, seed):
    smoothed = LOSSES[name].smoothed(0.3)
    target, _, rng = sample(name, seed, 1)
    target, weight = target[:, :1], np.ones(1)
    prediction, other = 3 * rng.standard_normal((2, 1, 1))
    curvature = smoothed.touching(prediction, target, weight)
    falls = smoothed.dual_point(prediction, target, weight)
    move = other - prediction
    parabola = smoothed.value(prediction, target, weight) - falls * move + curvature / 2 * move**2
    assert parabola.item() >= smoothed.value(other, target, weight) - 1e-12


@each_loss
@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_best_shift_is_that_of_all_kinks(name, seed):
    loss = LOSSES[name]
    target, weight, rng = sample(name, seed, 9)
    prediction = rng.standard_normal(target.shape)
    shift = loss.best_shift(prediction, target, weight)
    for k in range(target.shape[1]):
        shifts = (loss.kinks(target) - prediction)[:, k]
        of_one = prediction[:, [k]], target[:, [k]]
        values = [loss.value(of_one[0] + each, of_one[1], weight) for each in shifts]
        assert_allclose(loss.value(of_one[0] + shift[k], of_one[1], weight), min(values))


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


@of_one_output
@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_a_dual_point_of_lumps_is_one_of_all_rows_with_the_same_bound_and_products(name, seed):
    loss = LOSSES[name]
    target, weight, rng = sample(name, seed, 60)
    rows = OneChunk(np.empty((60, 0)), target, weight)
    activations = KeptActivations(rng.standard_normal((4, 60)))
    predicted = rows.keep(lambda chunk: loss.kinks(target) + rng.standard_normal(target.shape))
    of_rows = rows.keep(lumps.lump_of_rows, loss, 0.4, along=(predicted,))
    few = Lumped.of(rows, loss, of_rows, activations)
    chunk = few.rows.chunk
    assert 0 < len(few.alone) < 60
    assert len(chunk.weight) == len(few.alone) + len(few.used)
    wild = rng.standard_normal(chunk.target.shape) * chunk.weight[:, None]
    dual = [loss.within_domain(wild, chunk.target, chunk.weight)]
    of_all = few.dual_of_all(rows, dual)
    assert_allclose(loss.within_domain(of_all[0], target, weight), of_all[0], rtol=1e-12)
    value = loss.dual_value(of_all[0], target, weight)
    assert_allclose(value, loss.dual_value(dual[0], chunk.target, chunk.weight), rtol=1e-12)
    assert_allclose(activations.array @ of_all[0], few.activations.array @ dual[0], rtol=1e-10)


def test_more_rows_are_alone_where_there_are_many_neurons():
    few, many, most = (smoothing.alone_at_first(20_000, m) for m in (100, 700, 5000))
    assert 1000 < few < many < most < 20_000


def on_planes(rows, chunked):
    """Rows, in one chunk or many, and what goes with them for the activations of 20 neurons."""
    chunk, rng = rows.chunk, np.random.default_rng(1)
    points = np.sort([rng.choice(rows.n_rows, 2, replace=False) for _ in range(20)], axis=1)
    neurons = neurons_through(chunk.inputs, np.tile([0, 1], (20, 1)), points)
    if not chunked:
        return rows, KeptActivations(neurons.activations(chunk.inputs.T))
    unscaled = Scaling(np.full(2, -np.inf), np.full(2, np.inf), np.zeros(2), np.ones(2))
    many = LocalChunks(chunk.inputs, chunk.target, chunk.weight, 70)
    return many, ComputedActivations(neurons, unscaled, np.zeros(20))


@pytest.mark.parametrize("chunked", [False, True], ids=["one chunk", "chunks"])
@of_one_output
def test_lumps_end_where_steps_on_all_rows_do(name, chunked, monkeypatch):
    loss = LOSSES[name]
    target, weight, rng = sample(name, 0, 300)
    rows = OneChunk(rng.standard_normal((300, 2)), target, weight)
    rows, activations = on_planes(rows, chunked)
    objectives = []
    for many, alone in ((1000, 300), (100, 30)):
        monkeypatch.setattr(smoothing, "MANY_ROWS", many)
        monkeypatch.setattr(smoothing, "LEAST_ALONE", alone)
        nothing = activations.take(np.arange(0))
        problem = restricted_problem(loss, rows, "active_set", nothing)
        columns = problem.extend(problem.no_columns(), activations)
        start = np.zeros((20, 1)), loss.constant_model(target, weight)
        found = problem.solve(columns, 0.01, *start, accuracy=1e-7)
        dual = problem.balanced(found.dual)
        shrink = min(1.0, 0.01 / problem.values(columns, found.coef, dual).max())
        objective = problem.objective(found.predicted, found.coef, 0.01)
        assert -1e-12 <= objective - dual.bound(shrink) <= 2e-7
        objectives.append(objective)
    assert_allclose(*objectives, atol=4e-7)


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


def test_what_envelopes_leave_of_few_rows_is_left_to_cvxpy(monkeypatch):
    hidden, rows = problems("absolute", "generic", 0)
    gaps = []
    monkeypatch.setattr(smoothing, "MAX_ENVELOPES", 1)
    for at_most in (0, 500):
        monkeypatch.setattr(smoothing, "FEW_ROWS", at_most)
        problem = restricted_problem(LOSSES["absolute"], rows, "active_set")
        columns = problem.extend(problem.no_columns(), KeptActivations(hidden))
        found = problem.solve(columns, 1e-4, np.zeros((len(hidden), 1)), np.zeros(1))
        dual = problem.balanced(found.dual)
        shrink = min(1.0, 1e-4 / problem.values(columns, found.coef, dual).max())
        objective = problem.objective(found.predicted, found.coef, 1e-4)
        gaps.append((objective - dual.bound(shrink)) / objective)
    assert gaps[0] > 1e-4
    assert gaps[1] <= 1e-5


def test_coefficients_that_are_not_solved_for_are_said_to_be_what_is_left(monkeypatch):
    monkeypatch.setattr(smoothing, "MAX_ENVELOPES", 1)
    monkeypatch.setattr(smoothing, "FEW_ROWS", 0)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 2))
    y = np.abs(X[:, 0]) + 0.3 * rng.standard_normal(60)
    model = WedgeReLURegressor(
        0.01, loss="absolute_error", interaction_order=1, tol=1e-7, max_iter=20
    )
    with pytest.warns(ConvergenceWarning, match="solver"):
        model.fit(X, y)
    certificate = model.certificate_
    assert certificate.stopped_by == "coefficients"
    assert certificate.gap > certificate.tolerance


@pytest.mark.parametrize("smoothed", [None, np.inf])
def test_an_infinite_accuracy_ends_soon_in_a_finite_objective(smoothed, monkeypatch):
    steps = []
    monkeypatch.setattr(envelopes, "newton_step", lambda *a: steps.append(a) or newton_step(*a))
    hidden, rows = problems("absolute", "generic", 0)
    problem = restricted_problem(LOSSES["absolute"], rows, "active_set")
    columns = problem.extend(problem.no_columns(), KeptActivations(hidden))
    start = np.zeros((len(hidden), 1)), np.zeros(1)
    with np.errstate(all="raise"):
        found = problem.solve(columns, 0.02, *start, np.inf, smoothed)
    assert np.isfinite(problem.objective(found.predicted, found.coef, 0.02))
    assert len(steps) <= 5


def test_a_tiny_penalty_takes_a_bounded_number_of_steps(monkeypatch):
    """Where no envelope closes the gap, the next ones do not, either."""
    steps = []

    def counted(*args):
        steps.append(args)
        return newton_step(*args)

    monkeypatch.setattr(envelopes, "newton_step", counted)
    monkeypatch.setattr(smoothing, "FEW_ROWS", 0)
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


@pytest.mark.parametrize(("n", "q"), [(60, 3), (60, 1), (600, 3)])
def test_only_who_asks_for_it_gets_cvxpy(n, q):
    rows = OneChunk(np.zeros((n, 1)), np.zeros((n, q)), np.full(n, 1 / n))
    for solver in ("auto", "active_set"):
        assert isinstance(restricted_problem(Hinge(), rows, solver), smoothing.Smoothing)
    assert isinstance(restricted_problem(Hinge(), rows, "cvxpy"), InteriorPoint)


@pytest.mark.parametrize("width", [1e-6, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_the_best_shift_balances_the_dual_point_of_an_envelope(n, width):
    rng = np.random.default_rng(n)
    prediction, weight = rng.standard_normal((n, 3)), rng.uniform(0.1, 1.0, n) / n
    target = np.repeat(rng.standard_normal((n, 1)), 3, axis=1)
    envelope = Pinball((0.1, 0.5, 0.9), (0.9, 0.5, 0.1)).smoothed(width)
    shift = envelope.best_shift(prediction, target, weight)
    balanced = envelope.dual_point(prediction + shift, target, weight).sum(axis=0)
    # A row is steep: what rounding of its prediction may do.
    assert_allclose(balanced, 0.0, atol=1e-14 / width + 1e-14)


@pytest.mark.parametrize("n_chunks", [1, 3])
def test_a_damped_model_has_the_curvature_of_kinks_and_a_part_of_parabolas(n_chunks):
    rng = np.random.default_rng(3)
    X, target = rng.standard_normal((90, 2)), rng.standard_normal((90, 3))
    weight, working = np.full(90, 1 / 90), np.array([0, 2, 3, 7])
    neurons = neurons_through(X, np.tile([0, 1], (9, 1)), rng.integers(90, size=(9, 2)))
    values = neurons.activations(X.T)
    rows, activations = OneChunk(X, target, weight), KeptActivations(values)
    if n_chunks > 1:
        rows = LocalChunks(X, target, weight, 90 // n_chunks)
        unscaled = Scaling(np.full(2, -np.inf), np.full(2, np.inf), np.zeros(2), np.ones(2))
        activations = ComputedActivations(neurons, unscaled, values @ weight)
    pinball = Pinball((0.1, 0.5, 0.9), (0.9, 0.5, 0.1))
    envelope = envelopes.Envelope(pinball, rows, activations.take([]), 0.3, None)
    predicted = rows.keep(lambda chunk: 0.1 * chunk.target)
    grams, _, moments, total = envelope.model_sums(activations, working, predicted, False)
    loss, at = envelope.loss, (0.1 * target, target, weight)
    curvature = loss.curvature(*at) + loss.touching(*at).mean(axis=1)[:, None]
    assert_allclose(total, curvature.sum(axis=0))
    assert_allclose(moments, curvature.T @ values[working].T)
    off = values[working] - (values @ weight)[working, None]
    assert_allclose(grams, np.einsum("ra,jr,kr->ajk", curvature, off, off), atol=1e-12)


def test_sums_over_all_rows_are_taken_once_for_steps_in_full(monkeypatch):
    steps, taken = [], []
    step, sums = envelopes.newton_step, passes.sums_of_touching

    def counted(*args):
        steps.append(step(*args))
        return steps[-1]

    monkeypatch.setattr(envelopes, "newton_step", counted)
    monkeypatch.setattr(passes, "sums_of_touching", lambda *a: taken.append(1) or sums(*a))
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(300, 2))
    y = np.sin(3 * X[:, 0]) + np.abs(X[:, 1]) + 0.3 * rng.standard_normal(300)
    WedgeReLURegressor(alpha=3e-3, loss="absolute_error", pricing="search").fit(X, y)
    assert sum(each.length == 1.0 for each in steps) > 2 * len(taken) > 0
