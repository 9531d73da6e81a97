"""Sliding against differences, and fits that slide against those that do not."""

import warnings
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hard_problems import LOSSES
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import approx_fprime
from sklearn.exceptions import ConvergenceWarning
from test_every_loss import targets
from verdict import Reading

from sklearn_wedge._core import column_generation
from sklearn_wedge._core.kernels import Threads
from sklearn_wedge._core.layers import WIDTH, LayeredLoss, SmoothedLoss
from sklearn_wedge._core.losses import (
    Gamma,
    Huber,
    LogLoss,
    Multinomial,
    Poisson,
    SquaredError,
    SquaredHinge,
)
from sklearn_wedge._core.neurons import NeuronClass
from sklearn_wedge._core.pricing import Pricing, SearchBudget
from sklearn_wedge._core.problem import Effort, Problem
from sklearn_wedge._core.sliding import (
    NetworkLoss,
    SlideRule,
    Weights,
    as_neurons,
    balanced_weights,
    drafted,
    random_weights,
    slid,
)
from sklearn_wedge._core.state import resume
from sklearn_wedge._core.stopping import StoppingRule
from sklearn_wedge._core.warm_path import solve_path
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem

pytestmark = pytest.mark.newest

SMOOTH = {
    "squared": (SquaredError(), "number"),
    "several targets": (SquaredError(), "vectors"),
    "Huber": (Huber(0.7), "number"),
    "Poisson": (Poisson(), "counts"),
    "gamma": (Gamma(), "positive"),
    "log loss": (LogLoss(), "two classes"),
    "multinomial": (Multinomial(), "three classes"),
    "squared hinge": (SquaredHinge(), "two classes"),
    "squared hinge of several": (SquaredHinge(), "three classes"),
}
each_loss = pytest.mark.parametrize("name", SMOOTH)
# Of a fit and of what users can compute from it, relative to the objective of the constant model.
ROUNDING = 1e-10
DIFFERENCES = 1e-6


