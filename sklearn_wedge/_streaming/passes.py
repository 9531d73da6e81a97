"""What the restricted problem needs of a block: predictions, dual points, cross products.

Functions of a block for ``RowBlocks``. Each computes the activations it needs anew: they are large,
and cheap compared with what is done with them.
"""

from __future__ import annotations

import numpy as np

from sklearn_wedge._losses import Loss, SmoothLoss
from sklearn_wedge._neurons import Neurons
from sklearn_wedge._samples import Scaling
from sklearn_wedge._streaming.blocks import Array, Block


def scaled_columns(block: Block, scaling: Scaling) -> Array:
    """Inputs in the units of the problem solved, by columns, (d, r)."""
    # In place, and the same operations as ``transform``: a point lies on its own hyperplanes.
    columns = np.array(block.inputs.T, dtype=np.float64, order="C")
    np.clip(columns, scaling.lower[:, None], scaling.upper[:, None], out=columns)
    columns -= scaling.mean[:, None]
    columns /= scaling.scale[:, None]
    return columns


def prediction(
    block: Block, scaling: Scaling, neurons: Neurons, coef: Array, intercept: Array
) -> Array:
    """Of the network with these neurons, (r, q)."""
    if len(neurons) == 0:
        return np.broadcast_to(intercept, block.target.shape).copy()
    return intercept + neurons.activations(scaled_columns(block, scaling)).T @ coef


def mean_loss(block: Block, predicted: Array, loss: Loss) -> tuple[Array]:
    """Share of the block in the mean loss."""
    return (np.atleast_1d(loss.value(predicted, block.target, block.weight)),)


def dual_point(block: Block, predicted: Array, loss: SmoothLoss) -> Array:
    """Minus the gradient of the mean loss, (r, q)."""
    return loss.dual_point(predicted, block.target, block.weight)


def imbalance(block: Block, dual: Array, loss: Loss) -> tuple[Array]:
    """Share of the block in what tells how to balance a dual point."""
    return (loss.imbalance(dual, block.target, block.weight),)


def balanced(block: Block, dual: Array, loss: Loss, known: Array) -> Array:
    """A dual point that sums to zero over all blocks."""
    return loss.balance(known, dual, block.target, block.weight)


def dual_value(block: Block, dual: Array, loss: Loss, shrink: float) -> tuple[Array]:
    """Share of the block in the dual value of a dual point times a number."""
    return (np.atleast_1d(loss.dual_value(dual * shrink, block.target, block.weight)),)


def dual_products(block: Block, dual: Array, scaling: Scaling, neurons: Neurons) -> tuple:
    """``V·(Xu + c)_+``, (m, q), and ``V·X``, (d, q)."""
    columns = scaled_columns(block, scaling)
    return neurons.products(columns, dual), columns @ dual


def cross_products(
    block: Block,
    scaling: Scaling,
    old: Neurons,
    new: Neurons,
    centres: tuple[Array, Array],
    target_mean: Array,
) -> tuple[Array, Array, Array, Array]:
    """Of new columns with old ones, with each other and with the target, and their means.

    All activations are taken relative to centres close to their means: what is then subtracted to
    centre them exactly is small, and nothing cancels.
    """
    columns = scaled_columns(block, scaling)
    added = new.activations(columns) - centres[1][:, None]
    weighted = added * block.weight
    known = old.activations(columns)
    known -= centres[0][:, None]
    return (
        known @ weighted.T,
        added @ weighted.T,
        weighted @ (block.target - target_mean),
        weighted.sum(axis=1),
    )


def model_sums(
    block: Block,
    predicted: Array,
    dual: Array,
    scaling: Scaling,
    neurons: Neurons,
    centre: Array,
    loss: SmoothLoss,
    intercept: Array,
    majorised: bool,
) -> tuple[Array, ...]:
    """Sums that make the quadratic model of a loss.

    If it is majorised, all outputs of a row have its largest curvature.

    Returns
    -------
    tuple of ndarrays
        With curvatures ``W``, activations ``h`` relative to their centre and responses ``r``:
        ``Σ W h h``, ``Σ W h``, ``Σ W``, ``Σ h r``, ``Σ r``. Of shapes (q, m, m), (q, m), (q,), (m,
        q), (q,), or, if outputs interact, (m, q, m, q), (m, q, q), (q, q), (m, q), (q,). The first
        three of a majorised model are of one output.
    """
    if majorised:
        curvature = loss.largest_curvature(predicted, block.target, block.weight)[:, None]
    else:
        curvature = loss.curvature(predicted, block.target, block.weight)
    relative = predicted - intercept
    centred = neurons.activations(scaled_columns(block, scaling)) - centre[:, None]
    if curvature.ndim == 2:
        response = curvature * relative + dual
        weighted = (centred * c for c in curvature.T)
        grams = np.array([part @ centred.T for part in weighted])
        moments = (centred @ curvature).T
    else:
        response = np.einsum("iab,ib->ia", curvature, relative) + dual
        (m, r), q = centred.shape, dual.shape[1]
        moments = (centred @ curvature.reshape(r, q * q)).reshape(m, q, q)
        grams = np.empty((m, q, m, q))
        for a in range(q):
            for b in range(a + 1):
                grams[:, a, :, b] = (centred * curvature[:, a, b]) @ centred.T
                grams[:, b, :, a] = grams[:, a, :, b]
    return grams, moments, curvature.sum(axis=0), centred @ response, response.sum(axis=0)


def dual_sum(block: Block, dual: Array) -> tuple[Array]:
    """Sum of a dual point, (q,)."""
    return (dual.sum(axis=0),)
