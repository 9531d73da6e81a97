"""A fitted network within scikit-learn's diagram of an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from sklearn_wedge._text.readable import readable_neurons
from sklearn_wedge._text.words import chosen_lines, network_in_words, of_first_member

# Neurons in the HTML representation.
MOST_IN_HTML = 30


class Documented:
    """Links scikit-learn's diagram of an estimator to its page."""

    def _get_doc_link(self) -> str:
        """The page, once the project says where its documentation is; not of subclasses."""
        package, name = type(self).__module__.partition(".")[0], type(self).__name__
        if package != __name__.partition(".")[0] or not (address := documentation()):
            return ""
        return f"{address.rstrip('/')}/generated/{package}.{name}.html"


def documentation() -> str | None:
    """Where the built documentation is: ``Documentation`` of the project's addresses."""
    try:
        addresses = metadata("sklearn-wedge").get_all("Project-URL") or []
    except PackageNotFoundError:  # a copy that is not installed
        return None
    return dict(each.split(", ", 1) for each in addresses).get("Documentation")


def caption(estimator: Any) -> str:
    """What is below the name of the estimator in a diagram."""
    certificate = estimator.certificate_
    kind = "certified" if certificate.exact else "estimated, not certified"
    whose = of_first_member(len(getattr(estimator, "members_", [])))
    return f"relative gap {certificate.relative_gap:.1e}{whose}, {kind}"


def tables(estimator: Any) -> str:
    """Certificate and neurons as two tables that fold out."""
    certificate = estimator.certificate_
    facts = {
        "objective": f"{certificate.objective:.6g}",
        "lower bound": f"{certificate.lower_bound:.6g}",
        "relative gap": f"{certificate.relative_gap:.2e}",
        "certified": "yes" if certificate.exact else "no, the bound is an estimate",
        "over": certificate.scope,
    }
    neurons = readable_neurons(estimator)
    strongest, before = chosen_lines(neurons, MOST_IN_HTML)
    left_out = sum(neuron.is_last for neuron in neurons) - len(strongest)
    more = [(f"... and {left_out} more", "see neurons_frame()")] if left_out else []
    lines = [(formula, f"through {rows}") for formula, rows in [*strongest, *before]]
    network = f"Network: {network_in_words(estimator, neurons)}"
    return _fold_out(f"Certificate: {caption(estimator)}", list(facts.items())) + _fold_out(
        network, lines[: len(strongest)] + more + lines[len(strongest) :]
    )


def _fold_out(title: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    table = "".join(f"<tr>{row}</tr>" for row in cells)
    fold_out = f"<details><summary>{escape(title)}</summary><table>{table}</table></details>"
    return f'<div class="estimator-table">{fold_out}</div>'  # as scikit-learn's own
