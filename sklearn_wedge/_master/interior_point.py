"""The restricted problem handed to CVXPY: slower, and independent of everything else here."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._master.columns import ByActivations, Columns

Array = NDArray[np.float64]

# Asked of the interior-point method; it may stop short of them and say so.
TOLERANCES = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
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
        z, t = cvxpy.Variable(len(columns)), cvxpy.Variable()
        prediction = columns.activations.T @ z + t
        losses = self.loss.expression(prediction, self.target[:, 0])
        problem = cvxpy.Problem(cvxpy.Minimize(self.weight @ losses + alpha * cvxpy.norm1(z)))
        with warnings.catch_warnings():
            # Tolerances that rounding does not allow: the duality gap of the fit says how far.
            warnings.filterwarnings("ignore", "Solution may be inaccurate")
            try:
                problem.solve(solver=cvxpy.CLARABEL, **TOLERANCES)
            except cvxpy.SolverError as error:
                raise RuntimeError(_failure(len(columns), alpha)) from error
        if z.value is None:
            raise RuntimeError(_failure(len(columns), alpha))
        coef, intercept = np.asarray(z.value)[:, None], np.array([float(t.value)])
        return self._without_zeros(columns, alpha, coef, intercept), intercept

    def _without_zeros(
        self, columns: Columns, alpha: float, coef: Array, intercept: Array
    ) -> Array:
        """An interior point has no zeros: those where the dual constraint is slack become one."""
        prediction = columns.predict(coef, intercept)
        dual = self.loss.dual_point(prediction, self.target, self.weight)
        slack = 1 - np.abs(columns.activations @ dual)[:, 0] / alpha
        # In units of the largest one; if that is next to nothing, of what the loss would allow.
        loss = self.loss.value(prediction, self.target, self.weight)
        size = np.abs(coef[:, 0]) / max(np.abs(coef).max(), NEGLIGIBLE * loss / alpha)
        return np.where((size < slack)[:, None], 0.0, coef)


def _failure(n_columns: int, alpha: float) -> str:
    return (
        f"CVXPY (CLARABEL) failed on a restricted problem of {n_columns} columns at alpha={alpha:g}"
        ". Use solver='auto', a larger alpha, or standardize=True if it is off."
    )
