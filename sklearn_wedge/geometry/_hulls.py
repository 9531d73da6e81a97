"""Signed volumes, and hyperplanes and distances of affine hulls.

References
----------
M. Pilanci, "From Complexity to Clarity: Analytical Expressions of Deep Neural Network Weights via
Clifford's Geometric Algebra and Convexity", TMLR 2024, arXiv:2309.16512.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_wedge.geometry._algebra import steady_normal, wedge
from sklearn_wedge.geometry._arrays import (
    FloatArray,
    check_option,
    finite_array,
    finite_square,
    scale_by_power_of_two,
)


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
    edges = finite_square(vectors, "vectors")
    scaled, exponents = scale_by_power_of_two(edges, axis=-1)
    # Expansion keeps integers exact; LU is cheaper and steadier for larger matrices.
    volume = wedge(scaled)[..., 0] if edges.shape[-1] <= 3 else np.linalg.det(scaled)
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
    corners = finite_array(points, "points", 2)
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
    sets = finite_array(points, "points", 2)
    if not 0.0 <= rtol < 1.0:
        raise ValueError(f"rtol must be in [0, 1), got {rtol!r}.")
    k, d = sets.shape[-2:]
    if k == 0:
        raise ValueError(f"points must hold at least one point a set, got shape {sets.shape}.")
    if k == 1 or d == 0:
        return np.zeros(sets.shape[:-2], dtype=np.intp)
    scaled, _ = scale_by_power_of_two(sets, axis=(-2, -1))
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
    corners = finite_square(points, "points")
    check_option("norm", norm, ("l1", "l2"))
    check_option("on_deficient", on_deficient, ("raise", "nan"))
    deficient = _deficient_sets(corners, rtol, on_deficient)
    scaled, exponent = scale_by_power_of_two(corners, axis=(-2, -1))
    # Edges of size 1, so that a small cross product means a thin set and not a small one.
    edges, _ = scale_by_power_of_two(_edges(scaled), axis=-1)
    normal = steady_normal(edges)
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
    corners = finite_square(points, "points")
    queries = finite_array(x, "x", 1)
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


def _edges(points: FloatArray) -> FloatArray:
    return points[..., 1:, :] - points[..., :1, :]


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
