"""What fits of folds are shared out over: processes of joblib, or threads."""

from __future__ import annotations

from dataclasses import dataclass

from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel

from sklearn_wedge._core.losses import Loss, OwnLoss
from sklearn_wedge._settings.options import FitOptions

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

    def parallel(self, n_tasks: int) -> Parallel:
        """For so many tasks: a single one has all threads for itself."""
        n_threads = min(self.n_threads, n_tasks)
        if n_threads > 1 and effective_n_jobs(None) == 1:
            return Parallel(n_jobs=n_threads, backend="threading")
        return Parallel(n_jobs=self.n_jobs)
