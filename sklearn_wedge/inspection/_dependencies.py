"""Optional packages, imported when they are needed."""

from __future__ import annotations

from typing import Any


def import_pyplot(needed_by: str) -> Any:
    """``matplotlib.pyplot``.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to get it.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f'{needed_by} needs matplotlib: pip install "sklearn_wedge[plot]".'
        ) from error
    return pyplot


def import_pandas(needed_by: str) -> Any:
    """``pandas``.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to get it.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"{needed_by} needs pandas: pip install pandas.") from error
    return pandas
