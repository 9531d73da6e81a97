"""Neurons of unit l2 norm: rejections against enumeration, fits against CLARABEL, invariances."""

import pickle
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    Dictionary,
    awkward_tables,
    canonical,
    class_of_pairs,
    every_neuron,
    joined,
    moments,
    normals_through,
    optimum,
    random_dual,
    random_neurons,
    unit_l2,
)
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_wedge import WedgeReLURegressor, wedge_relu_path
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing import Pricing
from sklearn_wedge._core.pricing.pencils import Pencils, PointTable
from sklearn_wedge._core.pricing.sweep import sweep

pytestmark = pytest.mark.newest

INTEGERS = np.random.default_rng(0).integers(-2, 3, size=(12, 8, 3)) * 1.0
TABLES = awkward_tables()
TABLES |= {f"integers {k}": np.unique(X[:, : k % 3 + 1], axis=0) for k, X in enumerate(INTEGERS)}
DUALS = [(1, "normal"), (2, "sparse"), (2, "integer"), (1, "integer"), (2, "normal")]
PAIRS = NeuronClass(2, "l2")
RAW = {"standardize": False, "clip_quantile": None, "max_iter": 500}
KINDS = ["generic", "ties"]
SWEPT = [(name, s) for name, X in TABLES.items() for s in (2, 3) if s <= min(X.shape)]
on_every_table = pytest.mark.parametrize("table", TABLES)


def value_size(points, dual):
    """``Σ|v|`` × the largest distance: what rounding of a value is relative to."""
    return np.abs(dual).sum() * np.linalg.norm(np.ptp(points, axis=0) + np.abs(points).max(axis=0))


def best_by_ascent(rng, points, dual, order, how_many=150):
    """Value reached from random neurons: the direction of the moment, then the best pivot."""
    best, rows = 0.0, np.arange(how_many)
    for inputs in combinations(range(points.shape[1]), order):
        Z, u = points[:, inputs], rng.standard_normal((how_many, order))
        for _ in range(25):
            u /= np.linalg.norm(u, axis=1, keepdims=True)
            reach = np.concatenate([u, -u]) @ Z.T
            hidden = np.maximum(reach[:, None, :] - reach[:, :, None], 0.0)  # direction, pivot, row
            values = np.linalg.norm(hidden @ dual, axis=2)
            best = max(best, values.max())
            side = rows + how_many * values.max(axis=1).reshape(2, -1).argmax(axis=0)
            pivot = values[side].argmax(axis=1)
            active = hidden[side, pivot] > 0
            g = moments(Z, active, dual) - np.einsum("ms,mq->msq", Z[pivot], active @ dual)
            u = np.linalg.svd(g)[0][:, :, 0]
    return best


def duals(points, how_many=5):
    for seed, (q, kind) in enumerate(DUALS[:how_many]):
        yield random_dual(np.random.default_rng(seed), len(points), q, kind)


def assert_priced_right(points, priced, dual, order):
    """Values are those of the neurons, and each neuron is there once and is what it says."""
    neurons, d = priced.neurons, points.shape[1]
    weights = np.zeros((len(neurons), d + 1))  # the padding of -1 goes to a last column
    np.add.at(weights, (np.arange(len(neurons))[:, None], neurons.inputs), neurons.weights)
    found = Dictionary(weights[:, :d], neurons.offsets)
    values, rounding = found.values(points, dual), 1e-12 * value_size(points, dual)
    assert_allclose(priced.values, values, rtol=0, atol=rounding)
    assert priced.bound >= priced.values.max(initial=0.0)
    size = np.abs(points).max() or 1.0
    rounded = np.round(np.column_stack([found.weights, found.offsets / size]), 8) + 0.0
    assert len(np.unique(rounded, axis=0)) == len(rounded)
    assert_allclose(np.linalg.norm(found.weights, axis=1), 1.0, rtol=1e-13)
    for neuron, (inputs, corners) in enumerate(zip(neurons.inputs, neurons.points, strict=True)):
        used, named = inputs[inputs >= 0], corners[corners >= 0]
        assert list(used) == sorted(set(used))
        assert 1 <= len(set(named)) == len(named) <= len(used) <= order
        reach = points[named] @ found.weights[neuron] + found.offsets[neuron]
        assert_allclose(reach, 0.0, atol=1e-13 * size * order)


