"""The quadratic problem of several outputs: its operators, Newton systems and optimum."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_memory import KeptActivations, table
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from sklearn.exceptions import ConvergenceWarning

from sklearn_wedge import WedgeReLUClassifier
from sklearn_wedge._core import kernels
from sklearn_wedge._core.losses import Multinomial, SquaredHinge
from sklearn_wedge._core.restricted import newton, quadratics, truncated
from sklearn_wedge._core.restricted.groups import solve_quadratic_groups
from sklearn_wedge._core.restricted.model import Point
from sklearn_wedge._core.restricted.newton import ProximalNewton
from sklearn_wedge._core.restricted.quadratics import (
    AcrossOutputs,
    ByOutput,
    GroupCurvature,
)
from sklearn_wedge._core.restricted.truncated import solved_without_hessian

pytestmark = pytest.mark.newest

SEEDS = st.integers(0, 10**6)
KINDS = ["same", "separate", "across"]


def quadratic_with_tensor(kind, rng, m, q, rank):
    """An operator on (m, q) arrays and all its entries, (m, q, m, q)."""
    if kind == "across":
        root = rng.standard_normal((rank, m * q))
        tensor = (root.T @ root).reshape(m, q, m, q)
        return AcrossOutputs(tensor), tensor
    roots = rng.standard_normal((q, rank, m))
    grams = roots.transpose(0, 2, 1) @ roots
    if kind == "same":
        grams[:] = grams[0]
    tensor = np.zeros((m, q, m, q))
    for output, gram in enumerate(grams):
        tensor[:, output, :, output] = gram
    return ByOutput(grams[:1] if kind == "same" else grams), tensor


@pytest.mark.parametrize("kind", KINDS)
def test_an_operator_agrees_with_its_entries(kind):
    rng = np.random.default_rng(0)
    quadratic, tensor = quadratic_with_tensor(kind, rng, 6, 3, rank=8)
    coef = rng.standard_normal((6, 3))
    assert_allclose(quadratic.times(coef), np.einsum("jakb,kb->ja", tensor, coef), atol=1e-12)
    assert quadratic.size == np.abs(tensor).max()


def shortened(curvature, pull, alpha):
    """The least of ``z·(c z)/2 - b·z + α‖z‖``, by its length."""

    def row(length):
        return pull * length / (curvature * length + alpha)

    most = np.linalg.norm(pull) / curvature.min()
    return row(brentq(lambda r: np.linalg.norm(row(r)) - r, 1e-9, most, xtol=1e-15))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", [1e-2, 1.0, 30.0])
def test_steps_on_rows_are_minima_of_each_or_proximal_where_outputs_interact(kind, alpha):
    rng = np.random.default_rng(0)
    quadratic, tensor = quadratic_with_tensor(kind, rng, 6, 3, rank=8)
    start, linear = rng.standard_normal((2, 6, 3))
    coef, gradient = start.copy(), quadratic.times(start) - linear
    gradient = np.ascontiguousarray(gradient)
    rows = np.array([4, 0, 5])
    quadratic.step_on_rows(rows, alpha, coef, gradient)
    expected, zeros = start.copy(), 0
    for row in rows:
        slope = (np.einsum("jakb,kb->ja", tensor, expected) - linear)[row]
        own = tensor[row, :, row]
        curvature = np.linalg.eigvalsh(own).max()
        each = curvature * np.ones(3) if kind == "across" else np.diag(own)
        is_zero = np.linalg.norm(own @ expected[row] - slope) <= alpha
        expected[row] = 0.0 if is_zero else shortened(each, each * expected[row] - slope, alpha)
        zeros += is_zero
    assert_allclose(coef, expected, atol=1e-12)
    assert_allclose(gradient, quadratic.times(expected) - linear, atol=1e-11)
    assert zeros == (len(rows) if alpha == 30.0 else 0)


@pytest.fixture(params=["one matrix", "formula"])
def every_system(request, monkeypatch):
    """Newton systems of outputs that do not interact, however they are solved."""
    monkeypatch.setattr(quadratics, "FEW_ENTRIES", np.inf if request.param == "one matrix" else 0)


in_every_system = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def system_with_matrix(kind, rng, q, rank, decades, k=5):
    """A Newton system on k rows, and all its entries, (k q, k q)."""
    m, rows = k + 3, np.r_[1, 2, 4, 5, 7 : k + 3]
    quadratic, tensor = quadratic_with_tensor(kind, rng, m, q, rank)
    unit = rng.standard_normal((k, q))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    pull = 10.0 ** rng.uniform(-decades, decades, k)
    matrix = tensor[rows][:, :, rows].copy()
    for place in range(k):
        across = np.eye(q) - np.outer(unit[place], unit[place])
        matrix[place, :, place] += pull[place] * across
    return quadratic.newton_system(rows, GroupCurvature(unit, pull)), matrix.reshape(k * q, -1)


def ridged(matrix, ridge):
    """With a ridge relative to the median of the diagonal."""
    return matrix + ridge * np.median(np.diag(matrix)) * np.eye(len(matrix))


def assert_solves(found, matrix, right):
    """By the energy of the error: in directions of almost no curvature, a step may end anywhere."""
    error = found - np.linalg.solve(matrix, right)
    assert error @ matrix @ error <= 1e-8 * (found @ matrix @ found)


@pytest.mark.usefixtures("every_system")
@in_every_system
@given(SEEDS, st.sampled_from(KINDS), st.integers(2, 5), st.integers(1, 9), st.integers(0, 7))
def test_a_newton_step_solves_its_system(seed, kind, q, rank, decades):
    """Dependent columns (a low rank) and rows of very different lengths included.

    One output has an active set of its own, and rows of length one: no curvature of the penalty.
    """
    rng, ridge = np.random.default_rng(seed), 1e-9
    system, matrix = system_with_matrix(kind, rng, q, rank, decades)
    right = matrix @ rng.standard_normal(len(matrix))
    found = system.solve(right.reshape(-1, q), ridge)
    assert_solves(found.ravel(), ridged(matrix, ridge), right)


@pytest.mark.parametrize("ridge", [1e-12, 1e-9])
@pytest.mark.parametrize("k", [5, 40])
@pytest.mark.usefixtures("every_system")
@in_every_system
@given(
    SEEDS,
    st.sampled_from(KINDS),
    st.integers(2, 5),
    st.integers(1, 9),
    st.integers(0, 7),
    st.integers(1, 4),
)
def test_rows_that_stay_are_zero_and_have_no_equation(
    k, ridge, seed, kind, q, rank, decades, n_staying
):
    """Few and many for the rows in use: others then have factors of their own.

    Of one system, between steps on all rows; where rounding leaves it indefinite, with a larger
    ridge.
    """
    rng = np.random.default_rng(seed)
    system, matrix = system_with_matrix(kind, rng, q, rank, decades, k)
    staying = np.zeros(k, dtype=bool)
    staying[rng.permutation(k)[:n_staying]] = True
    right = matrix @ rng.standard_normal(len(matrix))
    rows, moving = right.reshape(k, q), np.repeat(~staying, q)
    before = system.solve(rows, ridge)
    found = system.solve(rows, ridge, staying)
    assert np.all(found[staying] == 0.0)
    left = (matrix @ found.ravel() - right)[moving]
    of_ridge = np.median(np.diag(matrix)) * np.abs(found).max()
    assert np.abs(left).max() <= 1e-5 * (np.abs(right[moving]).max() + of_ridge)
    assert_array_equal(system.solve(rows, ridge), before)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [5, 40])
@pytest.mark.usefixtures("every_system")
def test_the_unit_of_the_ridge_is_that_of_all_rows_whichever_stay(kind, k):
    system, matrix = system_with_matrix(kind, np.random.default_rng(0), 2, 9, 2, k)
    right, staying = matrix @ np.ones(len(matrix)), np.arange(k) < 2
    moving, whole = np.repeat(~staying, 2), ridged(matrix, 0.1)
    found = system.solve(right.reshape(k, 2), 0.1, staying).ravel()[moving]
    expected = np.linalg.solve(whole[np.ix_(moving, moving)], right[moving])
    assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", ["same", "separate"])
def test_factors_of_the_other_rows_are_for_where_many_stay(kind, monkeypatch):
    """Many for the number of outputs and of rows in use."""
    rng = np.random.default_rng(0)
    system, _ = system_with_matrix(kind, rng, 3, 20, 1, 100)
    right, break_even = rng.standard_normal((100, 3)), {"same": 2, "separate": 8}[kind]
    system.solve(right, 1e-9)
    factored, of = [], quadratics._Inverse.of

    def counted(grams, rows, *args):
        factored.append(len(rows))
        return of(grams, rows, *args)

    monkeypatch.setattr(quadratics._Inverse, "of", counted)
    system.solve(right, 1e-9, np.arange(100) < break_even)
    assert factored == []
    system.solve(right, 1e-9, np.arange(100) < break_even + 1)
    assert factored == [100 - break_even - 1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (1, 3)])
@pytest.mark.usefixtures("every_system")
def test_a_system_that_is_not_finite_is_an_error(kind, bad, place):
    rng, (row, other) = np.random.default_rng(0), place
    quadratic, _ = quadratic_with_tensor(kind, rng, 4, 2, rank=8)
    if kind == "across":
        quadratic.tensor[row, 0, other, 0] = quadratic.tensor[other, 0, row, 0] = bad
    else:
        quadratic.grams[0, [row, other], [other, row]] = bad
    penalty = GroupCurvature(np.full((4, 2), np.sqrt(0.5)), np.ones(4))
    system = quadratic.newton_system(np.arange(4), penalty)
    with pytest.raises(ValueError, match="infs or NaNs"):
        system.solve(np.ones((4, 2)), 1e-9)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.integers(1, 6), st.integers(1, 4))
def test_a_line_search_ends_where_quadratic_and_norms_are_least(seed, k, q):
    """Rows that are zero at the start, or on the way, included."""
    rng = np.random.default_rng(seed)
    start, step = rng.standard_normal((2, k, q))
    start[rng.random(k) < 0.2] = 0.0
    vanishing = rng.random(k) < 0.3
    start[vanishing] = -rng.uniform(0, 1, (vanishing.sum(), 1)) * step[vanishing]
    slope, curvature, alpha = rng.normal(-3, 3), rng.exponential(), rng.exponential()

    def value(share):
        length = np.linalg.norm(start + share * step, axis=1).sum()
        return slope * share + curvature * share**2 / 2 + alpha * length

    share = kernels.groups.least_along(start, step, slope, curvature, alpha, 1e-15)
    others = np.concatenate([np.linspace(0, 1, 101), share + np.array([-1e-4, 1e-4])])
    assert 0.0 <= share <= 1.0
    assert value(share) <= min(map(value, np.clip(others, 0.0, 1.0))) + 1e-12


@pytest.mark.usefixtures("every_system")
@in_every_system
@given(
    SEEDS, st.sampled_from(KINDS), st.integers(2, 5), st.integers(1, 12), st.sampled_from([1, 9])
)
def test_every_problem_is_solved_to_optimality(seed, kind, q, rank, copies):
    """Optimality conditions: the gradient of a row in use is -alpha z/|z|, else at most alpha."""
    rng = np.random.default_rng(seed)
    quadratic, tensor = quadratic_with_tensor(kind, rng, 4, q, rank)
    if copies > 1:
        tensor = np.tile(tensor, (copies, 1, copies, 1))
        quadratic = {
            "same": lambda: ByOutput(np.array([tensor[:, 0, :, 0]])),
            "separate": lambda: ByOutput(np.array([tensor[:, k, :, k] for k in range(q)])),
            "across": lambda: AcrossOutputs(tensor),
        }[kind]()
    m = len(tensor)
    linear = quadratic.times(rng.standard_normal((m, q)))
    alpha = 10 ** rng.uniform(-5, 0) * np.linalg.norm(linear, axis=1).max()
    coef = solve_quadratic_groups(quadratic, linear, alpha, np.zeros((m, q)))
    gradient = np.einsum("jakb,kb->ja", tensor, coef) - linear
    length = np.linalg.norm(coef, axis=1)
    used = length > 0
    noise = 100 * np.finfo(float).eps * np.abs(tensor).max() * np.abs(coef).sum()
    allowed = 1e-7 * alpha + noise
    assert np.all(np.linalg.norm(gradient[~used], axis=1) <= alpha + allowed)
    assert_allclose(gradient[used], -alpha * coef[used] / length[used, None], rtol=0, atol=allowed)


def test_without_columns_there_are_no_coefficients():
    empty = ByOutput(np.empty((3, 0, 0)))
    found = solve_quadratic_groups(empty, np.empty((0, 3)), 1.0, np.empty((0, 3)))
    assert_array_equal(found, np.empty((0, 3)))


# --- the restricted problem without its Hessian -------------------------------------------------


@pytest.mark.parametrize("loss", [Multinomial(), SquaredHinge()])
def test_curvatures_are_applied_averaged_and_summed_as_full_matrices(loss):
    rng = np.random.default_rng(0)
    n, q = 12, 5
    target = np.eye(q)[rng.integers(0, q, n)]
    prediction, direction = rng.standard_normal((2, n, q)) * 2
    weight = rng.random(n)
    curvature = loss.curvature(prediction, target, weight)
    if curvature.ndim == 2:
        curvature = curvature[:, :, None] * np.eye(q)
    image = loss.curvature_operator(prediction, target, weight)(direction)
    assert_allclose(image, np.einsum("iab,ib->ia", curvature, direction), atol=1e-12)
    mean = np.trace(curvature, axis1=1, axis2=2) / q
    assert_allclose(loss.mean_curvature(prediction, target, weight), mean, rtol=1e-12)
    total = loss.total_curvature(prediction, target, weight)
    total = np.diag(total) if total.ndim == 1 else total
    assert_allclose(total, curvature.sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("loss", [Multinomial(), SquaredHinge()])
@pytest.mark.parametrize("alpha", [1e-1, 1e-2, 1e-3])
def test_large_problems_end_where_small_ones_do(loss, alpha):
    """Truncated Newton steps beside Newton steps with the whole Hessian, dependent columns too."""
    rng = np.random.default_rng(1)
    n, m, q = 60, 30, 4
    x = rng.standard_normal((n, 3))
    normals = rng.standard_normal((m // 2, 3))
    activations = np.maximum(np.concatenate([normals, -normals]) @ x.T, 0.0)
    target = np.eye(q)[np.argmax(x @ rng.standard_normal((3, q)), axis=1)]
    weight = np.full(n, 1 / n)
    problem = ProximalNewton(loss, table(target, weight))
    columns = problem.extend(problem.no_columns(), KeptActivations(activations))
    start, constant = np.zeros((m, q)), loss.constant_model(target, weight)
    exact = problem.solve(columns, alpha, start, constant)
    least = problem.objective(exact.predicted, exact.coef, alpha)
    for accuracy in (1e-2, 1e-5, 1e-9):
        rough = solved_without_hessian(Point(problem, columns, alpha, start, constant), accuracy)
        above = rough.objective - least
        assert -1e-12 <= above <= accuracy


def test_steps_that_bring_little_of_the_accuracy_end(monkeypatch):
    """Near the optimum of a loss and far from its dual point; nothing is asked of that."""
    rng = np.random.default_rng(3)
    n, m, q = 120, 60, 3
    x = rng.standard_normal((n, 3))
    activations = np.maximum(rng.standard_normal((m, 3)) @ x.T, 0.0)
    target = np.eye(q)[np.argmax(x @ rng.standard_normal((3, q)), axis=1)]
    problem = ProximalNewton(Multinomial(), table(target, np.full(n, 1 / n)))
    columns = problem.extend(problem.no_columns(), KeptActivations(activations))
    constant = Multinomial().constant_model(target, np.full(n, 1 / n))
    start = Point(problem, columns, 1e-4, np.zeros((m, q)), constant)
    monkeypatch.setattr(truncated, "_gap", lambda point: np.inf)
    levelled_step, points = truncated._levelled_step, []

    def traced(point, accuracy):
        points.append(point)
        return levelled_step(point, accuracy)

    monkeypatch.setattr(truncated, "_levelled_step", traced)
    least = solved_without_hessian(start, 0.0).objective
    n_pairs_of_all = len(points)
    points.clear()
    accuracy = 1e-3
    end = solved_without_hessian(start, accuracy)
    assert 0 <= end.objective - least <= accuracy
    assert len(points) < n_pairs_of_all
    gains = -np.diff([point.objective for point in [*points, end]])
    assert (gains[-2:] <= truncated.LITTLE * accuracy).all()
    assert gains[-3] > truncated.LITTLE * accuracy


@pytest.mark.parametrize("little", [truncated.LITTLE, 1e6])
def test_a_fit_without_the_hessian_reaches_its_tolerance(monkeypatch, little):
    """Columns that violate by less than the precision of a step must enter all the same.

    However soon steps on the same columns end.
    """
    monkeypatch.setattr(newton, "LARGEST_HESSIAN", 0)
    monkeypatch.setattr(truncated, "LITTLE", little)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(250, 2))
    noise = rng.gumbel(size=(250, 6))
    labels = np.argmax(np.sin(2 * X) @ rng.normal(size=(2, 6)) + noise, axis=1)
    for tol in (1e-4, 1e-6):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            model = WedgeReLUClassifier(3e-3, tol=tol).fit(X, labels)
        assert model.certificate_.exact
        assert model.certificate_.gap <= tol * np.log(6)
