"""Deep networks: the loop over blocks, each solved on the inputs and the activations before it.

With the blocks before it fixed, a block is the training problem of one hidden layer on more inputs
(M. Pilanci, arXiv 2309.16512): its neurons are wedge products of the samples' activations. The
inputs are passed on too, so that every network of a block is one of the next, with weight 0 on the
new activations; there the search for the next block starts. Then all layers move together, to where
the objective of the last block is lower, and that block is solved anew. At the same penalty the
objective therefore never rises from block to block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.blocks import Build, LastLayer, SolvedBlock, last_block, moved_together
from sklearn_wedge._core.neurons import Neurons, inputs_in_use, widened
from sklearn_wedge._core.pricing import diverse
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.repricing import priced_by_patterns
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._core.solution import Solution
from sklearn_wedge._core.state import State, before_pricing, resume
from sklearn_wedge._core.stopping import StoppingRule, above_floor
from sklearn_wedge._core.warm_path import solve_from

# Neurons of a block whose activations the next ones have as inputs; and in the end, where these are
# searched: more would make a proof of what is found several times as long.
PASSED_ON, PASSED_ON_IN_THE_END = 25, 50
# A block is kept if it takes at least this fraction off the objective.
LEAST_GAIN = 1e-3
# Before all layers move, the last one is solved to so many times the tolerance.
LOOSER_BY = 4.0
# Steps of a slide of all layers at most; of networks that are only to be scored.
STEPS, STEPS_OF_ROUGH = 300, 50


def deepened(
    first: SolvedBlock,
    n_blocks: int,
    build: Build,
    rule: StoppingRule,
    verbose: int = 0,
) -> tuple[SolvedBlock, ...]:
    """Blocks on top of the first, until there are enough or one gains next to nothing.

    Parameters
    ----------
    first : SolvedBlock
        In memory, unless no more are asked for.
    n_blocks : int
        At most so many, the first included.
    build : callable
        The training problem of samples with more inputs: the same loss, options and penalty.
    rule : StoppingRule
        Of each block.
    verbose : int, default=0
        1: print lines per block; 2: a line per round, too.

    Returns
    -------
    tuple of SolvedBlock
        Those kept. Their objectives fall.
    """
    blocks = (first,)
    while len(blocks) < n_blocks:
        *before, last = blocks
        last = passing_on(last)
        if len(last.passed_on) == 0:
            _say(verbose, len(blocks), "nothing to build on: the block before passes nothing on")
            break
        deeper = _deeper([*before, last], build, rule, verbose)
        gain = _gain(last, deeper[-1])
        if gain < LEAST_GAIN:
            _say(verbose, len(blocks), f"gains {gain:.2%} of the objective: not kept")
            break
        _say(verbose, len(blocks), f"gains {gain:.2%} of the objective")
        blocks = deeper
    return blocks


def _say(verbose: int, n_before: int, what: str) -> None:
    if verbose:
        print(f"block {n_before + 1}: {what}")


def passing_on(block: SolvedBlock) -> SolvedBlock:
    """The same block, with the neurons that the next one has as inputs: the strongest."""
    neurons = block.solution.neurons
    return block.passing(
        _with_work_of_their_own(block.sample, neurons.take([]), neurons)[:PASSED_ON]
    )


def _with_work_of_their_own(sample: Sample, known: Neurons, others: Neurons) -> NDArray[np.intp]:
    """Indices of others, best first, that do not do nearly the work of an input or a neuron."""
    points = sample.points.T
    before = np.concatenate([points, known.activations(points)])
    candidates = np.concatenate([before, others.activations(points)])
    chosen = diverse(candidates, sample.point_weight, len(candidates))
    return chosen[chosen >= len(before)] - len(before)


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
        return Whole(tuple(before), problem, resume(problem, self.state.alpha, *given))


def _deeper(
    before: Sequence[SolvedBlock], build: Build, rule: StoppingRule, verbose: int
) -> tuple[SolvedBlock, ...]:
    """One block more, started from the network of the last; then all of them move together."""
    last = before[-1].solution
    problem = build(before[-1].sample_after())
    # What is proved in the end need not be proved on the way.
    searched, loose = replace(problem, certified=False), _loose(rule)
    start = resume(searched, last.alpha, last.neurons, loose, last.coef, last.intercept)
    state, _ = solve_from(searched, start, loose, verbose)
    whole = Whole(tuple(before), problem, before_pricing(state))
    earlier, whole = whole.state.objective, moved(whole, build, rule)
    latest = whole.state.objective
    if latest < earlier:
        _say(verbose, len(before), f"objective {earlier:.6g}, moved together {latest:.6g}")
    if not rule.rough:
        whole = _with_more_inputs(whole, build, rule)
    problem = whole.problem
    problem = replace(problem, scope=problem.scope + _given(problem.sample.n_activations, last))
    _, solution = solve_from(problem, whole.state, rule, verbose)
    return (*whole.before, last_block(problem, problem.sample, solution))


def _loose(rule: StoppingRule) -> StoppingRule:
    return replace(rule, tolerance=LOOSER_BY * rule.tolerance, proves=False)


def moved(whole: Whole, build: Build, rule: StoppingRule) -> Whole:
    """After a slide of all layers, unless that is no better; ramps are not moved."""
    problem = whole.problem
    if problem.neuron_class.ramps or not (problem.has_gradient and whole.state.coef.any()):
        return whole
    steps = STEPS_OF_ROUGH if rule.rough else STEPS
    before, last = moved_together(whole.before, whole.last, problem, whole.state.alpha, steps)
    after = whole.resumed(before, last, build, rule)
    return after if after.state.objective < whole.state.objective else whole


def _with_more_inputs(whole: Whole, build: Build, rule: StoppingRule) -> Whole:
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
    at_most = PASSED_ON if whole.problem.exact else PASSED_ON_IN_THE_END
    new = _with_work_of_their_own(block.sample, known, candidates)[: max(0, at_most - len(kept))]
    coef = np.concatenate([block.coef[kept], np.zeros((len(new), block.coef.shape[1]))])
    block = replace(block, passed_on=known.join(candidates.take(new)), coef=coef)
    seen = np.concatenate([np.arange(n_known), n_known + kept])
    last = replace(last, neurons=_named_anew(last.neurons, seen, sample.n_inputs))
    return whole.resumed([*before, block], last, build, rule)


def _named_anew(neurons: Neurons, seen: NDArray[np.intp], n_inputs: int) -> Neurons:
    """The same neurons of some inputs, numbered by their place among these; without idle ones."""
    width = neurons.inputs.shape[1]
    inputs, weights = inputs_in_use(neurons.weight_matrix(n_inputs)[seen].T, width)
    return replace(neurons, inputs=widened(inputs, width, -1), weights=widened(weights, width, 0.0))


def _given(n_activations: int, before: Solution) -> str:
    """What the bound of a further block is about, in words."""
    return (
        f", on the inputs and the {n_activations} activations that earlier blocks pass on; the "
        "bound is about the last block given these, not about all blocks together (the objective "
        f"of the block before was {before.certificate.objective:.6g})"
    )


def _gain(last: SolvedBlock, block: SolvedBlock) -> float:
    """How much of the objective a block takes off, counted from what no loss can be below."""
    left = above_floor(last.problem, last.objective)
    return (last.objective - block.objective) / left if left > 0 else 0.0
