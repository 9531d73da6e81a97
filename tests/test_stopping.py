"""When a fit ends, and what it then says of itself."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from oracles import every_neuron, optimum
from plain_cv import regressor_cv
from sklearn.exceptions import ConvergenceWarning

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLURegressor,
    wedge_relu_path,
)
from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._core.pricing import Pricing, SearchBudget
from sklearn_wedge._core.restricted import DualPoint, independent_support
from sklearn_wedge._core.rows import LocalChunks, SampleOptions, chunked_sample
from sklearn_wedge._core.stopping import StoppingRule
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem, solve_alphas

pytestmark = pytest.mark.newest


def without_noise(n=200, seed=0):
    """A target that a network of two neurons has exactly."""
    X = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
    return X, np.abs(X[:, 0] - X[:, 1])


def with_noise(n=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, np.abs(X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=n)


def quietly(model, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data)


# --- small beside the own objective ---------------------------------------------------------------

PLACES = ["in memory", "in chunks"]
SMALL_ALPHAS = [1e-3, 1e-4, 1e-5, 1e-6]
LOSSES = {
    "squared error": (WedgeReLURegressor(0.01), lambda y: y),
    "two targets": (WedgeReLURegressor(0.01), lambda y: np.column_stack([y, -2 * y])),
    "huber": (WedgeReLURegressor(0.01, loss="huber"), lambda y: y),
    "poisson": (WedgeReLURegressor(0.01, loss="poisson"), np.exp),
    "squared hinge": (WedgeReLUClassifier(0.01, loss="squared_hinge"), lambda y: y > 0.5),
    "log loss": (WedgeReLUClassifier(0.01), lambda y: y > 0.5),
    "absolute error": (WedgeReLURegressor(0.01, loss="absolute_error"), lambda y: y),
    "l2": (WedgeReLURegressor(0.01, norm="l2"), lambda y: y),
    "search": (WedgeReLURegressor(0.01, pricing="search"), lambda y: y),
}


@pytest.mark.parametrize("alpha", SMALL_ALPHAS)
def test_a_fit_without_noise_converges_near_its_optimum(alpha):
    X, y = without_noise(14)
    options = {"standardize": False, "clip_quantile": None}
    model = WedgeReLURegressor(alpha, **options).fit(X, y)
    oracle = optimum(every_neuron(X, 2).activations(X), y, np.ones(len(X)), alpha)
    certificate = model.certificate_
    assert certificate.lower_bound <= oracle.upper * (1 + 1e-6)
    assert oracle.lower * (1 - 1e-6) <= certificate.objective <= 1.01 * oracle.upper


@pytest.mark.parametrize("kind", LOSSES)
def test_a_fit_that_converged_has_a_gap_that_is_small_beside_its_objective(kind):
    model, target = LOSSES[kind]
    X, y = without_noise(30 if kind == "absolute error" else 150)
    model = type(model)(**model.get_params()).set_params(alpha=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        certificate = model.fit(X, target(y)).certificate_
    assert certificate.relative_gap <= 0.01
    assert certificate.gap <= certificate.tolerance
    assert certificate.stopped_by == "own objective"


def test_a_search_in_a_continuum_of_directions_goes_on_to_two_fifths_of_that():
    X = np.random.default_rng(0).uniform(-1, 1, (150, 3))
    y = np.abs(X @ [1.0, -1.0, 0.5])
    searched = WedgeReLURegressor(1e-5, norm="l2", interaction_order=None).fit(X, y)
    certificate = searched.certificate_
    assert not certificate.exact
    assert certificate.stopped_by == "own objective"
    assert_allclose(certificate.tolerance, 0.004 * certificate.objective, rtol=1e-9)
    assert certificate.gap <= certificate.tolerance * (1 + 1e-12)


def test_what_is_missing_is_told_as_it_was_asked_for_in_a_continuum_of_directions():
    X = np.random.default_rng(0).uniform(-1, 1, (60, 3))
    model = WedgeReLURegressor(1e-5, norm="l2", interaction_order=None, max_iter=1)
    with pytest.warns(ConvergenceWarning, match=r"or 0\.004 times that of the network"):
        model.fit(X, np.abs(X @ [1.0, -1.0, 0.5]))


def test_rows_in_chunks_end_with_a_gap_that_is_small_beside_the_objective():
    X, y = without_noise(1500)
    with sklearn.config_context(working_memory=2):
        certificate = WedgeReLURegressor(1e-5).fit(X, y).certificate_
    assert "search" in certificate.scope
    assert certificate.relative_gap <= 0.01
    assert certificate.stopped_by == "own objective"


def test_with_noise_the_constant_model_decides():
    certificate = WedgeReLURegressor(0.05).fit(*with_noise()).certificate_
    assert certificate.stopped_by == "constant model"
    assert_allclose(certificate.tolerance, 0.5e-4, rtol=1e-9)


@pytest.mark.parametrize("tol", [0.01, 0.1])
def test_a_loose_tolerance_takes_no_longer_than_it_asks_for(tol):
    X, y = without_noise()
    problem, _ = build_problem(X, y[:, None], np.ones(len(X)), FitOptions(), SquaredError())
    alphas = np.array([1e-5])
    (found,) = solve_alphas(problem, alphas, FitOptions(tol=tol))
    (unproven,) = solve_alphas(problem, alphas, FitOptions(tol=tol, proves=False))
    assert found.history == unproven.history
    assert found.certificate.stopped_by == "constant model"
    assert found.certificate.tolerance == tol * problem.scale


def test_tolerances_between_ask_for_their_share_of_the_objective():
    X, y = without_noise()
    certificate = WedgeReLURegressor(1e-5, tol=2e-3).fit(X, y).certificate_
    assert certificate.relative_gap <= 0.2
    assert certificate.stopped_by == "own objective"
    assert_allclose(certificate.tolerance, 0.2 * certificate.objective, rtol=1e-12)


@pytest.mark.parametrize("max_iter", [3, 10])
def test_an_objective_of_next_to_nothing_ends_at_max_iter_with_a_warning(max_iter):
    X, y = without_noise(60)
    model = WedgeReLURegressor(1e-12, max_iter=max_iter)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, y)
    certificate = model.certificate_
    assert model.n_iter_ == max_iter
    assert certificate.stopped_by == "max_iter"
    assert certificate.gap > certificate.tolerance
    (message,) = {str(warning.message) for warning in caught}
    assert f"gap of {certificate.gap:.3e}; the tolerance is {certificate.tolerance:.3e}" in message
    assert "0.01 times that of the network" in message


def test_a_gap_of_rounding_is_none():
    X, y = without_noise(60)
    certificate = WedgeReLURegressor(1e-16).fit(X, y).certificate_
    assert certificate.stopped_by == "rounding"
    assert certificate.gap <= certificate.tolerance <= 1e-12


def test_folds_are_fitted_without_a_proof_and_the_whole_with_one(monkeypatch):
    rules = []

    def recorded(*given, **named):
        rule = StoppingRule(*given, **named)
        rules.append(rule.proves)
        return rule

    monkeypatch.setattr("sklearn_wedge._training.problems.StoppingRule", recorded)
    regressor_cv([0.1, 0.01], cv=2, tol=1e-3).fit(*with_noise(40))
    # In every fold, and for all of the data, one rule of the path and one of further blocks.
    assert rules == [False] * 4 + [True] * 2


# --- a bound that is none -------------------------------------------------------------------------


@pytest.mark.parametrize("pricing", ["exact", "search"])
@pytest.mark.parametrize("wrong", [lambda bound: bound + 0.5, lambda bound: np.nan])
def test_an_invalid_bound_is_an_error(pricing, wrong, monkeypatch):
    bound = DualPoint.bound
    monkeypatch.setattr(DualPoint, "bound", lambda *given: wrong(bound(*given)))
    with pytest.raises(RuntimeError, match=r"lower bound .* objective .*[Pp]lease report"):
        WedgeReLURegressor(0.05, pricing=pricing).fit(*with_noise(30))


@pytest.mark.parametrize("method", ["price_exactly", "propose"])
def test_a_violation_that_is_no_number_is_an_error(method, monkeypatch):
    priced = getattr(Pricing, method)

    def broken(*given, **named):
        return replace(priced(*given, **named), bound=np.nan)

    monkeypatch.setattr(Pricing, method, broken)
    with pytest.raises(RuntimeError, match="not a number"):
        WedgeReLURegressor(0.05).fit(*with_noise(30))


@pytest.mark.parametrize(
    ("tiny", "place"),
    [(1e-200, "in memory"), (5e-324, "in memory"), *((1e-310, place) for place in PLACES)],
)
@pytest.mark.parametrize("kind", ["squared error", "huber", "poisson", "log loss", "squared hinge"])
def test_weights_whose_inverse_overflows_leave_a_bound(kind, place, tiny):
    model, target = LOSSES[kind]
    X, y = with_noise(200)
    y = target(np.abs(y) / 5)
    weight = np.where(np.arange(len(y)) % 3 == 0, tiny, 1.0)
    model = type(model)(**model.get_params()).set_params(alpha=0.02, tol=1e-3)
    with sklearn.config_context(working_memory=0.2 if place == "in chunks" else 1024):
        certificate = model.fit(X, y, weight).certificate_
        others = weight == 1.0
        alone = model.fit(X[others], y[others]).certificate_
    assert ("search" in certificate.scope) == (place == "in chunks")
    assert certificate.lower_bound > 0
    assert certificate.gap <= certificate.tolerance
    # The rows may lend hyperplanes and move the quantiles of clipping; but they weigh nothing.
    assert_allclose(certificate.objective, alone.objective, rtol=0.01)


# --- what was done --------------------------------------------------------------------------------


@pytest.mark.parametrize("cheap", [0, 8_000_000])
@pytest.mark.parametrize("pricing", ["search", "auto", "exact"])
def test_a_certificate_says_what_was_priced(pricing, cheap, monkeypatch):
    budget = partial(SearchBudget, exact_instead=cheap, exact_at_once=cheap)
    monkeypatch.setattr("sklearn_wedge._settings.options.SearchBudget", budget)
    model = WedgeReLURegressor(0.05, pricing=pricing).fit(*with_noise(40))
    whole_class = model.history_[-1].pricing == "exact"
    assert whole_class == (pricing != "search" or cheap > 0)
    assert model.certificate_.exact == whole_class
    assert model.certificate_.scope.startswith("all ") == whole_class
    assert ("by search" in model.certificate_.scope) != whole_class


def test_a_path_warns_where_it_did_not_converge():
    X, y = with_noise()
    with pytest.warns(
        ConvergenceWarning, match=r"1 of 2 networks .* alpha=0\.0001 .*gap"
    ) as caught:
        path = wedge_relu_path(X, y, [0.5, 1e-4], max_iter=3, tol=1e-3)
    assert path.converged == (True, False)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert wedge_relu_path(X, y, [0.3, 0.1], tol=1e-3).converged == (True, True)


def test_every_hidden_layer_that_did_not_converge_is_warned_of():
    X, y = without_noise(80)
    y = np.abs(y - 0.5)
    with pytest.warns(ConvergenceWarning) as caught:
        model = WedgeReLURegressor(1e-3, n_blocks=2, max_iter=2).fit(X, y)
    above = [
        number
        for number, block in enumerate(model.blocks_, start=1)
        if block.certificate.gap > block.certificate.tolerance
    ]
    assert 1 in above
    said = [str(warning.message) for warning in caught]
    assert len(said) == len(above)
    for message, number in zip(said, above, strict=True):
        assert f"hidden layer {number}," in message


@pytest.mark.parametrize("seed", range(30))
def test_columns_that_depend_on_one_another_but_for_rounding_are_reduced(seed):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(60, 12)) @ rng.normal(size=(12, 25))
    columns -= columns.mean(axis=0)
    # As sums over rows leave it.
    noise = rng.normal(size=(25, 25))
    gram = columns.T @ columns
    gram += 1e-15 * np.abs(gram).max() * (noise + noise.T)
    coef = np.abs(rng.normal(size=25))
    moved = independent_support(gram, coef)
    assert np.count_nonzero(moved) < 25
    assert np.all(moved >= 0)
    fit, moved_fit = columns @ coef, columns @ moved
    assert np.linalg.norm(moved_fit - fit) <= 1e-6 * np.linalg.norm(fit)


def test_values_kept_with_another_number_of_chunks_are_refused():
    X, y = with_noise(100)
    chunks = LocalChunks(X, y[:, None], np.ones(100), 30)
    kept = chunks.keep(lambda chunk: chunk.rows)
    assert len(kept) == 4
    for wrong in (kept[:-1], [*kept, kept[-1]]):
        with pytest.raises(ValueError, match="zip"):
            chunks.map(lambda chunk, rows: rows, along=(wrong,))
    assert len(chunked_sample(chunks, SampleOptions()).points) == 100
