"""Independent parts of a computation, in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from joblib import effective_n_jobs

Part = TypeVar("Part")
Result = TypeVar("Result")


class Threads:
    """Maps functions over parts; the results do not depend on how many threads there are.

    NumPy lets other threads run while it works on large arrays. The threads are kept: a search
    comes back to them many times a second, which ``joblib.Parallel`` would start anew each time.

    Parameters
    ----------
    n_jobs : int or None, default=None
        As everywhere in scikit-learn; None: one, unless a ``joblib.parallel_config`` says more.
    """

    def __init__(self, n_jobs: int | None = None):
        self.number = effective_n_jobs(n_jobs)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.number)

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
        """The results of all parts, in their order."""
        parts = list(parts)
        if self.number == 1 or len(parts) == 1:
            return [function(part) for part in parts]
        return list(self._pool.map(function, parts))
