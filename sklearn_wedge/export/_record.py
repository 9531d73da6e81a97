"""A fitted network as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from sklearn_wedge._text.names import column_names, hidden_names, input_names
from sklearn_wedge._text.sums import signal_ranges
from sklearn_wedge.export._outputs import link_of, with_output_layer

FORMAT, VERSION = "sklearn_wedge.network", 5


def to_dict(model: Any) -> dict[str, Any]:
    """See ``ExportMixin.to_dict``."""
    columns, inputs = column_names(model), input_names(model)
    if len(set(columns)) < len(columns):
        twice = sorted({name for name in columns if columns.count(name) > 1})
        raise ValueError(
            f"to_dict calls inputs by name, and several columns are called {twice}: rename them "
            "before the fit."
        )
    names, neurons = _neurons(model, inputs)
    coefs, intercepts = with_output_layer(model)
    record = {
        "format": FORMAT,
        "version": VERSION,
        "estimator": type(model).__name__,
        "link": link_of(model),
        "columns": [{"name": name, **_column(model.table_, k)} for k, name in enumerate(columns)],
        "filling": _filling(model.table_, columns),
        "inputs": _inputs(model, columns, inputs),
        "neurons": neurons,
        "outputs": [
            {"bias": float(bias), "weights": _weights(names[-len(column) :], column)}
            for column, bias in zip(coefs[-1].T, intercepts[-1], strict=True)
        ],
    }
    if is_classifier(model):
        record["classes"] = _labels(model.classes_)
    return record


def _neurons(model: Any, inputs: list[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of inputs and neurons, in the order of rows of ``coefs_``, and the neurons."""
    names = inputs + hidden_names(inputs, sum(map(len, model.intercepts_[:-1])))
    ranges, neurons = signal_ranges(model), []
    hidden = zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True)
    for block, (coef, intercept) in enumerate(hidden, start=1):
        coef, intercept = ranges.first(len(coef)).without_rounding(coef, intercept)
        own = names[len(coef) : len(coef) + len(intercept)]
        neurons += [
            {"name": name, "block": block, "bias": float(bias), "weights": _weights(names, column)}
            for name, column, bias in zip(own, coef.T, intercept, strict=True)
        ]
    return names, neurons


def _column(table: Any, column: int) -> dict[str, Any]:
    """What stands for missing values of numbers; the levels of categories, and each one's row."""
    category = table.category_of(column)
    if category is None:
        return {"median": float(table.medians[column]), "levels": None}
    return {"median": None, "levels": list(category.levels)}


def _filling(table: Any, columns: list[str]) -> dict[str, Any] | None:
    """How numbers are filled in from each other, if they are."""
    filling = table.filling
    if filling is None:
        return None
    numbers = [columns[k] for k in table.numbers]
    return {
        "sweeps": filling.sweeps,
        "columns": [
            {
                "name": name,
                "mean": float(filling.means[k]),
                "scale": float(filling.scales[k]),
                "lower": float(filling.lower[k]),
                "upper": float(filling.upper[k]),
                "weights": dict(zip(numbers, filling.weights[k].tolist(), strict=True)),
            }
            for k, name in enumerate(numbers)
        ],
    }


def _values(table: Any, which: int) -> dict[str, Any] | None:
    """Of an input made of levels: its value at each, at others, and if it is missing."""
    made = table.made_of(which)
    if made is None:
        return None
    category, place = made
    own = category.values[:, place].tolist()
    return {
        "levels": list(category.levels),
        "of_levels": own[:-2],
        "of_others": own[-2],
        "missing": own[-1],
    }


def _inputs(model: Any, columns: list[str], inputs: list[str]) -> list[dict[str, Any]]:
    """What each input is of a column, and what is done to it."""
    table, (lower, upper) = model.table_, model.clip_bounds_
    encodings = _encodings(model.encoding_)
    return [
        {
            "name": name,
            "column": columns[table.column_of_input[k]],
            "is_missing": bool(table.is_indicator[k]),
            "values": _values(table, k),
            "lower": _finite(lower[k]),
            "upper": _finite(upper[k]),
            "encoding": encodings[k],
        }
        for k, name in enumerate(inputs)
    ]


def _encodings(encoding: Any) -> list[dict[str, Any] | None]:
    """The curve of each column, if it has one."""
    curves = zip(encoding.knots, encoding.values, strict=True)
    return [
        {"kind": encoding.kind, "knots": knots.tolist(), "values": values.tolist()}
        if len(knots)
        else None
        for knots, values in curves
    ]


def _weights(names: list[str], column: NDArray[np.float64]) -> dict[str, float]:
    """Weights by the name of what they multiply, those of zero left out."""
    return {names[row]: float(column[row]) for row in np.flatnonzero(column)}


def _finite(bound: float) -> float | None:
    return float(bound) if np.isfinite(bound) else None


def _labels(classes: NDArray) -> list[str | int | float | bool]:
    labels = [x.item() if isinstance(x, np.generic) else x for x in classes.tolist()]
    for label in labels:
        if not isinstance(label, (str, int, float)):
            raise ValueError(
                f"to_dict holds what JSON can hold, and the label {label!r} is of type "
                f"{type(label).__name__}: fit with labels that are strings or numbers."
            )
    return labels
