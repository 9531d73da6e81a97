"""Geometry against oracles: Clifford algebra, determinants, projections and exact integers."""

import math
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_wedge.geometry import (
    affine_rank,
    blade_basis,
    generalized_cross_product,
    hodge_dual,
    hyperplane_through,
    signed_distance_to_affine_hull,
    signed_parallelotope_volume,
    signed_simplex_volume,
    wedge_product,
)

pytestmark = pytest.mark.newest

DIMENSIONS_AND_GRADES = [(d, k) for d in range(1, 7) for k in range(d + 1)]
SMALL_INTEGERS = st.integers(-9, 9).map(float)
UNITS = [1e-150, 1e-20, 1.0, 1e20, 1e150]


@lru_cache
def clifford_layout(d):
    clifford = pytest.importorskip("clifford")
    return clifford.Cl(d)[0]


def as_multivector(coefficients, d, k):
    layout = clifford_layout(d)
    values = np.zeros(layout.gaDims)
    values[np.asarray(layout.gradeList) == k] = coefficients
    return layout.MultiVector(values)


def of_grade(multivector, k):
    return multivector.value[np.asarray(multivector.layout.gradeList) == k]


def random_rotation(rng, d):
    q, r = np.linalg.qr(rng.standard_normal((d, d)))
    q *= np.sign(np.diag(r))
    q[:, 0] *= np.linalg.det(q).round()
    return q


def exact_determinant(rows):
    """Leibniz formula in rational arithmetic; `rows` hold floats, taken at their exact value."""
    rows = [[Fraction(float(value)) for value in row] for row in rows]
    total = Fraction(0)
    for order in permutations(range(len(rows))):
        swaps = sum(a > b for a, b in combinations(order, 2))
        total += (-1) ** swaps * math.prod(
            (rows[i][j] for i, j in enumerate(order)), start=Fraction(1)
        )
    return total


def deficient_sets(unit=1.0):
    """Name, points and affine rank of sets that look like hyperplanes but are none."""
    line = np.outer([0.0, 1.0, 3.0], [1.0, 2.0, -1.0]) + [5.0, 0.0, 1.0]
    plane = np.random.default_rng(0).standard_normal((4, 2)) @ np.array(
        [[1.0, 0.0, 2.0, 1.0], [0.0, 1.0, -1.0, 3.0]]
    )
    return [
        ("duplicates", unit * np.array([[1.0, 2.0], [1.0, 2.0]]), 0),
        ("one duplicate", unit * np.array([[1.0, 2.0, 0.1], [1.0, 2.0, 0.1], [0.3, 1.0, 7.0]]), 1),
        ("collinear", unit * line, 1),
        ("coplanar", unit * (plane + 0.1), 2),
        ("all zero", np.zeros((3, 3)), 0),
    ]


# --- wedge product and Hodge dual --------------------------------------------------------------


@pytest.mark.parametrize(("d", "k"), DIMENSIONS_AND_GRADES)
def test_wedge_product_agrees_with_clifford_algebra(d, k):
    vectors = np.random.default_rng(100 * d + k).standard_normal((k, d))
    expected = clifford_layout(d).scalar
    for vector in vectors:
        expected = expected ^ as_multivector(vector, d, 1)
    assert_allclose(wedge_product(vectors), of_grade(expected, k), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("d", "k"), DIMENSIONS_AND_GRADES)
def test_hodge_dual_agrees_with_clifford_algebra(d, k):
    blade = np.random.default_rng(d + 10 * k).standard_normal(math.comb(d, k))
    # A ∧ ⋆A = |A|² I means ⋆A = reverse(A) I; clifford's own dual A I^-1 differs by a sign.
    element = as_multivector(blade, d, k)
    expected = (~element) * clifford_layout(d).pseudoScalar
    dual = hodge_dual(blade, d, k)
    assert_allclose(dual, of_grade(expected, d - k), atol=1e-14)
    volume = of_grade(element ^ as_multivector(dual, d, d - k), d)
    assert_allclose(volume, [blade @ blade], rtol=1e-12)


@pytest.mark.parametrize(("d", "k"), DIMENSIONS_AND_GRADES)
def test_double_hodge_dual_has_the_sign_of_the_grades(d, k):
    blade = np.arange(1.0, math.comb(d, k) + 1)
    assert_array_equal(hodge_dual(hodge_dual(blade, d, k), d, d - k), (-1) ** (k * (d - k)) * blade)