def rows_of(name, n=150, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X, (loss, kind) = rng.standard_normal((n, d)), SMOOTH[name]
    _, target = targets(X, kind, seed)
    weight = rng.uniform(0.5, 2.0, size=n)
    return X, target, weight / weight.sum(), loss


def some_weights(rng, d, m, q):
    return Weights(rng.normal(size=(d + 1, m)), rng.normal(size=(m, q)), rng.normal(size=q))


def network(weights, X):
    active = np.maximum(X @ weights.hidden[:-1] + weights.hidden[-1], 0.0)
    return active @ weights.outer + weights.intercept


def objective(weights, X, target, weight, loss, alpha):
    size = (weights.hidden[:-1] ** 2).sum() + (weights.outer**2).sum()
    return loss.value(network(weights, X), target, weight) + alpha / 2 * size


@each_loss
def test_the_gradient_of_a_network_is_that_of_its_loss(name, monkeypatch):
    monkeypatch.setattr("sklearn_wedge._core.sliding.ACTIVATIONS_AT_ONCE", 1)
    X, target, weight, loss = rows_of(name)
    at = some_weights(np.random.default_rng(1), 4, 3, target.shape[1])
    value, slope = NetworkLoss(X, target, weight, loss, np.float64)(at)
    assert_allclose(value, loss.value(network(at, X), target, weight), rtol=1e-12)
    for part in ("hidden", "outer", "intercept"):
        values = getattr(at, part)

        def value_at(vector, part=part, values=values):
            moved = replace(at, **{part: vector.reshape(values.shape)})
            return loss.value(network(moved, X), target, weight)

        expected = approx_fprime(values.ravel(), value_at, 1e-7)
        assert_allclose(getattr(slope, part).ravel(), expected, atol=3e-5, rtol=1e-4)


@each_loss
def test_one_layer_is_smoothed_as_several_layers_are(name, monkeypatch):
    monkeypatch.setattr("sklearn_wedge._core.sliding.ACTIVATIONS_AT_ONCE", 1)
    X, target, weight, loss = rows_of(name)
    start, at = (some_weights(np.random.default_rng(k), 4, 5, target.shape[1]) for k in (0, 1))
    data = X, target, weight, loss, start
    value, slope = SmoothedLoss(*data, WIDTH, np.float64)(at)
    expected, slope_of_layers = LayeredLoss(*data, np.float64)(at)
    assert_allclose(value, expected, rtol=1e-12)
    for part, other in zip(slope.parts, slope_of_layers.parts, strict=True):
        assert_allclose(part, other, rtol=1e-9, atol=1e-12 * np.abs(other).max())


def test_smoothed_slides_go_on_where_kinks_end_others():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    target = np.sin(X @ rng.standard_normal((4, 2))).sum(axis=1, keepdims=True)
    data = X, target, np.full(300, 1 / 300), SquaredError()
    at, alpha = random_weights(X, np.zeros(1), 60, (0,)), 1e-4

    def lowered(start, loss):
        return slid(loss, start, alpha, True, 400)

    for _ in range(4):
        at = lowered(at, NetworkLoss(*data, np.float64))
    with_kinks = lowered(at, NetworkLoss(*data, np.float64))
    smoothed = lowered(at, SmoothedLoss(*data, at, 0.003, np.float64))
    before, little, much = (objective(each, *data, alpha) for each in (at, with_kinks, smoothed))
    assert before - much > 1.5 * (before - little)


@pytest.mark.parametrize("smoothed", [False, True])
@each_loss
def test_the_number_of_threads_leaves_every_bit_of_a_gradient(name, smoothed, monkeypatch):
    # 24 blocks of 64 rows, four at a time.
    monkeypatch.setattr("sklearn_wedge._core.sliding.ACTIVATIONS_AT_ONCE", 1)
    X, target, weight, loss = rows_of(name, n=1500)
    at = some_weights(np.random.default_rng(1), 4, 5, target.shape[1])
    kind = partial(SmoothedLoss, start=at, width=WIDTH) if smoothed else NetworkLoss
    one, *others = (kind(X, target, weight, loss, threads=Threads(k))(at) for k in (1, 2, 4))
    for value, slope in others:
        assert value == one[0]
        for part in ("hidden", "outer", "intercept"):
            assert_array_equal(getattr(slope, part), getattr(one[1], part))


@each_loss
def test_single_precision_is_nearly_as_good(name):
    X, target, weight, loss = rows_of(name)
    at = some_weights(np.random.default_rng(1), 4, 5, target.shape[1])
    value, slope = NetworkLoss(X, target, weight, loss)(at)
    value_64, slope_64 = NetworkLoss(X, target, weight, loss, np.float64)(at)
    assert_allclose(value, value_64, rtol=1e-5)
    for part in ("hidden", "outer", "intercept"):
        largest = np.abs(getattr(slope_64, part)).max()
        assert_allclose(getattr(slope, part), getattr(slope_64, part), atol=1e-5 * largest)


@given(
    name=st.sampled_from(sorted(SMOOTH)),
    m=st.integers(1, 6),
    n_steps=st.integers(1, 30),
    alpha=st.sampled_from([1e-4, 1e-2, 1.0]),
    sparse=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
@example(name="Poisson", m=6, n_steps=18, alpha=1.0, sparse=True, seed=197)  # weights of nearly 0
def test_a_slide_never_raises_the_objective_and_stays_in_the_class(
    name, m, n_steps, alpha, sparse, seed
):
    X, target, weight, loss = rows_of(name, n=60, seed=seed)
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(4, m))
    if sparse:
        for column in hidden.T:
            column[rng.choice(4, 2, replace=False)] = 0.0
    order = 2 if sparse else 4
    start = some_weights(rng, 4, m, target.shape[1])
    start.hidden[:-1] = hidden
    data = X, target, weight, loss
    moved = slid(NetworkLoss(*data), start, alpha, not sparse, n_steps)
    before, after = objective(start, *data, alpha), objective(moved, *data, alpha)
    assert after <= before + DIFFERENCES * (1 + abs(before))
    assert not sparse or not moved.hidden[:-1][hidden == 0].any()
    # And back: the same network on the rows, and its penalty is that of balanced weights.
    neurons, coef, intercept = as_neurons(moved, X, NeuronClass(order, "l2"))
    assert np.all(neurons.order <= order)
    assert_allclose(np.linalg.norm(neurons.weights, axis=1), 1.0, rtol=1e-12)
    outputs = neurons.activations(np.ascontiguousarray(X.T)).T @ coef + intercept
    assert_allclose(outputs, network(moved, X), rtol=0, atol=1e-6 * (1 + np.abs(outputs).max()))
    again = balanced_weights(neurons, coef, intercept, 4)
    assert objective(again, *data, alpha) <= after + DIFFERENCES * (1 + abs(after))


def data_of(kind, n=100, d=5, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d))
    return X, targets(X, kind.target, seed)[0]


