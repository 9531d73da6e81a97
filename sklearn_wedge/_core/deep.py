"""Deep networks: the loop over blocks, each solved on the inputs and the activations before it.

With the blocks before it fixed, a block is the training problem of one hidden layer on more inputs
(M. Pilanci, arXiv 2309.16512): its neurons are wedge products of the samples' activations. The
inputs are passed on too, so that every network of a block is one of the next, with weight 0 on the
new activations; there the search for the next block starts. Then all blocks take turns, each of
which lowers the objective of the last one, and that is solved. At the same penalty the objective
therefore never rises from block to block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sklearn_wedge._core.blocks import Build, SolvedBlock, last_block
from sklearn_wedge._core.solution import Solution
from sklearn_wedge._core.state import resume
from sklearn_wedge._core.stopping import StoppingRule, above_floor
from sklearn_wedge._core.warm_path import solve_from
from sklearn_wedge._core.whole import PASSED_ON, Whole, alternated, with_work_of_their_own

# A block is kept if it takes at least this fraction off the objective.
LEAST_GAIN = 1e-3


def deepened(
    blocks: tuple[SolvedBlock, ...],
    n_blocks: int,
    build: Build,
    rule: StoppingRule,
    verbose: int = 0,
    on_the_way: StoppingRule | None = None,
) -> list[tuple[SolvedBlock, ...]]:
    """Blocks on top of others, until there are enough or one gains next to nothing.

    Parameters
    ----------
    blocks : tuple of SolvedBlock
        The first, or several; in memory, unless no more are asked for.
    n_blocks : int
        At most so many in all.
    build : callable
        The training problem of samples with more inputs: the same loss, options and penalty.
    rule : StoppingRule
        Of each block.
    verbose : int, default=0
        1: print lines per block; 2: a line per round, too.
    on_the_way : StoppingRule, default=None
        Of those that others are built on; None: the same.

    Returns
    -------
    list of tuples of SolvedBlock
        The network that was given, that of one block more, and so on as long as one is kept. Their
        objectives fall.
    """
    networks = [blocks]
    while len(networks[-1]) < n_blocks:
        *before, last = blocks = networks[-1]
        last = passing_on(last)
        if len(last.passed_on) == 0:
            _say(verbose, len(blocks), "nothing to build on: the block before passes nothing on")
            break
        is_last = len(blocks) + 1 == n_blocks
        its_rule = rule if is_last or on_the_way is None else on_the_way
        deeper = _deeper([*before, last], build, its_rule, verbose)
        gain = _gain(last, deeper[-1])
        if gain < LEAST_GAIN:
            _say(verbose, len(blocks), f"gains {gain:.2%} of the objective: not kept")
            break
        _say(verbose, len(blocks), f"gains {gain:.2%} of the objective")
        networks.append(deeper)
    if on_the_way is not None and 1 < len(networks[-1]) < n_blocks:
        networks[-1] = _finished(networks[-1], rule, verbose)
    return networks


def gone_on(
    whole: Whole, build: Build, rule: StoppingRule, verbose: int = 0
) -> tuple[SolvedBlock, ...]:
    """The blocks of a network that another one started, after turns and a last search."""
    return _searched_last(alternated(whole, build, rule), rule, verbose)


def _say(verbose: int, n_before: int, what: str) -> None:
    if verbose:
        print(f"block {n_before + 1}: {what}")


def passing_on(block: SolvedBlock) -> SolvedBlock:
    """The same block, with the neurons that the next one has as inputs: the strongest."""
    neurons = block.solution.neurons
    return block.passing(
        with_work_of_their_own(block.sample, neurons.take([]), neurons)[:PASSED_ON]
    )


def _deeper(
    before: Sequence[SolvedBlock], build: Build, rule: StoppingRule, verbose: int
) -> tuple[SolvedBlock, ...]:
    """One block more, started from the network of the last; then all of them take turns."""
    last = before[-1].solution
    problem = build(before[-1].sample_after())
    start = resume(problem, last.alpha, last.neurons, rule, last.coef, last.intercept)
    whole = alternated(Whole(tuple(before), problem, start), build, rule)
    _say(verbose, len(before), f"objective {whole.state.objective:.6g} before the last search")
    return _searched_last(whole, rule, verbose)


def _searched_last(whole: Whole, rule: StoppingRule, verbose: int) -> tuple[SolvedBlock, ...]:
    """The blocks with the last one solved, given the others."""
    problem = whole.problem
    given = _given(problem.sample.n_activations, whole.before[-1].solution)
    problem = replace(problem, scope=problem.scope + given)
    _, solution = solve_from(problem, whole.state, rule, verbose)
    return (*whole.before, last_block(problem, problem.sample, solution))


def _finished(
    blocks: Sequence[SolvedBlock], rule: StoppingRule, verbose: int
) -> tuple[SolvedBlock, ...]:
    """The blocks with the last one solved more closely, as nothing is built on it."""
    *before, last = blocks
    kept = last.solution.warm_start
    given = kept.neurons, rule, kept.coef, kept.intercept
    state = resume(last.problem, last.solution.alpha, *given)
    _, solution = solve_from(last.problem, state, rule, verbose)
    return (*before, last_block(last.problem, last.sample, solution))


def _given(n_activations: int, before: Solution | None) -> str:
    """What the bound of a further block is about, in words."""
    words = (
        f", on the inputs and the {n_activations} activations that earlier blocks pass on; the "
        "bound is about the last block given these, not about all blocks together"
    )
    if before is None:
        return words
    return f"{words} (the objective of the block before was {before.certificate.objective:.6g})"


def _gain(last: SolvedBlock, block: SolvedBlock) -> float:
    """How much of the objective a block takes off, counted from what no loss can be below."""
    left = above_floor(last.problem, last.objective)
    return (last.objective - block.objective) / left if left > 0 else 0.0
