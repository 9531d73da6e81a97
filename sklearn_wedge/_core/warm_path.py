"""Penalties one after the other: each fit goes on from the columns of the one before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sklearn_wedge._core.column_generation import (
    Array,
    at_penalty,
    ended,
    judged,
    largest_value_of_constant,
    solution,
    solve_penalty,
)
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.solution import Solution, WarmStart, nobody_watches
from sklearn_wedge._core.state import State, draft, start, starts_anew
from sklearn_wedge._core.stopping import StoppingRule

# On the way to the target each penalty is this fraction of the last, solved to this relative gap.
WARM_UP_FACTOR = 0.3
WARM_UP_TOLERANCE = 0.01
WARM_UP_ROUNDS = 6
# Where neurons slide: more columns at a large penalty would have to move again.
WARM_UP_ROUNDS_OF_SLIDES = 2
# Where one of several outputs goes the way alone, the same: its fit is no more than a start.
TOLERANCE_OF_ONE_OUTPUT, ROUNDS_OF_ONE_OUTPUT = 0.02, 10


def _warm_up(state_alpha: float, target: float) -> list[float]:
    """Penalties between two, excluding both."""
    steps = []
    alpha = state_alpha * WARM_UP_FACTOR
    while alpha > target / WARM_UP_FACTOR**0.5:
        steps.append(alpha)
        alpha *= WARM_UP_FACTOR
    return steps


def _from_one_output(problem: Problem, alpha: float, rule: StoppingRule) -> State | None:
    """What one of several outputs comes to alone, with its coefficients for all of them.

    For all of them to go the way to a penalty takes several times as long. None if there is no
    output that is a start for the others, or it has no neurons. Nobody is told of the way: its
    networks are of one output.
    """
    alone = problem.of_one_output()
    if alone is None:
        return None
    tolerance = max(TOLERANCE_OF_ONE_OUTPUT, rule.tolerance)
    told = {"watch": nobody_watches, "proves": False}
    loose = replace(rule, tolerance=tolerance, max_rounds=ROUNDS_OF_ONE_OUTPUT, **told)
    quick = loose.efforts(alone)[:1]
    state = start(alone, max(largest_value_of_constant(alone, quick[0]), alpha))
    for between in [*_warm_up(state.alpha, alpha), alpha]:
        state = solve_penalty(alone, at_penalty(alone, state, between, loose), loose, quick)
    used = np.flatnonzero(state.coef.any(axis=1))
    if len(used) == 0:
        return None
    intercept = problem.constant.intercept
    coef = np.tile(state.coef[used], len(intercept))
    kept = WarmStart(state.neurons.take(used), coef, intercept, turn=0)
    return _left_at(problem, alpha, kept)


def _report(reached: Solution, every_round: bool) -> str:
    lines = [
        f"  round {k}: objective {r.objective:.8g}, bound {r.estimate:.8g}, "
        f"{r.n_neurons} of {r.n_columns} columns in use, {r.pricing}"
        for k, r in enumerate(reached.history, start=1)
    ]
    summary = (
        f"alpha {reached.alpha:.4g}: {len(reached.neurons)} neurons, "
        f"{len(reached.history)} rounds, {reached.certificate}"
    )
    return "\n".join([*lines, summary] if every_round else [summary])


def solve_from(
    problem: Problem, state: State, rule: StoppingRule, verbose: int = 0
) -> tuple[State, Solution]:
    """Column generation at the penalty of a state, and what it amounts to.

    Parameters
    ----------
    problem : Problem
    state : State
        As ``start``, ``resume`` or ``at_penalty`` return it.
    rule : StoppingRule
    verbose : int, default=0
        1: print a line; 2: a line per round, too.

    Returns
    -------
    state : State
        The last one.
    reached : Solution
    """
    state = solve_penalty(problem, state, rule, rule.efforts(problem))
    if rule.rough and rule.proves and ended(problem, state, rule):
        state = judged(problem, state)
    reached = solution(problem, state, rule)
    if verbose:
        print(_report(reached, every_round=verbose > 1))
    return state, reached


def _left_at(problem: Problem, alpha: float, kept: WarmStart) -> State:
    """The columns and coefficients with which a search ended, at a penalty."""
    return State(
        alpha=alpha,
        neurons=kept.neurons,
        columns=problem.extend(problem.restricted.no_columns(), kept.neurons),
        coef=kept.coef,
        intercept=kept.intercept,
        objective=np.inf,
        dual=None,
        values=np.empty(0),
        turn=kept.turn,
    )


def solve_path(
    problem: Problem,
    alphas: Array,
    rule: StoppingRule,
    verbose: int = 0,
    after: Solution | None = None,
) -> Iterator[Solution]:
    """Networks at descending penalties, each started from the one before, or from a draft.

    Parameters
    ----------
    problem : Problem
    alphas : ndarray
        Descending, positive.
    rule : StoppingRule
        Applies at each of them.
    verbose : int, default=0
        1: print a line per penalty; 2: a line per round.
    after : Solution, default=None
        Of the same problem, at a larger penalty: the path goes on as if it had never stopped there.

    Yields
    ------
    Solution
    """
    tolerance = max(WARM_UP_TOLERANCE, rule.tolerance)
    rounds = WARM_UP_ROUNDS_OF_SLIDES if problem.slides else WARM_UP_ROUNDS
    loose = replace(rule, tolerance=tolerance, max_rounds=rounds, proves=False)
    quick = rule.efforts(problem)[:1]
    anew = starts_anew(problem, rule)
    if anew:
        state = start(problem, float(alphas[0]))
    elif after is None:
        of_constant = largest_value_of_constant(problem, quick[0])
        state = start(problem, max(of_constant, float(alphas[0])))
    else:
        state = _left_at(problem, after.alpha, after.warm_start)
    for alpha in map(float, alphas):
        on_the_way = _warm_up(state.alpha, alpha)
        if anew or (problem.drafts and on_the_way and not len(state.columns)):
            state = draft(problem, alpha, rule)
        else:
            if on_the_way and not len(state.columns):
                state = _from_one_output(problem, alpha, rule) or state
            for between in _warm_up(state.alpha, alpha):
                state = at_penalty(problem, state, between, loose)
                state = solve_penalty(problem, state, loose, quick)
            state = at_penalty(problem, state, alpha, rule)
        state, reached = solve_from(problem, state, rule, verbose)
        yield reached
