"""Networks of one or two inputs: what they predict, and where their neurons are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_wedge._text.names import (
    input_names,
    output_label,
    output_names,
    output_number,
    quantile_levels,
    target_label,
)
from sklearn_wedge.inspection._axes import (
    COLORS,
    GREY,
    MARKERS,
    ORANGE,
    as_it_is,
    look,
    one_axes,
)
from sklearn_wedge.inspection._checks import check_at_least, check_complete
from sklearn_wedge.inspection._training import predicted, training_inputs

Array = NDArray[np.float64]

# The picture reaches beyond the training data by this fraction of their range.
MARGIN = 0.05
# Knots closer than this, in standard deviations of the input, are one.
ROUNDING = 1e-9


class NeuronDisplay:
    """The neurons of a network of one or two inputs, and the samples that define them.

    Of two inputs: the prediction as a surface, or the regions of the classes; each neuron as the
    line at which it sets in; the training samples, those on lines with a ring. Of one input: the
    prediction as a curve, with its knots. It is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    ticks : sequence of one or two ndarrays
        Values of each input.
    response : ndarray of shape (n_ticks, n_curves) or (n_ticks_1, n_ticks_0)
        What is predicted there. Two inputs: rows go with the second one; of a classifier the number
        of the class. One input: a curve for each output.
    lines : ndarray of shape (n_lines, 2, 2) or (n_lines, 1)
        Ends of the line of each neuron within the picture and the clipping bounds, where inputs
        are encoded of its straight pieces; or its knot.
    X : ndarray of shape (n_samples, n_inputs)
        Training inputs.
    defining : ndarray of shape (n_defining, n_inputs)
        The samples that define neurons, as the network sees them: clipped.
    y : array-like of shape (n_samples,), default=None
        Training targets or labels.
    classes : array-like of shape (n_classes,), default=None
        Of a classifier.
    input_names : sequence of str, default=("x0", "x1")
        Names of the inputs.
    output_label : str, default="prediction"
        What the response is, with its unit if there is one.
    curve_labels : sequence of str, default=("network",)
        One for each curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    surface_ : matplotlib QuadMesh or None
        The prediction over two inputs.
    colorbar_ : matplotlib Colorbar or None
        Of the surface of a regression.
    curves_ : list of matplotlib Line2D
        The prediction along one input.
    lines_ : matplotlib LineCollection or None
        The neurons of two inputs.
    knots_ : matplotlib Line2D or None
        The neurons of one input, on the first curve.
    samples_ : list of matplotlib artists
        Training samples: one for each class, or for all.
    rings_ : matplotlib Line2D or None
        The samples that define neurons of two inputs.

    See Also
    --------
    EffectDisplay : Networks of any number of inputs.
    sklearn.inspection.DecisionBoundaryDisplay : Predictions of any estimator of two inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> from sklearn_wedge.inspection import NeuronDisplay
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(50, 2))
    >>> y = np.abs(X[:, 0] - X[:, 1])
    >>> model = WedgeReLURegressor(alpha=0.01).fit(X, y)
    >>> display = NeuronDisplay.from_estimator(model, X, y)
    >>> len(display.lines) == model.n_neurons_
    True
    """

    def __init__(
        self,
        *,
        ticks: Sequence[Array],
        response: NDArray,
        lines: Array,
        X: Array,
        defining: Array,
        y: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        input_names: Sequence[str] = ("x0", "x1"),
        output_label: str = "prediction",
        curve_labels: Sequence[str] = ("network",),
    ):
        self.ticks = ticks
        self.response = response
        self.lines = lines
        self.X = X
        self.defining = defining
        self.y = y
        self.classes = classes
        self.input_names = input_names
        self.output_label = output_label
        self.curve_labels = curve_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        output: Any = None,
        feature_names: Sequence[str] | None = None,
        target_name: str | None = None,
        grid_resolution: int = 300,
        ax: Any = None,
        **kwargs: Any,
    ) -> NeuronDisplay:
        """Compute predictions and lines of a fitted estimator, and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted network of this package with one or two inputs and one hidden layer.
        X : array-like of shape (n_samples, n_features)
            The inputs that it was fitted on.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their targets or labels. None: samples are drawn without.
        output : int or str, default=None
            The target to be drawn, if there are several, by its number or its name in the training
            data; of classes all are drawn.
        feature_names : sequence of str, default=None
            Names of the inputs; None: those of the training data.
        target_name : str, default=None
            Name and unit of a regression's target. None: its name in the training data, or
            ``"target"``.
        grid_resolution : int, default=300
            Values of each input at which the prediction is computed.
        ax : matplotlib Axes, default=None
            Axes to draw on; None: those of a new figure.
        **kwargs : dict
            For :meth:`plot`.

        Returns
        -------
        NeuronDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator is not a network of this package.
        ValueError
            If there are more than two inputs or several hidden layers, ``X`` is not what the
            estimator was fitted on, ``y`` does not suit it, or there is no such output.
        ImportError
            If matplotlib is not installed.
        """
        X = training_inputs(estimator, X, y, needed_by="NeuronDisplay")
        _refuse_other_networks(estimator)
        check_at_least(2, "grid_resolution", grid_resolution)
        ticks = _ticks(X, grid_resolution)
        lines = _lines(estimator, ticks)
        if len(ticks) == 1:  # curves bend exactly at their knots, and at those of an encoding
            ticks = (np.union1d(ticks[0], [*lines[:, 0], *estimator.encoding_.knots[0]]),)
        grid = np.stack(np.meshgrid(*ticks), axis=-1).reshape(-1, X.shape[1])
        is_classifier = hasattr(estimator, "classes_")
        chosen = _chosen(estimator, output)
        y = None if y is None else _suitable(estimator, y, chosen)
        if is_classifier and X.shape[1] == 1:
            response = _decisions(estimator, grid)
            label = output_label(estimator) if response.shape[1] == 1 else "decision function"
        elif is_classifier:
            label = "class"
            response = np.searchsorted(estimator.classes_, predicted(estimator.predict, grid))
            response = response.reshape(len(ticks[1]), -1)
        else:
            response = predicted(estimator.predict, grid).reshape(len(grid), -1)[:, [chosen]]
            response = response if len(ticks) == 1 else response.reshape(len(ticks[1]), -1)
            label = target_label(estimator, chosen, target_name)
        display = cls(
            ticks=ticks,
            response=response,
            lines=lines,
            X=X,
            defining=np.clip(X[estimator.support_], *estimator.clip_bounds_),
            y=y,
            classes=estimator.classes_ if is_classifier else None,
            input_names=input_names(estimator, feature_names),
            output_label=label,
            curve_labels=_curve_labels(estimator),
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        surface: bool = True,
        neurons: bool = True,
        colorbar: bool = True,
        surface_kw: dict | None = None,
        line_kw: dict | None = None,
    ) -> NeuronDisplay:
        """Draw predictions, neurons and samples.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None: those of a new figure.
        surface : bool, default=True
            Whether the prediction over two inputs is drawn.
        neurons : bool, default=True
            Whether neurons, and the samples that define them, are drawn.
        colorbar : bool, default=True
            Whether a regression's surface gets a colour bar.
        surface_kw : dict, default=None
            For ``Axes.pcolormesh``, which draws the prediction over two inputs; a regression's
            samples are in the same colours.
        line_kw : dict, default=None
            For the ``LineCollection`` of the neurons, or for ``Axes.plot`` of curves.

        Returns
        -------
        NeuronDisplay
            This one.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = one_axes(ax, "NeuronDisplay")
        self.figure_ = self.ax_.figure
        self.surface_ = self.colorbar_ = self.lines_ = self.knots_ = self.rings_ = None
        self.curves_ = []
        if len(self.ticks) == 1:
            self._plot_curves(neurons, line_kw or {})
        else:
            if surface:
                self._draw_surface(surface_kw or {})
            if surface and colorbar and self.classes is None:
                self.colorbar_ = self.figure_.colorbar(self.surface_, ax=self.ax_)
                self.colorbar_.set_label(as_it_is(self.output_label))
            self._plot_plane(neurons, line_kw or {})
            self.samples_ = self._samples_in_the_plane(surface_kw or {})
        return self

    # --- one input -----------------------------------------------------------------------------

    def _plot_curves(self, neurons: bool, line_kw: dict) -> None:
        ax, (ticks,) = self.ax_, self.ticks
        self.samples_ = self._samples_on_a_line()
        for k, (values, label) in enumerate(zip(self.response.T, self.curve_labels, strict=True)):
            options = {"linewidth": 2, "label": as_it_is(label), **look(k), **line_kw}
            self.curves_ += ax.plot(ticks, values, **options)
        knots = self.lines[:, 0]
        if neurons and len(knots):
            heights = np.interp(knots, ticks, self.response[:, 0])
            options = {"color": ORANGE, "markersize": 6, "label": "knots, at samples"}
            if len(self.response.T) > 1:
                options["color"] = "0.2"
            (self.knots_,) = ax.plot(knots, heights, "D", **options)
        ax.set(xlabel=as_it_is(self.input_names[0]), ylabel=as_it_is(self.output_label))
        ax.legend(frameon=False, fontsize="small")

    def _samples_on_a_line(self) -> list:
        """At their targets; those of classes, or without targets, at the lower edge."""
        ax, x = self.ax_, self.X[:, 0]
        if self.y is not None and self.classes is None:
            return ax.plot(x, self.y, "o", color="0.75", markersize=4, label="samples")
        edge = {"transform": ax.get_xaxis_transform(), "linestyle": "none", "markersize": 4}
        if self.y is None:
            return ax.plot(x, np.full(len(x), 0.02), "|", color="0.5", label="samples", **edge)
        drawn = []
        for k, (label, mine) in enumerate(self._by_class()):
            options = {**edge, "color": COLORS[k % len(COLORS)], "alpha": 0.6}
            options |= {"marker": MARKERS[k % len(MARKERS)], "label": f"samples of {label}"}
            drawn += ax.plot(x[mine], np.full(mine.sum(), 0.03 + 0.035 * k), **options)
        return drawn

    def _by_class(self) -> list[tuple[str, NDArray[np.bool_]]]:
        labels = np.asarray(self.y)
        return [(as_it_is(str(label)), labels == label) for label in self.classes]

    # --- two inputs ----------------------------------------------------------------------------

    def _plot_plane(self, neurons: bool, line_kw: dict) -> None:
        from matplotlib.collections import LineCollection

        ax = self.ax_
        if neurons:
            color = GREY if self.surface_ is None else "0.1"
            options = {"colors": color, "linewidths": 0.7, "zorder": 2}
            self.lines_ = LineCollection(self.lines, **{**options, **line_kw})
            ax.add_collection(self.lines_)
            options = {"markerfacecolor": "none", "color": "0.1", "markersize": 8, "zorder": 4}
            (self.rings_,) = ax.plot(*self.defining.T, "o", **options)
        (left, right), (low, high) = ((ticks[0], ticks[-1]) for ticks in self.ticks)
        ax.set(xlim=(left, right), ylim=(low, high))
        first, second = map(as_it_is, self.input_names)
        ax.set(xlabel=first, ylabel=second)

    def _draw_surface(self, surface_kw: dict) -> None:
        from matplotlib.colors import ListedColormap

        options = {"shading": "nearest", "rasterized": True, "zorder": 0}
        if self.classes is None:
            options |= {"cmap": "cividis", "alpha": 0.6}  # pale: lines and samples stand out
        else:
            n = len(self.classes)
            colors = ListedColormap([COLORS[k % len(COLORS)] for k in range(n)])
            options |= {"cmap": colors, "vmin": -0.5, "vmax": n - 0.5, "alpha": 0.3}
        self.surface_ = self.ax_.pcolormesh(*self.ticks, self.response, **{**options, **surface_kw})

    def _samples_in_the_plane(self, surface_kw: dict) -> list:
        """In the colours of the surface, also if that is not drawn."""
        ax, options = self.ax_, {"s": 16, "zorder": 3, "linewidths": 0.4}
        if self.y is None:
            return [ax.scatter(*self.X.T, color="0.5", edgecolors="white", **options)]
        if self.classes is None:
            same = {name: surface_kw.get(name) for name in ("cmap", "norm", "vmin", "vmax")}
            same["cmap"] = same["cmap"] or "cividis"
            if self.surface_ is not None:
                same = {"cmap": self.surface_.get_cmap(), "norm": self.surface_.norm}
            return [ax.scatter(*self.X.T, c=self.y, edgecolors="white", **same, **options)]
        drawn = []
        for k, (label, mine) in enumerate(self._by_class()):
            marker, color = MARKERS[k % len(MARKERS)], COLORS[k % len(COLORS)]
            options |= {"marker": marker, "color": color, "edgecolors": "white", "label": label}
            drawn.append(ax.scatter(*self.X[mine].T, **options))
        ax.legend(fontsize="small")
        return drawn


