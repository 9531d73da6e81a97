"""From the ``loss`` that a user names to the loss that is minimised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_parameter_constraints

from sklearn_wedge._core.losses import (
    Gamma,
    Hinge,
    Huber,
    LogLoss,
    Loss,
    LossWithGradient,
    Multinomial,
    OwnLoss,
    OwnSmoothLoss,
    Pinball,
    Poisson,
    SquaredError,
    SquaredHinge,
)
from sklearn_wedge._settings.inputs import as_columns
from sklearn_wedge._settings.options import NumberIn

REGRESSION_LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "quantile",
    "poisson",
    "gamma",
)
# The network predicts the logarithm of a positive quantity.
LOG_LINK_LOSSES = ("poisson", "gamma")
CLASSIFICATION_LOSSES = ("log_loss", "hinge", "squared_hinge")
# What the decision function says of a class that no row with weight is of: its probability is then
# exactly 0. Finite, as scikit-learn's tools want it, and of single precision, as exports need it.
NEVER = float(np.finfo(np.float32).min)

REGRESSION_CONSTRAINTS: dict[str, list[Any]] = {
    "loss": [
        StrOptions(set(REGRESSION_LOSSES)),
        callable,
        HasMethods(["value", "gradient", "curvature", "conjugate"]),
    ],
    # Several levels are looked at when they are read.
    "quantile": [NumberIn(Real, 0, 1, closed="neither"), list, tuple, np.ndarray],
    "epsilon": [NumberIn(Real, 0, None, closed="neither")],
}
CLASSIFICATION_CONSTRAINTS: dict[str, list[Any]] = {
    "loss": [StrOptions(set(CLASSIFICATION_LOSSES))]
}


def regression_loss(
    loss: str | Callable | LossWithGradient, quantile: float | Sequence[float], epsilon: float
) -> Loss:
    """The loss of a regression.

    Parameters
    ----------
    loss : str, callable or LossWithGradient
        One of ``REGRESSION_LOSSES``, or a user's own.
    quantile : float or sequence of float
        Of ``"quantile"``.
    epsilon : float
        Of ``"huber"``, in units of the target.

    Raises
    ------
    ValueError
        If it is a class with the methods of a loss, and not an instance of it; or if several
        quantiles are not ascending levels.
    """
    if isinstance(loss, LossWithGradient):
        if isinstance(loss, type):
            raise ValueError(
                f"loss is the class {loss.__name__}: pass an instance, such as "
                f"{loss.__name__}(...), not the class."
            )
        return OwnSmoothLoss(loss)
    if callable(loss):
        return OwnLoss(loss)
    return {
        "squared_error": SquaredError(),
        "absolute_error": Pinball(1.0, 1.0),
        "huber": Huber(float(epsilon)),
        "quantile": _pinball(quantile),
        "poisson": Poisson(),
        "gamma": Gamma(),
    }[loss]


def _pinball(quantile: float | Sequence[float]) -> Pinball:
    """Of one level, or of several."""
    if np.ndim(quantile) == 0:
        return Pinball(float(quantile), 1.0 - float(quantile))
    try:
        levels = np.asarray(quantile, dtype=np.float64)
    except (TypeError, ValueError):
        levels = np.empty(0)
    inside = levels.size and np.all((levels > 0) & (levels < 1))
    if levels.ndim != 1 or not inside or np.any(np.diff(levels) <= 0):
        raise ValueError(
            "quantile must be a level between 0 and 1, or several of them in ascending order, such "
            f"as (0.05, 0.5, 0.95); got {quantile!r}."
        )
    return Pinball(tuple(levels.tolist()), tuple((1.0 - levels).tolist()))


def targets_of(loss: Loss, y: NDArray) -> NDArray[np.float64]:
    """Targets as the loss sees them, (n, q): a column for each output."""
    return np.repeat(as_columns(y), loss.outputs_of_target, axis=1)


def validated_regression_loss(
    loss: str | Callable | LossWithGradient,
    quantile: float | Sequence[float],
    epsilon: float,
    caller: str,
) -> Loss:
    """``regression_loss`` of parameters that nobody has checked before.

    Raises
    ------
    ValueError
        If one is not valid.
    """
    parameters = {"loss": loss, "quantile": quantile, "epsilon": epsilon}
    validate_parameter_constraints(REGRESSION_CONSTRAINTS, parameters, caller_name=caller)
    return regression_loss(loss, quantile, epsilon)


def classification_loss(loss: str, n_classes: int) -> Loss:
    """The loss of a classification: one output for two classes, else one for each class."""
    if n_classes == 1:  # the constant 1 has no loss; the log loss would have no minimiser
        return SquaredHinge()
    if loss == "log_loss":
        return LogLoss() if n_classes == 2 else Multinomial()
    return Hinge() if loss == "hinge" else SquaredHinge()


def class_targets(y: NDArray, classes: NDArray) -> NDArray[np.float64]:
    """1 for the class of each output, else 0: (n, 1) for two classes, else (n, n_classes)."""
    outputs = classes[1:] if len(classes) == 2 else classes
    return (np.asarray(y)[:, None] == outputs).astype(np.float64)


def decision_layer(
    loss: str, classes: NDArray, fitted: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From the outputs of a network to the decision function: ``outputs @ weights + offsets``.

    Parameters
    ----------
    loss : str
        One of ``CLASSIFICATION_LOSSES``.
    classes, fitted : ndarrays
        All classes, and those that the network was fitted on: all, or the ones with weight.

    Returns
    -------
    weights : ndarray of shape (n_outputs, k)
        With k 1 for two classes, else their number.
    offsets : ndarray of shape (k,)
    """
    n_outputs = 1 if len(fitted) == 2 else len(fitted)
    if len(fitted) == len(classes):
        return np.eye(n_outputs), np.zeros(n_outputs)
    known = np.flatnonzero(np.isin(classes, fitted))
    if len(classes) == 2:
        return np.zeros((1, 1)), np.array([NEVER if known[0] == 0 else -NEVER])
    weights, offsets = np.zeros((n_outputs, len(classes))), np.full(len(classes), NEVER)
    # The difference of the scores of two classes is the log odds; the margin is that of each.
    part = 0.5 if loss == "log_loss" else 1.0
    weights[:, known] = [[-part, part]] if len(fitted) == 2 else np.eye(n_outputs)
    offsets[known] = 0.0
    return weights, offsets


