"""scikit-learn's own estimator checks, with no expected failures."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)

# The checks fit hundreds of times: a short path and few folds keep that affordable.
SMALL = {"alphas": 2, "eps": 0.1, "cv": 3}


@parametrize_with_checks(
    [
        WedgeReLURegressor(),
        WedgeReLURegressorCV(**SMALL),
        WedgeReLUClassifier(),
        WedgeReLUClassifierCV(**SMALL),
        WedgeReLURegressor(norm="l2"),
        WedgeReLUClassifier(norm="l2"),
        WedgeReLURegressor(solver="cvxpy"),
        WedgeReLUClassifier(solver="cvxpy"),
    ]
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
