"""Optional packages, imported when they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def needs(package: str, caller: str, extra: str | None = None) -> Iterator[None]:
    """Around an import: say what to install if it fails.

    Parameters
    ----------
    package : str
        What is missing then, by its own name.
    caller : str
        What was called.
    extra : str, default=None
        The extra of this package that brings it; None: it is installed by its own name.

    Raises
    ------
    ImportError
        If the import inside does.
    """
    try:
        yield
    except ImportError as error:
        how = f"pip install {package}" if extra is None else how_to_install(extra)
        raise ImportError(f"{caller} needs {package}: {how}.") from error


def how_to_install(extra: str) -> str:
    """What brings an extra of this package, which is not on a package index."""
    return f'pip install ".[{extra}]" in a clone of sklearn_wedge'


def import_pyplot(caller: str) -> Any:
    """``matplotlib.pyplot``."""
    with needs("matplotlib", caller, "plot"):
        from matplotlib import pyplot
    return pyplot


def import_pandas(caller: str) -> Any:
    """``pandas``."""
    with needs("pandas", caller):
        import pandas
    return pandas
