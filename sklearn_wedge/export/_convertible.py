"""Which estimators skl2onnx can convert: they say so themselves."""

from __future__ import annotations

from collections.abc import Iterator


class Convertible:
    """Base of the estimators that have a converter."""


def convertible_estimators(kind: type = Convertible) -> Iterator[type]:
    """The estimators of this package with a converter, without those that only others inherit."""
    for below in kind.__subclasses__():
        if below.__module__.startswith("sklearn_wedge.") and not below.__name__.startswith("_"):
            yield below
        yield from convertible_estimators(below)
