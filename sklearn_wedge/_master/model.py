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
from sklearn_wedge._master.groups import solve_quadratic_groups
from sklearn_wedge._master.quadratics import AcrossOutputs, SeparateOutputs

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
class SeparateModel:
    """The model for several outputs, with shared columns, that do not interact on a sample.

    Attributes
    ----------
    activations : ndarray of shape (m, n)
    curvature, relative, dual : ndarrays of shape (n, q)
        As for one output.
    """

    activations: Array
    curvature: Array
    relative: Array
    dual: Array

    def minimiser(self, alpha: float, coef: Array) -> tuple[Array, Array]:
        """Coefficients (m, q), started from ``coef``, and the shift of the intercept, (q,)."""
        total = self.curvature.sum(axis=0)
        means = self.activations @ (self.curvature / total)
        response = self.curvature * self.relative + self.dual
        grams, linear = [], np.empty_like(means)
        for k, (curvature, mean) in enumerate(zip(self.curvature.T, means.T, strict=True)):
            centred = self.activations - mean[:, None]
            grams.append((centred * curvature) @ centred.T)
            linear[:, k] = centred @ response[:, k]
        coef = solve_quadratic_groups(SeparateOutputs(np.array(grams)), linear, alpha, coef)
        return coef, response.sum(axis=0) / total - (means * coef).sum(axis=0)


@dataclass(frozen=True)
class InteractingModel:
    """The model for several outputs, with shared columns, that interact on a sample.

    Attributes
    ----------
    activations : ndarray of shape (m, n)
    curvature : ndarray of shape (n, q, q)
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
        # Only differences of outputs count; their mean has no curvature and stays.
        inverse = np.linalg.inv(total + np.trace(total) / total.size)
        size = np.trace(self.curvature, axis1=1, axis2=2)
        means = self.activations @ (size / size.sum())
        centred = self.activations - means[:, None]
        tensor, moments = self._cross_products(centred), self._weighted_sum(centred)
        response = np.einsum("iab,ib->ia", self.curvature, self.relative) + self.dual
        rest = inverse @ response.sum(axis=0)
        explained = np.einsum("jab,bc->jac", moments, inverse)
        tensor = tensor - np.einsum("jac,kcb->jakb", explained, moments.transpose(0, 2, 1))
        tensor = (tensor + tensor.transpose(2, 3, 0, 1)) / 2
        linear = centred @ response - np.einsum("jab,b->ja", moments, rest)
        coef = solve_quadratic_groups(AcrossOutputs(tensor), linear, alpha, coef)
        shift = rest - inverse @ np.einsum("jab,ja->b", moments, coef) - means @ coef
        return coef, shift

    def _weighted_sum(self, activations: Array) -> Array:
        """``Σ_i h_i W_i`` for rows of activations, (m, q, q)."""
        n, q = self.dual.shape
        return (activations @ self.curvature.reshape(n, q * q)).reshape(-1, q, q)

    def _cross_products(self, activations: Array) -> Array:
        """``Σ_i h_ij W_i h_ik``, (m, q, m, q)."""
        m, q = len(activations), self.dual.shape[1]
        tensor = np.empty((m, q, m, q))
        for a, b in combinations_with_replacement(range(q), 2):
            tensor[:, a, :, b] = (activations * self.curvature[:, a, b]) @ activations.T
            tensor[:, b, :, a] = tensor[:, a, :, b]
        return tensor


def quadratic_model(
    columns: Columns, curvature: Array, relative: Array, dual: Array
) -> SingleModel | SeparateModel | InteractingModel:
    """The model of a loss at a point, given by its curvature, (n, q) or (n, q, q)."""
    if curvature.ndim == 3:
        return InteractingModel(columns.activations, curvature, relative, dual)
    if curvature.shape[1] > 1:
        return SeparateModel(columns.activations, curvature, relative, dual)
    return SingleModel(columns, curvature[:, 0], relative[:, 0], dual[:, 0])
