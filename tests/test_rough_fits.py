"""Rough networks that are predicted with: local moves find them, a search judges them."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from oracles import every_neuron, optimum
from sklearn.exceptions import ConvergenceWarning

from sklearn_wedge import WedgeReLURegressorCV
from sklearn_wedge._core import whole
from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem, solve_blocks

pytestmark = pytest.mark.newest

OPTIONS = FitOptions(interaction_order=3, pricing="search", tol=1e-4, rough=True, roughly=0.03)


def table(n=250, d=8):
    """Kinks of kinks in three inputs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = np.abs(np.abs(X[:, 0] + X[:, 1] - X[:, 2]) - np.abs(X[:, 3] - X[:, 4] + X[:, 5]))
    return X, y + 0.05 * rng.normal(size=n)


def solutions(options, X, y, alpha=2e-3):
    """Of all blocks."""
    given = build_problem(X, y[:, None], np.ones(len(y)), options, SquaredError())
    ((*_, blocks),) = solve_blocks(*given, np.array([alpha]), options)
    return [block.solution for block in blocks]


def pricing_of(solution):
    return [each.pricing for each in solution.history]


def test_the_bound_of_a_network_that_local_moves_found_is_that_of_a_search():
    (rough,) = solutions(OPTIONS, *table())
    (close,) = solutions(replace(OPTIONS, rough=False, tol=1e-5), *table())
    *before, last = pricing_of(rough)
    assert set(before) == {"local moves"} and "search" in last
    assert rough.certificate.lower_bound <= close.certificate.objective
    assert rough.certificate.gap > 2 * rough.certificate.tolerance
    assert rough.certificate.stopped_by == "no progress"


def test_an_exact_bound_of_a_rough_network_is_one():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(14, 2))
    y = np.abs(X[:, 0] - X[:, 1]) + 0.1 * rng.normal(size=14)
    options = replace(OPTIONS, interaction_order=2, pricing="exact", standardize=False, roughly=0.1)
    (rough,) = solutions(options, X, y / y.std(), alpha=1e-3)
    best = optimum(every_neuron(X, 2).activations(X), y / y.std(), np.ones(14), 1e-3)
    certificate = rough.certificate
    assert certificate.exact
    assert pricing_of(rough)[-1] == "exact"
    assert certificate.lower_bound <= best.upper * (1 + 1e-6)
    assert certificate.objective >= best.lower * (1 - 1e-6)


def test_networks_to_be_scored_are_not_judged():
    (scored,) = solutions(replace(OPTIONS, proves=False), *table())
    assert set(pricing_of(scored)) == {"local moves"}


def test_who_asks_to_stop_does_not_wait_for_a_search():
    (stopped,) = solutions(replace(OPTIONS, watch=lambda progress: True), *table())
    assert pricing_of(stopped) == ["local moves"]
    assert stopped.certificate.stopped_by == "request"


@pytest.mark.parametrize("max_iter", [1, 3])
def test_no_more_rounds_are_made_than_are_allowed(max_iter):
    (found,) = solutions(replace(OPTIONS, max_iter=max_iter, roughly=1e-6), *table())
    assert len(found.history) == max_iter
    assert "search" in pricing_of(found)[-1]
    assert found.certificate.stopped_by == "max_iter"


def test_more_turns_of_all_layers_are_taken_where_a_network_is_predicted_with(monkeypatch):
    deep = replace(OPTIONS, n_blocks=2)
    predicting = solutions(deep, *table())[-1]
    monkeypatch.setattr(whole, "MOST_ROWS_OF_TURNS", 249)
    once = solutions(deep, *table())[-1]
    assert predicting.certificate.objective < 0.99 * once.certificate.objective


def test_a_deep_network_that_a_race_has_chosen_does_not_warn_of_a_tolerance():
    X = np.random.default_rng(0).normal(size=(120, 4))
    y = np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1] + X[:, 2]))
    kind = {"interaction_order": 3, "norm": "l1", "n_blocks": 2, "encoding": None}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = WedgeReLURegressorCV(clip_quantile=None, cv=2, blend=False, **kind).fit(X, y)
    assert model.n_blocks_ == 2
    assert not model.certificate_.exact
    assert "search" in model.history_[-1].pricing
