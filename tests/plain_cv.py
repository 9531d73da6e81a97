"""Cross-validation of one kind of network, unless others are given: what is quick to fit."""

from sklearn_wedge import WedgeReLUClassifierCV, WedgeReLURegressorCV

PLAIN = {
    "alphas": 30,
    "interaction_order": 2,
    "norm": "l1",
    "n_blocks": 1,
    "encoding": None,
    "clip_quantile": 0.005,
}


def regressor_cv(*alphas, **parameters):
    """A regressor; ``alphas`` may be positional, as it may be there."""
    return WedgeReLURegressorCV(**_merged(alphas, parameters))


def classifier_cv(*alphas, **parameters):
    """A classifier; likewise."""
    return WedgeReLUClassifierCV(**_merged(alphas, parameters))


def _merged(alphas, parameters):
    return {**PLAIN, **dict(zip(["alphas"], alphas, strict=False)), **parameters}
