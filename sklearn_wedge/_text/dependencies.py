"""Optional packages, imported when they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def needs(package: str, caller: str, install: str) -> Iterator[None]:
    """Around an import: say what to install if it fails.

    Parameters
    ----------
    package : str
        What is missing then, by its own name.
    caller : str
        What was called.
    install : str
        What to install: an extra of this package, such as ``sklearn_wedge[onnx]``, or a package.

    Raises
    ------
    ImportError
        If the import inside does.
    """
    try:
        yield
    except ImportError as error:
        what = f'"{install}"' if "[" in install else install  # for shells that expand brackets
        raise ImportError(f"{caller} needs {package}: pip install {what}.") from error


def import_pyplot(caller: str) -> Any:
    """``matplotlib.pyplot``."""
    with needs("matplotlib", caller, "sklearn_wedge[plot]"):
        from matplotlib import pyplot
    return pyplot


def import_pandas(caller: str) -> Any:
    """``pandas``."""
    with needs("pandas", caller, "pandas"):
        import pandas
    return pandas
