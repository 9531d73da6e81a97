"""Pricing against enumeration: right values, on neurons that exist, and none better left out."""

from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    Dictionary,
    awkward_tables,
    canonical,
    every_neuron,
    normals_through,
    random_dual,
    random_neurons,
)

from sklearn_wedge._core.neurons import NeuronClass, Neurons, length
from sklearn_wedge._core.pricing import Pricing, SearchBudget, diverse, diverse_neurons, n_pencils
from sklearn_wedge._core.pricing.binned import BinnedPairs, fan_of
from sklearn_wedge._core.pricing.candidates import evaluate
from sklearn_wedge._core.pricing.coarse import sweep_cells
from sklearn_wedge._core.pricing.grids import Grids
from sklearn_wedge._core.pricing.hinges import price_hinges
from sklearn_wedge._core.pricing.pencils import Pencils, PointTable
from sklearn_wedge._core.pricing.search import (
    add_an_input,
    drop_an_input,
    local_moves,
    replace_a_point,
)
from sklearn_wedge._core.pricing.sweep import sweep

pytestmark = pytest.mark.newest

TABLES = awkward_tables()
DUALS = [(1, "normal"), (2, "sparse"), (3, "integer"), (1, "integer")]

on_every_table = pytest.mark.parametrize("table", TABLES)


@cache
def problems(name):
    """Points, order, dual point: every order, one to three outputs, three kinds of duals."""
    points = TABLES[name]
    return [
        (points, order, random_dual(np.random.default_rng(seed), len(points), q, kind))
        for order in range(1, points.shape[1] + 1)
        for seed, (q, kind) in enumerate(DUALS)
    ]


@cache
def priced_exactly(name):
    """The problems of a table, each with what exact pricing finds."""
    return [
        (points, order, dual, Pricing(points, NeuronClass(order)).price_exactly(dual))
        for points, order, dual in problems(name)
    ]


def value_size(points, dual, dictionary):
    """``Σ|v|`` × the largest activation: what rounding of a value is relative to.

    A hyperplane that contains all points has no activation but that left by rounding.
    """
    largest = dictionary.activations(points).max(initial=0.0)
    return np.abs(dual).sum() * max(largest, 0.1 * np.abs(points).max())


def as_dictionary(neurons, n_inputs):
    """The same neurons, unpacked entry by entry."""
    weights = np.zeros((len(neurons), n_inputs))
    for row, (inputs, values) in enumerate(zip(neurons.inputs, neurons.weights, strict=True)):
        for k, value in zip(inputs, values, strict=True):
            if k >= 0:
                weights[row, k] += value
    return Dictionary(weights, neurons.offsets)


def named_planes(points, planes):
    """Hyperplanes by the points and inputs that they name, through our own minors."""
    weights = np.zeros((len(planes), points.shape[1]))
    offsets = np.zeros(len(planes))
    for row, (inputs, corners) in enumerate(zip(planes.inputs, planes.points, strict=True)):
        inputs, corners = inputs[inputs >= 0], corners[corners >= 0]
        assert len(inputs) == len(corners) > 0
        normal, defined = normals_through(points[np.ix_(corners, inputs)][None])
        assert defined[0], f"points {corners} span no hyperplane in inputs {inputs}"
        weights[row, inputs] = normal[0]
        offsets[row] = -normal[0] @ points[corners[0], inputs]
    return Dictionary(weights, offsets)


def assert_planes_have_their_values(points, planes, dual):
    found = named_planes(points, planes)
    values = found.both_orientations().values(points, dual).reshape(2, -1).max(axis=0)
    size = value_size(points, dual, found.both_orientations())
    assert_allclose(planes.values, values, rtol=0, atol=1e-12 * size)


def assert_same_answer(one, other):
    """Bit for bit."""
    assert one.bound == other.bound
    assert_array_equal(one.values, other.values)
    for name in ("inputs", "weights", "offsets", "points"):
        assert_array_equal(getattr(one.neurons, name), getattr(other.neurons, name))


