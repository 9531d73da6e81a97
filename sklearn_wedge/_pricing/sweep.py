"""The pencil sweep: every hyperplane through s - 1 samples priced with one sort.

The hyperplanes through ``s - 1`` points in ``s`` inputs form a pencil. Projected onto the plane
orthogonal to the flat of these points, each is a line through the origin, its active set a
half-plane; turning the line once, the active set changes at one sample after the other and
cumulative sums give every value. A line is given by its slope, which orders lines as well as the
angle does and costs a division.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._pricing.pencils import Hyperplanes, Pencils, PointTable

Array = NDArray[np.float64]

# Pencils × positions in one batch: the arrays of a batch should stay in the second-level cache.
BATCH_SIZE = 16_384
# Stands for a vertical line; finite, so that no product with it is undefined.
VERTICAL = 1e100
# Components below this fraction of the largest coordinate are zero: the sample is on the flat.
ZERO_COMPONENT = 1e-12
# Unit vectors whose least singular value is below this do not span a flat of full dimension.
DEPENDENT = 1e-10
# Values that differ by less than this fraction are equal but for rounding.
TIE = 1e-9

_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)


class _Plane:
    """A batch of pencils seen in the plane: coordinates of all positions, and the way back.

    ``positions`` have shape (B, s, m), or (1, s, m) if the pencils share their inputs; ``corners``,
    (B, s - 1, s), are the points of each pencil; ``x`` and ``y`` have shape (B, m); ``basis`` has
    shape (B, s, 2) and maps a direction of the plane to weights on the inputs.
    """

    def __init__(self, positions: Array, corners: Array):
        self.pivot = corners[:, 0].T
        relative = [positions[:, k] - self.pivot[k][:, None] for k in range(positions.shape[1])]
        if len(relative) == 2:
            self.basis = np.broadcast_to(np.eye(2), (len(corners), 2, 2))
            self.defined = np.ones(len(corners), dtype=bool)
            self.x, self.y = relative
            return
        self.basis, self.defined = _complement(corners[:, 1:] - corners[:, :1])
        tiny = ZERO_COMPONENT * np.abs(positions).max()
        self.x, self.y = (
            _without_noise(sum(self.basis[:, j, k, None] * z for j, z in enumerate(relative)), tiny)
            for k in range(2)
        )


def _without_noise(component: Array, tiny: float) -> Array:
    component[np.abs(component) <= tiny] = 0.0
    return component


def _complement(vectors: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Orthonormal bases (B, s, 2) of the complements of ``s - 2`` vectors each, (B, s - 2, s).

    The second result says where the vectors are independent; elsewhere the pencil is not one.
    """
    size = np.sqrt((vectors**2).sum(axis=2, keepdims=True))
    unit = vectors / np.where(size > 0, size, 1.0)
    _, singular, rotation = np.linalg.svd(unit, full_matrices=True)
    basis = np.ascontiguousarray(rotation[:, -2:, :].transpose(0, 2, 1))
    return basis, singular[:, -1] > DEPENDENT


