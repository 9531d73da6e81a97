"""What one round of column generation hands to the next, and what the first one starts from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.pricing import Priced
from sklearn_wedge._core.problem import (
    NEURONS_OF_DRAFT,
    STEPS_OF_DRAFT,
    STEPS_OF_THOROUGH_DRAFT,
    Problem,
)
from sklearn_wedge._core.restricted import Columns, DualPoint
from sklearn_wedge._core.solution import Round
from sklearn_wedge._core.stopping import StoppingRule

Array = NDArray[np.float64]

# A restricted problem is solved again if what is wanted at the objective then reached is less than
# half of what it was solved to.
TOO_COARSE = 2.0
# Rows from which on a thorough fit starts from several networks: each finds other neurons.
ROWS_OF_DRAFTS = 300


@dataclass(frozen=True)
class Drafts:
    """Networks trained from random weights that a fit starts from."""

    n: int
    n_neurons: int
    n_steps: int


DRAFTS_OF_THOROUGH = Drafts(4, NEURONS_OF_DRAFT, STEPS_OF_THOROUGH_DRAFT)
ONE_DRAFT = Drafts(1, NEURONS_OF_DRAFT, STEPS_OF_DRAFT)
# Of several classes, to be scored: on 1,200 rows of mnist_t10k these have the scores of twice the
# neurons after half as many steps more, in half the time.
ROUGH_DRAFT = Drafts(1, 100, 100)


@dataclass(frozen=True)
class State:
    """Everything that a round hands to the next.

    ``values`` are ``‖V·(Xu + c)_+‖`` of the columns at the dual point, signed where the coefficient
    must have a sign. ``accuracy`` is what the restricted problem was solved to. ``turn`` counts the
    rounds at all penalties so far: what a search with a limited budget leaves out in one round has
    its turn in another.
    """

    alpha: float
    neurons: Neurons
    columns: Columns
    coef: Array
    intercept: Array
    objective: float
    dual: DualPoint | None
    values: Array
    accuracy: float = 0.0
    priced: Priced | None = None
    lower_bound: float = -np.inf
    rounds: tuple[Round, ...] = field(default=())
    turn: int = 0


def before_pricing(state: State) -> State:
    """The same columns, with nothing known of other neurons."""
    return replace(state, priced=None, lower_bound=-np.inf, rounds=())


def solve_restricted(
    problem: Problem, state: State, accuracy: float = 0.0, smoothed: float | None = None
) -> State:
    """Optimise the coefficients of the columns at hand; the dual point comes with them.

    They need not be closer to the optimum than ``accuracy``, in units of the objective: see
    ``RestrictedProblem.solve``.
    """
    given = state.columns, state.alpha, state.coef, state.intercept
    found = problem.solve(*given, accuracy, smoothed)
    return replace(
        state,
        coef=found.coef,
        intercept=found.intercept,
        objective=found.objective,
        dual=found.dual,
        values=found.values,
    )


def solve_for(problem: Problem, state: State, rule: StoppingRule, seen: float = 0.0) -> State:
    """The same, as accurately as a rule asks for at the objective that is reached.

    Where that is slow, no more accurately than the gap last ``seen``, most of which is closed by
    what comes next.
    """
    accuracy = accuracy_wanted(problem, state, rule, seen)
    while True:
        smoothed = min(accuracy, accuracy_wanted(problem, state, rule))
        solved = solve_restricted(problem, state, accuracy, smoothed)
        state = replace(solved, accuracy=accuracy)
        wanted = accuracy_wanted(problem, state, rule, seen)
        if not accuracy > TOO_COARSE * wanted:  # nor if one is not a number
            return state
        accuracy = wanted


def accuracy_wanted(problem: Problem, state: State, rule: StoppingRule, seen: float = 0.0) -> float:
    """What a rule asks the restricted problem to be solved to at this objective."""
    wanted = rule.gap_wanted(problem, state.objective)
    if problem.restricted.is_slow(state.coef):
        wanted = max(wanted, seen)
    return problem.restricted.accuracy(state.coef) * wanted


def is_too_coarse(problem: Problem, state: State, rule: StoppingRule) -> bool:
    """Whether the rule asks for much more than the restricted problem was solved to."""
    return state.accuracy > TOO_COARSE * accuracy_wanted(problem, state, rule)


def start(problem: Problem, alpha: float) -> State:
    """The constant model."""
    constant = problem.constant
    return State(
        alpha=alpha,
        neurons=Neurons.empty(problem.neuron_class.order),
        columns=problem.restricted.no_columns(),
        coef=constant.coef,
        intercept=constant.intercept,
        objective=constant.objective,
        dual=constant.dual,
        values=constant.values,
    )


def resume(
    problem: Problem,
    alpha: float,
    neurons: Neurons,
    rule: StoppingRule,
    coef: Array | None = None,
    intercept: Array | None = None,
) -> State:
    """A start from given neurons instead of the constant model, before any pricing.

    Parameters
    ----------
    problem : Problem
    alpha : float
        Penalty.
    neurons : Neurons
        The first columns, m of them, in the units of the problem, of unit norm and of its class.
        Their points may be unknown (-1): a search then does not look around them.
    rule : StoppingRule
        What the restricted problem is solved to.
    coef : ndarray of shape (m, q), default=None
        Where the solver starts; None: zeros.
    intercept : ndarray of shape (q,), default=None
        Likewise; None: that of the constant model.

    Returns
    -------
    State
        With the best coefficients of these neurons; to be handed to ``solve_from``.
    """
    constant = problem.constant.intercept
    given = State(
        alpha=alpha,
        neurons=neurons.padded(max(problem.neuron_class.order, neurons.inputs.shape[1])),
        columns=problem.extend(problem.restricted.no_columns(), neurons),
        coef=np.zeros((len(neurons), len(constant))) if coef is None else coef,
        intercept=constant if intercept is None else intercept,
        objective=np.inf,
        dual=None,
        values=np.empty(0),
    )
    return solve_for(problem, given, rule)


def starts_anew(problem: Problem, rule: StoppingRule) -> bool:
    """Whether at each penalty another draft is a better start than the network before.

    Climbs of several classes meet at few maxima: to the constant model a round adds one or two
    neurons. A network to be scored would be of so few, as low in its objective as one of many, and
    worse on other rows (mnist_t10k, 1,200 rows: 18 neurons with a log loss of 0.342, after drafts
    73 with 0.288). Of several targets drafts were no better.
    """
    to_be_scored = rule.rough and not rule.proves
    return problem.drafts and to_be_scored and problem.tells_classes_apart


def draft(problem: Problem, alpha: float, rule: StoppingRule) -> State:
    """A start from the neurons of networks trained from random weights: their mean, or better."""
    how = _drafts(problem, rule)
    drafts = [problem.drafted(alpha, how.n_neurons, (seed,), how.n_steps) for seed in range(how.n)]
    neurons = reduce(Neurons.join, [draft[0] for draft in drafts])
    coef = np.concatenate([draft[1] for draft in drafts]) / how.n
    intercept = sum(draft[2] for draft in drafts) / how.n
    return resume(problem, alpha, neurons, rule, coef, intercept)


def _drafts(problem: Problem, rule: StoppingRule) -> Drafts:
    if starts_anew(problem, rule):
        return ROUGH_DRAFT
    several = rule.thorough and problem.sample.rows.n_rows >= ROWS_OF_DRAFTS
    return DRAFTS_OF_THOROUGH if several else ONE_DRAFT
