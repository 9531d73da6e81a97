"""The restricted problem: the convex problem on the columns at hand, and the ways to solve it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._losses import KinkedLoss, Loss, SquaredError
from sklearn_wedge._master.active_set import Enough, independent_support, solve_quadratic_l1
from sklearn_wedge._master.columns import Columns, Optimum, RestrictedProblem, total_length
from sklearn_wedge._master.groups import solve_quadratic_groups
from sklearn_wedge._master.interior_point import InteriorPoint
from sklearn_wedge._master.least_squares import LeastSquares, solve_least_squares
from sklearn_wedge._master.newton import ProximalNewton, working_set
from sklearn_wedge._master.quadratics import AcrossOutputs, SameForAllOutputs, SeparateOutputs

__all__ = [
    "AcrossOutputs",
    "Columns",
    "Enough",
    "Optimum",
    "RestrictedProblem",
    "SameForAllOutputs",
    "SeparateOutputs",
    "Solver",
    "independent_support",
    "restricted_problem",
    "solve_least_squares",
    "solve_quadratic_groups",
    "solve_quadratic_l1",
    "total_length",
    "working_set",
]

Solver = Literal["auto", "active_set", "cvxpy"]


def restricted_problem(
    loss: Loss, target: NDArray[np.float64], weight: NDArray[np.float64], solver: Solver
) -> RestrictedProblem:
    """The restricted problem of a loss, with the solver asked for.

    Parameters
    ----------
    loss : Loss
    target : ndarray of shape (n, q)
    weight : ndarray of shape (n,)
    solver : {"auto", "active_set", "cvxpy"}
        ``"auto"`` is the active set, inside proximal Newton unless the loss is quadratic, and CVXPY
        if the loss has no gradient.
    """
    if solver == "cvxpy" or isinstance(loss, KinkedLoss):
        return InteriorPoint(loss, target, weight)
    if isinstance(loss, SquaredError):
        return LeastSquares(loss, target, weight)
    return ProximalNewton(loss, target, weight)
