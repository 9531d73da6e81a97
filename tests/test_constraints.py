"""Interaction and monotone constraints against the enumerated, filtered class of neurons."""

from itertools import combinations

import numpy as np
import pytest
from in_memory import KeptActivations, table
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    Dictionary,
    awkward_tables,
    canonical,
    every_neuron,
    in_a_group,
    l1_objective,
    of_class,
    optimum,
    random_dual,
    random_neurons,
    signed_values,
)
from test_restricted import ALPHAS, DEPENDENT, dependent_columns, largest_alpha, restricted_problem
from test_solvers import log_loss_optimum

from sklearn_wedge._core.kernels.active_set import line_search
from sklearn_wedge._core.losses import LogLoss, SquaredError
from sklearn_wedge._core.network import network_of
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing import Pricing, SearchBudget, n_pencils
from sklearn_wedge._core.pricing.ascent import _sparse_unit
from sklearn_wedge._core.pricing.binned import BinnedPairs
from sklearn_wedge._core.pricing.candidates import evaluate
from sklearn_wedge._core.pricing.pencils import Hyperplanes, PointTable
from sklearn_wedge._core.pricing.search import local_moves
from sklearn_wedge._core.pricing.starts import varied_directions
from sklearn_wedge._core.pricing.sweep import sweep
from sklearn_wedge._core.restricted import independent_support
from sklearn_wedge._core.restricted import restricted_problem as solver_of
from sklearn_wedge._core.restricted.active_set import solve_quadratic_l1
from sklearn_wedge._core.stopping import StoppingRule
from sklearn_wedge._core.warm_path import solve_path
from sklearn_wedge._settings.constraints import (
    interaction_groups,
    limited_order,
    monotone_directions,
)
from sklearn_wedge._settings.options import FitOptions, certifies, scope
from sklearn_wedge._training.problems import build_problem

pytestmark = pytest.mark.newest

TABLES = awkward_tables()
on_every_table = pytest.mark.parametrize("table", TABLES)


def random_groups(rng, n_inputs):
    """Overlapping groups; now and then an input is in none."""
    sizes = rng.integers(1, n_inputs + 1, size=rng.integers(1, 4))
    return tuple(tuple(sorted(rng.permutation(n_inputs)[:size].tolist())) for size in sizes)


def random_directions(rng, n_inputs):
    return tuple(rng.integers(-1, 2, size=n_inputs).tolist())


def constrained_problems(name):
    """Points, class, dual point of one output: groups, directions, and both at once."""
    points = TABLES[name]
    n, d = points.shape
    rng = np.random.default_rng(len(name))
    for order in range(1, d + 1):
        for kind in ("normal", "integer"):
            groups, monotone = random_groups(rng, d), random_directions(rng, d)
            for constraints in ((groups, None), (None, monotone), (groups, monotone)):
                dual = random_dual(rng, n, 1, kind)
                yield points, NeuronClass(order, "l1", False, *constraints), dual


def enumerated(points, neuron_class):
    neurons = every_neuron(points, neuron_class.order)
    return of_class(neurons, neuron_class.groups, neuron_class.monotone)


def largest_value(points, neuron_class, dual):
    neurons, signs = enumerated(points, neuron_class)
    return signed_values(neurons.activations(points) @ dual, signs).max(initial=0.0)


def value_size(points, dual):
    return np.abs(dual).sum() * np.abs(points).max()


def unpacked(neurons, n_inputs):
    return Dictionary(neurons.weight_matrix(n_inputs).T, neurons.offsets)


def assert_allowed_with_their_values(points, neuron_class, priced, dual):
    """Neurons of the class, and the signed values that they have."""
    neurons = unpacked(priced.neurons, points.shape[1])
    allowed, signs = of_class(neurons, neuron_class.groups, neuron_class.monotone)
    assert len(allowed) == len(neurons)
    assert_array_equal(neuron_class.coefficient_signs(priced.neurons), signs)
    values = signed_values(neurons.activations(points) @ dual, signs)
    assert_allclose(priced.values, values, rtol=0, atol=1e-12 * value_size(points, dual))


# --- exact pricing ------------------------------------------------------------------------------


