"""All blocks of a deep network together: their layers move, and neurons give way to better ones.

Given the blocks before it the last one is a convex problem; all blocks together are none. So they
take turns: local moves add neurons to the last block, all layers slide, and neurons that nothing is
built on give way to those that the last layer asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.blocks import Build, LastLayer, SolvedBlock, moved_together
from sklearn_wedge._core.column_generation import solve_penalty
from sklearn_wedge._core.neurons import Neurons, inputs_in_use, widened
from sklearn_wedge._core.pricing import diverse
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.repricing import priced_by_patterns
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._core.state import State, before_pricing, resume
from sklearn_wedge._core.stopping import StoppingRule, above_floor

# Neurons of a block whose activations the next ones have as inputs: more would make a proof of what
# is found several times as long. Where nothing is proved, turns choose from so many, and the last
# search from as many new ones as are in use, so many in all at most: it takes the longest, and a
# small network would become a large one for next to nothing.
PASSED_ON, PASSED_ON_IN_TURNS, PASSED_ON_IN_THE_END = 25, 100, 50
# Steps of a slide of all layers at most; of networks that are only to be scored.
STEPS, STEPS_OF_ROUGH = 300, 50
# Turns at most, and of networks that are only to be scored; the last one is the first that takes
# less than this fraction off the objective.
TURNS, TURNS_OF_ROUGH, LEAST_GAIN_OF_TURN = 4, 1, 3e-3
# A rough network that is predicted with has as many turns, of so many rows at most. On fifths held
# out the squared error is 0.84 times that after one turn on yacht, 0.94 times on concrete, 0.96
# times on Boston; on kin8nm it is no better, and takes three times as long.
MOST_ROWS_OF_TURNS = 2_000
# Rounds of local moves in a turn, at most: the next turn gains as much as more of them.
ROUNDS_OF_TURN = 5


@dataclass(frozen=True)
class Whole:
    """All blocks: those before the last, and what is solved in that, with the state it is in."""

    before: tuple[SolvedBlock, ...]
    problem: Problem
    state: State

    @property
    def last(self) -> LastLayer:
        """Neurons of the last block that are in use."""
        used = np.flatnonzero(self.state.coef.any(axis=1))
        return LastLayer(self.state.neurons.take(used), self.state.coef[used], self.state.intercept)

    def resumed(
        self,
        before: Sequence[SolvedBlock],
        last: LastLayer,
        build: Build,
        rule: StoppingRule,
    ) -> Whole:
        """With other blocks before; the best coefficients of the last layer."""
        problem = build(before[-1].sample_after())
        given = last.neurons, rule, last.coef, last.intercept
        state = resume(problem, self.state.alpha, *given)
        # The next search goes on where the last one ended.
        return Whole(tuple(before), problem, replace(state, turn=self.state.turn))


def alternated(whole: Whole, build: Build, rule: StoppingRule) -> Whole:
    """The last block is searched and all layers move, in turns, while that gains enough.

    What is proved in the end need not be proved on the way: neurons are found by local moves.
    """
    takes_turns = _takes_turns(whole.problem, rule)
    for turns_left in reversed(range(TURNS if takes_turns else TURNS_OF_ROUGH)):
        earlier = whole.state.objective
        whole = moved(_searched(whole, rule), build, rule)
        gained = earlier - whole.state.objective
        enough = LEAST_GAIN_OF_TURN * above_floor(whole.problem, earlier)
        in_the_end = turns_left == 0 or gained < enough
        if takes_turns:
            whole = with_more_inputs(whole, build, rule, in_the_end)
        if in_the_end:
            break
    return whole


def _takes_turns(problem: Problem, rule: StoppingRule) -> bool:
    """Whether more than one turn is worth its time."""
    if not rule.rough:
        return True
    return rule.proves and problem.sample.rows.n_rows <= MOST_ROWS_OF_TURNS


def _searched(whole: Whole, rule: StoppingRule) -> Whole:
    """With more neurons in the last block."""
    problem = replace(whole.problem, certified=False)
    few = replace(rule, max_rounds=min(ROUNDS_OF_TURN, rule.max_rounds))
    state = solve_penalty(problem, whole.state, few, few.efforts(problem)[:1])
    return replace(whole, state=before_pricing(state))


def moved(whole: Whole, build: Build, rule: StoppingRule) -> Whole:
    """After a slide of all layers, unless that is no better; ramps are not moved."""
    problem = whole.problem
    if problem.neuron_class.ramps or not (problem.has_gradient and whole.state.coef.any()):
        return whole
    steps = STEPS_OF_ROUGH if rule.rough else STEPS
    before, last = moved_together(whole.before, whole.last, problem, whole.state.alpha, steps)
    after = whole.resumed(before, last, build, rule)
    return after if after.state.objective < whole.state.objective else whole


def with_more_inputs(whole: Whole, build: Build, rule: StoppingRule, in_the_end: bool) -> Whole:
    """With other neurons passed on in the place of those that nothing builds on."""
    *before, block = whole.before
    last, state, sample = whole.last, whole.state, whole.problem.sample
    if not len(last.neurons):
        return whole
    problem = build(block.sample) if before else block.problem
    candidates = priced_by_patterns(problem, last, sample, state.dual, state.alpha)
    n_known = block.sample.n_inputs
    kept = np.flatnonzero(last.neurons.weight_matrix(sample.n_inputs)[n_known:].any(axis=1))
    known = block.passed_on.take(kept)
    room = max(0, passed_on_at_most(whole.problem.exact, len(kept), in_the_end) - len(kept))
    new = with_work_of_their_own(block.sample, known, candidates)[:room]
    coef = np.concatenate([block.coef[kept], np.zeros((len(new), block.coef.shape[1]))])
    block = replace(block, passed_on=known.join(candidates.take(new)), coef=coef)
    seen = np.concatenate([np.arange(n_known), n_known + kept])
    last = replace(last, neurons=_named_anew(last.neurons, seen, sample.n_inputs))
    return whole.resumed([*before, block], last, build, rule)


def passed_on_at_most(exact: bool, n_used: int, in_the_end: bool) -> int:
    """How many neurons the block before the last passes on, unless more are in use."""
    if exact:
        return PASSED_ON
    if not in_the_end:
        return PASSED_ON_IN_TURNS
    return min(max(PASSED_ON, 2 * n_used), PASSED_ON_IN_THE_END)


def _named_anew(neurons: Neurons, seen: NDArray[np.intp], n_inputs: int) -> Neurons:
    """The same neurons of some inputs, numbered by their place among these; without idle ones."""
    width = neurons.inputs.shape[1]
    inputs, weights = inputs_in_use(neurons.weight_matrix(n_inputs)[seen].T, width)
    return replace(neurons, inputs=widened(inputs, width, -1), weights=widened(weights, width, 0.0))


def with_work_of_their_own(sample: Sample, known: Neurons, others: Neurons) -> NDArray[np.intp]:
    """Indices of others, best first, that do not do nearly the work of an input or a neuron."""
    points = sample.points.T
    before = np.concatenate([points, known.activations(points)])
    candidates = np.concatenate([before, others.activations(points)])
    chosen = diverse(candidates, sample.point_weight, len(candidates))
    return chosen[chosen >= len(before)] - len(before)
