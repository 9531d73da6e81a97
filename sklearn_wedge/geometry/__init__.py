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

from sklearn_wedge.geometry._algebra import (
    blade_basis,
    generalized_cross_product,
    hodge_dual,
    wedge_product,
)
from sklearn_wedge.geometry._hulls import (
    affine_rank,
    hyperplane_through,
    signed_distance_to_affine_hull,
    signed_parallelotope_volume,
    signed_simplex_volume,
)

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
