"""Networks found on some rows, from which fits on others start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.carried import carried
from sklearn_wedge._core.problem import Problem
from sklearn_wedge._core.rows import Sample
from sklearn_wedge._core.solution import Solution
from sklearn_wedge._estimators.folds import Task
from sklearn_wedge._settings.options import FitOptions


@dataclass(frozen=True)
class Found:
    """A solution on some rows.

    Attributes
    ----------
    solution : Solution
    sample : Sample
    inputs : ndarray of shape (p, d)
        The points of the sample in original units.
    """

    solution: Solution
    sample: Sample
    inputs: NDArray[np.float64]

    def carried_to(self, problem: Problem) -> Solution:
        """The same network as a start of another problem of the same kind."""
        return carried(self.solution, self.sample, self.inputs, problem)


@dataclass(frozen=True)
class Earlier:
    """The same as it travels between processes: without the rows, which these have.

    ``rows`` are those of a task, ``options`` what its fit was told.
    """

    solution: Solution
    rows: NDArray[np.intp]
    options: FitOptions

    def found(self, task: Task) -> Found:
        """With its sample."""
        _, sample = task.problem(self.rows, self.options)
        return Found(self.solution, sample, task.X[self.rows][sample.first_row])