def _chosen(estimator: Any, output: Any) -> int:
    """The number of the target to be drawn."""
    if not hasattr(estimator, "classes_"):
        return output_number(estimator, output)
    if output is not None:
        raise ValueError(
            f"NeuronDisplay draws all classes at once; output={output!r} is for several targets. "
            "Leave it out, or use EffectDisplay for the effects on one class."
        )
    return 0


def _suitable(estimator: Any, y: ArrayLike, chosen: int) -> NDArray:
    """Labels, or the target to be drawn, (n,).

    Raises
    ------
    ValueError
        If these are labels or targets of something else.
    """
    y, name = np.asarray(y), type(estimator).__name__
    if hasattr(estimator, "classes_"):
        y = y.reshape(len(y), -1)
        other = y[~np.isin(y, estimator.classes_)]
        if y.shape[1] != 1 or len(other):
            what = f"such as {other.tolist()[0]!r}" if len(other) else f"in {y.shape[1]} columns"
            raise ValueError(
                f"y has labels {what}, and this {name} was fitted on "
                f"{estimator.classes_.tolist()}: give the y that it was fitted on."
            )
        return y[:, 0]
    n_targets = 1 if quantile_levels(estimator) else max(len(output_names(estimator)), 1)
    if y.dtype.kind not in "buifO" or y.size != n_targets * len(y):
        raise ValueError(
            f"y is of shape {y.shape} and type {y.dtype}, and this {name} was fitted on "
            f"{n_targets} target(s), which are numbers: give the y that it was fitted on."
        )
    return y.reshape(len(y), -1)[:, chosen % n_targets].astype(np.float64)


