"""Compiled loops beside the same sums written out in Python, on small tables with many ties."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_wedge import WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._core.kernels import SERIAL, Threads, fans
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing import Pricing, SearchBudget
from sklearn_wedge._core.pricing.ascent import _at_best_offsets
from sklearn_wedge._core.pricing.hinges import hinge_values
from sklearn_wedge._core.pricing.pencils import Pencils, largest_of
from sklearn_wedge._core.pricing.sweep import ascending_order, orders, sweep_pencils
from sklearn_wedge._core.rows import matrices


def tied_problem(seed, n_inputs, n_outputs, n_points=14):
    """Few distinct coordinates: many samples on one line, or at one slope."""
    rng = np.random.default_rng(seed)
    points = np.unique(rng.integers(-2, 3, size=(n_points, n_inputs)).astype(float), axis=0)
    points -= points.mean(axis=0)
    dual = rng.standard_normal((len(points), n_outputs))
    return points, dual - dual.mean(axis=0)


def value_of_line(reach, dual, pull, n_constrained):
    """The larger value of both orientations, with a coefficient of the sign required."""
    rising, falling = np.maximum(reach, 0.0) @ dual, np.maximum(-reach, 0.0) @ dual
    if n_constrained == 0:
        return max(np.linalg.norm(rising), np.linalg.norm(falling))
    if abs(pull) < n_constrained:
        return 0.0
    return max(np.sign(pull) * rising[0], -np.sign(pull) * falling[0], 0.0)


def lines_through(points, pivot, norm):
    """Each line of two inputs through this and another point: that point, and unit weights."""
    for other in range(len(points)):
        normal = (points[other] - points[pivot])[::-1] * [1.0, -1.0]
        if np.abs(normal).max() > 1e-9:
            yield other, normal / np.linalg.norm(normal, ord=1 if norm == "l1" else 2)


def best_of_order(found, norm):
    """Of (value, least weight) of lines: the largest value of those with no weight that is zero.

    Under l2 it is 0 if one with such a weight has a larger value, None if one has the same.
    """
    best = max((value for value, least in found if least > 1e-9), default=0.0)
    other = max((value for value, least in found if least <= 1e-9), default=0.0)
    if norm == "l1" or other < best * (1 - 1e-8):
        return best
    return 0.0 if other > best * (1 + 1e-8) else None


VARIANTS = [
    *product(["l1", "l2"], [1, 3], [None]),
    *product(["l1"], [1], [(1, -1), (0, 1), (0, 0)]),
]


@pytest.mark.parametrize(("norm", "n_outputs", "directions"), VARIANTS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("as_cells", [False, True])
def test_a_sweep_finds_the_line_of_trying_all(seed, norm, n_outputs, directions, as_cells):
    points, dual = tied_problem(seed, 2, n_outputs)
    neuron_class = NeuronClass(2, norm, wedge=True, monotone=directions)
    pencils = Pencils(np.tile([0, 1], (len(points), 1)), np.arange(len(points))[:, None])
    moments = np.array([[v * column for column in points.T] for v in dual.T]) if as_cells else None
    swept = sweep_pencils(points.T, dual.T, pencils, neuron_class, moments)
    n_constrained = np.abs(directions or 0).sum()
    size = np.abs(dual).sum() * np.abs(points).max()
    for pivot in range(len(points)):
        found = {
            other: (
                value_of_line(
                    (points - points[pivot]) @ weights,
                    dual,
                    np.sign(weights) @ (directions or (0, 0)),
                    n_constrained,
                ),
                np.abs(weights).min(),
            )
            for other, weights in lines_through(points, pivot, norm)
        }
        best = best_of_order(found.values(), norm)
        if best is None:
            continue
        assert_allclose(swept.values[pivot], best, rtol=0, atol=1e-14 * size)
        if best > 1e-9:
            first = min(
                k
                for k, (value, least) in found.items()
                if value >= best * (1 - 1e-10) and least > 1e-9
            )
            assert swept.events[pivot] == first


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_no_line_of_a_fine_fan_beats_a_sweep_with_rejections(seed, n_outputs):
    points, dual = tied_problem(seed, 2, n_outputs)
    pencils = Pencils(np.tile([0, 1], (len(points), 1)), np.arange(len(points))[:, None])
    swept = sweep_pencils(points.T, dual.T, pencils, NeuronClass(2, "l2"))
    angles = (np.arange(3000) + 0.5) * np.pi / 3000
    fan = np.column_stack([np.cos(angles), np.sin(angles)])
    for pivot in np.flatnonzero(swept.values > 0):
        reach = (points - points[pivot]) @ fan.T
        values = [value_of_line(column, dual, 0, 0) for column in reach.T]
        assert swept.values[pivot] >= max(values) * (1 - 1e-12)
        if swept.events[pivot] < 0:
            normal = swept.normals[pivot]
            assert_allclose(np.linalg.norm(normal), 1.0)
            own = value_of_line((points - points[pivot]) @ normal, dual, 0, 0)
            assert_allclose(swept.values[pivot], own, rtol=1e-12)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_planes_of_three_inputs_have_the_values_of_trying_all(norm):
    points, dual = tied_problem(0, 3, 1, n_points=11)
    pairs = np.array(np.triu_indices(len(points), 1)).T
    pencils = Pencils(np.tile([0, 1, 2], (len(pairs), 1)), pairs)
    swept = sweep_pencils(points.T, dual.T, pencils, NeuronClass(3, norm, wedge=True))
    size = np.abs(dual).sum() * np.abs(points).max()
    for (first, second), value in zip(pairs, swept.values, strict=True):
        found = []
        for third in range(len(points)):
            normal = np.cross(points[second] - points[first], points[third] - points[first])
            if np.abs(normal).max() > 1e-9:
                normal /= np.linalg.norm(normal, ord=1 if norm == "l1" else 2)
                value_of_plane = value_of_line((points - points[first]) @ normal, dual, 0, 0)
                found.append((value_of_plane, np.abs(normal).min()))
        best = best_of_order(found, norm)
        if best is not None:
            assert_allclose(value, best, rtol=0, atol=1e-13 * size)


def test_orders_kept_and_threads_do_not_change_a_sweep():
    rng = np.random.default_rng(0)
    points, dual = rng.standard_normal((700, 3)), rng.standard_normal((700, 2))
    dual -= dual.mean(axis=0)
    pencils = Pencils(
        np.sort(rng.permuted(np.tile(np.arange(3), (90, 1)), axis=1)[:, :2]),
        (rng.integers(700, size=(90, 1))),
    )
    neuron_class = NeuronClass(2, "l2")
    one = sweep_pencils(points.T, dual.T, pencils, neuron_class)
    kept = orders(points.T, pencils, neuron_class)
    others = [
        sweep_pencils(points.T, dual.T, pencils, neuron_class, kept=order, threads=threads)
        for order, threads in [(kept, SERIAL), (None, Threads(2)), (kept, Threads(4))]
    ]
    for other in others:
        for name in ("values", "events", "normals"):
            assert_array_equal(getattr(one, name), getattr(other, name))


def test_values_sort_ascending_and_ties_stay_in_their_order():
    values = np.array([[3.0, -0.0, 0.0, -2.0, 1e300, -1e-300, 3.0 * (1 + 1e-16), -np.inf]])
    assert_array_equal(ascending_order(values)[0], [7, 3, 5, 1, 2, 0, 6, 4])


@pytest.mark.parametrize(("n_outputs", "direction"), [(1, 0), (3, 0), (1, 1), (1, -1)])
def test_hinges_have_the_values_of_their_sums(n_outputs, direction):
    rng = np.random.default_rng(0)
    positions = np.sort(rng.standard_normal(20))
    dual = rng.standard_normal((20, n_outputs))
    dual -= dual.mean(axis=0)
    values = hinge_values(positions, dual.T, direction)
    expected = [value_of_line(positions - t, dual, direction, abs(direction)) for t in positions]
    assert_allclose(values, expected, atol=1e-13)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_best_offset_is_the_best_of_all_edges(n_outputs):
    points, dual = tied_problem(1, 3, n_outputs, n_points=40)
    directions = np.random.default_rng(1).standard_normal((6, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    climb = _at_best_offsets(points, dual, directions, offsets=8)
    for k, direction in enumerate(directions):
        reach = points @ direction
        width = (reach.max() - reach.min()) / 8
        edges = reach.min() + width * np.arange(1, 8)
        values = [value_of_line(reach - t, dual, 0, 0) for t in edges]
        assert_allclose(climb.values[k], max(values), rtol=1e-12)
        edge = edges[np.argmax(values)]
        side = np.sign(climb.directions[k] @ direction)
        active = side * (reach - edge) > 0
        moment = (points[active] - edge * direction).T @ dual[active]
        leading = np.linalg.svd(moment)[0][:, 0] if n_outputs > 1 else moment[:, 0]
        assert_allclose(
            np.abs(climb.moments[k] @ leading),
            np.linalg.norm(leading) * (np.linalg.norm(climb.moments[k])),
        )


def test_sums_over_cells_are_those_of_their_points():
    rng = np.random.default_rng(0)
    cells, dual = rng.integers(5, size=50).astype(np.uint16), rng.standard_normal((2, 50))
    first, second = rng.standard_normal((2, 50))
    sums = np.empty((2, 3, 5))
    fans.cell_sums(cells, dual, first, second, sums)
    for k, v in enumerate(dual):
        for part, values in enumerate((v, v * first, v * second)):
            assert_allclose(sums[k, part], np.bincount(cells, values, minlength=5))


@pytest.mark.parametrize("order", [1, 3, 40])
def test_products_and_activations_of_neurons_are_those_by_definition(order):
    rng = np.random.default_rng(0)
    columns, dual = rng.standard_normal((40, 3001)), rng.standard_normal((3001, 3))
    inputs = np.array([np.sort(rng.permutation(40)[:order]) for _ in range(9)])
    weights, offsets = rng.standard_normal((9, order)), rng.standard_normal(9)
    neurons = Neurons.unbounded(inputs, weights, offsets, inputs).padded(order + 1)
    expected = np.einsum("ms,msp->mp", weights, columns[inputs]) + offsets[:, None]
    assert_allclose(neurons.signed_distances(columns), expected, atol=1e-12)
    expected = np.maximum(expected, 0.0)
    assert_allclose(neurons.activations(columns), expected, atol=1e-12)
    for threads in (SERIAL, Threads(2)):
        assert_allclose(neurons.products(columns, dual, threads), expected @ dual, atol=1e-10)


def test_the_largest_scores_are_found_in_their_order():
    scores = np.random.default_rng(0).integers(6, size=200).astype(float)
    ranking = np.argsort(-scores, kind="stable")
    for at_most in (0, 1, 50, 199, 200, 300):
        assert_array_equal(largest_of(scores, at_most), ranking[:at_most])


@pytest.mark.parametrize(
    "neuron_class", [NeuronClass(2), NeuronClass(3), NeuronClass(2, "l2"), NeuronClass(4, "l2")]
)
def test_the_number_of_threads_does_not_change_what_a_search_finds(neuron_class):
    rng = np.random.default_rng(0)
    points = rng.standard_normal((600, 5))
    points = points[np.lexsort(points.T[::-1])]
    dual = rng.standard_normal((600, 2))
    dual -= dual.mean(axis=0)
    budget = SearchBudget(cells_from=500)
    one, *others = (
        Pricing(points, neuron_class, n_threads, budget).propose(
            dual, Neurons.empty(neuron_class.order), 0, everywhere=True
        )
        for n_threads in (1, 2, 4)
    )
    for other in others:
        assert one.bound == other.bound
        assert_array_equal(one.values, other.values)
        for name in ("inputs", "weights", "offsets", "points"):
            assert_array_equal(getattr(one.neurons, name), getattr(other.neurons, name))


@pytest.mark.parametrize(
    "model",
    [
        WedgeReLURegressor(1e-2, pricing="search", tol=1e-2),
        WedgeReLURegressor(1e-2, interaction_order=None, norm="l2", tol=1e-2),
        WedgeReLUClassifier(1e-2, tol=1e-2),
    ],
    ids=["search", "l2", "classes"],
)
def test_the_number_of_threads_does_not_change_a_fit(model):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    y = np.digitize(np.abs(X[:, 0]) + X[:, 1] * (X[:, 2] > 0), [0.5, 1.0])
    one, *others = (model.set_params(n_jobs=jobs).fit(X, y).coefs_ for jobs in (1, 2, 4))
    for other in others:
        for first, second in zip(one, other, strict=True):
            assert_array_equal(first, second)


@pytest.mark.parametrize("m", [0, 1, 127, 128, 129, 300])
def test_blocks_and_threads_do_not_change_a_product_of_matrices(m):
    rng = np.random.default_rng(m)
    first, second = rng.standard_normal((m, 40)), rng.standard_normal((7, 40))
    for threads in (Threads(n) for n in (1, 2, 4)):
        assert_allclose(matrices.product(first, second, threads), first @ second.T, atol=1e-12)
        found = matrices.gram(first, threads)
        assert_array_equal(found, found.T)
        assert_array_equal(found, matrices.gram(first, SERIAL))
        assert_allclose(found, first @ first.T, atol=1e-12)
