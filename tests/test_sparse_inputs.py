"""Inputs that are zero in most rows: a search finds what exact pricing finds."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_wedge import WedgeReLURegressor
from sklearn_wedge._core.pricing.grids import bin_starts, quantile_bins

BINS = 24


def sparse_inputs(rng, shape, zeros):
    """Long tails, and that share of zeros."""
    return np.where(rng.random(shape) < zeros, 0.0, rng.lognormal(size=shape))


@pytest.fixture(params=range(3))
def table(request):
    """As many inputs as rows of word counts have, and a target of neurons of two of them."""
    rng = np.random.default_rng(request.param)
    n, d = 400, 40
    X = sparse_inputs(rng, (n, d), zeros=0.85)
    y = 0.1 * rng.normal(size=n)
    for _ in range(d):
        first, second = rng.choice(d, 2, replace=False)
        reach = X[:, first] * rng.uniform(0.5, 2.0) + rng.choice([-1.0, 1.0]) * X[:, second]
        y += rng.choice([-1.0, 1.0]) * np.maximum(reach - rng.uniform(0.0, 1.5), 0.0)
    return X, y


def test_an_estimated_bound_is_below_the_optimum(table):
    how = {"alpha": 3e-3, "norm": "l1", "interaction_order": 2, "tol": 1e-4, "max_iter": 500}
    searched = WedgeReLURegressor(pricing="search", **how).fit(*table).certificate_
    exact = WedgeReLURegressor(pricing="exact", **how).fit(*table).certificate_
    assert exact.exact
    assert not searched.exact
    assert searched.lower_bound <= exact.objective
    assert searched.objective <= exact.objective + searched.tolerance


@pytest.mark.parametrize("zeros", [0.5, 0.85, 0.97])
def test_zeros_take_one_bin_and_leave_all_others_to_the_rest(zeros):
    values = sparse_inputs(np.random.default_rng(0), 4000, zeros)
    bins = quantile_bins(values, BINS)
    assert_array_equal(np.unique(bins), np.arange(BINS))
    assert_array_equal(bins == 0, values == 0)


def test_bins_have_equal_shares_of_rows_and_of_distances_from_the_mean():
    values = np.random.default_rng(0).lognormal(size=4000)
    bins = quantile_bins(values, BINS)
    far = np.abs(values - values.mean())
    shares = 0.5 * (np.bincount(bins) / len(values) + np.bincount(bins, far) / far.sum())
    largest = 0.5 * (1 / len(values) + far.max() / far.sum())
    assert len(shares) == BINS
    assert np.abs(shares - 1 / BINS).max() <= largest


def test_bins_of_the_largest_numbers_are_those_of_small_ones():
    values = np.random.default_rng(0).lognormal(size=4000)
    unit = 2.0 ** (1023 - np.ceil(np.log2(values.max())))
    assert_array_equal(bin_starts(unit * values, BINS), unit * bin_starts(values, BINS))


def test_of_few_values_each_has_a_bin():
    values = np.repeat([-1.0, 0.0, 2.0], [1, 1000, 3])
    assert_array_equal(bin_starts(values, BINS), [-1.0, 0.0, 2.0])


def test_there_are_no_more_bins_than_asked_for():
    values = np.concatenate([np.zeros(900), np.ones(500), np.arange(2.0, 102.0)])
    assert len(bin_starts(values, BINS)) <= BINS
