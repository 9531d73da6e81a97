"""Hidden neurons as frozen arrays: unit-norm weights on few inputs, an offset, the samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_wedge._core import kernels
from sklearn_wedge._core.kernels import SERIAL, Threads, ready
from sklearn_wedge.geometry import generalized_cross_product

# A neuron whose unit-norm weight on an input is below this does not use that input.
NEGLIGIBLE_WEIGHT = 1e-12
# Neurons of more inputs than this, on average, are evaluated as products of matrices, which is
# faster then.
FEW_INPUTS = 32
# Neurons × points of which products are taken at a time.
ENTRIES_AT_ONCE = 2**20
# Sets of inputs of overlapping groups are counted one by one up to this many.
COUNTED_ONE_BY_ONE = 200_000


Norm = Literal["l1", "l2"]


def length(vectors: NDArray[np.float64], norm: Norm) -> NDArray[np.float64]:
    """Norm of each row of ``vectors``, (..., s)."""
    return np.linalg.norm(vectors, ord=1 if norm == "l1" else 2, axis=-1)


def widened(table: NDArray, width: int, padding: float) -> NDArray:
    """A table of so many columns, the new ones filled."""
    if table.shape[1] == width:
        return table
    found = np.full((len(table), width), padding, dtype=table.dtype)
    found[:, : table.shape[1]] = table
    return found


@dataclass(frozen=True)
class NeuronClass:
    """Which neurons a network may have.

    Attributes
    ----------
    order : int
        The largest number of inputs of a neuron.
    norm : {"l1", "l2"}
        The norm in which weights have unit length.
    wedge : bool
        Whether every hyperplane has to pass through as many samples as it has inputs. Under l1 the
        best ones do anyway.
    groups : tuple of tuple of int, or None
        The inputs of a neuron must all lie in one of these groups, which may overlap; inputs in no
        group are not used. None: any inputs go together.
    monotone : tuple of int, or None
        Per input -1, 0 or 1: whether the output of every neuron, times its coefficient, must fall
        or rise with it. Under l1 and with one output only. None: no constraint.
    apart : tuple of int, or None
        Inputs of the same number of 0 or more never share a neuron: levels of a category, of which
        one at most is 1. None: all may.
    ramps : bool
        Whether neurons may be ramps, which are bounded.
    """

    order: int
    norm: Norm = "l1"
    wedge: bool = False
    groups: tuple[tuple[int, ...], ...] | None = None
    monotone: tuple[int, ...] | None = None
    apart: tuple[int, ...] | None = None
    ramps: bool = False

    @property
    def has_rejections(self) -> bool:
        """Whether the best hyperplane may pass through fewer samples than it has inputs.

        Under l2 it is orthogonal to the rejection of a moment of the dual point from the blade of
        the samples that it does pass through.
        """
        return self.norm == "l2" and not self.wedge

    @property
    def lies_in_pencils(self) -> bool:
        """Whether pencils have every best hyperplane; some rejections lie in none."""
        return self.order <= 2 or not self.has_rejections

    @property
    def is_enumerable(self) -> bool:
        """Whether finitely many neurons are known that have the best one among them.

        Of a ramp of three inputs or more, two hyperplanes turn together: no pencil has them.
        """
        return self.order <= 2 or not (self.has_rejections or self.ramps)

    def within(self, inputs: Sequence[int]) -> NeuronClass:
        """The class over some inputs alone, numbered anew; they must go together."""
        if self.groups is None and self.monotone is None and self.apart is None:
            return self
        directions = tuple(self.monotone[k] for k in inputs) if self.monotone else ()
        monotone = directions if any(directions) else None
        return replace(self, groups=None, monotone=monotone, apart=None)

    def input_sets(self, inputs: Sequence[int], size: int) -> Iterable[tuple[int, ...]]:
        """Every set of that many of these (ascending) inputs that go together, once, in order."""
        if self.groups is None:
            return filter(self._may_share, combinations(inputs, size))
        members = ([k for k in inputs if k in group] for group in map(frozenset, self.groups))
        found = {chosen for group in members for chosen in combinations(group, size)}
        return sorted(filter(self._may_share, found))

    def _may_share(self, inputs: tuple[int, ...]) -> bool:
        """Whether no two of these inputs are to be kept apart."""
        if self.apart is None or len(inputs) < 2:
            return True
        kinds = [kind for kind in self.kinds_apart(max(inputs) + 1)[list(inputs)] if kind >= 0]
        return len(set(kinds)) == len(kinds)

    def kinds_apart(self, n_inputs: int) -> NDArray[np.intp]:
        """``apart`` of so many inputs: later ones, activations of earlier neurons, are free."""
        kinds = np.full(n_inputs, -1, dtype=np.intp)
        own = (self.apart or ())[:n_inputs]
        kinds[: len(own)] = own
        return kinds

    def input_pairs(self, inputs: NDArray[np.intp]) -> NDArray[np.intp]:
        """Every pair of these (ascending) inputs that go together, (k, 2), in order."""
        if self.groups is None and self.apart is None:
            return np.asarray(inputs)[np.column_stack(np.triu_indices(len(inputs), 1))]
        pairs = self.input_sets([int(k) for k in inputs], 2)
        return np.array(list(pairs), dtype=np.intp).reshape(-1, 2)

    def groups_of(self, inputs: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """These inputs by group, ascending; all together if there are none."""
        if self.groups is None:
            return [np.asarray(inputs)]
        return [np.intersect1d(inputs, group) for group in self.groups]

    def most_together(self, inputs: NDArray[np.intp]) -> int:
        """The most of these inputs that a neuron may have."""
        most = 0
        for group in self.groups_of(inputs):
            kinds = self.kinds_apart(int(group.max(initial=0)) + 1)[group]
            most = max(most, int(np.sum(kinds < 0)) + len(np.unique(kinds[kinds >= 0])))
        return min(self.order, most)

    def n_input_sets(self, n_inputs: int, size: int) -> int:
        """The number of sets of that many inputs that go together.

        An upper bound if groups overlap and have very many: each set then counts once per group.
        """
        if self.groups is None and self.apart is None:
            return comb(n_inputs, size)
        if self.groups is None:
            return self._n_apart(n_inputs, size)
        one_by_one = sum(comb(len(group), size) for group in self.groups)
        overlap = sum(map(len, self.groups)) > len(set().union(*self.groups))
        if overlap and one_by_one <= COUNTED_ONE_BY_ONE:
            return sum(1 for _ in self.input_sets(range(n_inputs), size))
        return min(one_by_one, comb(n_inputs, size))

    def _n_apart(self, n_inputs: int, size: int) -> int:
        """Sets of that many inputs of which none are to be kept apart, counted kind by kind."""
        kinds, counts = np.unique(self.kinds_apart(n_inputs), return_counts=True)
        free = int(counts[kinds < 0].sum())
        ways = [comb(free, k) for k in range(size + 1)]
        for count in counts[kinds >= 0].tolist():
            ways = [ways[0], *(ways[k] + count * ways[k - 1] for k in range(1, size + 1))]
        return ways[size]

    def joins(self, inputs: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether the inputs in each row, (..., s), go together; -1 is padding."""
        apart = np.zeros(inputs.shape[:-1], dtype=bool)
        if self.apart is not None:
            # The last entry stands for the padding.
            kinds = np.sort(self.kinds_apart(int(inputs.max(initial=0)) + 2)[inputs], axis=-1)
            apart = np.any((kinds[..., 1:] == kinds[..., :-1]) & (kinds[..., 1:] >= 0), axis=-1)
        if self.groups is None:
            return ~apart
        together = np.zeros(inputs.shape[:-1], dtype=bool)
        for group in self.groups:
            member = np.zeros(max(int(inputs.max(initial=0)), *group) + 2, dtype=bool)
            member[[*group, -1]] = True  # the last entry stands for the padding
            together |= member[inputs].all(axis=-1)
        return together & ~apart

    @cached_property
    def _directions(self) -> NDArray[np.int8]:
        # A zero at the end: there -1, the padding of inputs, finds its direction.
        return np.array([*(self.monotone or ()), 0], dtype=np.int8)

    def _pulls(self, neurons: Neurons) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which neurons follow the direction of some constrained input, and which oppose one."""
        with_direction = np.sign(neurons.weights) * self._directions[neurons.inputs]
        return (with_direction > 0).any(axis=1), (with_direction < 0).any(axis=1)

    def allows(self, neurons: Neurons) -> NDArray[np.bool_]:
        """Which of these neurons are monotone as required with one sign of the coefficient."""
        if self.monotone is None:
            return np.ones(len(neurons), dtype=bool)
        follow, oppose = self._pulls(neurons)
        return ~(follow & oppose)

    def coefficient_signs(self, neurons: Neurons) -> NDArray[np.int8]:
        """The sign, -1 or 1, that the coefficient of each allowed neuron must have; 0: any."""
        if self.monotone is None:
            return np.zeros(len(neurons), dtype=np.int8)
        follow, oppose = self._pulls(neurons)
        return follow.astype(np.int8) - oppose.astype(np.int8)

    def values(self, neurons: Neurons, products: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a dual point makes of allowed neurons, given ``V·(Xu + c)_+`` of each, (m, q).

        The norm over outputs; where the coefficient must have a sign, the product times that sign.
        """
        values = np.linalg.norm(products, axis=1)
        if self.monotone is None:
            return values
        signs = self.coefficient_signs(neurons)
        return np.where(signs == 0, values, signs * products[:, 0])