@on_every_table
def test_exact_pricing_returns_neurons_that_are_what_they_say(table):
    points = TABLES[table]
    for dual, order in product(duals(points), (1, 2)):
        priced = Pricing(points, NeuronClass(order, "l2")).price_exactly(dual)
        assert_priced_right(points, priced, dual, order)
        rounding = 1e-12 * value_size(points, dual)
        assert_allclose(priced.values[:1], priced.bound, rtol=1e-9, atol=rounding)
        few = priced.neurons.take(priced.neurons.n_points < priced.neurons.order)
        for inputs, u, (pivot, _) in zip(few.inputs, few.weights, few.points, strict=True):
            Z = points[:, inputs] - points[pivot, inputs]
            largest = np.linalg.svd(moments(Z, [Z @ u > 0, Z @ u < 0], dual))[1][:, 0]
            values = np.linalg.norm(np.maximum([Z @ u, -Z @ u], 0.0) @ dual, axis=1)
            assert np.min(largest - values) <= rounding, "too few points for no rejection"


def swept_planes(points, planes):
    """Hyperplanes by their normals or, where there are none, by the points that they name."""
    parts = []
    for inputs, corners, normal in zip(planes.inputs, planes.points, planes.normals, strict=True):
        assert np.isnan(normal).all() if corners[-1] >= 0 else np.isclose(normal @ normal, 1.0)
        if corners[-1] >= 0:
            normal = normals_through(points[np.ix_(corners, inputs)][None])[0][0]
        weights = np.zeros((1, points.shape[1]))
        weights[0, inputs] = normal / np.linalg.norm(normal)
        through = points[corners[corners >= 0]] @ weights[0]
        assert_allclose(through, through[0], rtol=0, atol=1e-12 * np.abs(points).max())
        parts.append(Dictionary(weights, -through[:1]))
    return joined(*parts).both_orientations()


@pytest.mark.parametrize(("table", "order"), SWEPT)
def test_a_sweep_reports_values_that_its_hyperplanes_have(table, order):
    points = TABLES[table]
    (n, d), s = points.shape, order
    chosen = product(combinations(range(d), s), combinations(range(n), s - 1))
    pencils = Pencils(*map(np.array, zip(*chosen, strict=True)))
    for dual in duals(points):
        planes = sweep(PointTable(points), dual, pencils, NeuronClass(order, "l2"))
        assert np.isfinite(planes.normals).any() or not table.startswith("generic")
        if len(planes):
            values = swept_planes(points, planes).values(points, dual).reshape(2, -1).max(axis=0)
            assert_allclose(planes.values, values, rtol=0, atol=1e-12 * value_size(points, dual))


@on_every_table
def test_the_bound_is_the_maximum_over_the_class(table):
    points = TABLES[table]
    by_chance = unit_l2(random_neurons(np.random.default_rng(3), points, 2, 10_000))
    for dual in duals(points):
        bound = Pricing(points, PAIRS).price_exactly(dual).bound
        maximum = class_of_pairs(points, dual).values(points, dual).max(initial=0.0)
        rounding = 1e-13 * value_size(points, dual)
        assert_allclose(bound, maximum, rtol=1e-9, atol=rounding)
        assert by_chance.values(points, dual).max() <= bound * (1 + 1e-9) + rounding


def test_a_hinge_as_good_as_a_neuron_of_two_inputs_is_returned_as_a_hinge():
    points = np.array([[-1.0, -2, 1], [-1, 0, 1], [1, 1, 0], [2, -1, 2]])
    dual = np.array([[0.0, -1], [-2, 2], [1, -3], [1, 2]])
    assert_priced_right(points, Pricing(points, PAIRS).price_exactly(dual), dual, 2)


@pytest.mark.parametrize(("n", "d"), [(40, 2), (30, 3), (25, 4)])
def test_climbing_from_random_neurons_stays_within_the_bound(n, d):
    rng = np.random.default_rng(n)
    points = canonical(rng.standard_normal((n, d)))
    for q in (1, 2):
        dual = random_dual(rng, n, q)
        bound = Pricing(points, PAIRS).price_exactly(dual).bound
        assert bound * 0.999 <= best_by_ascent(rng, points, dual, 2) <= bound * (1 + 1e-12)