@pytest.mark.parametrize(("d", "k"), [(4, 2), (5, 3), (7, 4), (8, 7)])
def test_wedge_coefficients_are_minors_in_the_order_of_blade_basis(d, k):
    vectors = np.random.default_rng(d).standard_normal((k, d))
    minors = [np.linalg.det(vectors[:, columns]) for columns in combinations(range(d), k)]
    assert_allclose(wedge_product(vectors), minors, rtol=1e-11, atol=1e-12)
    assert_array_equal(blade_basis(d, k), list(combinations(range(d), k)))


def test_blade_basis_is_a_private_copy():
    blade_basis(4, 2)[:] = -1
    assert blade_basis(4, 2).min() == 0


def test_empty_wedge_is_one_and_too_many_factors_have_no_coefficients():
    assert_array_equal(wedge_product(np.zeros((5, 0, 3))), np.ones((5, 1)))
    assert wedge_product(np.ones((4, 3))).shape == (0,)
    assert blade_basis(3, 0).shape == (1, 0)
    assert blade_basis(3, 4).shape == (0, 4)


@settings(max_examples=25, deadline=None)
@given(arrays(float, (4, 5), elements=SMALL_INTEGERS), st.permutations(range(4)))
def test_wedge_product_is_antisymmetric(vectors, order):
    swaps = sum(a > b for a, b in combinations(order, 2))
    assert_array_equal(wedge_product(vectors[order]), (-1) ** swaps * wedge_product(vectors))


@settings(max_examples=25, deadline=None)
@given(
    arrays(float, (3, 5), elements=SMALL_INTEGERS),
    arrays(float, 5, elements=SMALL_INTEGERS),
    st.integers(0, 2),
    SMALL_INTEGERS,
)
def test_wedge_product_is_linear_in_every_factor(vectors, other, place, factor):
    replaced, combined = vectors.copy(), vectors.copy()
    replaced[place] = other
    combined[place] = factor * vectors[place] + other
    expected = factor * wedge_product(vectors) + wedge_product(replaced)
    assert_array_equal(wedge_product(combined), expected)


@settings(max_examples=25, deadline=None)
@given(arrays(float, (3, 5), elements=SMALL_INTEGERS), SMALL_INTEGERS, SMALL_INTEGERS)
def test_wedge_product_of_dependent_integer_factors_is_exactly_zero(vectors, a, b):
    vectors[2] = a * vectors[0] + b * vectors[1]
    assert_array_equal(wedge_product(vectors), np.zeros(10))


# --- generalised cross product -----------------------------------------------------------------


@pytest.mark.parametrize("s", range(1, 9))
def test_cross_product_with_w_is_the_determinant_with_w_as_last_row(s):
    rng = np.random.default_rng(s)
    vectors, w = rng.standard_normal((20, s - 1, s)), rng.standard_normal((20, s))
    normal = generalized_cross_product(vectors)
    last = np.linalg.det(np.concatenate([vectors, w[:, None]], axis=1))
    first = np.linalg.det(np.concatenate([w[:, None], vectors], axis=1))
    assert_allclose(np.sum(normal * w, axis=1), last, rtol=1e-10, atol=1e-12)
    assert_allclose(last, (-1) ** (s - 1) * first, rtol=1e-10)


@pytest.mark.parametrize("s", range(1, 9))
def test_cross_product_is_the_hodge_dual_of_the_wedge_product(s):
    vectors = np.random.default_rng(s).standard_normal((20, s - 1, s))
    expected = hodge_dual(wedge_product(vectors), s, s - 1)
    scale = np.linalg.norm(expected, axis=-1, keepdims=True)
    assert_allclose(generalized_cross_product(vectors) / scale, expected / scale, atol=1e-12)


@pytest.mark.parametrize("s", range(2, 9))
def test_cross_product_has_small_relative_error_against_rational_arithmetic(s):
    vectors = np.random.default_rng(10 + s).standard_normal((s - 1, s))
    normal = generalized_cross_product(vectors)
    # Two rows of the identity are enough above s = 6: the Leibniz sum has (s - 1)! terms.
    for j in range(s) if s <= 6 else [0, s - 1]:
        minor = exact_determinant(np.delete(vectors, j, axis=1))
        exact = float((-1) ** (s - 1 - j) * minor)
        assert abs(normal[j] - exact) <= 2e-14 * np.linalg.norm(normal)


