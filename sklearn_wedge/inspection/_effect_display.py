"""The effects of a network as curves and maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_wedge._text.names import (
    column_names,
    column_number,
    output_label,
    output_number,
)
from sklearn_wedge.inspection._axes import (
    BLUE,
    as_it_is,
    panels,
    share_y_axis,
    short_name,
    wrap_labels,
)
from sklearn_wedge.inspection._checks import check_at_least, check_network
from sklearn_wedge.inspection._effect_grid import EffectGrid, grid_points, on_grid
from sklearn_wedge.inspection._effects import Columns, Effects
from sklearn_wedge.inspection._explanation import effects_of

Array = NDArray[np.float64]

# Effects drawn unless others are named.
MOST_EFFECTS = 6
# Unless they are named, effects of less than this fraction of the largest are not drawn.
NEGLIGIBLE = 0.02
# What an effect must take of the range of the largest for all to share a scale: less than some 6 mm
# of a panel of a new figure does not show a shape.
LEAST_OF_SCALE = 1 / 8
# Width and height of a panel of a new figure in inches; with a colour bar of its own.
PANEL, PANEL_WITH_BAR = (3.4, 2.8), (4.4, 2.8)
# Letters of the name of a level beside its tick; of a longer name its ends.
MOST_LETTERS_OF_LEVEL = 24
# Values of each input at which the size of an effect is judged.
VALUES_JUDGED = 32
# Parameters of scikit-learn's displays that are called otherwise here, or are not needed.
OF_OTHER_DISPLAYS = {"X", "features", "target"}


def _takes_no_data(from_estimator: Callable) -> Callable:
    """The method, made to say what to write to those who call it as scikit-learn's displays."""

    @wraps(from_estimator)
    def method(cls: type, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        effects = args[0] if args else kwargs.get("effects")
        if len(args) > 1 or _is_table(effects) or not kwargs.keys().isdisjoint(OF_OTHER_DISPLAYS):
            raise TypeError(
                "EffectDisplay.from_estimator needs no X: effects are those of the fitted network, "
                "over its training data. Write EffectDisplay.from_estimator(model) for the largest "
                "ones, EffectDisplay.from_estimator(model, effects=[0, (0, 1)]) for others. What "
                "other displays call features is effects here, and target is output."
            )
        return from_estimator(cls, estimator, *args, **kwargs)

    return method


def _is_table(effects: Any) -> bool:
    """Whether these are rows of data rather than names or numbers of columns, and pairs of them."""
    if hasattr(effects, "columns"):
        return True
    if effects is None or isinstance(effects, str) or not isinstance(effects, Iterable):
        return False
    rows = (row for row in effects if isinstance(row, Iterable) and not isinstance(row, str))
    return any(
        all(isinstance(value, Real) for value in row)
        and (len(row) > 2 or not all(isinstance(value, Integral) for value in row))
        for row in rows
    )


class EffectDisplay:
    """What each input, and each pair of inputs, contributes to the network's output.

    Main effects are curves and interactions maps; an input of two values, such as an indicator, is
    drawn at these only, and a category at its levels: at the 20 of the most rows, if there are
    more, as the label of the axis says. A dashed line is the effect where the value is missing, if
    it has one; maps are of rows in which both are known. Together with the intercept all effects
    sum to the network exactly: they are its functional ANOVA, see ``explain`` of the estimators. It
    is recommended to use :meth:`from_estimator`.

    Parameters
    ----------
    effects : sequence of EffectGrid
        What is drawn.
    output_label : str
        What the effects are on, with its unit if there is one.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        The panels, one for each effect, in rows.
    figure_ : matplotlib Figure
        The figure.
    artists_ : list of matplotlib Line2D or QuadMesh
        The curve or map of each effect.
    colorbars_ : list of matplotlib Colorbar
        One for all maps where they share a scale, else one for each.

    See Also
    --------
    sklearn.inspection.PartialDependenceDisplay : For any estimator, by averaging predictions.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> from sklearn_wedge.inspection import EffectDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = WedgeReLURegressor(alpha=0.03).fit(X, y)
    >>> effects = ["bmi", ("bmi", "bp")]
    >>> display = EffectDisplay.from_estimator(model, effects)
    >>> display.axes_.shape
    (1, 2)
    """

    def __init__(self, *, effects: Sequence[EffectGrid], output_label: str):
        self.effects = effects
        self.output_label = output_label

    @classmethod
    @_takes_no_data
    def from_estimator(
        cls,
        estimator: Any,
        effects: Sequence | None = None,
        *,
        output: Any = None,
        feature_names: Sequence[str] | None = None,
        target_name: str | None = None,
        grid_resolution: int = 100,
        ax: Any = None,
        **kwargs: Any,
    ) -> EffectDisplay:
        """Compute effects of a fitted estimator, and draw them.

        Parameters
        ----------
        estimator : estimator
            A fitted network of this package, of neurons of at most two inputs.
        effects : sequence, default=None
            Columns, by number or name, for main effects, and pairs of columns for interactions.
            None: the six effects of the largest standard deviation, without those below 2 % of
            the largest. Of a category of more than 20 levels those of the most rows are drawn,
            and the label of its axis says of how many.
        output : int, str or class, default=None
            Of several targets one, by its number or its name in the training data; of several
            classes one of them.
        feature_names : sequence of str, default=None
            Names of the columns; None: those of the training data.
        target_name : str, default=None
            Name and unit of a regression's target, such as ``"price in €"``. None: its name in the
            training data, or ``"target"``.
        grid_resolution : int, default=100
            Values of each input that takes more than two.
        ax : matplotlib Axes or array of these, default=None
            See :meth:`plot`.
        **kwargs : dict
            For :meth:`plot`.

        Returns
        -------
        EffectDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator is not a network of this package, or data are given: it needs none.
        ValueError
            If the network has no such effects or outputs, or is not one that is a sum of effects
            of one and two inputs.
        ImportError
            If matplotlib is not installed.
        """
        check_network(estimator, "EffectDisplay")
        check_at_least(2, "grid_resolution", grid_resolution)
        network = effects_of(estimator)
        names = column_names(estimator, feature_names)
        chosen_output = output_number(estimator, output)
        if effects is None:
            chosen = _largest(network, estimator.marginals_, chosen_output)
        elif isinstance(effects, str | Integral):
            raise ValueError(f"effects must be a sequence, as [{effects!r}], got {effects!r}.")
        else:
            chosen = [_columns(effect, names, network) for effect in effects]
        if not chosen:
            why = "the network is constant" if effects is None else "effects is empty"
            raise ValueError(f"There is no effect to draw: {why}.")
        grids = [
            on_grid(network, inputs, estimator.marginals_, names, chosen_output, grid_resolution)
            for inputs in chosen
        ]
        label = output_label(estimator, chosen_output, target_name)
        return cls(effects=grids, output_label=label).plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        n_cols: int = 3,
        share_scale: bool | str = "auto",
        line_kw: dict | None = None,
        mesh_kw: dict | None = None,
    ) -> EffectDisplay:
        """Draw a panel for each effect.

        Parameters
        ----------
        ax : matplotlib Axes or array of these, default=None
            Axes to be split into panels, or one for each effect; None: those of a new figure.
        n_cols : int, default=3
            Panels in a row at most.
        share_scale : bool or "auto", default="auto"
            Whether all curves have one y axis, and all maps one scale of colours, so that sizes can
            be compared at a glance. ``"auto"``: unless one of them would be flat on it, of less
            than an eighth of the range of the largest; then each has its own.
        line_kw : dict, default=None
            For ``Axes.plot``, which draws curves.
        mesh_kw : dict, default=None
            For ``Axes.pcolormesh``, which draws maps.

        Returns
        -------
        EffectDisplay
            This one.

        Raises
        ------
        ValueError
            If ``n_cols`` is not positive, ``share_scale`` is none of these values, or ``ax`` has
            another number of axes.
        ImportError
            If matplotlib is not installed.
        """
        check_at_least(1, "n_cols", n_cols)
        _check_share_scale(share_scale)
        curves, maps = ([e for e in self.effects if len(e.names) == order] for order in (1, 2))
        own_bars = not _shares(share_scale, maps)
        drawn = self._laid_out(ax, n_cols, PANEL_WITH_BAR if own_bars else PANEL)
        largest = max((float(np.abs(effect.values).max()) for effect in maps), default=0.0)
        self.artists_ = [
            self._draw_curve(panel, effect, line_kw or {})
            if len(effect.names) == 1
            else self._draw_map(panel, effect, 0.0 if own_bars else largest, mesh_kw or {})
            for panel, effect in zip(drawn, self.effects, strict=True)
        ]
        if curves and _shares(share_scale, curves):
            every = zip(drawn, self.effects, strict=True)
            share_y_axis([panel for panel, effect in every if len(effect.names) == 1])
        self._draw_colorbars(drawn, own_bars)
        wrap_labels([*drawn, *(bar.ax for bar in self.colorbars_)])
        return self

    def _laid_out(self, ax: Any, n_cols: int, size: tuple[float, float]) -> list[Any]:
        """A panel for each effect."""
        n_effects = len(self.effects)
        self.axes_ = panels(ax, n_effects, min(n_cols, n_effects), size, "EffectDisplay")
        drawn = list(self.axes_.flat[:n_effects])
        self.figure_ = drawn[0].figure
        return drawn

    def _draw_colorbars(self, drawn: Sequence[Any], own: bool) -> None:
        both = zip(drawn, self.artists_, self.effects, strict=True)
        maps = [(panel, mesh) for panel, mesh, effect in both if len(effect.names) == 2]
        # One for all is beside all panels: taken from those of the maps alone it would leave gaps
        # in the rows.
        places = maps if own else [(drawn, mesh) for _, mesh in maps[:1]]
        self.colorbars_ = [self.figure_.colorbar(mesh, ax=place) for place, mesh in places]
        for bar in self.colorbars_:
            bar.set_label(as_it_is(f"effect on {self.output_label}"))

    def _draw_curve(self, panel: Any, effect: EffectGrid, line_kw: dict) -> Any:
        (ticks,), (deciles,) = effect.ticks, effect.deciles
        panel.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        options = {"color": BLUE, "linewidth": 2}
        if effect.is_discrete[0]:
            # Two values have a slope; levels have no order.
            dash = ":" if effect.two_valued[0] else "none"
            options |= {"marker": "o", "linestyle": dash, "linewidth": 1}
        (line,) = panel.plot(ticks, effect.values, **{**options, **line_kw})
        panel.plot(
            deciles,
            np.full_like(deciles, 0.03),
            "|",
            color="0.5",
            markersize=6,
            transform=panel.get_xaxis_transform(),
        )
        if effect.missing is not None:
            missing = {"color": BLUE, "linestyle": "--", "linewidth": 1, "label": "missing"}
            panel.axhline(effect.missing, **missing)
            panel.legend(loc="best", frameon=False)
        panel.set(xlabel=as_it_is(effect.labels[0]))
        panel.set(ylabel=as_it_is(f"effect on {self.output_label}"))
        _set_ticks(panel, effect)
        return line

    def _draw_map(self, panel: Any, effect: EffectGrid, largest: float, mesh_kw: dict) -> Any:
        size = largest or float(np.abs(effect.values).max()) or 1.0
        options = {"cmap": "PuOr", "vmin": -size, "vmax": size, "rasterized": True, **mesh_kw}
        # Between the values of an indicator there is nothing to shade.
        shading = "nearest" if any(effect.is_discrete) else "gouraud"
        mesh = panel.pcolormesh(*effect.ticks, effect.values, shading=shading, **options)
        first, second = map(as_it_is, effect.labels)
        panel.set(xlabel=first, ylabel=second)
        _set_ticks(panel, effect)
        return mesh