@on_every_table
def test_the_bound_is_the_maximum_over_wedge_neurons(table):
    points = TABLES[table]
    for order in range(1, points.shape[1] + 1):
        neurons = unit_l2(every_neuron(points, order))
        for dual in duals(points, 3):
            priced = Pricing(points, NeuronClass(order, "l2", wedge=True)).price_exactly(dual)
            maximum, size = neurons.values(points, dual).max(initial=0.0), value_size(points, dual)
            assert_allclose(priced.bound, maximum, rtol=1e-9, atol=1e-13 * size)
            assert_array_equal(priced.neurons.n_points, priced.neurons.order)
            assert_priced_right(points, priced, dual, order)
            whole = Pricing(points, NeuronClass(order, "l2")).price_exactly(dual).bound
            assert priced.bound <= whole + 1e-12 * size


def search(points, dual, order):
    pricing = Pricing(points, NeuronClass(order, "l2"))
    return pricing.propose(dual, Neurons.empty(order), 0, everywhere=True)


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_search_finds_an_oblique_neuron_and_is_deterministic(seed, order):
    rng = np.random.default_rng(seed)
    points = canonical(rng.standard_normal((40, 4)))
    planted = np.maximum(points @ [0.6, -0.5, 0.0, 0.4] + 0.1, 0.0) + 0.1 * rng.standard_normal(40)
    dual = (planted - planted.mean())[:, None] / 40
    by_chance = unit_l2(random_neurons(rng, points, order, 50_000)).values(points, dual).max()
    first, second = search(points, dual, order), search(points, dual, order)
    assert first.bound >= 0.97 * max(by_chance, best_by_ascent(rng, points, dual, order))
    assert_array_equal([first.bound, *first.values], [second.bound, *second.values])
    assert_array_equal(first.neurons.points, second.neurons.points)


@on_every_table
def test_the_search_returns_neurons_that_are_what_they_say(table):
    points = TABLES[table]
    for dual, order in product(duals(points, 2), {min(s, points.shape[1]) for s in (3, 4)}):
        assert_priced_right(points, search(points, dual, order), dual, order)


def test_rounding_does_not_decide_what_the_search_returns():
    """A linear dual point: a neuron active everywhere is as good from either end of the points."""
    for seed in range(6):
        points = canonical(np.random.default_rng(seed).standard_normal((30, 3)))
        dual = points @ [[1.0], [-2.0], [0.5]]
        one, other = (search(p, dual, 2).neurons for p in (points, points * 0.3 / 0.3))
        assert_array_equal(other.points, one.points)
        assert_allclose(other.weights, one.weights, atol=1e-9)


def data_of(table):
    """Rows and targets; some rows twice, with other targets."""
    X = np.concatenate([TABLES[table], TABLES[table][:3]])
    noise = np.random.default_rng(0).standard_normal(len(X))
    return X, np.abs(X @ np.linspace(-1, 1, X.shape[1]) + 0.5) + 0.5 * noise


ONE_INPUT = ["generic 1 input", "repeated values in 1 input"]
FITTED = ["generic 2 inputs", "generic 3 inputs", "one-hot and a number", "fewer rows than inputs"]
FITTED += [f"{kind}grid of {d} inputs" for kind in ("", "standardised ") for d in (2, 3)]
on_all_data = pytest.mark.parametrize("table", ONE_INPUT + FITTED)


@cache
def path_of(table, order=2, dictionary="full", norm="l2"):
    options = {"norm": norm, "dictionary": dictionary, "pricing": "exact", "tol": 1e-8, **RAW}
    path = wedge_relu_path(*data_of(table), [0.05, 5e-3, 5e-4], interaction_order=order, **options)
    assert len(path.networks[0].neurons) > 0
    return list(zip(path.alphas, path.networks, path.certificates, strict=True))


def solved(X, y, alpha, dictionary):
    """CLARABEL gives up on a few of these problems, but not on every order of the rows."""
    for seed in range(9):
        rows = np.random.default_rng(seed).permutation(len(y))
        oracle = optimum(dictionary.activations(X[rows]), y[rows], np.ones(len(y)), alpha)
        if oracle.relative_gap <= 1e-7:
            return oracle
    raise AssertionError("CLARABEL solves this problem in no order of its rows")


