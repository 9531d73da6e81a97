"""Deep networks at descending penalties, each from all layers of the one before."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_wedge._core import deep
from sklearn_wedge._core.blocks import last_block
from sklearn_wedge._core.deep_start import left_by, whole_from
from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._core.network import deep_network_of
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training import problems
from sklearn_wedge._training.problems import (
    build_problem,
    problem_on,
    solve_blocks,
    solve_deep_path,
)

pytestmark = pytest.mark.newest

OPTIONS = FitOptions(
    pricing="search", tol=1e-6, rough=True, roughly=0.1, proves=False, n_blocks=2, n_jobs=1
)
ALPHAS = np.array([6e-4, 3e-4])


def table():
    """Kinks of kinks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y = np.abs(np.abs(X[:, 0] + X[:, 1]) - np.abs(X[:, 1] - X[:, 2]))
    return X, y


@pytest.fixture(scope="module", params=[("l1", 2, 2), ("l1", 2, 3), ("l2", 2, 2)])
def path(request):
    """Options, problem and sample, and the networks of both penalties."""
    norm, order, n_blocks = request.param
    options = replace(OPTIONS, norm=norm, interaction_order=order, n_blocks=n_blocks)
    X, y = table()
    given = build_problem(X, y[:, None], np.ones(len(y)), options, SquaredError())
    return options, given, [blocks for (blocks,) in solve_deep_path(*given, ALPHAS, options)]


def build(problem, options):
    return lambda sample: problem_on(sample, problem.loss, options)


def test_each_network_has_several_blocks_and_a_lower_objective_at_a_smaller_penalty(path):
    first, second = path[2]
    assert len(first) > 1
    assert len(second) > 1
    assert second[-1].objective < first[-1].objective


def test_the_objective_is_that_of_the_network(path):
    _, (_, sample), networks = path
    X, y = table()
    for alpha, blocks in zip(ALPHAS, networks, strict=True):
        error = (deep_network_of(blocks).predict(X)[:, 0] - y) / sample.target_scaling.scale
        expected = np.mean(error**2) / 2 + alpha * np.abs(blocks[-1].solution.coef).sum()
        assert_allclose(blocks[-1].objective, expected, rtol=1e-5)


def test_a_start_is_the_same_network_at_the_same_penalty(path):
    options, (problem, sample), networks = path
    blocks = networks[0]
    rule = problems._rule(options)
    begun = left_by(blocks), problem, sample, ALPHAS[0], build(problem, options), rule
    whole = whole_from(*begun)
    for one, other in zip(whole.before, blocks[:-1], strict=True):
        assert_array_equal(one.passed_on.weights, other.passed_on.weights)
    # Coefficients are solved for anew, as closely as the rule asks.
    assert whole.state.objective <= blocks[-1].objective * (1 + 1e-3)


def test_a_path_goes_on_where_it_was_left(path):
    options, given, networks = path
    begun = left_by(networks[0])
    ((blocks,),) = solve_deep_path(*given, ALPHAS[1:], options, start=begun)
    assert_array_equal(blocks[-1].solution.coef, networks[1][-1].solution.coef)


@pytest.mark.parametrize(("norm", "order"), [("l1", 2), ("l2", None)])
def test_networks_of_a_path_from_few_neurons_are_about_as_good_as_those_built_anew(norm, order):
    options = replace(OPTIONS, norm=norm, interaction_order=order)
    X, y = table()
    given = build_problem(X, y[:, None], np.ones(len(y)), options, SquaredError())
    alphas = 0.3 * 0.3 ** np.arange(6)
    path = [blocks for (blocks,) in solve_deep_path(*given, alphas, options)]
    anew = [networks[-1] for networks in solve_blocks(*given, alphas, options)]
    few, many = (len(path[k][0].passed_on) for k in (1, -1))
    assert few < 10 < many
    for one, other in zip(path, anew, strict=True):
        assert one[-1].objective < 1.15 * other[-1].objective


def test_blocks_on_the_way_are_finished_if_nothing_is_built_on_them(monkeypatch):
    options = replace(OPTIONS, proves=True, n_blocks=3, roughly=0.01)
    X, y = table()
    given = build_problem(X, y[:, None], np.ones(len(y)), options, SquaredError())
    alpha = ALPHAS[:1]
    ((*_, whole),) = solve_blocks(*given, alpha, replace(options, n_blocks=2))
    # A third block that gains nothing.
    gain = deep._gain

    def of_third_none(last, block):
        return 0.0 if last.sample.n_activations else gain(last, block)

    monkeypatch.setattr(deep, "_gain", of_third_none)
    ((*_, blocks),) = solve_blocks(*given, alpha, options, only_deepest=True)
    assert len(blocks) == len(whole) == 2
    assert_allclose(blocks[-1].objective, whole[-1].objective, rtol=0.01)
    assert blocks[-1].solution.certificate.tolerance == pytest.approx(
        whole[-1].solution.certificate.tolerance, rel=0.02
    )


def test_a_network_of_one_block_is_no_start_of_deep_ones(path):
    _, (problem, sample), networks = path
    assert left_by((last_block(problem, sample, networks[0][0].solution),)) is None
