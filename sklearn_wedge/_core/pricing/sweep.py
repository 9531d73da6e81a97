"""The pencil sweep: every hyperplane through s - 1 samples priced with one sort.

The hyperplanes through ``s - 1`` points in ``s`` inputs form a pencil. Projected onto the plane
orthogonal to the flat of these points, each is a line through the origin, its active set a
half-plane; turning the line once, the active set changes at one sample after the other and
cumulative sums give every value. A line is given by its slope, which orders lines as well as the
angle does and costs a division.

Loops over positions are compiled (``kernels.sweeps``); only the sort between them is NumPy's,
which is vectorised for integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import SERIAL, Threads, ready
from sklearn_wedge._core.kernels.rounding import ZERO_COMPONENT
from sklearn_wedge._core.neurons import NeuronClass
from sklearn_wedge._core.pricing.pencils import Hyperplanes, Pencils, PointTable

Array = NDArray[np.float64]

# Pencils × positions in one batch: the arrays of a batch should stay in the second-level cache.
BATCH_SIZE = 16_384
# Unit vectors whose least singular value is below this do not span a flat of full dimension.
DEPENDENT = 1e-10


def _complement(vectors: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Orthonormal bases (B, s, 2) of the complements of ``s - 2`` vectors each, (B, s - 2, s).

    The second result says where the vectors are independent; elsewhere the pencil is not one.
    """
    if vectors.shape[1] == 0:
        return np.tile(np.eye(2), (len(vectors), 1, 1)), np.ones(len(vectors), dtype=bool)
    size = np.sqrt((vectors**2).sum(axis=2, keepdims=True))
    unit = vectors / np.where(size > 0, size, 1.0)
    _, singular, rotation = np.linalg.svd(unit, full_matrices=True)
    basis = np.ascontiguousarray(rotation[:, -2:, :].transpose(0, 2, 1))
    return basis, singular[:, -1] > DEPENDENT


def ascending_order(values: Array) -> NDArray[np.uint32]:
    """Indices of each row by ascending value; the last bits of a value give way to the index.

    Sorting these keys is several times faster than ``argsort``, and values that differ by rounding
    only come in canonical order.
    """
    keys = np.empty(values.shape, dtype=np.int64)
    kernels.sweeps.order_keys(values, keys)
    keys.sort(axis=1)
    order = np.empty(values.shape, dtype=np.uint32)
    kernels.sweeps.order_of(keys, order)
    return order


@dataclass(frozen=True)
class Orders:
    """Positions by slope, (B, m), of each batch of some pencils: the same whatever the dual."""

    batches: tuple[NDArray[np.uint32], ...]

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return sum(order.nbytes for order in self.batches)

    @staticmethod
    def bytes_of(n_pencils: int, n_positions: int) -> int:
        """Memory that so many pencils take."""
        return np.dtype(np.uint32).itemsize * n_pencils * n_positions


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


