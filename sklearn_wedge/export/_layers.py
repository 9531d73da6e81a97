"""A fitted network as plain layers, each of which sees only the one before it.

Two things about the networks of this package are not plain. Their inputs are clipped, and from the
second block on a hidden layer sees the clipped inputs and all hidden layers before it. Both can be
said with ReLU units: ``min(max(x, l), h) = h - ((h - l) - (x - l)_+)_+``, and what is not negative
passes a layer unchanged, ``(a)_+ = a``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge.export._outputs import with_output_layer

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """``activations @ weights + bias``; all but the last of a network are followed by a ReLU.

    Attributes
    ----------
    weights : ndarray of shape (n_in, n_out)
    bias : ndarray of shape (n_out,)
    """

    weights: Array
    bias: Array


@dataclass(frozen=True)
class InputUnits:
    """``clip((x - center) / scale, lower, upper)``; all four of shape (d,).

    In this order it loses nothing in single precision: ``center`` is a number of it, and a
    difference of two that are close is exact.
    """

    center: Array
    scale: Array
    lower: Array
    upper: Array


@dataclass(frozen=True)
class Signals:
    """What the network has computed so far, read from the activations of the last plain layer.

    Signals are the (clipped) inputs and the hidden neurons, in the order in which the rows of
    ``coefs_`` count them: ``signals = activations @ decode + shift``.

    Attributes
    ----------
    decode : ndarray of shape (n_activations, n_signals)
    shift : ndarray of shape (n_signals,)
    lower : ndarray of shape (n_activations,)
        What each activation is never below; -inf where that is not known.
    """

    decode: Array
    shift: Array
    lower: Array

    @classmethod
    def of_inputs(cls, lower: Array) -> Signals:
        """The inputs themselves, given what they are never below."""
        return cls(np.eye(len(lower)), np.zeros(len(lower)), lower)


def plain_layers(model: Any) -> list[Layer]:
    """Layers on inputs in original units; clipping, if any, is the first two of them.

    Parameters
    ----------
    model : fitted estimator
        Of this package: ``coefs_``, ``intercepts_`` and ``clip_bounds_`` are read.

    Returns
    -------
    list of Layer
        What the last one gives is what predictions are made from, see ``with_output_layer``.
    """
    lower, upper = model.clip_bounds_
    used = np.any([np.any(coef[: len(lower)] != 0, axis=1) for coef in model.coefs_[:-1]], axis=0)
    clipped = used & (np.isfinite(lower) | np.isfinite(upper))
    if clipped.any():
        clipping, signals = _clipping(lower, upper, used)
    else:
        clipping, signals = [], Signals.of_inputs(np.full(len(lower), -np.inf))
    return [*clipping, *_after(signals, *with_output_layer(model))]


def unit_layers(model: Any) -> tuple[InputUnits, list[Layer]]:
    """Layers on inputs of unit scale, for arithmetic of few digits.

    In single precision the product of a weight with values around 2,000 has lost what a network
    that is steep there needs, unless the centre is taken off first.

    Parameters
    ----------
    model : fitted estimator
        Of this package: ``x_mean_`` and ``x_scale_`` are read besides what ``plain_layers`` reads.

    Returns
    -------
    units : InputUnits
        What to do to the inputs first.
    layers : list of Layer
        As ``plain_layers``.
    """
    center, scale = _single_precision(model.x_mean_), model.x_scale_
    units = InputUnits(center, scale, *((model.clip_bounds_ - center) / scale))
    coefs, intercepts = with_output_layer(model)
    for block in range(len(coefs) - 1):
        on_inputs = coefs[block][: len(center)]
        intercepts[block] = intercepts[block] + center @ on_inputs
        coefs[block] = np.vstack([on_inputs * scale[:, None], coefs[block][len(center) :]])
    return units, _after(Signals.of_inputs(units.lower), coefs, intercepts)


def unit_norm_layers(model: Any) -> tuple[list[Array], list[Array]]:
    """Hidden layers in original units, the last one of unit norm where it was fitted.

    Balanced neurons, as they are in the network, are √|z| times that.

    Parameters
    ----------
    model : fitted estimator
        A network of this package: ``coefs_``, ``intercepts_`` and ``neurons_`` are read.

    Returns
    -------
    coefs, intercepts : lists of ndarrays
        Without those of the output.
    """
    root = np.sqrt(np.linalg.norm(model.neurons_.coef, axis=1))
    *coefs, last = model.coefs_[:-1]
    *intercepts, bias = model.intercepts_[:-1]
    return [*coefs, last / root], [*intercepts, bias / root]


@dataclass(frozen=True)
class HiddenNetwork:
    """The network whose outputs are the neurons of the last hidden layer, of unit norm.

    It has the attributes of a fitted estimator that ``unit_layers`` reads.
    """

    coefs_: list[Array]
    intercepts_: list[Array]
    clip_bounds_: Array
    x_mean_: Array
    x_scale_: Array

    @classmethod
    def of(cls, model: Any) -> HiddenNetwork:
        """That of a fitted network of this package."""
        coefs, intercepts = unit_norm_layers(model)
        width = len(intercepts[-1])
        output = np.eye(width), np.zeros(width)
        units = model.clip_bounds_, model.x_mean_, model.x_scale_
        return cls([*coefs, output[0]], [*intercepts, output[1]], *units)


def _single_precision(values: Array) -> Array:
    """The nearest numbers of single precision, for values that it can hold."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32).astype(np.float64)
    return np.where(np.isfinite(rounded), rounded, values)


