"""When a fit goes through the rows in chunks, and what such a fit cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config

from sklearn_wedge._core.kernels import Threads
from sklearn_wedge._core.losses import Loss, OwnLoss
from sklearn_wedge._core.neurons import NeuronClass, Neurons
from sklearn_wedge._core.pricing.chunked import ChunkedPricing
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.restricted import restricted_problem
from sklearn_wedge._core.rows import (
    EXPECTED_COLUMNS,
    ChunkedSample,
    LocalChunks,
    Rows,
    chunked_sample,
    rows_per_chunk,
)
from sklearn_wedge._settings.options import FitOptions, scope

# Columns that a fit of neurons of one input needs per input, as a rule.
COLUMNS_PER_INPUT = 64
# Share of the working memory that one array made of all rows may take: the Hessian of several
# outputs, of which there are about as many on the way, or activations of rows near their kinks.
ARRAY_SHARE = 1 / 8


def working_memory_bytes() -> float:
    """scikit-learn's ``working_memory`` in bytes."""
    return get_config()["working_memory"] * 2**20


def is_beyond_memory(n_rows: int, n_inputs: int, neuron_class: NeuronClass) -> bool:
    """Whether the activations of a fit would not fit into the working memory.

    By sizes alone, not by what memory there is: the same data are fitted in the same way on every
    machine. Rows without a weight do not count. A fit beyond memory that cannot be done in chunks
    is done in memory all the same: see ``goes_in_chunks``.
    """
    columns = EXPECTED_COLUMNS
    if neuron_class.order == 1:
        columns = min(columns, COLUMNS_PER_INPUT * n_inputs)
    return 8.0 * n_rows * columns > working_memory_bytes()


def local_chunks(X: NDArray, y: NDArray, weight: NDArray, threads: Threads) -> LocalChunks:
    """Validated arrays in chunks that fit into the working memory; nothing is copied."""
    return LocalChunks(X, y, weight, rows_at_once(X.shape[1]), threads=threads)


def rows_at_once(n_inputs: int) -> int:
    """Rows of a chunk."""
    # Half: the sums, points and grids need some too.
    return rows_per_chunk(n_inputs, working_memory_bytes() / 2)


def needs_memory(
    loss: Loss, options: FitOptions, neuron_class: NeuronClass
) -> tuple[str, str] | None:
    """What of a fit cannot be done in chunks of rows, and what to use instead; None if all can."""
    if isinstance(loss, OwnLoss):
        return "a loss of your own", "give it a gradient, or use a loss by name, such as 'huber'"
    if options.n_blocks > 1:
        return f"n_blocks={options.n_blocks}", "use n_blocks=1"
    if options.solver == "cvxpy":
        return "solver='cvxpy'", "use solver='auto'"
    if options.pricing == "exact":
        return "pricing='exact'", "use pricing='auto' (searched, no certificate)"
    if neuron_class.norm == "l2":
        return "norm='l2'", "use norm='l1'"
    if neuron_class.ramps and options.ramps != "auto":
        return "ramps=True", "use ramps='auto' or ramps=False"
    if neuron_class.order > 2:
        return f"neurons of {neuron_class.order} inputs", "set interaction_order to 1 or 2"
    return None


def goes_in_chunks(
    n_rows: int, loss: Loss, options: FitOptions, neuron_class: NeuronClass, n_inputs: int
) -> bool:
    """Whether arrays are fitted in chunks of rows: they are large, and all of the fit can be."""
    suited = needs_memory(loss, options, neuron_class) is None
    return suited and is_beyond_memory(n_rows, n_inputs, neuron_class)


def columns_go_in_chunks(X: NDArray, weight: NDArray, options: FitOptions, loss: Loss) -> bool:
    """The same of a table before its inputs are made: by its columns."""
    n_rows, n_columns = int(np.count_nonzero(weight)), X.shape[1]
    neuron_class = options.neuron_class(n_columns, wedge=False)
    return goes_in_chunks(n_rows, loss, options, neuron_class, n_columns)


def chunked_problem(
    rows: Rows, options: FitOptions, loss: Loss, neuron_class: NeuronClass
) -> tuple[Problem, ChunkedSample]:
    """The training problem of rows in chunks.

    Parameters
    ----------
    rows : Rows
        Inputs (n, d), targets (n, q) and weights (n,) in original units.
    options : FitOptions
    loss : Loss
        In original units.
    neuron_class : NeuronClass

    Raises
    ------
    ValueError
        If something does not combine with a fit in chunks: the message names it, and says what to
        do.
    """
    wrong = needs_memory(loss, options, neuron_class)
    if wrong is not None:
        raise ValueError(
            f"{wrong[0]} and a fit in chunks of rows do not combine: {wrong[1]}. A dask array is "
            "always fitted in chunks; fit on a sample of its rows as a NumPy array instead."
        )
    neuron_class = replace(neuron_class, ramps=False)  # which "auto" wants where it can
    sample = chunked_sample(rows, options.sample_options(loss))
    restricted = restricted_problem(
        loss.rescaled(sample.target_scaling.scale),
        sample.rows,
        options.solver,
        sample.activations(Neurons.empty(1)),
        ARRAY_SHARE * working_memory_bytes(),
    )
    words = scope(neuron_class, rows.n_inputs, exact=False)
    pricing = ChunkedPricing(sample, neuron_class)
    return Problem(sample, restricted, pricing, certified=False, scope=words), sample