@on_all_data
def test_the_fit_is_no_worse_than_wedge_neurons_and_its_bound_not_above(table):
    X, y = data_of(table)
    wedges = unit_l2(every_neuron(np.unique(X, axis=0), 2))
    for alpha, _, certificate in path_of(table):
        oracle = solved(X, y, alpha, wedges)
        assert certificate.lower_bound <= oracle.upper * (1 + 1e-12)
        assert certificate.objective <= oracle.upper * (1 + 1e-7)
        assert certificate.exact and certificate.gap <= 1e-8 * 0.5 * y.var()


@on_all_data
def test_neurons_that_were_not_enumerated_leave_the_optimum_above_the_bound(table):
    X, y = data_of(table)
    wedges = unit_l2(every_neuron(np.unique(X, axis=0), 2))
    by_chance = unit_l2(random_neurons(np.random.default_rng(0), X, 2, 1000))
    for alpha, network, certificate in path_of(table):
        own = unit_l2(Dictionary(network.coefs[0].T, network.intercepts[0]))
        oracle = solved(X, y, alpha, joined(wedges, by_chance, own))
        assert oracle.upper >= certificate.lower_bound - 1e-12 * y.var()
        assert_allclose(oracle.upper, certificate.objective, rtol=1e-6)


@on_all_data
def test_no_neuron_violates_the_dual_constraint_more_than_is_said(table):
    X, y = data_of(table)
    by_chance = unit_l2(random_neurons(np.random.default_rng(1), X, 2, 20_000))
    for alpha, network, certificate in path_of(table):
        dual = (y[:, None] - network.predict(X)) / len(y)
        assert by_chance.values(X, dual).max() <= alpha * (1 + certificate.max_violation + 1e-9)
        largest = class_of_pairs(X, dual).values(X, dual).max()
        assert_allclose(certificate.max_violation, largest / alpha - 1, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3])
@on_all_data
def test_the_fit_over_wedge_neurons_is_the_optimum_over_them(table, order):
    X, y = data_of(table)
    wedges = unit_l2(every_neuron(np.unique(X, axis=0), order))
    for alpha, network, certificate in path_of(table, order, "wedge"):
        assert certificate.exact and "through as many samples" in certificate.scope
        assert_array_equal(network.neurons.rows >= 0, network.neurons.inputs >= 0)
        oracle = solved(X, y, alpha, wedges)
        assert_allclose(certificate.objective, oracle.upper, rtol=1e-6)
        assert certificate.lower_bound <= oracle.upper * (1 + 1e-12)


@pytest.mark.parametrize("table", ONE_INPUT)
def test_the_norm_does_not_matter_with_one_input(table):
    X, _ = data_of(table)
    for one, two in zip(path_of(table, norm="l1"), path_of(table), strict=True):
        assert_allclose(two[2].objective, one[2].objective, rtol=1e-9)
        assert_allclose(two[1].predict(X), one[1].predict(X), atol=1e-7)


@pytest.mark.parametrize("order", [3, None])
def test_a_search_beyond_two_inputs_is_not_called_certified(order):
    X, y = data_of("generic 3 inputs")
    model = WedgeReLURegressor(0.01, norm="l2", interaction_order=order, **RAW).fit(X, y)
    certificate = model.certificate_
    assert not certificate.exact and {"(l2", "search"} <= set(certificate.scope.split())
    with pytest.raises(ValueError, match="interaction_order"):
        model.set_params(pricing="exact").fit(X, y)
    pairs = model.set_params(interaction_order=2).fit(X, y).certificate_
    assert pairs.exact and "l2 norm" in pairs.scope


@pytest.mark.parametrize(("dictionary", "value"), [("full", 0.806866), ("wedge", 0.806964)])
def test_two_spirals_are_solved(dictionary, value):
    i = np.arange(80)
    z = np.outer([1, -1], (104 - i) / 104 * np.exp(1j * i * np.pi / 16)).ravel()
    X, y = np.column_stack([z.real, z.imag]), np.repeat([1.0, -1.0], 80)
    options = {"norm": "l2", "dictionary": dictionary, "tol": 4e-8, **RAW}
    (certificate,) = wedge_relu_path(X, y, [1e-3 / 320], **options).certificates
    assert_allclose(320 * certificate.objective, value, rtol=0, atol=2e-6)
    assert certificate.exact and certificate.relative_gap <= 1e-5


