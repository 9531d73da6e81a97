"""What the outputs of a fitted network mean."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier

from sklearn_wedge._objectives import LOG_LINK_LOSSES


def link_of(model: Any) -> str:
    """How a prediction comes from the outputs of the network.

    Parameters
    ----------
    model : fitted estimator
        Of this package.

    Returns
    -------
    {"identity", "log", "logit", "softmax", "margin"}
        ``"identity"``: the outputs are predicted. ``"log"``: their exponentials. ``"logit"``: the
        only output is the log odds of the second class. ``"softmax"``: the outputs are the
        logarithms of the classes' probabilities up to a constant. ``"margin"``: as the two before,
        but of a loss that gives no probabilities.
    """
    if is_classifier(model):
        if model.loss != "log_loss":
            return "margin"
        return "logit" if len(model.classes_) == 2 else "softmax"
    return "log" if model.loss in LOG_LINK_LOSSES else "identity"