def assert_neurons_have_their_values(points, priced, dual):
    found = as_dictionary(priced.neurons, points.shape[1])
    size = value_size(points, dual, found)
    assert_allclose(priced.values, found.values(points, dual), rtol=0, atol=1e-12 * size)


def assert_valid(points, neurons, order):
    """Unit norm, at most ``order`` inputs, and through the points named."""
    for inputs, weights, offset, corners in zip(
        neurons.inputs, neurons.weights, neurons.offsets, neurons.points, strict=True
    ):
        used, named = inputs[inputs >= 0], corners[corners >= 0]
        assert 1 <= len(used) <= order
        assert np.all(np.diff(used) > 0)
        assert_array_equal(weights[inputs < 0], 0.0)
        assert_allclose(np.abs(weights).sum(), 1.0, rtol=1e-13)
        assert len(set(named)) == len(named) == len(used)
        reach = points[np.ix_(named, used)] @ weights[inputs >= 0] + offset
        assert_allclose(reach, 0.0, atol=1e-13 * max(np.abs(points).max(), 1e-300) * order)


def propose(pricing, dual, around=None, round_number=0):
    """The search at its most thorough."""
    around = Neurons.empty(pricing.order) if around is None else around
    return pricing.propose(dual, around, round_number, everywhere=True)


def all_pencils(n_points, n_inputs, order):
    """Every pencil of one order, as a sweep takes them."""
    inputs = np.array(list(combinations(range(n_inputs), order)))
    corners = np.array(list(combinations(range(n_points), order - 1)))
    return Pencils(
        np.repeat(inputs, len(corners), axis=0).astype(np.intp),
        np.tile(corners, (len(inputs), 1)).astype(np.intp),
    )


# --- the oracle itself --------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d", "count"), [(12, 1, 24), (10, 2, 130), (8, 3, 328), (7, 4, 658)])
def test_enumeration_has_the_number_of_neurons_of_the_theorem(n, d, count):
    points = np.random.default_rng(n).standard_normal((n, d))
    neurons = every_neuron(points, d)
    assert len(neurons) == count == 2 * (comb(n + d, d) - 1)
    rounded = np.round(np.column_stack([neurons.weights, neurons.offsets]), 9) + 0.0
    assert len(np.unique(rounded, axis=0)) == count


@pytest.mark.parametrize(("n", "d", "order"), [(12, 1, 1), (9, 3, 1), (9, 3, 2), (7, 4, 4)])
def test_number_of_pencils_counts_the_pencils(n, d, order):
    """It decides whether a fit is certified."""
    counted = sum(len(all_pencils(n, d, s)) for s in range(1, order + 1))
    assert n_pencils(n, d, NeuronClass(order)) == counted


# --- reported values are those of neurons -------------------------------------------------------


@on_every_table
def test_no_sweep_reports_a_value_that_its_hyperplane_does_not_have(table):
    for points, order, dual in problems(table):
        if 2 <= order <= len(points):
            planes = sweep(
                PointTable(points), dual, all_pencils(*points.shape, order), NeuronClass(order)
            )
            assert_planes_have_their_values(points, planes, dual)


@on_every_table
def test_no_hinge_has_a_value_of_its_own(table):
    for points, order, dual in problems(table):
        if order == 1:
            planes = price_hinges(PointTable(points), dual, 5, NeuronClass(1))
            assert_planes_have_their_values(points, planes, dual)


@on_every_table
def test_exact_pricing_returns_neurons_with_their_values(table):
    for points, _, dual, priced in priced_exactly(table):
        assert_neurons_have_their_values(points, priced, dual)


