"""The exterior algebra: wedge product, Hodge dual, generalised cross product.

References
----------
M. Pilanci, "From Complexity to Clarity: Analytical Expressions of Deep Neural Network Weights via
Clifford's Geometric Algebra and Convexity", TMLR 2024, arXiv:2309.16512.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_wedge.geometry._arrays import (
    FloatArray,
    check_grade,
    finite_array,
    scale_by_power_of_two,
)

# Below about this sine, the closed cross product in R^3 is visibly oblique to its own factors.
_THIN_TRIANGLE = 1e-3


def blade_basis(d: int, k: int) -> NDArray[np.intp]:
    """Index sets of the basis k-blades of R^d, in lexicographic order.

    Parameters
    ----------
    d : int
        Dimension of the space, at least 0.
    k : int
        Grade, at least 0.

    Returns
    -------
    basis : ndarray of shape (C(d, k), k)
        Row I lists the increasing indices of ``e_I``; no rows if ``k > d``.

    Raises
    ------
    ValueError
        If `d` or `k` is negative.

    Examples
    --------
    >>> from sklearn_wedge.geometry import blade_basis
    >>> blade_basis(3, 2).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    return _basis(*check_grade(d, k)).copy()


def wedge_product(vectors: ArrayLike) -> FloatArray:
    """Wedge product ``v_1 ∧ … ∧ v_k``: all k × k minors of the matrix of the vectors.

    Parameters
    ----------
    vectors : array-like of shape (..., k, d)
        The factors, one a row.

    Returns
    -------
    blade : ndarray of shape (..., C(d, k))
        Coefficients in the basis of `blade_basis`; 1 for ``k = 0`` and empty for ``k > d``.

    Raises
    ------
    ValueError
        If `vectors` has fewer than two dimensions or non-finite values.

    Notes
    -----
    One factor is multiplied on at a time, with products and sums only. The result is exact for
    integers while all partial products stay below 2^53; otherwise the error is a few ulp of the
    product of the factors' ℓ1 norms. All intermediate grades are formed, so `d` should be moderate.

    Examples
    --------
    >>> from sklearn_wedge.geometry import wedge_product
    >>> wedge_product([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
    array([ 1.,  3., -2.])
    """
    factors, exponents = scale_by_power_of_two(finite_array(vectors, "vectors", 2), axis=-1)
    blade = wedge(factors)
    return np.ldexp(blade, exponents.sum(axis=-2, dtype=np.int32))


def hodge_dual(blade: ArrayLike, d: int, k: int) -> FloatArray:
    """Euclidean Hodge dual ``⋆``, with ``e_I ∧ ⋆e_I = e_1 ∧ … ∧ e_d``.

    Hence ``a ∧ ⋆b = <a, b> e_1 ∧ … ∧ e_d`` and ``⋆⋆a = (-1)^(k (d - k)) a``.

    Parameters
    ----------
    blade : array-like of shape (..., C(d, k))
        Coefficients of elements of grade `k`.
    d : int
        Dimension of the space.
    k : int
        Grade, ``0 <= k <= d``.

    Returns
    -------
    dual : ndarray of shape (..., C(d, d - k))
        Coefficients of the duals, of grade ``d - k``.

    Raises
    ------
    ValueError
        If the grade is impossible, the shape does not fit it, or values are not finite.

    Examples
    --------
    >>> from sklearn_wedge.geometry import hodge_dual
    >>> hodge_dual([1.0, 3.0, -2.0], d=3, k=2)  # of e_12 + 3 e_13 - 2 e_23
    array([-2., -3.,  1.])
    """
    d, k = check_grade(d, k)
    if k > d:
        raise ValueError(f"hodge_dual needs a grade 0 <= k <= d, got k={k} and d={d}.")
    coefficients = finite_array(blade, "blade", 1)
    if coefficients.shape[-1] != math.comb(d, k):
        raise ValueError(
            f"blade must have C(d, k) = {math.comb(d, k)} coefficients in its last dimension for "
            f"d={d}, k={k}, got shape {coefficients.shape}; order them as blade_basis(d, k)."
        )
    # Moving e_I in front of its complement takes sum(i_m - m) transpositions.
    signs = 1.0 - 2.0 * ((_basis(d, k) - np.arange(k)).sum(axis=1) % 2)
    # Complements of lexicographically ordered sets come in reverse order; + 0.0 clears -0.0.
    return (coefficients * signs)[..., ::-1] + 0.0