@on_every_table
def test_the_bound_is_the_maximum_over_the_constrained_class(table):
    for points, neuron_class, dual in constrained_problems(table):
        priced = Pricing(points, neuron_class).price_exactly(dual)
        maximum = largest_value(points, neuron_class, dual)
        rounding = 1e-12 * value_size(points, dual)
        assert_allclose(priced.bound, maximum, rtol=1e-9, atol=rounding, err_msg=str(neuron_class))
        assert_allclose(priced.values.max(initial=0.0), maximum, rtol=1e-9, atol=rounding)
        assert_allowed_with_their_values(points, neuron_class, priced, dual)


@pytest.mark.parametrize("seed", range(10))
def test_random_neurons_of_the_constrained_class_meet_the_bound(seed):
    rng = np.random.default_rng(seed)
    points = canonical(rng.standard_normal((12, 4)))
    dual = random_dual(rng, 12, 1)
    groups, monotone = ((0, 1, 2), (1, 3), (2, 3)), random_directions(rng, 4)
    for constraints in ((groups, None), (None, monotone), (groups, monotone)):
        neuron_class = NeuronClass(3, "l1", False, *constraints)
        neurons = random_neurons(rng, points, 3, 30_000)
        if constraints[1] is not None:  # make every neuron rise or fall as it must
            fixed = np.abs(neurons.weights) * rng.choice([-1, 1], size=(len(neurons), 1)) * monotone
            weights = np.where(np.array(monotone) == 0, neurons.weights, fixed)
            pivots = points[rng.integers(12, size=len(neurons))]
            neurons = Dictionary(weights, -np.einsum("md,md->m", weights, pivots))
        neurons, signs = of_class(neurons, *constraints)
        assert len(neurons) > 1000
        values = signed_values(neurons.activations(points) @ dual, signs)
        bound = Pricing(points, neuron_class).price_exactly(dual).bound
        assert values.max() <= bound * (1 + 1e-12)


def test_a_target_that_goes_the_wrong_way_has_no_value():
    """A falling dual point of one input, where only rising neurons are allowed."""
    points = np.arange(-3.0, 4.0)[:, None]
    for direction, value in ((1, 0.0), (-1, 28.0), (0, 28.0)):
        pricing = Pricing(points, NeuronClass(1, monotone=(direction,)))
        assert pricing.price_exactly(-points).bound == value


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_group_of_all_inputs_and_directions_of_zero_change_nothing(order):
    rng = np.random.default_rng(order)
    points, dual = TABLES["generic 3 inputs"], random_dual(rng, 8, 1)
    free = Pricing(points, NeuronClass(order)).price_exactly(dual)
    for constraints in (
        {"groups": ((0, 1, 2),)},
        {"monotone": (0, 0, 0)},
        {"groups": ((0, 1, 2), (0, 1)), "monotone": (0, 0, 0)},
    ):
        priced = Pricing(points, NeuronClass(order, **constraints)).price_exactly(dual)
        assert priced.bound == free.bound
        assert_array_equal(priced.values, free.values)
        assert_array_equal(priced.neurons.weights, free.neurons.weights)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_groups_give_the_bound_of_the_best_group_alone(norm):
    rng = np.random.default_rng(0)
    points, groups = canonical(rng.standard_normal((15, 5))), ((0, 3), (1, 2, 4), (2, 3))
    dual = random_dual(rng, 15, 2)
    bound = Pricing(points, NeuronClass(2, norm, groups=groups)).price_exactly(dual).bound
    alone = []
    for group in map(list, groups):
        order = np.lexsort(points[:, group].T[::-1])
        inside = np.ascontiguousarray(points[np.ix_(order, group)])
        alone.append(Pricing(inside, NeuronClass(2, norm)).price_exactly(dual[order]).bound)
    assert_allclose(bound, max(alone), rtol=1e-12)


# --- counts and options -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "groups", [((0, 1, 2), (3, 4)), ((0, 1, 2), (1, 2, 3), (4,)), ((0,), (1,)), ((0, 1), (0, 1, 2))]
)
def test_pencils_are_counted_that_are_priced(groups):
    """It decides whether a fit is certified."""
    for order in range(1, 5):
        neuron_class = NeuronClass(order, groups=groups)
        expected = 0
        for s in range(1, order + 1):
            sets = {chosen for group in groups for chosen in combinations(group, s)}
            assert list(neuron_class.input_sets(range(5), s)) == sorted(sets)
            expected += len(sets) * len(list(combinations(range(7), s - 1)))
        assert n_pencils(7, 5, neuron_class) == expected