@pytest.mark.parametrize("s", range(2, 9))
def test_cross_product_is_orthogonal_to_its_factors(s):
    vectors = np.random.default_rng(s).standard_normal((200, s - 1, s))
    normal = generalized_cross_product(vectors)
    cosines = np.einsum("bks,bs->bk", vectors, normal) / (
        np.linalg.norm(vectors, axis=-1) * np.linalg.norm(normal, axis=-1)[:, None]
    )
    assert np.abs(cosines).max() < 1e-12


@pytest.mark.parametrize("s", range(4, 9))
def test_cross_product_stays_orthogonal_to_nearly_dependent_factors(s):
    rng = np.random.default_rng(s)
    vectors = rng.standard_normal((50, 1, s)) + 1e-6 * rng.standard_normal((50, s - 1, s))
    normal = generalized_cross_product(vectors)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    assert np.abs(np.einsum("bks,bs->bk", vectors, normal)).max() < 1e-13


@pytest.mark.parametrize("s", range(2, 9))
def test_cross_product_length_is_the_gram_volume_of_its_factors(s):
    vectors = np.random.default_rng(s).standard_normal((20, s - 1, s))
    gram = np.linalg.det(vectors @ np.swapaxes(vectors, 1, 2))
    length = np.linalg.norm(generalized_cross_product(vectors), axis=-1)
    assert_allclose(length, np.sqrt(gram), rtol=1e-9)


@pytest.mark.parametrize("s", range(2, 8))
def test_cross_product_rotates_with_its_factors(s):
    rng = np.random.default_rng(s)
    vectors, rotation = rng.standard_normal((20, s - 1, s)), random_rotation(rng, s)
    expected = generalized_cross_product(vectors) @ rotation.T
    assert_allclose(generalized_cross_product(vectors @ rotation.T), expected, atol=1e-11)


def test_cross_product_of_no_vectors_in_one_dimension_is_one():
    assert_array_equal(generalized_cross_product(np.zeros((0, 1))), [1.0])
    assert_array_equal(generalized_cross_product(np.zeros((4, 0, 1))), np.ones((4, 1)))


def test_cross_product_in_three_dimensions_is_the_ordinary_one_exactly_on_integers():
    a, b = np.random.default_rng(3).integers(-1000, 1000, (2, 500, 3))
    assert_array_equal(generalized_cross_product(np.stack([a, b], axis=1)), np.cross(a, b))


def test_cross_product_in_the_plane_is_the_quarter_turn_to_the_left():
    assert_array_equal(generalized_cross_product([[1.0, 0.0]]), [0.0, 1.0])
    assert not np.signbit(generalized_cross_product([[1.0, 0.0]])).any()


@pytest.mark.parametrize("s", [3, 4, 6])
def test_cross_product_survives_wildly_different_units(s):
    vectors = np.random.default_rng(s).standard_normal((s - 1, s))
    units = np.where(np.arange(s - 1) % 2, 1e-150, 1e150)
    expected = generalized_cross_product(vectors) * 1e150 ** ((s - 1) % 2)
    assert_allclose(generalized_cross_product(vectors * units[:, None]), expected, rtol=1e-12)


# --- signed volumes ----------------------------------------------------------------------------


@pytest.mark.parametrize("s", range(1, 9))
def test_parallelotope_volume_is_the_determinant(s):
    vectors = np.random.default_rng(s).standard_normal((3, 4, s, s))
    assert_allclose(signed_parallelotope_volume(vectors), np.linalg.det(vectors), rtol=1e-9)


@pytest.mark.parametrize("s", range(1, 9))
def test_simplex_volume_adds_up_over_facets_and_an_inner_point(s):
    rng = np.random.default_rng(s)
    corners, inner = rng.standard_normal((s + 1, s)), rng.standard_normal(s)
    parts = []
    for i in range(s + 1):
        part = corners.copy()
        part[i] = inner
        parts.append(signed_simplex_volume(part))
    assert_allclose(sum(parts), signed_simplex_volume(corners), rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3).flatmap(lambda s: arrays(float, (s + 1, s), elements=SMALL_INTEGERS)))
def test_volumes_on_integer_grids_are_exact(corners):
    differences = corners[1:] - corners[0]
    exact = exact_determinant(differences)
    assert Fraction(float(signed_parallelotope_volume(differences))) == exact
    # Dividing by s! = 6 rounds once.
    assert signed_simplex_volume(corners) == float(exact) / math.factorial(len(differences))