@on_every_table
def test_search_returns_neurons_with_their_values_none_beyond_the_whole_class(table):
    for points, order, dual, exact in priced_exactly(table):
        pricing = Pricing(points, NeuronClass(order))
        found = propose(pricing, dual, exact.neurons.take(np.arange(len(exact.values))[:3]), 1)
        assert_neurons_have_their_values(points, found, dual)
        assert_valid(points, found.neurons, order)
        size = value_size(points, dual, every_neuron(points, order))
        assert found.bound <= exact.bound + 1e-12 * size
        assert found.bound >= found.values.max(initial=0.0)


@on_every_table
def test_a_binned_sweep_proposes_pencils(table):
    points = TABLES[table]
    pairs = BinnedPairs(PointTable(points), NeuronClass(2))
    for seed, (q, kind) in enumerate(DUALS):
        dual = random_dual(np.random.default_rng(seed), len(points), q, kind)
        pencils = pairs.propose(dual, np.ones(points.shape[1]), seed, at_most=20)
        assert len(pencils) <= 20
        assert np.all(pencils.inputs[:, 0] < pencils.inputs[:, 1])
        assert np.isin(pencils.inputs, PointTable(points).varying_inputs()).all()
        assert np.all((pencils.points >= 0) & (pencils.points < len(points)))


# --- nothing better is left out -----------------------------------------------------------------


@on_every_table
def test_the_bound_is_the_maximum_over_the_class(table):
    dictionaries = {}
    for points, order, dual, priced in priced_exactly(table):
        neurons = dictionaries.setdefault(order, every_neuron(points, order))
        maximum = neurons.values(points, dual).max(initial=0.0)
        rounding = 1e-13 * value_size(points, dual, neurons)
        assert_allclose(priced.bound, maximum, rtol=1e-10, atol=rounding, err_msg=f"order {order}")


@on_every_table
def test_the_best_neuron_attains_the_bound(table):
    for points, _, dual, priced in priced_exactly(table):
        if priced.bound > 1e-12 * np.abs(dual).sum() * np.abs(points).max():
            assert_allclose(priced.values[0], priced.bound, rtol=1e-10)
            assert np.all(priced.values <= priced.values[0] * (1 + 1e-8))


@on_every_table
def test_random_neurons_stay_within_the_bound(table):
    """Neurons of the class, not only the extreme ones that the theorem names."""
    points = TABLES[table]
    rng = np.random.default_rng(3)
    for order in range(1, points.shape[1] + 1):
        neurons = random_neurons(rng, points, order, 10_000)
        dual = random_dual(rng, len(points), order % 3 + 1)
        bound = Pricing(points, NeuronClass(order)).price_exactly(dual).bound
        rounding = 1e-14 * value_size(points, dual, neurons)
        assert neurons.values(points, dual).max() <= bound * (1 + 1e-9) + rounding


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_ties_of_any_pattern_leave_the_maximum(data):
    n, d, q = (data.draw(st.integers(1, high)) for high in (8, 3, 2))
    coordinates = data.draw(arrays(float, (n, d), elements=st.integers(-2, 2).map(float)))
    points = np.unique(coordinates, axis=0)  # not centred: centring would round
    shape = (len(points), q)
    dual = data.draw(arrays(float, shape, elements=st.integers(-3, 3).map(float)))
    dual[-1] -= dual.sum(axis=0)
    for order in range(1, d + 1):
        neurons = every_neuron(points, order)
        maximum = neurons.values(points, dual).max(initial=0.0)
        priced = Pricing(points, NeuronClass(order)).price_exactly(dual)
        assert_allclose(priced.bound, maximum, rtol=1e-10, atol=1e-12)
        assert_neurons_have_their_values(points, priced, dual)
        assert_valid(points, priced.neurons, order)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(-40, 40))