def _clipping(lower: Array, upper: Array, used: NDArray[np.bool_]) -> tuple[list[Layer], Signals]:
    """Two layers that clip the columns in use, exactly also for values far outside.

    One layer would do, ``l + (x - l)_+ - (x - h)_+``, but that is a difference of two numbers of
    the size of x: of a column with 1e30 for "unknown" it leaves 0 instead of h - l.
    """
    low, high = np.isfinite(lower), np.isfinite(upper)
    unit = np.eye(len(lower))
    both, above, below, free = (
        np.flatnonzero(used & kind) for kind in (low & high, low & ~high, ~low & high, ~low & ~high)
    )
    first = Layer(
        np.hstack([unit[:, both], unit[:, above], -unit[:, below], unit[:, free], -unit[:, free]]),
        np.concatenate([-lower[both], -lower[above], upper[below], np.zeros(2 * len(free))]),
    )
    others = np.ones(len(first.bias) - len(both))
    second = Layer(
        np.diag(np.concatenate([-np.ones(len(both)), others])),
        np.concatenate([upper[both] - lower[both], 0.0 * others]),
    )
    decode = np.vstack([-unit[both], unit[above], -unit[below], unit[free], -unit[free]])
    shift = np.zeros(len(lower))
    shift[both], shift[above], shift[below] = upper[both], lower[above], upper[below]
    return [first, second], Signals(decode, shift, np.zeros(len(first.bias)))


def _after(signals: Signals, coefs: list[Array], intercepts: list[Array]) -> list[Layer]:
    """The hidden layers and the output layer, on what ``signals`` reads."""
    layers = []
    for block in range(len(coefs) - 1):
        later = coefs[block + 1 : -1]
        needed = np.zeros(len(signals.shift), dtype=bool)
        for coef in later:
            needed |= np.any(coef[: len(needed)] != 0, axis=1)
        layer, signals = _block(signals, coefs[block], intercepts[block], needed)
        layers.append(layer)
    width = coefs[-1].shape[0]
    last = signals.decode[:, signals.decode.shape[1] - width :]
    return [*layers, Layer(last @ coefs[-1], intercepts[-1])]


def _block(
    signals: Signals, coef: Array, intercept: Array, needed: NDArray[np.bool_]
) -> tuple[Layer, Signals]:
    """One hidden layer, beside its neurons with what passes them to later ones.

    An activation that is bounded below passes as ``(a - lower)_+``, another one as
    ``(a)_+ - (-a)_+``.
    """
    passing = np.any(signals.decode[:, needed] != 0, axis=1)
    bounded = np.flatnonzero(passing & np.isfinite(signals.lower))
    free = np.flatnonzero(passing & ~np.isfinite(signals.lower))
    unit = np.eye(len(signals.lower))
    weights = np.hstack([signals.decode @ coef, unit[:, bounded], unit[:, free], -unit[:, free]])
    bias = np.concatenate(
        [signals.shift @ coef + intercept, -signals.lower[bounded], np.zeros(2 * len(free))]
    )
    width = coef.shape[1]
    n_units, n_signals = max(len(bias), 1), len(signals.shift)
    decode = np.zeros((n_units, n_signals + width))
    decode[:width, n_signals:] = np.eye(width)
    passed = np.vstack([unit[bounded], unit[free], -unit[free]]) @ signals.decode
    decode[width : len(bias), :n_signals] = passed
    shift = signals.shift + signals.lower[bounded] @ signals.decode[bounded]
    if not len(bias):  # a constant network: one unit that never fires
        weights, bias = np.zeros((len(signals.lower), 1)), np.zeros(1)
    layer = Layer(weights, bias)
    return layer, Signals(decode, np.concatenate([shift, np.zeros(width)]), np.zeros(n_units))
