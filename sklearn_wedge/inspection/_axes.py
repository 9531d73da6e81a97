"""Axes to draw on, and colours that colour-blind readers tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._text.dependencies import import_pyplot

# M. Okabe and K. Ito, "Color Universal Design", 2008; each with a marker and a dash of its own.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
BLUE, ORANGE, GREY = COLORS[0], COLORS[1], "0.7"
# What the labels of an axis take below it, in heights of letters.
LINES_BELOW = 3.6


def look(k: int) -> dict[str, str]:
    """Colour and dash of the k-th of several curves."""
    return {"color": COLORS[k % len(COLORS)], "linestyle": DASHES[k % len(DASHES)]}


def as_it_is(name: str) -> str:
    """A name for matplotlib, which would take what is between two dollars for a formula."""
    return name.replace("$", r"\$")


def one_axes(ax: Any, needed_by: str) -> Any:
    """The axes given, or those of a new figure."""
    pyplot = import_pyplot(needed_by)
    return pyplot.subplots(layout="constrained")[1] if ax is None else ax


def few_labels(axis: Any, low: float, high: float) -> None:
    """Labels of a logarithmic axis that do not run into each other, whatever its range."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    steps = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_below(panel: Any, grow: bool) -> None:
    """A legend of a panel, below the label of its x axis, where it covers nothing.

    The figure grows by as much if it may. Where it has no layout engine nothing would make room:
    there the legend is within the panel.
    """
    from matplotlib import rcParams
    from matplotlib.transforms import offset_copy

    figure = panel.figure
    if figure.get_layout_engine() is None:
        panel.legend(loc="best", fontsize="small", framealpha=1.0, edgecolor="none")
        return
    down = LINES_BELOW * rcParams["font.size"]
    below = {
        "loc": "upper center",
        "bbox_to_anchor": (0.5, 0.0),
        "bbox_transform": offset_copy(panel.transAxes, figure, y=-down, units="points"),
        "borderaxespad": 0.0,
    }
    legend = panel.legend(**below, fontsize="small", frameon=False)
    if grow:
        height = legend.get_window_extent().height / figure.dpi
        figure.set_figheight(figure.get_figheight() + height)


def panels(
    ax: Any, n_panels: int, n_cols: int, size: tuple[float, float], needed_by: str
) -> NDArray[np.object_]:
    """Axes for so many panels, in rows of ``n_cols``.

    Those of a new figure, of ``size`` (width, height) in inches each, if ``ax`` is None; else the
    parts that axes are split into, or the axes of an array as it is.

    Raises
    ------
    ValueError
        If an array of another number of axes is given.
    """
    pyplot = import_pyplot(needed_by)
    if ax is not None and not isinstance(ax, pyplot.Axes):
        axes = np.asarray(ax, dtype=object)
        if axes.size != n_panels:
            raise ValueError(
                f"{needed_by} has {n_panels} panels to draw, and ax has {axes.size} axes: give one "
                "for each panel, or a single one to be split."
            )
        return axes
    n_rows = -(-n_panels // n_cols)
    if ax is None:
        figsize = (size[0] * n_cols, size[1] * n_rows)
        figure = pyplot.figure(figsize=figsize, layout="constrained")
        grid = figure.add_gridspec(n_rows, n_cols)
    else:
        ax.set_axis_off()
        figure, grid = ax.figure, ax.get_subplotspec().subgridspec(n_rows, n_cols)
    axes = np.full((n_rows, n_cols), None, dtype=object)
    for i in range(n_panels):
        axes.flat[i] = figure.add_subplot(grid[divmod(i, n_cols)])
    return axes
