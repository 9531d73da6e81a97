"""Quadratic models of a smooth loss, minimised with the penalty: one step of proximal Newton.

With curvatures ``W_i`` of the samples, the model in the prediction ``f`` is
``Σ_i f_i·W_i f_i / 2 - r_i·f_i`` with the response ``r_i = W_i f_i + v_i`` at the current point.
The intercept is eliminated, so that only the coefficients are iterated on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._master.active_set import solve_quadratic_l1
from sklearn_wedge._master.columns import Columns
from sklearn_wedge._master.groups import AcrossOutputs, solve_quadratic_groups

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SingleModel:
    """The model for one output.

    Attributes
    ----------
    columns : Columns
        m of them.
    curvature : ndarray of shape (n,)
    relative : ndarray of shape (n,)
        Current prediction minus intercept.
    dual : ndarray of shape (n,)
        Minus the gradient of the mean loss.
    """

    columns: Columns
    curvature: Array
    relative: Array
    dual: Array

    def minimiser(self, alpha: float, coef: Array) -> tuple[Array, Array]:
        """Coefficients (m, 1), started from ``coef``, and the shift of the intercept, (1,)."""
        activations, total = self.columns.activations, self.curvature.sum()
        means = activations @ (self.curvature / total)
        centred = activations - means[:, None]
        gram = (centred * self.curvature) @ centred.T
        # Curvature times working response; the response itself may be huge where there is none.
        response = self.curvature * self.relative + self.dual
        signs = self.columns.signs
        single = solve_quadratic_l1(gram, centred @ response, alpha, coef[:, 0], signs)
        shift = response.sum() / total - means @ single
        return single[:, None], np.array([shift])


@dataclass(frozen=True)
class VectorModel:
    """The model for several outputs, with shared columns.

    Attributes
    ----------
    activations : ndarray of shape (m, n)
    curvature : ndarray of shape (n, q) or (n, q, q)
    relative, dual : ndarrays of shape (n, q)
        As for one output.
    """

    activations: Array
    curvature: Array
    relative: Array
    dual: Array

    def minimiser(self, alpha: float, coef: Array) -> tuple[Array, Array]:
        """Coefficients (m, q), started from ``coef``, and the shift of the intercept, (q,)."""
        total = self._weighted_sum(np.ones((1, len(self.dual))))[0]
        if self._interact:
            # Only differences of outputs count; their mean has no curvature and stays.
            total = total + np.trace(total) / total.size
        inverse = np.linalg.inv(total)
        size = (
            np.trace(self.curvature, axis1=1, axis2=2)
            if self._interact
            else (self.curvature.sum(axis=1))
        )
        means = self.activations @ (size / size.sum())
        centred = self.activations - means[:, None]
        tensor, moments = self._cross_products(centred), self._weighted_sum(centred)
        response = self._times_curvature(self.relative) + self.dual
        rest = inverse @ response.sum(axis=0)
        explained = np.einsum("jab,bc->jac", moments, inverse)
        tensor = tensor - np.einsum("jac,kcb->jakb", explained, moments.transpose(0, 2, 1))
        tensor = (tensor + tensor.transpose(2, 3, 0, 1)) / 2
        linear = centred @ response - np.einsum("jab,b->ja", moments, rest)
        coef = solve_quadratic_groups(AcrossOutputs(tensor), linear, alpha, coef)
        shift = rest - inverse @ np.einsum("jab,ja->b", moments, coef) - means @ coef
        return coef, shift

    @property
    def _interact(self) -> bool:
        return self.curvature.ndim == 3

    def _times_curvature(self, prediction: Array) -> Array:
        if self._interact:
            return np.einsum("iab,ib->ia", self.curvature, prediction)
        return self.curvature * prediction

    def _weighted_sum(self, activations: Array) -> Array:
        """``Σ_i h_i W_i`` for rows of activations, (m, q, q)."""
        n, q = self.dual.shape
        if self._interact:
            return (activations @ self.curvature.reshape(n, q * q)).reshape(-1, q, q)
        return (activations @ self.curvature)[:, :, None] * np.eye(q)

    def _cross_products(self, activations: Array) -> Array:
        """``Σ_i h_ij W_i h_ik``, (m, q, m, q)."""
        m, q = len(activations), self.dual.shape[1]
        tensor = np.zeros((m, q, m, q))
        if not self._interact:
            for a in range(q):
                tensor[:, a, :, a] = (activations * self.curvature[:, a]) @ activations.T
            return tensor
        for a, b in combinations_with_replacement(range(q), 2):
            tensor[:, a, :, b] = (activations * self.curvature[:, a, b]) @ activations.T
            tensor[:, b, :, a] = tensor[:, a, :, b]
        return tensor
