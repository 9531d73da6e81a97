"""Parameters of other estimators that are given to one: errors that say what to write."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

Given = ParamSpec("Given")


def takes_several_alphas(init: Callable[Given, None]) -> Callable[Given, None]:
    """The constructor of a CV estimator, made to say what to write to those who give ``alpha``.

    Its signature, by which scikit-learn knows parameters, is the same.
    """

    @wraps(init)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> None:
        if "alpha" in kwargs:
            _refuse_alpha(type(args[0]).__name__, kwargs["alpha"])
        init(*args, **kwargs)

    return checked


def _refuse_alpha(name: str, alpha: Any) -> None:
    raise TypeError(
        f"{name} got an unexpected keyword argument 'alpha': it chooses among alphas. Write "
        f"{name}(alphas=[{alpha!r}]) for one penalty, and a choice of the other parameters, or "
        f"{name.removesuffix('CV')}(alpha={alpha!r}) for a network of one penalty."
    )
