"""Pencils (all hyperplanes through s - 1 samples in s inputs) and the data they are swept over."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.neurons import widened
from sklearn_wedge._core.pricing.budget import DEFAULT
from sklearn_wedge._core.rows import group_starts


class KeptWhileThereIsRoom:
    """Results kept for the next call, up to a number of bytes (each says its ``n_bytes``).

    Pricing visits the inputs in one order, over and over: what is kept stays useful only if nothing
    is ever put out for something newer. Threads of one pricing share what is kept.
    """

    def __init__(self, n_bytes: int):
        self._lock = Lock()
        self._items: dict[Hashable, Any] = {}
        self._free_bytes = n_bytes
        self._lock = Lock()

    def has_room(self, key: Hashable, n_bytes: int) -> bool:
        """Whether a result of this size is kept, or would be."""
        return key in self._items or n_bytes <= self._free_bytes

    def get(self, key: Hashable, compute: Callable[[Any], Any]) -> Any:
        """What belongs to a key, computed unless it was kept."""
        found = self._items.get(key)
        if found is not None:
            return found
        found = compute(key)
        with self._lock:
            # Another thread may have been as quick: its bytes count once.
            if key not in self._items and found.n_bytes <= self._free_bytes:
                self._free_bytes -= found.n_bytes
                self._items[key] = found
        return found


@dataclass(frozen=True)
class Projection:
    """The points seen in the inputs ``T`` alone: equal ones merged, in lexicographic order.

    Attributes
    ----------
    inputs : tuple of int
        ``T``, ascending.
    positions : ndarray of shape (s, m)
        The distinct positions, one row per input.
    order : ndarray of shape (p,)
        Points by position; ``starts`` is where each position begins in it.
    starts : ndarray of shape (m,)
        See ``order``.
    """

    inputs: tuple[int, ...]
    positions: NDArray[np.float64]
    order: NDArray[np.int32]
    starts: NDArray[np.int32]

    @property
    def n_positions(self) -> int:
        """Number of distinct positions."""
        return self.positions.shape[1]

    @property
    def n_bytes(self) -> int:
        """Memory held."""
        return self.positions.nbytes + self.order.nbytes + self.starts.nbytes

    def representatives(self, positions: NDArray) -> NDArray[np.intp]:
        """A point at each of these positions: the first in canonical order."""
        return self.order[self.starts[positions]].astype(np.intp)

    def sum(self, dual: NDArray[np.float64]) -> NDArray[np.float64]:
        """A dual point on the points, (p, q), summed at each position: shape (q, m)."""
        ordered = dual.T[:, self.order]
        if self.n_positions == len(self.order):
            return ordered
        return np.add.reduceat(ordered, self.starts, axis=1)


class PointTable:
    """The canonical points with their projections onto sets of inputs, kept between pricings.

    Parameters
    ----------
    points : ndarray of shape (p, d)
        Centred, distinct, in lexicographic order.
    cache_bytes : int
        Of projections, and of sorted pencils, kept between pricings: neither depends on the dual.
    """

    def __init__(self, points: NDArray[np.float64], cache_bytes: int = DEFAULT.bytes_of_one_cache):
        self.points = points
        self.columns = np.ascontiguousarray(points.T)
        self.size = float(np.abs(points).max(initial=0.0))
        self.orders = KeptWhileThereIsRoom(cache_bytes)
        self._projections = KeptWhileThereIsRoom(cache_bytes)

    @property
    def n_points(self) -> int:
        """Number of distinct points."""
        return self.points.shape[0]

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return self.points.shape[1]

    def varying_inputs(self) -> NDArray[np.intp]:
        """The inputs that are not constant: no other can carry a weight."""
        return np.flatnonzero(self.columns.max(axis=1) > self.columns.min(axis=1))

    def projection(self, inputs: tuple[int, ...]) -> Projection:
        """The points in these inputs."""
        return self._projections.get(inputs, self._project)

    def _project(self, inputs: tuple[int, ...]) -> Projection:
        chosen = self.columns[list(inputs)]
        order = np.lexsort(chosen[::-1]).astype(np.int32)
        ordered = chosen[:, order]
        is_first = np.ones(self.n_points, dtype=bool)
        is_first[1:] = np.any(ordered[:, 1:] != ordered[:, :-1], axis=0)
        starts = np.flatnonzero(is_first).astype(np.int32)
        return Projection(inputs, np.ascontiguousarray(ordered[:, starts]), order, starts)


@dataclass(frozen=True)
class Pencils:
    """Pencils of one order ``s``: each is ``s`` inputs and ``s - 1`` points.

    Attributes
    ----------
    inputs : int ndarray of shape (k, s)
        Ascending in each row.
    points : int ndarray of shape (k, s - 1)
        Ascending in each row.
    """

    inputs: NDArray[np.intp]
    points: NDArray[np.intp]

    def __len__(self) -> int:
        return self.inputs.shape[0]

    @property
    def order(self) -> int:
        """``s``."""
        return self.inputs.shape[1]

    def take(self, which: NDArray) -> Pencils:
        """The pencils at these indices (or where a mask is true)."""
        return Pencils(self.inputs[which], self.points[which])

    def distinct(self) -> Pencils:
        """Every pencil once, in lexicographic order."""
        table = np.hstack([self.inputs, np.sort(self.points, axis=1)])
        table = table[first_of_equal_rows(table)]
        return Pencils(table[:, : self.order], table[:, self.order :])


@dataclass(frozen=True)
class Hyperplanes:
    """What pricing proposes: hyperplanes through points, with the value found for each.

    Attributes
    ----------
    inputs, points : int ndarray of shape (k, s)
        Each hyperplane has non-zero weights on ``s`` inputs and passes through ``s`` points, or
        fewer if its normal is given; padded with -1.
    normals : ndarray of shape (k, s)
        Normals of rejections; NaN where the points determine the hyperplane.
    values : ndarray of shape (k,)
        The larger of the values of the two orientations.
    """

    inputs: NDArray[np.intp]
    points: NDArray[np.intp]
    normals: NDArray[np.float64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return self.values.shape[0]

    @classmethod
    def through(cls, inputs: NDArray, points: NDArray, values: NDArray) -> Hyperplanes:
        """Hyperplanes determined by the points that they pass through."""
        return cls(inputs, points, np.full(inputs.shape, np.nan), values)

    @classmethod
    def empty(cls, order: int) -> Hyperplanes:
        """None at all."""
        none = np.empty((0, order), dtype=np.intp)
        return cls.through(none, none, np.empty(0))

    @classmethod
    def concatenate(cls, parts: list[Hyperplanes], order: int) -> Hyperplanes:
        """All of these, padded to one order."""

        def stacked(arrays: list[NDArray], padding: float) -> NDArray:
            return np.concatenate([widened(each, order, padding) for each in arrays])

        parts = [part for part in parts if len(part)] or [cls.empty(order)]
        return cls(
            stacked([p.inputs for p in parts], -1),
            stacked([p.points for p in parts], -1),
            stacked([p.normals for p in parts], np.nan),
            np.concatenate([part.values for part in parts]),
        )

    def take(self, which: NDArray) -> Hyperplanes:
        """The hyperplanes at these indices (or where a mask is true)."""
        return Hyperplanes(
            self.inputs[which], self.points[which], self.normals[which], self.values[which]
        )

    def best(self, at_most: int) -> Hyperplanes:
        """Those of the largest values, in descending order; ties in canonical order."""
        # Rounded: values that differ by rounding only must not change places from run to run.
        order = np.argsort(-significant(self.values), kind="stable")
        return self.take(order[:at_most])


def first_of_equal_rows(table: NDArray) -> NDArray[np.intp]:
    """Indices of the first of each kind of rows, in lexicographic order of these."""
    order = np.lexsort(table.T[::-1])
    return order[group_starts(table[order])]


def significant(values: NDArray[np.float64], digits: int = 9) -> NDArray[np.float64]:
    """Values rounded to some significant digits of the largest, so that ties stay ties."""
    size = np.abs(values).max(initial=0.0)
    if size == 0.0:
        return values
    return np.round(values / size, digits)


def largest_of(scores: NDArray[np.float64], at_most: int) -> NDArray[np.intp]:
    """Indices of the largest scores, in descending order; of equal ones the first."""
    if not 0 < at_most < len(scores):
        return np.argsort(-scores, kind="stable")[:at_most]
    least = np.partition(scores, len(scores) - at_most)[len(scores) - at_most]
    above, equal = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
    chosen = np.concatenate([above, equal[: at_most - len(above)]])
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def whose_turn(n_things: int, at_most: int, round_number: int) -> NDArray[np.intp]:
    """Indices of what a round looks at: all if they are few, else the next so many in a ring."""
    if n_things <= at_most:
        return np.arange(n_things)
    return (np.arange(at_most) + round_number * at_most) % n_things