def test_the_unit_of_the_inputs_does_not_change_which_neuron_is_best(seed, exponent):
    """A power of two scales every value exactly; nothing may fall below an absolute threshold."""
    rng = np.random.default_rng(seed)
    points, unit = canonical(rng.standard_normal((7, 3))), 2.0**exponent
    dual = random_dual(rng, 7, 1)
    small, large = (Pricing(p, NeuronClass(3)).price_exactly(dual) for p in (points, points * unit))
    assert large.bound == small.bound * unit
    assert_array_equal(large.neurons.points, small.neurons.points)
    assert_array_equal(large.neurons.weights, small.neurons.weights)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_permuting_and_mirroring_inputs_leaves_the_bound(seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, size=(9, 3)).astype(float)
    points = np.unique(X, axis=0)
    dual = random_dual(rng, len(points), 1, "integer")
    bound = Pricing(points, NeuronClass(3)).price_exactly(dual).bound
    changed = points[:, rng.permutation(3)] * rng.choice([-1.0, 1.0], size=3)
    order = np.lexsort(changed.T[::-1])
    mirrored = Pricing(changed[order], NeuronClass(3)).price_exactly(dual[order]).bound
    assert_allclose(mirrored, bound, rtol=1e-11, atol=1e-12)


def test_a_dual_point_of_zeros_has_the_bound_zero():
    for points in (TABLES["grid of 3 inputs"], TABLES["one point"]):
        assert (
            Pricing(points, NeuronClass(2)).price_exactly(np.zeros((len(points), 1))).bound == 0.0
        )


# --- the neurons themselves ---------------------------------------------------------------------


@on_every_table
def test_neurons_are_what_they_say(table):
    for points, order, _, priced in priced_exactly(table):
        assert_valid(points, priced.neurons, order)


@on_every_table
def test_no_neuron_is_returned_twice(table):
    for points, order, dual, exact in priced_exactly(table):
        for priced in (exact, propose(Pricing(points, NeuronClass(order)), dual)):
            neurons = as_dictionary(priced.neurons, points.shape[1])
            offsets = neurons.offsets / np.abs(points).max() if len(points) > 1 else neurons.offsets
            rounded = np.round(np.column_stack([neurons.weights, offsets]), 8) + 0.0
            assert len(np.unique(rounded, axis=0)) == len(neurons)


@pytest.mark.parametrize(
    "table", ["generic 3 inputs", "few values in 4 inputs", "standardised binary"]
)
def test_the_number_of_threads_does_not_change_what_exact_pricing_finds(table):
    for points, order, dual in problems(table):
        if order < 2:
            continue
        one, *others = (
            Pricing(points, NeuronClass(order), n_threads).price_exactly(dual)
            for n_threads in (1, 2, 4)
        )
        for other in others:
            assert_same_answer(one, other)


# --- proposals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_pencils_kept_sorted_have_the_values_of_pencils_sorted_anew(norm):
    rng = np.random.default_rng(0)
    points = np.unique(rng.integers(-3, 4, size=(25, 3)).astype(float), axis=0)
    points -= points.mean(axis=0)
    neuron_class = NeuronClass(order=2, norm=norm)
    kept = Pricing(points, neuron_class)
    for _ in range(3):
        dual = rng.standard_normal((len(points), 2))
        dual -= dual.mean(axis=0)
        anew = Pricing(points, neuron_class, budget=SearchBudget(cache_bytes=0)).price_exactly(dual)
        again = kept.price_exactly(dual)
        assert again.bound == anew.bound
        assert_array_equal(again.neurons.weights, anew.neurons.weights)
    assert kept.table.orders.has_room(((0, 1), 0), np.inf)


def planted_residual(rng, n, d):
    """Centred points in canonical order and the residual of one oblique neuron in two inputs."""
    points = canonical(rng.standard_normal((n, d)))
    hidden = np.maximum(0.6 * points[:, 0] - 0.4 * points[:, 2] + 0.1, 0.0)
    return points, (hidden - hidden.mean())[:, None] / n


