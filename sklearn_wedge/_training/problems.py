"""From validated data and options to solutions: the problem in memory or in chunks, its path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.blocks import SolvedBlock, last_block
from sklearn_wedge._core.deep import deepened, gone_on
from sklearn_wedge._core.deep_start import DeepStart, left_by, whole_from
from sklearn_wedge._core.kernels import Threads
from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.pricing import Pricing
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.restricted import restricted_problem
from sklearn_wedge._core.rows import Sample, TrainingSample, canonical_sample
from sklearn_wedge._core.solution import Progress, Solution
from sklearn_wedge._core.stopping import StoppingRule
from sklearn_wedge._core.warm_path import solve_path
from sklearn_wedge._core.whole import PASSED_ON
from sklearn_wedge._settings.options import FitOptions, certifies, scope
from sklearn_wedge._training.chunked import chunked_problem, goes_in_chunks, local_chunks

# Blocks between the first and the last are this many times as rough. On fifths held out of
# California and bike_noleak errors are the same in 0.96 and 0.73 of the time; where the first is as
# rough, they are 0.6 % higher on California.
ROUGHER_ON_THE_WAY = 3.0


def build_problem(
    X: NDArray,
    y: NDArray,
    sample_weight: NDArray,
    options: FitOptions,
    loss: Loss,
    wedge: bool = False,
) -> tuple[Problem, Sample]:
    """The training problem of validated data: ``X`` (n, d), ``y`` (n, q), ``sample_weight`` (n,).

    In chunks of rows if the activations of those with a weight would exceed scikit-learn's
    ``working_memory`` and all of the fit can be done in chunks, else in memory; see
    ``goes_in_chunks``. ``loss`` is in original units; ``wedge`` admits only hyperplanes through as
    many samples as inputs.
    """
    # Rows without a weight are as good as absent, also for the decision.
    n_rows, n_inputs = int(np.count_nonzero(sample_weight)), X.shape[1]
    neuron_class = options.neuron_class(n_inputs, wedge)
    if not wedge and goes_in_chunks(n_rows, loss, options, neuron_class, n_inputs):
        chunks = local_chunks(X, y, sample_weight, Threads(options.n_threads()))
        return chunked_problem(chunks, options, loss, neuron_class)
    sample = canonical_sample(X, y, sample_weight, options.sample_options(loss))
    loss = loss.rescaled(sample.target_scaling.scale)
    return problem_on(sample, loss, options, wedge), sample


def _refuse_uncertain_blocks(options: FitOptions, n_points: int, n_inputs: int) -> None:
    """Further blocks that could be out of reach of ``pricing="exact"``: before any is solved."""
    if options.n_blocks == 1 or options.pricing != "exact":
        return
    most_inputs = n_inputs + PASSED_ON * (options.n_blocks - 1)
    try:
        certifies(options, options.neuron_class(most_inputs, False), n_points, most_inputs)
    except ValueError as error:
        raise ValueError(
            f"n_blocks={options.n_blocks} (up to {PASSED_ON} activations of each block are inputs "
            f"of the next): {error}"
        ) from None


def problem_on(
    sample: TrainingSample, loss: Loss, options: FitOptions, wedge: bool = False
) -> Problem:
    """The training problem of samples in memory; ``loss`` is in the units of their target."""
    n_inputs = sample.n_inputs
    neuron_class = options.neuron_class(n_inputs, wedge)
    certified = certifies(options, neuron_class, len(sample.points), n_inputs)
    pricing = Pricing(sample.points, neuron_class, options.n_threads(), options.search_budget())
    rows = sample.rows.shared_out(pricing.threads)
    restricted = restricted_problem(loss, rows, options.solver)
    words = scope(neuron_class, n_inputs, exact=certified or pricing.is_cheap)
    return Problem(sample, restricted, pricing, certified, words)


def _rule(options: FitOptions) -> StoppingRule:
    """When fits are over; nobody is told of further blocks."""
    return StoppingRule(
        options.tol,
        options.max_iter,
        proves=options.proves,
        rough=options.rough,
        roughly=options.roughly,
    )


def solve_alphas(
    problem: Problem, alphas: NDArray, options: FitOptions, after: Solution | None = None
) -> Iterator[Solution]:
    """Solutions at descending penalties, as the path goes on ``after`` one of them."""
    rule = replace(_rule(options), watch=options.watch)
    yield from solve_path(problem, alphas, rule, options.verbose, after)


def solve_blocks(
    problem: Problem,
    sample: Sample,
    alphas: NDArray,
    options: FitOptions,
    after: Solution | None = None,
    only_deepest: bool = False,
) -> Iterator[list[tuple[SolvedBlock, ...]]]:
    """Networks at descending penalties: of one block, of two, up to ``options.n_blocks``.

    The first blocks are a warm path, which may go on ``after`` one of its solutions; on each of
    them further ones are built, if asked for, as long as they are kept. If of
    rough networks ``only_deepest`` is wanted, blocks between its first and last are rougher.
    """
    build = partial(problem_on, loss=problem.loss, options=options)
    _refuse_uncertain_blocks(options, len(sample.points), sample.n_inputs)
    stopped = False

    def watch(progress: Progress) -> bool:
        nonlocal stopped
        stopped = options.watch(progress)
        return stopped

    rule, on_the_way = _rule(options), None
    if only_deepest and rule.rough:
        on_the_way = replace(rule, roughly=ROUGHER_ON_THE_WAY * rule.roughly)
    for solution in solve_alphas(problem, alphas, replace(options, watch=watch), after):
        first = (last_block(problem, sample, solution),)
        # Who asks to stop wants no further blocks.
        n_blocks = 1 if stopped else options.n_blocks
        yield deepened(first, n_blocks, build, rule, options.verbose, on_the_way)


def solve_deep_path(
    problem: Problem,
    sample: Sample,
    alphas: NDArray,
    options: FitOptions,
    after: Solution | None = None,
    start: DeepStart | None = None,
) -> Iterator[list[tuple[SolvedBlock, ...]]]:
    """Networks of ``options.n_blocks`` at descending penalties, each from all blocks of the last.

    For those that are only compared: in the last stage of a race on bike_noleak and California
    they take 0.25 and 0.4 of the time of ``solve_blocks``, at squared errors 1 and 2 % higher on
    rows held out. Each comes as a list of it alone. One that goes on from no other, ``start`` or
    the last, is built on a first block, whose search goes on ``after`` a solution.
    """
    build, rule = partial(problem_on, loss=problem.loss, options=options), _rule(options)
    _refuse_uncertain_blocks(options, len(sample.points), sample.n_inputs)
    for alpha in alphas:
        if start is None:
            (after,) = solve_alphas(problem, np.array([alpha]), options, after)
            blocks = (last_block(problem, sample, after),)
        else:
            whole = whole_from(start, problem, sample, alpha, build, rule)
            blocks = gone_on(whole, build, rule, options.verbose)
        *_, blocks = deepened(blocks, options.n_blocks, build, rule, options.verbose)
        yield [blocks]
        start = left_by(blocks)