@cache
def table(kind):
    """Inputs, target and rows that were not seen: generic, or of ties that clipping cuts."""
    rng = np.random.default_rng({"generic": 6, "ties": 5}[kind])
    X, new = rng.standard_normal((60, 4)), 2 * rng.standard_normal((40, 4))
    if kind == "ties":
        X, new = np.round(2 * rng.standard_t(2, size=(60, 4))), np.round(2 * new)
    y = np.abs(X[:, 0] - X[:, 1]) + X[:, 2] + 0.1 * rng.standard_normal(60)
    return X, y, np.concatenate([X, new])


@pytest.mark.parametrize("angle", [0.3, 1.1, 2.0])
def test_turning_the_input_plane_leaves_the_objective_under_l2_only(angle):
    X, y = table("generic")[0][:40, :2], table("generic")[1][:40]
    turned = X @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    l1, l2 = (
        [
            WedgeReLURegressor(0.01, norm=norm, tol=1e-8, **RAW).fit(Z, y).certificate_
            for Z in (X, turned)
        ]
        for norm in ("l1", "l2")
    )
    assert_allclose(l2[1].objective, l2[0].objective, rtol=1e-6)
    assert abs(l1[1].objective - l1[0].objective) > 1e-4 * l1[0].objective


def fitted(X, y, weight=None, **options):
    model = WedgeReLURegressor(0.02, norm="l2", clip_quantile=0.05, **options).fit(X, y, weight)
    assert model.n_neurons_ > 2
    return model


def assert_same(actual, expected, tolerance=1e-7):
    assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max())


in_each_case = pytest.mark.parametrize(("kind", "tol"), list(product(KINDS, [1e-4, 1e-8])))


@in_each_case
def test_weights_are_copies(kind, tol):
    X, y, rows = table(kind)
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 4, size=len(y))
    copies = rng.permutation(np.repeat(np.arange(len(y)), weight))
    repeated = fitted(X[copies], y[copies], tol=tol)
    assert_same(fitted(X, y, weight, tol=tol).predict(rows), repeated.predict(rows))


@pytest.mark.parametrize("factor", [1.0, 0.3, 1e6])
@in_each_case
def test_the_order_of_the_rows_and_the_unit_of_a_column_do_not_matter(kind, tol, factor):
    X, y, rows = table(kind)
    order = np.random.default_rng(2).permutation(len(y))
    unit = np.array([factor, 1.0, 1.0 / factor, 1.0])
    converted = fitted(X[order] * unit, y[order], tol=tol).predict(rows * unit)
    assert_same(converted, fitted(X, y, tol=tol).predict(rows))


@pytest.mark.parametrize(("kind", "order"), list(product(KINDS, [1, 2, 3])))
def test_the_layers_are_the_network_and_their_penalty_is_that_reported(kind, order):
    X, y, rows = table(kind)
    model = fitted(X, y, interaction_order=order)
    (hidden, output), (bias, intercept) = model.coefs_, model.intercepts_
    active = np.maximum(np.clip(rows, *model.clip_bounds_) @ hidden + bias, 0.0)
    assert_same(model.predict(rows), (active @ output + intercept)[:, 0], 1e-10)
    w, a = hidden * model.x_scale_[:, None], output[:, 0] / model.y_scale_
    assert_allclose(np.linalg.norm(w, axis=0), np.abs(a), rtol=1e-10)
    loss = 0.5 * np.mean(((y - model.predict(X)) / model.y_scale_) ** 2)
    penalty = model.alpha / 2 * (np.sum(w**2) + np.sum(a**2))
    assert_allclose(model.certificate_.objective, loss + penalty, rtol=1e-10)


def test_clones_pickles_and_grid_searches_keep_the_norm():
    X, y, rows = table("generic")
    model = fitted(X, y)
    after = pickle.loads(pickle.dumps(model))
    assert clone(model).norm == after.norm == "l2"
    assert after.certificate_ == model.certificate_
    assert_array_equal(after.predict(rows), model.predict(rows))
    norms, folds = ["l1", "l2"], [(np.arange(40), np.arange(40, 60))]
    searched = GridSearchCV(WedgeReLURegressor(0.01), {"norm": norms}, cv=folds).fit(X, y)
    alone = [WedgeReLURegressor(0.01, norm=norm).fit(X[:40], y[:40]) for norm in norms]
    scores = [one.score(X[40:], y[40:]) for one in alone]
    assert_array_equal(searched.cv_results_["mean_test_score"], scores)
    assert scores[0] != scores[1]
