"""Parameters of other estimators that are given to one: errors that say what to write."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from numbers import Real
from typing import Any, ParamSpec

Given = ParamSpec("Given")


def takes_several_alphas(
    of_one: type,
) -> Callable[[Callable[Given, None]], Callable[Given, None]]:
    """Make the constructor of a CV estimator say what to write to those who give ``alpha``.

    Its signature, by which scikit-learn knows parameters, is the same. ``of_one`` is the estimator
    of one penalty.
    """

    def decorated(init: Callable[Given, None]) -> Callable[Given, None]:
        @wraps(init)
        def checked(*args: Given.args, **kwargs: Given.kwargs) -> None:
            if "alpha" in kwargs:
                _refuse_alpha(type(args[0]).__name__, of_one.__name__, kwargs["alpha"])
            init(*args, **kwargs)

        return checked

    return decorated


def _refuse_alpha(name: str, of_one: str, alpha: Any) -> None:
    # What numpy has is written as Python has it; None is no choice, which is "auto" here.
    plain = alpha.tolist() if hasattr(alpha, "tolist") else "auto" if alpha is None else alpha
    advice = f"{name}(alphas={plain!r})"
    if isinstance(plain, Real) and not isinstance(plain, bool):
        advice = (
            f"{name}(alphas=[{plain!r}]) for one penalty, and a choice of the other parameters, or "
            f"{of_one}(alpha={plain!r}) for a network of one penalty"
        )
    raise TypeError(
        f"{name} got an unexpected keyword argument 'alpha': it chooses among alphas. Write "
        f"{advice}."
    )
