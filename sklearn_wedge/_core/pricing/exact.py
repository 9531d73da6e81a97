"""Exact pricing: every pencil of every order up to the limit. Only this certifies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, count, islice
from math import comb

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.kernels import SERIAL, Threads
from sklearn_wedge._core.neurons import NeuronClass
from sklearn_wedge._core.pricing.budget import DEFAULT
from sklearn_wedge._core.pricing.hinges import price_hinges
from sklearn_wedge._core.pricing.pencils import Hyperplanes, Pencils, PointTable
from sklearn_wedge._core.pricing.sweep import Orders, completed, orders, sweep_pencils

# Pencils × positions swept at a time, by one thread: a hundredth of a second.
STEPS_AT_ONCE = 1_000_000
# Such pieces shared out over threads together.
TASKS_AT_ONCE = 64


def n_pencils(n_points: int, n_inputs: int, neuron_class: NeuronClass) -> int:
    """Pencils of all orders: ``C(n, s - 1)`` for each set of ``s`` inputs that go together.

    Of ``d`` inputs that are ``d`` of order 1 and, unless there are groups, ``C(d, s)·C(n, s - 1)``
    of each order ``s``.
    """
    return sum(
        neuron_class.n_input_sets(n_inputs, s) * comb(n_points, s - 1)
        for s in range(1, neuron_class.order + 1)
    )


def n_steps(n_points: int, n_inputs: int, neuron_class: NeuronClass) -> float:
    """Steps of exact pricing: a step is one sample of one pencil, or of one direction of ramps.

    Infinite if there is no exact pricing.
    """
    if not neuron_class.is_enumerable:
        return np.inf
    directions = 0
    if neuron_class.ramps and neuron_class.order > 1:
        directions = neuron_class.n_input_sets(n_inputs, 2) * comb(n_points, 2)
    return (n_pencils(n_points, n_inputs, neuron_class) + directions) * n_points


@dataclass(frozen=True)
class _Task:
    """Some pencils in one set of inputs: those of number ``chunk`` of so many."""

    inputs: tuple[int, ...]
    chunk: int
    pivots: NDArray[np.intp]


def _tasks(table: PointTable, neuron_class: NeuronClass) -> Iterator[_Task]:
    """All pencils of order 2 and more, in pieces that do not depend on the number of threads."""
    varying = [int(k) for k in table.varying_inputs()]
    for s in range(2, min(neuron_class.order, len(varying)) + 1):
        for inputs in neuron_class.input_sets(varying, s):
            n_positions = table.projection(inputs).n_positions
            choices = combinations(range(n_positions), s - 1)
            size = max(1, STEPS_AT_ONCE // n_positions)
            for chunk in count():
                pivots = list(islice(choices, size))
                if not pivots:
                    break
                yield _Task(inputs, chunk, np.array(pivots, dtype=np.intp))


def _sorted_before(
    table: PointTable, task: _Task, positions: NDArray, pencils: Pencils, neuron_class: NeuronClass
) -> Orders | None:
    """The positions by slope as sorted in an earlier pricing, if there is room to keep them."""
    key = (task.inputs, task.chunk)
    if not table.orders.has_room(key, Orders.bytes_of(len(pencils), positions.shape[1])):
        return None
    return table.orders.get(key, lambda _: orders(positions, pencils, neuron_class))


def _price(
    table: PointTable, dual: NDArray, task: _Task, neuron_class: NeuronClass, kept: int
) -> Hyperplanes:
    """The best hyperplanes of some pencils, by position."""
    projection = table.projection(task.inputs)
    s, own_class = len(task.inputs), neuron_class.within(task.inputs)
    pencils = Pencils(np.broadcast_to(np.arange(s), (len(task.pivots), s)), task.pivots)
    known = _sorted_before(table, task, projection.positions, pencils, own_class)
    swept = sweep_pencils(
        projection.positions, projection.sum(dual), pencils, own_class, kept=known
    )
    return completed(pencils, swept).best(kept)


def _best_of_inputs(
    table: PointTable, inputs: tuple[int, ...], parts: list[Hyperplanes], kept: int
) -> Hyperplanes:
    """The best of what was found in one set of inputs, by point."""
    best = Hyperplanes.concatenate(parts, len(inputs)).best(kept)
    representatives = table.projection(inputs).representatives(best.points)
    return replace(
        best,
        inputs=np.asarray(inputs, dtype=np.intp)[best.inputs],
        points=np.where(best.points >= 0, representatives, -1),
    )


def price_all(
    table: PointTable,
    dual: NDArray,
    neuron_class: NeuronClass,
    threads: Threads = SERIAL,
    kept: int = DEFAULT.kept_per_inputs,
) -> Hyperplanes:
    """The best hyperplanes of a whole class of neurons.

    Rejections are complete up to order 2 only: beyond, a best hyperplane under l2 may pass through
    fewer than ``s - 1`` samples and lie in no pencil.

    Parameters
    ----------
    table : PointTable
    dual : ndarray of shape (p, q)
        Dual point on the points, summing to zero.
    neuron_class : NeuronClass
    threads : Threads
        Over which pencils are shared out.
    kept : int
        Hyperplanes kept for each set of inputs.

    Returns
    -------
    Hyperplanes
        The largest of the values is ``M(v)`` of the class; all zero if no neuron has a value.
    """
    found: dict[tuple[int, ...], list[Hyperplanes]] = {}

    def work(task: _Task) -> Hyperplanes:
        return _price(table, dual, task, neuron_class, kept)

    tasks = _tasks(table, neuron_class)
    # Some at a time: the pencils of order 3 of a thousand samples are not listed all at once.
    while some := list(islice(tasks, TASKS_AT_ONCE)):
        for task, part in zip(some, threads.map(work, some), strict=True):
            found.setdefault(task.inputs, []).append(part)
    parts = [price_hinges(table, dual, kept, neuron_class)]
    parts += [_best_of_inputs(table, inputs, those, kept) for inputs, those in found.items()]
    return Hyperplanes.concatenate(parts, neuron_class.order)
