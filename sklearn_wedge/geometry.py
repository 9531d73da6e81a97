"""Wedge products, signed volumes and hyperplanes through samples.

The optimal hidden weights of a ReLU network are wedge products of training samples. This module
holds the geometry behind that sentence: pure functions of NumPy arrays, batched over leading
dimensions ``...``, always in double precision and without any notion of data, weights or
randomness.

Conventions
-----------
- A k-blade in R^d is the array of its ``C(d, k)`` coefficients in the lexicographic basis
  ``itertools.combinations(range(d), k)``, see `blade_basis`.
- The Hodge dual is Euclidean, with ``e_I ∧ ⋆e_I = e_1 ∧ … ∧ e_d``.
- The generalised cross product ``n = ⋆(v_1 ∧ … ∧ v_{s-1})`` satisfies
  ``n · w = det[v_1; …; v_{s-1}; w]``: w is the *last* row, as for the cross product in R^3.

References
----------
M. Pilanci, "From Complexity to Clarity: Analytical Expressions of Deep Neural Network Weights via
Clifford's Geometric Algebra and Convexity", TMLR 2024, arXiv:2309.16512.
"""

import math
import operator
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "affine_rank",
    "blade_basis",
    "generalized_cross_product",
    "hodge_dual",
    "hyperplane_through",
    "signed_distance_to_affine_hull",
    "signed_parallelotope_volume",
    "signed_simplex_volume",
    "wedge_product",
]

FloatArray = NDArray[np.float64]

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
    return _basis(*_check_grade(d, k)).copy()


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
    factors, exponents = _scale_by_power_of_two(_finite_array(vectors, "vectors", 2), axis=-1)
    blade = _wedge(factors)
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
    d, k = _check_grade(d, k)
    if k > d:
        raise ValueError(f"hodge_dual needs a grade 0 <= k <= d, got k={k} and d={d}.")
    coefficients = _finite_array(blade, "blade", 1)
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
    factors = _finite_array(vectors, "vectors", 2)
    if factors.shape[-1] != factors.shape[-2] + 1:
        raise ValueError(
            "vectors must have shape (..., s - 1, s), that is s - 1 rows in R^s, got "
            f"{factors.shape}; use wedge_product and hodge_dual for any other number of vectors."
        )
    factors, exponents = _scale_by_power_of_two(factors, axis=-1)
    return np.ldexp(_cross_product(factors), exponents.sum(axis=-2, dtype=np.int32))


def signed_parallelotope_volume(vectors: ArrayLike) -> FloatArray:
    """Signed volume of the parallelotope spanned by s vectors of R^s: their determinant.

    Parameters
    ----------
    vectors : array-like of shape (..., s, s)
        The edges, one a row, ``s >= 1``.

    Returns
    -------
    volume : ndarray of shape (...)
        Positive if the rows are oriented as ``e_1, …, e_s``. Exact for moderate integers up to ``s
        = 3``.

    Raises
    ------
    ValueError
        If the shape is not ``(..., s, s)`` or values are not finite.

    Examples
    --------
    >>> from sklearn_wedge.geometry import signed_parallelotope_volume
    >>> float(signed_parallelotope_volume([[0.0, 2.0], [3.0, 0.0]]))
    -6.0
    """
    edges = _finite_square(vectors, "vectors")
    scaled, exponents = _scale_by_power_of_two(edges, axis=-1)
    # Expansion keeps integers exact; LU is cheaper and steadier for larger matrices.
    volume = _wedge(scaled)[..., 0] if edges.shape[-1] <= 3 else np.linalg.det(scaled)
    return np.ldexp(volume, exponents.sum(axis=(-2, -1), dtype=np.int32))


