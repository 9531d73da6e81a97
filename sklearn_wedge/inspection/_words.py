"""A fitted network in words: its neurons as formulas, as a data frame, in a summary, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge.inspection._dependencies import import_pandas
from sklearn_wedge.inspection._names import (
    hidden_names,
    input_names,
    output_label,
    output_names,
    sum_of,
    term,
)

Array = NDArray[np.float64]

# Neurons that a summary prints.
MOST_IN_SUMMARY = 5
# Characters in a line of a summary; formulas are not broken.
WIDTH = 100
# Neurons in the HTML representation, and inputs in a formula.
MOST_IN_HTML, MOST_TERMS = 30, 4
DIGITS = 4


@dataclass(frozen=True)
class ReadableNeuron:
    """A neuron ``coefficient · (weights · inputs + bias)_+`` in original units.

    Scaled so that the weight of the input that moves it most is 1 or -1: ``coefficient`` is then
    the slope along that input.

    Attributes
    ----------
    inputs : tuple of str
    weights : tuple of float
    bias : float
    coefficient : ndarray of shape (q,)
    rows : tuple of int
        Rows of the training data that it passes through.
    leading : tuple of int
        Which inputs a formula shows: those that move the neuron most.
    """

    inputs: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    coefficient: Array
    rows: tuple[int, ...]
    leading: tuple[int, ...]

    def hinge(self) -> str:
        """The activation, such as ``(bmi - 0.61·s5 + 0.02)₊``."""
        terms = [term(self.weights[k], self.inputs[k], DIGITS, "·") for k in self.leading]
        if len(self.inputs) > len(terms):
            terms.append(f"+ {len(self.inputs) - len(terms)} more")
        if self.bias:
            terms.append(term(self.bias, "", DIGITS, "·"))
        return f"({sum_of(terms)})₊"

    def formula(self) -> str:
        """The neuron; of several outputs without its coefficients."""
        if len(self.coefficient) > 1:
            return self.hinge()
        return f"{self.coefficient[0]:+.{DIGITS}g} · {self.hinge()}"

    def through(self) -> str:
        """The rows in words."""
        if not self.rows:
            return "no row"
        return ("row " if len(self.rows) == 1 else "rows ") + " and ".join(map(str, self.rows))


def readable_neurons(
    estimator: Any, feature_names: Sequence[str] | None = None
) -> list[ReadableNeuron]:
    """The neurons of the last hidden layer, most important first.

    Neurons of earlier layers are called ``h0``, ``h1``, ... as inputs; see ``hidden_names``.
    """
    weights, biases, coef = estimator.coefs_[-2], estimator.intercepts_[-2], estimator.coefs_[-1]
    names = input_names(estimator, feature_names)
    names += hidden_names(names, len(weights) - len(names))
    # How far an input moves a neuron: hidden neurons are taken to be of unit size.
    spread = np.append(estimator.x_scale_, np.ones(len(weights)))[: len(weights)]
    return [
        _readable(weights[:, j], biases[j], coef[j], rows, spread, names)
        for j, rows in enumerate(estimator.neurons_.rows)
    ]


def _readable(
    weights: Array, bias: float, coef: Array, rows: NDArray, spread: Array, names: list[str]
) -> ReadableNeuron:
    used = np.flatnonzero(weights)
    moved = np.abs(weights[used]) * spread[used]
    size = np.abs(weights[used[np.argmax(moved)]]) if len(used) else 1.0
    return ReadableNeuron(
        inputs=tuple(names[k] for k in used),
        weights=tuple((weights[used] / size).tolist()),
        bias=float(bias / size),
        coefficient=coef * size,
        rows=tuple(rows[rows >= 0].tolist()),
        leading=tuple(sorted(np.argsort(-moved, kind="stable")[:MOST_TERMS].tolist())),
    )


def neurons_frame(estimator: Any) -> Any:
    """See ``ReadableNetwork.neurons_frame``."""
    pandas = import_pandas("neurons_frame")
    neurons = readable_neurons(estimator)
    outputs = output_names(estimator)
    labels = [f"coefficient_{name}" for name in outputs] or ["coefficient"]
    coefficients = np.array([neuron.coefficient for neuron in neurons]).reshape(-1, len(labels))
    return pandas.DataFrame(
        {
            "inputs": [neuron.inputs for neuron in neurons],
            "weights": [neuron.weights for neuron in neurons],
            "bias": np.array([neuron.bias for neuron in neurons]),
            **dict(zip(labels, coefficients.T, strict=True)),
            "rows": [neuron.rows for neuron in neurons],
            "formula": [neuron.formula() for neuron in neurons],
        }
    )


def _network_in_words(estimator: Any) -> str:
    used = np.count_nonzero(estimator.coefs_[-2], axis=0)
    if len(used) == 0:
        return "constant: the penalty keeps no neuron"
    sizes, counts = np.unique(used, return_counts=True)
    parts = [f"{n} of {s} input{'s' if s != 1 else ''}" for s, n in zip(sizes, counts, strict=True)]
    layers = len(estimator.coefs_) - 1
    where = "" if layers == 1 else f" in the last of {layers} hidden layers"
    return (
        f"{_count(len(used), 'neuron')}{where} ({', '.join(parts)}), through "
        f"{_count(len(estimator.support_), 'training row')}"
    )


def _left_out(estimator: Any) -> list[str]:
    """A line on the classes that are never predicted, if there are any."""
    fitted = set(getattr(estimator, "fitted_classes_", ()))
    never = [str(each) for each in getattr(estimator, "classes_", ()) if each not in fitted]
    return [f"Classes without weight, never predicted: {', '.join(never)}"] if never else []


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def summary(estimator: Any, feature_names: Sequence[str] | None = None) -> str:
    """See ``ReadableNetwork.summary``."""
    names, n_outputs = input_names(estimator, feature_names), estimator.coefs_[-1].shape[1]
    lines = [
        f"{type(estimator).__name__}: {_count(len(names), 'input')}, {_count(n_outputs, 'output')}"
        + (f" ({output_label(estimator)})" if n_outputs == 1 else ""),
        f"Network: {_network_in_words(estimator)}",
        *_left_out(estimator),
        f"Certificate: {estimator.certificate_}",
    ]
    importances = getattr(estimator, "feature_importances_", None)
    if importances is not None and np.any(importances):
        strongest = np.argsort(-importances, kind="stable")[:MOST_IN_SUMMARY]
        shares = [f"{names[k]} {importances[k]:.2f}" for k in strongest if importances[k]]
        lines.append(f"Importances: {', '.join(shares)}")
    lines = [fill(line, WIDTH, subsequent_indent="  ") for line in lines]
    neurons = readable_neurons(estimator, names)
    if neurons:
        lines.append("Strongest neurons:")
        lines += [f"  {n.formula()} through {n.through()}" for n in neurons[:MOST_IN_SUMMARY]]
    return "\n".join(lines)


def html(estimator: Any) -> str:
    """Certificate and neurons as two tables that fold out, to follow scikit-learn's diagram."""
    certificate = estimator.certificate_
    facts = {
        "objective": f"{certificate.objective:.6g}",
        "lower bound": f"{certificate.lower_bound:.6g}",
        "relative gap": f"{certificate.relative_gap:.2e}",
        "certified": "yes" if certificate.exact else "no, the bound is an estimate",
        "over": certificate.scope,
    }
    neurons = readable_neurons(estimator)
    rows = [[n.formula(), n.through()] for n in neurons[:MOST_IN_HTML]]
    if len(neurons) > MOST_IN_HTML:
        rows.append([f"... and {len(neurons) - MOST_IN_HTML} more", "see neurons_frame()"])
    return (
        '<div style="margin-top: 0.5em; font-size: 0.9em">'
        f"{_fold_out('Certificate', [list(fact) for fact in facts.items()])}"
        f"{_fold_out(f'Network: {_network_in_words(estimator)}', rows)}</div>"
    )


def _fold_out(title: str, rows: list[list[str]]) -> str:
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    table = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<details><summary>{escape(title)}</summary><table>{table}</table></details>"
