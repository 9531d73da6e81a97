"""Labels as users give them: what is refused, and what is said of them, before a fit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._tables import is_missing

# Floating-point numbers with more distinct values than this are hardly classes.
MANY_CLASSES = 20


def refuse_odd_labels(y: Any, first_row: int = 0) -> None:
    """Labels that are missing, or numbers beside text: say where, and what to do.

    An array of numbers is left to scikit-learn.

    Parameters
    ----------
    y : array-like
        As given.
    first_row : int, default=0
        What the rows count from.

    Raises
    ------
    ValueError
        If there are any.
    """
    if getattr(getattr(y, "dtype", None), "kind", "O") in "biufc":
        return
    # Not as they would be in an array of their own: there NaN becomes text beside text.
    labels = np.asarray(y, dtype=object)
    if labels.size == 0 or labels.ndim == 0:  # a chunk of a dask array may have no rows
        return
    rows = labels.reshape(len(labels), -1)
    for row, column in np.ndindex(rows.shape):
        label = rows[row, column]
        if is_missing(label):
            raise ValueError(
                f"Input y contains {label!r} in row {first_row + row}: every row needs a label. "
                "Leave such rows out, or give them a label of their own, such as 'missing'."
            )
    kinds = sorted({type(label).__name__ for label in labels.flat if not isinstance(label, str)})
    if kinds and any(isinstance(label, str) for label in labels.flat):
        raise ValueError(
            f"Input y contains text and labels of type {', '.join(kinds)}, which have no order "
            "together: convert all of them to text, for example by y.astype(str)."
        )


def warn_of_many_classes(classes: NDArray, name: str) -> None:
    """A target of regression given to a classifier: said before the time is spent.

    Parameters
    ----------
    classes : ndarray
        The distinct labels.
    name : str
        Of the estimator.
    """
    if classes.dtype.kind != "f" or len(classes) <= MANY_CLASSES:
        return
    warnings.warn(
        f"y has {len(classes)} distinct floating-point numbers, and each of them is a class to "
        f"{name}. If y is a quantity, use {name.replace('Classifier', 'Regressor')}; if these are "
        "classes, pass whole numbers or text, for example y.astype(int).",
        stacklevel=5,
    )
