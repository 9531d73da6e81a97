"""The quadratic l1 problem, by an active-set method that survives dependent columns.

The columns of a restricted problem are exactly dependent as a rule (both orientations of a few
hyperplanes span a linear function), so the quadratic model is singular. The active-set method below
is a proximal-point method in the linear step; that keeps it exact where least squares and plain
Cholesky fail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf

from sklearn_wedge._core import kernels

Array = NDArray[np.float64]

# Relative size of the ridge in the linear step (not in the problem).
PROXIMAL_RIDGE = 1e-12
# A column is dependent on others if less than this fraction of its variance is left.
DEPENDENT = 1e-13
# Violators that enter together; one at a time after a step that made no progress.
ENTER_AT_ONCE = 5


@dataclass(frozen=True)
class Enough:
    """When a solution is good enough: its duality gap is at most ``accuracy``.

    The quadratic is half the squared length of a residual; ``half_square`` is that of the target.
    """

    accuracy: float
    half_square: float


def solve_quadratic_l1(
    gram: Array,
    linear: Array,
    alpha: float,
    coef: Array,
    signs: NDArray | None = None,
    enough: Enough | None = None,
) -> Array:
    """Minimise ``z·Gz/2 - b·z + α‖z‖₁`` by an active-set method (feature-sign search).

    Each round lets the worst violators enter, then descends on the active columns alone until
    their optimality conditions hold.

    Parameters
    ----------
    gram : ndarray of shape (m, m)
        Positive semi-definite; may be singular.
    linear : ndarray of shape (m,)
        ``b``.
    alpha : float
        Penalty, positive.
    coef : ndarray of shape (m,)
        Where to start.
    signs : int ndarray of shape (m,), optional
        The sign, -1 or 1, that each coefficient must have; 0: any.
    enough : Enough, optional
        When to stop before the solution is exact.

    Returns
    -------
    ndarray of shape (m,)
    """
    if len(coef) == 0:
        return coef.copy()
    required = (
        np.zeros(len(coef), dtype=np.int8) if signs is None else kernels.ready(signs, np.int8)
    )
    coef = np.where(required * coef < 0, 0.0, coef)
    gram, linear = kernels.ready(gram), kernels.ready(linear)
    factor, ridge = _factor(gram, np.flatnonzero(coef))
    half_square, accuracy = (0.0, 0.0) if enough is None else (enough.half_square, enough.accuracy)
    kernels.active_set.solve(
        gram, linear, alpha, coef, required, factor, ridge, half_square, accuracy, ENTER_AT_ONCE
    )
    return coef


def _factor(gram: Array, columns: NDArray[np.intp]) -> tuple[Array, float]:
    """Upper factor of the ridged Gram matrix of some columns, with room for more; the ridge.

    Every ridge has the same fixed point; a larger one only takes more steps to reach it.
    """
    ridge = PROXIMAL_RIDGE * max(np.trace(gram) / len(gram), np.finfo(float).tiny)
    k = len(columns)
    room = min(k + k // 2 + ENTER_AT_ONCE, len(gram))
    factor = np.zeros((room, room))
    if k:
        # Of a symmetric matrix the lower factor by columns is the upper one by rows.
        lower, ridge = _lower_factor(gram[np.ix_(columns, columns)], ridge)
        factor[:k, :k] = lower.T
    return factor, ridge


def _lower_factor(gram: Array, ridge: float) -> tuple[Array, float]:
    """Cholesky factor with a ridge: this one or, if rounding made the matrix indefinite, more."""
    while True:
        lower, failed = dpotrf(gram + ridge * np.eye(len(gram)), lower=1, clean=1)
        if not failed:
            return lower, ridge
        ridge *= 10


def independent_support(gram: Array, coef: Array) -> Array:
    """The same fit with the same penalty from columns that are linearly independent.

    Among dependent columns of equal signs the optimal coefficients are not unique and rounding
    decides where they end. Each column that depends on those before it is taken out along the null
    direction, until it or another coefficient vanishes; neither fit nor penalty changes.

    Parameters
    ----------
    gram : ndarray of shape (m, m)
        Covariances of the columns.
    coef : ndarray of shape (m,)
        Optimal coefficients.

    Returns
    -------
    ndarray of shape (m,)
        With the zeros of ``coef`` and more.
    """
    gram, coef = kernels.ready(gram), coef.copy()
    columns, at, k = np.flatnonzero(coef), 0, 0
    kept, combination = np.empty_like(columns), np.empty(len(columns))
    factor = np.zeros((len(columns), len(columns)))
    while True:
        at, k = kernels.active_set.add_independent(
            gram, columns, at, factor, kept, k, DEPENDENT, combination
        )
        if at == len(columns):
            return coef
        column, others = columns[at], kept[:k].copy()
        _take_out(coef, column, others, combination[:k])
        at += 1
        if coef[column] != 0.0:  # another one vanished first: this one takes its place
            others = np.append(others, column)
            others = others[coef[others] != 0.0]
            k = len(others)
            kept[:k], factor[:k, :k] = others, _factor_again(gram[np.ix_(others, others)])


def _factor_again(gram: Array) -> Array:
    """Upper factor of columns that are independent, with the least ridge that helps.

    With more of it a column that depends on others counts as independent, and stays.
    """
    return _lower_factor(gram, np.finfo(float).eps * np.trace(gram))[0].T


def _take_out(coef: Array, column: int, others: NDArray[np.intp], combination: Array) -> None:
    """Move the weight of a column onto the columns that it is a combination of, in place."""
    change, before = coef[column] * combination, coef[others]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(before * change < 0, -before / change, np.inf)
    length = min(1.0, reach.min(initial=np.inf))
    after = before + length * change
    if length < 1.0:
        after[int(np.argmin(reach))] = 0.0
    coef[others] = after
    coef[column] *= 1.0 - length
