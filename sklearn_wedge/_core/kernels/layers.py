"""Hidden layers whose neurons have few inputs: activations, and slopes by back-propagation.

Arrays have a row per input or neuron, so that loops over the rows of the data are vectorised; they
are in single precision.
"""

from __future__ import annotations

import numpy as np

from sklearn_wedge._core.kernels.compiling import compiled
from sklearn_wedge._core.kernels.sums import dot

HALF, ZERO, ONE = np.float32(0.5), np.float32(0.0), np.float32(1.0)


@compiled("void(f4[:,::1], i8[:,::1], f4[:,::1], f4[::1], f4[:,::1], f4[:,::1])")
def forward(columns, inputs, weights, widths, steps, active):
    """Smoothed activations of one layer, and how far their kinks have been passed, from 0 to 1.

    Parameters
    ----------
    columns : (k, r)
        What enters: inputs, and activations of the layers before.
    inputs : (m, s)
        Of each neuron, padded with -1.
    weights : (m, s + 1)
        On these; the bias last.
    widths : (m,)
        Half the width of each kink.
    steps, active : (m, r)
        What is found.
    """
    for j in range(len(inputs)):
        step, out, width = steps[j], active[j], widths[j]
        bias = weights[j, inputs.shape[1]]
        for i in range(len(step)):
            step[i] = bias
        for t in range(inputs.shape[1]):
            if inputs[j, t] < 0:
                break
            weight, column = weights[j, t], columns[inputs[j, t]]
            for i in range(len(step)):
                step[i] += weight * column[i]
        scale = HALF / width
        for i in range(len(step)):
            argument = step[i]
            passed = min(max(argument * scale + HALF, ZERO), ONE)
            step[i] = passed
            out[i] = width * passed * passed + max(argument - width, ZERO)


@compiled("void(f4[:,::1], i8[:,::1], f4[:,::1], f4[:,::1], i8, f4[:,::1], f4[:,::1])")
def backward(columns, inputs, weights, steps, n_inputs, pulls, slopes):
    """Slopes of one layer, (m, s + 1), and what it pulls at the activations that enter it.

    ``pulls`` has a row for each of these and of its own, which come last: the first ``n_inputs``
    of what enters are no activations. Those that enter are added to; the others see ``forward``.
    """
    n_before = len(pulls) - len(inputs)
    for j in range(len(inputs)):
        own, step = pulls[n_before + j], steps[j]
        slopes[j, inputs.shape[1]] = dot(own, step)
        for i in range(len(own)):
            own[i] *= step[i]
        for t in range(inputs.shape[1]):
            if inputs[j, t] < 0:
                break
            slopes[j, t] = dot(own, columns[inputs[j, t]])
            if inputs[j, t] >= n_inputs:
                weight, entering = weights[j, t], pulls[inputs[j, t] - n_inputs]
                for i in range(len(own)):
                    entering[i] += weight * own[i]