def test_pencils_of_hundreds_of_inputs_are_counted_without_enumeration():
    """Were it not for the shortcuts, this would not end."""
    apart = NeuronClass(6, groups=(tuple(range(200)), tuple(range(200, 400))))
    together = NeuronClass(6, groups=(tuple(range(390)), tuple(range(10, 400))))
    free = NeuronClass(6)
    assert n_pencils(50, 400, apart) < n_pencils(50, 400, together) <= n_pencils(50, 400, free)


def test_groups_bring_a_certificate_within_reach():
    groups = tuple((2 * k, 2 * k + 1) for k in range(100))
    options = FitOptions(interaction_order=None, groups=groups)
    neuron_class = options.neuron_class(200, wedge=False)
    assert neuron_class == NeuronClass(2, groups=groups)
    assert certifies(options, neuron_class, 1000, 200)
    assert not certifies(FitOptions(), NeuronClass(2), 1000, 200)


def test_the_scope_of_a_certificate_names_the_constraints():
    constrained = NeuronClass(2, groups=((0, 1), (2,)), monotone=(1, 0, 0))
    words = scope(constrained, 3, True)
    assert words.endswith("interaction groups, every neuron monotone as constrained")
    assert "group" not in scope(NeuronClass(2), 3, True)
    assert "monotone" not in scope(NeuronClass(2), 3, True)


# --- proposals ----------------------------------------------------------------------------------


@on_every_table
def test_the_search_proposes_allowed_neurons_only(table):
    for points, neuron_class, dual in constrained_problems(table):
        pricing = Pricing(points, neuron_class)
        bound, around = pricing.price_exactly(dual).bound, Neurons.empty(pricing.order)
        for round_number in range(2):
            found = pricing.propose(dual, around, round_number, everywhere=round_number == 0)
            assert_allowed_with_their_values(points, neuron_class, found, dual)
            assert found.bound <= bound * (1 + 1e-9) + 1e-12 * value_size(points, dual)
            around = found.neurons.take(np.arange(len(found.neurons))[:10])


@pytest.mark.parametrize("seed", range(3))
def test_the_search_finds_an_obvious_neuron_of_the_constrained_class(seed):
    rng = np.random.default_rng(seed)
    points = canonical(rng.standard_normal((60, 6)))
    hidden = np.maximum(points @ [0.4, 0.3, 0.0, 0.3, 0.0, 0.0] + 0.1, 0.0)
    dual = (hidden - hidden.mean())[:, None] / len(points)
    groups = ((0, 1, 3), (2, 4, 5), (1, 2))
    for monotone in (None, (1, 0, 0, 1, -1, 0), (-1, 1, 0, 0, 0, 0)):
        pricing = Pricing(points, NeuronClass(3, groups=groups, monotone=monotone))
        first = pricing.propose(dual, Neurons.empty(3), 0, everywhere=True)
        second = pricing.propose(dual, first.neurons.take(np.arange(10)), 1, everywhere=True)
        assert second.bound >= 0.98 * pricing.price_exactly(dual).bound


def test_sweeping_cells_of_many_points_proposes_what_is_allowed():
    rng = np.random.default_rng(0)
    points = canonical(rng.standard_normal((SearchBudget().cells_from + 1, 4)))
    hidden = np.maximum(0.6 * points[:, 0] - 0.4 * points[:, 2], 0.0)
    dual = (hidden - hidden.mean())[:, None] / len(points)
    for constraints in (((0, 2), (1, 3)), (1, 0, -1, 0)), (None, (1, 0, 1, -1)):
        neuron_class = NeuronClass(2, "l1", False, *constraints)
        pricing = Pricing(points, neuron_class)
        first = pricing.propose(dual, Neurons.empty(2), 0, everywhere=False)
        second = pricing.propose(dual, first.neurons.take(np.arange(9)), 1, everywhere=False)
        for found in (first, second):
            assert_allowed_with_their_values(points, neuron_class, found, dual)
        hinges = Pricing(points, NeuronClass(1, "l1", False, *constraints)).price_exactly(dual)
        assert second.bound >= hinges.bound * (1 - 1e-12)