@pytest.mark.parametrize("s", range(2, 6))
def test_simplex_volume_ignores_motions_and_flips_with_a_swap(s):
    rng = np.random.default_rng(s)
    corners, rotation = rng.standard_normal((s + 1, s)), random_rotation(rng, s)
    volume = signed_simplex_volume(corners)
    assert_allclose(signed_simplex_volume(corners @ rotation.T + 3.0), volume, rtol=1e-10)
    swapped = corners.copy()
    swapped[[0, 1]] = corners[[1, 0]]
    assert_allclose(signed_simplex_volume(swapped), -volume, rtol=1e-10)


# --- affine rank -------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
def test_affine_rank_sees_degenerate_sets_in_every_unit(unit):
    for name, points, rank in deficient_sets(unit):
        assert affine_rank(points) == rank, name


@pytest.mark.parametrize("unit", [*UNITS, 3.0, -0.1])
@pytest.mark.parametrize("rank", range(5))
def test_affine_rank_of_random_flats_ignores_unit_order_and_rotation(rank, unit):
    rng = np.random.default_rng(rank)
    flat = rng.standard_normal((30, 6, rank)) @ rng.standard_normal((rank, 5))
    points = (flat + rng.standard_normal(5)) @ random_rotation(rng, 5).T
    assert_array_equal(affine_rank(unit * points), np.full(30, rank))
    assert_array_equal(affine_rank(unit * rng.permutation(points, axis=1)), np.full(30, rank))


def test_affine_rank_of_equal_or_single_points_is_zero():
    assert affine_rank(np.full((7, 3), 0.1)) == 0
    assert affine_rank(np.full((7, 3), 1e300)) == 0
    assert affine_rank([[4.0, 2.0]]) == 0
    # Equal but for the rounding of one addition.
    assert affine_rank([[0.3, 1.0], [0.1 + 0.2, 1.0]]) == 0


def test_affine_rank_is_not_fooled_by_the_rounding_of_a_long_mean():
    assert affine_rank(np.full((100_000, 2), 0.1)) == 0


def test_affine_rank_keeps_small_sets_far_from_the_origin():
    triangle = np.array([[0.0, 0.0], [1e-3, 0.0], [0.0, 1e-3]])
    assert affine_rank(triangle + 1e6) == 2
    assert affine_rank(np.array([[0.0], [1.0]]) + 1e12) == 1


def test_affine_rank_tolerance_is_relative_to_the_largest_extent():
    needle = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 1e-8]])
    assert affine_rank(needle) == 2
    assert affine_rank(needle, rtol=1e-6) == 1


# --- hyperplanes and distances -----------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("s", range(1, 9))
def test_hyperplane_contains_its_points_and_has_a_unit_normal(s, norm, unit):
    points = unit * np.random.default_rng(s).standard_normal((50, s, s))
    u, c = hyperplane_through(points, norm=norm)
    size = np.abs(u).sum(axis=-1) if norm == "l1" else np.linalg.norm(u, axis=-1)
    assert_allclose(size, 1.0, rtol=1e-14)
    values = np.einsum("bks,bs->bk", points, u) + c[:, None]
    assert np.abs(values).max() < 1e-13 * unit


@pytest.mark.parametrize("s", range(1, 8))
def test_hyperplane_is_oriented_like_the_determinant_with_x_last(s):
    rng = np.random.default_rng(s)
    points, x = rng.standard_normal((50, s, s)), rng.standard_normal((50, s))
    u, c = hyperplane_through(points)
    corners = np.concatenate([points, x[:, None]], axis=1)
    assert_array_equal(np.sign(np.sum(u * x, axis=1) + c), np.sign(signed_simplex_volume(corners)))


@pytest.mark.parametrize("s", [3, 5])
def test_hyperplane_contains_the_points_of_needle_thin_sets(s):
    rng = np.random.default_rng(s)
    along = np.linspace(-1.0, 1.0, s)[None, :, None] * rng.standard_normal((50, 1, s))
    points = along + 1e-7 * rng.standard_normal((50, s, s))
    u, c = hyperplane_through(points)
    assert np.abs(np.einsum("bks,bs->bk", points, u) + c[:, None]).max() < 1e-14 * s


