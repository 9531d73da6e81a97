"""A fitted network in words: its neurons as a data frame, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np

from sklearn_wedge._text.dependencies import import_pandas
from sklearn_wedge._text.names import column_names, output_label, output_names
from sklearn_wedge._text.readable import ReadableNeuron, formulas, readable_neurons

# Neurons, importances and targets that a summary prints.
MOST_IN_SUMMARY = 5
# Characters in a line of a summary; formulas are not broken.
WIDTH = 100


def neurons_frame(estimator: Any, feature_names: Sequence[str] | None = None) -> Any:
    """See ``ReadableNetwork.neurons_frame``."""
    pandas = import_pandas("neurons_frame")
    neurons = readable_neurons(estimator, feature_names)
    labels = [f"coefficient_{name}" for name in output_names(estimator)] or ["coefficient"]
    coefficients = np.array([neuron.coefficient for neuron in neurons]).reshape(-1, len(labels))
    frame = pandas.DataFrame(
        {
            "inputs": [neuron.sum.names for neuron in neurons],
            "weights": [neuron.sum.weights for neuron in neurons],
            "bias": np.array([neuron.sum.bias for neuron in neurons]),
            **_heights(neurons),
            **dict(zip(labels, coefficients.T, strict=True)),
            "rows": [neuron.rows for neuron in neurons],
            "formula": formulas(neurons),
        }
    )
    if len(estimator.coefs_) > 2:
        frame.insert(0, "name", [neuron.name for neuron in neurons])
        frame.insert(1, "block", [neuron.block for neuron in neurons])
    return frame


def _heights(neurons: Sequence[ReadableNeuron]) -> dict[str, np.ndarray]:
    """How far ramps rise, if there are any."""
    heights = np.array([neuron.height for neuron in neurons])
    return {"height": heights} if np.isfinite(heights).any() else {}


def network_in_words(estimator: Any, neurons: Sequence[ReadableNeuron]) -> str:
    """How many neurons of how many inputs, how many of them ramps, through how many rows."""
    last = [neuron for neuron in neurons if neuron.is_last]
    if not last:
        return "constant: the penalty keeps no neuron"
    counts = Counter(len(neuron.sum.names) for neuron in last)
    parts = [f"{counts[k]} of {k} input{'s' if k != 1 else ''}" for k in sorted(counts)]
    n_ramps = sum(neuron.height < np.inf for neuron in last)
    if n_ramps:
        parts.append(f"{_count(n_ramps, 'ramp')} among them")
    layers = len(estimator.coefs_) - 1
    where = "" if layers == 1 else f" in the last of {layers} hidden layers"
    return (
        f"{_count(len(last), 'neuron')}{where} ({', '.join(parts)}), through "
        f"{_count(len(estimator.support_), 'training row')}"
    )


def _left_out(estimator: Any) -> list[str]:
    """A line on the classes that are never predicted, if there are any."""
    fitted = set(getattr(estimator, "fitted_classes_", ()))
    never = [str(each) for each in getattr(estimator, "classes_", ()) if each not in fitted]
    return [f"Classes without weight, never predicted: {', '.join(never)}"] if never else []


def _chosen(estimator: Any) -> list[str]:
    """A line on how the penalty, or everything, was chosen, if it was not given."""
    how = getattr(estimator, "_how_chosen", None)
    if how is None:
        return []
    if not hasattr(estimator, "best_params_"):
        return [f"Penalty: alpha {estimator.alpha_:.3g}, {how}"]
    others = {name: value for name, value in estimator.best_params_.items() if name != "alpha"}
    listed = ", ".join(f"{name}={value!r}" for name, value in others.items())
    return [f"Chosen: alpha {estimator.alpha_:.3g}, {listed} ({how})"]


# What is done to inputs, by kind of encoding.
ENCODINGS = {
    "uniform": "uniform scores of their quantiles",
    "normal": "normal scores of their quantiles",
    "robust": "distances from their medians in interquartile ranges, far ones compressed",
}


def _encoding(estimator: Any) -> list[str]:
    """A line on how inputs are encoded, if any is."""
    encoding = estimator.encoding_
    if not encoding.columns:
        return []
    few = f"{len(encoding.columns)} of " if len(encoding.columns) < len(encoding.knots) else ""
    inputs = _count(len(encoding.knots), "input")
    return [f"Encoding: {few}{inputs} as {ENCODINGS[encoding.kind]}"]


def _not_clipped(estimator: Any, names: Sequence[str]) -> list[str]:
    """A line on the columns along which the network goes on linearly, if there are any.

    Those that a network uses; of two values, as of indicators, there is no outside.
    """
    table = estimator.table_
    numbers = np.arange(len(table.numbers))
    has_outside = np.array([len(each) > 2 for each in estimator.marginals_])[numbers]
    used = sum(np.any(coef[numbers], axis=1) for coef in estimator.coefs_[:-1])
    linear = numbers[np.isinf(estimator.clip_bounds_[0][numbers]) & (used > 0) & has_outside]
    linear = np.setdiff1d(linear, estimator.encoding_.columns)
    if not len(linear):
        return []
    others = np.setdiff1d(numbers[(used > 0) & has_outside], linear)
    along = f" along {_listed(names, table.numbers[linear])}" if len(others) else ""
    return [f"Not clipped: the network goes on linearly outside the training range{along}"]


def _missing(estimator: Any, names: Sequence[str]) -> list[str]:
    """A line on the columns that lacked values in training, if there are any."""
    table = estimator.table_
    parts = [_filled(table, names)] if len(table.lacking) else []
    for how, is_level in (("a level of its own", True), ("counted as a rare level", False)):
        lacking = [each for each in table.categories if each.lacks_values]
        columns = [each.column for each in lacking if each.missing_is_a_level == is_level]
        parts += [f"in {_listed(names, columns)} {how}"] if columns else []
    return [f"Missing values: {'; '.join(parts)}"] if parts else []


def _filled(table: Any, names: Sequence[str]) -> str:
    """Which columns of numbers lacked values, and what is done about that."""
    how = "replaced by medians" if table.filling is None else "filled in from other columns"
    told = _listed(names, table.with_indicator)
    if len(table.with_indicator) == len(table.lacking):
        told = "with an input that says so"
    elif told:
        told = f"with an input that says so of {told}"
    how += f", {told}" if told else ""
    return f"in {_listed(names, table.lacking)}; {how}"


def _listed(names: Sequence[str], columns: Sequence[int]) -> str:
    """Names of columns, not too many."""
    listed = ", ".join(names[k] for k in columns[:MOST_IN_SUMMARY])
    return listed + (", ..." if len(columns) > MOST_IN_SUMMARY else "")


def _categories(estimator: Any, names: Sequence[str]) -> list[str]:
    """A line on what is made of categories, if there are any."""
    found: dict[str, list[str]] = {}
    for each in estimator.table_.categories:
        if each.is_of_numbers:
            continue
        words = f"{names[each.column]} ({_count(len(each.levels), 'level')})"
        found.setdefault(each.kind, []).append(words)
    parts = []
    for kind, columns in sorted(found.items()):
        more = ", ..." if len(columns) > MOST_IN_SUMMARY else ""
        parts.append(f"{', '.join(columns[:MOST_IN_SUMMARY])}{more} as {kind}")
    return [f"Categories: {'; '.join(parts)}"] if parts else []


def _single_values(estimator: Any, names: Sequence[str]) -> list[str]:
    """A line on the numbers of which single values have target means, if there are any."""
    made = [each for each in estimator.table_.categories if each.is_of_numbers]
    words = [f"{names[each.column]} ({len(each.levels)})" for each in made[:MOST_IN_SUMMARY]]
    more = ", ..." if len(made) > MOST_IN_SUMMARY else ""
    return [f"Single values: {', '.join(words)}{more} as target means"] if made else []


def _quantiles(estimator: Any) -> list[str]:
    """A line on the order of several quantiles."""
    if not hasattr(estimator, "crossing_"):  # callbacks are shown networks on the way
        return []
    share = f"{100 * estimator.crossing_:.2g} %"
    return [f"Quantiles: sorted; before, they cross on {share} of the training rows"]


def _shifted(estimator: Any) -> list[str]:
    """A line on what rows held out have added to the outputs, if anything."""
    shift = np.ravel(getattr(estimator, "held_out_shift_", 0.0))
    if not shift.any():
        return []
    listed = ", ".join(f"{each:+.3g}" for each in shift)
    return [
        f"Shifted: by {listed}, as rows held out were off by that; the certificate is about the "
        "network before"
    ]


def _averaged(estimator: Any) -> list[str]:
    """A line on the networks that were averaged, if there are several."""
    members = getattr(estimator, "members_", [])
    if len(members) < 2:
        return []
    listed = "; ".join(f"{each.share:.2f} of {_kind(each.params)}" for each in members)
    return [
        f"Average of {len(members)} networks: {listed}; on rows held out, which shares are chosen "
        f"by, its loss is {100 * estimator.blend_gain_:.2g} % below that of the first, which the "
        "certificate is of; members_ has those of all"
    ]


def of_first_member(n_averaged: int) -> str:
    """Whose certificate it is, if networks were averaged."""
    return f" of the first of {n_averaged} networks averaged" if n_averaged > 1 else ""


def _kind(params: dict[str, Any]) -> str:
    """Order, norm and layers of a network, with its penalty."""
    order, n_blocks = params["interaction_order"], params["n_blocks"]
    neurons = "neurons of any number of inputs" if order is None else f"order {order}"
    layers = f", {n_blocks} hidden layers" if n_blocks > 1 else ""
    return f"{neurons} under {params['norm']}{layers}, alpha {params['alpha']:.3g}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def chosen_lines(neurons: Sequence[ReadableNeuron], most: int) -> tuple[list, list]:
    """The strongest neurons, and those of earlier layers that these have as inputs.

    Each as its formula and the rows that it passes through.
    """
    texts = formulas(neurons)
    strongest = [j for j, neuron in enumerate(neurons) if neuron.is_last][:most]
    place = {neuron.name: j for j, neuron in enumerate(neurons) if not neuron.is_last}
    needed, pending = set(), strongest
    while pending:
        read = {neurons[j].sum.names[k] for j in pending for k in neurons[j].leading}
        pending = [place[name] for name in read if name in place and place[name] not in needed]
        needed.update(pending)
    lines = [(text, neuron.through()) for text, neuron in zip(texts, neurons, strict=True)]
    return [lines[j] for j in strongest], [lines[j] for j in sorted(needed)]


def summary(estimator: Any, feature_names: Sequence[str] | None = None) -> str:
    """See ``ReadableNetwork.summary``."""
    names, neurons = (
        column_names(estimator, feature_names),
        readable_neurons(estimator, feature_names),
    )
    lines = [
        f"{type(estimator).__name__}: {_count(len(names), 'input')}, {_outputs(estimator)}",
        *_missing(estimator, names),
        *_categories(estimator, names),
        *_single_values(estimator, names),
        f"Network: {network_in_words(estimator, neurons)}",
        *_encoding(estimator),
        *_not_clipped(estimator, names),
        *_left_out(estimator),
        *_quantiles(estimator),
        *_shifted(estimator),
        *_chosen(estimator),
        *_averaged(estimator),
        f"Certificate: {estimator.certificate_}",
    ]
    importances = getattr(estimator, "feature_importances_", None)
    if importances is not None and np.any(importances):
        # What works against others has a negative share.
        strongest = np.argsort(-np.abs(importances), kind="stable")
        shares = [f"{names[k]} {importances[k]:.2f}" for k in strongest if importances[k]]
        n_more = len(shares) - MOST_IN_SUMMARY
        more = f", and {n_more} more" if n_more > 0 else ""
        lines.append(f"Importances: {', '.join(shares[:MOST_IN_SUMMARY])}{more}")
    lines = [fill(line, WIDTH, subsequent_indent="  ") for line in lines]
    strongest, before = chosen_lines(neurons, MOST_IN_SUMMARY)
    for title, part in (("Strongest neurons", strongest), ("Where", before)):
        if part:
            lines.append(f"{title}:")
            lines += [f"  {formula} through {rows}" for formula, rows in part]
    return "\n".join(lines)


def _outputs(estimator: Any) -> str:
    """How many outputs, and what they are."""
    n_outputs = len(estimator.intercepts_[-1])
    names = [output_label(estimator)] if n_outputs == 1 else output_names(estimator)
    listed = ", ".join(names[:MOST_IN_SUMMARY]) + (", ..." if len(names) > MOST_IN_SUMMARY else "")
    return _count(n_outputs, "output") + (f" ({listed})" if names else "")
