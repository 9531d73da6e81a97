"""What the outputs of a fitted network mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from sklearn_wedge._settings.objectives import LOG_LINK_LOSSES, decision_layer
from sklearn_wedge._text.names import quantile_levels

Array = NDArray[np.float64]


def link_of(model: Any) -> str:
    """How a prediction comes from the outputs, see ``with_output_layer``.

    Parameters
    ----------
    model : fitted estimator
        Of this package.

    Returns
    -------
    {"identity", "sorted", "log", "logit", "softmax", "margin"}
        ``"identity"``: the outputs are predicted. ``"sorted"``: these in ascending order, as they
        are several quantiles. ``"log"``: their exponentials. ``"logit"``: the
        only output is the log odds of the second class. ``"softmax"``: the outputs are the
        logarithms of the classes' probabilities up to a constant. ``"margin"``: as the two before,
        but of a loss that gives no probabilities.
    """
    if is_classifier(model):
        if model.loss != "log_loss":
            return "margin"
        return "logit" if len(model.classes_) == 2 else "softmax"
    if quantile_levels(model):
        return "sorted"
    return "log" if model.loss in LOG_LINK_LOSSES else "identity"


def refuse_categories(model: Any, method: str) -> None:
    """Raise if a network takes categories, and what it is to become takes numbers only.

    Raises
    ------
    ValueError
        It names the columns, and what takes them.
    """
    table = model.table_
    if table.categories:
        names = [table.column_names[each.column] for each in table.categories]
        raise ValueError(
            f"{method} makes networks on numbers, and of {names} levels or single values have "
            "inputs: use to_onnx or to_dict, or fit on model.inputs_frame(X) and convert that "
            "network."
        )


def with_output_layer(model: Any) -> tuple[list[Array], list[Array]]:
    """``coefs_`` and ``intercepts_``, with a last layer whose outputs are about all classes.

    Of a classifier they are those of ``decision_function``: where only some classes had weight, the
    network itself has outputs for these alone.
    """
    coefs, intercepts = list(model.coefs_), list(model.intercepts_)
    if hasattr(model, "classes_"):
        weights, offsets = decision_layer(model.loss, model.classes_, model.fitted_classes_)
        coefs[-1] = coefs[-1] @ weights
        intercepts[-1] = intercepts[-1] @ weights + offsets
    return coefs, intercepts