def test_a_move_adds_inputs_of_the_same_group_only():
    neurons = Neurons.unbounded(
        np.array([[0, -1, -1], [1, 2, -1]]),
        np.array([[1.0, 0, 0], [0.5, 0.5, 0]]),
        np.zeros(2),
        np.array([[4, -1, -1], [1, 2, -1]]),
    )
    neuron_class = NeuronClass(3, groups=((0, 1), (1, 2, 3), (4,)))
    moves = local_moves(neurons, neuron_class, np.arange(5))
    inputs = {tuple(map(int, row)) for move in moves for row in move.inputs}
    assert inputs == {(0, 1), (1, 2), (1, 2, 3)}


def test_inputs_with_poor_hinges_are_added_within_their_group():
    """The best inputs of all may be in other groups."""
    groups = tuple((2 * k, 2 * k + 1) for k in range(30))
    pricing = Pricing(
        np.random.default_rng(0).standard_normal((5, 60)), NeuronClass(2, groups=groups)
    )
    assert_array_equal(pricing._inputs_to_add(np.arange(60.0)), np.arange(60))


def test_binned_pairs_have_the_directions_of_their_inputs():
    rng = np.random.default_rng(0)
    points = canonical(rng.standard_normal((150, 4)))
    hidden = np.maximum(0.6 * points[:, 2] - 0.4 * points[:, 3] + 0.1, 0.0)
    dual = (hidden - hidden.mean())[:, None] / len(points)
    neuron_class, table = NeuronClass(2, monotone=(-1, -1, 1, -1)), PointTable(points)
    pencils = BinnedPairs(table, neuron_class).propose(dual, np.ones(4), 0, at_most=10)
    best = sweep(table, dual, pencils, neuron_class).values.max()
    pricing = Pricing(points, neuron_class)
    bound = pricing.price_exactly(dual).bound
    assert best >= 0.85 * bound
    assert pricing.propose(dual, Neurons.empty(2), 0, everywhere=True).bound >= 0.995 * bound


def test_a_hyperplane_that_is_not_allowed_becomes_no_neuron():
    points = TABLES["generic 2 inputs"]
    pairs = np.array(list(combinations(range(len(points)), 2)))
    planes = Hyperplanes.through(np.tile([0, 1], (len(pairs), 1)), pairs, np.ones(len(pairs)))
    dual = random_dual(np.random.default_rng(0), len(points), 1)
    neuron_class = NeuronClass(2, monotone=(1, 1))
    priced = evaluate(PointTable(points), planes, dual, 100, neuron_class)
    assert 0 < len(priced.neurons) < 2 * len(pairs)
    assert_allowed_with_their_values(points, neuron_class, priced, dual)


@pytest.mark.parametrize(
    ("order", "expected"),
    [(1, [[0, 0, 0, 1], [0, 1, 0, 0]]), (2, [[0, 0, 0.6, 0.8], [0.6, 0.8, 0, 0]])],
)
def test_a_direction_is_cut_to_the_group_that_carries_most_of_it(order, expected):
    vectors = np.array([[3.5, 0.0, 3.0, 4.0], [3.0, 4.0, 1.0, 2.0]])
    neuron_class = NeuronClass(order, "l2", groups=((0, 1), (1, 2, 3)))
    assert_allclose(_sparse_unit(vectors, neuron_class), expected)


@pytest.mark.parametrize("order", [2, 3])
def test_a_climb_stays_in_its_group(order):
    rng = np.random.default_rng(order)
    points, groups = canonical(rng.standard_normal((80, 7))), ((0, 1, 2, 3), (3, 4, 5), (6,))
    dual = random_dual(rng, 80, 2)
    neuron_class = NeuronClass(order, "l2", groups=groups)
    pricing = Pricing(points, neuron_class)
    around = Neurons.empty(order)
    for round_number in range(3):
        found = pricing.propose(dual, around, round_number, everywhere=round_number == 1)
        assert in_a_group(unpacked(found.neurons, 7), groups).all()
        assert found.neurons.order.max() == order
        around = found.neurons.take(np.arange(20))
    points = np.random.default_rng(0).standard_normal((50, 7))
    found = varied_directions(points, np.empty((0, 7)), neuron_class, 64, 0)[:16]
    directions = Dictionary(found, np.zeros(16))
    assert in_a_group(directions, groups).all()
    assert np.all((directions.weights != 0).any(axis=0))


# --- the restricted problem ---------------------------------------------------------------------


