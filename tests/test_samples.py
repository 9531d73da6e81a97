"""The canonical sample: weights are copies, order is nothing, and ties stay ties, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_wedge._core.rows import OneChunk, SampleOptions, canonical_sample, range_of
from sklearn_wedge._core.rows.quantiles import weighted_quantiles
from sklearn_wedge._core.rows.samples import RESOLUTION
from sklearn_wedge._core.rows.scaling import clip_bounds, standardized, units_of

pytestmark = pytest.mark.newest

SEEDS = st.integers(0, 10**6)
OPTIONS = [
    SampleOptions(standardize=standardize, clip_quantile=quantile)
    for standardize in (True, False)
    for quantile in (None, 0.005, 0.2)
]
on_all_options = pytest.mark.parametrize("options", OPTIONS, ids=str)


def random_table(seed, tied=None):
    """Inputs, targets and a generator: with many ties or without any."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 13)), int(rng.integers(1, 4))
    if rng.random() < 0.5 if tied is None else tied:
        return rng.integers(0, 3, size=(n, d)) / 3, rng.integers(0, 2, size=(n, 1)) / 7, rng
    return rng.standard_normal((n, d)), rng.standard_normal((n, 1)), rng


def assert_same(a, b, except_first_row=False):
    """Bit for bit."""
    for name in ("points", "point_of_sample", "target", "weight"):
        assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for scaling in ("input_scaling", "target_scaling"):
        for name in ("lower", "upper", "mean", "scale"):
            left, right = (getattr(getattr(s, scaling), name) for s in (a, b))
            assert_array_equal(left, right, err_msg=f"{scaling}.{name}")
    if not except_first_row:
        assert_array_equal(a.first_row, b.first_row)


def assert_is_the_sample_of(rows, their_weight, X, y, weight, options):
    """The weighted table gives the same sample as these of its rows, and names the same ones."""
    weighted = canonical_sample(X, y, weight, options)
    chosen = canonical_sample(X[rows], y[rows], their_weight, options)
    assert_same(weighted, chosen, except_first_row=True)
    assert_array_equal(weighted.first_row, rows[chosen.first_row])


# --- weights, copies, order ---------------------------------------------------------------------


@on_all_options
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_a_weight_of_k_is_k_copies(options, seed):
    X, y, rng = random_table(seed)
    weight = rng.integers(0, 5, size=len(X)).astype(float)
    weight[rng.integers(len(X))] = 2.0
    copies = np.repeat(np.arange(len(X)), weight.astype(int))
    assert_is_the_sample_of(copies, np.ones(len(copies)), X, y, weight, options)


@on_all_options
@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_a_weight_of_zero_is_absence(options, seed):
    X, y, rng = random_table(seed)
    weight = rng.uniform(0.1, 2.0, size=len(X)) * rng.integers(0, 2, size=len(X))
    weight[rng.integers(len(X))] = 1.0
    present = np.flatnonzero(weight)
    assert_is_the_sample_of(present, weight[present], X, y, weight, options)


@on_all_options
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_the_order_of_the_rows_does_not_matter(options, seed):
    X, y, rng = random_table(seed)
    weight = rng.uniform(0.1, 2.0, size=len(X))
    order = rng.permutation(len(X))
    assert_same(
        canonical_sample(X, y, weight, options),
        canonical_sample(X[order], y[order], weight[order], options),
        except_first_row=True,
    )


@on_all_options
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_a_point_names_the_row_that_is_its_first_occurrence(options, seed):
    X, y, rng = random_table(seed, tied=True)
    weight = rng.integers(0, 3, size=len(X)).astype(float)
    weight[rng.integers(len(X))] = 1.0
    sample = canonical_sample(X, y, weight, options)
    clipped = sample.input_scaling.clip(X)
    transformed = sample.input_scaling.transform(X)
    present = np.flatnonzero(weight)
    for point, row in zip(sample.points, sample.first_row, strict=True):
        assert_allclose(transformed[row], point, atol=RESOLUTION)
        same = [k for k in present if np.array_equal(clipped[k], clipped[row])]
        assert row == min(same)