class _Sweep:
    """Pencils on the way round, batch by batch; see ``sweep_pencils``."""

    def __init__(self, columns: Array, pencils: Pencils, neuron_class: NeuronClass):
        inputs, points = pencils.inputs, pencils.points
        corners = columns[inputs[:, None, :], points[:, :, None]]
        self.columns, self.neuron_class = ready(columns), neuron_class
        self.inputs, self.pivots = ready(inputs, np.int64), ready(points[:, 0], np.int64)
        self.basis, self.defined = _complement(corners[:, 1:] - corners[:, :1])
        self.flat = ready(corners[:, 0, :2])
        largest = np.abs(columns).max(axis=1)
        self.tiny = ZERO_COMPONENT * largest[inputs].max(axis=1)
        size = max(1, BATCH_SIZE // columns.shape[1])
        # Cut the same way for any number of threads.
        self.batches = [slice(k, k + size) for k in range(0, len(pencils), size)]

    def order(self, rows: slice) -> NDArray[np.uint32]:
        """Positions by slope around each pencil of a batch."""
        return _by_slope(*self._plane(rows))

    def around(
        self,
        dual: Array,
        cell_moments: Array | None,
        orders: Sequence[NDArray[np.uint32] | None],
        threads: Threads,
    ) -> Swept:
        """Sweep all pencils; of each batch the order may be known."""
        # v sums to zero: the total moment is the same relative to any pivot.
        moments = dual @ self.columns.T if cell_moments is None else cell_moments.sum(axis=2)
        total = np.einsum("qbs,bsk->bqk", moments[:, self.inputs], self.basis)
        cells = np.empty((0, 2, 0)) if cell_moments is None else ready(cell_moments)
        monotone = self.neuron_class.monotone
        directions = np.zeros((len(total), 0))
        if monotone is not None:
            directions = ready(np.array(monotone)[self.inputs])
        dual, total = ready(dual), ready(total)
        values, slopes = np.empty((2, len(total)))
        events = np.empty(len(total), dtype=np.int64)

        def work(task: tuple[slice, NDArray[np.uint32] | None]) -> None:
            rows, order = task
            x, y = self._plane(rows)
            kernels.sweeps.turn(
                *(x, y, _by_slope(x, y) if order is None else order, self.basis[rows], dual),
                *(cells, self.flat[rows], total[rows], directions[rows]),
                *(self.neuron_class.norm == "l2", self.neuron_class.has_rejections),
                *(values[rows], events[rows], slopes[rows]),
            )

        threads.map(work, zip(self.batches, orders, strict=True))
        values[~self.defined] = 0.0
        normals = np.full(self.inputs.shape, np.nan)
        between = np.flatnonzero(events < 0)
        normals[between] = _normals(self.basis[between], slopes[between])
        return Swept(values, events, normals)

    def _plane(self, rows: slice) -> tuple[Array, Array]:
        """Coordinates of all positions in the plane of each pencil of a batch, (B, m)."""
        x, y = np.empty((2, len(self.inputs[rows]), self.columns.shape[1]))
        kernels.sweeps.project(
            *(self.columns, self.inputs[rows], self.pivots[rows], self.basis[rows]),
            *(self.tiny[rows], x, y),
        )
        return x, y


def _by_slope(x: Array, y: Array) -> NDArray[np.uint32]:
    slopes = np.empty_like(x)
    kernels.sweeps.slopes(x, y, slopes)
    return ascending_order(slopes)


def _normals(basis: Array, slope: Array) -> Array:
    """Unit normals, (B, s), of the lines of these slopes."""
    directions = basis[:, :, 1] - slope[:, None] * basis[:, :, 0]
    return directions / np.linalg.norm(directions, axis=1)[:, None]


def orders(columns: Array, pencils: Pencils, neuron_class: NeuronClass) -> Orders:
    """What ``sweep_pencils`` sorts, to be swept again and again."""
    sweeping = _Sweep(columns, pencils, neuron_class)
    return Orders(tuple(map(sweeping.order, sweeping.batches)))


def sweep_pencils(
    columns: Array,
    dual: Array,
    pencils: Pencils,
    neuron_class: NeuronClass,
    cell_moments: Array | None = None,
    kept: Orders | None = None,
    threads: Threads = SERIAL,
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
    cell_moments : ndarray of shape (q, 2, m), optional
        ``Σ v x`` of each position when it stands for a cell of samples (order 2 only).
    kept : Orders, optional
        What ``orders`` gives for these columns and pencils.
    threads : Threads
        Over which pencils are shared out.
    """
    sweeping = _Sweep(columns, pencils, neuron_class)
    known = [None] * len(sweeping.batches) if kept is None else kept.batches
    return sweeping.around(dual, cell_moments, known, threads)


def sweep(
    table: PointTable,
    dual: Array,
    pencils: Pencils,
    neuron_class: NeuronClass,
    threads: Threads = SERIAL,
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
    threads : Threads
        Over which pencils are shared out.
    """
    pencils = pencils.distinct()
    if len(pencils) == 0:
        return Hyperplanes.empty(pencils.order)
    swept = sweep_pencils(table.columns, dual.T, pencils, neuron_class, threads=threads)
    return completed(pencils, swept)


def completed(pencils: Pencils, swept: Swept) -> Hyperplanes:
    """The best hyperplane of each pencil that has one."""
    found = swept.values > 0
    points = np.column_stack([pencils.points[found], swept.events[found]])
    return Hyperplanes(pencils.inputs[found], points, swept.normals[found], swept.values[found])
