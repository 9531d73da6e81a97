"""Deep networks: the loop over blocks, each solved on the inputs and the activations before it.

With the blocks before it fixed, a block is the training problem of one hidden layer on more inputs
(M. Pilanci, arXiv 2309.16512): its neurons are wedge products of the samples' activations. The
inputs are passed on too, so that every network of a block is one of the next, with weight 0 on the
new activations; there the search for the next block starts. At the same penalty the objective
therefore never rises from block to block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.pricing import diverse
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import Sample, TrainingSample
from sklearn_wedge._core.solution import Solution
from sklearn_wedge._core.state import resume
from sklearn_wedge._core.stopping import StoppingRule, above_floor
from sklearn_wedge._core.warm_path import solve_from

# Neurons of a block whose activations the next ones have as inputs.
PASSED_ON = 25
# A block is kept if it takes at least this fraction off the objective.
LEAST_GAIN = 1e-3


@dataclass(frozen=True)
class SolvedBlock:
    """One block: what was solved, and what the next one has of it.

    Attributes
    ----------
    problem : Problem
        On the inputs and the activations of all blocks before.
    sample : Sample
        Its samples.
    solution : Solution
        The network of this block.
    passed_on : int ndarray
        The neurons of the solution whose activations the next block has as inputs.
    """

    problem: Problem
    sample: Sample
    solution: Solution
    passed_on: NDArray[np.intp]

    @property
    def objective(self) -> float:
        """Mean loss plus penalty of the network of this block."""
        return self.solution.certificate.objective


def first_block(problem: Problem, sample: Sample, solution: Solution) -> SolvedBlock:
    """The block on the inputs alone, solved before."""
    return SolvedBlock(problem, sample, solution, np.empty(0, dtype=np.intp))


def deepened(
    first: SolvedBlock,
    n_blocks: int,
    build: Callable[[TrainingSample], Problem],
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
    blocks = [first]
    while len(blocks) < n_blocks:
        last = passing_on(blocks[-1])
        if len(last.passed_on) == 0:
            _say(verbose, len(blocks), "nothing to build on: the block before passes nothing on")
            break
        block = _next_block(last, build, rule, verbose)
        gain = _gain(last, block)
        if gain < LEAST_GAIN:
            _say(verbose, len(blocks), f"gains {gain:.2%} of the objective: not kept")
            break
        _say(verbose, len(blocks), f"gains {gain:.2%} of the objective")
        blocks[-1:] = [last, block]
    return tuple(blocks)


def _say(verbose: int, n_before: int, what: str) -> None:
    if verbose:
        print(f"block {n_before + 1}: {what}")


def passing_on(block: SolvedBlock) -> SolvedBlock:
    """The same block, with the neurons that the next one has as inputs.

    The strongest; not those that do nearly the work of an input or of a stronger one.
    """
    neurons, sample = block.solution.neurons, block.sample
    known = sample.points.T
    candidates = np.concatenate([known, neurons.activations(known)])
    weight = sample.point_weight
    chosen = diverse(candidates, weight, len(candidates))
    new = chosen[chosen >= len(known)] - len(known)
    return replace(block, passed_on=new[:PASSED_ON])


def _next_block(
    last: SolvedBlock,
    build: Callable[[TrainingSample], Problem],
    rule: StoppingRule,
    verbose: int,
) -> SolvedBlock:
    """The block on the activations of the last, started from its network."""
    before = last.solution
    activations = before.neurons.take(last.passed_on).activations(last.sample.points.T)
    sample = last.sample.with_activations(activations.T)
    problem = build(sample)
    problem = replace(problem, scope=problem.scope + _given(sample.n_activations, last))
    start = resume(problem, before.alpha, before.neurons, rule, before.coef, before.intercept)
    _, solution = solve_from(problem, start, rule, verbose)
    return first_block(problem, sample, solution)


def _given(n_activations: int, last: SolvedBlock) -> str:
    """What the bound of a further block is about, in words."""
    return (
        f", on the inputs and the {n_activations} activations that earlier blocks pass on; the "
        "bound is about the last block given these, not about all blocks together (the objective "
        f"of the block before was {last.objective:.6g})"
    )


def _gain(last: SolvedBlock, block: SolvedBlock) -> float:
    """How much of the objective a block takes off, counted from what no loss can be below."""
    left = above_floor(last.problem, last.objective)
    return (last.objective - block.objective) / left if left > 0 else 0.0
