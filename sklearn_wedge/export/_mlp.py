"""A fitted network as scikit-learn's ``MLPRegressor`` or ``MLPClassifier``."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import sklearn
from sklearn.base import is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import LabelBinarizer

from sklearn_wedge.export._layers import Layer, plain_layers
from sklearn_wedge.export._outputs import link_of, refuse_categories


def to_mlp(model: Any) -> MLPRegressor | MLPClassifier:
    """See ``ExportMixin.to_mlp``."""
    refuse_categories(model, "to_mlp")
    layers = _on_complete_rows(model, plain_layers(model))
    widths = tuple(len(layer.bias) for layer in layers[:-1])
    mlp = _classifier(model, widths) if is_classifier(model) else _regressor(model, widths)
    _set_layers(mlp, layers)
    mlp.n_features_in_ = model.n_features_in_
    if hasattr(model, "feature_names_in_"):
        mlp.feature_names_in_ = model.feature_names_in_
    return mlp


def _on_complete_rows(model: Any, layers: list[Layer]) -> list[Layer]:
    """The layers on the columns of a table from which nothing is missing: indicators are 0."""
    table = model.table_
    if not len(table.lacking):
        return layers
    warnings.warn(
        f"{[table.column_names[k] for k in table.lacking]} lacked values in training, and "
        "networks of scikit-learn refuse rows with missing values: predictions agree on complete "
        "rows. to_onnx, to_torch and to_dict take missing values.",
        UserWarning,
        stacklevel=4,
    )
    first, *others = layers
    return [Layer(first.weights[: table.n_columns], first.bias), *others]


def _regressor(model: Any, widths: tuple[int, ...]) -> MLPRegressor:
    if link_of(model) == "sorted":
        raise ValueError(
            "Several quantiles are the sorted outputs of the network, and networks of scikit-learn "
            "do not sort: use to_onnx, to_torch or to_dict, or fit one quantile at a time."
        )
    if link_of(model) == "identity":
        mlp = MLPRegressor(hidden_layer_sizes=widths)
        mlp.out_activation_ = "identity"
        return mlp
    if "loss" not in inspect.signature(MLPRegressor).parameters:
        raise ValueError(
            f"loss={model.loss!r} predicts the exponential of the network's output, which the "
            f"MLPRegressor of scikit-learn {sklearn.__version__} cannot do: use scikit-learn 1.7 "
            "or newer, to_onnx, to_torch or to_dict."
        )
    # Its Poisson loss is the one whose outputs are exponentials; so are those of the gamma loss.
    mlp = MLPRegressor(loss="poisson", hidden_layer_sizes=widths)
    mlp.out_activation_ = "exp"
    return mlp


def _classifier(model: Any, widths: tuple[int, ...]) -> MLPClassifier:
    if link_of(model) == "margin":
        warnings.warn(
            f"predict of the MLPClassifier agrees, but loss={model.loss!r} gives no probabilities: "
            "its predict_proba is of no use.",
            UserWarning,
            stacklevel=4,
        )
    mlp = MLPClassifier(hidden_layer_sizes=widths)
    mlp.out_activation_ = "logistic" if len(model.classes_) == 2 else "softmax"
    mlp.classes_ = model.classes_
    mlp._label_binarizer = LabelBinarizer().fit(model.classes_)
    return mlp


def _set_layers(mlp: MLPRegressor | MLPClassifier, layers: list[Layer]) -> None:
    """What a fit leaves behind, also for one that goes on from here (``warm_start=True``)."""
    mlp.coefs_ = [np.array(layer.weights) for layer in layers]
    mlp.intercepts_ = [np.array(layer.bias) for layer in layers]
    mlp.n_layers_ = len(layers) + 1
    mlp.n_outputs_ = len(layers[-1].bias)
    mlp.n_iter_ = mlp.t_ = mlp._no_improvement_count = 0
    mlp.loss_curve_, mlp.best_loss_ = [], np.inf