def assert_signed_optimality(columns, alpha, coef, signs):
    gradient = columns.gram @ coef - columns.linear[:, 0]
    rounding = 100 * np.finfo(float).eps * np.abs(columns.gram).max() * np.abs(coef).sum()
    allowed = 1e-8 * alpha + rounding
    active = coef != 0
    size = signed_values(-gradient[:, None], signs)
    assert np.all(signs * coef >= 0)
    assert np.all(size[~active] <= alpha + allowed)
    assert_allclose(gradient[active], -alpha * np.sign(coef[active]), rtol=0, atol=allowed)


@pytest.mark.parametrize("share_free", [0.0, 0.4])
@pytest.mark.parametrize("kind", DEPENDENT)
def test_the_active_set_reaches_the_optimum_under_required_signs(kind, share_free):
    rng = np.random.default_rng(7)
    activations, target, weight = dependent_columns(kind)
    signs = rng.choice([-1, 1], size=len(activations)) * (rng.random(len(activations)) > share_free)
    columns = restricted_problem(activations, target, weight)
    coef = np.zeros(len(columns))
    for fraction in ALPHAS[1:]:
        alpha = fraction * largest_alpha(columns)
        oracle = optimum(activations, target, weight, alpha, signs)
        rounding = 1e-12 * (weight @ target**2)
        # From nothing, from the larger penalty, and from what is not allowed.
        for start in (np.zeros(len(columns)), coef, -coef):
            coef = solve_quadratic_l1(columns.gram, columns.linear[:, 0], alpha, start, signs)
            assert_signed_optimality(columns, alpha, coef, signs)
            objective = l1_objective(activations, target, weight, alpha, coef)
            assert oracle.lower - rounding <= objective <= oracle.upper + rounding


def test_a_step_stops_at_zero_where_a_sign_is_required():
    """Down a steep slope, past the first coefficient's zero at 0.5 and the second's at 0.25."""
    start, step = np.array([1.0, 1.0]), np.array([-2.0, -4.0])
    for required, length in (([0, 0], 1.0), ([1, 0], 0.5), ([1, 1], 0.25), ([0, 1], 0.25)):
        assert (
            line_search(start, step, -99.0, 0.0, 1.0, np.array(required, dtype=np.int8))[0]
            == length
        )


def test_signs_that_hold_anyway_leave_the_optimum():
    columns = restricted_problem(*dependent_columns("more columns than rows"))
    alpha = 1e-2 * largest_alpha(columns)
    free = solve_quadratic_l1(columns.gram, columns.linear[:, 0], alpha, np.zeros(len(columns)))
    none = np.zeros(len(columns), dtype=np.int8)
    again = solve_quadratic_l1(
        columns.gram, columns.linear[:, 0], alpha, np.zeros(len(columns)), none
    )
    assert_array_equal(free, again)
    signs = np.sign(free).astype(np.int8)
    kept = solve_quadratic_l1(columns.gram, columns.linear[:, 0], alpha, free, signs)
    assert_allclose(kept, free, atol=1e-9 * np.abs(free).max())


def bounds(loss, activations, target, weight, alpha, signs):
    """On the optimal objective, with the signs required."""
    of_loss = log_loss_optimum if isinstance(loss, LogLoss) else optimum
    return of_loss(activations, target, weight, alpha, signs)


@pytest.mark.parametrize("solver", ["active_set", "cvxpy"])
@pytest.mark.parametrize("loss", [SquaredError(), LogLoss()], ids=str)
@pytest.mark.parametrize("kind", ["both orientations", "copies", "whole dictionary of a grid"])
def test_solvers_keep_required_signs_and_are_optimal(kind, loss, solver):
    activations, target, weight = dependent_columns(kind, seed=3)
    target = (target > 0) * 1.0 if isinstance(loss, LogLoss) else target
    signs = np.random.default_rng(5).integers(-1, 2, size=len(activations)).astype(np.int8)
    problem = solver_of(loss, table(target[:, None], weight), solver)
    columns = problem.extend(problem.no_columns(), KeptActivations(activations), signs)
    coef, intercept = np.zeros((len(signs), 1)), loss.constant_model(target[:, None], weight)
    free = problem.extend(problem.no_columns(), KeptActivations(activations))
    for alpha in (0.05, 5e-3, 5e-4):
        for start in (coef, -coef, problem.solve(free, alpha, coef, intercept).coef):
            found = problem.solve(columns, alpha, start, intercept)
            coef, intercept = found.coef, found.intercept
            assert np.all(signs[:, None] * coef >= 0)
            reached = problem.objective(problem.predict(columns, coef, intercept), coef, alpha)
            oracle = bounds(loss, activations, target, weight, alpha, signs)
            assert oracle.lower * (1 - 1e-9) <= reached <= oracle.upper * (1 + 1e-6)