def signed_simplex_volume(points: ArrayLike) -> FloatArray:
    """Signed volume of the simplex with s + 1 corners in R^s.

    It is ``det[x_1 - x_0; …; x_s - x_0] / s!``: length for ``s = 1``, area of a triangle for ``s =
    2``. The features of a wedge network are such volumes over the size of a facet
    (arXiv:2309.16512).

    Parameters
    ----------
    points : array-like of shape (..., s + 1, s)
        The corners, one a row, ``s >= 1``.

    Returns
    -------
    volume : ndarray of shape (...)
        In R^2 positive if the corners run counter-clockwise.

    Raises
    ------
    ValueError
        If the shape is not ``(..., s + 1, s)`` or values are not finite.

    Examples
    --------
    >>> from sklearn_wedge.geometry import signed_simplex_volume
    >>> float(signed_simplex_volume([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    0.5
    """
    corners = _finite_array(points, "points", 2)
    s = corners.shape[-1]
    if s < 1 or corners.shape[-2] != s + 1:
        raise ValueError(
            "points must have shape (..., s + 1, s), that is s + 1 corners in R^s, got "
            f"{corners.shape}; give exactly one corner more than coordinates."
        )
    return signed_parallelotope_volume(_edges(corners)) / math.factorial(s)


def affine_rank(points: ArrayLike, *, rtol: float = 1e-12) -> NDArray[np.intp]:
    """Dimension of the affine hull of each set of points.

    Parameters
    ----------
    points : array-like of shape (..., k, d)
        Sets of ``k >= 1`` points in R^d.
    rtol : float, default=1e-12
        Singular values of the points centred at their mean count as zero if they are at most `rtol`
        times the largest one, or at most ``eps sqrt(k d) max|points|`` (eps = 2.2e-16), the
        rounding with which the coordinates are stored. The first scale does not depend on the
        position of the set, the second on nothing but the size of its numbers: the rank does not
        change if all points are multiplied by a constant or reordered.

    Returns
    -------
    rank : int ndarray of shape (...)
        0 for a single point or equal points, at most ``min(k - 1, d)``.

    Raises
    ------
    ValueError
        If a set has no points, values are not finite, or `rtol` is not in [0, 1).

    Examples
    --------
    >>> from sklearn_wedge.geometry import affine_rank
    >>> affine_rank([[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    array([1, 2])
    """
    sets = _finite_array(points, "points", 2)
    if not 0.0 <= rtol < 1.0:
        raise ValueError(f"rtol must be in [0, 1), got {rtol!r}.")
    k, d = sets.shape[-2:]
    if k == 0:
        raise ValueError(f"points must hold at least one point a set, got shape {sets.shape}.")
    if k == 1 or d == 0:
        return np.zeros(sets.shape[:-2], dtype=np.intp)
    scaled, _ = _scale_by_power_of_two(sets, axis=(-2, -1))
    centred = scaled - scaled.mean(axis=-2, keepdims=True)
    # The first mean is rounded at the size of the coordinates, the second at that of the spread.
    centred -= centred.mean(axis=-2, keepdims=True)
    singular_values = np.linalg.svd(centred, compute_uv=False)
    storage_rounding = np.finfo(float).eps * math.sqrt(k * d) * np.abs(scaled).max(axis=(-2, -1))
    threshold = np.maximum(rtol * singular_values[..., 0], storage_rounding)
    rank = np.count_nonzero(singular_values > threshold[..., None], axis=-1)
    return np.asarray(np.minimum(rank, k - 1), dtype=np.intp)


