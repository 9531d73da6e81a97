"""Independent pieces of work, shared out over threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sklearn_wedge._core.threads import single_threaded_blas

Task = TypeVar("Task")
Result = TypeVar("Result")


class Threads:
    """Maps a function over tasks, in a pool that lives as long as this object.

    How work is cut into tasks must not depend on the number of threads, and results come in the
    order of the tasks: nothing that is computed depends on the number either.

    Parameters
    ----------
    n_threads : int
        1: everything runs where it is called.
    """

    def __init__(self, n_threads: int):
        self.n_threads = n_threads
        self._pool: ThreadPoolExecutor | None = None

    def map(self, work: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]:
        """The results of all tasks, in their order. The work itself must not call ``map``."""
        tasks: Sequence[Task] = list(tasks)
        if self.n_threads == 1 or len(tasks) < 2:
            return [work(task) for task in tasks]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads, thread_name_prefix="sklearn_wedge")
        # A limit on linear algebra may be one of the thread that set it.
        return list(self._pool.map(single_threaded_blas()(work), tasks))


SERIAL = Threads(1)