def _slopes(x: Array, y: Array) -> Array:
    """``y / x``, with one value for the vertical direction and for the pivot itself."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = y / x
    np.copyto(slope, VERTICAL, where=x == 0)
    return np.clip(slope, -VERTICAL, VERTICAL, out=slope)


def _order_by_slope(slope: Array) -> NDArray[np.int64]:
    """Positions by ascending slope; the last bits of a slope give way to the position's index.

    Sorting these keys is several times faster than ``argsort``, and slopes that differ by rounding
    only come in canonical order.
    """
    bits = slope.view(np.int64)
    keys = bits ^ ((bits >> 63) & _MAGNITUDE)  # integers in the order of the floats
    low = np.int64((1 << max(slope.shape[1] - 1, 1).bit_length()) - 1)
    keys &= ~low
    keys |= np.arange(slope.shape[1])
    keys.sort(axis=1)
    keys &= low
    return keys


def _turned_moments(
    plane: _Plane, order: NDArray, x: Array, y: Array, v: Array, cell_moments: Array | None
) -> tuple[Array, Array]:
    """``v Z`` of every position, turned into the right half-plane, in the order of the slopes.

    ``x`` and ``y`` are the turned coordinates. Cells stand for several samples: their first moments
    in absolute coordinates are given and only the pivot is subtracted.
    """
    v = v.take(order)
    if cell_moments is None:
        return v * x, v * y
    side = np.sign(x) + (x == 0) * np.sign(y)
    side *= np.where(_is_left(plane).ravel().take(order + _row_starts(order)), -1.0, 1.0)
    moments = (
        side * (moment.take(order) - pivot[:, None] * v)
        for moment, pivot in zip(cell_moments, plane.pivot, strict=True)
    )
    return tuple(moments)


def _is_left(plane: _Plane) -> NDArray[np.bool_]:
    return (plane.x < 0) | ((plane.x == 0) & (plane.y < 0))


def _row_starts(order: NDArray) -> NDArray[np.intp]:
    return np.arange(order.shape[0])[:, None] * order.shape[1]


def _values(
    plane: _Plane, dual: Array, total: Array, cell_moments: Array | None = None
) -> tuple[Array, NDArray[np.int64]]:
    """Values of all hyperplanes of a batch of pencils, in the order of their slopes.

    Parameters
    ----------
    plane : _Plane
        B pencils over m positions.
    dual : ndarray of shape (q, m)
        The dual point, summed at each position.
    total : ndarray of shape (q, B, 2)
        ``Σ_i v_i Z_i``.
    cell_moments : ndarray of shape (q, 2, m), optional
        ``Σ v x`` of each position when it stands for a cell of samples (order 2 only).

    Returns
    -------
    values, order : ndarrays of shape (B, m)
        0 where the hyperplane belongs to a lower order or there is none.
    """
    order = _order_by_slope(_slopes(plane.x, plane.y))
    places = order + _row_starts(order)
    x, y = plane.x.ravel().take(places), plane.y.ravel().take(places)
    slope = _slopes(x, y)
    # Every sample is turned into the right half-plane: its side is its sign, counted in v.
    np.abs(x, out=x)
    np.copysign(y, slope, out=y)
    length, uses_all = _direction_length(plane.basis, slope)
    squares = None
    for k, total_moment in enumerate(total):
        cells = None if cell_moments is None else cell_moments[k]
        of_x, of_y = _turned_moments(plane, order, x, y, dual[k], cells)
        sum_x, sum_y = np.cumsum(of_x, axis=1), np.cumsum(of_y, axis=1)
        # At the start the right half-plane is active: (sum of both sides + their difference) / 2.
        start = (total_moment + np.stack([sum_x[:, -1], sum_y[:, -1]], axis=1)) / 2
        value = (start[:, 1:] - sum_y) - slope * (start[:, :1] - sum_x)
        opposite = value - (total_moment[:, 1:] - slope * total_moment[:, :1])
        squares = _add_squares(squares, value / length, opposite / length)
    values = np.sqrt(np.maximum(*squares))
    values[~uses_all | ((x == 0) & (y == 0)) | ~plane.defined[:, None]] = 0.0
    return values, order


def _add_squares(squares: tuple[Array, Array] | None, *values: Array) -> tuple[Array, Array]:
    added = tuple(np.multiply(value, value, out=value) for value in values)
    return added if squares is None else tuple(map(np.add, squares, added))


def _direction_length(basis: Array, slope: Array) -> tuple[Array, NDArray[np.bool_]]:
    """l1 norm of the weights ``Q (-slope, 1)``, and where none of the weights is zero."""
    length = np.zeros_like(slope)
    smallest = np.full_like(slope, np.inf)
    for k in range(basis.shape[1]):
        weight = np.abs(basis[:, k, 1:] - slope * basis[:, k, :1])
        length += weight
        np.minimum(smallest, weight, out=smallest)
    return length, smallest > ZERO_COMPONENT * length


def sweep_pencils(
    columns: Array, dual: Array, pencils: Pencils, cell_moments: Array | None = None
) -> tuple[Array, NDArray[np.intp]]:
    """The best hyperplane of each pencil over samples given by columns.

    Parameters
    ----------
    columns : ndarray of shape (d, m)
        Positions of the samples.
    dual : ndarray of shape (q, m)
        Dual point, summed at each position; each row sums to zero.
    pencils : Pencils
        k pencils of one order; their inputs are rows of ``columns``, their points columns of it.
    cell_moments : ndarray of shape (q, d, m), optional
        ``Σ v x`` of each position when it stands for a cell of samples (order 2 only).

    Returns
    -------
    values : ndarray of shape (k,)
        ``max ‖V·(u·x + c)_+‖`` over the pencil; 0 if it has no hyperplane of order ``s``.
    events : int ndarray of shape (k,)
        The position that completes the hyperplane.
    """
    # v sums to zero: the total moment is the same relative to any pivot.
    moments = dual @ columns.T if cell_moments is None else cell_moments.sum(axis=2)
    values, events = np.zeros(len(pencils)), np.zeros(len(pencils), dtype=np.intp)
    share_inputs = bool(np.all(pencils.inputs == pencils.inputs[:1]))
    batch = max(1, BATCH_SIZE // columns.shape[1])
    for begin in range(0, len(pencils), batch):
        rows = slice(begin, begin + batch)
        inputs, points = pencils.inputs[rows], pencils.points[rows]
        corners = columns[inputs[:, None, :], points[:, :, None]]
        plane = _Plane(columns[inputs[:1] if share_inputs else inputs], corners)
        total = np.einsum("qbs,bsk->qbk", moments[:, inputs], plane.basis)
        all_values, order = _values(plane, dual, total, cell_moments)
        values[rows] = all_values.max(axis=1)
        # Of hyperplanes that are equally good but for rounding, that through the first sample.
        tied = all_values >= (1 - TIE) * values[rows, None]
        events[rows] = np.where(tied, order, columns.shape[1]).min(axis=1)
    return values, events


def sweep(table: PointTable, dual: Array, pencils: Pencils) -> Hyperplanes:
    """The best hyperplane of every pencil, priced on all points; those without one are left out.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    pencils : Pencils
        In any inputs; repetitions count once.
    """
    pencils = pencils.distinct()
    if len(pencils) == 0:
        return Hyperplanes.empty(pencils.order)
    return completed(pencils, *sweep_pencils(table.columns, dual.T, pencils))


def completed(pencils: Pencils, values: Array, events: NDArray[np.intp]) -> Hyperplanes:
    """The best hyperplane of each pencil that has one."""
    found = values > 0
    points = np.column_stack([pencils.points[found], events[found]])
    return Hyperplanes(pencils.inputs[found], points, values[found])
