"""What fits of folds are shared out over: processes of joblib, or threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import joblib
from sklearn import config_context, get_config
from sklearn.utils.parallel import Parallel, delayed

from sklearn_wedge._core.losses import Loss, OwnLoss
from sklearn_wedge._settings.options import FitOptions

Result = TypeVar("Result")

# Each fit may cache a quarter of the working memory.
MOST_THREADS = 4


@dataclass(frozen=True)
class Workers:
    """What fits of folds are shared out over.

    On concrete the folds of a grid take 0.75 of the time with two threads; a single fit gains
    nothing by them.

    Attributes
    ----------
    n_threads : int
        That the fit may use. They take folds where no context of joblib has several workers.
    n_jobs : int or None, default=1
        Of joblib, where threads do not.
    """

    n_threads: int
    n_jobs: int | None = 1

    @classmethod
    def of(cls, options: FitOptions, loss: Loss) -> Workers:
        """Threads for folds of fits of a loss, ``options.n_jobs`` at most."""
        # CVXPY numbers its variables without a lock.
        is_cvxpy = options.solver == "cvxpy" or isinstance(loss, OwnLoss)
        return cls(1 if is_cvxpy else min(options.n_threads(), MOST_THREADS))

    def map(self, work: Callable[..., Result], tasks: Sequence[tuple]) -> list[Result]:
        """What the work on each of the tasks, tuples of arguments, returns."""
        parallel = self.parallel(len(tasks))
        if isinstance(parallel, Parallel):
            return parallel(delayed(work)(*task) for task in tasks)
        # Threads take the next tasks themselves, and know of no configuration.
        config, configured = get_config(), joblib.delayed(_configured)
        return parallel(configured(config, work, task) for task in tasks)

    def parallel(self, n_tasks: int) -> joblib.Parallel:
        """For so many tasks: a single one has all threads for itself.

        Threads are joblib's own: each task of scikit-learn's sets the filters of warnings, which
        belong to the process, and of two at once the second may find them empty and leave them so.
        """
        n_threads = min(self.n_threads, n_tasks)
        if n_threads > 1 and joblib.effective_n_jobs(None) == 1:
            return joblib.Parallel(n_jobs=n_threads, backend="threading")
        return Parallel(n_jobs=self.n_jobs)


def _configured(config: dict[str, Any], work: Callable[..., Result], task: tuple) -> Result:
    """Work under scikit-learn's configuration of another thread."""
    with config_context(**config):
        return work(*task)