@dataclass(frozen=True)
class Neurons:
    """Neurons ``x -> min((u·x + c)_+, h)`` with at most ``s`` inputs each.

    Attributes
    ----------
    inputs : int ndarray of shape (m, s)
        Input columns, ascending, padded with -1.
    weights : ndarray of shape (m, s)
        Unit-norm weights on these inputs, 0 in the padding.
    offsets : ndarray of shape (m,)
        ``c``.
    points : int ndarray of shape (m, s)
        Indices of the points that the hyperplane passes through, ascending, padded with -1.
    heights : ndarray of shape (m,)
        ``h``: infinite unless the neuron is a ramp, which rises from its hyperplane to one that is
        parallel.
    ends : int ndarray of shape (m,)
        A point that the second hyperplane of a ramp passes through; -1 if none is known or there is
        no such hyperplane.
    """

    inputs: NDArray[np.intp]
    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    points: NDArray[np.intp]
    heights: NDArray[np.float64]
    ends: NDArray[np.intp]

    def __len__(self) -> int:
        return self.offsets.shape[0]

    @classmethod
    def unbounded(
        cls,
        inputs: NDArray[np.intp],
        weights: NDArray[np.float64],
        offsets: NDArray[np.float64],
        points: NDArray[np.intp] | None = None,
    ) -> Neurons:
        """Neurons none of which is a ramp; None: they pass through no points that are known."""
        if points is None:
            points = np.full(inputs.shape, -1, dtype=np.intp)
        no_end = np.full(len(offsets), -1, dtype=np.intp)
        return cls(inputs, weights, offsets, points, np.full(len(offsets), np.inf), no_end)

    @classmethod
    def empty(cls, order: int) -> Neurons:
        """No neurons, of a given order."""
        none = np.empty((0, order))
        return cls.unbounded(none.astype(np.intp), none, np.empty(0), none.astype(np.intp))

    def take(self, which: NDArray) -> Neurons:
        """The neurons at these indices (or where a mask is true)."""
        return Neurons(
            *(self.inputs[which], self.weights[which], self.offsets[which], self.points[which]),
            *(self.heights[which], self.ends[which]),
        )

    def padded(self, order: int) -> Neurons:
        """The same neurons in arrays of ``order`` columns."""
        return replace(
            self,
            inputs=widened(self.inputs, order, -1),
            weights=widened(self.weights, order, 0.0),
            points=widened(self.points, order, -1),
        )

    def join(self, other: Neurons) -> Neurons:
        """These neurons followed by the others."""
        order = max(self.inputs.shape[1], other.inputs.shape[1])
        a, b = self.padded(order), other.padded(order)
        return Neurons(
            np.concatenate([a.inputs, b.inputs]),
            np.concatenate([a.weights, b.weights]),
            np.concatenate([a.offsets, b.offsets]),
            np.concatenate([a.points, b.points]),
            np.concatenate([a.heights, b.heights]),
            np.concatenate([a.ends, b.ends]),
        )

    def reversed(self) -> Neurons:
        """The same hyperplanes, active on their other side; of neurons that are no ramps."""
        return replace(self, weights=-self.weights, offsets=-self.offsets)

    def ending_at(self, points: NDArray[np.float64], ends: NDArray[np.intp]) -> Neurons:
        """These neurons as ramps that end at given points, (m,); where it is -1, as no ramps.

        ``points`` are all of them, (p, d). A point that is not on the active side gives a height
        that is not positive: no neuron.
        """
        at_end = points[ends[:, None], self.inputs]
        heights = np.einsum("ms,ms->m", self.weights, at_end) + self.offsets
        return replace(self, heights=np.where(ends >= 0, heights, np.inf), ends=ends)

    @property
    def are_ramps(self) -> NDArray[np.bool_]:
        """Which neurons are bounded."""
        return np.isfinite(self.heights)

    @property
    def order(self) -> NDArray[np.intp]:
        """The number of inputs of each neuron."""
        return (self.inputs >= 0).sum(axis=1)

    @property
    def n_points(self) -> NDArray[np.intp]:
        """The number of points that each neuron passes through."""
        return (self.points >= 0).sum(axis=1)

    def weight_matrix(self, n_inputs: int) -> NDArray[np.float64]:
        """Weights as a dense array of shape (d, m)."""
        return self.sparse_weights(n_inputs).toarray().T

    def sparse_weights(self, n_inputs: int) -> csr_array:
        """Weights as a sparse array of shape (m, d)."""
        used = self.inputs >= 0
        starts = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
        shape = (len(self), n_inputs)
        return csr_array((self.weights[used], self.inputs[used], starts), shape=shape)

    @property
    def _are_wide(self) -> bool:
        return int((self.inputs >= 0).sum()) > FEW_INPUTS * len(self)

    def _distances(self, columns: NDArray[np.float64], active: bool) -> NDArray[np.float64]:
        if self._are_wide:
            values = self.weight_matrix(columns.shape[0]).T @ columns
            values += self.offsets[:, None]
            if not active:
                return values
            np.maximum(values, 0.0, out=values)
            return np.minimum(values, self.heights[:, None], out=values)
        values = np.empty((len(self), columns.shape[1]))
        kernels.products.distances(ready(columns), *self._arrays(), active, values)
        return values

    def _arrays(self) -> tuple[NDArray, ...]:
        """Inputs, weights, offsets and heights as compiled loops take them."""
        numbers = self.weights, self.offsets, self.heights
        return ready(self.inputs, np.int64), *map(ready, numbers)

    def signed_distances(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """``u·x + c`` for the inputs given by columns, (d, p): an array of shape (m, p)."""
        return self._distances(columns, active=False)

    def activations(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """``min((u·x + c)_+, h)`` for the inputs given by columns, (d, p): of shape (m, p)."""
        return self._distances(columns, active=True)

    def products(
        self,
        columns: NDArray[np.float64],
        dual: NDArray[np.float64],
        threads: Threads = SERIAL,
    ) -> NDArray[np.float64]:
        """``V·h`` of activations ``h`` on inputs given by columns, (d, p), and V, (p, q): (m, q).

        Of some neurons at a time, shared out over threads: the activations are not kept.
        """
        at_once = max(1, ENTRIES_AT_ONCE // columns.shape[1])
        outputs, columns = ready(dual.T), ready(columns)

        def work(begin: int) -> NDArray[np.float64]:
            some = self.take(slice(begin, begin + at_once))
            if self._are_wide:
                return some.activations(columns) @ dual
            found = np.empty((len(some), len(outputs)))
            kernels.products.products(columns, *some._arrays(), outputs, found)
            return found

        parts = threads.map(work, range(0, len(self), at_once))
        return np.concatenate([np.empty((0, len(outputs))), *parts])


def inputs_in_use(
    weights: NDArray[np.float64], order: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The inputs with a weight and their weights, (m, order) each, of weights on all, (m, d).

    Ascending, padded with -1 and 0; no row may have more than ``order`` of them.
    """
    used = weights != 0
    inputs = np.argsort(~used, axis=1, kind="stable")[:, :order]
    padding = np.arange(inputs.shape[1]) >= used.sum(axis=1, keepdims=True)
    named = np.where(padding, 0.0, np.take_along_axis(weights, inputs, axis=1))
    return np.where(padding, -1, inputs), named


def neurons_through(
    points: NDArray[np.float64],
    inputs: NDArray[np.intp],
    samples: NDArray[np.intp],
    norm: Norm = "l1",
) -> Neurons:
    """Wedge neurons: unit-norm hyperplanes through given points in given inputs.

    Parameters
    ----------
    points : ndarray of shape (p, d)
        All points.
    inputs, samples : int ndarray of shape (m, s)
        The ``s`` inputs each neuron uses and the ``s`` points it passes through. Sets that are
        affinely dependent in these inputs have no such hyperplane and are left out.
    norm : {"l1", "l2"}
        Of the weights.

    Returns
    -------
    Neurons
        With the orientation of the generalized cross product of the differences.
    """
    normals = normals_through(points, inputs, samples)
    defined = length(normals, norm) > NEGLIGIBLE_WEIGHT
    return neurons_at(points, inputs[defined], samples[defined], normals[defined], norm)


def normals_through(
    points: NDArray[np.float64], inputs: NDArray[np.intp], samples: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Normals of the hyperplanes through given points, (m, s): next to zero where there is none.

    For the parameters see ``neurons_through``.
    """
    corners = points[samples[:, :, None], inputs[:, None, :]]
    differences = corners[:, 1:] - corners[:, :1]
    # Each difference in units of its own: a product of s - 1 tiny ones must not underflow.
    size = np.abs(differences).max(axis=2, keepdims=True, initial=0.0)
    return generalized_cross_product(differences / np.where(size > 0, size, 1.0))


def neurons_at(
    points: NDArray[np.float64],
    inputs: NDArray[np.intp],
    samples: NDArray[np.intp],
    normals: NDArray[np.float64],
    norm: Norm,
) -> Neurons:
    """Neurons with given normals, through the first of the samples given for each.

    Parameters
    ----------
    points : ndarray of shape (p, d)
        All points.
    inputs, samples : int ndarray of shape (m, s)
        Inputs used and points passed through; ``samples`` padded with -1.
    normals : ndarray of shape (m, s)
        Non-zero; of any length.
    norm : {"l1", "l2"}
        In which the weights get unit length.
    """
    weights = normals / length(normals, norm)[:, None]
    weights = np.where(np.abs(weights) < NEGLIGIBLE_WEIGHT, 0.0, weights)
    pivots = points[samples[:, :1], inputs]
    offsets = -np.einsum("ms,ms->m", weights, pivots)
    none = np.iinfo(samples.dtype).max
    named = np.sort(np.where(samples < 0, none, samples), axis=1)
    return Neurons.unbounded(inputs, weights, offsets, np.where(named == none, -1, named))
