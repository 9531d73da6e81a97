"""The training rows that a network rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_wedge._text.names import column_number, input_names
from sklearn_wedge.inspection._axes import GREY, ORANGE, as_it_is, one_axes
from sklearn_wedge.inspection._training import network_inputs, training_inputs

Array = NDArray[np.float64]

# Areas of the largest and the smallest ring, in square points.
LARGEST, SMALLEST = 260.0, 20.0


class SupportDisplay:
    """The training rows that neurons pass through, among all rows, in a plane.

    The plane is that of two columns, or of the first two principal components of the inputs as the
    network sees them: clipped, encoded and standardised. A ring is the larger, the more of the
    network rests on its row. It is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    positions : ndarray of shape (n_samples, 2)
        Of all training rows in the plane.
    rows : int ndarray of shape (n_rows,)
        The rows that neurons pass through.
    shares : ndarray of shape (n_rows,)
        What of the network rests on each of them, summing to 1: the sizes of the output
        coefficients of unit-norm neurons, each shared out equally among the neuron's rows.
    axis_labels : tuple of str
        Of the plane.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    samples_ : matplotlib PathCollection
        All rows.
    rings_ : matplotlib PathCollection
        The rows that neurons pass through.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> from sklearn_wedge.inspection import SupportDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = WedgeReLURegressor(alpha=0.1).fit(X, y)
    >>> display = SupportDisplay.from_estimator(model, X, columns=("bmi", "s5"))
    >>> len(display.rows) == len(model.support_)
    True
    """

    def __init__(
        self,
        *,
        positions: Array,
        rows: NDArray[np.intp],
        shares: Array,
        axis_labels: tuple[str, str],
    ):
        self.positions = positions
        self.rows = rows
        self.shares = shares
        self.axis_labels = axis_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        columns: tuple[int | str, int | str] | None = None,
        feature_names: Sequence[str] | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> SupportDisplay:
        """Place the training rows of a fitted estimator in a plane, and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted network of this package.
        X : array-like of shape (n_samples, n_features)
            The inputs that it was fitted on.
        columns : tuple of two int or str, default=None
            Columns by number or name. None: the first two principal components.
        feature_names : sequence of str, default=None
            Names of the columns; None: those of the training data.
        ax : matplotlib Axes, default=None
            Axes to draw on; None: those of a new figure.
        **kwargs : dict
            For :meth:`plot`.

        Returns
        -------
        SupportDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator is not a network of this package.
        ValueError
            If ``X`` is not what the estimator was fitted on or has one column only, or there are no
            such columns.
        ImportError
            If matplotlib is not installed.
        """
        X = training_inputs(estimator, X, needed_by="SupportDisplay")
        inputs = estimator.table_.transform(X)
        if inputs.shape[1] == 1:
            raise ValueError("X has one column, and a plane needs two: use NeuronDisplay.")
        names = input_names(estimator, feature_names)
        if columns is None:
            positions, labels = _principal_plane(estimator, X)
        else:
            if len(columns) != 2:
                raise ValueError(f"columns must be two, got {columns!r}.")
            chosen = [column_number(column, names) for column in columns]
            positions, labels = inputs[:, chosen], tuple(names[k] for k in chosen)
        shares = _shares(estimator)
        display = cls(
            positions=positions, rows=estimator.support_, shares=shares, axis_labels=labels
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self, ax: Any = None, *, sample_kw: dict | None = None, ring_kw: dict | None = None
    ) -> SupportDisplay:
        """Draw all rows, and rings around those that neurons pass through.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None: those of a new figure.
        sample_kw, ring_kw : dict, default=None
            For ``Axes.scatter``, which draws rows and rings.

        Returns
        -------
        SupportDisplay
            This one.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = ax = one_axes(ax, "SupportDisplay")
        self.figure_ = ax.figure
        options = {"s": 12, "color": GREY, "linewidths": 0, "label": "training rows"}
        self.samples_ = ax.scatter(*self.positions.T, **{**options, **(sample_kw or {})})
        sizes = np.maximum(LARGEST * self.shares / np.max(self.shares, initial=1e-300), SMALLEST)
        label = f"the {len(self.rows)} that neurons pass through"
        options = {"s": sizes, "facecolors": "none", "edgecolors": ORANGE, "linewidths": 1.4}
        options |= {"label": label, "zorder": 3}
        self.rings_ = ax.scatter(*self.positions[self.rows].T, **{**options, **(ring_kw or {})})
        first, second = map(as_it_is, self.axis_labels)
        ax.set(xlabel=first, ylabel=second)
        self._draw_legend()
        return self

    def _draw_legend(self) -> None:
        """Above the data, and with rings of one size: that of a row says something else."""
        above = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": 2, "frameon": False}
        legend = self.ax_.legend(**above, fontsize="small")
        for handle in legend.legend_handles:
            handle.set_sizes([40.0])


def _principal_plane(estimator: Any, X: Array) -> tuple[Array, tuple[str, str]]:
    """Rows in the plane of the first two principal components, and what its axes are called."""
    inputs = (network_inputs(estimator, X) - estimator.x_mean_) / estimator.x_scale_
    centred = inputs - inputs.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    # Components are defined up to their sign: the largest weight is positive.
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    directions, shares = directions[:2], sizes**2 / max(np.sum(sizes**2), 1e-300)
    positions = np.zeros((len(X), 2))
    positions[:, : len(directions)] = centred @ directions.T
    shares = np.append(shares, 0.0)
    labels = tuple(f"principal component {k + 1} ({shares[k]:.0%} of variance)" for k in range(2))
    return positions, labels


def _shares(estimator: Any) -> Array:
    """What of the network rests on each row of ``support_``."""
    blocks = getattr(estimator, "blocks_", None)
    layers = [estimator.neurons_] if blocks is None else [block.neurons for block in blocks]
    total = np.zeros(len(estimator.support_))
    for neurons in layers:
        rows = neurons.every_row
        named = rows >= 0
        strength = np.linalg.norm(neurons.coef, axis=1) / np.maximum(named.sum(axis=1), 1)
        place = np.searchsorted(estimator.support_, rows[named])
        total += np.bincount(place, np.repeat(strength, named.sum(axis=1)), minlength=len(total))
    return total / max(total.sum(), 1e-300)
