"""Neurons for the layer before the last, priced where neurons of the last one are active.

To give one of these another input is worth what the dual point, where it is active, makes of that
input: the same pricing, at a dual point with zeros.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.blocks import LastLayer
from sklearn_wedge._core.losses import balanced
from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.pricing import Priced, significant
from sklearn_wedge._core.problem import Effort, Problem
from sklearn_wedge._core.restricted import DualPoint
from sklearn_wedge._core.rows import TrainingSample

# Neurons of the last layer whose patterns are priced, the strongest; candidates taken of each, of
# so many times as many that violate most.
PATTERNS, OF_EACH, LOOKED_AT = 12, 24, 3


def priced_by_patterns(
    problem: Problem, last: LastLayer, sample: TrainingSample, dual: DualPoint, alpha: float
) -> Neurons:
    """Neurons that those of the last layer would have as inputs, best first.

    Parameters
    ----------
    problem : Problem
        Of the block before the last, in which they are neurons.
    last : LastLayer
    sample : TrainingSample
        Of the last block.
    dual : DualPoint
        Of the last block.
    alpha : float
        Penalty.
    """
    size = np.linalg.norm(last.coef, axis=1)
    strongest = np.argsort(-significant(size), kind="stable")[:PATTERNS]
    active = last.neurons.take(strongest).activations(sample.points.T) > 0
    found, gains = [], []
    for pattern, coef in zip(active, last.coef[strongest] / size[strongest, None], strict=True):
        pull = (dual.kept[0] @ coef * sample.at_samples(pattern))[:, None]
        # Biases are free: it sums to zero already where they are the best ones.
        at = DualPoint([balanced(pull)], sample.rows, problem.loss)
        none = Neurons.empty(problem.neuron_class.order)
        priced = problem.price(at, alpha, Effort.LOCAL_MOVES, none, none, 0, None)
        neurons, gained = _by_gain(problem.sample, priced, pattern, alpha)
        found.append(neurons)
        gains.append(gained)
    order = np.argsort(-significant(np.concatenate(gains)), kind="stable")
    return reduce(Neurons.join, found).take(order)


def _by_gain(
    sample: TrainingSample, priced: Priced, pattern: NDArray[np.bool_], alpha: float
) -> tuple[Neurons, NDArray[np.float64]]:
    """Those that gain most at their best weight, and how much under a quadratic loss.

    What violates most may change the output of the network so much that a small weight is best.
    """
    at_most = slice(0, LOOKED_AT * OF_EACH)
    neurons, values = priced.neurons.take(at_most), priced.values[at_most]
    weight = sample.point_weight * pattern
    active = neurons.activations(sample.points.T)
    # The bias of the neuron whose pattern it is goes with it.
    moved = active - (active @ weight)[:, None] / (weight.sum() or 1.0)
    curvature = moved**2 @ weight
    violation = np.maximum(values - alpha, 0.0)
    gains = np.divide(violation**2, curvature, out=np.zeros_like(values), where=curvature > 0)
    best = np.argsort(-significant(gains), kind="stable")[:OF_EACH]
    return neurons.take(best), gains[best]