def check_solver(loss: Loss, name: str, solver: str) -> None:
    """Refuse a solver that needs a gradient that the loss does not have.

    Raises
    ------
    ValueError
        The message names the pair.
    """
    if solver == "active_set" and isinstance(loss, OwnLoss):
        raise ValueError(
            f"solver='active_set' and loss={name} do not combine: the loss has no gradient. Use "
            "solver='auto' or 'cvxpy'."
        )
    if solver == "cvxpy" and isinstance(loss, OwnSmoothLoss) and not callable(loss.own):
        raise ValueError(
            f"solver='cvxpy' and loss={name} do not combine: CVXPY needs its expression. Use "
            "solver='auto', or let the object be called with an expression and the targets, too."
        )


def check_regression(loss: Loss, y: NDArray, weight: NDArray, name: str, solver: str) -> None:
    """Refuse what does not combine with the loss of a regression.

    Parameters
    ----------
    loss : Loss
    y : ndarray of shape (n, q)
        Targets in original units.
    weight : ndarray of shape (n,)
        Rows of weight zero do not count.
    name : str
        The loss as the user named it.
    solver : str

    Raises
    ------
    ValueError
        If there is no such fit: the message names the pair, or what is wrong with the targets.
    """
    check_solver(loss, name, solver)
    if y.shape[1] > 1 and isinstance(loss, OwnLoss | OwnSmoothLoss):
        raise ValueError(
            f"loss={name} and several targets (y of {y.shape[1]} columns) do not combine: use "
            "a loss by name, or one estimator per target "
            "(sklearn.multioutput.MultiOutputRegressor)."
        )
    if y.shape[1] > 1 and loss.outputs_of_target > 1:
        raise ValueError(
            f"{loss.outputs_of_target} quantiles and several targets (y of {y.shape[1]} columns) "
            "do not combine: use one quantile, or one estimator per target "
            "(sklearn.multioutput.MultiOutputRegressor)."
        )
    wrong = loss.impossible(np.asarray(y)[weight > 0])
    if wrong is not None:
        raise ValueError(wrong)


def name_of(loss: str | Callable | LossWithGradient) -> str:
    """A loss as it appears in messages."""
    if isinstance(loss, LossWithGradient):
        return type(loss).__name__
    return getattr(loss, "__name__", repr(loss)) if callable(loss) else repr(loss)
