"""The pencil sweep: every hyperplane through s - 1 samples priced with one sort.

The hyperplanes through ``s - 1`` points in ``s`` inputs form a pencil. Projected onto the plane
orthogonal to the flat of these points, each is a line through the origin, its active set a
half-plane; turning the line once, the active set changes at one sample after the other and
cumulative sums give every value. A line is given by its slope, which orders lines as well as the
angle does and costs a division.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._neurons import NeuronClass, Norm
from sklearn_wedge._pricing.pencils import (
    TIE,
    Hyperplanes,
    Pencils,
    PointTable,
    first_of_best,
    row_starts,
)

Array = NDArray[np.float64]

# Pencils × positions in one batch: the arrays of a batch should stay in the second-level cache.
BATCH_SIZE = 16_384
# Stands for a vertical line; finite, so that no product with it is undefined.
VERTICAL = 1e100
# Components below this fraction of the largest coordinate are zero: the sample is on the flat.
ZERO_COMPONENT = 1e-12
# Unit vectors whose least singular value is below this do not span a flat of full dimension.
DEPENDENT = 1e-10

# Of an arrangement, per pencil and position: seven numbers and a truth value.
BYTES_ARRANGED = 57

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
    return _finite(slope)


def ascending_order(values: Array) -> NDArray[np.int64]:
    """Indices of each row by ascending value; the last bits of a value give way to the index.

    Sorting these keys is several times faster than ``argsort``, and values that differ by rounding
    only come in canonical order.
    """
    bits = values.view(np.int64)
    keys = bits ^ ((bits >> 63) & _MAGNITUDE)  # integers in the order of the floats
    low = np.int64((1 << max(values.shape[1] - 1, 1).bit_length()) - 1)
    keys &= ~low
    keys |= np.arange(values.shape[1])
    keys.sort(axis=1)
    keys &= low
    return keys


def _is_left(plane: _Plane) -> NDArray[np.bool_]:
    return (plane.x < 0) | ((plane.x == 0) & (plane.y < 0))


@dataclass(frozen=True)
class Arrangement:
    """A batch of pencils and its hyperplanes in the order of their slopes, whatever the dual.

    Attributes
    ----------
    rows : slice
        The pencils, of those swept together.
    plane : _Plane
        What they see.
    order : ndarray of shape (B, m)
        Positions by slope.
    slope : ndarray of shape (B, m)
        Ascending.
    x, y : ndarray of shape (B, m)
        Coordinates in this order, turned into the right half-plane.
    length : ndarray of shape (B, m)
        Norm of the weights of each hyperplane.
    counts : ndarray of shape (B, m)
        Whether there is a hyperplane, and (under l1) of this order.
    """

    rows: slice
    plane: _Plane
    order: NDArray[np.int64]
    slope: Array
    x: Array
    y: Array
    length: Array
    counts: NDArray[np.bool_]


def _arranged(rows: slice, plane: _Plane, norm: Norm) -> Arrangement:
    """Sort a batch of pencils over m positions."""
    order = ascending_order(_slopes(plane.x, plane.y))
    places = order + row_starts(order)
    x, y = plane.x.ravel().take(places), plane.y.ravel().take(places)
    slope = _slopes(x, y)
    on_flat = (x == 0) & (y == 0)  # there is no slope
    # Every sample is turned into the right half-plane: its side is its sign, counted in v.
    np.abs(x, out=x)
    np.copysign(y, slope, out=y)
    length, uses_all = _direction_length(plane.basis, slope, norm)
    counts = uses_all & ~on_flat & plane.defined[:, None]
    return Arrangement(rows, plane, order, slope, x, y, length, counts)


@dataclass(frozen=True)
class Arrangements:
    """All batches of some pencils, to be swept again and again."""

    batches: tuple[Arrangement, ...]

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(BYTES_ARRANGED * batch.order.size for batch in self.batches)

    @staticmethod
    def bytes_of(pencils: Pencils, n_positions: int) -> int:
        """Memory that these pencils would take over so many positions."""
        return BYTES_ARRANGED * len(pencils) * n_positions


def arrange(columns: Array, pencils: Pencils, norm: Norm) -> Iterator[Arrangement]:
    """Pencils over samples given by columns, in batches that stay in the cache."""
    share_inputs = bool(np.all(pencils.inputs == pencils.inputs[:1]))
    batch = max(1, BATCH_SIZE // columns.shape[1])
    for begin in range(0, len(pencils), batch):
        rows = slice(begin, begin + batch)
        inputs, points = pencils.inputs[rows], pencils.points[rows]
        corners = columns[inputs[:, None, :], points[:, :, None]]
        plane = _Plane(columns[inputs[:1] if share_inputs else inputs], corners)
        yield _arranged(rows, plane, norm)


@dataclass(frozen=True)
class _Turn:
    """A batch of pencils on the way round: moments of what is active after each slope.

    Attributes
    ----------
    moments : ndarray of shape (q, 2, B, m + 1)
        ``Σ v Z`` over the active side, of the normal ``(-slope, 1)``, before the first event and
        after each.
    total : ndarray of shape (q, 2, B, 1)
        ``Σ v Z`` over all samples.
    """

    moments: Array
    total: Array


def _turned_moments(
    arrangement: Arrangement, v: Array, cell_moments: Array | None
) -> tuple[Array, Array]:
    """``v Z`` of every position, turned into the right half-plane, in the order of the slopes.

    Cells stand for several samples: their first moments in absolute coordinates are given and only
    the pivot is subtracted.
    """
    plane, order, x, y = arrangement.plane, arrangement.order, arrangement.x, arrangement.y
    v = v.take(order)
    if cell_moments is None:
        return v * x, v * y
    side = np.sign(x) + (x == 0) * np.sign(y)
    side *= np.where(_is_left(plane).ravel().take(order + row_starts(order)), -1.0, 1.0)
    moments = (
        side * (moment.take(order) - pivot[:, None] * v)
        for moment, pivot in zip(cell_moments, plane.pivot, strict=True)
    )
    return tuple(moments)


def _turned(
    arrangement: Arrangement, dual: Array, total: Array, cell_moments: Array | None = None
) -> _Turn:
    """Sum up a batch of pencils over m positions; see ``sweep_pencils``.

    ``total``, (q, B, 2), is ``Σ_i v_i Z_i``.
    """
    n_pencils, n_positions = arrangement.order.shape
    moments = np.empty((len(total), 2, n_pencils, n_positions + 1))
    for k, total_moment in enumerate(total):
        cells = None if cell_moments is None else cell_moments[k]
        turned = _turned_moments(arrangement, dual[k], cells)
        for axis, of_axis in enumerate(turned):
            sums = moments[k, axis]
            np.cumsum(of_axis, axis=1, out=sums[:, 1:])
            # At first the right half-plane is active: (sum of both sides + their difference) / 2.
            sums[:, 0] = (total_moment[:, axis] + sums[:, -1]) / 2
            np.subtract(sums[:, :1], sums[:, 1:], out=sums[:, 1:])
    return _Turn(moments, total.transpose(0, 2, 1)[:, :, :, None])


def _values(arrangement: Arrangement, turn: _Turn, directions: NDArray | None) -> Array:
    """Values of all hyperplanes of a batch of pencils through one more position, (B, m).

    0 where the hyperplane belongs to a lower order or there is none. ``directions``, (B, s), are
    those in which inputs are constrained, if any are (one output only).
    """
    slope, length = arrangement.slope, arrangement.length
    squares = None
    for (x, y), (total_x, total_y) in zip(turn.moments, turn.total, strict=True):
        value = y[:, 1:] - slope * x[:, 1:]
        opposite = value - (total_y - slope * total_x)
        value, opposite = value / length, opposite / length
        if directions is None:
            squares = _add_squares(squares, value, opposite)
    if directions is None:
        values = np.sqrt(np.maximum(*squares))
    else:
        values = _monotone_values(arrangement.plane.basis, slope, directions, value, opposite)
    values[~arrangement.counts] = 0.0
    return values


def _monotone_values(
    basis: Array, slope: Array, directions: NDArray, value: Array, opposite: Array
) -> Array:
    """Values, (B, m), with coefficients of the sign that the weights require; at least 0.

    0 where some weights follow the directions of their inputs and others oppose them: with no
    coefficient is such a neuron monotone.
    """
    agreement = np.zeros_like(slope)
    for k in np.flatnonzero(directions.any(axis=0)):
        agreement += directions[:, k, None] * np.sign(basis[:, k, 1:] - slope * basis[:, k, :1])
    n_constrained = np.abs(directions).sum(axis=1)[:, None]
    # The other orientation has the opposite weights.
    either = np.maximum(agreement * value, -agreement * opposite) / np.maximum(n_constrained, 1)
    either[(np.abs(agreement) < n_constrained) | (either < 0)] = 0.0
    free = np.maximum(np.abs(value), np.abs(opposite))
    return np.where(n_constrained == 0, free, either)


def _rejections(arrangement: Arrangement, turn: _Turn) -> tuple[Array, Array]:
    """Values and slopes, (B, m + 1), of the best hyperplane strictly between two events.

    With the active set of an interval, the value is the length of the projection of its moment onto
    the normal: largest, under l2, for the normal along the moment (for several outputs: along the
    leading singular vector). It is a hyperplane of the interval only if its slope lies in it;
    elsewhere the value is 0.
    """
    edge = np.full((len(arrangement.slope), 1), np.inf)
    edges = np.hstack([-edge, arrangement.slope, edge])
    best = np.zeros_like(edges[:, 1:])
    slopes = np.zeros_like(best)
    for moments in (turn.moments, turn.moments - turn.total):
        value, slope = _leading_direction(moments)
        better = (edges[:, :-1] <= slope) & (slope <= edges[:, 1:]) & (value > best)
        np.copyto(best, value, where=better)
        np.copyto(slopes, slope, where=better)
    best[~arrangement.plane.defined] = 0.0
    return best, slopes


def _leading_direction(moments: Array) -> tuple[Array, Array]:
    """Largest ``‖G^T u‖₂`` over unit ``u = (-slope, 1) / length``, for moments G (q, 2, B, m)."""
    if len(moments) == 1:
        (x, y), value = moments[0], np.hypot(*moments[0])
        return value, _finite(np.divide(-x, y, out=np.full_like(x, VERTICAL), where=y != 0))
    unit = np.abs(moments).max(initial=0.0) or 1.0
    x, y = moments[:, 0] / unit, moments[:, 1] / unit
    half_difference = ((x**2).sum(axis=0) - (y**2).sum(axis=0)) / 2
    mixed = (x * y).sum(axis=0)
    radius = np.hypot(half_difference, mixed)
    square = ((x**2).sum(axis=0) + (y**2).sum(axis=0)) / 2 + radius
    # The eigenvector, in that of its two forms that does not cancel.
    steep = half_difference >= 0
    rise = np.where(steep, half_difference + radius, mixed)
    run = np.where(steep, mixed, radius - half_difference)
    slope = np.divide(-rise, run, out=np.full_like(rise, VERTICAL), where=run != 0)
    return unit * np.sqrt(square), _finite(slope)


def _finite(slope: Array) -> Array:
    return np.clip(slope, -VERTICAL, VERTICAL, out=slope)


def _add_squares(squares: tuple[Array, Array] | None, *values: Array) -> tuple[Array, Array]:
    added = tuple(np.multiply(value, value, out=value) for value in values)
    return added if squares is None else tuple(map(np.add, squares, added))


def _direction_length(basis: Array, slope: Array, norm: Norm) -> tuple[Array, NDArray[np.bool_]]:
    """Norm of the weights ``Q (-slope, 1)``, and where none of the weights is zero.

    Under l2 the second is left to ``_uses_all``: it costs more than the norm.
    """
    if norm == "l2":  # Q has orthonormal columns
        return np.hypot(slope, 1.0), np.ones(1, dtype=bool)
    total = np.zeros_like(slope)
    smallest = np.full_like(slope, np.inf)
    for k in range(basis.shape[1]):
        weight = np.abs(basis[:, k, 1:] - slope * basis[:, k, :1])
        total += weight
        np.minimum(smallest, weight, out=smallest)
    return total, smallest > ZERO_COMPONENT * total


def _uses_all(basis: Array, slope: Array) -> NDArray[np.bool_]:
    """Where none of the weights of a direction, (B,), is zero. Else it is of a lower order.

    The best of a pencil is then found there, with the same value, and is not missed here.
    """
    weights = np.abs(basis[:, :, 1] - slope[:, None] * basis[:, :, 0])
    return weights.min(axis=1) > ZERO_COMPONENT * weights.sum(axis=1)


@dataclass(frozen=True)
class Swept:
    """The best hyperplane of each pencil.

    Attributes
    ----------
    values : ndarray of shape (k,)
        ``max ‖V·(u·x + c)_+‖`` over the pencil; 0 if it has no hyperplane of order ``s``.
    events : int ndarray of shape (k,)
        The position that completes the hyperplane; -1 for a rejection.
    normals : ndarray of shape (k, s)
        Of rejections; NaN elsewhere.
    """

    values: Array
    events: NDArray[np.intp]
    normals: Array


def sweep_pencils(
    columns: Array,
    dual: Array,
    pencils: Pencils,
    neuron_class: NeuronClass,
    cell_moments: Array | None = None,
    batches: Iterable[Arrangement] | None = None,
) -> Swept:
    """The best hyperplane of each pencil over samples given by columns.

    Parameters
    ----------
    columns : ndarray of shape (d, m)
        Positions of the samples.
    dual : ndarray of shape (q, m)
        Dual point, summed at each position; each row sums to zero.
    pencils : Pencils
        k pencils of one order; their inputs are rows of ``columns``, their points columns of it.
    neuron_class : NeuronClass
        Its norm, the directions of the rows of ``columns``, and whether hyperplanes between two
        positions count.
    cell_moments : ndarray of shape (q, d, m), optional
        ``Σ v x`` of each position when it stands for a cell of samples (order 2 only).
    batches : iterable, optional
        What ``arrange`` gives for these columns and pencils, if it was kept.
    """
    # v sums to zero: the total moment is the same relative to any pivot.
    moments = dual @ columns.T if cell_moments is None else cell_moments.sum(axis=2)
    values, events = np.zeros(len(pencils)), np.zeros(len(pencils), dtype=np.intp)
    normals = np.full((len(pencils), pencils.order), np.nan)
    monotone = neuron_class.monotone
    directions = None if monotone is None else np.array(monotone)[pencils.inputs]
    for batch in batches or arrange(columns, pencils, neuron_class.norm):
        rows, plane = batch.rows, batch.plane
        total = np.einsum("qbs,bsk->qbk", moments[:, pencils.inputs[rows]], plane.basis)
        turn = _turned(batch, dual, total, cell_moments)
        all_values = _values(batch, turn, None if directions is None else directions[rows])
        values[rows] = all_values.max(axis=1)
        # Of hyperplanes that are equally good but for rounding, that through the first sample.
        tied = all_values >= (1 - TIE) * values[rows, None]
        places = np.where(tied, batch.order, columns.shape[1]).argmin(axis=1)[:, None]
        events[rows] = np.take_along_axis(batch.order, places, axis=1)[:, 0]
        if neuron_class.norm == "l2":
            slopes = np.take_along_axis(batch.slope, places, axis=1)[:, 0]
            if neuron_class.has_rejections:
                better = _prefer_rejections(batch, turn, values[rows], slopes)
                events[rows][better] = -1
                normals[rows][better] = _normals(plane.basis[better], slopes[better])
            values[rows][~_uses_all(plane.basis, slopes)] = 0.0
    return Swept(values, events, normals)


def _prefer_rejections(
    arrangement: Arrangement, turn: _Turn, values: Array, slopes: Array
) -> NDArray[np.bool_]:
    """Replace, in place, the best hyperplanes through a position by better ones between two."""
    between, their_slopes = _rejections(arrangement, turn)
    best = first_of_best(between)
    rows = np.arange(len(best))
    better = between[rows, best] > (1 + TIE) * values
    np.maximum(values, between.max(axis=1), out=values)
    slopes[better] = their_slopes[rows, best][better]
    return better


def _normals(basis: Array, slope: Array) -> Array:
    """Unit normals, (B, s), of the lines of these slopes."""
    directions = basis[:, :, 1] - slope[:, None] * basis[:, :, 0]
    return directions / np.linalg.norm(directions, axis=1)[:, None]


def sweep(
    table: PointTable, dual: Array, pencils: Pencils, neuron_class: NeuronClass
) -> Hyperplanes:
    """The best hyperplane of every pencil, priced on all points; those without one are left out.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    pencils : Pencils
        In any inputs; repetitions count once.
    neuron_class : NeuronClass
        Its norm, its directions, and whether hyperplanes between two samples count.
    """
    pencils = pencils.distinct()
    if len(pencils) == 0:
        return Hyperplanes.empty(pencils.order)
    return completed(pencils, sweep_pencils(table.columns, dual.T, pencils, neuron_class))


def completed(pencils: Pencils, swept: Swept) -> Hyperplanes:
    """The best hyperplane of each pencil that has one."""
    found = swept.values > 0
    points = np.column_stack([pencils.points[found], swept.events[found]])
    return Hyperplanes(pencils.inputs[found], points, swept.normals[found], swept.values[found])
