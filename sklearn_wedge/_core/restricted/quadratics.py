"""Quadratics in the coefficients of several outputs, and their Newton systems.

The Hessian of ``Z·HZ/2 + α Σ_j ‖z_j‖₂`` at rows that are not zero is ``H`` plus, on each row,
``α/‖z‖ (I - uuᵀ)`` with ``u = z/‖z‖``. Where outputs do not interact, ``H + α/‖z‖ I`` falls apart
into a matrix for each output (or one for all), and what is left, ``-α/‖z‖ uuᵀ`` of every row, has
as many dimensions as there are rows: the Sherman-Morrison-Woodbury formula solves the system with
matrices of the size of one output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky
from scipy.linalg.lapack import dpotrf, dpotri

from sklearn_wedge._core import kernels

Array = NDArray[np.float64]

# Steps of iterative refinement of a solution by the formula.
REFINEMENTS = 2
# Entries of rows in use up to which one matrix takes less time than the formula.
FEW_ENTRIES = 200


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

    def solve(self, right: Array, ridge: float) -> Array:
        """The solution, (k, q), with the least ridge from this one on that makes it definite.

        The ridge is relative to the median of the diagonal: rows that are nearly zero have a huge
        one.
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
        """The operator on some rows with the curvature of the penalty."""

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
        grams, (k, q) = self.grams[:, rows[:, None], rows], penalty.unit.shape
        if k * q > FEW_ENTRIES:
            return _SystemByOutput(grams, penalty)
        dense = np.zeros((k, q, k, q))
        outputs = np.arange(q)
        dense[:, outputs, :, outputs] = grams
        return _dense(dense, penalty)

    @property
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

    @property
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


def _inverse(matrix: Array) -> Array:
    """That of a positive definite matrix, in a bit more than half the time of a solution."""
    factor, failed = dpotrf(matrix, lower=1, clean=0)
    if failed:
        raise LinAlgError("The matrix is not positive definite.")
    lower = np.tril(dpotri(factor, lower=1, overwrite_c=1)[0])
    return lower + np.tril(lower, -1).T


@dataclass(frozen=True)
class _Dense:
    """A Newton system as one matrix, (k q, k q)."""

    matrix: Array

    def solve(self, right: Array, ridge: float) -> Array:
        """See ``NewtonSystem``."""
        size = _ridge_unit(np.diag(self.matrix))
        while True:
            try:
                ridged = self.matrix + ridge * size * np.eye(len(self.matrix))
                factor = cholesky(ridged, lower=True, check_finite=False)
                solution = cho_solve((factor, True), right.ravel(), check_finite=False)
                return solution.reshape(right.shape)
            except LinAlgError:
                ridge *= 10


@dataclass(frozen=True)
class _SystemByOutput:
    """A Newton system of outputs that do not interact, solved by the formula of Woodbury.

    Attributes
    ----------
    grams : ndarray of shape (1, k, k) or (q, k, k)
        One for all outputs or one for each.
    penalty : GroupCurvature
    """

    grams: Array
    penalty: GroupCurvature

    def solve(self, right: Array, ridge: float) -> Array:
        """See ``NewtonSystem``."""
        own = np.diagonal(self.grams, axis1=1, axis2=2).T
        size = _ridge_unit(own + self.penalty.pull[:, None] * (1 - self.penalty.unit**2))
        while True:
            try:
                return self._solve(right, ridge * size)
            except LinAlgError:
                ridge *= 10

    def _solve(self, right: Array, ridge: float) -> Array:
        unit, pull = self.penalty.unit, self.penalty.pull
        identity = np.eye(len(pull))
        inverses = np.array([_inverse(gram + np.diag(pull + ridge)) for gram in self.grams])
        if len(inverses) == 1:
            explained = inverses[0] * (unit @ unit.T)
        else:
            explained = np.einsum("akl,ka,la->kl", inverses, unit, unit)
        # In units in which its diagonal is at most 1.
        root = np.sqrt(pull)
        left = cho_factor(identity - root[:, None] * explained * root)

        def approximately(rest: Array) -> Array:
            first = _by_output(inverses, rest)
            along = root * cho_solve(left, root * (unit * first).sum(axis=1))
            return first + _by_output(inverses, along[:, None] * unit)

        solution = approximately(right)
        for _ in range(REFINEMENTS):
            product = _by_output(self.grams, solution) + self.penalty.times(solution)
            solution = solution + approximately(right - product - ridge * solution)
        return solution