def test_columns_keep_the_signs_of_their_coefficients():
    rng = np.random.default_rng(0)
    weight, signs = np.full(9, 1 / 9), np.array([1, 0, -1, 0, 1], dtype=np.int8)
    activations, dual = rng.standard_normal((5, 9)), rng.standard_normal((9, 1))
    for loss, solver in ((SquaredError(), "auto"), (LogLoss(), "auto"), (SquaredError(), "cvxpy")):
        problem = solver_of(loss, table(np.ones((9, 1)), weight), solver)
        columns = problem.no_columns()
        for part in (slice(2), slice(2, 4), slice(4, 5)):
            columns = problem.extend(columns, KeptActivations(activations[part]), signs[part])
        assert_array_equal(columns.signs, signs)
        assert_array_equal(columns.take(np.array([4, 2])).signs, [1, -1])
        expected = signed_values(activations @ dual, signs)
        assert_allclose(columns.values(problem.products(columns, [dual])[0]), expected, rtol=1e-14)
        assert_array_equal(problem.extend(columns, KeptActivations(activations)).signs[5:], 0)


@pytest.mark.parametrize("kind", DEPENDENT)
def test_dropping_dependent_columns_turns_no_sign(kind):
    columns = restricted_problem(*dependent_columns(kind, seed=2))
    rng = np.random.default_rng(0)
    for fraction in (0.1, 1e-2, 1e-4):
        signs = rng.choice([-1, 1], size=len(columns))
        alpha = fraction * largest_alpha(columns)
        start = np.zeros(len(columns))
        coef = solve_quadratic_l1(columns.gram, columns.linear[:, 0], alpha, start, signs)
        moved = independent_support(columns.gram, coef)
        assert np.all(signs * moved >= -1e-12 * np.abs(coef).max(initial=0.0))


# --- column generation --------------------------------------------------------------------------


def data(seed, ties):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, size=(13, 3)) * 1.0 if ties else rng.standard_normal((11, 3))
    y = np.abs(X @ [1.0, -0.7, 0.4]) + X[:, 0] + 0.5 * rng.standard_normal(len(X))
    return X, y


CONSTRAINTS = {
    "groups": {"groups": ((0, 1), (1, 2))},
    "additive": {"groups": ((0,), (1,), (2,))},
    "rising": {"monotone": (1, 0, 0)},
    "all directions": {"monotone": (1, -1, 1)},
    "both": {"groups": ((0, 2), (1,)), "monotone": (1, -1, 0)},
}
on_all_constraints = pytest.mark.parametrize("constraints", CONSTRAINTS.values(), ids=CONSTRAINTS)


SQUARED = SquaredError()


def solutions(X, y, constraints, loss=SQUARED, fractions=(0.3, 0.05, 5e-3), cheap=True, **options):
    """Networks of hinges at fractions of the largest penalty, certified, and their problem."""
    fixed = {"standardize": False, "clip_quantile": None, "pricing": "exact", "ramps": False}
    options = FitOptions(3, "l1", **fixed, **options, **constraints)
    problem, sample = build_problem(X, y[:, None] * 1.0, np.ones(len(X)), options, loss)
    problem.pricing.is_cheap = problem.pricing.confirms_at_once = cheap
    constant = problem.loss.constant_model(sample.target, sample.weight)
    shape = sample.target.shape
    dual = problem.loss.dual_point(np.broadcast_to(constant, shape), sample.target, sample.weight)
    largest = problem.pricing.price_exactly(sample.sum_over_points(dual)).bound
    rule = StoppingRule(1e-8, 300)
    return list(solve_path(problem, largest * np.array(fractions), rule)), sample


def dictionary_of(X, constraints):
    neurons = every_neuron(np.unique(X, axis=0), 3)
    return of_class(neurons, constraints.get("groups"), constraints.get("monotone"))


