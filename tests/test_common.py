"""scikit-learn's own estimator checks, with no expected failures."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wedge import WedgeReLURegressor, WedgeReLURegressorCV

# The checks fit hundreds of times: a short path and few folds keep that affordable.
SMALL_CV = WedgeReLURegressorCV(alphas=2, eps=0.1, cv=3)


@parametrize_with_checks([WedgeReLURegressor(), SMALL_CV])
def test_scikit_learn_check(estimator, check):
    check(estimator)
