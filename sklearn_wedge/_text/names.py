"""What columns, inputs, hidden neurons and outputs of a fitted estimator are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np


def column_names(estimator: Any, feature_names: Sequence[str] | None = None) -> list[str]:
    """Names of the columns: given, those of the training data, or ``x0``, ``x1``, ...

    Raises
    ------
    ValueError
        If names are given, and not one per column.
    """
    n = estimator.n_features_in_
    if feature_names is None:
        feature_names = getattr(estimator, "feature_names_in_", [f"x{k}" for k in range(n)])
    if len(feature_names) != n:
        raise ValueError(
            f"feature_names has {len(feature_names)} names, and the estimator was fitted on {n} "
            "columns: give one for each."
        )
    return [str(name) for name in feature_names]


def input_names(estimator: Any, feature_names: Sequence[str] | None = None) -> list[str]:
    """Names of the inputs of the network, such as ``bmi`` and ``bmi is missing``."""
    return estimator.table_.input_names(column_names(estimator, feature_names))


def encoded_names(estimator: Any, names: Sequence[str]) -> list[str]:
    """What encoded columns of these names are called, such as ``normal(age)``; others as before."""
    encoding = estimator.encoding_
    encoded = set(encoding.columns)
    return [f"{encoding.kind}({name})" if k in encoded else name for k, name in enumerate(names)]


def hidden_names(inputs: Sequence[str], n_neurons: int) -> list[str]:
    """Names of hidden neurons, layer after layer: ``h0``, ``h1``, ...

    As the rows of ``coefs_`` count them. If an input is called like that, ``_h0``, ``_h1``, ...
    """
    prefix = "h"
    while any(re.fullmatch(rf"{prefix}\d+", name) for name in inputs):
        prefix = f"_{prefix}"
    return [f"{prefix}{k}" for k in range(n_neurons)]


def column_number(column: int | str, names: Sequence[str]) -> int:
    """The number of a column that is given by its number or its name.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if isinstance(column, str):
        if column in names:
            return names.index(column)
    elif isinstance(column, Integral) and -len(names) <= column < len(names):
        return int(column) % len(names)
    raise ValueError(
        f"There is no column {column!r}: the estimator was fitted on {len(names)} columns, "
        f"{', '.join(names[:10])}{', ...' if len(names) > 10 else ''}."
    )


def target_names(estimator: Any) -> tuple[str, ...]:
    """Names of a regression's targets in the training data; none if they had none."""
    return tuple(map(str, getattr(estimator, "target_names_in_", ())))


def names_of_several(estimator: Any, n: int) -> tuple[str, ...]:
    """Names of several classes or targets while they are fitted; none of one, or if by number."""
    if n == 1:
        return ()
    return output_names(estimator) if hasattr(estimator, "classes_") else target_names(estimator)


def quantile_levels(estimator: Any) -> tuple[float, ...]:
    """Levels of a regression that predicts a column for each of several quantiles; else none."""
    if getattr(estimator, "loss", None) != "quantile" or np.ndim(estimator.quantile) == 0:
        return ()
    return tuple(estimator.quantile)


def output_names(estimator: Any) -> tuple[str, ...]:
    """Names of the outputs: fitted classes, quantiles, or targets by name or number.

    None of a single target, or of two classes.
    """
    if hasattr(estimator, "classes_"):
        classes = estimator.fitted_classes_
        return tuple(map(str, classes)) if len(classes) > 2 else ()
    if levels := quantile_levels(estimator):
        return tuple(f"quantile {level:g}" for level in levels)
    if np.ndim(estimator.y_mean_) == 0:
        return ()
    return target_names(estimator) or tuple(str(k) for k in range(len(estimator.y_mean_)))


def kind_of_outputs(estimator: Any) -> str:
    """What there is an output for, if there are several."""
    if hasattr(estimator, "classes_"):
        return "classes"
    return "quantiles" if quantile_levels(estimator) else "targets"


def only_output(names: Sequence[str], kind: str) -> int:
    """The number of the output, if there is one.

    Raises
    ------
    ValueError
        If there are several to choose from.
    """
    if len(names) > 1:
        raise ValueError(
            f"The network has an output for each of {len(names)} {kind}: choose one by output=, "
            f"of {', '.join(names)}."
        )
    return 0


def output_number(estimator: Any, output: Any) -> int:
    """The number of an output that is given by name, as a class or as a number; None: the only one.

    Raises
    ------
    ValueError
        If there is no such output, or several to choose from.
    """
    names, levels = output_names(estimator), quantile_levels(estimator)
    is_classifier = hasattr(estimator, "classes_")
    if output is None:
        return only_output(names, kind_of_outputs(estimator))
    if is_classifier and names:
        found = np.flatnonzero(estimator.fitted_classes_ == output)
        if len(found):
            return int(found[0])
    elif not is_classifier:
        own = names if levels else target_names(estimator)
        if isinstance(output, str) and output in own:
            return own.index(output)
        if output in range(max(len(names), 1)):
            return int(output)
    choices = ", ".join(names) if names else "None (there is one)"
    why = ""
    if is_classifier and output in set(estimator.classes_) - set(estimator.fitted_classes_):
        why = ", because no row with weight is of this class"
    raise ValueError(f"There is no output {output!r}{why}: choose of {choices}.")


def target_label(estimator: Any, target: int = 0, target_name: str | None = None) -> str:
    """What a regression's target is called: as told, as in the training data, or "target"."""
    names, of_quantiles = output_names(estimator), bool(quantile_levels(estimator))
    if target_name is None:
        own = target_names(estimator)
        if own and not of_quantiles:
            return own[target]
        target_name = own[0] if own else "target"
    if of_quantiles:
        return f"{names[target]} of {target_name}"
    return f"{target_name} {names[target]}" if len(names) > 1 else target_name


def output_label(estimator: Any, output: int = 0, target_name: str | None = None) -> str:
    """What the network's output is, in words.

    The target or its logarithm, log odds, a score or a margin.
    """
    if hasattr(estimator, "classes_"):
        kind = "log odds" if estimator.loss == "log_loss" else "margin"
        classes = estimator.fitted_classes_
        if len(classes) == 1:
            return f"always {classes[0]}"
        if len(classes) == 2:
            return f"{kind} of {classes[1]}"
        return f"{'score' if kind == 'log odds' else kind} of {classes[output]}"
    name = target_label(estimator, output, target_name)
    return f"log of {name}" if estimator.loss in ("poisson", "gamma") else name
