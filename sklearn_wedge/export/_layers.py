"""A fitted network as plain layers, each of which sees only the one before it.

Two things about the networks of this package are not plain. Their inputs are clipped and perhaps
encoded, and from the second block on a hidden layer sees these inputs and all hidden layers before
it. Both can be said with ReLU units: ``min(max(x, l), h) = h - ((h - l) - (x - l)_+)_+``, of which
a piecewise linear map is a sum, and what is not negative passes a layer unchanged, ``(a)_+ = a``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._core.network import balance
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
class Pieces:
    """Inputs as sums of pieces: ``shift + clip((x[column] - start) / width, 0, 1) @ rises``.

    The pieces of an input lie one after the other, and each is a number between 0 and 1: nothing
    cancels, however far outside a value is.

    Attributes
    ----------
    column : int ndarray of shape (n_pieces,)
        The input of each piece.
    start, width : ndarray of shape (n_pieces,)
        From where on it rises, and over which distance.
    rises : ndarray of shape (n_pieces, d)
        By how much, in the column of its input.
    shift : ndarray of shape (d,)
        What each input is at the start of its first piece; 0 if it has none.
    """

    column: NDArray[np.intp]
    start: Array
    width: Array
    rises: Array
    shift: Array

    @property
    def near_start(self) -> Array:
        """``start`` in single precision: from an x that is close, the difference is exact."""
        return _single_precision(self.start)

    @property
    def rest_of_start(self) -> Array:
        """What is to be taken off that difference still."""
        return self.start - self.near_start

    @classmethod
    def of(cls, knots: Sequence[Array], values: Sequence[Array]) -> Pieces:
        """Lines from knot to knot; of each input, that has none if there are no knots."""
        with_pieces = [k for k, own in enumerate(knots) if len(own)]
        none = np.empty(0)
        column = np.repeat(with_pieces, [len(knots[k]) - 1 for k in with_pieces]).astype(np.intp)
        width = np.concatenate([none, *map(np.diff, knots)])
        rise = np.concatenate([none, *map(np.diff, values)])
        rises = np.zeros((len(column), len(knots)))
        rises[np.arange(len(column)), column] = rise
        shift = np.array([own[0] if len(own) else 0.0 for own in values])
        start = np.concatenate([none, *(own[:-1] for own in knots)])
        return cls(column, start, width, rises, shift)


@dataclass(frozen=True)
class InputUnits:
    """``clip((x - center) / scale, lower, upper)``, all four of shape (d,), plus ``pieces`` of x.

    In this order it loses nothing in single precision: ``center`` is a number of it, and a
    difference of two that are close is exact. Inputs that have pieces are clipped to 0 otherwise;
    ``pieces`` is None if no input is encoded.
    """

    center: Array
    scale: Array
    lower: Array
    upper: Array
    pieces: Pieces | None = None


@dataclass(frozen=True)
class Signals:
    """What the network has computed so far, read from the activations of the last plain layer.

    Signals are the inputs, clipped and encoded, and the hidden neurons, in the order in which the
    rows of ``coefs_`` count them: ``signals = activations @ decode + shift``.

    Attributes
    ----------
    decode : ndarray of shape (n_activations, n_signals)
    shift : ndarray of shape (n_signals,)
    lower : ndarray of shape (n_signals,)
        What each signal is never below; -inf where that is not known.
    """

    decode: Array
    shift: Array
    lower: Array

    @classmethod
    def of_inputs(cls, lower: Array) -> Signals:
        """The inputs themselves, given what they are never below."""
        return cls(np.eye(len(lower)), np.zeros(len(lower)), lower)


def plain_layers(model: Any) -> list[Layer]:
    """Layers on inputs in original units; the first two of them clip and encode, if that is needed.

    Parameters
    ----------
    model : fitted estimator
        Of this package: ``coefs_``, ``intercepts_``, ``clip_bounds_`` and ``encoding_`` are read.

    Returns
    -------
    list of Layer
        What the last one gives is what predictions are made from, see ``with_output_layer``.
    """
    lower, upper = model.clip_bounds_
    used = np.any([np.any(coef[: len(lower)] != 0, axis=1) for coef in model.coefs_[:-1]], axis=0)
    bounded = np.isfinite(lower) | np.isfinite(upper)
    bounded[model.encoding_.columns] = True
    if np.any(used & bounded):
        first, signals = _bounding(model, used)
    else:
        first, signals = [], Signals.of_inputs(np.full(len(lower), -np.inf))
    return [*first, *_after(signals, *with_output_layer(model))]


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
    units = _input_units(model)
    shift, scale, lower = units.center.copy(), units.scale.copy(), units.lower.copy()
    if units.pieces is not None:  # which give the encoded inputs themselves
        encoded = model.encoding_.columns
        shift[encoded], scale[encoded], lower[encoded] = 0.0, 1.0, units.pieces.shift[encoded]
    coefs, intercepts = with_output_layer(model)
    for block in range(len(coefs) - 1):
        on_inputs = coefs[block][: len(shift)]
        intercepts[block] = intercepts[block] + shift @ on_inputs
        coefs[block] = np.vstack([on_inputs * scale[:, None], coefs[block][len(shift) :]])
    return units, _after(Signals.of_inputs(lower), coefs, intercepts)


def _input_units(model: Any) -> InputUnits:
    encoding, bounds = model.encoding_, model.clip_bounds_.copy()
    center, scale = _single_precision(model.x_mean_), model.x_scale_.copy()
    encoded = encoding.columns
    if not encoded:
        return InputUnits(center, scale, *((bounds - center) / scale))
    center[encoded], scale[encoded], bounds[:, encoded] = 0.0, 1.0, 0.0
    pieces = Pieces.of(encoding.knots, encoding.values)
    return InputUnits(center, scale, *((bounds - center) / scale), pieces)


def unit_norm_layers(model: Any) -> tuple[list[Array], list[Array]]:
    """Hidden layers in original units, the last one of unit norm where it was fitted.

    Balanced neurons, as they are in the network, are √|z| times that. The second neurons of ramps,
    which come last, are as the first ones.

    Parameters
    ----------
    model : fitted estimator
        A network of this package: ``coefs_``, ``intercepts_`` and ``neurons_`` are read.

    Returns
    -------
    coefs, intercepts : lists of ndarrays
        Without those of the output.
    """
    root = balance(model.neurons_)
    *coefs, last = model.coefs_[:-1]
    *intercepts, bias = model.intercepts_[:-1]
    return [*coefs, last / root], [*intercepts, bias / root]


def neuron_outputs(model: Any) -> Array:
    """What makes neurons of the last hidden layer, (width, n_neurons): ramps are two units."""
    n_neurons, ramps = len(model.neurons_), np.flatnonzero(model.neurons_.are_ramps)
    output = np.eye(n_neurons + len(ramps), n_neurons)
    output[n_neurons + np.arange(len(ramps)), ramps] = -1.0
    return output


@dataclass(frozen=True)
class HiddenNetwork:
    """The network whose outputs are the neurons of the last hidden layer, of unit norm.

    It has the attributes of a fitted estimator that ``unit_layers`` reads.
    """

    coefs_: list[Array]
    intercepts_: list[Array]
    clip_bounds_: Array
    encoding_: Any
    x_mean_: Array
    x_scale_: Array
    table_: Any

    @classmethod
    def of(cls, model: Any) -> HiddenNetwork:
        """That of a fitted network of this package."""
        coefs, intercepts = unit_norm_layers(model)
        output = neuron_outputs(model)
        units = model.clip_bounds_, model.encoding_, model.x_mean_, model.x_scale_, model.table_
        return cls([*coefs, output], [*intercepts, np.zeros(output.shape[1])], *units)


def _single_precision(values: Array) -> Array:
    """The nearest numbers of single precision, for values that it can hold."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32).astype(np.float64)
    return np.where(np.isfinite(rounded), rounded, values)


