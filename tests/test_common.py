"""scikit-learn's own estimator checks, with no expected failures."""

import numpy as np
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)

# The checks fit hundreds of times: a short path and few folds keep that affordable.
SMALL = {"alphas": 2, "eps": 0.1, "cv": 3}

suitable_target = estimator_checks._enforce_estimator_tags_y


def same_two_classes(estimator, y):
    """Two classes out of several, whatever the order of the rows.

    In scikit-learn 1.6 the class of the first row decides, and the check of weights against copies
    then fits other labels to the weighted rows than to the copies.
    """
    tags = get_tags(estimator).classifier_tags
    if tags is None or tags.multi_class:
        return suitable_target(estimator, y)
    return np.where(y == y.min(), y.min(), y.min() + 1)


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
def test_scikit_learn_check(estimator, check, monkeypatch):
    if "sample_weight_equivalence" in check.func.__name__:
        monkeypatch.setattr(estimator_checks, "_enforce_estimator_tags_y", same_two_classes)
    check(estimator)