def hyperplane_through(
    points: ArrayLike,
    *,
    norm: Literal["l1", "l2"] = "l1",
    rtol: float = 1e-12,
    on_deficient: Literal["raise", "nan"] = "raise",
) -> tuple[FloatArray, FloatArray]:
    """Hyperplane ``u · x + c = 0`` through s points of R^s, with a normal of unit length.

    The normal points along ``⋆((x_1 - x_0) ∧ … ∧ (x_{s-1} - x_0))``, so ``u · x + c`` has the sign
    of ``det[x_1 - x_0; …; x_{s-1} - x_0; x - x_0]``. These are the optimal neurons of
    arXiv:2309.16512.

    Parameters
    ----------
    points : array-like of shape (..., s, s)
        The s points of each hyperplane, one a row, ``s >= 1``.
    norm : {"l1", "l2"}, default="l1"
        Whether ``sum |u| = 1`` or ``sum u² = 1``.
    rtol : float, default=1e-12
        Tolerance of `affine_rank`, which decides whether the points determine a hyperplane.
    on_deficient : {"raise", "nan"}, default="raise"
        What to do with points whose affine hull is smaller than a hyperplane.

    Returns
    -------
    u : ndarray of shape (..., s)
        Normals; NaN for deficient sets with ``on_deficient="nan"``.
    c : ndarray of shape (...)
        Offsets; NaN likewise.

    Raises
    ------
    ValueError
        If the shape is not ``(..., s, s)``, values are not finite, an option is unknown, or a set
        is deficient and ``on_deficient="raise"``.

    Examples
    --------
    >>> from sklearn_wedge.geometry import hyperplane_through
    >>> u, c = hyperplane_through([[1.0, 0.0], [0.0, 1.0]])
    >>> u, float(c)
    (array([-0.5, -0.5]), 0.5)
    """
    corners = _finite_square(points, "points")
    _check_option("norm", norm, ("l1", "l2"))
    _check_option("on_deficient", on_deficient, ("raise", "nan"))
    deficient = _deficient_sets(corners, rtol, on_deficient)
    scaled, exponent = _scale_by_power_of_two(corners, axis=(-2, -1))
    # Edges of size 1, so that a small cross product means a thin set and not a small one.
    edges, _ = _scale_by_power_of_two(_edges(scaled), axis=-1)
    normal = _steady_normal(edges)
    length = np.abs(normal).sum(axis=-1) if norm == "l1" else np.linalg.norm(normal, axis=-1)
    # A deficient set may have a zero normal or one made of rounding: both become NaN.
    u = normal / np.where(deficient, np.nan, length)[..., None] + 0.0
    c = -np.sum(u * scaled[..., 0, :], axis=-1) + 0.0
    return u, np.ldexp(c, exponent[..., 0, 0])


def signed_distance_to_affine_hull(
    x: ArrayLike,
    points: ArrayLike,
    *,
    rtol: float = 1e-12,
    on_deficient: Literal["raise", "nan"] = "raise",
) -> FloatArray:
    """Signed Euclidean distance of x to the hyperplane through s points of R^s.

    It is the parallelotope volume ``det[x_1 - x_0; …; x_{s-1} - x_0; x - x_0]`` over the volume of
    the facet ``x_0, …, x_{s-1}``: the feature of an ℓ2-normalised wedge neuron (arXiv:2309.16512).

    Parameters
    ----------
    x : array-like of shape (..., m, s) or (..., s)
        Query points. With at least as many dimensions as `points`, m queries for each set; with
        fewer, one query for each set (in particular shape ``(s,)``: the same one for all). Batches
        broadcast.
    points : array-like of shape (..., s, s)
        The points of each hyperplane, one a row, ``s >= 1``.
    rtol, on_deficient
        As in `hyperplane_through`.

    Returns
    -------
    distance : ndarray of shape (..., m) or (...)
        Positive on the side to which `generalized_cross_product` of the differences to the first
        point shows; NaN for deficient sets with ``on_deficient="nan"``.

    Raises
    ------
    ValueError
        As in `hyperplane_through`, or if the shapes of `x` and `points` do not fit.

    Examples
    --------
    >>> from sklearn_wedge.geometry import signed_distance_to_affine_hull
    >>> axis = [[0.0, 0.0], [5.0, 0.0]]
    >>> signed_distance_to_affine_hull([[1.0, 2.0], [7.0, -3.0]], axis)
    array([ 2., -3.])
    """
    corners = _finite_square(points, "points")
    queries = _finite_array(x, "x", 1)
    if queries.shape[-1] != corners.shape[-1]:
        raise ValueError(
            f"x must have s = {corners.shape[-1]} coordinates in its last dimension, as points of "
            f"shape {corners.shape}, got shape {queries.shape}; use the same coordinates in both."
        )
    many = queries.ndim >= corners.ndim
    try:
        np.broadcast_shapes(queries.shape[: -2 if many else -1], corners.shape[:-2])
    except ValueError:
        raise ValueError(
            f"the batch dimensions of x, shape {queries.shape}, and points, shape {corners.shape}, "
            "do not broadcast; add an axis of length 1 to x to use the same queries for all sets."
        ) from None
    u, _ = hyperplane_through(corners, norm="l2", rtol=rtol, on_deficient=on_deficient)
    origin = corners[..., 0, :]
    # Differences first: u · x + c would lose the digits of a far-away origin.
    if many:
        return np.sum((queries - origin[..., None, :]) * u[..., None, :], axis=-1)
    return np.sum((queries - origin) * u, axis=-1)


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


