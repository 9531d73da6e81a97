"""When a fit goes through the rows in blocks, and what such a fit cannot do."""

from __future__ import annotations

from numpy.typing import NDArray
from sklearn import get_config

from sklearn_wedge._losses import Hinge, KinkedLoss, Loss, OwnLoss, Pinball
from sklearn_wedge._neurons import NeuronClass
from sklearn_wedge._options import FitOptions, scope
from sklearn_wedge._samples import SampleOptions
from sklearn_wedge._streaming import (
    EXPECTED_COLUMNS,
    LocalBlocks,
    RowBlocks,
    StreamedProblem,
    StreamedSample,
    rows_per_block,
    streamed_sample,
)

# Columns that a fit of neurons of one input needs per input, as a rule.
COLUMNS_PER_INPUT = 64


def working_memory_bytes() -> float:
    """scikit-learn's ``working_memory`` in bytes."""
    return get_config()["working_memory"] * 2**20


def is_beyond_memory(n_rows: int, n_inputs: int, neuron_class: NeuronClass) -> bool:
    """Whether the activations of a fit would not fit into the working memory.

    By sizes alone: the same data are fitted in the same way on every machine.
    """
    columns = EXPECTED_COLUMNS
    if neuron_class.order == 1:
        columns = min(columns, COLUMNS_PER_INPUT * n_inputs)
    return 8.0 * n_rows * columns > working_memory_bytes()


def local_blocks(X: NDArray, y: NDArray, weight: NDArray) -> LocalBlocks:
    """Validated arrays in blocks that fit into the working memory; nothing is copied."""
    return LocalBlocks(X, y, weight, block_rows(X.shape[1]))


def block_rows(n_inputs: int) -> int:
    """Rows of a block."""
    # Half: the sums, points and grids need some too.
    return rows_per_block(n_inputs, working_memory_bytes() / 2)


def _name(loss: Loss) -> str:
    if isinstance(loss, OwnLoss):
        return "a loss of your own"
    if isinstance(loss, Hinge):
        return "loss='hinge'"
    if isinstance(loss, Pinball):
        return "loss='absolute_error'" if loss.above == loss.below else "loss='quantile'"
    return f"loss={type(loss).__name__}"


def check_in_blocks(loss: Loss, options: FitOptions, neuron_class: NeuronClass, why: str) -> None:
    """Refuse what a fit in row blocks cannot do.

    Parameters
    ----------
    loss : Loss
    options : FitOptions
    neuron_class : NeuronClass
    why : str
        Why the fit is one in row blocks, and how to have another: the end of the message.

    Raises
    ------
    ValueError
        The message names the pair, and says what to do.
    """
    wrong = None
    if isinstance(loss, KinkedLoss):
        wrong = _name(loss), "use a loss with a gradient, such as 'huber' or 'squared_hinge'"
    elif options.solver == "cvxpy":
        wrong = "solver='cvxpy'", "use solver='auto'"
    elif options.pricing == "exact":
        wrong = "pricing='exact'", "use pricing='auto' (searched, no certificate)"
    elif neuron_class.norm == "l2":
        wrong = "norm='l2'", "use norm='l1'"
    elif neuron_class.order > 2:
        wrong = f"neurons of {neuron_class.order} inputs", "set interaction_order to 1 or 2"
    if wrong is not None:
        raise ValueError(f"{wrong[0]} and a fit in row blocks do not combine: {wrong[1]}{why}")


def why_local(n_rows: int) -> str:
    """Why arrays in memory or in a file are fitted in blocks."""
    memory = get_config()["working_memory"]
    return (
        ", fit on fewer rows, or raise the limit with sklearn.set_config(working_memory=...). X is "
        f"fitted in row blocks because the activations of {n_rows:,} rows would exceed the "
        f"working_memory of {memory:g} MiB."
    )


WHY_DASK = ". X is fitted in row blocks because it is a dask array."


def streamed_problem(
    blocks: RowBlocks, options: FitOptions, loss: Loss, neuron_class: NeuronClass, why: str
) -> tuple[StreamedProblem, StreamedSample]:
    """The training problem of rows in blocks.

    Parameters
    ----------
    blocks : RowBlocks
        Inputs (n, d), targets (n, q) and weights (n,) in original units.
    options : FitOptions
    loss : Loss
        In original units.
    neuron_class : NeuronClass
    why : str
        See ``check_in_blocks``.

    Raises
    ------
    ValueError
        If something does not combine with a fit in blocks.
    """
    check_in_blocks(loss, options, neuron_class, why)
    prepared = SampleOptions(options.standardize, options.clip_quantile, loss.target_scaling)
    sample = streamed_sample(blocks, prepared)
    loss = loss.rescaled(sample.target_scaling.scale)
    words = scope(neuron_class, blocks.n_inputs, exact=False)
    return StreamedProblem(sample, loss, neuron_class, words), sample
