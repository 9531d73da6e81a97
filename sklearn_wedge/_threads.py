"""Independent parts of a computation, in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from joblib import cpu_count, effective_n_jobs

Part = TypeVar("Part")
Result = TypeVar("Result")


def _number(n_jobs: int | None) -> int:
    """How many threads; joblib's backend is asked for the default only, as it may be a cluster."""
    if n_jobs is None or n_jobs == 0:
        return min(effective_n_jobs(n_jobs), cpu_count())
    return max(1, n_jobs if n_jobs > 0 else cpu_count() + 1 + n_jobs)


class Threads:
    """Maps functions over parts; the results do not depend on how many threads there are.

    NumPy lets other threads run while it works on large arrays. The threads are kept: a search
    comes back to them many times a second, which ``joblib.Parallel`` would start anew each time.

    Parameters
    ----------
    n_jobs : int or None, default=None
        As everywhere in scikit-learn; None: one, unless a ``joblib.parallel_config`` says more.

    Raises
    ------
    ValueError
        If ``n_jobs`` is 0.
    """

    def __init__(self, n_jobs: int | None = None):
        self.number = _number(n_jobs)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.number)

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """The results of all parts, in their order."""
        parts = list(parts)
        if self.number == 1 or len(parts) == 1:
            return [function(part) for part in parts]
        return list(self._pool.map(function, parts))
