"""What fits of folds are shared out over: processes of joblib, or threads."""

from __future__ import annotations

from dataclasses import dataclass

from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel

from sklearn_wedge._core.losses import Loss, OwnLoss
from sklearn_wedge._settings.options import FitOptions


@dataclass(frozen=True)
class Workers:
    """What fits of folds are shared out over.

    Attributes
    ----------
    n_jobs : int or None
        Of joblib; None: as many threads as the fit may use, unless a context of joblib says more.
        On concrete the folds of a grid take 0.75 of the time with two threads; a single fit gains
        nothing by them.
    n_threads : int
        That the fit may use.
    """

    n_jobs: int | None = None
    n_threads: int = 1

    @classmethod
    def of(cls, n_jobs: int | None, options: FitOptions, loss: Loss) -> Workers:
        """For folds of fits of a loss; ``n_jobs`` as given for these, not for threads."""
        # CVXPY numbers its variables without a lock.
        is_cvxpy = options.solver == "cvxpy" or isinstance(loss, OwnLoss)
        return cls(n_jobs, 1 if is_cvxpy else options.n_threads())

    def parallel(self, n_tasks: int) -> Parallel:
        """For so many tasks: a single one has all threads for itself."""
        n_threads = min(self.n_threads, n_tasks)
        if self.n_jobs is None and effective_n_jobs(None) == 1 and n_threads > 1:
            return Parallel(n_jobs=n_threads, backend="threading")
        return Parallel(n_jobs=self.n_jobs)