@pytest.mark.parametrize("cheap", [True, False], ids=["priced exactly", "searched first"])
@pytest.mark.parametrize("ties", [False, True], ids=["generic", "ties"])
@on_all_constraints
def test_the_constrained_fit_is_optimal_and_its_bound_holds(constraints, ties, cheap):
    for seed in range(3):
        X, y = data(seed, ties)
        neurons, signs = dictionary_of(X, constraints)
        scale = np.var(y)
        for reached in solutions(X, y, constraints, cheap=cheap)[0]:
            oracle = optimum(neurons.activations(X), y, np.ones(len(y)), reached.alpha, signs)
            certificate = reached.certificate
            assert certificate.exact
            assert reached.converged
            assert_allclose(certificate.objective, oracle.upper, rtol=1e-6)
            assert certificate.objective >= oracle.lower - 1e-11 * scale
            assert certificate.lower_bound <= oracle.upper + 1e-11 * scale
            bounds = [r.lower_bound for r in reached.history]
            assert max(bounds) <= oracle.upper + 1e-11 * scale


@on_all_constraints
def test_the_constrained_log_loss_is_optimal_and_its_bound_holds(constraints):
    for ties in (False, True):
        X, y = data(1, ties)
        y = (y > np.median(y)) * 1.0
        neurons, signs = dictionary_of(X, constraints)
        weight = np.full(len(y), 1 / len(y))
        for reached in solutions(X, y, constraints, LogLoss())[0]:
            oracle = bounds(LogLoss(), neurons.activations(X), y, weight, reached.alpha, signs)
            certificate = reached.certificate
            assert oracle.lower * (1 - 1e-10) <= certificate.objective
            assert_allclose(certificate.objective, oracle.upper, rtol=1e-6)
            assert max(r.lower_bound for r in reached.history) <= oracle.upper * (1 + 1e-10)


@on_all_constraints
def test_with_cvxpy_the_constrained_fit_is_optimal(constraints):
    X, y = data(0, True)
    neurons, signs = dictionary_of(X, constraints)
    for reached in solutions(X, y, constraints, solver="cvxpy", fractions=(0.1, 0.01))[0]:
        oracle = optimum(neurons.activations(X), y, np.ones(len(y)), reached.alpha, signs)
        assert_allclose(reached.certificate.objective, oracle.upper, rtol=2e-6)
        assert reached.certificate.lower_bound <= oracle.upper * (1 + 1e-9)
        allowed = of_class(unpacked(reached.neurons, 3), None, constraints.get("monotone"))[1]
        assert np.all(allowed[:, None] * reached.coef >= 0)


@pytest.mark.parametrize("solver", ["active_set", "cvxpy"])
@pytest.mark.parametrize("loss", [SquaredError(), LogLoss()], ids=str)
def test_a_network_follows_its_directions(loss, solver):
    rng = np.random.default_rng(0)
    monotone = np.array([1, -1, 0])
    X = rng.standard_normal((40, 3))
    y = np.sin(3 * X[:, 0]) + X[:, 1] + X[:, 2] ** 2
    y = (y > 0) * 1.0 if isinstance(loss, LogLoss) else y
    reached, sample = solutions(
        X, y, {"monotone": tuple(monotone.tolist())}, loss, (0.1, 1e-3), solver=solver
    )
    low = 3 * rng.standard_normal((20_000, 3))
    # By steps in constrained inputs alone, some of them tiny.
    size = np.abs(rng.standard_normal(low.shape)) * 10.0 ** rng.integers(-8, 1, size=(20_000, 1))
    high = low + monotone * size
    for solution in reached:
        network = network_of(solution, sample)
        below, above = network.predict(low), network.predict(high)
        assert np.all(above >= below - 1e-13 * np.abs(below).max())
    assert np.any(above > below + 0.1)


@on_all_constraints
def test_a_network_combines_inputs_of_one_group_only(constraints):
    groups = constraints.get("groups", ((0, 1, 2),))
    X, y = data(2, False)
    for reached in solutions(X, y, constraints)[0]:
        assert in_a_group(unpacked(reached.neurons, 3), groups).all()


def test_a_target_that_falls_gets_no_rising_neurons():
    X = np.linspace(-1, 1, 12)[:, None]
    options = FitOptions(standardize=False, clip_quantile=None, monotone=(1,))
    problem, _ = build_problem(X, -X[:, :1], np.ones(12), options, SquaredError())
    (reached,) = solve_path(problem, np.array([1e-3]), StoppingRule(1e-8, 50))
    assert len(reached.neurons) == 0
    assert reached.converged
    assert_allclose(reached.certificate.gap, 0.0, atol=1e-15)