@pytest.mark.parametrize("seed", range(4))
def test_the_binned_sweep_finds_an_obvious_neuron(seed):
    points, dual = planted_residual(np.random.default_rng(seed), n=150, d=4)
    table = PointTable(points)
    pencils = BinnedPairs(table, NeuronClass(2)).propose(dual, np.ones(4), 0, at_most=10)
    best = sweep(table, dual, pencils, NeuronClass(2)).values.max()
    pricing = Pricing(points, NeuronClass(2))
    bound = pricing.price_exactly(dual).bound
    assert best >= 0.9 * bound
    assert propose(pricing, dual, Neurons.empty(2), 0).bound >= 0.995 * bound


@pytest.mark.parametrize(
    ("norm", "n_outputs", "directions"),
    [
        ("l1", 1, None),
        ("l2", 1, None),
        ("l2", 3, None),
        ("l1", 1, (1, -1)),
        ("l1", 1, (0, 1)),
        ("l1", 1, (0, 0)),
    ],
)
def test_cells_of_one_position_each_have_the_values_of_their_lines(norm, n_outputs, directions):
    """Where a cell is a position nothing is approximate: sums over cells equal sums over points."""
    rng = np.random.default_rng(0)
    points = canonical(rng.integers(-4, 5, size=(60, 2)).astype(float))
    dual = random_dual(rng, len(points), n_outputs, "normal")
    fan = fan_of(points.T, np.array([1.0, 3.0]), norm)
    sums = np.array([[v, *(v * points.T)] for v in dual.T])
    signs = None if directions is None else np.array(directions)
    best, cells = fan.best(sums, signs)

    def value(weight, position, t):
        rising = np.maximum(position - t, 0.0) @ dual
        falling = np.maximum(t - position, 0.0) @ dual
        expected = max(np.linalg.norm(rising), np.linalg.norm(falling))
        if directions is not None and any(directions):
            pull = np.sign(weight) * directions
            follows, opposes = (pull > 0).any(), (pull < 0).any()
            expected = max(rising[0], -falling[0], 0.0) if follows else 0.0
            expected = max(expected, -rising[0], falling[0]) if opposes else expected
            expected = 0.0 if follows and opposes else expected
        return expected

    assert_allclose(length(fan.weights, norm), 1.0)
    for k, weight in enumerate(fan.weights):
        position = points @ weight
        assert np.all(np.diff(position[fan.order[k]]) >= -1e-12)
        largest = max(value(weight, position, t) for t in position)
        assert_allclose(best[k], largest, atol=1e-12)
        assert_allclose(value(weight, position, position[cells[k]]), largest, atol=1e-12)


def test_pairs_that_a_round_leaves_out_have_their_turn():
    rng = np.random.default_rng(0)
    points = canonical(rng.standard_normal((8, 60)))
    pairs = BinnedPairs(PointTable(points), NeuronClass(2))
    turns = [
        [tuple(pair) for pair in pairs._whose_turn(np.arange(60.0), turn, n_outputs=10)]
        for turn in range(60)
    ]
    assert all(len(set(turn)) == len(turn) < len(pairs.pairs) for turn in turns)
    assert all((58, 59) in turn for turn in turns)
    assert set().union(*turns) == set(map(tuple, pairs.pairs))


def test_sweeping_cells_of_one_position_each_is_sweeping_the_points():
    """On a grid of few values a cell is a position, and nothing is approximate."""
    rng = np.random.default_rng(0)
    points = canonical(rng.integers(-4, 5, size=(200, 3)).astype(float))
    dual = random_dual(rng, len(points), 2, "normal")
    pencils, table = all_pencils(len(points), 3, 2), PointTable(points)
    by_points = sweep(table, dual, pencils, NeuronClass(2))
    by_cells = sweep_cells(Grids(table, SearchBudget().fine_bins), dual, pencils, NeuronClass(2), 0)
    assert_allclose(by_cells.values, by_points.values, rtol=1e-12)
    assert_array_equal(by_cells.inputs, by_points.inputs)
    assert_planes_have_their_values(points, by_cells, dual)