@pytest.mark.parametrize("s", range(1, 9))
def test_distance_agrees_with_least_squares_projection(s):
    rng = np.random.default_rng(s)
    points, x = rng.standard_normal((s, s)), rng.standard_normal((30, s))
    edges = (points[1:] - points[0]).T
    offsets = (x - points[0]).T
    residual = offsets - edges @ np.linalg.lstsq(edges, offsets, rcond=None)[0]
    distance = signed_distance_to_affine_hull(x, points)
    assert_allclose(np.abs(distance), np.linalg.norm(residual, axis=0), rtol=1e-9, atol=1e-12)
    assert_array_equal(np.sign(distance), np.sign(residual.T @ generalized_cross_product(edges.T)))


@pytest.mark.parametrize("s", range(2, 8))
def test_distance_is_the_volume_over_the_volume_of_the_facet(s):
    rng = np.random.default_rng(s)
    points, x = rng.standard_normal((s, s)), rng.standard_normal(s)
    edges = points[1:] - points[0]
    volume = signed_parallelotope_volume(np.vstack([edges, x - points[0]]))
    facet = math.sqrt(np.linalg.det(edges @ edges.T))
    assert_allclose(signed_distance_to_affine_hull(x, points), volume / facet, rtol=1e-9)


@pytest.mark.parametrize("unit", UNITS)
def test_distance_scales_with_the_unit_and_ignores_motions(unit):
    rng = np.random.default_rng(0)
    points, x = rng.standard_normal((4, 4)), rng.standard_normal(4)
    rotation = random_rotation(rng, 4)
    expected = unit * signed_distance_to_affine_hull(x, points)
    moved, moved_x = unit * (points @ rotation.T + 2.0), unit * (x @ rotation.T + 2.0)
    assert_allclose(signed_distance_to_affine_hull(moved_x, moved), expected, rtol=1e-11)


def test_distance_on_an_integer_grid_is_exact():
    axis_aligned = [[0.0, 0.0, 2.0], [4.0, 0.0, 2.0], [0.0, 3.0, 2.0]]
    x = np.random.default_rng(0).integers(-9, 9, (50, 3))
    assert_array_equal(signed_distance_to_affine_hull(x, axis_aligned), x[:, 2] - 2.0)


def test_hyperplane_through_integers_far_from_the_origin_is_correctly_rounded():
    points = 10**6 + np.random.default_rng(1).integers(-9, 9, (50, 3, 3))
    normal = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    u, _ = hyperplane_through(points)
    assert_array_equal(u, normal / np.abs(normal).sum(axis=1, keepdims=True))


def test_hyperplane_at_the_largest_floats_does_not_overflow():
    points = np.array([[-1.0, 0.0, 1.0], [1.0, 0.5, -1.0], [0.0, -1.0, -1.0]])
    expected, offset = hyperplane_through(points)
    u, c = hyperplane_through(points * 2.0**1023)
    assert_array_equal(u, expected)
    assert c == offset * 2.0**1023


def test_hyperplane_through_one_sample_of_one_input_is_the_increasing_hinge():
    u, c = hyperplane_through([[3.0]])
    assert_array_equal(u, [1.0])
    assert c == -3.0
    assert_array_equal(signed_distance_to_affine_hull([[1.0], [5.0]], [[3.0]]), [-2.0, 2.0])


@pytest.mark.parametrize("unit", UNITS)
def test_deficient_sets_are_reported_and_never_guessed(unit):
    for name, points, rank in deficient_sets(unit):
        with pytest.raises(ValueError, match=rf"affine rank of its \d points is {rank},"):
            hyperplane_through(points)
        with pytest.raises(ValueError, match="does not determine a hyperplane"):
            signed_distance_to_affine_hull(points[0], points)
        u, c = hyperplane_through(points, on_deficient="nan")
        assert np.isnan(u).all() and np.isnan(c), name
        assert np.isnan(signed_distance_to_affine_hull(points, points, on_deficient="nan")).all()


def test_the_error_names_the_first_deficient_set_and_the_others_survive_as_nan():
    points = np.random.default_rng(0).standard_normal((2, 3, 3, 3))
    points[0, 2, 1] = points[0, 2, 0]
    points[1, 1] = 7.0
    with pytest.raises(ValueError, match=r"points\[0, 2\] .* is 1, .*2 of 6 sets .*on_deficient"):
        hyperplane_through(points)
    u, c = hyperplane_through(points, on_deficient="nan")
    expected = np.array([[False, False, True], [False, True, False]])
    assert_array_equal(np.isnan(c), expected)
    assert_array_equal(np.isnan(u).all(axis=-1), expected)
    assert_array_equal(u[0, 0], hyperplane_through(points[0, 0])[0])