def _check_share_scale(share_scale: Any) -> None:
    """Refuse what is neither a boolean nor ``"auto"``: a number is none, an array has no truth."""
    is_word = isinstance(share_scale, str) and share_scale == "auto"
    if not (is_word or isinstance(share_scale, bool | np.bool_)):
        raise ValueError(f"share_scale must be True, False or 'auto', got {share_scale!r}.")


def _shares(share_scale: bool | str, effects: Sequence[EffectGrid]) -> bool:
    """Whether these effects, all curves or all maps, have one scale."""
    if share_scale != "auto":
        return bool(share_scale)
    ranges = [np.ptp(np.append(effect.values, effect.missing or 0.0)) for effect in effects]
    visible = [size for size in ranges if size > 0]
    return not visible or min(visible) >= LEAST_OF_SCALE * max(visible)


def _set_ticks(panel: Any, effect: EffectGrid) -> None:
    """Few ticks; on the axis of an input of two values, these."""
    panel.locator_params(nbins=4)
    axes = (panel.xaxis, panel.yaxis)
    levels = effect.levels or (None,) * len(effect.names)
    for axis, ticks, two_valued, names in zip(
        axes, effect.ticks, effect.two_valued, levels, strict=False
    ):
        if names is not None:
            short = [short_name(name, MOST_LETTERS_OF_LEVEL) for name in names]
            axis.set_ticks(ticks, [as_it_is(name) for name in short], fontsize="small")
            if axis is panel.xaxis:
                axis.set_tick_params(rotation=90)
        elif two_valued:
            axis.set_ticks(ticks)