@pytest.mark.parametrize("round_number", range(3))
def test_sweeping_cells_finds_an_obvious_neuron_among_many_points(round_number):
    points, dual = planted_residual(np.random.default_rng(0), n=6000, d=3)
    table, chosen = PointTable(points), all_pencils(6000, 3, 2)
    pencils = Pencils(chosen.inputs[::57], chosen.points[::57])
    by_points = evaluate(
        table, sweep(table, dual, pencils, NeuronClass(2)), dual, 50, NeuronClass(2)
    )
    by_cells = evaluate(
        table,
        sweep_cells(
            Grids(table, SearchBudget().fine_bins), dual, pencils, NeuronClass(2), round_number
        ),
        dual,
        50,
        NeuronClass(2),
    )
    assert by_cells.bound >= 0.995 * by_points.bound
    assert_valid(points, by_cells.neurons, 2)


def test_many_points_and_local_moves_alone_find_good_neurons():
    points, dual = planted_residual(np.random.default_rng(0), n=SearchBudget().cells_from + 1, d=3)
    pricing = Pricing(points, NeuronClass(2))
    first = pricing.propose(dual, Neurons.empty(2), 0, everywhere=False)
    second = pricing.propose(dual, first.neurons.take(np.arange(20)), 1, everywhere=False)
    thorough = propose(pricing, dual, second.neurons.take(np.arange(20)), 2)
    assert second.bound >= 0.99 * thorough.bound
    assert_neurons_have_their_values(points, second, dual)


@pytest.mark.parametrize("seed", range(4))
def test_the_search_finds_an_obvious_neuron_of_order_3(seed):
    rng = np.random.default_rng(seed)
    points = canonical(rng.standard_normal((60, 4)))
    hidden = np.maximum(points @ [0.4, -0.3, 0.0, 0.3] + 0.1, 0.0)
    dual = (hidden - hidden.mean())[:, None] / len(points)
    pricing = Pricing(points, NeuronClass(3))
    exact = pricing.price_exactly(dual).bound
    first = propose(pricing, dual)
    second = propose(pricing, dual, first.neurons.take(np.arange(20)), 1)
    assert first.bound >= 0.95 * exact
    assert second.bound >= max(0.99 * exact, first.bound * (1 - 1e-12))


def pencils_as_set(pencils):
    assert len(pencils.inputs) == len(pencils.points)
    return {
        (tuple(map(int, inputs)), tuple(map(int, points)))
        for inputs, points in zip(pencils.inputs, pencils.points, strict=True)
    }


PLANE = np.array([[1, 4]]), np.array([[5, 8]])
SPACE = np.array([[0, 2, 3]]), np.array([[6, 7, 9]])


def test_replacing_a_point_keeps_the_inputs_and_misses_no_point():
    assert pencils_as_set(replace_a_point(*PLANE)) == {((1, 4), (5,)), ((1, 4), (8,))}
    assert pencils_as_set(replace_a_point(*SPACE)) == {
        ((0, 2, 3), (6, 7)),
        ((0, 2, 3), (6, 9)),
        ((0, 2, 3), (7, 9)),
    }


def test_adding_an_input_repeats_none_and_keeps_the_points():
    added = add_an_input(*PLANE, np.array([0, 1, 2, 7]))
    assert pencils_as_set(added) == {
        ((0, 1, 4), (5, 8)),
        ((1, 2, 4), (5, 8)),
        ((1, 4, 7), (5, 8)),
    }


def test_dropping_an_input_drops_all_points_but_those_of_a_pencil():
    expected = {(inputs, (point,)) for inputs in [(0, 2), (0, 3), (2, 3)] for point in (6, 7, 9)}
    assert pencils_as_set(drop_an_input(*SPACE)) == expected