# --- batches and input checks ------------------------------------------------------------------


@pytest.mark.parametrize("s", range(1, 6))
def test_a_batch_equals_a_loop(s):
    rng = np.random.default_rng(s)
    shapes = {
        wedge_product: (3, s),
        generalized_cross_product: (s - 1, s),
        signed_parallelotope_volume: (s, s),
        signed_simplex_volume: (s + 1, s),
        affine_rank: (4, s),
        lambda points: hyperplane_through(points)[0]: (s, s),
        lambda points: hyperplane_through(points)[1]: (s, s),
        lambda blade: hodge_dual(blade, s, 1): (s,),
    }
    for function, shape in shapes.items():
        batch = rng.standard_normal((2, 3, *shape))
        loop = [[function(batch[i, j]) for j in range(3)] for i in range(2)]
        assert_allclose(function(batch), loop, rtol=1e-13, atol=1e-14)
        assert function(batch[:0]).shape == (0, *np.shape(loop)[1:])


def test_distance_broadcasts_queries_as_documented():
    rng = np.random.default_rng(0)
    points, x = rng.standard_normal((4, 3, 3)), rng.standard_normal((4, 5, 3))
    one = signed_distance_to_affine_hull
    loop = np.array([[one(x[b, m], points[b]) for m in range(5)] for b in range(4)])
    assert_allclose(one(x, points), loop, rtol=1e-13)
    assert_allclose(one(x[:, 0], points), loop[:, 0], rtol=1e-13)
    assert_allclose(one(x[:1], points)[0], loop[0], rtol=1e-13)
    assert one(x[0, 0], points).shape == (4,)
    assert one(x, points[0]).shape == (4, 5)


def test_inputs_are_not_modified_and_single_precision_is_computed_in_double():
    points = np.random.default_rng(0).standard_normal((3, 3)).astype(np.float32)
    points.setflags(write=False)
    u, _ = hyperplane_through(points)
    assert u.dtype == np.float64
    assert_array_equal(u, hyperplane_through(points.astype(float))[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wedge_product([1.0, 2.0]), r"vectors must have at least 2 dim.*\(2,\)"),
        (lambda: generalized_cross_product(np.ones((2, 2))), r"\(\.\.\., s - 1, s\).*\(2, 2\)"),
        (lambda: signed_parallelotope_volume(np.ones((2, 3))), r"\(\.\.\., s, s\).*\(2, 3\)"),
        (lambda: signed_parallelotope_volume(np.ones((0, 0))), r"s >= 1"),
        (lambda: signed_simplex_volume(np.ones((3, 3))), r"s \+ 1 corners.*\(3, 3\)"),
        (lambda: affine_rank(np.ones((0, 3))), "at least one point"),
        (lambda: affine_rank(np.ones((2, 3)), rtol=-1.0), "rtol"),
        (lambda: hodge_dual(np.ones(4), 4, 2), r"C\(d, k\) = 6 coefficients.*\(4,\)"),
        (lambda: hodge_dual(np.ones(4), 2, 3), "grade"),
        (lambda: blade_basis(-1, 0), "at least 0"),
        (lambda: hyperplane_through(np.eye(3)[:2]), r"\(2, 3\)"),
        (lambda: hyperplane_through(np.eye(3), norm="l3"), "norm must be one of"),
        (lambda: hyperplane_through(np.eye(3), on_deficient="warn"), "on_deficient must be one of"),
        (lambda: signed_distance_to_affine_hull(np.ones(2), np.eye(3)), r"s = 3 coordinates"),
        (
            lambda: signed_distance_to_affine_hull(np.ones((3, 2)), np.stack([np.eye(2)] * 4)),
            r"do not broadcast",
        ),
        (lambda: wedge_product(np.ones((2, 2)) * 1j), "must be real"),
    ],
)
def test_wrong_input_is_refused_with_what_where_and_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_values_are_refused_with_their_place(bad):
    values = np.eye(3)
    values[1, 2] = bad
    functions = [wedge_product, signed_parallelotope_volume, affine_rank, hyperplane_through]
    for function in functions:
        with pytest.raises(ValueError, match=r"finite, got .* at index \(1, 2\)"):
            function(values)
    with pytest.raises(ValueError, match=r"x must be finite"):
        signed_distance_to_affine_hull(values, np.eye(3))