@on_all_options
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_points_are_distinct_and_in_order(options, seed):
    X, y, _ = random_table(seed)
    sample = canonical_sample(X, y, np.ones(len(X)), options)
    assert_array_equal(np.unique(sample.points, axis=0), sample.points)
    assert_array_equal(np.unique(sample.point_of_sample), np.arange(len(sample.points)))
    assert np.all(np.diff(sample.point_of_sample) >= 0)
    # Samples of one point differ in the target.
    rows = np.column_stack([sample.point_of_sample, sample.target])
    assert len(np.unique(rows, axis=0)) == len(rows) == sample.n_samples
    assert_allclose(sample.weight.sum(), 1.0, rtol=1e-15)


def test_rows_made_equal_by_clipping_are_merged():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [100.0], [200.0]])
    y = np.array([[5.0], [1.0], [1.0], [2.0], [2.0], [2.0]])
    sample = canonical_sample(X, y, np.ones(6), SampleOptions(False, 0.34))
    # Bounds 2 and 3: the rows 1 and 2 become one sample, 3, 4 and 5 another one.
    assert_array_equal(sample.input_scaling.clip(X)[:, 0], [2, 2, 2, 3, 3, 3])
    assert_array_equal(sample.first_row, [0, 3])
    assert_array_equal(sample.point_of_sample, [0, 0, 1])
    assert_allclose(sample.weight, [2 / 6, 1 / 6, 3 / 6])


def test_minus_zero_is_the_same_number_as_zero():
    y = np.array([[0.0], [-0.0], [1.0]])
    plus = np.array([[0.0, 1.0], [0.0, 1.0], [2.0, 0.0]])
    mixed = np.array([[-0.0, 1.0], [0.0, 1.0], [2.0, -0.0]])
    a, b = (
        canonical_sample(X, t, np.ones(3), SampleOptions())
        for X, t in ((plus, y + 0.0), (mixed, y))
    )
    assert_same(a, b)
    assert a.n_samples == 2
    assert_array_equal(np.signbit(a.points), np.signbit(b.points))


# --- points and samples -------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_summing_over_points_is_the_adjoint_of_repeating(tied, seed):
    X, y, rng = random_table(seed, tied)
    sample = canonical_sample(X, y, np.ones(len(X)), SampleOptions(clip_quantile=None))
    on_points = rng.standard_normal((len(sample.points), 2))
    on_samples = rng.standard_normal((sample.n_samples, 2))
    assert_allclose(
        (sample.at_samples(on_points) * on_samples).sum(),
        (on_points * sample.sum_over_points(on_samples)).sum(),
        rtol=1e-12,
        atol=1e-12,
    )
    repeated = sample.at_samples(sample.points)
    assert_array_equal(repeated, sample.points[sample.point_of_sample])


# --- quantiles and clipping ---------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 5)), min_size=1, max_size=12),
    st.integers(1, 19),
)
def test_a_quantile_is_the_inverse_of_the_distribution(pairs, twentieths):
    """The least value whose share reaches q, decided in integers: no rounding can tip it."""
    values, weight = (np.array(column) for column in zip(*pairs, strict=True))
    total = weight.sum()
    reached = [v for v in values if 20 * weight[values <= v].sum() >= twentieths * total]
    (found,) = weighted_quantiles(values.astype(float), weight / total, [twentieths / 20])
    assert found == min(reached)


@settings(max_examples=100, deadline=None)
@given(SEEDS, st.sampled_from([0.005, 0.05, 0.1, 0.25]))
def test_the_unit_of_the_weights_moves_no_clipping_bound(seed, quantile):
    X, y, rng = random_table(seed)
    weight = rng.integers(1, 5, size=len(X)).astype(float)
    expected = canonical_sample(X, y, weight, SampleOptions(True, quantile))
    for unit in (0.1, 1 / 3, 7.0, 1e300, 1e-300):
        scaled = canonical_sample(X, y, weight * unit, SampleOptions(True, quantile))
        assert_array_equal(scaled.input_scaling.lower, expected.input_scaling.lower)
        assert_array_equal(scaled.input_scaling.upper, expected.input_scaling.upper)
        assert_array_equal(scaled.first_row, expected.first_row)
        assert_allclose(scaled.weight, expected.weight, rtol=1e-14)
        assert_allclose(scaled.points, expected.points, rtol=1e-12, atol=1e-12)