def _bounding(model: Any, used: NDArray[np.bool_]) -> tuple[list[Layer], Signals]:
    """Two layers that clip and encode the columns in use, exactly also for values far outside.

    One layer would do, ``l + (x - l)_+ - (x - h)_+``, but that is a difference of two numbers of
    the size of x: of a column with 1e30 for "unknown" it leaves 0 instead of h - l.
    """
    lower, upper = model.clip_bounds_
    pieces = _pieces(model, used)
    whole = used & (np.bincount(pieces.column, minlength=len(used)) == 0)
    low, high = np.isfinite(lower), np.isfinite(upper)
    above, below, free = (np.flatnonzero(whole & kind) for kind in (low, high, ~low & ~high))
    unit = np.eye(len(lower))
    first = Layer(
        np.hstack(
            [unit[:, pieces.column], unit[:, above], -unit[:, below], unit[:, free], -unit[:, free]]
        ),
        np.concatenate([-pieces.start, -lower[above], upper[below], np.zeros(2 * len(free))]),
    )
    others = np.ones(len(first.bias) - len(pieces.start))
    second = Layer(
        np.diag(np.concatenate([-np.ones(len(pieces.start)), others])),
        np.concatenate([pieces.width, 0.0 * others]),
    )
    slopes = pieces.rises / pieces.width[:, None]
    decode = np.vstack([-slopes, unit[above], -unit[below], unit[free], -unit[free]])
    shift, least = pieces.shift + pieces.rises.sum(axis=0), lower.copy()
    shift[above], shift[below] = lower[above], upper[below]
    least[model.encoding_.columns] = pieces.shift[model.encoding_.columns]
    return [first, second], Signals(decode, shift, least)


