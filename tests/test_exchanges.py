"""Hyperplanes through random samples, whose samples are exchanged, against enumeration."""

import numpy as np
import pytest
from oracles import canonical, random_dual

from sklearn_wedge import WedgeReLURegressor
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing import Pricing
from sklearn_wedge._core.pricing.exact import price_all
from sklearn_wedge._core.pricing.exchanges import exchange, random_pencils
from sklearn_wedge._core.pricing.pencils import PointTable


@pytest.fixture(params=range(4))
def searched(request):
    """Pricing of order 3 over some points, a dual point, and the largest value there is."""
    rng = np.random.default_rng(request.param)
    points = canonical(rng.normal(size=(120, 5)))
    dual = random_dual(rng, len(points), 1, "normal")
    pricing = Pricing(points, NeuronClass(3))
    assert not pricing.is_cheap
    return pricing, dual, pricing.price_exactly(dual).bound


def pencils_of(pricing, how_many, seed):
    nothing = Neurons.empty(3)
    return random_pencils(pricing.table, nothing, pricing.neuron_class, how_many, (seed,))


def test_exchanges_find_what_is_within_a_hundredth_of_the_best_in_three_inputs(searched):
    pricing, dual, _ = searched
    every = price_all(pricing.table, dual, pricing.neuron_class)
    best = every.values[every.inputs[:, 2] >= 0].max()
    pencils = pencils_of(pricing, 500, seed=0)
    found = exchange(pricing.table, dual, pencils, pricing.neuron_class)
    assert 0.99 * best <= found.values.max() <= (1 + 1e-9) * best


def test_a_long_search_keeps_what_is_known_and_looks_elsewhere(searched):
    pricing, dual, best = searched
    nothing = Neurons.empty(3)
    known = pricing.propose(dual, nothing, 0, everywhere=False)
    first = pricing.search_on(dual, best, nothing, nothing, 0, known)
    second = pricing.search_on(dual, best, nothing, nothing, 0, first)
    assert len(known.neurons) < len(first.neurons) < len(second.neurons)
    assert known.bound <= first.bound <= second.bound <= (1 + 1e-9) * best
    assert second.searches[0] == first.searches[0]
    assert len(second.searches) == 2


def test_random_pencils_have_inputs_that_may_go_together():
    points = canonical(np.random.default_rng(0).normal(size=(50, 8)))
    groups = ((0, 1, 2, 3), (4, 5, 6, 7))
    kind = NeuronClass(3, groups=groups)
    pencils = random_pencils(PointTable(points), Neurons.empty(3), kind, 300, (0,))
    assert len(pencils) > 0
    assert all(any(set(row) <= set(group) for group in groups) for row in pencils.inputs.tolist())


def test_random_pencils_of_two_inputs_that_vary_are_of_order_2():
    points = np.random.default_rng(0).normal(size=(50, 3))
    points[:, 1] = 0.0
    table = PointTable(canonical(points))
    pencils = random_pencils(table, Neurons.empty(3), NeuronClass(3), 20, (0,))
    assert pencils.order == 2
    assert np.unique(pencils.inputs).tolist() == [0, 2]


@pytest.mark.parametrize("seed", range(3))
def test_an_estimated_bound_of_order_3_is_below_the_optimum(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 5))
    weights = rng.normal(size=(12, 5)) * (rng.random((12, 5)) < 0.6)
    outer = rng.choice([-1.0, 1.0], 12)
    y = np.maximum(X @ weights.T + rng.normal(size=12), 0.0) @ outer + 0.1 * rng.normal(size=120)
    how = {"alpha": 3e-3, "norm": "l1", "interaction_order": 3, "tol": 1e-4, "max_iter": 500}
    found = WedgeReLURegressor(pricing="search", **how).fit(X, y).certificate_
    exact = WedgeReLURegressor(pricing="exact", **how).fit(X, y).certificate_
    assert exact.exact
    assert not found.exact
    assert found.lower_bound <= exact.objective <= found.objective + exact.tolerance
    assert found.gap >= 0.0039 * found.objective
