"""Axes to draw on, and colours that colour-blind readers tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
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
# Part of the length of an axis that a line of its label takes: letters differ in width.
PART_OF_AXIS = 0.9
# Layouts that are tried until all labels fit; two or three do.
MOST_PASSES = 5
# Lines of a label, of a longer one its ends: more take the room of a panel of 2.8 inches.
MOST_LINES = 5


def look(k: int) -> dict[str, str]:
    """Colour and dash of the k-th of several curves."""
    return {"color": COLORS[k % len(COLORS)], "linestyle": DASHES[k % len(DASHES)]}


def as_it_is(name: str) -> str:
    """A name for matplotlib, which would take what is between two dollars for a formula."""
    return name.replace("$", r"\$")


def short_name(name: str, most: int) -> str:
    """A name of at most so many letters: its ends, of a longer one."""
    if len(name) <= most:
        return name
    end = (most - 1) // 3
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def share_y_axis(axes: Sequence[Any]) -> None:
    """One range for the y axes of panels that are drawn.

    They become one axis, unless some are shared already: with others matplotlib refuses it.
    """
    shared = axes[0].get_shared_y_axes()
    if all(shared.joined(axes[0], other) for other in axes[1:]):
        return
    if all(len(shared.get_siblings(panel)) == 1 for panel in axes):
        for other in axes[1:]:
            other.sharey(axes[0])
        axes[0].autoscale_view(scalex=False)
        return
    limits = [panel.get_ylim() for panel in axes]
    for panel in axes:
        panel.set_ylim(np.min(limits), np.max(limits))


def wrap_labels(axes: Sequence[Any]) -> None:
    """Labels that are longer than their axis in lines: nothing else makes room for them.

    Lines take room from the panels, so that others may be too long then.
    """
    figure = axes[0].figure.figure  # of a subfigure the figure, of a figure itself
    labels = [(panel, axis.label) for panel in axes for axis in (panel.xaxis, panel.yaxis)]
    texts = [label.get_text() for _, label in labels]
    for _ in range(MOST_PASSES):
        figure.draw_without_rendering()
        excess = [_excess(label, panel) for panel, label in labels]
        if max(excess) <= 1.0:
            return
        for (_, label), text, times in zip(labels, texts, excess, strict=True):
            if times > 1.0:
                longest = max(map(len, label.get_text().split("\n")))
                letters = max(int(PART_OF_AXIS * longest / times), 1)
                # What is escaped is one letter.
                lines = _in_lines(text.replace(r"\$", "$"), letters)
                label.set_text(as_it_is("\n".join(lines)))


def _in_lines(text: str, letters: int) -> list[str]:
    """Lines of so many letters; of a text that has too many lines its ends."""
    lines, most = wrap(text, letters), MOST_LINES * letters
    while len(lines) > MOST_LINES:
        lines = wrap(short_name(text, most), letters)
        most -= 1
    return lines


def _excess(label: Any, panel: Any) -> float:
    """How many times as long as its axis a label is."""
    side = "width" if label is panel.xaxis.label else "height"
    return getattr(label.get_window_extent(), side) / getattr(panel.bbox, side)


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
