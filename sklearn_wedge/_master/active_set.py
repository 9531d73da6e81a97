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
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

Array = NDArray[np.float64]

# Relative size of the ridge in the linear step (not in the problem).
PROXIMAL_RIDGE = 1e-12
# A column enters if it violates the optimality conditions by more than this fraction of alpha,
STATIONARITY_TOLERANCE = 1e-10
# and than what rounding leaves of a gradient, in units of eps × Σ|z| × the largest Gram entry.
ROUNDING = 4.0
# A column is dependent on others if less than this fraction of its variance is left.
DEPENDENT = 1e-13
# Descents, and moves of one: far more than any real problem takes.
MAX_ROUNDS = 2_000
# Full steps on one sign pattern before it counts as solved to machine precision.
MAX_REFINEMENTS = 5
# Violators that enter together; one at a time after a step that made no progress.
ENTER_AT_ONCE = 5


@dataclass(frozen=True)
class _Move:
    """Outcome of a line search: how far, and whether it ended at a sign change."""

    length: float
    full: bool


def _line_search(
    start: Array,
    step: Array,
    slope: float,
    curvature: float,
    alpha: float,
    required: NDArray | None,
) -> _Move:
    """Exact minimiser on [0, 1] of the piecewise quadratic along ``step``.

    ``slope`` and ``curvature`` are those of the smooth part at 0; the l1 term has a kink wherever
    ``start + tau step`` changes sign. There is no passing where a sign is required.
    """
    signs = np.where(start != 0, np.sign(start), np.sign(step))
    slope = slope + alpha * float(signs @ step)
    if slope >= 0:
        return _Move(0.0, False)
    opposed = (start * step < 0).nonzero()[0]
    if len(opposed) == 0:
        length = min(1.0, -slope / curvature) if curvature > 0 else 1.0
        return _Move(float(length), length == 1.0)
    turns = -start[opposed] / step[opposed]
    order = turns.argsort(kind="stable")
    turns = turns[order]
    order = order[: turns.searchsorted(1.0)]
    turns, jumps = turns[: len(order)], 2 * alpha * np.abs(step[opposed[order]])
    if required is not None:
        jumps[required[opposed[order]] != 0] = np.inf
    # The slope just after each kink: the first that is not negative ends the descent there, unless
    # the slope had changed sign on the way to it.
    after = slope + curvature * turns + jumps.cumsum()
    rising = (after >= 0).nonzero()[0]
    last = rising[0] if len(rising) else len(turns)
    passed = slope + jumps[:last].sum()
    limit = turns[last] if last < len(turns) else 1.0
    if passed + curvature * limit > 0 and curvature > 0:
        return _Move(float(-passed / curvature), False)
    return _Move(float(limit), last == len(turns) == 0)