def test_a_pencil_of_a_move_contains_the_neuron_it_starts_from():
    """Sweeping the neighbours of a neuron can then only find something at least as good."""
    rng = np.random.default_rng(5)
    points = canonical(rng.standard_normal((20, 4)))
    table, dual = PointTable(points), random_dual(rng, 20, 1)
    for order in (2, 3):
        start = propose(Pricing(points, NeuronClass(4)), dual)
        of_order = np.flatnonzero(start.neurons.order == order)[:1]
        neuron, value = start.neurons.take(of_order), start.values[of_order[0]]
        replaced, *_, added = local_moves(neuron, NeuronClass(order + 1), np.arange(4))
        assert sweep(table, dual, replaced, NeuronClass(4)).values.max() >= value * (1 - 1e-12)
        assert added.order == order + 1


def test_local_moves_propose_no_more_inputs_than_allowed():
    neurons = Neurons.unbounded(
        np.array([[2, -1, -1], [0, 3, -1], [0, 1, 3]]),
        np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0.2, 0.2, 0.6]]),
        np.zeros(3),
        np.array([[4, -1, -1], [1, 2, -1], [1, 5, 6]]),
    )
    orders = [pencils.order for pencils in local_moves(neurons, NeuronClass(3), np.arange(4))]
    assert sorted(orders) == [2, 2, 2, 3, 3]
    fewer = local_moves(neurons.take([0, 1]), NeuronClass(2), np.arange(4))
    assert max(pencils.order for pencils in fewer) == 2


def test_a_batch_is_the_best_of_each_kind():
    """The first of similar rows is kept; a row of zeros never."""
    rng = np.random.default_rng(0)
    different = rng.standard_normal((4, 30))
    rows = np.stack([different[0], 2 * different[0] + 1, different[1], -different[0], different[2]])
    rows = np.concatenate([rows, np.zeros((1, 30)), different[3:]])
    weight = np.full(30, 1 / 30)
    assert_array_equal(diverse(rows, weight, 10), [0, 2, 4, 6])
    assert_array_equal(diverse(rows, weight, 2), [0, 2])
    assert len(diverse(rows[:0], weight, 3)) == 0


def test_a_batch_has_neurons_of_inputs_that_are_nearly_constant():
    """Idle on the points that are compared first, each does what no other does."""
    rng = np.random.default_rng(0)
    columns = np.vstack([rng.standard_normal(10_000), np.zeros((2, 10_000))])
    columns[1, [777, 5001]] = 1.0
    columns[2, 4243] = 1.0
    inputs = np.array([[0], [1], [1], [2]])
    neurons = Neurons.unbounded(
        inputs, np.ones((4, 1)), np.array([0.0, 0.0, -0.5, 0.0]), 0 * inputs
    )
    weight = np.full(10_000, 1e-4)
    assert_array_equal(diverse_neurons(neurons, columns, weight, 10), [0, 1, 3])
    assert_array_equal(diverse_neurons(neurons, columns, weight, 2), [0, 1])


def test_a_batch_has_neurons_of_rare_inputs_that_have_a_point_in_common():
    rng = np.random.default_rng(0)
    columns = np.vstack([rng.standard_normal(10_000), np.zeros((2, 10_000))])
    columns[1, [7, 1003, 2001, 5001, 6007, 7001]] = 1.0
    columns[2, [7, 3001, 4003, 8009, 9001, 9003]] = 1.0
    inputs = np.array([[1], [2], [1]])
    neurons = Neurons.unbounded(inputs, np.ones((3, 1)), np.array([0.0, 0.0, -0.5]), 0 * inputs)
    assert_array_equal(diverse_neurons(neurons, columns, np.full(10_000, 1e-4), 10), [0, 1])


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_chunk_of_candidates_is_compared_with_all_chosen_before(monkeypatch, chunk):
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 40))
    correlation, chosen = np.abs(np.corrcoef(rows)), []
    for row in range(60):
        if np.all(correlation[row, chosen] <= 0.95):
            chosen.append(row)
    assert 3 < len(chosen) < 50
    monkeypatch.setattr("sklearn_wedge._core.pricing.candidates.CHUNK", chunk)
    for at_most in (3, 60):
        assert_array_equal(diverse(rows, np.full(40, 1 / 40), at_most), chosen[:at_most])
