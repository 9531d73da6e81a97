"""What displays are given, checked before anything is computed."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.utils.validation import check_is_fitted


def check_network(estimator: Any, needed_by: str) -> None:
    """Refuse what is not a fitted network of this package.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If it is something else, such as a pipeline.
    """
    check_is_fitted(estimator)
    if not hasattr(estimator, "neurons_"):
        raise TypeError(
            f"{needed_by} reads a fitted network of sklearn_wedge, and this is a "
            f"{type(estimator).__name__}. Of a pipeline give the last step, as pipeline[-1], with "
            "the X that it sees; of a search its best_estimator_."
        )


def check_complete(estimator: Any, needed_by: str) -> None:
    """Refuse networks of tables with missing values or categories.

    Raises
    ------
    ValueError
        If inputs of the network are not columns.
    """
    table = estimator.table_
    made = table.input_names()[len(table.numbers) :]
    if made:
        raise ValueError(
            f"{needed_by} draws networks of tables without missing values and categories, and this "
            f"{type(estimator).__name__} has inputs that are made of them: {made}. Use "
            "EffectDisplay."
        )


def check_at_least(least: int, name: str, value: Any) -> None:
    """Refuse what is not an integer of at least so much.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
