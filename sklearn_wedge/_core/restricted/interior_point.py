"""The restricted problem handed to CVXPY: slower, and independent of everything else here."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.losses import (
    FAILED,
    ONE_AT_A_TIME,
    Loss,
    SmoothLoss,
    Units,
    solve_in_place,
)
from sklearn_wedge._core.restricted.columns import Columns, Optimum, RestrictedProblem
from sklearn_wedge._core.rows import Kept, OneChunk

if TYPE_CHECKING:
    import cvxpy

Array = NDArray[np.float64]

# Columns are scaled to unit length, but not by more than the inverse of this.
SHORTEST = 1e-3
# Asked of the interior-point method; it may stop short of them and say so. Then, on dependent
# columns, it often gets closer with less regularisation, and sometimes fails.
TOLERANCES = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
ATTEMPTS = ({}, {"static_regularization_constant": 1e-10})
# Fraction of the objective that setting coefficients to zero may cost; for a loss with kinks the
# solver itself often stops further off.
LOST_TO_ZEROS = 1e-8
LOST_TO_ZEROS_WITH_KINKS = 2e-7
# Coefficients whose penalty is a smaller part of the loss are not told from zero by their size.
NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class _Statement:
    """The restricted problem in CVXPY, in units, with its variables.

    ``reached`` is the constraint whose multiplier is the dual point; None if the dual point is a
    gradient.
    """

    problem: cvxpy.Problem
    coef: cvxpy.Variable
    intercept: cvxpy.Variable
    length: Array
    units: Units
    reached: cvxpy.Constraint | None

    def read(self, q: int) -> tuple[Array, Array, Array | None]:
        """Coefficients (m, q), intercept (q,) and multipliers (n, q), as found by a solver."""
        units = self.units
        found = self.coef.value.reshape(-1, q)[: len(self.length)]
        coef = units.spread * found / self.length[:, None]
        intercept = units.centre + units.spread * self.intercept.value.ravel()
        if self.reached is None:
            return coef, intercept, None
        multipliers = np.reshape(self.reached.dual_value, (-1, q))
        return coef, intercept, multipliers * (units.worth / units.spread)


class InteriorPoint(RestrictedProblem[Columns, Loss]):
    """Any loss with a CVXPY expression, solved by CLARABEL, of rows in one chunk."""

    rows: OneChunk

    def solve(
        self,
        columns: Columns,
        alpha: float,
        coef: Array,
        intercept: Array,
        accuracy: float = 0.0,
        smoothed: float | None = None,
    ) -> Optimum:
        """Optimal coefficients and intercept.

        Raises
        ------
        RuntimeError
            If the solver fails.
        """
        smooth = isinstance(self.loss, SmoothLoss)
        if len(columns) == 0 and smooth:
            constant = self._constant_model()
            return self.at_gradient(columns, coef, constant)
        best = min(self._attempts(columns, alpha), key=lambda attempt: attempt[0])
        objective, coef, intercept, multipliers = best
        if smooth:
            dual = self.at_gradient(columns, coef, intercept).dual
        else:
            chunk = self.rows.chunk
            dual = [self.loss.within_domain(multipliers, chunk.target, chunk.weight)]
        if len(columns) == 0:
            intercept = self._constant_model()
        zero = self._are_zero(columns, alpha, coef, intercept, dual)
        lost = LOST_TO_ZEROS if smooth else LOST_TO_ZEROS_WITH_KINKS
        allowed = objective + lost * abs(objective)
        sparse = np.where(zero[:, None], 0.0, coef), intercept
        if not self._is_within(allowed, columns, alpha, *sparse):
            # Where the solver stopped early, the others have to make up for what zeros cost. If it
            # fails on these, there is a solution without zeros.
            with suppress(RuntimeError):
                sparse = self._on_some(columns, alpha, ~zero)
        if self._is_within(allowed, columns, alpha, *sparse):
            coef, intercept = sparse
        if smooth:
            return self.at_gradient(columns, coef, intercept)
        return Optimum(coef, intercept, self.predict(columns, coef, intercept), dual)

    def _constant_model(self) -> Array:
        return self.loss.constant_model(self.rows.chunk.target, self.rows.chunk.weight)

    def _attempts(
        self, columns: Columns, alpha: float
    ) -> list[tuple[float, Array, Array, Array | None]]:
        """Objective, coefficients, intercept and multipliers of every attempt that ended well."""
        import cvxpy

        with ONE_AT_A_TIME:  # CVXPY numbers its variables
            statement, found = self._statement(columns, alpha), []
        for settings in ATTEMPTS:
            status = solve_in_place(statement.problem, **TOLERANCES, **settings)
            if statement.intercept.value is not None and status != FAILED:
                coef, intercept, multipliers = statement.read(len(self.target_mean))
                coef = columns.feasible(coef)
                reached = self.objective(self.predict(columns, coef, intercept), coef, alpha)
                found.append((reached, coef, intercept, multipliers))
            if status == cvxpy.OPTIMAL:
                break
        if not found:
            raise RuntimeError(_failure(len(columns), alpha))
        return found

    def _statement(self, columns: Columns, alpha: float) -> _Statement:
        import cvxpy

        chunk = self.rows.chunk
        target, weight, activations = chunk.target, chunk.weight, columns.activations.values(chunk)
        n, q = target.shape
        # Columns of unit length: a better conditioned problem.
        length = np.sqrt(activations**2 @ weight)
        length = np.maximum(length, (SHORTEST * length.max(initial=0.0)) or 1.0)
        single = q == 1
        # Without columns one of zeros takes their place: there are no variables of size 0.
        scaled = activations / length[:, None] if len(columns) else np.zeros((1, n))
        z = cvxpy.Variable(len(scaled) if single else (len(scaled), q))
        t = cvxpy.Variable(1 if single else (1, q))
        network = scaled.T @ z + (t if single else np.ones((n, 1)) @ t)
        constraints, reached = _of_signs(z, columns.signs), None
        if not isinstance(self.loss, SmoothLoss):
            prediction = cvxpy.Variable(network.shape)
            reached = prediction == network
            constraints, network = [*constraints, reached], prediction
        units = self.loss.units(target, weight)
        target = target[:, 0] if single else target
        losses = self.loss.expression(units.centre + units.spread * network, target)
        if losses.ndim == 2:
            losses = cvxpy.sum(losses, axis=1)
        sizes = cvxpy.abs(z) if single else cvxpy.norm(z, 2, axis=1)
        objective = weight @ losses / units.worth
        if len(columns):
            objective += alpha * units.spread / units.worth * (sizes @ (1 / length))
        problem = cvxpy.Problem(cvxpy.Minimize(objective), constraints)
        return _Statement(problem, z, t, length, units, reached)

    def _is_within(
        self, allowed: float, columns: Columns, alpha: float, coef: Array, intercept: Array
    ) -> bool:
        return self.objective(self.predict(columns, coef, intercept), coef, alpha) <= allowed

    def _on_some(
        self, columns: Columns, alpha: float, some: NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        """Coefficients that are zero but for some columns, and the intercept, solved anew."""
        coef = np.zeros((len(columns), len(self.target_mean)))
        attempts = self._attempts(columns.take(some), alpha)
        _, coef[some], intercept, _ = min(attempts, key=lambda attempt: attempt[0])
        return coef, intercept

    def _are_zero(
        self, columns: Columns, alpha: float, coef: Array, intercept: Array, dual: Kept
    ) -> NDArray[np.bool_]:
        """An interior point has no zeros: those where the dual constraint is slack are meant."""
        slack = 1 - columns.values(self.products(columns, dual)[0]) / alpha
        # In units of the largest one; if that is next to nothing, of what the loss would allow.
        loss = self.objective(self.predict(columns, coef, intercept), coef, 0.0)
        size = np.linalg.norm(coef, axis=1)
        unit = max(size.max(initial=0.0), NEGLIGIBLE * abs(loss) / alpha)
        return size / unit < slack if unit > 0 else np.zeros(len(size), dtype=bool)


def _of_signs(z: cvxpy.Variable, signs: NDArray[np.int8]) -> list[cvxpy.Constraint]:
    """Constraints on the coefficients whose sign is given."""
    up, down = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    constraints = [z[up] >= 0] if len(up) else []
    return constraints + ([z[down] <= 0] if len(down) else [])


def _failure(n_columns: int, alpha: float) -> str:
    return (
        f"CVXPY (CLARABEL) failed on a restricted problem of {n_columns} columns at alpha={alpha:g}"
        ". Use solver='auto', a larger alpha, or standardize=True if it is off."
    )
