"""A deep network as the start of the one at the next penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.blocks import Build, SolvedBlock
from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._core.solution import WarmStart
from sklearn_wedge._core.state import resume
from sklearn_wedge._core.stopping import StoppingRule
from sklearn_wedge._core.whole import PASSED_ON, Whole

# What blocks pass on is chosen when they are built. At a smaller penalty there would be more: a
# network is no start for others unless each of its blocks passes on this part of what it may.
ENOUGH_PASSED_ON = 0.8


@dataclass(frozen=True)
class DeepStart:
    """The blocks of a network without their samples, which are large.

    Attributes
    ----------
    passed_on : tuple of (Neurons, ndarray)
        What each block before the last passes on, with coefficients; see ``SolvedBlock``.
    last : WarmStart
        Of the last block.
    """

    passed_on: tuple[tuple[Neurons, NDArray[np.float64]], ...]
    last: WarmStart


def left_by(blocks: Sequence[SolvedBlock]) -> DeepStart | None:
    """What a network is as a start; None if one built anew would have more to build on."""
    *before, last = blocks
    if not before or min(len(each.passed_on) for each in before) < ENOUGH_PASSED_ON * PASSED_ON:
        return None
    passed_on = tuple((each.passed_on, each.coef) for each in before)
    return DeepStart(passed_on, last.solution.warm_start)


def whole_from(
    start: DeepStart,
    problem: Problem,
    sample: Sample,
    alpha: float,
    build: Build,
    rule: StoppingRule,
) -> Whole:
    """All blocks of a start, with the best coefficients of the last one at a penalty.

    ``problem`` and ``sample`` are those of the first block.
    """
    before = []
    for neurons, coef in start.passed_on:
        before.append(SolvedBlock(problem, sample, None, neurons, coef))
        sample = before[-1].sample_after()
        problem = build(sample)
    last = start.last
    state = resume(problem, alpha, last.neurons, rule, last.coef, last.intercept)
    return Whole(tuple(before), problem, replace(state, turn=last.turn))
