"""Objective and lower bound, round by round."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_wedge._text.words import of_first_member
from sklearn_wedge.inspection._axes import BLUE, ORANGE, one_axes
from sklearn_wedge.inspection._checks import check_network


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
    relative_gap : float
        That of the certificate, for the title. The last bound may look closer: what a search may
        have missed is counted in the certificate.
    estimate : array-like of shape (n_rounds,), default=None
        The bound as each round alone saw it, over the neurons that it priced.
    n_averaged : int, default=1
        Of how many networks the estimator is the average; the curves are of the first.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    objective_line_, bound_line_ : matplotlib Line2D
        The two curves.
    estimate_line_ : matplotlib Line2D or None
        The bounds of single rounds; the axes reach down to those that come close.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> from sklearn_wedge.inspection import CertificateDisplay
    >>> model = WedgeReLURegressor(alpha=0.1).fit(*load_diabetes(return_X_y=True))
    >>> CertificateDisplay.from_estimator(model).ax_.get_xlabel()
    'pricing round'
    """

    def __init__(
        self,
        *,
        objective: ArrayLike,
        lower_bound: ArrayLike,
        exact: bool,
        relative_gap: float,
        estimate: ArrayLike | None = None,
        n_averaged: int = 1,
    ):
        self.objective = objective
        self.lower_bound = lower_bound
        self.exact = exact
        self.relative_gap = relative_gap
        self.estimate = estimate
        self.n_averaged = n_averaged

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **kwargs: Any) -> CertificateDisplay:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted network of this package. Of several hidden layers, the last one is drawn.
        ax : matplotlib Axes, default=None
            Axes to draw on; None: those of a new figure.
        **kwargs : dict
            For :meth:`plot`.

        Returns
        -------
        CertificateDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator is not a network of this package.
        ImportError
            If matplotlib is not installed.
        """
        check_network(estimator, "CertificateDisplay")
        history = estimator.history_
        display = cls(
            objective=np.array([each.objective for each in history]),
            lower_bound=np.array([each.lower_bound for each in history]),
            exact=estimator.certificate_.exact,
            relative_gap=estimator.certificate_.relative_gap,
            estimate=np.array([each.estimate for each in history]),
            n_averaged=len(getattr(estimator, "members_", [None])),
        )
        return display.plot(ax=ax, **kwargs)

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
        style = {"marker": "o", "markersize": 4, "label": "objective", "color": BLUE}
        (self.objective_line_,) = ax.plot(rounds, objective, **{**style, **(objective_kw or {})})
        # Bounds may be far down at first: the axes reach down as far again as the objective falls.
        reach = float(np.ptp(objective)) or abs(objective[-1]) * 1e-3 or 1.0
        self.estimate_line_ = None
        if self.estimate is not None:
            style = {
                "color": "0.6",
                "linestyle": ":",
                "marker": ".",
                "label": "estimates of the bound",
            }
            (self.estimate_line_,) = ax.plot(rounds, np.asarray(self.estimate), **style, zorder=1)
            floor = max(float(np.min(self.estimate)), objective[-1] - reach)
            ax.set_ylim(floor - 0.1 * reach, objective[0] + 0.2 * reach)
        known = np.isfinite(bound)
        label = "lower bound, certified" if self.exact else "lower bound, estimated"
        style = {"marker": "D", "markersize": 5, "label": label, "color": ORANGE, "linestyle": "--"}
        (self.bound_line_,) = ax.plot(rounds[known], bound[known], **{**style, **(bound_kw or {})})
        ax.set(xlabel="pricing round", ylabel="training objective")
        ax.locator_params(axis="x", integer=True)
        ax.set_title(f"relative gap {self.relative_gap:.1e}{of_first_member(self.n_averaged)}")
        # The objective falls from the upper left: there is room on the right.
        ax.legend(frameon=False, loc="upper right")
        return self
