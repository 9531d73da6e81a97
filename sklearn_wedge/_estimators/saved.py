"""What is saved of an estimator says which versions wrote it, and others warn."""

from __future__ import annotations

import warnings
from typing import Any

import sklearn
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from sklearn_wedge._version import __version__

# Attributes of an estimator are of this package, and some are made by scikit-learn.
VERSIONS = {"sklearn_wedge": __version__, "scikit-learn": sklearn.__version__}


class SavedEstimator(BaseEstimator):
    """An estimator that knows, when it is loaded, by which versions it was saved."""

    def __getstate__(self) -> dict[str, Any]:
        """What is saved, with the versions."""
        return {**super().__getstate__(), "_saved_by": dict(VERSIONS)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was saved; warn if another version did."""
        state = dict(state)
        saved_by = state.pop("_saved_by", {})
        for package, version in VERSIONS.items():
            saved_version = saved_by.get(package, "unknown")
            if saved_version != version:
                warnings.warn(
                    InconsistentVersionWarning(
                        estimator_name=f"{type(self).__name__} ({package})",
                        current_sklearn_version=version,
                        original_sklearn_version=saved_version,
                    ),
                    stacklevel=2,
                )
        super().__setstate__(state)
