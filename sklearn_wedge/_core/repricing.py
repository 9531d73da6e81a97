"""Neurons for the layer before the last, priced where neurons of the last one are active.

To give one of these another input is worth what the dual point, where it is active, makes of that
input: the same pricing, at a dual point with zeros.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from sklearn_wedge._core.blocks import LastLayer
from sklearn_wedge._core.losses import balanced
from sklearn_wedge._core.neurons import Neurons
from sklearn_wedge._core.pricing import significant
from sklearn_wedge._core.problem import Effort, Problem
from sklearn_wedge._core.restricted import DualPoint
from sklearn_wedge._core.rows import TrainingSample

# Neurons of the last layer whose patterns are priced, the strongest; candidates taken of each.
PATTERNS, OF_EACH = 16, 6


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
    found, values = [], []
    for pattern, coef in zip(active, last.coef[strongest] / size[strongest, None], strict=True):
        pull = (dual.kept[0] @ coef * sample.at_samples(pattern))[:, None]
        # Biases are free: it sums to zero already where they are the best ones.
        at = DualPoint([balanced(pull)], sample.rows, problem.loss)
        none = Neurons.empty(problem.neuron_class.order)
        priced = problem.price(at, alpha, Effort.LOCAL_MOVES, none, none, 0, None)
        found.append(priced.neurons.take(slice(0, OF_EACH)))
        values.append(priced.values[:OF_EACH])
    order = np.argsort(-significant(np.concatenate(values)), kind="stable")
    return reduce(Neurons.join, found).take(order)