def _curve_labels(estimator: Any) -> tuple[str, ...]:
    """One for each class if there are several; a regression draws one curve."""
    if not hasattr(estimator, "classes_") or len(estimator.fitted_classes_) <= 2:
        return ("network",)
    return tuple(output_label(estimator, k) for k in range(len(estimator.fitted_classes_)))


def _decisions(estimator: Any, grid: Array) -> Array:
    """Decision function of the classes that had weight, as the network has outputs of them."""
    decision = predicted(estimator.decision_function, grid).reshape(len(grid), -1)
    classes, fitted = estimator.classes_, estimator.fitted_classes_
    if len(fitted) == len(classes):
        return decision
    if len(fitted) == 1:
        raise ValueError(
            f"All rows with weight were of the class {fitted.tolist()[0]!r}: this "
            f"{type(estimator).__name__} predicts nothing else, and there is no curve to draw."
        )
    decision = decision[:, np.isin(classes, fitted)]
    if len(fitted) > 2:
        return decision
    # Scores of two classes are ± half the log odds, margins ± the output.
    return decision[:, 1:] - decision[:, :1] if estimator.loss == "log_loss" else decision[:, 1:]


def _refuse_other_networks(estimator: Any) -> None:
    """More than two inputs, or several hidden layers: there are no lines to draw."""
    check_complete(estimator, "NeuronDisplay")
    name, d = type(estimator).__name__, estimator.n_features_in_
    if d > 2:
        raise ValueError(
            f"NeuronDisplay draws networks of one or two inputs, and this {name} has {d}: use "
            "EffectDisplay for its effects, or SupportDisplay for the rows that define its neurons."
        )
    if len(estimator.coefs_) > 2:
        raise ValueError(
            f"NeuronDisplay draws networks with one hidden layer, and this {name} has "
            f"{len(estimator.coefs_) - 1}: fit it with n_blocks=1, or use "
            "sklearn.inspection.DecisionBoundaryDisplay."
        )


