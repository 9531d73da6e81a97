"""What cross-validation scores by unless told otherwise: the loss that is minimised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    log_loss,
    make_scorer,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
)

from sklearn_wedge._core.losses import Loss
from sklearn_wedge._settings.inputs import as_columns
from sklearn_wedge._settings.objectives import class_targets, classification_loss, regression_loss

_BY_NAME = {
    "squared_error": "neg_mean_squared_error",
    "absolute_error": "neg_mean_absolute_error",
}
# Those of scikit-learn are of one target.
_DEVIANCES = {"poisson": mean_poisson_deviance, "gamma": mean_gamma_deviance}


# What losses are called.
_IN_WORDS = {
    "squared_error": "squared error",
    "absolute_error": "absolute error",
    "huber": "Huber loss",
    "quantile": "pinball loss",
    "poisson": "Poisson deviance",
    "gamma": "gamma deviance",
    "log_loss": "log loss",
    "hinge": "hinge loss",
    "squared_hinge": "squared hinge loss",
}


def score_in_words(scoring: Any, loss: str | Callable) -> str:
    """What scores are: those that were asked for by name, by default the loss."""
    if scoring is None:
        return f"minus the mean {_IN_WORDS[loss] if isinstance(loss, str) else 'loss'}"
    if isinstance(scoring, str):
        return scoring
    called = getattr(scoring, "__name__", type(scoring).__name__)
    return str(scoring) if str(scoring).startswith("make_scorer(") else called


def mean_deviance(
    y_true: NDArray, y_pred: NDArray, *, loss: str, sample_weight: NDArray | None = None
) -> float:
    """Weighted mean deviance; of several targets, the mean of theirs."""
    columns = zip(as_columns(y_true).T, as_columns(y_pred).T, strict=True)
    deviance = _DEVIANCES[loss]
    return float(np.mean([deviance(y, f, sample_weight=sample_weight) for y, f in columns]))


def mean_quantile_loss(
    y_true: NDArray,
    y_pred: NDArray,
    *,
    quantile: float | Sequence[float],
    sample_weight: NDArray | None = None,
) -> float:
    """Weighted mean pinball loss; of several quantiles of one target, the mean of theirs."""
    if np.ndim(quantile) == 0:
        return mean_pinball_loss(y_true, y_pred, sample_weight=sample_weight, alpha=quantile)
    columns = zip(quantile, y_pred.T, strict=True)
    losses = (
        mean_pinball_loss(y_true, column, sample_weight=sample_weight, alpha=level)
        for level, column in columns
    )
    return float(np.mean(list(losses)))


def mean_loss(
    y_true: NDArray, y_pred: NDArray, *, loss: Loss, sample_weight: NDArray | None = None
) -> float:
    """Weighted mean of a loss; of several targets, the mean of theirs."""
    weight, target = _shares(sample_weight, len(y_true)), as_columns(y_true)
    return loss.value(as_columns(y_pred), target, weight) / target.shape[1]


def mean_log_loss(
    y_true: NDArray,
    probability: NDArray,
    *,
    classes: NDArray,
    sample_weight: NDArray | None = None,
) -> float:
    """Weighted mean log loss, also of rows that are not of every class."""
    # Of two classes, scikit-learn hands on the probability of the second.
    if probability.ndim == 1:
        probability = np.column_stack([1.0 - probability, probability])
    return log_loss(y_true, probability, sample_weight=sample_weight, labels=classes)


def mean_margin_loss(
    y_true: NDArray,
    decision: NDArray,
    *,
    loss: str,
    classes: NDArray,
    fitted: NDArray,
    sample_weight: NDArray | None = None,
) -> float:
    """Weighted mean of a loss of margins: of two classes, or of each class against the rest.

    All rows are of the classes that are fitted; margins of the others do not count.
    """
    if len(fitted) == 1:
        return 0.0
    if len(fitted) < len(classes):
        decision = decision[:, np.isin(classes, fitted)][:, len(fitted) == 2 :]
    target = class_targets(y_true, fitted)
    minimised = classification_loss(loss, len(fitted))
    weight = _shares(sample_weight, len(target))
    return minimised.value(decision.reshape(target.shape), target, weight)


def _shares(sample_weight: NDArray | None, n: int) -> NDArray[np.float64]:
    """Weights that sum to 1; equal ones if there are none."""
    weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight)
    return weight / weight.sum()


def regression_scoring(
    loss: str | Callable, quantile: float | Sequence[float], epsilon: float
) -> Any:
    """Scorer, or name of one, for a regression; larger is better."""
    if isinstance(loss, str) and loss in _BY_NAME:
        return _BY_NAME[loss]
    if isinstance(loss, str) and loss in _DEVIANCES:
        return make_scorer(mean_deviance, greater_is_better=False, loss=loss)
    if isinstance(loss, str) and loss == "quantile":
        return make_scorer(mean_quantile_loss, greater_is_better=False, quantile=quantile)
    minimised = regression_loss(loss, quantile, epsilon)
    return make_scorer(mean_loss, greater_is_better=False, loss=minimised)


def classification_scoring(loss: str, classes: NDArray | None, fitted: NDArray | None) -> Any:
    """Scorer, or name of one, for a classification; larger is better.

    ``fitted`` are those of the classes that have weight; both are None before a fit.
    """
    if loss == "log_loss":
        return make_scorer(
            mean_log_loss,
            greater_is_better=False,
            response_method="predict_proba",
            classes=classes,
        )
    return make_scorer(
        mean_margin_loss,
        greater_is_better=False,
        response_method="decision_function",
        loss=loss,
        classes=classes,
        fitted=fitted,
    )