def test_clipping_spares_a_rare_indicator():
    rng = np.random.default_rng(0)
    rare = np.zeros(1000)
    rare[:3] = 1.0
    X = np.column_stack([rare, rng.standard_normal(1000), np.full(1000, 4.0)])
    weight = np.full(1000, 1e-3)

    def quantiles(levels):
        return np.array([weighted_quantiles(x, weight, levels) for x in X.T]).T

    lower, upper = clip_bounds((X.min(axis=0), X.max(axis=0)), 0.005, quantiles)
    assert_array_equal(np.isinf(lower), [True, False, True])
    assert_array_equal(np.isinf(upper), [True, False, True])
    assert lower[1] in X[:, 1]
    assert upper[1] in X[:, 1]
    # Below the least value whose share reaches 0.005, and above that which reaches 0.995.
    assert (X[:, 1] < lower[1]).sum() == 4
    assert (X[:, 1] > upper[1]).sum() == 5


def test_without_clipping_nothing_is_clipped():
    X = np.array([[1e9], [0.0], [1.0]])
    sample = canonical_sample(X, np.zeros((3, 1)), np.ones(3), SampleOptions(True, None))
    assert_array_equal(sample.input_scaling.clip(X), X)


# --- units --------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_standardised_columns_have_unit_variance(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((9, 2)), rng.standard_normal((9, 1))
    weight = rng.uniform(0.1, 2, size=9)
    sample = canonical_sample(X, y, weight, SampleOptions(True, None))
    for columns in (sample.at_samples(sample.points), sample.target):
        assert_allclose(sample.weight @ columns, 0.0, atol=RESOLUTION)
        assert_allclose(sample.weight @ columns**2, 1.0, rtol=10 * RESOLUTION)
    scaled = sample.input_scaling.transform(X)
    assert_allclose(scaled[sample.first_row], sample.points, atol=RESOLUTION)


def test_without_standardisation_columns_are_not_scaled():
    rng = np.random.default_rng(0)
    X, y = 5 * rng.standard_normal((9, 2)) + 3, 7 * rng.standard_normal((9, 1))
    sample = canonical_sample(X, y, np.ones(9), SampleOptions(False, None))
    assert_array_equal(sample.input_scaling.scale, 1.0)
    assert_array_equal(sample.target_scaling.scale, 1.0)
    assert_allclose(sample.points, np.unique(X - X.mean(axis=0), axis=0), atol=1e-14)


@pytest.mark.parametrize("unit", [1e150, 1e-150, 1e300, 1e-300])
def test_huge_and_tiny_units_neither_overflow_nor_vanish(unit):
    rng = np.random.default_rng(1)
    X, y, weight = rng.standard_normal((8, 2)), rng.standard_normal((8, 1)), np.ones(8)
    expected = canonical_sample(X, y, weight, SampleOptions())
    sample = canonical_sample(X * unit, y * unit, weight, SampleOptions())
    assert_allclose(sample.points, expected.points, rtol=1e-12, atol=1e-13)
    assert_allclose(sample.target, expected.target, rtol=1e-12, atol=1e-13)


def test_an_offset_does_not_drown_the_variance():
    """Two passes: the naive formula loses all digits here."""
    X = 1e9 + np.array([[0.0], [1.0], [2.0]])
    rows = OneChunk(X, X, np.full(3, 1 / 3))
    unbounded, extremes = (np.array([-np.inf]), np.array([np.inf])), range_of(rows.chunk).inputs
    units = units_of(unbounded)
    scaling = standardized(rows, "inputs", extremes, units, 1.0, standardize=True)
    assert_allclose(scaling.mean, 1e9 + 1)
    assert_allclose(scaling.scale, np.sqrt(2 / 3), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e300, -1e-300])
def test_a_constant_column_is_not_scaled_by_rounding(value):
    X = np.column_stack([np.full(7, value), np.arange(7.0)])
    sample = canonical_sample(X, np.full((7, 1), value), np.full(7, 0.3), SampleOptions())
    assert sample.input_scaling.scale[0] == sample.target_scaling.scale[0] == 1.0
    assert sample.input_scaling.mean[0] == sample.target_scaling.mean[0] == value
    assert_array_equal(sample.points[:, 0], 0.0)
    assert_array_equal(sample.target, 0.0)


@on_all_options
def test_one_sample_of_one_feature_is_a_sample(options):
    sample = canonical_sample(np.array([[3.0]]), np.array([[-2.0]]), np.array([0.25]), options)
    assert_array_equal(sample.points, [[0.0]])
    assert_array_equal(sample.target, [[0.0]])
    assert_array_equal(sample.weight, [1.0])
    assert_array_equal(sample.first_row, [0])
    assert sample.n_samples == sample.n_inputs == 1
    assert_array_equal(sample.input_scaling.mean, [3.0])
