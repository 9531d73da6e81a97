"""The only loop: restricted problem, pricing, more columns, until the duality gap allows to stop.

State goes through ``start``, ``step`` and ``finished``; a path of penalties reuses the last state.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.pricing import significant
from sklearn_wedge._core.problem import LONG_SEARCHES, Effort, Problem
from sklearn_wedge._core.restricted import independent_support, total_length
from sklearn_wedge._core.sliding import LEAST_PRICE, SlideRule
from sklearn_wedge._core.solution import Certificate, Progress, Round, Solution, WarmStart
from sklearn_wedge._core.state import (
    State,
    accuracy_wanted,
    before_pricing,
    is_too_coarse,
    solve_for,
    solve_restricted,
    start,
)
from sklearn_wedge._core.stopping import StoppingRule, check_bound, gap_told

Array = NDArray[np.float64]

# Neurons added in one round: half as many as there are samples, between these.
LEAST_COLUMNS_PER_ROUND = 10
COLUMNS_PER_ROUND = 150
# Of more rows than this cross products of columns take longer than rounds: fewer columns enter.
MANY_ROWS = 10_000
COLUMNS_PER_ROUND_OF_MANY_ROWS = 100
# Columns without a coefficient that stay, as a part of those in use, and at least.
SPARE, LEAST_SPARE = 1 / 8, 50
# They stay while their value is at least this fraction of alpha.
NEARLY_ACTIVE = 0.9
# A column is tight if its value is at least this fraction of alpha.
TIGHT = 1 - 1e-6
# A neuron enters only if its violation of the dual constraint costs the bound this fraction of the
# tolerance, and is more than rounding: the tight columns themselves are found again and again.
WORTHWHILE = 0.1
ROUNDING = 1e-10
# Violations considered are powers of two down to rounding.
HALVINGS = 34
# Objective, relative to that of the constant model, that dropping redundant columns may cost.
LOST_TO_ROUNDING = 1e-12
# Before exact pricing is asked to confirm it, the estimated gap must be this fraction of the
# tolerance; before a longer search, the tolerance itself.
CONFIRM_AT = 0.5
# Where long searches look around renewed networks, one round of so many has one: what local moves
# find goes on for long and gains little. On concrete at alpha=1e-4, any number of inputs, the
# objective of 50 seconds is reached in 22; with one round of three in 25.
ROUNDS_PER_LONG_SEARCH = 2
# Not in the first rounds after a draft, which comes from elsewhere: local moves gain more then. On
# yacht at alpha=1e-4 what took 0.20 seconds takes 0.14.
ROUNDS_BEFORE_LONG_SEARCHES = 4
# In so few rounds one repetition of a long search is enough: luck has had no time.
ROUNDS_OF_ONE_REPETITION = 10
# Best neurons pass through samples, where L-BFGS on activations with kinks gets stuck: they are
# smoothed, to one after the other of these fractions of the standard deviation of their arguments.
# On concrete at alpha=1e-4, any number of inputs, what took 111 seconds with kinks takes 49, and
# what took 82 takes 32; 46 if all are of the middle width. A slide that one width makes worse is
# not tried again with a smaller one: that searches for other neurons come sooner gains more. Loose
# fits, with larger gaps, keep their kinks: on concrete and kin8nm they are no better without.
WIDTHS_OF_KINKS = 0.01, 0.003, 0.001
# What the searches of a round cost, in steps of a slide: it goes on for longer after long ones.
# On concrete at alpha=1e-4, any number of inputs, the objective of 49 seconds is reached in 40.
PRICES = {Effort.SEARCH: 60, Effort.LONG_SEARCH: 150}
# A slide of a rough network ends once its latest steps gain this fraction of the gap wanted. On
# bike_noleak the last fit of a network of any directions takes 0.7 of the time.
LEFT_TO_A_ROUGH_SLIDE = 0.1
# A rough network is good enough once the last columns gained at most this fraction of the gap
# wanted: to price again would cost more than it tells.
ENOUGH = 0.5


def at_penalty(problem: Problem, state: State, alpha: float, rule: StoppingRule) -> State:
    """The same columns at another penalty, before any pricing there."""
    fresh = replace(before_pricing(state), alpha=alpha)
    return solve_for(problem, fresh, rule, _gap_of_columns(state, fresh))


def _gap_of_columns(state: State, fresh: State) -> float:
    """How far coefficients are from the best ones at another penalty, at most."""
    if state.dual is None:
        return 0.0
    objective = state.objective - (state.alpha - fresh.alpha) * total_length(state.coef)
    return objective - _bound(fresh, float(np.max(state.values, initial=0.0)))


def _largest_value(state: State) -> float:
    """Of all that was priced, and of the columns at hand, which a search need not find again."""
    return float(np.max(state.values, initial=state.priced.bound))


def _expected_value(problem: Problem, state: State) -> float:
    """The largest value there is: the one found, and as much as it is above what others found.

    Of long searches that knew nothing of one another the best is above the second best by about as
    much as it is itself, on average, below what there is to be found (D. S. Robson and J. H.
    Whitlock, Biometrika 51, 1964). Where several found the same, it is that.
    """
    largest = _largest_value(state)
    if problem.exact or not state.priced.searches:
        return largest
    others = sorted(state.priced.searches)[:-1]
    return largest + max(0.0, largest - max([state.alpha, *others]))


def _bound(state: State, largest_value: float) -> float:
    """Lower bound from the dual point scaled into the feasible set."""
    shrink = 1.0 if largest_value <= state.alpha else state.alpha / largest_value
    return state.dual.bound(shrink)


def bound_of_columns(problem: Problem, state: State) -> float:
    """A proof, for the price of a round: nothing is below it that the columns at hand make up.

    Nor, of samples in memory, together with any neurons of a single input, which are all priced.
    """
    largest = problem.value_of_single_inputs(state.dual)
    largest = float(np.max(state.values, initial=largest))
    return min(max(_bound(state, largest), problem.loss.least), state.objective)


def price(problem: Problem, state: State, effort: Effort, conclusive: bool) -> State:
    """Price the dual point; a bound that is conclusive counts.

    The best of certified bounds is kept, and of estimates the last: each may be too high, and the
    best of many would be the luckiest.
    """
    # The tight columns rather than those in use: the dual point is unique and decides which are
    # tight, while rounding may decide which of several dependent columns are in use.
    tight = state.neurons.take(np.flatnonzero(state.values >= TIGHT * state.alpha))
    others = _others(problem, state, effort)
    priced = problem.price(state.dual, state.alpha, effort, tight, others, state.turn, state.priced)
    state = replace(state, priced=priced)
    bound = _bound(state, _expected_value(problem, state))
    check_bound(problem, state.objective, bound)
    bound = max(bound, problem.loss.least)
    # An estimate above what a network has been found to reach was none.
    kept = state.lower_bound if state.lower_bound <= state.objective or problem.exact else -np.inf
    latest = max(kept, bound) if problem.exact else bound
    best = latest if conclusive else kept
    this_round = Round(
        objective=state.objective,
        lower_bound=best,
        estimate=bound,
        n_columns=len(state.columns),
        n_neurons=int(np.count_nonzero(state.coef.any(axis=1))),
        pricing=effort.value,
    )
    return replace(state, lower_bound=best, rounds=(*state.rounds, this_round))


def _others(problem: Problem, state: State, effort: Effort) -> Neurons:
    """Neurons of another network that a long search looks around; of each one another."""
    used = np.flatnonzero(state.coef.any(axis=1))
    neurons = state.neurons.take(used)
    if effort not in LONG_SEARCHES or not problem.drafts:
        return neurons.take([])
    seed = state.turn, len(state.priced.searches)
    return problem.renewed(neurons, state.coef[used], state.intercept, state.alpha, seed)


def _by_importance(state: State) -> tuple[Neurons, NDArray[np.intp]]:
    """Neurons with a coefficient, largest first, and their indices."""
    size = np.linalg.norm(state.coef, axis=1)
    used = np.flatnonzero(size)
    order = used[np.argsort(-size[used], kind="stable")]
    return state.neurons.take(order), order


def add_columns(problem: Problem, state: State, rule: StoppingRule) -> State:
    """Drop the columns that have become useless, add the best of those just priced."""
    kept = np.flatnonzero(_worth_keeping(problem, state))
    violating = np.flatnonzero(state.priced.values > _least_violation(problem, state, rule))
    candidates = state.priced.neurons.take(violating)
    chosen = candidates.take(problem.diverse(candidates, _columns_per_round(problem)))
    q = state.coef.shape[1]
    return replace(
        state,
        neurons=state.neurons.take(kept).join(chosen),
        columns=problem.extend(state.columns, chosen, kept),
        coef=np.concatenate([state.coef[kept], np.zeros((len(chosen), q))]),
    )


def _columns_per_round(problem: Problem) -> int:
    n_rows = problem.sample.rows.n_rows
    if n_rows > MANY_ROWS:
        return COLUMNS_PER_ROUND_OF_MANY_ROWS
    return min(COLUMNS_PER_ROUND, max(LEAST_COLUMNS_PER_ROUND, n_rows // 2))


def slide(problem: Problem, state: State, rule: StoppingRule) -> State:
    """Move the neurons in use as a network; the same state if that is no better."""
    used = np.flatnonzero(state.coef.any(axis=1))
    start = state.neurons.take(used), state.coef[used], state.intercept
    width = WIDTHS_OF_KINKS[state.turn % len(WIDTHS_OF_KINKS)] if rule.thorough else None
    how = state.alpha, _slide_rule(problem, state, rule), width
    neurons, coef, intercept = problem.slid(*start, *how)
    given = replace(
        state,
        neurons=neurons,
        columns=problem.extend(problem.restricted.no_columns(), neurons),
        coef=coef,
        intercept=intercept,
        objective=np.inf,
    )
    moved = solve_for(problem, given, rule)
    return moved if moved.objective < state.objective else state


def _slide_rule(problem: Problem, state: State, rule: StoppingRule) -> SlideRule | None:
    latest = state.rounds[-1]
    if latest.pricing == Effort.CONFIRMATION.value:
        return None  # what takes several searches to find is worth little, but may lead far
    wanted = rule.gap_wanted(problem, state.objective)
    least = LEFT_TO_A_ROUGH_SLIDE * wanted if rule.rough else 0.0
    price = PRICES.get(Effort(latest.pricing), LEAST_PRICE)
    return SlideRule(latest.objective - state.objective, price, least)


def improved(problem: Problem, state: State, rule: StoppingRule) -> State:
    """With the best of the columns just priced."""
    seen = state.rounds[-1].objective - state.rounds[-1].estimate
    state = solve_for(problem, add_columns(problem, state, rule), rule, seen)
    return slide(problem, state, rule) if problem.slides and state.coef.any() else state


def step(problem: Problem, state: State, rule: StoppingRule, efforts: list[Effort]) -> State:
    """One round of pricing, with more effort once less has nothing to add."""
    before = state
    last_round = len(before.rounds) + 1 >= rule.max_rounds
    for effort in _efforts_of_round(before, efforts):
        needed = state is before or last_round or _is_quiet(problem, state, rule)
        if needed or _has_its_turn(problem, state, effort):
            state = replace(state, rounds=before.rounds)
            state = price(problem, state, effort, conclusive=effort is efforts[-1])
    return replace(state, turn=before.turn + 1)


def _efforts_of_round(state: State, efforts: list[Effort]) -> list[Effort]:
    """Early at a penalty each once."""
    is_early = len(state.rounds) < ROUNDS_OF_ONE_REPETITION
    return list(dict.fromkeys(efforts)) if is_early else efforts


def _has_its_turn(problem: Problem, state: State, effort: Effort) -> bool:
    """Whether a search comes although local moves have found enough."""
    if not problem.drafts or effort is not Effort.LONG_SEARCH:
        return False
    late = state.turn >= ROUNDS_BEFORE_LONG_SEARCHES
    return late and state.turn % ROUNDS_PER_LONG_SEARCH == ROUNDS_PER_LONG_SEARCH - 1


def _is_quiet(problem: Problem, state: State, rule: StoppingRule) -> bool:
    """Whether, by what was priced, there is little left to gain."""
    enough = CONFIRM_AT if problem.exact else 1.0
    allowed = enough * rule.gap_wanted(problem, state.objective)
    gap_seen = state.objective - _bound(state, _expected_value(problem, state))
    if gap_seen <= allowed or _is_met(problem, state, rule):
        return True
    return _found_nothing(problem, state, rule) or _stands_still(problem, state, rule)


def _is_met(problem: Problem, state: State, rule: StoppingRule) -> bool:
    gap = state.objective - state.lower_bound
    return gap <= rule.gap_allowed(problem, state.objective)


def _stands_still(problem: Problem, state: State, rule: StoppingRule) -> bool:
    """Whether the last columns were of no use."""
    return _gained(state) <= WORTHWHILE**2 * rule.gap_wanted(problem, state.objective)


def _gained(state: State) -> float:
    """How much the last columns lowered the objective."""
    if len(state.rounds) < 2:
        return np.inf
    return state.rounds[-2].objective - state.rounds[-1].objective


def _worth_keeping(problem: Problem, state: State) -> NDArray[np.bool_]:
    """Columns in use, and some of those closest to being so."""
    in_use = state.coef.any(axis=1)
    if not problem.dual_is_unique and _gained(state) <= 0.0:
        # Columns may be there for the dual point alone, which would return to where it was.
        return np.ones_like(in_use)
    spare = np.flatnonzero(~in_use & (state.values >= NEARLY_ACTIVE * state.alpha))
    at_most = max(LEAST_SPARE, int(SPARE * in_use.sum()))
    in_use[spare[np.argsort(-significant(state.values[spare]), kind="stable")[:at_most]]] = True
    return in_use


def _least_violation(problem: Problem, state: State, rule: StoppingRule) -> float:
    """The value from which on a neuron is worth a column."""
    allowed = WORTHWHILE * rule.gap_wanted(problem, state.objective)
    unscaled = _bound(state, state.alpha)

    def affordable(halvings: int) -> bool:
        scaled = _bound(state, (1 + 0.5**halvings) * state.alpha)
        return unscaled - scaled <= allowed

    if not np.isfinite(unscaled):
        return state.alpha * (1 + ROUNDING)
    # The dual value is concave along the ray to zero: what is affordable is an interval.
    halvings = bisect_left(range(HALVINGS - 1), True, key=affordable)
    return state.alpha * (1 + max(0.5**halvings, ROUNDING))


def _found_nothing(problem: Problem, state: State, rule: StoppingRule) -> bool:
    return not np.any(state.priced.values > _least_violation(problem, state, rule))


def finished(problem: Problem, state: State, rule: StoppingRule, efforts: list[Effort]) -> bool:
    """Whether the gap is met, nothing more can be found, or the rounds are used up."""
    if len(state.rounds) >= rule.max_rounds:
        return True
    if state.rounds[-1].pricing != efforts[-1].value:
        return False
    if _is_met(problem, state, rule):
        return True
    if is_too_coarse(problem, state, rule) or _is_unfinished(problem, state, rule):
        return False  # what is left is of the columns at hand
    before_last = state.rounds[-2].pricing if len(state.rounds) > 1 else None
    stuck = before_last == efforts[-1].value and _gained(state) <= 0.0 and problem.dual_is_unique
    return stuck or _found_nothing(problem, state, rule)


def _is_unfinished(problem: Problem, state: State, rule: StoppingRule) -> bool:
    """Whether the columns at hand leave too large a gap, and their solution still gets better.

    Of several outputs on many rows it ends where steps bring little, before the dual point is good.
    """
    is_slow = problem.dual_is_unique and problem.restricted.is_slow(state.coef)
    if not is_slow or _gained(state) <= 0.0:
        return False
    return _gap_of_columns_at_hand(state) > rule.gap_allowed(problem, state.objective)


def _gap_of_columns_at_hand(state: State) -> float:
    return state.objective - _bound(state, float(np.max(state.values, initial=0.0)))


def solve_penalty(
    problem: Problem, state: State, rule: StoppingRule, efforts: list[Effort]
) -> State:
    """Column generation at one penalty."""
    rule.watch(_progress(problem, state, rule, done=False))
    while True:
        state = step(problem, state, rule, efforts)
        done = finished(problem, state, rule, efforts)
        if rule.watch(_progress(problem, state, rule, done)) or done:
            return state
        before, state = state.objective, improved(problem, state, rule)
        gained = before - state.objective
        if rule.rough and gained <= ENOUGH * rule.gap_wanted(problem, state.objective):
            return state
        # What was priced is of another dual point.
        state = replace(state, priced=None)


def judged(problem: Problem, state: State) -> State:
    """Priced once more, by all searches: local moves see little of what is left to gain."""
    efforts = [each for each in problem.efforts(proves=True) if each is not Effort.CONFIRMATION]
    rounds = state.rounds if _improved_since(state) else state.rounds[:-1]
    state = replace(state, priced=None, lower_bound=-np.inf)
    for effort in efforts:
        state = replace(state, rounds=rounds)
        state = price(problem, state, effort, conclusive=effort is efforts[-1])
    return state


def ended(problem: Problem, state: State, rule: StoppingRule) -> bool:
    """Whether a fit ended of its own accord: on request it ends before."""
    return _improved_since(state) or finished(problem, state, rule, rule.efforts(problem))


def _progress(problem: Problem, state: State, rule: StoppingRule, done: bool) -> Progress:
    reached = partial(solution, problem, state, rule)
    return Progress(state.alpha, len(state.rounds), rule.max_rounds, done, reached)


def solution(problem: Problem, state: State, rule: StoppingRule) -> Solution:
    """What the last state amounts to."""
    warm_start = WarmStart(state.neurons, state.coef, state.intercept, state.turn)
    stopped_by = _stopped_by(problem, state, rule)
    state = _with_independent_columns(problem, state, rule)
    neurons, order = _by_importance(state)
    # A fit that was stopped early may have no bound of its own. One above the objective was checked
    # to be so by rounding.
    bound = min(max(state.lower_bound, problem.loss.least), state.objective)
    gap, tolerance = gap_told(problem, rule, state.objective, bound)
    certificate = Certificate(
        objective=state.objective,
        lower_bound=min(bound, state.objective - gap),
        gap=gap,
        relative_gap=gap / abs(state.objective) if state.objective != 0 else 0.0,
        max_violation=_largest_value(state) / state.alpha - 1.0,
        exact=problem.exact,
        scope=problem.scope,
        tolerance=tolerance,
        stopped_by=stopped_by,
    )
    return Solution(
        alpha=state.alpha,
        neurons=neurons,
        coef=state.coef[order],
        intercept=state.intercept,
        certificate=certificate,
        largest_value=state.priced.bound,
        history=state.rounds,
        converged=gap <= tolerance,
        fraction_of_own=rule.fraction_of_own(problem),
        warm_start=warm_start,
    )


def _stopped_by(problem: Problem, state: State, rule: StoppingRule) -> str:
    """See ``Certificate``."""
    if _is_met(problem, state, rule):
        return rule.criterion(problem, state.objective)
    if _is_unsolved(problem, state, rule):
        return "coefficients"
    if len(state.rounds) >= rule.max_rounds:
        return "max_iter"
    if ended(problem, state, rule) or (rule.rough and _is_judged(state)):
        return "no progress"
    return "request"


def _is_judged(state: State) -> bool:
    return state.rounds[-1].pricing != Effort.LOCAL_MOVES.value


def _is_unsolved(problem: Problem, state: State, rule: StoppingRule) -> bool:
    """Whether the columns at hand alone leave a gap above the one allowed, as kinks may make it."""
    if problem.dual_is_unique or is_too_coarse(problem, state, rule):
        return False
    return _gap_of_columns_at_hand(state) > rule.gap_allowed(problem, state.objective)


def _improved_since(state: State) -> bool:
    """Whether columns came after the last pricing: a rough fit ends so."""
    last = state.rounds[-1]
    return state.objective != last.objective or len(state.columns) != last.n_columns


def _with_independent_columns(problem: Problem, state: State, rule: StoppingRule) -> State:
    """The same network without redundant neurons."""
    if state.coef.shape[1] > 1:
        # The length of a row is curved: rounding does not decide among several outputs.
        return state
    # Where the dual point is not unique, to solve the problem anew may take long.
    accuracy = 0.0 if problem.dual_is_unique else accuracy_wanted(problem, state, rule)
    used = np.flatnonzero(state.coef.any(axis=1))
    columns = state.columns.take(used)
    means, covariance = problem.restricted.moments(columns)
    moved = independent_support(covariance, state.coef[used, 0])
    needed = used[moved != 0]
    if len(needed) == len(used):
        return state
    fewer = replace(
        state,
        neurons=state.neurons.take(needed),
        columns=state.columns.take(needed),
        coef=moved[moved != 0][:, None],
        # The columns depend on one another up to a constant.
        intercept=state.intercept + (state.coef[used, 0] - moved) @ means,
    )
    fewer = solve_restricted(problem, fewer, accuracy)
    # Nearly dependent columns are judged by rounding: never at the price of the objective.
    lost = fewer.objective - state.objective
    return fewer if lost <= LOST_TO_ROUNDING * problem.scale else state


def largest_value_of_constant(problem: Problem, effort: Effort | None = None) -> float:
    """``M(v)`` at the best constant model: the least penalty at which it is optimal.

    As far as an effort of pricing finds it, by default the last one without proof.
    """
    effort = effort or problem.efforts(proves=False)[-1]
    return price(problem, start(problem, 1.0), effort, conclusive=True).priced.bound
