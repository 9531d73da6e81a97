"""The restricted problem: the convex problem on the columns at hand, and the ways to solve it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sklearn_wedge._core.losses import KinkedLoss, Loss, PiecewiseLinear, SquaredError
from sklearn_wedge._core.restricted.active_set import independent_support
from sklearn_wedge._core.restricted.columns import (
    Columns,
    DualPoint,
    RestrictedProblem,
    total_length,
)
from sklearn_wedge._core.restricted.interior_point import InteriorPoint
from sklearn_wedge._core.restricted.least_squares import LeastSquares
from sklearn_wedge._core.restricted.newton import ProximalNewton
from sklearn_wedge._core.restricted.smoothing import Smoothing
from sklearn_wedge._core.rows import Activations, Rows

__all__ = [
    "Columns",
    "DualPoint",
    "RestrictedProblem",
    "Solver",
    "independent_support",
    "restricted_problem",
    "total_length",
]

Solver = Literal["auto", "active_set", "cvxpy"]


def restricted_problem(
    loss: Loss,
    rows: Rows,
    solver: Solver,
    nothing: Activations | None = None,
    array_bytes: float = np.inf,
) -> RestrictedProblem:
    """The restricted problem of a loss, with the solver asked for.

    Parameters
    ----------
    loss : Loss
    rows : Rows
        With weights that sum to 1.
    solver : {"auto", "active_set", "cvxpy"}
        ``"auto"`` is the active set, inside proximal Newton unless the loss is quadratic, on
        envelopes if it has kinks; and CVXPY, which needs the rows in one chunk, if it has no known
        envelope.
    nothing : Activations, default=None
        Those of no column; None: of rows in memory.
    array_bytes : float, default=inf
        What an array made of all rows may take: the Hessian of several outputs, the activations of
        rows near the kinks of their losses.
    """
    if solver != "cvxpy" and isinstance(loss, PiecewiseLinear):
        return Smoothing(loss, rows, nothing, array_bytes)
    if solver == "cvxpy" or isinstance(loss, KinkedLoss):
        return InteriorPoint(loss, rows, nothing)
    if isinstance(loss, SquaredError):
        return LeastSquares(loss, rows, nothing)
    return ProximalNewton(loss, rows, nothing, array_bytes)
