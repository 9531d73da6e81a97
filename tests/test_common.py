"""scikit-learn's own estimator checks: all hold for every estimator as it is.

Of two variants one check asks for what they are not.
"""

import cvxpy
import sklearn
from plain_cv import classifier_cv, regressor_cv
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)

# The checks fit hundreds of times: a short path, few folds and, among the variants, a loose
# tolerance keep that affordable.
SMALL = {"alphas": 2, "eps": 0.3, "cv": 2}


class Expectile:
    """A loss of the user's own, whose name does not hold its address: tests are listed by it."""

    def __call__(self, f, y):
        return 0.8 * cvxpy.square(cvxpy.pos(y - f)) + 0.2 * cvxpy.square(cvxpy.pos(f - y))

    def __repr__(self):
        return "expectile"


NEWEST = parse_version(sklearn.__version__) >= parse_version("1.8")
# A race for each check takes minutes. Older versions check the CV estimators among the variants, on
# fixed grids.
RACES = [WedgeReLURegressorCV(), WedgeReLUClassifierCV()] if NEWEST else []
ESTIMATORS = [
    WedgeReLURegressor(),
    WedgeReLUClassifier(),
    WedgeFeatures(WedgeReLURegressor(0.01)),
    *RACES,
]
QUANTILES = WedgeReLURegressor(
    0.03, loss="quantile", quantile=(0.1, 0.9), interaction_order=1, tol=1e-2
)
COUNTS = WedgeReLURegressor(0.01, loss="poisson")
VARIANTS = [
    WedgeReLURegressor(norm="l2", alpha=0.05),
    COUNTS,
    WedgeReLURegressor(alpha=1.0, tol=1e-2, loss=Expectile()),
    WedgeReLUClassifier(loss="hinge", alpha=0.05, tol=1e-2, interaction_order=1),
    regressor_cv(**SMALL, interaction_order=(1, 2)),
    classifier_cv(**SMALL),
    WedgeReLURegressor(n_blocks=2, alpha=0.1, tol=1e-2),
    QUANTILES,
]


def about_other_targets(estimator):
    """Checks of a variant that are about targets, or predictions, of another kind."""
    if estimator is QUANTILES:
        return {"check_regressors_train": "asks for one prediction per row; here is one per level"}
    if estimator is COUNTS:  # the check does not look at the tag positive_only
        return {"check_regressor_multioutput": "some of its targets are negative"}
    return {}


@parametrize_with_checks(
    [*ESTIMATORS, *(VARIANTS if NEWEST else [])], expected_failed_checks=about_other_targets
)
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)
