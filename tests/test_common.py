"""scikit-learn's own estimator checks: all hold for every estimator as it is.

Of two variants one check asks for what they are not.
"""

import re
from dataclasses import replace
from functools import partial

import cvxpy
import pytest
import sklearn
from plain_cv import classifier_cv, regressor_cv
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.fixes import parse_version

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)
from sklearn_wedge._estimators import alpha_by_validation
from sklearn_wedge._estimators.race_plan import BY_EFFORT

# The checks fit hundreds of times: short paths and loose tolerances keep that affordable.
SMALL = {"alphas": 2, "eps": 0.3, "cv": 2}


class Expectile:
    """A loss of the user's own, whose name does not hold its address: tests are listed by it."""

    def __call__(self, f, y):
        return 0.8 * cvxpy.square(cvxpy.pos(y - f)) + 0.2 * cvxpy.square(cvxpy.pos(f - y))

    def __repr__(self):
        return "expectile"


QUANTILES = WedgeReLURegressor(
    0.03, loss="quantile", quantile=(0.1, 0.9), interaction_order=1, tol=1e-2
)
COUNTS = WedgeReLURegressor(0.01, loss="poisson")
GRIDS = [regressor_cv(**SMALL, interaction_order=(1, 2)), classifier_cv(**SMALL)]
VARIANTS = [
    WedgeReLURegressor(norm="l2", alpha=0.05),
    COUNTS,
    WedgeReLURegressor(alpha=1.0, tol=1e-2, loss=Expectile()),
    WedgeReLUClassifier(loss="hinge", alpha=0.05, tol=1e-2, interaction_order=1),
    WedgeReLURegressor(n_blocks=2, alpha=0.1, tol=1e-2),
    QUANTILES,
    *GRIDS,
]
AS_THEY_ARE = [
    WedgeReLURegressor(),
    WedgeReLUClassifier(),
    WedgeFeatures(WedgeReLURegressor(0.01)),
    WedgeReLURegressorCV(),
    WedgeReLUClassifierCV(),
]
# One of each class, of which nothing is chosen that is not checked on newer versions.
QUICK = [WedgeReLURegressor(0.01), WedgeReLUClassifier(0.01), AS_THEY_ARE[2], *GRIDS]
NEWEST = parse_version(sklearn.__version__) >= parse_version("1.8")

# Of what is done with data before they are fitted, in words of the names of checks: variants do
# the same as the others of their class.
BEFORE_A_FIT = (
    "memmap",
    "not_an_array",
    "dtype",
    "contiguous",
    "list",
    "series",
    "pipeline",
    "overwrite",
    "dict_unchanged",
    "n_features_in",
    "returns_self",
    "takes_y",
    "is_fitted",
    "predict1d",
)


def about_other_targets(estimator):
    """Checks of a variant that are about targets, or predictions, of another kind."""
    if estimator is QUANTILES:
        return {"check_regressors_train": "asks for one prediction per row; here is one per level"}
    if estimator is COUNTS:  # the check does not look at the tag positive_only
        return {"check_regressor_multioutput": "some of its targets are negative"}
    return {}


def checks_of_fits(estimator):
    """Of an estimator, those that are about the fit."""
    checks = estimator_checks_generator(
        estimator, expected_failed_checks=about_other_targets(estimator), mark="xfail"
    )
    for pair in checks:
        _, check = getattr(pair, "values", pair)
        if not any(word in str(check) for word in BEFORE_A_FIT):
            yield pair


def named(part):
    """An estimator, or a check of it, in the list of tests."""
    if not isinstance(part, partial):
        return re.sub(r"\s", "", str(part))
    return "-".join([part.func.__name__, *(f"{k}={v}" for k, v in part.keywords.items())])


@pytest.fixture(autouse=True)
def choices_by_two_folds(monkeypatch):
    """Instead of five or ten: all stages run, and what is checked depends on no number of folds."""
    monkeypatch.setattr(alpha_by_validation, "PARTS", 2)
    monkeypatch.setitem(BY_EFFORT, "balanced", replace(BY_EFFORT["balanced"], n_folds=2))


@parametrize_with_checks(AS_THEY_ARE if NEWEST else QUICK)
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.newest
@pytest.mark.parametrize(
    ("estimator", "check"),
    [pair for variant in VARIANTS for pair in checks_of_fits(variant)],
    ids=named,
)
def test_variants_pass_the_checks_of_fits(estimator, check):
    check(estimator)