class _ActiveSet:
    """The columns with a sign, and the Cholesky factor of their ridged Gram matrix.

    The factor follows the set: columns enter at the end, and when some leave only what is behind
    the first of them is factored again. Columns leave soon after they entered, as a rule.
    """

    def __init__(self, gram: Array, indices: NDArray[np.intp]):
        self.all_gram = gram
        self.indices = np.empty(0, dtype=np.intp)
        self.ridge = PROXIMAL_RIDGE * max(np.trace(gram) / len(gram), np.finfo(float).tiny)
        # Room for what enters later: leaving and entering then move little memory.
        self._gram, self._lower = np.empty((0, 0)), np.empty((0, 0))
        self.append(indices)

    @property
    def gram(self) -> Array:
        """Gram matrix of the active columns."""
        k = len(self.indices)
        return self._gram[:k, :k]

    def append(self, entering: NDArray[np.intp]) -> None:
        """Let columns enter."""
        known = len(self.indices)
        self.indices = np.concatenate([self.indices, entering])
        size = len(self.indices)
        self._make_room(known, size)
        beside = self.all_gram[self.indices[:known, None], entering]
        self._gram[:known, known:size] = beside
        self._gram[known:size, :known] = beside.T
        self._gram[known:size, known:size] = self.all_gram[entering[:, None], entering]
        if known:
            # LAPACK itself: the checks around so many small systems cost more than these do.
            below, _ = dtrtrs(self._lower[:known, :known], beside, lower=1)
            self._lower[known:size, :known] = below.T
        self._factor(known)

    def _make_room(self, known: int, size: int) -> None:
        if size <= len(self._gram):
            return
        for name in ("_gram", "_lower"):
            larger = np.zeros((size + size // 2, size + size // 2))
            larger[:known, :known] = getattr(self, name)[:known, :known]
            setattr(self, name, larger)

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Let the others leave."""
        size, places = len(kept), kept.nonzero()[0]
        left = len(places)
        if left == size:
            return
        first = int(kept.argmin())
        moved = places[first:]
        self._gram[first:left, :size] = self._gram[moved, :size]
        self._gram[:left, first:left] = self._gram[:left, moved]
        self._lower[first:left, :first] = self._lower[moved, :first]
        self.indices = self.indices[kept]
        self._factor(first)

    def _factor(self, known: int) -> None:
        """Factor behind the first ``known`` columns, whose rows are complete."""
        size = len(self.indices)
        while known < size:
            left = self._lower[known:size, :known]
            rest = self._gram[known:size, known:size] - left @ left.T
            rest.flat[:: len(rest) + 1] += self.ridge
            factor, failed = dpotrf(rest, lower=1, clean=1)
            if not failed:
                self._lower[known:size, known:size] = factor
                return
            # Rounding made a singular matrix indefinite. Every ridge has the same fixed point; a
            # larger one only takes more steps to reach it.
            self.ridge *= 10
            known = 0

    def proximal_step(self, residual: Array) -> Array:
        """``(gram + ridge)⁻¹ residual``."""
        k = len(self.indices)
        return dpotrs(self._lower[:k, :k], residual, lower=1)[0]


def _pushes(gradient: Array, required: NDArray | None) -> Array:
    """What ``alpha`` limits: the gradient, or where a sign is required that towards it."""
    size = np.abs(gradient)
    return size if required is None else np.where(required == 0, size, -required * gradient)


def _violators(
    coef: Array, gradient: Array, allowed: float, at_most: int, required: NDArray | None
) -> NDArray[np.intp]:
    """The zero coefficients whose gradient is beyond ``allowed`` by most, worst first.

    Where a sign is required, only a gradient that pushes that way counts.
    """
    size = np.where(coef == 0, _pushes(gradient, required), 0.0)
    # Rounded: dependent columns have equal gradients, and rounding must not choose among them.
    beyond = (size > allowed).nonzero()[0]
    worst = (-np.round(size[beyond] / allowed, 9)).argsort(kind="stable")[:at_most]
    return beyond[worst]


@dataclass(frozen=True)
class Enough:
    """When a solution is good enough: its duality gap is at most ``accuracy``.

    The quadratic is half the squared length of a residual; ``half_square`` is that of the target.
    """

    accuracy: float
    half_square: float

    def is_met(
        self, coef: Array, gradient: Array, linear: Array, alpha: float, largest: float
    ) -> bool:
        """Whether it is, at coefficients with this gradient of the quadratic.

        ``largest`` is the largest gradient that counts: the residual times ``alpha`` over it is a
        dual point.
        """
        fitted = float(linear @ coef)
        half_residual = self.half_square + 0.5 * (float(gradient @ coef) - fitted)
        shrink = min(1.0, alpha / largest) if largest > 0 else 1.0
        bound = shrink * (2 * self.half_square - fitted) - shrink**2 * half_residual
        return half_residual + alpha * np.abs(coef).sum() - bound <= self.accuracy


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
    required = signs if signs is not None and signs.any() else None
    coef = coef.copy() if required is None else np.where(required * coef < 0, 0.0, coef)
    if len(coef) == 0:
        return coef
    rounding = ROUNDING * np.finfo(float).eps * np.abs(gram).max()
    active = _ActiveSet(gram, np.flatnonzero(coef))
    entering = ENTER_AT_ONCE
    _descend(active, coef, linear, alpha, rounding, required)
    for _ in range(MAX_ROUNDS):
        gradient = gram @ coef - linear
        if enough is not None:
            largest = float(_pushes(gradient, required).max())
            if enough.is_met(coef, gradient, linear, alpha, largest):
                return coef
        allowed = (1 + STATIONARITY_TOLERANCE) * alpha + rounding * np.abs(coef).sum()
        violators = _violators(coef, gradient, allowed, entering, required)
        if len(violators) == 0:
            return coef
        active.append(violators)
        if _descend(active, coef, linear, alpha, rounding, required):
            entering = min(2 * entering, ENTER_AT_ONCE)
        elif entering == 1:
            return coef  # not even one makes progress: the rest is rounding
        else:
            entering = 1
    return coef


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
    coef = coef.copy()
    kept: list[int] = []
    lower = np.zeros_like(gram)
    for column in np.flatnonzero(coef):
        known = len(kept)
        factor = lower[:known, :known]
        row = solve_triangular(factor, gram[kept, column], lower=True) if known else np.empty(0)
        left = gram[column, column] - row @ row
        if left > DEPENDENT * gram[column, column]:
            lower[known, :known], lower[known, known] = row, np.sqrt(left)
            kept.append(int(column))
            continue
        combination = solve_triangular(factor, row, lower=True, trans="T") if known else row
        _take_out(coef, int(column), kept, combination)
        if coef[column] != 0.0:  # another one vanished first: this one takes its place
            kept = [k for k in [*kept, int(column)] if coef[k] != 0.0]
            lower[: len(kept), : len(kept)] = _factor_with_ridge(gram[np.ix_(kept, kept)])
    return coef


def _factor_with_ridge(gram: Array) -> Array:
    """The Cholesky factor of a matrix that rounding may have made indefinite.

    With the least ridge that helps: with more of it a column that depends on others counts as
    independent, and stays.
    """
    ridge = np.finfo(float).eps * np.trace(gram)
    while True:
        lower, failed = dpotrf(gram + ridge * np.eye(len(gram)), lower=1, clean=1)
        if not failed:
            return lower
        ridge *= 10


def _take_out(coef: Array, column: int, others: list[int], combination: Array) -> None:
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


def _descend(
    active: _ActiveSet,
    coef: Array,
    linear: Array,
    alpha: float,
    rounding: float,
    required: NDArray | None,
) -> bool:
    """Optimise the active coefficients in place; those at zero leave. False without progress."""
    z, target = coef[active.indices], linear[active.indices]
    slope = active.gram @ z - target
    sign = np.where(z != 0, np.sign(z), -np.sign(slope))
    progress, refinements = False, 0
    for _ in range(MAX_ROUNDS):
        if len(z) == 0 or refinements > MAX_REFINEMENTS:
            break
        residual = -slope - alpha * sign
        # Down to rounding: a column that depends on the active ones can be told from a violator
        # only if these are solved much better than it is judged.
        if np.abs(residual).max() <= rounding * np.abs(z).sum():
            break
        step = active.proximal_step(residual)
        own = None if required is None else required[active.indices]
        if own is not None and np.any(wrong := (z == 0) & (own * step < 0)):
            # Of several that enter together some may be of no use beside the others. Without the
            # others each would move as required: one at a time they get on.
            if np.all(z[~wrong]):
                break
            active.keep(~wrong)
            z, target, sign, slope = z[~wrong], target[~wrong], sign[~wrong], slope[~wrong]
            continue
        curvature = float(step @ active.gram @ step)
        move = _line_search(z, step, float(slope @ step), curvature, alpha, own)
        if move.length == 0.0:
            break
        progress, refinements = True, refinements + 1 if move.full else 0
        moved = z + move.length * step
        moved[np.abs(moved) <= 8 * np.finfo(float).eps * np.abs(z)] = 0.0
        if own is not None:
            moved[own * moved < 0] = 0.0
        stays = moved != 0
        coef[active.indices] = moved
        z, target, sign = moved[stays], target[stays], np.sign(moved[stays])
        if not stays.all():
            active.keep(stays)
        slope = active.gram @ z - target
    if not np.all(z):
        active.keep(z != 0)
    return progress
