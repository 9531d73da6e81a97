"""Objective and lower bound, round by round."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from sklearn_wedge.inspection._axes import BLUE, ORANGE, one_axes


class CertificateDisplay:
    """How objective and lower bound of a fit close in on the global optimum.

    It is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    objective : array-like of shape (n_rounds,)
        Objective after each pricing round, in the units of the problem solved.
    lower_bound : array-like of shape (n_rounds,)
        The best bound so far; ``-inf`` before there is one.
    exact : bool
        Whether the last bound is certified, or an estimate.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    objective_line_, bound_line_ : matplotlib Line2D
        The two curves.
    gap_ : matplotlib artist
        The area between them.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> from sklearn_wedge.inspection import CertificateDisplay
    >>> model = WedgeReLURegressor(alpha=0.1).fit(*load_diabetes(return_X_y=True))
    >>> CertificateDisplay.from_estimator(model).ax_.get_xlabel()
    'pricing round'
    """

    def __init__(self, *, objective: ArrayLike, lower_bound: ArrayLike, exact: bool):
        self.objective = objective
        self.lower_bound = lower_bound
        self.exact = exact

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> CertificateDisplay:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted network of this package. Of several hidden layers, the last one is drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on; None: those of a new figure.

        Returns
        -------
        CertificateDisplay
            Drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        history = estimator.history_
        display = cls(
            objective=np.array([each.objective for each in history]),
            lower_bound=np.array([each.lower_bound for each in history]),
            exact=estimator.certificate_.exact,
        )
        return display.plot(ax=ax)

    def plot(
        self, ax: Any = None, *, objective_kw: dict | None = None, bound_kw: dict | None = None
    ) -> CertificateDisplay:
        """Draw both curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None: those of a new figure.
        objective_kw, bound_kw : dict, default=None
            For ``Axes.plot``, which draws the curves.

        Returns
        -------
        CertificateDisplay
            This one.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = ax = one_axes(ax, "CertificateDisplay")
        self.figure_ = ax.figure
        objective, bound = np.asarray(self.objective), np.asarray(self.lower_bound)
        rounds = np.arange(1, len(objective) + 1)
        known = np.isfinite(bound)
        style = {"marker": "o", "markersize": 3, "label": "objective", "color": BLUE}
        (self.objective_line_,) = ax.plot(rounds, objective, **{**style, **(objective_kw or {})})
        label = "lower bound, certified" if self.exact else "lower bound, estimated"
        style = {**style, "label": label, "color": ORANGE, "linestyle": "--", "marker": "s"}
        (self.bound_line_,) = ax.plot(rounds[known], bound[known], **{**style, **(bound_kw or {})})
        self.gap_ = ax.fill_between(
            rounds[known], bound[known], objective[known], color="0.9", zorder=0, linewidth=0
        )
        ax.set(xlabel="pricing round", ylabel="training objective")
        ax.locator_params(axis="x", integer=True)
        ax.set_title(f"relative gap {self._relative_gap(objective, bound):.1e}")
        ax.legend(frameon=False)
        return self

    @staticmethod
    def _relative_gap(objective: np.ndarray, bound: np.ndarray) -> float:
        if objective[-1] == 0:
            return 0.0
        return float((objective[-1] - bound[-1]) / abs(objective[-1]))