def _wedge(vectors: FloatArray) -> FloatArray:
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


def _steady_normal(edges: FloatArray) -> FloatArray:
    """Cross product of edges of size about 1, orthogonal to them even if nearly dependent."""
    normal = _cross_product(edges)
    if edges.shape[-1] == 3:
        size = np.abs(normal).max(axis=-1)
        thin = (size < _THIN_TRIANGLE) & (size > 0.0)
        if thin.any():
            normal[thin] = _cross_product_by_qr(edges[thin])
    return normal


def _edges(points: FloatArray) -> FloatArray:
    return points[..., 1:, :] - points[..., :1, :]


def _scale_by_power_of_two(
    array: FloatArray, axis: int | tuple[int, ...]
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Divide by ``2**exponent`` so that the largest entry along `axis` is in [0.5, 1).

    Products of many factors then neither overflow nor underflow, and no digit changes.
    """
    largest = np.abs(array).max(axis=axis, keepdims=True, initial=0.0)
    exponent = np.frexp(largest)[1]
    return np.ldexp(array, -exponent), exponent


def _deficient_sets(points: FloatArray, rtol: float, on_deficient: str) -> NDArray[np.bool_]:
    rank = affine_rank(points, rtol=rtol)
    s = points.shape[-1]
    deficient = rank < s - 1
    if on_deficient == "raise" and deficient.any():
        first = tuple(int(i) for i in np.argwhere(deficient)[0])
        where = f"points[{', '.join(map(str, first))}]" if first else "points"
        raise ValueError(
            f"{where} does not determine a hyperplane of R^{s}: the affine rank of its {s} points "
            f"is {int(rank[first])}, but s - 1 = {s - 1} is needed ({deficient.sum()} of "
            f"{deficient.size} sets are deficient). Leave out coinciding or affinely dependent "
            'points, use fewer coordinates, or pass on_deficient="nan".'
        )
    return deficient


def _check_grade(d: int, k: int) -> tuple[int, int]:
    d, k = operator.index(d), operator.index(k)
    if d < 0 or k < 0:
        raise ValueError(
            f"the dimension d and the grade k must be at least 0, got d={d} and k={k}."
        )
    return d, k


def _check_option(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}.")


def _finite_array(values: ArrayLike, name: str, min_ndim: int) -> FloatArray:
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise ValueError(f"{name} must be real, got dtype {array.dtype}.")
    array = array.astype(np.float64, copy=False)
    if array.ndim < min_ndim:
        raise ValueError(
            f"{name} must have at least {min_ndim} dimensions (leading ones batch), got shape "
            f"{array.shape}; reshape it first."
        )
    finite = np.isfinite(array)
    if not finite.all():
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name} must be finite, got {array[first]} at index {first}; impute or drop it first."
        )
    return array


def _finite_square(values: ArrayLike, name: str) -> FloatArray:
    array = _finite_array(values, name, 2)
    if array.shape[-1] < 1 or array.shape[-1] != array.shape[-2]:
        raise ValueError(
            f"{name} must have shape (..., s, s) with s >= 1, that is s rows in R^s, got "
            f"{array.shape}; select as many rows as coordinates."
        )
    return array
