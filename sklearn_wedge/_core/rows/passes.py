"""What a restricted problem needs of a chunk: predictions, dual points, cross products.

Functions of a chunk for ``Rows``, and what becomes of their sums.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import Loss, PiecewiseLinear, Smoothed, SmoothLoss
from sklearn_wedge._core.rows import matrices
from sklearn_wedge._core.rows.activations import Activations
from sklearn_wedge._core.rows.chunks import Array, Chunk, added


def target_mean(chunk: Chunk) -> tuple[Array]:
    """Share of the chunk in the mean of the target, (q,)."""
    return (chunk.weight @ chunk.target,)


def target_range(chunk: Chunk) -> tuple[Array, Array]:
    """The least and the largest value of each target, (q,)."""
    return chunk.target.min(axis=0), chunk.target.max(axis=0)


def prediction(chunk: Chunk, activations: Activations, coef: Array, intercept: Array) -> Array:
    """Of the network with these columns, (r, q)."""
    if not coef.any():
        return np.broadcast_to(intercept, chunk.target.shape).copy()
    return intercept + activations.combined(chunk, coef)


def mean_loss(chunk: Chunk, predicted: Array, loss: Loss) -> tuple[Array]:
    """Share of the chunk in the mean loss."""
    return (np.atleast_1d(loss.value(predicted, chunk.target, chunk.weight)),)


def floor(chunk: Chunk, loss: Loss) -> tuple[Array]:
    """Share of the chunk in what no mean loss is below."""
    return (np.atleast_1d(loss.floor(chunk.target, chunk.weight)),)


def dual_point(chunk: Chunk, predicted: Array, loss: SmoothLoss) -> Array:
    """Minus the gradient of the mean loss, (r, q)."""
    return loss.dual_point(predicted, chunk.target, chunk.weight)


def dual_sum(chunk: Chunk, dual: Array) -> tuple[Array]:
    """Share of the chunk in the sum of a dual point, (q,)."""
    return (dual.sum(axis=0),)


def dual_sum_at(chunk: Chunk, loss: SmoothLoss, constant: float) -> tuple[Array]:
    """Share of the chunk in the sum of the dual point of a constant prediction, (q,)."""
    predicted = np.full_like(chunk.target, constant)
    return (loss.dual_point(predicted, chunk.target, chunk.weight).sum(axis=0),)


def shifted(chunk: Chunk, predicted: Array, shift: Array) -> Array:
    """Predictions with another intercept."""
    return predicted + shift


def total_curvature(chunk: Chunk, predicted: Array, loss: SmoothLoss) -> tuple[Array]:
    """Share of the chunk in the second derivative in the intercept."""
    return (loss.total_curvature(predicted, chunk.target, chunk.weight),)


def moved(chunk: Chunk, predicted: Array, dual: Array, width: float) -> Array:
    """Predictions less a width times the slopes of a dual point, (r, q)."""
    return predicted - width * (dual / chunk.weight[:, None])


def farthest_from_kink(chunk: Chunk, loss: PiecewiseLinear, constant: Array) -> float:
    """Of a constant prediction, (q,), from the kinks of the losses."""
    return float(np.abs(loss.kinks(chunk.target) - constant).max())


def best_shift(chunk: Chunk, predicted: Array, loss: PiecewiseLinear | Smoothed) -> Array:
    """What to add to predictions, (q,), for the mean loss of the one chunk to be least."""
    return loss.best_shift(predicted, chunk.target, chunk.weight)


def left_by_widths(
    chunk: Chunk, predicted: Array, loss: PiecewiseLinear, widths: Array
) -> tuple[Array]:
    """Share of the chunk in what envelopes of some widths leave of a duality gap, roughly, (k,)."""
    return (loss.left_by_widths(predicted, chunk.target, chunk.weight, widths),)


def imbalance(chunk: Chunk, dual: Array, loss: Loss) -> tuple[Array]:
    """Share of the chunk in what tells how to balance a dual point."""
    return (loss.imbalance(dual, chunk.target, chunk.weight),)


def balanced(chunk: Chunk, dual: Array, loss: Loss, known: Array) -> Array:
    """A dual point that sums to zero over all chunks."""
    return loss.balance(known, dual, chunk.target, chunk.weight)


def dual_value(chunk: Chunk, dual: Array, loss: Loss, shrink: float) -> tuple[Array]:
    """Share of the chunk in the dual value of a dual point times a number."""
    return (np.atleast_1d(loss.dual_value(dual * shrink, chunk.target, chunk.weight)),)


def dual_products(chunk: Chunk, dual: Array, activations: Activations) -> tuple[Array, Array]:
    """``V·h``, (m, q), and the sum of the dual point, (q,)."""
    return activations.products(chunk, dual), dual.sum(axis=0)


def cross_products(
    chunk: Chunk, activations: Activations, n_old: int, target_mean: Array
) -> tuple[Array, ...]:
    """Of all columns with those from ``n_old`` on, which are taken relative to their centres.

    Returns
    -------
    tuple of ndarrays
        ``Σ w h k``, ``Σ w k y``, ``Σ w k`` and ``Σ w k'``, of shapes (m, k), (k, q), (k,), (k,),
        with the new columns ``k`` relative to their centres, ``k'`` as they are.
    """
    values = activations.values(chunk)
    centre = activations.centre(values, chunk.weight, n_old)
    # In place: these are large arrays, and new memory takes longer than what is done with it.
    new = values[n_old:] - centre[:, None]
    if n_old == 0:
        root = np.sqrt(chunk.weight)
        new *= root
        linear, rest = new @ (root[:, None] * (chunk.target - target_mean)), new @ root
        products = matrices.gram(new, chunk.threads) + np.outer(centre, rest)
    else:
        new *= chunk.weight
        linear, rest = new @ (chunk.target - target_mean), new.sum(axis=1)
        products = matrices.product(values, new, chunk.threads)
    return products, linear, rest, rest + centre * chunk.weight.sum()


def model_sums(
    chunk: Chunk, predicted: Array, activations: Activations, loss: SmoothLoss, levelled: bool
) -> tuple[Array, ...]:
    """Sums that make the quadratic model of a loss.

    If it is levelled, all outputs of a row have the mean of its curvatures.

    Returns
    -------
    tuple of ndarrays
        With curvatures ``W``, activations ``h`` and their differences ``k`` from a centre:
        ``Σ W k k``, ``Σ W k``, ``Σ W h``, ``Σ W``. Of shapes (q, m, m), (q, m), (q, m), (q,) or, if
        outputs interact, (m, q, m, q), (m, q, q), (m, q, q), (q, q). Those of a levelled model are
        of one output.
    """
    if levelled:
        curvature = loss.mean_curvature(predicted, chunk.target, chunk.weight)[:, None]
    else:
        curvature = loss.curvature(predicted, chunk.target, chunk.weight)
    values = activations.values(chunk)
    total = curvature.sum(axis=0)
    if curvature.ndim == 2:
        centre = activations.centre(values, curvature.sum(axis=1))
        values = values - centre[:, None]
        grams = np.array([matrices.gram(values * c, chunk.threads) for c in np.sqrt(curvature.T)])
        moments = (values @ curvature).T
        return grams, moments, moments + total[:, None] * centre, total
    centre = activations.centre(values, np.trace(curvature, axis1=1, axis2=2))
    values = values - centre[:, None]
    (m, r), q = values.shape, len(total)
    moments = (values @ curvature.reshape(r, q * q)).reshape(m, q, q)
    grams = np.empty((m, q, m, q))
    for a in range(q):
        for b in range(a + 1):
            scaled = values * curvature[:, a, b]
            grams[:, a, :, b] = matrices.product(scaled, values, chunk.threads)
            grams[:, b, :, a] = grams[:, a, :, b]
    return grams, moments, moments + centre[:, None, None] * total, total


def bent_model_sums(
    chunk: Chunk, predicted: Array, activations: Activations, loss: Smoothed
) -> tuple[Array, ...]:
    """``model_sums`` of the rows whose loss is curved there.

    The diagonal of what a slight curvature of the others would add stands for them: it keeps the
    model from being singular.
    """
    values = activations.values(chunk)
    centre = activations.centre(values, chunk.weight)
    curvature = loss.curvature(predicted, chunk.target, chunk.weight)
    grams, centred, total = _bent(chunk, curvature, centre, lambda rows: values[:, rows])
    of_lines = loss.curvature_of_lines(predicted, chunk.target, chunk.weight).sum(axis=0)
    columns = np.arange(len(values))
    grams[:, columns, columns] += np.outer(of_lines, _spread(chunk, values, centre))
    return grams, centred, centred + total[:, None] * centre, total + of_lines


def damped_model_sums(
    chunk: Chunk,
    predicted: Array,
    centres: Array,
    activations: Activations,
    working: NDArray[np.intp],
    loss: Smoothed,
) -> tuple[Array, ...]:
    """The same of some columns, and nothing for the others: see ``sums_of_touching``."""
    curvature, centre = loss.curvature(predicted, chunk.target, chunk.weight), centres[working]
    some = partial(activations.part, chunk, working)
    grams, centred, total = _bent(chunk, curvature, centre, some)
    return grams, centred, centred + total[:, None] * centre, total


def centres(chunk: Chunk, activations: Activations) -> Array:
    """What columns are taken relative to, (m,)."""
    return activations.centres(chunk)


def root_of_touching(chunk: Chunk, predicted: Array, loss: Smoothed) -> Array:
    """The root of the curvature of parabolas that touch, (r,): its mean over outputs."""
    return np.sqrt(loss.touching(predicted, chunk.target, chunk.weight).mean(axis=1))


def sums_of_touching(
    chunk: Chunk, root: Array, centres: Array, activations: Activations
) -> tuple[Array, ...]:
    """``model_sums`` of one output with curvatures that have this root."""
    values = activations.values(chunk) - centres[:, None]
    values *= root
    total, centred = root @ root, values @ root
    moments = centred + total * centres
    return matrices.gram(values, chunk.threads), centred, moments, np.atleast_1d(total)


def _bent(
    chunk: Chunk, curvature: Array, centre: Array, some: Callable[[NDArray[np.intp]], Array]
) -> tuple[Array, Array, Array]:
    """``Σ W k k``, (q, m, m), ``Σ W k``, (q, m), and ``Σ W``, (q,), of few rows of each output.

    ``some`` are the values on some rows.
    """
    found = []
    for of_output in curvature.T:
        rows = np.flatnonzero(of_output)
        root = np.sqrt(of_output[rows])
        values = (some(rows) - centre[:, None]) * root
        found.append((matrices.gram(values, chunk.threads), values @ root))
    grams, centred = np.array([g for g, _ in found]), np.array([c for _, c in found])
    return grams, centred, curvature.sum(axis=0)


def _spread(chunk: Chunk, values: Array, centre: Array) -> Array:
    """The weighted mean square of columns relative to their centres, (m,); no copy of them."""
    share = chunk.weight / chunk.weight.sum()
    squares = np.einsum("ji,ji,i->j", values, values, share)
    # A column that does not vary keeps a little, too.
    least = np.finfo(float).eps * squares
    return np.maximum(squares + centre * (centre - 2.0 * (values @ share)), least)


def curvature_operators(
    chunk: Chunk, predicted: Array, loss: SmoothLoss
) -> list[Callable[[Array], Array]]:
    """The second derivatives as functions from directions, (r, q), to their images.

    One for each block of rows.
    """
    return [
        loss.curvature_operator(predicted[rows], chunk.target[rows], chunk.weight[rows])
        for rows in matrices.row_blocks(len(chunk.weight))
    ]


def hessian_product(
    chunk: Chunk,
    operators: list[Callable[[Array], Array]],
    activations: Activations,
    change: Array,
    shift: Array,
) -> tuple[Array, Array]:
    """The Hessian times a change of coefficients and of the intercept, (m, q) and (q,).

    In the precision of the activations; sums over blocks of rows, which stay in the cache from one
    product to the next, are in double precision.
    """
    values = activations.values(chunk)
    change = change.astype(values.dtype)

    def work(part: tuple[slice, Callable[[Array], Array]]) -> tuple[Array, Array]:
        rows, operator = part
        effect = operator(values[:, rows].T @ change + shift)
        return values[:, rows] @ effect.astype(values.dtype), effect.sum(axis=0)

    blocks = zip(matrices.row_blocks(values.shape[1]), operators, strict=True)
    return added(chunk.threads.map(work, blocks))