def generalized_cross_product(vectors: ArrayLike) -> FloatArray:
    """Vector ``n = ⋆(v_1 ∧ … ∧ v_{s-1})`` of R^s, orthogonal to all its factors.

    For every w, ``n · w = det[v_1; …; v_{s-1}; w]`` with w as the **last** row, which is
    ``(-1)^(s-1) det[w; v_1; …; v_{s-1}]``. Its Euclidean length is the volume of the parallelotope
    that the vectors span. For ``s = 3`` it is the ordinary cross product.

    Parameters
    ----------
    vectors : array-like of shape (..., s - 1, s)
        The factors, one a row; ``(..., 0, 1)``, no vectors in R^1, is allowed.

    Returns
    -------
    normal : ndarray of shape (..., s)
        ``[1.]`` for ``s = 1`` and 0 (up to rounding) for dependent factors.

    Raises
    ------
    ValueError
        If the shape is not ``(..., s - 1, s)`` or values are not finite.

    Notes
    -----
    Closed formulas up to ``s = 3`` (exact for moderate integers), Householder QR beyond: its error
    is relative to ``|n|`` times the condition number of the factors, and it stays orthogonal to
    them to a few ulp of their lengths even if they are almost dependent. See arXiv:2309.16512 for
    its role in ReLU networks.

    Examples
    --------
    >>> from sklearn_wedge.geometry import generalized_cross_product
    >>> generalized_cross_product([[3.0, 1.0]])
    array([-1.,  3.])
    >>> generalized_cross_product([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    array([0., 0., 1.])
    """
    factors = finite_array(vectors, "vectors", 2)
    if factors.shape[-1] != factors.shape[-2] + 1:
        raise ValueError(
            "vectors must have shape (..., s - 1, s), that is s - 1 rows in R^s, got "
            f"{factors.shape}; use wedge_product and hodge_dual for any other number of vectors."
        )
    factors, exponents = scale_by_power_of_two(factors, axis=-1)
    return np.ldexp(_cross_product(factors), exponents.sum(axis=-2, dtype=np.int32))


@lru_cache(maxsize=128)
def _basis(d: int, k: int) -> NDArray[np.intp]:
    return np.array(list(combinations(range(d), k)), dtype=np.intp).reshape(math.comb(d, k), k)


@lru_cache(maxsize=128)
def _positions_without(d: int, k: int) -> NDArray[np.intp]:
    """Entry (I, p): where the basis blade I without its p-th index stands in grade k - 1."""
    position = {indices: i for i, indices in enumerate(combinations(range(d), k - 1))}
    rows = [
        [position[indices[:p] + indices[p + 1 :]] for p in range(k)]
        for indices in combinations(range(d), k)
    ]
    return np.array(rows, dtype=np.intp).reshape(math.comb(d, k), k)


def wedge(vectors: FloatArray) -> FloatArray:
    k, d = vectors.shape[-2:]
    blade = np.ones((*vectors.shape[:-2], 1))
    for grade in range(1, k + 1):
        vector, basis = vectors[..., grade - 1, :], _basis(d, grade)
        without = _positions_without(d, grade)
        longer = np.zeros((*vectors.shape[:-2], len(basis)))
        for p in range(grade):
            # The new factor stands last and moves over grade - 1 - p others to place p.
            sign = (-1.0) ** (grade - 1 - p)
            longer += sign * blade[..., without[:, p]] * vector[..., basis[:, p]]
        blade = longer
    return blade


def _cross_product(vectors: FloatArray) -> FloatArray:
    s = vectors.shape[-1]
    if s == 1:
        return np.ones((*vectors.shape[:-2], 1))
    if s == 2:
        return np.stack([-vectors[..., 0, 1], vectors[..., 0, 0]], axis=-1) + 0.0
    if s == 3:
        (a0, a1, a2), (b0, b1, b2) = np.moveaxis(vectors, (-2, -1), (0, 1))
        return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)
    return _cross_product_by_qr(vectors)


def _cross_product_by_qr(vectors: FloatArray) -> FloatArray:
    # det[Vᵀ w] = det Q · Π R_ii · (q_s · w) with q_s the last column of the full Q.
    q, r = np.linalg.qr(np.swapaxes(vectors, -1, -2), mode="complete")
    orientation = np.linalg.slogdet(q)[0]
    volume = np.prod(np.diagonal(r, axis1=-2, axis2=-1), axis=-1)
    return (orientation * volume)[..., None] * q[..., :, -1]


def steady_normal(edges: FloatArray) -> FloatArray:
    """Cross product of edges of size about 1, orthogonal to them even if nearly dependent."""
    normal = _cross_product(edges)
    if edges.shape[-1] == 3:
        size = np.abs(normal).max(axis=-1)
        thin = (size < _THIN_TRIANGLE) & (size > 0.0)
        if thin.any():
            normal[thin] = _cross_product_by_qr(edges[thin])
    return normal
