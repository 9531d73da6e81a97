"""Parameters of the CV estimators that may be one value, several candidates, or found in a race."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import (
    StrOptions,
    validate_parameter_constraints,
)

from sklearn_wedge._estimators.fold_paths import CANDIDATES
from sklearn_wedge._estimators.race_plan import AUTO, EFFORTS
from sklearn_wedge._settings.constraints import CONSTRAINT_PARAMETERS
from sklearn_wedge._settings.options import OPTION_CONSTRAINTS, NumberIn


def is_auto(given: Any) -> bool:
    """Whether the race is to find candidates for a parameter."""
    return isinstance(given, str) and given == AUTO


def _of_candidates(name: str) -> list[Any]:
    """The constraints of a candidate, and ``"auto"``."""
    constraints = OPTION_CONSTRAINTS[name]
    of_strings = [each for each in constraints if isinstance(each, StrOptions)]
    others = [each for each in constraints if not isinstance(each, StrOptions)]
    return [*others, StrOptions({AUTO}.union(*(each.options for each in of_strings)))]


CV_CONSTRAINTS: dict[str, list[Any]] = {
    "alphas": [StrOptions({AUTO}), NumberIn(Integral, 1, None, closed="left"), "array-like"],
    "eps": [NumberIn(Real, 0, 1, closed="neither")],
    "patience": [NumberIn(Integral, 1, None, closed="left"), None],
    "cv": ["cv_object"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    **CONSTRAINT_PARAMETERS,
    **OPTION_CONSTRAINTS,
    # Several candidates, which are validated one by one.
    **{name: [*_of_candidates(name), list, tuple, np.ndarray] for name in CANDIDATES},
    "effort": [StrOptions(set(EFFORTS))],
    "blend": ["boolean"],
}


def is_one(given: Any) -> bool:
    """Whether a parameter is one value, not candidates."""
    return not (is_auto(given) or (isinstance(given, list | tuple | np.ndarray) and len(given) > 1))


def several(name: str, given: Any, caller: str) -> list:
    """The candidates for a parameter: one, or those of a list, tuple or array.

    Raises
    ------
    ValueError
        If there are none, or one is not valid.
    """
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list | tuple):
        return [given]
    if not given:
        raise ValueError(f"{name} is empty: give one candidate for {caller}, or a list of several.")
    for candidate in given:
        validate_parameter_constraints(
            {name: OPTION_CONSTRAINTS[name]}, {name: candidate}, caller_name=caller
        )
    return list(given)