# --- what users write ---------------------------------------------------------------------------

NAMES = ["age", "height", "size", "weight"]


@pytest.mark.parametrize(
    ("written", "names", "expected"),
    [
        (None, None, None),
        ([1, 0, -1, 0], None, (1, 0, -1, 0)),
        (np.array([1.0, 0.0, -1.0, 0.0]), None, (1, 0, -1, 0)),
        ((0, 0, 0, 0), None, None),
        ({"size": -1, "age": 1}, NAMES, (1, 0, -1, 0)),
        ({"size": 0}, NAMES, None),
        ({}, NAMES, None),
    ],
    ids=str,
)
def test_directions_are_those_written(written, names, expected):
    assert monotone_directions(written, 4, names) == expected


@pytest.mark.parametrize(
    ("written", "names", "message"),
    [
        ([1, 0], None, "has 2 entries, but X has 4 columns"),
        ([1, 0, 2, 0], None, "has 2 for column 2"),
        ([1, 0, np.nan, 0], None, "has nan for column 2"),
        ([1, 0, "1", 0], None, "has '1' for column 2"),
        ([[1, 0, 0, 0]], None, "one-dimensional"),
        ("pos", None, "one-dimensional"),
        (1, None, "one-dimensional"),
        ({1, -1, 0}, None, "one-dimensional"),
        ({"age": 1}, None, "X has no feature names"),
        ({"age": 1, "hight": 1}, NAMES, "does not have: 'hight'"),
        (dict.fromkeys("abcdefg", 1), NAMES, "'e' and 2 more"),
        ({"age": 3}, NAMES, r"monotonic_cst\['age'\] is 3"),
    ],
    ids=str,
)
def test_malformed_directions_are_explained(written, names, message):
    with pytest.raises(ValueError, match=message):
        monotone_directions(written, 4, names)


@pytest.mark.parametrize(
    ("written", "names", "expected"),
    [
        (None, None, None),
        ("pairwise", None, None),
        ("no_interactions", None, ((0,), (1,), (2,), (3,))),
        ([{0, 1}], None, ((0, 1), (2, 3))),
        ([(2, 1), [3, 1]], None, ((0,), (1, 2), (1, 3))),
        ([(3, 2), (2, 3), (2,), (0, 1)], None, ((0, 1), (2, 3))),
        ([["weight", "age"], (1, "size")], NAMES, ((0, 3), (1, 2))),
        (np.array([[0, 3]]), None, ((0, 3), (1, 2))),
        ([range(4), (0, 1)], None, None),
        ([], None, None),
        pytest.param(iter([(0, 1)]), None, ((0, 1), (2, 3)), id="iterator"),
    ],
    ids=str,
)
def test_groups_are_those_written(written, names, expected):
    assert interaction_groups(written, 4, names) == expected


@pytest.mark.parametrize(
    ("written", "names", "message"),
    [
        ("none", None, "'pairwise', 'no_interactions' or a sequence"),
        (3, None, "'pairwise', 'no_interactions' or a sequence"),
        ({"age": 1}, NAMES, "'pairwise', 'no_interactions' or a sequence"),
        ([0, 1], None, r"interaction_cst\[0\] is 0; each group must be"),
        (["age"], NAMES, r"interaction_cst\[0\] is 'age'; each group must be"),
        ([(0, 1), ()], None, r"interaction_cst\[1\] is an empty group"),
        ([(0, 4)], None, "has column 4, but X has columns 0 to 3"),
        ([(0, -1)], None, "has column -1"),
        ([(0, 1.0)], None, "has 1.0; it must list"),
        ([(True, False)], None, "has True; it must list"),
        ([("age",)], None, "X has no feature names"),
        ([("age", "wait")], NAMES, "does not have: 'wait'"),
    ],
    ids=str,
)
def test_malformed_groups_are_explained(written, names, message):
    with pytest.raises(ValueError, match=message):
        interaction_groups(written, 4, names)


def test_pairwise_interactions_are_of_order_2():
    assert [limited_order("pairwise", order) for order in (None, 1, 2, 3)] == [2, 1, 2, 2]
    assert [limited_order([(0, 1)], order) for order in (None, 3)] == [None, 3]
    assert limited_order(None, 3) == limited_order("no_interactions", 3) == 3
