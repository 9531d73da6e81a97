"""A fit as a tree of tasks, of which scikit-learn's callbacks are told.

scikit-learn has callbacks from 1.9 on; before, nobody can set any and nobody is told. The tree of a
fit: the penalties on the way to the last one, and the pricing rounds at each. That of a
cross-validation: its folds, then the fit of the network on all the data.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sklearn.base import BaseEstimator

from sklearn_wedge._core.solution import Progress, Solution

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:
        """What estimators inherit where scikit-learn has no callbacks: nothing."""


class FitTask:
    """A task of a fit; a context, in which it is done.

    Parameters
    ----------
    estimator : estimator
        The one that is fitted.
    context : CallbackContext or None
        What scikit-learn knows the task by; None where it has no callbacks.
    data : dict
        ``X``, ``y`` and ``metadata`` of the fit, for callbacks that ask for them.
    fits : bool, default=False
        Whether the estimator is fitted when the task ends well.
    """

    def __init__(self, estimator: BaseEstimator, context: Any, data: dict, fits: bool = False):
        self.estimator = estimator
        self.context = context
        self.data = data
        self.fits = fits

    def begin(self) -> FitTask:
        """Tell the callbacks that the task begins."""
        if self.context is not None:
            self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return self

    __enter__ = begin

    def __exit__(self, kind: type | None, *error: Any) -> None:
        if kind is None:
            self.end(dict if self.fits else None)

    def end(self, attributes: Callable[[], dict] | None = None) -> bool:
        """Tell the callbacks that the task is over; True if one asks to stop.

        ``attributes`` are those that the estimator would have if the fit were over.
        """
        if self.context is None:
            return False
        return self.context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=attributes, **self.data
        )

    def subtask(self, name: str, n_subtasks: int | None = 0, **options: Any) -> FitTask:
        """A part of the task, of so many parts itself; None: it is not known of how many."""
        context = self.context
        if context is not None:
            context = context.subcontext(name, max_subtasks=n_subtasks, **options)
        return FitTask(self.estimator, context, self.data)

    def elsewhere(self, estimator: BaseEstimator) -> FitTask:
        """The same task for other processes: no data, and an estimator that can be pickled."""
        return FitTask(estimator, self.context, {})

    def propagated_to(self, estimator: BaseEstimator) -> AbstractContextManager:
        """A context in which the fit of another estimator is this task."""
        if self.context is None:
            return nullcontext()
        return self.context.propagate_callback_context(estimator)

    def run(self, function: Callable, *args: Any) -> Any:
        """Do the task: call a function."""
        with self:
            return function(*args)


def fit_task(
    estimator: BaseEstimator,
    n_subtasks: int | None,
    X: Any = None,
    y: Any = None,
    weight: Any = None,
) -> FitTask:
    """The whole fit of an estimator."""
    context = None
    if hasattr(estimator, "_init_callback_context"):
        context = estimator._init_callback_context(max_subtasks=n_subtasks)
    metadata = None if weight is None else {"sample_weight": weight}
    return FitTask(estimator, context, {"X": X, "y": y, "metadata": metadata}, fits=True)


class Watcher:
    """Tells callbacks of the penalties and rounds of a fit; see ``Progress``.

    Parameters
    ----------
    task : FitTask
        What they are part of.
    attributes : callable
        From a solution to what the estimator would have if the fit ended with it.

    Attributes
    ----------
    stopped : bool
        Whether a callback stopped the last penalty.
    """

    def __init__(self, task: FitTask, attributes: Callable[[Solution], dict]):
        self._task = task
        self._attributes = attributes
        self._penalty = self._round = task
        self.stopped = False

    def __call__(self, progress: Progress) -> bool:
        """Whether to stop at this penalty."""
        if progress.n_rounds == 0:
            name = f"penalty {progress.alpha:.3g}"
            self._penalty = self._task.subtask(name, progress.max_rounds).begin()
        else:
            self.stopped = self._round.end(lambda: self._attributes(progress.reached()))
            if self.stopped or progress.finished:
                self._penalty.end()
                return self.stopped
        self._round = self._penalty.subtask("round").begin()
        return False
