"""The restricted problem handed to CVXPY: slower, and independent of everything else here."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._master.columns import ByActivations, Columns

if TYPE_CHECKING:
    import cvxpy

Array = NDArray[np.float64]

# Columns are scaled to unit length, but not by more than the inverse of this.
SHORTEST = 1e-3
# Asked of the interior-point method; it may stop short of them and say so. Then, on dependent
# columns, it often gets closer with less regularisation, and sometimes fails.
TOLERANCES = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
ATTEMPTS = ({}, {"static_regularization_constant": 1e-10})
FAILED = "failed"
# Fraction of the objective that setting coefficients to zero may cost.
LOST_TO_ZEROS = 1e-8
# Coefficients whose penalty is a smaller part of the loss are not told from zero by their size.
NEGLIGIBLE = 1e-6


class InteriorPoint(ByActivations):
    """Any loss with a CVXPY expression, solved by CLARABEL."""

    def solve(
        self, columns: Columns, alpha: float, coef: Array, intercept: Array
    ) -> tuple[Array, Array]:
        """Optimal coefficients (m, 1) and intercept (1,).

        Raises
        ------
        RuntimeError
            If the solver fails.
        """
        import cvxpy

        if len(columns) == 0:
            return coef, self.loss.constant_model(self.target, self.weight)
        # Columns of unit length: a better conditioned problem.
        length = np.sqrt(columns.activations**2 @ self.weight)
        length = np.maximum(length, (SHORTEST * length.max()) or 1.0)
        z, t = cvxpy.Variable(len(columns)), cvxpy.Variable()
        prediction = (columns.activations / length[:, None]).T @ z + t
        losses = self.loss.expression(prediction, self.target[:, 0])
        problem = cvxpy.Problem(
            cvxpy.Minimize(self.weight @ losses + alpha * cvxpy.abs(z) @ (1 / length)),
            _of_signs(z, columns.signs),
        )
        found = []
        for settings in ATTEMPTS:
            status = _solve(problem, settings)
            if z.value is not None and status != FAILED:
                coef = columns.feasible((z.value / length)[:, None])
                intercept = np.array([float(t.value)])
                reached = self.objective(columns.predict(coef, intercept), coef, alpha)
                found.append((reached, coef, intercept))
            if status == cvxpy.OPTIMAL:
                break
        if not found:
            raise RuntimeError(_failure(len(columns), alpha))
        objective, coef, intercept = min(found, key=lambda attempt: attempt[0])
        sparse = self._without_zeros(columns, alpha, coef, intercept)
        # Where the solver stopped early, small and zero cannot be told apart.
        cost = self.objective(columns.predict(sparse, intercept), sparse, alpha) - objective
        return (sparse if cost <= LOST_TO_ZEROS * objective else coef), intercept

    def _without_zeros(
        self, columns: Columns, alpha: float, coef: Array, intercept: Array
    ) -> Array:
        """An interior point has no zeros: those where the dual constraint is slack become one."""
        prediction = columns.predict(coef, intercept)
        dual = self.loss.dual_point(prediction, self.target, self.weight)
        slack = 1 - columns.values(dual) / alpha
        # In units of the largest one; if that is next to nothing, of what the loss would allow.
        loss = self.loss.value(prediction, self.target, self.weight)
        size = np.abs(coef[:, 0]) / max(np.abs(coef).max(), NEGLIGIBLE * loss / alpha)
        return np.where((size < slack)[:, None], 0.0, coef)


def _of_signs(z: cvxpy.Variable, signs: NDArray[np.int8]) -> list[cvxpy.Constraint]:
    """Constraints on the coefficients whose sign is given."""
    up, down = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    constraints = [z[up] >= 0] if len(up) else []
    return constraints + ([z[down] <= 0] if len(down) else [])


def _solve(problem: cvxpy.Problem, settings: dict[str, float]) -> str:
    """Solve in place; how that ended."""
    import cvxpy

    with warnings.catch_warnings():
        # Tolerances that rounding does not allow: the duality gap of the fit says how far.
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        try:
            problem.solve(solver=cvxpy.CLARABEL, **TOLERANCES, **settings)
        except cvxpy.SolverError:
            return FAILED
    return problem.status


def _failure(n_columns: int, alpha: float) -> str:
    return (
        f"CVXPY (CLARABEL) failed on a restricted problem of {n_columns} columns at alpha={alpha:g}"
        ". Use solver='auto', a larger alpha, or standardize=True if it is off."
    )