def fit(kind, X, y, **parameters):
    parameters = {"alpha": 1e-2, "interaction_order": None, "norm": "l2", **parameters}
    parameters = {"pricing": "search", "max_iter": 5, "tol": 1e-3, **parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind.estimator(**parameters).fit(X, y)


def without_sliding(monkeypatch):
    monkeypatch.setattr(Problem, "slides", property(lambda problem: False))


# Losses on several targets slide in the same way: one stands for them.
ALIKE = {f"{loss} of several" for loss in ("absolute", "quantile", "Poisson", "gamma")}
SLIDING = [
    name
    for name, kind in LOSSES.items()
    if kind.loss.slope and not callable(kind.parameters.get("loss")) and name not in ALIKE
]


@pytest.mark.parametrize("name", SLIDING)
def test_the_objective_after_sliding_is_that_of_the_network(name):
    kind = LOSSES[name]
    X, y = data_of(kind)
    model = fit(kind, X, y)
    asked = SimpleNamespace(X=X, y=y, weight=None, loss=name, order=5, norm="l2")
    reading = Reading(asked, model)
    outputs, distance = reading.outputs(), reading.rounding()
    task = reading.task
    of_network = task.loss.value(outputs, task.target, task.weight) + reading.penalty()
    slack = reading.change_of_loss(outputs, distance) + ROUNDING
    assert abs(model.certificate_.objective - of_network) <= slack
    objectives = [r.objective for r in model.history_]
    assert np.all(np.diff(objectives) <= 0)
    assert model.certificate_.lower_bound <= model.certificate_.objective


# The restricted problems of the last one take long without sliding.
@pytest.mark.parametrize("name", [name for name in SLIDING if name != "squared hinge of several"])
def test_sliding_lowers_the_objective_below_that_without(name, monkeypatch):
    kind = LOSSES[name]
    X, y = data_of(kind)
    slid = fit(kind, X, y)
    without_sliding(monkeypatch)
    assert slid.certificate_.objective < fit(kind, X, y).certificate_.objective


@pytest.mark.parametrize("q", [1, 2])
def test_threads_do_not_decide_where_neurons_slide(q):
    kind = LOSSES["several targets" if q > 1 else "squared"]
    X, y = data_of(kind, n=200 if q == 1 else 60)
    fits = [fit(kind, X, y, n_jobs=n_jobs) for n_jobs in (1, 2, 4)]
    for other in fits[1:]:
        for name in ("coefs_", "intercepts_"):
            for one, another in zip(getattr(fits[0], name), getattr(other, name), strict=True):
                assert_array_equal(another, one)
        assert other.history_ == fits[0].history_


@pytest.mark.parametrize(
    "limits", [{"interaction_order": 3}, {"interaction_cst": [[0, 1, 2], [2, 3, 4]]}]
)
def test_a_slide_gives_a_neuron_no_inputs_that_it_may_not_have(limits):
    X, y = data_of(LOSSES["squared"])
    model = fit(LOSSES["squared"], X, y, **limits)
    inputs = [set(np.flatnonzero(weights)) for weights in model.coefs_[0].T]
    groups = limits.get("interaction_cst", [range(5)])
    assert len(inputs) > 3
    assert all(len(used) <= 3 and any(used <= set(group) for group in groups) for used in inputs)
    assert (model.neurons_.rows < 0).all(axis=1).any()


def problem_of(**parameters):
    X, y = data_of(LOSSES["squared"], n=60, d=4)
    wedge = parameters.pop("wedge", False)
    parameters = {"interaction_order": 3, "norm": "l2", "pricing": "search", **parameters}
    options = FitOptions(**parameters).validated("this test")
    return build_problem(X, y[:, None], np.ones(len(y)), options, SquaredError(), wedge)[0]


def test_neurons_that_must_pass_through_samples_do_not_slide():
    assert problem_of().slides
    exact = {"interaction_order": 2, "pricing": "exact"}
    for never in ({"norm": "l1"}, {"wedge": True}, {"interaction_order": 1}, exact):
        assert not problem_of(**never).slides


def test_a_slide_that_gains_nothing_leaves_the_network(monkeypatch):
    problem, rule = problem_of(), StoppingRule(1e-3, 5)
    state = column_generation.start(problem, 0.01)
    state = column_generation.step(problem, state, rule, problem.efforts(proves=False))
    added = column_generation.add_columns(problem, state, rule)
    state = column_generation.solve_for(problem, added, rule)

    def worse(self, neurons, coef, intercept, alpha, pays, width):
        return neurons.take(np.arange(1)), coef[:1], intercept

    assert column_generation.slide(problem, state, rule).objective < state.objective
    monkeypatch.setattr(Problem, "slid", worse)
    assert column_generation.slide(problem, state, rule) is state


def test_an_estimate_that_a_network_refutes_is_dropped():
    problem, rule = problem_of(), StoppingRule(1e-3, 5)
    state = column_generation.step(
        problem, column_generation.start(problem, 0.01), rule, problem.efforts(proves=False)
    )
    refuted = replace(state, lower_bound=2 * state.objective)
    priced = column_generation.price(
        problem, refuted, problem.efforts(proves=False)[-1], conclusive=True
    )
    assert priced.lower_bound <= state.objective


def searched(problem, alpha=0.01):
    efforts = problem.efforts(proves=False)
    return column_generation.step(
        problem, column_generation.start(problem, alpha), StoppingRule(1e-3, 5), efforts
    )


def test_of_many_estimates_the_last_counts_not_the_luckiest():
    problem = problem_of()
    state = replace(searched(problem), lower_bound=0.0)
    effort = problem.efforts(proves=False)[-1]
    state = column_generation.price(problem, state, effort, conclusive=True)
    lucky = replace(state, lower_bound=state.objective)
    priced = column_generation.price(problem, lucky, effort, conclusive=True)
    assert priced.lower_bound == priced.rounds[-1].estimate < state.objective


def test_what_all_searches_miss_is_allowed_for_unless_they_agree():
    problem = problem_of()
    state = searched(problem)

    def expected(*searches):
        found = replace(state.priced, bound=max(searches), searches=searches)
        at = replace(state, alpha=1.0, values=np.empty(0), priced=found)
        return column_generation._expected_value(problem, at)

    assert expected(1.1, 1.4, 1.2) == pytest.approx(1.6)
    assert expected(1.4, 1.1, 1.4) == 1.4
    assert expected(1.1) == pytest.approx(1.2)
    assert expected(0.7, 0.9) == 0.9


def test_long_searches_that_have_to_agree_look_in_different_directions(monkeypatch):
    monkeypatch.setattr(column_generation, "ROUNDS_OF_ONE_REPETITION", 0)
    problem, rule = problem_of(interaction_order=None), StoppingRule(1e-3, max_rounds=1)
    # Few climbs: of so few rows many find the best neuron every time.
    few = SearchBudget(climbs_at_the_end=100)
    pricing = Pricing(problem.pricing.table.points, problem.neuron_class, 1, few)
    problem = replace(problem, pricing=pricing)
    efforts = rule.efforts(problem)
    assert efforts.count(Effort.CONFIRMATION) > 0
    state = column_generation.start(problem, 0.01)
    # In a last round all are made, whatever they find.
    searches = column_generation.step(problem, state, rule, efforts).priced.searches
    assert len(searches) == 1 + efforts.count(Effort.CONFIRMATION)
    assert len(set(searches)) > 1


@pytest.mark.parametrize("proves", [True, False])
def test_a_proof_ends_with_a_second_long_search_and_a_score_without_one(proves):
    problem, rule = problem_of(), StoppingRule(1e-3, 100, proves=proves)
    (reached,) = solve_path(problem, np.array([0.01]), rule)
    assert reached.converged
    assert (reached.history[-1].pricing == "repeated long search") == proves


def test_a_long_search_keeps_what_is_known_and_finds_more():
    problem, rule = problem_of(), StoppingRule(1e-3, 5)
    state = column_generation.start(problem, 0.01)
    state = column_generation.step(problem, state, rule, problem.efforts(proves=False)[:1])
    nothing = state.neurons.take(np.arange(0))
    longer = problem.price(state.dual, 0.01, Effort.LONG_SEARCH, nothing, nothing, 0, state.priced)
    assert longer.bound >= state.priced.bound
    known = {tuple(weights) for weights in state.priced.neurons.weights}
    assert len(known - {tuple(weights) for weights in longer.neurons.weights}) == 0
    assert len(longer.neurons) > len(state.priced.neurons)


def test_a_slide_ends_that_gains_less_than_what_came_before():
    X, target, weight, loss = rows_of("squared")
    start = random_weights(X, target.mean(axis=0), 20, (0,))
    data = X, target, weight, loss
    little, much, all_steps = (
        objective(slid(NetworkLoss(*data), start, 1e-3, True, 400, rule), *data, 1e-3)
        for rule in (SlideRule(0.0), SlideRule(10.0), None)
    )
    assert all_steps <= little < much < objective(start, *data, 1e-3)


def test_a_slide_ends_whose_steps_gain_less_than_the_least():
    X, target, weight, loss = rows_of("squared")
    start = random_weights(X, target.mean(axis=0), 20, (0,))
    data = X, target, weight, loss
    before = objective(start, *data, 1e-3)
    long, short = (
        before - objective(slid(NetworkLoss(*data), start, 1e-3, True, 400, rule), *data, 1e-3)
        for rule in (SlideRule(-before), SlideRule(-before, least=0.1 * before))
    )
    assert 0.5 * long < short < long


def test_slides_of_a_rough_network_leave_a_part_of_the_gap_wanted():
    problem = problem_of()
    state = column_generation.start(problem, 0.01)
    for rough in (True, False):
        rule = StoppingRule(1e-3, 5, rough=rough)
        state = column_generation.step(problem, state, rule, problem.efforts(proves=False)[:1])
        found = column_generation._slide_rule(problem, state, rule)
        wanted = rule.gap_wanted(problem, state.objective)
        assert found.least == (column_generation.LEFT_TO_A_ROUGH_SLIDE * wanted if rough else 0.0)


def test_kinks_are_smoothed_to_other_widths_in_turn_and_those_of_loose_fits_are_not(
    monkeypatch,
):
    problem, widths, slide_of = problem_of(), [], Problem.slid

    def noted(self, *how):
        widths.append(how[-1])
        return slide_of(self, *how)

    monkeypatch.setattr(Problem, "slid", noted)
    loose = [{"rough": True}, {"proves": False}, {"tolerance": 0.01}]
    for how_loose in ({}, *loose):
        rule = StoppingRule(**{"tolerance": 1e-4, "max_rounds": 4, **how_loose})
        list(solve_path(problem, np.array([1e-3]), rule))
        smoothed = {width for width in widths if width is not None}
        assert len(smoothed) == (0 if how_loose else 3)
        assert widths
        widths.clear()


def test_after_expensive_searches_a_slide_goes_on_for_longer():
    problem, rule = problem_of(), StoppingRule(1e-3, 5)
    state = column_generation.start(problem, 0.01)
    prices = []
    for effort in (Effort.LOCAL_MOVES, Effort.SEARCH, Effort.LONG_SEARCH):
        state = column_generation.price(problem, state, effort, conclusive=False)
        prices.append(column_generation._slide_rule(problem, state, rule).price)
    assert prices[0] < prices[1] < prices[2]
    data = rows_of("squared")
    start = random_weights(data[0], data[1].mean(axis=0), 20, (0,))
    short, long = (
        objective(slid(NetworkLoss(*data), start, 1e-3, True, 400, rule), *data, 1e-3)
        for rule in (SlideRule(1.0, prices[0]), SlideRule(1.0, prices[2]))
    )
    assert long < short


def test_a_draft_is_fixed_by_its_seed_and_better_than_a_constant():
    problem = problem_of(interaction_order=None)
    assert problem.drafts and not problem_of(interaction_order=2).drafts
    first, again, other = (problem.drafted(1e-3, 30, (seed,)) for seed in (0, 0, 1))
    assert_array_equal(first[0].weights, again[0].weights)
    assert not np.array_equal(first[0].offsets, other[0].offsets)
    state = resume(problem, 1e-3, first[0], StoppingRule(1e-3, 5), *first[1:])
    assert state.objective < 0.5 * problem.constant.objective


def test_a_draft_reads_no_more_rows_than_it_needs(monkeypatch):
    problem = problem_of(interaction_order=None)
    whole = problem.drafted(1e-3, 30, (0,))[0]
    monkeypatch.setattr("sklearn_wedge._core.problem.ROWS_OF_DRAFT", 50)
    assert not np.array_equal(problem.drafted(1e-3, 30, (0,))[0].offsets, whole.offsets)


@pytest.mark.parametrize("loss", [Multinomial(), SquaredError()])
@pytest.mark.parametrize("proves", [False, True])
def test_only_networks_of_classes_that_are_to_be_scored_start_anew_at_each_penalty(loss, proves):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    y = np.eye(3)[np.argmax(np.sin(X) @ rng.standard_normal((4, 3)), axis=1)]
    options = FitOptions(interaction_order=None, norm="l2", pricing="search").validated("this test")
    problem = build_problem(X, y, np.ones(len(y)), options, loss)[0]
    rule = StoppingRule(1e-3, 20, rough=True, proves=proves)
    before, after = solve_path(problem, np.array([1e-1, 1e-2]), rule)
    (alone,) = solve_path(problem, np.array([1e-2]), rule)
    (gone_on,) = solve_path(problem, np.array([1e-2]), rule, after=before)
    starts_anew = isinstance(loss, Multinomial) and not proves
    for not_alone in (after, gone_on):
        assert np.array_equal(not_alone.coef, alone.coef) == starts_anew


def network_at_hand(problem):
    """A fit that has not converged: its network, as it goes into a renewal."""
    (found,) = solve_path(problem, np.array([1e-3]), StoppingRule(1e-2, 3, proves=False))
    return found.neurons, found.coef, found.intercept


def test_a_renewed_network_is_fixed_by_its_seed_and_not_the_one_at_hand():
    problem = problem_of(interaction_order=None)
    at_hand = network_at_hand(problem)
    first, again, other = (problem.renewed(*at_hand, 1e-3, (0, seed)) for seed in (0, 0, 1))
    assert_array_equal(first.weights, again.weights)
    assert first.weights.shape != other.weights.shape or not np.allclose(
        first.weights, other.weights
    )
    old = {tuple(weights) for weights in np.round(at_hand[0].weights, 6)}
    new = {tuple(weights) for weights in np.round(first.weights, 6)}
    assert len(new) > len(new & old)


def test_a_draft_ends_once_its_steps_gain_little_and_loses_little_by_that():
    problem, alpha = problem_of(interaction_order=None), 0.1
    loss, calls = problem._network_loss, []

    def counted(at):
        calls.append(at)
        return loss(at)

    start = random_weights(problem.sample.points, problem.constant.intercept, 50, (0,))
    ends = [drafted(counted, start, alpha, 300)]
    n_short = len(calls)
    ends.append(slid(counted, start, alpha, True, 300))
    assert n_short < (len(calls) - n_short) / 2
    short, long = (
        loss(end)[0] + alpha / 2 * ((end.hidden[:-1] ** 2).sum() + (end.outer**2).sum())
        for end in ends
    )
    assert short <= 1.01 * long


def test_a_renewed_network_is_nearly_as_good_as_the_one_at_hand():
    problem = problem_of(interaction_order=None)
    neurons, coef, intercept = network_at_hand(problem)
    rule = StoppingRule(1e-3, 5)
    at_hand = resume(problem, 1e-3, neurons, rule, coef, intercept).objective
    renewed = resume(problem, 1e-3, problem.renewed(neurons, coef, intercept, 1e-3, (0, 0)), rule)
    assert renewed.objective - at_hand < 0.1 * (problem.constant.objective - at_hand)


def efforts_of(problem, turn):
    """What a round at the constant model goes through, where local moves find enough."""
    rule = StoppingRule(1e-4, 5)
    state = replace(column_generation.start(problem, 0.01), turn=turn)
    seen = []
    priced = Problem.price

    def recorded(self, dual, alpha, effort, *rest):
        seen.append(effort)
        return priced(self, dual, alpha, effort, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Problem, "price", recorded)
        column_generation.step(problem, state, rule, rule.efforts(problem))
    return seen


def test_every_other_round_has_a_long_search_though_local_moves_find_enough():
    problem = problem_of(interaction_order=None)
    assert efforts_of(problem, turn=4) == [Effort.LOCAL_MOVES]
    assert efforts_of(problem, turn=5) == [Effort.LOCAL_MOVES, Effort.LONG_SEARCH]
    assert efforts_of(problem_of(), turn=5) == [Effort.LOCAL_MOVES]


def test_the_first_rounds_have_no_long_search_where_local_moves_find_enough():
    problem = problem_of(interaction_order=None)
    assert [efforts_of(problem, turn) for turn in range(4)] == 4 * [[Effort.LOCAL_MOVES]]


@pytest.mark.parametrize(("n_rounds", "n_searches"), [(9, 2), (10, 4)])
def test_a_long_search_is_repeated_more_often_after_many_rounds(n_rounds, n_searches):
    problem, rule = problem_of(interaction_order=None), StoppingRule(1e-3, n_rounds + 1)
    state = column_generation.start(problem, 0.01)
    priced = column_generation.price(problem, state, Effort.LOCAL_MOVES, conclusive=False)
    state = replace(state, rounds=priced.rounds * n_rounds)
    # In a last round all are made, whatever they find.
    priced = column_generation.step(problem, state, rule, rule.efforts(problem)).priced
    assert len(priced.searches) == n_searches


def test_a_gap_in_a_continuum_of_directions_is_told_no_closer_than_it_was_asked_for():
    problem, tolerance = problem_of(), 1e-3
    (reached,) = solve_path(problem, np.array([0.01]), StoppingRule(tolerance, 100))
    seen = reached.history[-1].objective - reached.history[-1].lower_bound
    assert reached.converged and seen < tolerance * problem.scale
    assert reached.certificate.gap == reached.certificate.tolerance
    assert reached.certificate.lower_bound <= reached.history[-1].lower_bound


def test_no_gap_in_a_continuum_of_directions_is_told_below_a_part_of_the_objective():
    (reached,) = solve_path(problem_of(), np.array([0.01]), StoppingRule(1e-5, 100))
    certificate = reached.certificate
    least = 0.004 * certificate.objective
    seen = reached.history[-1].objective - reached.history[-1].lower_bound
    assert reached.converged and seen < least
    assert certificate.gap == certificate.tolerance == pytest.approx(least)
    assert certificate.stopped_by != "no progress"


def test_a_loose_tolerance_does_not_make_a_small_gap_large():
    problem = problem_of()
    (reached,) = solve_path(problem, np.array([0.01]), StoppingRule(0.5, 100))
    seen = reached.history[-1].objective - reached.history[-1].lower_bound
    certificate = reached.certificate
    assert certificate.gap == pytest.approx(max(seen, 0.01 * certificate.objective))
    assert certificate.gap < certificate.tolerance


def test_a_slide_to_an_earlier_neuron_without_weights_leaves_the_network():
    def flat(at):
        return 0.0, Weights.of_parts([np.zeros_like(part) for part in at.parts])

    without_weights = np.array([[0.0], [0.5]])
    hidden, outer = np.array([[0.0], [1.0], [0.1]]), np.array([[1.0]])
    start = Weights(hidden, outer, np.zeros(1), (without_weights,))
    with warnings.catch_warnings(action="error"):
        assert slid(flat, start, 0.1, dense=False, n_steps=3, norm="l1") is start