def _ticks(X: Array, resolution: int) -> tuple[Array, ...]:
    low, high = X.min(axis=0), X.max(axis=0)
    width = np.where(high > low, high - low, 1.0) * MARGIN
    return tuple(np.linspace(low - width, high + width, resolution).T)


def _lines(estimator: Any, ticks: Sequence[Array]) -> Array:
    """Where neurons set in: knots, (m, 1), or ends of line segments, (m, 2, 2)."""
    weights, biases = estimator.coefs_[0].T, estimator.intercepts_[0]
    encoding = estimator.encoding_
    if len(ticks) == 1:
        knots = np.sort(-biases / weights[:, 0])
        # Neurons through one row that point either way differ by rounding.
        apart = np.diff(knots, prepend=-np.inf) > ROUNDING * estimator.x_scale_
        return encoding.inverse_transform(knots[apart, None])
    box = np.clip(np.array([values[[0, -1]] for values in ticks]).T, *estimator.clip_bounds_)
    lower, upper = encoding.transform(box)
    segments = [_segment(w, b, lower, upper) for w, b in zip(weights, biases, strict=True)]
    segments = [_pieces(each, encoding) for each in segments if each is not None]
    return np.concatenate([np.empty((0, 2, 2)), *segments])


def _pieces(segment: Array, encoding: Any) -> Array:
    """The pieces, straight in original units, of a segment of encoded inputs, (2, 2)."""
    start, way = segment[0], segment[1] - segment[0]
    breaks = [
        (values - start[k]) / way[k] for k, values in enumerate(encoding.values) if way[k] != 0
    ]
    within = np.concatenate([np.empty(0), *breaks])
    parts = np.unique([0.0, *within[(within > 0) & (within < 1)], 1.0])
    corners = encoding.inverse_transform(start + parts[:, None] * way)
    return np.stack([corners[:-1], corners[1:]], axis=1)


def _segment(normal: Array, bias: float, lower: Array, upper: Array) -> Array | None:
    """The part of the line ``normal · x + bias = 0`` within a box, (2, 2); None if there is none.

    In units of the box: of inputs of very different scales none must be lost.
    """
    size = upper - lower
    normal, bias = normal * size, bias + normal @ lower
    along = np.array([-normal[1], normal[0]])
    start = -bias * normal / (normal @ normal)
    moving = along != 0
    if np.any((start[~moving] < 0) | (start[~moving] > 1)):
        return None
    ends = np.array([-start[moving], 1 - start[moving]]) / along[moving]
    enter, leave = ends.min(axis=0).max(), ends.max(axis=0).min()
    if enter >= leave:
        return None
    return lower + size * (start + np.outer([enter, leave], along))
