"""Quadratics in the coefficients of several outputs, and their Newton systems.

The Hessian of ``Z·HZ/2 + α Σ_j ‖z_j‖₂`` at rows that are not zero is ``H`` plus, on each row,
``α/‖z‖ (I - uuᵀ)`` with ``u = z/‖z‖``. Where outputs do not interact, ``H + α/‖z‖ I`` falls apart
into a matrix for each output (or one for all), and what is left, ``-α/‖z‖ uuᵀ`` of every row, has
as many dimensions as there are rows: the Sherman-Morrison-Woodbury formula solves the system with
matrices of the size of one output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from sklearn_wedge._core import kernels

Array = NDArray[np.float64]

# Steps of iterative refinement of a solution by the formula, at most; a residual of so much of the
# right side needs none.
REFINEMENTS, EXACTLY = 2, 1e-12
# Entries of rows in use up to which one matrix takes less time than the formula.
FEW_ENTRIES = 200
# The square of outputs times rows that stay, per matrix and row in use, up to which a Schur
# complement takes less time than factors of the other rows.
MOST_STAYING = 0.25


@dataclass(frozen=True)
class GroupCurvature:
    """The second derivative of ``α Σ_j ‖z_j‖₂`` at k rows that are not zero.

    Attributes
    ----------
    unit : ndarray of shape (k, q)
        The rows with unit length.
    pull : ndarray of shape (k,)
        ``α`` over the length of each row.
    """

    unit: Array
    pull: Array

    def times(self, coef: Array) -> Array:
        """Its product with rows, (k, q)."""
        along = (self.unit * coef).sum(axis=1, keepdims=True)
        return self.pull[:, None] * (coef - along * self.unit)


class NewtonSystem(Protocol):
    """``H`` plus the curvature of the penalty, on some rows."""

    def solve(self, right: Array, ridge: float, staying: NDArray[np.bool_] | None = None) -> Array:
        """The solution, (k, q), with the least ridge from this one on that makes it definite.

        The ridge is relative to the median of the diagonal of all rows, those that stay included:
        rows that are nearly zero have a huge one. Rows that stay, where a mask (k,) is true, are
        zero and have no equation.

        Raises
        ------
        ValueError
            If the system is not finite.
        """


class Quadratic(Protocol):
    """A positive semi-definite operator on (m, q) arrays.

    Attributes
    ----------
    sweeps : int
        Steps on all rows before a Newton step: as many as take little beside it.
    """

    sweeps: ClassVar[int]

    def times(self, coef: Array) -> Array:
        """``HZ``, (m, q)."""

    def step_on_rows(
        self, rows: NDArray[np.intp], alpha: float, coef: Array, gradient: Array
    ) -> None:
        """Lower ``Z·HZ/2 - B·Z + α Σ_j ‖z_j‖₂`` in one row after the other, in place.

        Each goes to the minimum, or to that of a majoriser. The gradient is that of the smooth
        part, (m, q), before and after.
        """

    def newton_system(self, rows: NDArray[np.intp], penalty: GroupCurvature) -> NewtonSystem:
        """The operator on some rows with the curvature of the penalty; good until the next one."""

    @property
    def size(self) -> float:
        """Largest entry."""


@dataclass(frozen=True)
class ByOutput:
    """``H`` with a Gram matrix for each output, (q, m, m), or one for all, (1, m, m)."""

    sweeps: ClassVar[int] = 5
    grams: Array

    def times(self, coef: Array) -> Array:
        """``HZ``, (m, q)."""
        return _by_output(self.grams, coef)

    def step_on_rows(
        self, rows: NDArray[np.intp], alpha: float, coef: Array, gradient: Array
    ) -> None:
        """See ``Quadratic``."""
        kernels.groups.step_on_rows(kernels.ready(self.grams), alpha, rows, coef, gradient)

    def newton_system(self, rows: NDArray[np.intp], penalty: GroupCurvature) -> NewtonSystem:
        """The operator on some rows with the curvature of the penalty."""
        k, q = penalty.unit.shape
        if k * q > FEW_ENTRIES:
            return _SystemByOutput(self.grams, rows, penalty, self._room)
        dense, outputs = np.zeros((k, q, k, q)), np.arange(q)
        dense[:, outputs, :, outputs] = self.grams[:, rows[:, None], rows]
        return _dense(dense, penalty)

    @cached_property
    def _room(self) -> tuple[Array, Array]:
        """For inverses of Newton systems, one after the other: new memory takes a third as long."""
        return np.empty(self.grams.size), np.empty(self.grams[0].size)

    @cached_property
    def size(self) -> float:
        """Largest entry."""
        return float(np.abs(self.grams).max(initial=0.0))


@dataclass(frozen=True)
class AcrossOutputs:
    """``H`` as an array of shape (m, q, m, q)."""

    sweeps: ClassVar[int] = 1
    tensor: Array

    def times(self, coef: Array) -> Array:
        """``HZ``, (m, q)."""
        flat = self.tensor.reshape(coef.size, coef.size) @ coef.ravel()
        return flat.reshape(coef.shape)

    @cached_property
    def _curvatures(self) -> Array:
        """The largest curvature along each row, (m,)."""
        rows = np.arange(len(self.tensor))
        return np.linalg.eigvalsh(self.tensor[rows, :, rows])[:, -1]

    def step_on_rows(
        self, rows: NDArray[np.intp], alpha: float, coef: Array, gradient: Array
    ) -> None:
        """See ``Quadratic``: products of matrices take most of the time."""
        for row in map(int, rows):
            z, curvature = coef[row], float(self._curvatures[row])
            if curvature <= 0:
                continue
            without = self.tensor[row, :, row] @ z - gradient[row]
            if sqrt(without @ without) <= alpha:
                new = np.zeros_like(z)
            else:
                pull = curvature * z - gradient[row]
                length = sqrt(pull @ pull)
                new = max(0.0, 1.0 - alpha / length) * pull / curvature if length else 0.0 * z
            change = new - z
            if np.any(change):
                coef[row] = new
                gradient += self.tensor[:, :, row] @ change

    def newton_system(self, rows: NDArray[np.intp], penalty: GroupCurvature) -> NewtonSystem:
        """The operator on some rows with the curvature of the penalty."""
        return _dense(self.tensor[rows][:, :, rows], penalty)

    @cached_property
    def size(self) -> float:
        """Largest entry."""
        return float(np.abs(self.tensor).max(initial=0.0))


def _by_output(matrices: Array, coef: Array) -> Array:
    """Products of one matrix, (1, k, k), or of one for each output, with rows (k, q)."""
    if len(matrices) == 1:
        return matrices[0] @ coef
    return (matrices @ coef.T[:, :, None])[:, :, 0].T


def _ridge_unit(diagonal: Array) -> float:
    return max(float(np.median(diagonal)), np.finfo(float).tiny)


def _dense(dense: Array, penalty: GroupCurvature) -> _Dense:
    """An operator, (k, q, k, q), with the curvature of the penalty, which is added in place."""
    k, q = penalty.unit.shape
    across = np.eye(q) - penalty.unit[:, :, None] * penalty.unit[:, None, :]
    places = np.arange(k)
    dense[places, :, places, :] += penalty.pull[:, None, None] * across
    return _Dense(dense.reshape(k * q, k * q))


def _factor(matrix: Array, lower: int) -> Array:
    """That of Cholesky of a positive definite matrix, which is lost if it is in Fortran order."""
    factor, failed = dpotrf(matrix, lower=lower, clean=0, overwrite_a=1)
    # A larger ridge would not help: before what else failed.
    if not np.isfinite(np.diag(factor)).all():
        raise ValueError("A Newton system must not contain infs or NaNs.")
    if failed:
        raise LinAlgError("The matrix is not positive definite.")
    return factor


def _inverted(matrix: Array) -> Array:
    """The inverse of a positive definite matrix, which is lost: in half the time of a solution."""
    # Symmetric: the transpose is the matrix itself, in the order of LAPACK.
    inverse, failed = dpotri(_factor(matrix.T, lower=1), lower=1, overwrite_c=1)
    if failed:
        raise LinAlgError("The matrix is singular.")
    kernels.groups.mirror(inverse.T)
    return inverse.T


@dataclass(frozen=True)
class _Dense:
    """A Newton system as one matrix, (k q, k q)."""

    matrix: Array

    def solve(self, right: Array, ridge: float, staying: NDArray[np.bool_] | None = None) -> Array:
        """See ``NewtonSystem``."""
        moving = np.ones(right.shape, dtype=bool)
        if staying is not None:
            moving[staying] = False
        places = np.flatnonzero(moving)
        matrix = self.matrix if staying is None else self.matrix[np.ix_(places, places)]
        size, solution = _ridge_unit(np.diag(self.matrix)), np.zeros(right.shape)
        while True:
            try:
                ridged = matrix + ridge * size * np.eye(len(matrix))
                solution[moving] = dpotrs(_factor(ridged, lower=1), right[moving], lower=1)[0]
                return solution
            except LinAlgError:
                ridge *= 10


@dataclass(frozen=True)
class _Inverse:
    """That of a Newton system by the formula of Woodbury, but for rounding.

    Attributes
    ----------
    inverses : ndarray of shape (1, k, k) or (q, k, k)
        Without what rows have less of along themselves.
    unit : ndarray of shape (k, q)
    root : ndarray of shape (k,)
        Of the pull.
    left : ndarray of shape (k, k)
        Upper factor of what is left of the curvature along rows, in units in which its diagonal is
        at most 1.
    """

    inverses: Array
    unit: Array
    root: Array
    left: Array

    @classmethod
    def of(
        cls,
        grams: Array,
        rows: NDArray[np.intp],
        penalty: GroupCurvature,
        ridge: float,
        room: tuple[Array, Array],
    ) -> _Inverse:
        """Of Gram matrices on some rows, in memory that is there.

        Raises
        ------
        LinAlgError
            Where rounding leaves the system indefinite.
        ValueError
            If it is not finite.
        """
        k, root = len(rows), np.sqrt(penalty.pull)
        inverses = room[0][: len(grams) * k * k].reshape(-1, k, k)
        left = room[1][: k * k].reshape(k, k)
        kernels.groups.restrict(kernels.ready(grams), rows, penalty.pull + ridge, inverses)
        for inverse in inverses:
            inverse[:] = _inverted(inverse)
        along = kernels.ready((root[:, None] * penalty.unit).T)
        kernels.groups.left_along(inverses, along, left)
        return cls(inverses, penalty.unit, root, _factor(left.T, lower=0))

    def times(self, right: Array) -> Array:
        """Its product with some right sides, (k, q, s)."""
        return self._completed(self.inverses @ right.transpose(1, 0, 2))

    def columns(self, which: NDArray[np.intp]) -> Array:
        """Those of some of its rows, (k, q, s q)."""
        k, q = self.unit.shape
        first, outputs = np.zeros((q, k, len(which), q)), np.arange(q)
        first[outputs, :, :, outputs] = self.inverses[:, :, which]
        return self._completed(first.reshape(q, k, -1))

    def _completed(self, first: Array) -> Array:
        """A product without what rows have less of along themselves, (q, k, s), with it."""
        along = np.einsum("ka,aks->ks", self.unit, first) * self.root[:, None]
        along = self.root[:, None] * dpotrs(self.left, along, lower=0)[0]
        second = self.inverses @ (self.unit.T[:, :, None] * along)
        return (first + second).transpose(1, 0, 2)


class _SystemByOutput:
    """A Newton system of outputs that do not interact, solved by the formula of Woodbury.

    Parameters
    ----------
    grams : ndarray of shape (1, m, m) or (q, m, m)
        One for all outputs or one for each.
    rows : int ndarray of shape (k,)
        Those in use.
    penalty : GroupCurvature
    room : tuple of ndarrays
        Memory for its inverse: the last one there.
    """

    def __init__(
        self,
        grams: Array,
        rows: NDArray[np.intp],
        penalty: GroupCurvature,
        room: tuple[Array, Array],
    ):
        self.grams, self.rows, self.penalty, self.room = grams, rows, penalty, room
        # The inverse in the memory, with its ridge.
        self._last: tuple[float, _Inverse] | None = None

    def solve(self, right: Array, ridge: float, staying: NDArray[np.bool_] | None = None) -> Array:
        """See ``NewtonSystem``."""
        own = self.grams[:, self.rows, self.rows].T
        size = _ridge_unit(own + self.penalty.pull[:, None] * (1 - self.penalty.unit**2))
        while True:
            try:
                if staying is not None and self._are_many(staying):
                    return self._solve_others(right, ridge * size, staying)
                return self._solve(right, ridge * size, staying)
            except LinAlgError:
                ridge *= 10

    def _are_many(self, staying: NDArray[np.bool_]) -> bool:
        q = self.penalty.unit.shape[1]
        return staying.sum() * q**2 > MOST_STAYING * len(self.grams) * len(self.rows)

    def _solve_others(self, right: Array, ridge: float, staying: NDArray[np.bool_]) -> Array:
        """As a system without the rows that stay, which takes the memory."""
        moving, solution, self._last = ~staying, np.zeros(right.shape), None
        penalty = GroupCurvature(self.penalty.unit[moving], self.penalty.pull[moving])
        others = _SystemByOutput(self.grams, self.rows[moving], penalty, self.room)
        solution[moving] = others._solve(right[moving], ridge, None)
        return solution

    def _solve(self, right: Array, ridge: float, staying: NDArray[np.bool_] | None) -> Array:
        inverse = self._inverse(ridge)
        approximately = inverse.times
        if staying is not None:
            approximately = _but_for(inverse, staying)
            right = np.where(staying[:, None], 0.0, right)
        solution = approximately(right[:, :, None])[:, :, 0]
        for _ in range(REFINEMENTS):
            rest = right - self._times(solution) - ridge * solution
            if staying is not None:
                rest[staying] = 0.0
            if np.abs(rest).max() <= EXACTLY * np.abs(right).max():
                break
            solution = solution + approximately(rest[:, :, None])[:, :, 0]
        return solution

    def _inverse(self, ridge: float) -> _Inverse:
        if self._last is None or self._last[0] != ridge:
            # Even if there is none with this ridge, the last one is overwritten.
            self._last = None
            args = self.grams, self.rows, self.penalty, ridge, self.room
            self._last = ridge, _Inverse.of(*args)
        return self._last[1]

    def _times(self, coef: Array) -> Array:
        whole = np.zeros((self.grams.shape[1], coef.shape[1]))
        whole[self.rows] = coef
        return _by_output(self.grams, whole)[self.rows] + self.penalty.times(coef)


def _but_for(inverse: _Inverse, staying: NDArray[np.bool_]) -> Callable[[Array], Array]:
    """The inverse on the other rows, where some of k stay at zero: by a Schur complement."""
    which = np.flatnonzero(staying)
    effects = inverse.columns(which)
    n_effects = effects.shape[2]
    own = cho_factor(effects[which].reshape(n_effects, -1), lower=True, check_finite=False)

    def on_others(right: Array) -> Array:
        solution = inverse.times(right)
        moved = solution[which].reshape(n_effects, -1)
        solution = solution - effects @ cho_solve(own, moved, check_finite=False)
        solution[which] = 0.0
        return solution

    return on_others
