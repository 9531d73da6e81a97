"""Reading a network that somebody else has trained: scikit-learn's, PyTorch's, or plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

Array = NDArray[np.float64]

ACCEPTED = (
    "a fitted MLPRegressor or MLPClassifier, layer weights (coefs, intercepts) as in their "
    "attributes, or a torch.nn.Sequential(Linear, ReLU, ..., Linear)"
)


@dataclass(frozen=True)
class TrainedNetwork:
    """``x -> relu(x @ hidden + hidden_bias) @ output + output_bias``, after other hidden layers.

    Attributes
    ----------
    hidden : ndarray of shape (d, m)
        The last hidden layer, on the inputs or the layer before it.
    hidden_bias : ndarray of shape (m,)
    output : ndarray of shape (m, q)
    output_bias : ndarray of shape (q,)
    loss : {"squared_error", "poisson", "log_loss"} or None
        What it was trained with; None if that cannot be known.
    classes : ndarray or None
        The labels that it was trained on, if it was and they are known.
    before : tuple of (weights, biases)
        Hidden layers before that, each on the one before it.
    """

    hidden: Array
    hidden_bias: Array
    output: Array
    output_bias: Array
    loss: str | None = None
    classes: NDArray | None = None
    before: tuple[tuple[Array, Array], ...] = ()

    @property
    def n_inputs(self) -> int:
        """Number of input columns."""
        return len(self.before[0][0] if self.before else self.hidden)

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self.output.shape[1]

    def predict(self, X: NDArray) -> Array:
        """Outputs for ``X`` of shape (n, d): an array of shape (n, q)."""
        hidden = np.asarray(X, dtype=np.float64)
        for weights, bias in (*self.before, (self.hidden, self.hidden_bias)):
            hidden = np.maximum(hidden @ weights + bias, 0.0)
        return hidden @ self.output + self.output_bias


def read_network(network: Any) -> TrainedNetwork:
    """The weights of a network of ReLUs.

    Parameters
    ----------
    network : object
        A fitted ``MLPRegressor`` or ``MLPClassifier``, ``(coefs, intercepts)``, or a PyTorch module
        that is a sequence of linear layers with a ReLU between any two.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it is not fitted, has no hidden layer or another activation, or its weights do not fit
        together or are not finite.
    """
    if isinstance(network, MLPRegressor | MLPClassifier):
        return _of_scikit_learn(network)
    if _is_torch_module(network):
        return _of_torch(network)
    if isinstance(network, tuple | list) and len(network) == 2:
        return _of_layers(*network)
    raise TypeError(f"network must be {ACCEPTED}; got {type(network).__name__}.")


def _of_scikit_learn(network: MLPRegressor | MLPClassifier) -> TrainedNetwork:
    check_is_fitted(network)
    if network.activation != "relu":
        raise ValueError(
            f"network has activation={network.activation!r}: only networks of ReLUs can be "
            "polished. Train it with activation='relu'."
        )
    if isinstance(network, MLPRegressor):
        # Older versions of scikit-learn know one loss only.
        return _of_layers(network.coefs_, network.intercepts_, loss=network.loss)
    if network.out_activation_ == "logistic" and network.n_outputs_ > 1:
        raise ValueError(
            "network is a multilabel MLPClassifier: only classes that exclude each other can be "
            "polished. Polish one network per label."
        )
    return _of_layers(
        network.coefs_, network.intercepts_, loss="log_loss", classes=network.classes_
    )


def _is_torch_module(network: Any) -> bool:
    # By what it can do: PyTorch itself need not be there to read its layers.
    return hasattr(network, "state_dict") and hasattr(network, "children")


def _of_torch(network: Any) -> TrainedNetwork:
    layers = list(network.children())
    kinds = [type(layer).__name__ for layer in layers]
    if len(kinds) < 3 or kinds != (["Linear", "ReLU"] * len(kinds))[: len(kinds) | 1]:
        raise ValueError(
            "network must be a torch.nn.Sequential(Linear, ReLU, ..., Linear), with a ReLU between "
            f"any two linear layers; it consists of {kinds or type(network).__name__}."
        )
    linear = layers[::2]
    coefs = [_to_numpy(layer.weight).T for layer in linear]
    intercepts = [
        np.zeros(coef.shape[1]) if layer.bias is None else _to_numpy(layer.bias)
        for layer, coef in zip(linear, coefs, strict=True)
    ]
    return _of_layers(coefs, intercepts)


def _to_numpy(tensor: Any) -> Array:
    return tensor.detach().cpu().double().numpy()


def _of_layers(
    coefs: Sequence[Any],
    intercepts: Sequence[Any],
    loss: str | None = None,
    classes: NDArray | None = None,
) -> TrainedNetwork:
    """A network of layer weights, checked."""
    if len(coefs) != len(intercepts) or len(coefs) < 2:
        raise ValueError(
            "network must have a hidden layer or several, hence at least two arrays of weights and "
            f"as many of biases; got {len(coefs)} and {len(intercepts)}."
        )
    weights = [_checked(f"coefs[{k}]", layer, 2) for k, layer in enumerate(coefs)]
    biases = [_checked(f"intercepts[{k}]", layer, 1) for k, layer in enumerate(intercepts)]
    widths = [len(weights[0]), *map(len, biases)]
    fit = all(w.shape == shape for w, shape in zip(weights, pairwise(widths), strict=True))
    if not fit or 0 in (widths[0], widths[-1]):
        shapes = [array.shape for array in (*weights, *biases)]
        raise ValueError(
            "The layers of network do not fit together: coefs of shapes (d, m), ..., (m', q) and "
            f"intercepts of shapes (m,), ..., (q,) are needed; got {shapes}."
        )
    *before, hidden, output = zip(weights, biases, strict=True)
    return TrainedNetwork(*hidden, *output, loss, classes, tuple(before))


def _checked(name: str, layer: Any, n_dim: int) -> Array:
    try:
        array = np.asarray(layer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of network is not an array of numbers.") from error
    if array.ndim != n_dim:
        raise ValueError(f"{name} of network must have {n_dim} dimension(s), got {array.ndim}.")
    if not np.all(np.isfinite(array)):
        raise ValueError(
            f"{name} of network has {np.count_nonzero(~np.isfinite(array))} weight(s) that are NaN "
            "or infinite: its training has diverged."
        )
    return array