def _pieces(model: Any, used: NDArray[np.bool_]) -> Pieces:
    """Of the columns in use that are encoded, or clipped on both sides."""
    encoding, bounds = model.encoding_, model.clip_bounds_.T
    both = np.isfinite(bounds).all(axis=1)
    knots, values = [], []
    for k in range(len(bounds)):
        is_encoded, none = k in encoding.columns, np.empty(0)
        ends = bounds[k] if both[k] else none
        knots.append((encoding.knots[k] if is_encoded else ends) if used[k] else none)
        values.append((encoding.values[k] if is_encoded else ends) if used[k] else none)
    return Pieces.of(knots, values)


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
    """One hidden layer, beside its neurons with what passes signals to later ones.

    One that is bounded below passes as ``(s - lower)_+``, another one as ``(s)_+ - (-s)_+``.
    """
    bounded = np.flatnonzero(needed & np.isfinite(signals.lower))
    free = np.flatnonzero(needed & ~np.isfinite(signals.lower))
    decode, shift, lower = signals.decode, signals.shift, signals.lower
    weights = np.hstack([decode @ coef, decode[:, bounded], decode[:, free], -decode[:, free]])
    own = shift @ coef + intercept
    bias = np.concatenate([own, shift[bounded] - lower[bounded], shift[free], -shift[free]])
    width = coef.shape[1]
    n_units, n_signals = max(len(bias), 1), len(shift)
    read = np.zeros((n_units, n_signals + width))
    read[:width, n_signals:] = np.eye(width)
    unit = np.eye(n_signals)
    read[width : len(bias), :n_signals] = np.vstack([unit[bounded], unit[free], -unit[free]])
    passed = np.zeros(n_signals + width)
    passed[bounded] = lower[bounded]
    if not len(bias):  # a constant network: one unit that never fires
        weights, bias = np.zeros((len(decode), 1)), np.zeros(1)
    return Layer(weights, bias), Signals(read, passed, np.append(lower, np.zeros(width)))
