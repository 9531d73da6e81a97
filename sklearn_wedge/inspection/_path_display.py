"""What the penalty does: neurons and scores along a path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from sklearn_wedge.inspection._axes import few_labels, legend_below, look, panels


class PathDisplay:
    """Neurons, and scores if there are any, along a path of penalties.

    It is recommended to use :meth:`from_estimator` or :meth:`from_path`.

    Parameters
    ----------
    alphas : array-like of shape (n_paths, n_alphas)
        Penalties of each path.
    n_neurons : array-like of shape (n_paths, n_alphas)
        Neurons; of several folds their mean.
    scores : array-like of shape (n_paths, n_alphas, n_folds), default=None
        Larger is better. None: neurons only.
    labels : sequence of str, default=("",)
        One for each path.
    chosen : tuple of (int, float), default=None
        The path and the penalty chosen, of those tried.
    score_name : str, default="score"
        What the scores are.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        The panels: scores, if there are any, above neurons.
    figure_ : matplotlib Figure
        The figure.
    score_lines_, neuron_lines_ : list of matplotlib Line2D
        A curve for each path.
    bands_ : list of matplotlib artists
        One standard error of the mean score on either side.
    chosen_lines_ : list of matplotlib Line2D
        The penalty chosen of those tried, in each panel. After a race that is not quite the one of
        the last fit, ``alpha_`` of the estimator, which was not scored and is on no curve.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_wedge import WedgeReLURegressorCV
    >>> from sklearn_wedge.inspection import PathDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = WedgeReLURegressorCV(alphas=[0.3, 0.1, 0.03], cv=3).fit(X, y)
    >>> display = PathDisplay.from_estimator(model)
    >>> [panel.get_ylabel() for panel in display.axes_.flat]
    ['score on held-out folds', 'neurons']
    """

    def __init__(
        self,
        *,
        alphas: ArrayLike,
        n_neurons: ArrayLike,
        scores: ArrayLike | None = None,
        labels: Sequence[str] = ("",),
        chosen: tuple[int, float] | None = None,
        score_name: str = "score",
    ):
        self.alphas = alphas
        self.n_neurons = n_neurons
        self.scores = scores
        self.labels = labels
        self.chosen = chosen
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        score_name: str = "score on held-out folds",
        ax: Any = None,
        **kwargs: Any,
    ) -> PathDisplay:
        """Draw the paths of a fitted cross-validation estimator: means over its folds.

        The penalty that is marked is the one chosen of those tried, ``best_params_["alpha"]``.

        Parameters
        ----------
        estimator : WedgeReLURegressorCV or WedgeReLUClassifierCV
            Fitted.
        score_name : str, default="score on held-out folds"
            What the scores are, such as ``"R² on held-out folds"``.
        ax : matplotlib Axes or array of two, default=None
            See :meth:`plot`.
        **kwargs : dict
            For :meth:`plot`.

        Returns
        -------
        PathDisplay
            Drawn.

        Raises
        ------
        ValueError
            If the estimator has no path, or validated nothing.
        ImportError
            If matplotlib is not installed.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "score_path_"):
            raise ValueError(
                f"A {type(estimator).__name__} has no path: fit WedgeReLURegressorCV or "
                "WedgeReLUClassifierCV, or use PathDisplay.from_path with wedge_relu_path."
            )
        if np.isnan(estimator.best_score_):
            raise ValueError(
                f"This {type(estimator).__name__} has no path: of so few rows nothing was "
                "validated, see summary()."
            )
        n_paths = len(estimator.combinations_)
        scores = np.reshape(estimator.score_path_, (-1, *np.shape(estimator.score_path_)[-2:]))
        alpha, *choice = estimator.best_params_.values()
        chosen = estimator.combinations_.index(tuple(choice))
        neurons = np.reshape(estimator.n_neurons_path_, scores.shape)
        used = ~np.isnan(scores).all(axis=(0, 1))  # folds that were not left out
        scores, neurons = scores[:, :, used], neurons[:, :, used].mean(axis=2)
        means = scores.mean(axis=2)
        display = cls(
            alphas=np.atleast_2d(estimator.alphas_),
            n_neurons=np.where(np.isnan(means), np.nan, neurons),
            scores=scores,
            labels=_labels(estimator.combinations_) if n_paths > 1 else ("",),
            chosen=(chosen, alpha),
            score_name=score_name,
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_path(
        cls,
        path: Any,
        *,
        scores: ArrayLike | None = None,
        score_name: str = "score",
        ax: Any = None,
        **kwargs: Any,
    ) -> PathDisplay:
        """Draw a path of networks.

        Parameters
        ----------
        path : WedgePath
            As ``wedge_relu_path`` returns it.
        scores : array-like of shape (n_alphas,) or (n_alphas, n_sets), default=None
            Scores of ``path.networks``, in their order, on one set of data or several; larger is
            better, and the largest mean is marked.
        score_name : str, default="score"
            What the scores are.
        ax : matplotlib Axes or array of these, default=None
            See :meth:`plot`.
        **kwargs : dict
            For :meth:`plot`.

        Returns
        -------
        PathDisplay
            Drawn.

        Raises
        ------
        TypeError
            If ``path`` is something else.
        ValueError
            If there is not a score for each network.
        ImportError
            If matplotlib is not installed.
        """
        if not hasattr(path, "networks"):
            raise TypeError(
                "PathDisplay.from_path draws what wedge_relu_path returns, and this is a "
                f"{type(path).__name__}: use PathDisplay.from_estimator for a fitted estimator."
            )
        chosen = None
        if scores is not None:
            scores = np.asarray(scores, dtype=np.float64)
            if scores.ndim not in (1, 2) or len(scores) != len(path.alphas):
                raise ValueError(
                    f"scores has shape {scores.shape}, and the path {len(path.alphas)} networks: "
                    "give a score, or a row of scores, for each."
                )
            scores = scores.reshape(1, len(scores), -1)
            chosen = (0, float(path.alphas[scores[0].mean(axis=1).argmax()]))
        display = cls(
            alphas=path.alphas[None],
            n_neurons=np.array([[len(network.neurons) for network in path.networks]]),
            scores=scores,
            chosen=chosen,
            score_name=score_name,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: Any = None, *, line_kw: dict | None = None) -> PathDisplay:
        """Draw scores above neurons, and below them the legend, if there is one.

        Parameters
        ----------
        ax : matplotlib Axes or array of these, default=None
            Axes to be split into panels, or one for each panel; None: those of a new figure. A
            figure with a layout engine (``layout="constrained"``) makes room for the legend; in
            others it is within the panel of the neurons.
        line_kw : dict, default=None
            For ``Axes.plot``, which draws the curves.

        Returns
        -------
        PathDisplay
            This one.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_panels = 1 if self.scores is None else 2
        self.axes_ = panels(ax, n_panels, 1, (6.0, 2.6), "PathDisplay")
        *above, below = self.axes_.flat
        self.figure_ = below.figure
        below.set(xscale="log", xlabel="alpha", ylabel="neurons")
        for panel in above:
            panel.sharex(below)
            panel.set(xscale="log", ylabel=self.score_name)
            panel.tick_params(which="both", labelbottom=False)
        self.score_lines_, self.neuron_lines_, self.bands_ = [], [], []
        for k, (alphas, label) in enumerate(zip(self.alphas, self.labels, strict=True)):
            options = {**look(k), "marker": "o", "markersize": 3, "label": label, **(line_kw or {})}
            self.neuron_lines_ += below.plot(alphas, self.n_neurons[k], **options)
            for panel in above:
                self._draw_scores(panel, alphas, np.asarray(self.scores[k]), options)
        self._mark_chosen()
        drawn = np.asarray(self.alphas)[np.isfinite(self.n_neurons)]
        few_labels(below.xaxis, drawn.min(), drawn.max())
        if self.chosen is not None or any(self.labels):
            legend_below(below, grow=ax is None)
        return self

    def _draw_scores(self, panel: Any, alphas: np.ndarray, scores: np.ndarray, options: dict):
        mean, n_folds = scores.mean(axis=1), scores.shape[1]
        self.score_lines_ += panel.plot(alphas, mean, **options)
        if n_folds > 1:
            error = scores.std(axis=1, ddof=1) / np.sqrt(n_folds)
            band = panel.fill_between(
                alphas, mean - error, mean + error, color=options["color"], alpha=0.15, linewidth=0
            )
            self.bands_.append(band)

    def _mark_chosen(self) -> None:
        self.chosen_lines_ = []
        if self.chosen is not None:
            which, alpha = self.chosen
            name = self.labels[which]
            label = f"chosen of those tried: alpha = {alpha:.3g}{', ' if name else ''}{name}"
            for panel in self.axes_.flat:
                options = {"color": "0.3", "linestyle": ":", "label": label, "zorder": 0}
                self.chosen_lines_.append(panel.axvline(alpha, **options))


def _labels(combinations: Sequence[tuple]) -> list[str]:
    """Combinations in words: order, norm and number of blocks, and the rest where it differs."""
    clips = {clip for *_, clip in combinations}
    return [_label(each, len(clips) > 1) for each in combinations]


def _label(combination: tuple, with_clip: bool) -> str:
    order, norm, n_blocks, encoding, clip = combination
    words = [f"order {'any' if order is None else order}", norm]
    words += [f"{n_blocks} blocks"] if n_blocks > 1 else []
    words += [] if encoding is None else [encoding]
    clipped = "not clipped" if clip is None else f"clipped at {clip:g}"
    return ", ".join([*words, clipped] if with_clip else words)