def _columns(effect: Any, names: Sequence[str], network: Effects) -> Columns:
    """The columns of an effect that is given by number, by name or as a pair of these.

    Raises
    ------
    ValueError
        If the network has no such effect.
    """
    if isinstance(effect, str) and effect not in names and " × " in effect:
        effect = tuple(effect.split(" × "))  # as ``explain`` writes it
    one = isinstance(effect, str) or not isinstance(effect, Iterable)
    columns = [effect] if one else list(effect)
    found = tuple(sorted(column_number(column, names) for column in columns))
    if found in network.effects:
        return found
    alike = [other for other in network.effects if len(other) == len(found)]
    there = [" × ".join(names[k] for k in other) for other in alike]
    raise ValueError(
        f"The network has no effect {effect!r}; of that many inputs it has "
        f"{', '.join(there[:10]) or 'none'}"
        f"{', ...' if len(there) > 10 else ''}."
    )


def _largest(network: Effects, marginals: Sequence[Any], output: int) -> list[Columns]:
    """The effects of the largest standard deviation, largest first."""
    spread = {}
    for columns in network.effects:
        few = [_judged(network, k, marginals) for k in columns]
        values = network.at(columns, grid_points([values for values, _ in few]))[:, output]
        weights = np.prod(grid_points([weights for _, weights in few]), axis=1)
        spread[columns] = np.sqrt(weights @ values**2)
    least = NEGLIGIBLE * max(spread.values(), default=0.0)
    largest = sorted(spread, key=spread.__getitem__, reverse=True)[:MOST_EFFECTS]
    return [columns for columns in largest if spread[columns] >= least]


def _judged(network: Effects, column: int, marginals: Sequence[Any]) -> tuple[Array, Array]:
    """Few values of a column and their weights; NaN among them if it lacked some in training."""
    category = network.table.category_of(column)
    if category is not None:
        seen = np.flatnonzero(category.shares)
        codes = np.where(seen > len(category.levels), np.nan, seen)
        return codes, category.shares[seen]
    first, *others = network.table.inputs_of(column)
    few = marginals[first].compressed(VALUES_JUDGED)
    indicators = [k for k in others if network.table.is_indicator[k]]
    if not indicators:
        return few.values, few.weights
    missing = marginals[indicators[0]].mean
    return np.append(few.values, np.nan), np.append(few.weights * (1.0 - missing), missing)
