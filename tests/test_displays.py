"""Displays: what is on their artists, without comparing pictures."""

import re
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
    wedge_relu_path,
)
from sklearn_wedge.inspection import (
    CertificateDisplay,
    EffectDisplay,
    NeuronDisplay,
    PathDisplay,
    SupportDisplay,
)

RNG = np.random.default_rng(0)
X2 = RNG.uniform(-1, 1, size=(60, 2)) * [1.0, 1000.0] + [0.0, 500.0]
Y2 = np.abs(X2[:, 0] - X2[:, 1] / 1000) + 0.05 * RNG.normal(size=60)
X1, Y1 = X2[:, :1], np.abs(X2[:, 0])
IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
PLANE = WedgeReLURegressor(0.01).fit(X2, Y2)
LINE = WedgeReLURegressor(0.01).fit(X1, Y1)


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    pyplot.close("all")


# --- neurons ------------------------------------------------------------------------------------


def test_the_surface_is_what_is_predicted():
    display = NeuronDisplay.from_estimator(PLANE, X2, Y2, grid_resolution=20)
    first, second = display.ticks
    expected = [[PLANE.predict([[a, b]])[0] for a in first] for b in second]
    assert_allclose(display.surface_.get_array().reshape(20, 20), expected)
    assert first[0] < X2[:, 0].min()
    assert second[-1] > X2[:, 1].max()
    assert display.colorbar_.ax.get_ylabel() == "target"
    assert display.ax_.get_xlabel() == "x0"
    assert display.ax_.figure is display.figure_


def test_a_line_is_where_its_neuron_sets_in():
    display = NeuronDisplay.from_estimator(PLANE, X2)
    segments = display.lines_.get_segments()
    assert len(segments) == PLANE.n_neurons_
    weights, biases = PLANE.coefs_[0].T, PLANE.intercepts_[0]
    lower, upper = PLANE.clip_bounds_
    for ends, normal, bias in zip(segments, weights, biases, strict=True):
        assert_allclose(ends @ normal + bias, 0, atol=1e-9 * np.abs(normal) @ PLANE.x_scale_)
        assert np.all((ends >= lower - 1e-9) & (ends <= upper + 1e-9))
        on_the_edge = np.isclose(ends, lower) | np.isclose(ends, upper)
        assert np.all(on_the_edge.any(axis=1))
    expected = np.clip(X2[PLANE.support_], lower, upper)
    assert_array_equal(np.transpose(display.rings_.get_data()), expected)


def test_neurons_of_one_input_in_the_plane_have_a_line():
    X = np.random.default_rng(1).uniform(size=(40, 2))
    model = WedgeReLURegressor(0.01, interaction_order=1, clip_quantile=None)
    model.fit(X, np.abs(X[:, 0] - 0.5) + np.abs(X[:, 1] - 0.4))
    display = NeuronDisplay.from_estimator(model, X)
    assert len(display.lines) == model.n_neurons_
    assert np.all(np.isclose(display.lines[:, 0], display.lines[:, 1]).sum(axis=1) == 1)


def test_curve_and_knots_are_those_of_the_network():
    display = NeuronDisplay.from_estimator(LINE, X1, Y1)
    x, values = display.curves_[0].get_data()
    assert_allclose(values, LINE.predict(x[:, None]))
    knots, heights = display.knots_.get_data()
    assert_allclose(heights, LINE.predict(knots[:, None]))
    inside = np.clip(X1[LINE.support_], *LINE.clip_bounds_)[:, 0]
    assert_allclose(np.sort(knots), np.unique(inside), atol=1e-9)
    assert_array_equal(display.samples_[0].get_data(), [X1[:, 0], Y1])
    assert display.surface_ is None


def test_regions_are_those_of_the_classes():
    X = IRIS[:, 2:]
    model = WedgeReLUClassifier(0.01).fit(pd.DataFrame(X, columns=["length", "width"]), NAMES)
    display = NeuronDisplay.from_estimator(model, X, NAMES, grid_resolution=15)
    grid = np.stack(np.meshgrid(*display.ticks), axis=-1).reshape(-1, 2)
    expected = model.predict(pd.DataFrame(grid, columns=["length", "width"]))
    assert_array_equal(model.classes_[display.surface_.get_array().ravel().astype(int)], expected)
    for k, (samples, name) in enumerate(zip(display.samples_, model.classes_, strict=True)):
        assert_array_equal(samples.get_offsets(), X[name == NAMES])
        color = display.surface_.get_cmap()(display.surface_.norm(k))
        assert to_hex(color) == to_hex(samples.get_facecolor()[0])
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == model.classes_.tolist()
    assert display.ax_.get_ylabel() == "width"
    assert display.colorbar_ is None


def test_curves_of_several_classes_are_told_apart():
    X = IRIS[:, 2:3]
    model = WedgeReLUClassifier(0.01).fit(X, NAMES)
    display = NeuronDisplay.from_estimator(model, X, NAMES, feature_names=["length in cm"])
    for k, curve in enumerate(display.curves_):
        x, values = curve.get_data()
        assert_allclose(values, model.decision_function(x[:, None])[:, k])
        assert curve.get_label() == f"score of {model.classes_[k]}"
    looks = {(curve.get_color(), curve.get_linestyle()) for curve in display.curves_}
    assert len(looks) == 3
    assert display.ax_.get_xlabel() == "length in cm"
    two = WedgeReLUClassifier(0.01).fit(X, NAMES == "setosa")
    one_curve = NeuronDisplay.from_estimator(two, X)
    assert len(one_curve.curves_) == 1
    assert one_curve.ax_.get_ylabel() == "log odds of True"


def test_dollars_in_names_are_not_taken_for_formulas():
    columns = ["cost_$_of_$^", "$hours$"]
    X = pd.DataFrame(X2, columns=columns)
    labels = np.where(Y2 > 0.5, "$50K-$100K", "$0-$50K")
    model = WedgeReLUClassifier(0.02).fit(X, labels)
    target = pd.Series(Y2, name="price in $ (US$)")
    regressor = WedgeReLURegressor(0.01).fit(X, target)
    displays = [
        NeuronDisplay.from_estimator(model, X, labels, grid_resolution=5),
        NeuronDisplay.from_estimator(regressor, X, target, grid_resolution=5),
        NeuronDisplay.from_estimator(
            WedgeReLUClassifier(0.02).fit(X.iloc[:, :1], labels), X.iloc[:, :1], labels
        ),
        EffectDisplay.from_estimator(model, [0, (0, 1)]),
        EffectDisplay.from_estimator(regressor, [0]),
        SupportDisplay.from_estimator(regressor, X, columns=columns),
    ]
    shown = set()
    for display in displays:
        display.figure_.canvas.draw()
        for text in display.figure_.findobj(pyplot.Text):
            drawn, is_formula = text._preprocess_math(text.get_text())
            if "$" in drawn:
                assert not is_formula or text.get_text().startswith(r"$\mathdefault")
                shown.add(drawn)
    assert {*columns, *labels, "price in $ (US$)"} <= shown
    assert "effect on log odds of\n$50K-$100K" in shown


def test_a_target_is_called_as_in_the_training_data():
    both = pd.DataFrame({"price": Y2, "rent": X2[:, 1]})
    model = WedgeReLURegressor(0.01).fit(X2, both)
    display = NeuronDisplay.from_estimator(model, X2, both, output="rent", grid_resolution=5)
    assert display.colorbar_.ax.get_ylabel() == "rent"
    assert_array_equal(display.y, X2[:, 1])
    assert EffectDisplay.from_estimator(model, [0], output=0).output_label == "price"
    told = EffectDisplay.from_estimator(model, [0], output="price", target_name="costs")
    assert told.output_label == "costs price"
    alone = WedgeReLURegressor(0.01).fit(X2, both["price"])
    assert EffectDisplay.from_estimator(alone, [0]).output_label == "price"
    assert EffectDisplay.from_estimator(alone, [0], target_name="€").output_label == "€"
    with pytest.raises(ValueError, match=r"no output 'income': choose of price, rent"):
        EffectDisplay.from_estimator(model, [0], output="income")


def test_the_target_asked_for_is_drawn():
    Y = np.column_stack([Y2, X2[:, 1]])
    model = WedgeReLURegressor(0.01).fit(X2, Y)
    display = NeuronDisplay.from_estimator(model, X2, Y, output=1, grid_resolution=5)
    corner = [[display.ticks[0][0], display.ticks[1][0]]]
    assert_allclose(display.response[0, 0], model.predict(corner)[0, 1])
    assert_array_equal(display.y, Y[:, 1])
    with pytest.raises(ValueError, match=r"each of 2 targets.*output="):
        NeuronDisplay.from_estimator(model, X2, Y)
    with pytest.raises(ValueError, match="no output 2"):
        NeuronDisplay.from_estimator(model, X2, Y, output=2)


def test_the_only_target_and_all_classes_are_what_is_drawn():
    display = NeuronDisplay.from_estimator(PLANE, X2, Y2, output=0, grid_resolution=5)
    alone = NeuronDisplay.from_estimator(PLANE, X2, Y2, grid_resolution=5)
    assert display.output_label == alone.output_label == "target"
    two = WedgeReLUClassifier(0.1).fit(X2, Y2 > 0.5)
    with pytest.raises(ValueError, match=r"all classes at once; output=True"):
        NeuronDisplay.from_estimator(two, X2, output=True)


def test_targets_of_something_else_are_refused():
    two = WedgeReLUClassifier(0.1).fit(X2, np.where(Y2 > 0.5, "far", "near"))
    for model, y, said in (
        (PLANE, np.where(Y2 > 0.5, "far", "near"), r"type <U4.*1 target"),
        (PLANE, np.column_stack([Y2, Y2]), r"shape \(60, 2\).*1 target"),
        (two, Y2 > 0.5, r"labels such as .*fitted on \['far', 'near'\]"),
    ):
        with pytest.raises(ValueError, match=said):
            NeuronDisplay.from_estimator(model, X2, y)


def test_parts_that_are_not_wanted_are_not_drawn():
    display = NeuronDisplay.from_estimator(PLANE, X2, Y2)
    figure, panels = pyplot.subplots(1, 2)
    display.plot(panels[0], neurons=False, surface_kw={"cmap": "viridis"})
    assert display.lines_ is display.rings_ is None
    assert display.surface_.get_cmap().name == "viridis"
    display.plot(panels[1], surface=False)
    assert display.surface_ is display.colorbar_ is None
    assert display.ax_ is panels[1]
    assert display.figure_ is figure
    assert len(display.lines_.get_segments()) == PLANE.n_neurons_


def test_a_constant_network_can_be_drawn_without_effects():
    for X in (X1, X2):
        model = WedgeReLURegressor(100.0).fit(X, Y2)
        display = NeuronDisplay.from_estimator(model, X, Y2)
        assert len(display.lines) == 0
    assert len(SupportDisplay.from_estimator(model, X2).rows) == 0
    assert len(CertificateDisplay.from_estimator(model).objective) == model.n_iter_
    with pytest.raises(ValueError, match="constant"):
        EffectDisplay.from_estimator(model)


def test_networks_of_more_than_two_inputs_have_no_display_of_neurons():
    model = WedgeReLURegressor(0.1).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match=r"one or two inputs.*has 4.*EffectDisplay"):
        NeuronDisplay.from_estimator(model, IRIS)


@pytest.mark.parametrize("display", [NeuronDisplay, SupportDisplay])
def test_other_data_than_those_of_the_fit_are_refused(display):
    for other in (X2[::-1], X2[:3], X2 + 0.01):
        with pytest.raises(ValueError, match="fitted on"):
            display.from_estimator(PLANE, other)
    with pytest.raises(ValueError, match="3 columns"):
        display.from_estimator(PLANE, np.column_stack([X2, Y2]))


def test_rounding_far_from_zero_is_not_taken_for_other_data():
    far = np.column_stack([X2[:, 0] + 1e10, X2[:, 1]])
    model = WedgeReLURegressor(0.01).fit(far, Y2)
    assert len(NeuronDisplay.from_estimator(model, far).lines) > 0
    with pytest.raises(ValueError, match="fitted on"):
        NeuronDisplay.from_estimator(model, far[::-1])


@pytest.mark.parametrize("display", [NeuronDisplay, EffectDisplay, CertificateDisplay])
def test_a_pipeline_is_refused_with_a_word_about_its_network(display):
    pipeline = make_pipeline(StandardScaler(), WedgeReLURegressor(0.1)).fit(X2, Y2)
    data = (X2,) if display is NeuronDisplay else ()
    with pytest.raises(TypeError, match=rf"{display.__name__} reads.*pipeline\[-1\]"):
        display.from_estimator(pipeline, *data)


def test_a_picture_of_too_few_values_or_panels_is_refused():
    for display, data in ((NeuronDisplay, (X2,)), (EffectDisplay, ())):
        with pytest.raises(ValueError, match="grid_resolution must be an integer of at least 2"):
            display.from_estimator(PLANE, *data, grid_resolution=1)
    with pytest.raises(ValueError, match="n_cols must be"):
        EffectDisplay.from_estimator(PLANE, [0], n_cols=0)


# --- effects ------------------------------------------------------------------------------------


def test_curves_and_maps_are_those_of_explain():
    names = ["width in m", "mass in kg"]
    display = EffectDisplay.from_estimator(
        PLANE, [0, ("mass in kg", 0)], feature_names=names, target_name="price", grid_resolution=9
    )
    curve, surface = display.artists_
    x, values = curve.get_data()
    rows = np.column_stack([x, np.full(9, 500.0)])
    assert_allclose(values, PLANE.explain(rows).contributions[:, 0], atol=1e-12)
    first, second = display.effects[1].ticks
    rows = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
    explanation = PLANE.explain(rows)
    expected = explanation.contributions[:, explanation.inputs.index((0, 1))]
    assert_allclose(surface.get_array().ravel(), expected, atol=1e-12)
    assert_allclose(surface.norm.vmin, -surface.norm.vmax)
    one, other = display.axes_.flat
    assert one.get_xlabel() == other.get_xlabel() == "width in m"
    assert (one.get_ylabel(), other.get_ylabel()) == ("effect on price", "mass in kg")
    assert [bar.ax.get_ylabel() for bar in display.colorbars_] == ["effect on price"]
    assert len(display.effects[0].deciles[0]) == 10


def test_an_indicator_is_drawn_at_its_two_values():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.uniform(-1, 1, 120), rng.integers(0, 2, 120)])
    model = WedgeReLURegressor(1e-3).fit(X, np.abs(X[:, 0]) * X[:, 1] + X[:, 1])
    display = EffectDisplay.from_estimator(model, [0, 1, (0, 1)], grid_resolution=20)
    curve, points, map_ = display.effects
    assert [effect.two_valued for effect in display.effects] == [(False,), (True,), (False, True)]
    assert (len(curve.ticks[0]), map_.values.shape) == (20, (2, 20))
    assert_allclose(points.ticks[0], [0, 1], atol=1e-9)
    _, drawn, mesh = display.artists_
    assert_allclose(drawn.get_xdata(), [0, 1], atol=1e-9)
    assert drawn.get_marker() == "o"
    assert_allclose(display.axes_.flat[1].get_xticks(), [0, 1], atol=1e-9)
    assert_allclose(mesh.get_array(), map_.values)
    explained = model.explain([[0.3, 1.0]])
    contribution = explained.contributions[0, explained.names.index("x1")]
    assert_allclose(drawn.get_ydata()[1], contribution, atol=1e-9)


def test_an_effect_is_found_by_the_name_that_explain_gives_it():
    model = WedgeReLURegressor(1e-3).fit(X2, Y2)
    name = next(name for name in model.explain(X2).names if "×" in name)
    display = EffectDisplay.from_estimator(model, [name])
    assert [" × ".join(effect.names) for effect in display.effects] == [name]


def test_the_effects_that_are_drawn_are_the_largest():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(150, 9))
    y = X @ [4.0, 3.0, 2.0, 1.5, 1.0, 0.7, 0.5, 0.0, 0.0]
    model = WedgeReLURegressor(1e-3, interaction_order=1).fit(X, y)
    display = EffectDisplay.from_estimator(model)
    assert [effect.names for effect in display.effects] == [(f"x{k}",) for k in range(6)]
    assert display.axes_.shape == (2, 3)
    limits = {panel.get_ylim() for panel in display.axes_.flat}
    assert len(limits) == 1
    lopsided = WedgeReLURegressor(1e-4, interaction_order=1).fit(X, X[:, 0] + 0.01 * X[:, 1])
    assert [e.names for e in EffectDisplay.from_estimator(lopsided).effects] == [("x0",)]


@pytest.mark.parametrize(
    ("model", "y", "label"),
    [
        (WedgeReLURegressor(0.01, loss="poisson"), np.exp(Y2), "log of target"),
        (WedgeReLUClassifier(0.01), np.where(Y2 > 0.6, "yes", "no"), "log odds of yes"),
        (WedgeReLUClassifier(0.01, loss="squared_hinge"), Y2 > 0.6, "margin of True"),
    ],
)
def test_the_label_says_what_the_effects_are_on(model, y, label):
    display = EffectDisplay.from_estimator(model.fit(X2, y), [0])
    assert display.axes_.flat[0].get_ylabel().replace("\n", " ") == f"effect on {label}"


LOPSIDED = WedgeReLURegressor(1e-4, interaction_order=1).fit(X2, X2[:, 0] + 1e-4 * X2[:, 1])


def limits_of(display):
    return {panel.get_ylim() for panel in display.axes_.flat}


def test_curves_share_a_scale_unless_one_would_be_flat_on_it():
    assert len(limits_of(EffectDisplay.from_estimator(PLANE, [0, 1]))) == 1
    low, high = EffectDisplay.from_estimator(LOPSIDED, [0, 1]).axes_.flat[1].get_ylim()
    assert 0.2 < high - low < 0.25  # of 1e-4 × 2000
    for share_scale, n_scales in ((True, 1), (False, 2)):
        for model in (PLANE, LOPSIDED):
            display = EffectDisplay.from_estimator(model, [0, 1], share_scale=share_scale)
            assert len(limits_of(display)) == n_scales
    for wrong in ("row", 1, 0.0, None, np.array([1, 2]), ["auto"]):
        said = re.escape(f"share_scale must be True, False or 'auto', got {wrong!r}")
        with pytest.raises(ValueError, match=said):
            EffectDisplay.from_estimator(PLANE, [0, 1], share_scale=wrong)


def test_axes_that_share_a_scale_already_are_taken():
    _, axes = pyplot.subplots(1, 2, sharey=True)
    assert len(limits_of(EffectDisplay.from_estimator(PLANE, [0, 1], ax=axes))) == 1


def test_curves_have_one_range_on_axes_of_which_some_are_shared():
    _, axes = pyplot.subplots(2, 2, sharey="row")
    display = EffectDisplay.from_estimator(LOPSIDED, [0, 0, 1, 1], ax=axes, share_scale=True)
    ((low, high),) = limits_of(display)
    assert (
        low < display.artists_[0].get_ydata().min() < display.artists_[0].get_ydata().max() < high
    )
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(80, 3))
    y = np.abs(X[:, 0] - X[:, 1]) + np.abs(X[:, 0] + X[:, 2])
    model = WedgeReLURegressor(1e-3).fit(X, y)
    _, axes = pyplot.subplots(2, 2, sharey="row")
    effects = [(0, 1), 0, (0, 2), 1]
    drawn = EffectDisplay.from_estimator(model, effects, ax=axes, share_scale=True)
    first, second = drawn.axes_[:, 1]
    assert first.get_ylim() == second.get_ylim()


def test_curves_of_a_new_figure_have_one_axis_that_holds_them_all():
    first, second = EffectDisplay.from_estimator(LOPSIDED, [1, 0], share_scale=True).axes_.flat
    assert first.get_shared_y_axes().joined(first, second)
    second.set_ylim(-3, 3)
    assert first.get_ylim() == (-3, 3)
    display = EffectDisplay.from_estimator(LOPSIDED, [1, 0], share_scale=True)
    ((low, high),) = limits_of(display)
    values = display.artists_[1].get_ydata()
    assert low < values.min() and values.max() < high < 1.2 * values.max()


@pytest.mark.parametrize(("weight", "n_bars"), [(0.5, 1), (0.02, 2)])
def test_maps_share_a_scale_of_colours_unless_one_would_be_pale_on_it(weight, n_bars):
    X = np.random.default_rng(0).uniform(-1, 1, size=(150, 4))
    y = np.abs(X[:, 0] - X[:, 1]) + weight * np.abs(X[:, 2] - X[:, 3])
    model = WedgeReLURegressor(1e-4, interaction_cst=[{0, 1}, {2, 3}]).fit(X, y)
    display = EffectDisplay.from_estimator(model, [(0, 1), (2, 3)])
    tops = [mesh.norm.vmax for mesh in display.artists_]
    own = [np.abs(effect.values).max() for effect in display.effects]
    assert_allclose(tops, own if n_bars == 2 else [max(own)] * 2)
    assert len(display.colorbars_) == n_bars


def test_labels_that_are_longer_than_their_axis_are_in_lines_that_fit():
    names = ["length of the largest of all sides in metres, as measured on site", "mass_" * 12]
    display = EffectDisplay.from_estimator(
        PLANE, [0, 1, (0, 1)], feature_names=names, target_name="price of the whole lot in €"
    )
    display.figure_.draw_without_rendering()
    figure = display.figure_.bbox
    for panel in [*display.axes_.flat, *(bar.ax for bar in display.colorbars_)]:
        across, up = (axis.label.get_window_extent() for axis in (panel.xaxis, panel.yaxis))
        assert across.width <= panel.bbox.width and up.height <= panel.bbox.height
        for box in (across, up):
            assert figure.x0 <= box.x0 and box.x1 <= figure.x1
            assert figure.y0 <= box.y0 and box.y1 <= figure.y1
    assert "".join(display.axes_.flat[1].get_xlabel().split()) == names[1]


def test_a_label_of_too_many_lines_keeps_its_ends():
    name = "".join(f"part{k:02d}of" for k in range(24))
    display = EffectDisplay.from_estimator(PLANE, [0, 1, (0, 1)], feature_names=[name, "b"])
    for label in (panel.xaxis.label for panel in display.axes_.flat[::2]):
        lines = label.get_text().split("\n")
        assert 1 < len(lines) <= 5
        start, end = "".join(lines).split("…")
        assert name.startswith(start) and name.endswith(end) and len(start) > len(end) > 5
    display.figure_.draw_without_rendering()
    assert (
        min(panel.bbox.height for panel in display.axes_.flat) > 0.4 * display.figure_.bbox.height
    )


def test_axes_of_a_part_of_a_figure_are_drawn_on():
    part = pyplot.figure(figsize=(12, 3), layout="constrained").subfigures(1, 2)[0]
    axes = part.subplots(1, 3)
    names = ["length of the largest of all sides in metres", "b"]
    display = EffectDisplay.from_estimator(PLANE, [0, 1, (0, 1)], ax=axes, feature_names=names)
    assert [panel.get_figure() for panel in display.axes_] == [part] * 3
    assert "\n" in axes[0].get_xlabel()
    display.figure_.figure.draw_without_rendering()
    assert axes[0].xaxis.label.get_window_extent().width <= axes[0].bbox.width


def test_long_names_of_levels_keep_their_ends_beside_a_tick():
    levels = [f"a name that goes on, and on, and on {k}" for k in range(3)]
    X = pd.DataFrame({"where": pd.Categorical.from_codes(np.arange(60) % 3, levels)})
    display = EffectDisplay.from_estimator(WedgeReLURegressor(1e-3).fit(X, np.arange(60) % 3))
    texts = [label.get_text() for label in display.axes_.flat[0].get_xticklabels()]
    assert texts == [f"a name that goes…nd on {k}" for k in range(3)]


def test_the_effects_of_the_class_asked_for_are_drawn():
    model = WedgeReLUClassifier(0.01).fit(IRIS, NAMES)
    display = EffectDisplay.from_estimator(model, [2], output="virginica", grid_resolution=7)
    rows = np.tile(IRIS[0], (7, 1))
    rows[:, 2] = display.effects[0].ticks[0]
    explanation = model.explain(rows)
    expected = explanation.contributions[:, explanation.inputs.index((2,)), 2]
    assert_allclose(display.artists_[0].get_ydata(), expected, atol=1e-12)
    assert display.output_label == "score of virginica"
    with pytest.raises(ValueError, match=r"choose one by output=.*virginica"):
        EffectDisplay.from_estimator(model)
    with pytest.raises(ValueError, match="no output 'rosa'"):
        EffectDisplay.from_estimator(model, output="rosa")


def test_effects_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="no column 'mass'"):
        EffectDisplay.from_estimator(PLANE, ["mass"])
    with pytest.raises(ValueError, match="no column 2"):
        EffectDisplay.from_estimator(PLANE, [2])
    additive = WedgeReLURegressor(0.01, interaction_order=1).fit(X2, Y2)
    with pytest.raises(ValueError, match=r"no effect \(0, 1\)"):
        EffectDisplay.from_estimator(additive, [(0, 1)])
    for effects, said in (("x0", r"\['x0'\]"), ([], "effects is empty"), ([0.5], "no column 0.5")):
        with pytest.raises(ValueError, match=said):
            EffectDisplay.from_estimator(PLANE, effects)
    with pytest.raises(ValueError, match="feature_names has 1 names"):
        EffectDisplay.from_estimator(PLANE, feature_names=["a"])


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((X2,), {}),
        ((X2.tolist(),), {}),
        ((pd.DataFrame(X2),), {}),
        ((np.ones((60, 5), dtype=int),), {}),
        ((X2, [0]), {}),
        ((X2,), {"features": [0]}),
        ((), {"features": [0]}),
        ((), {"X": X2}),
        (([0],), {"target": 0}),
    ],
)
def test_calls_as_of_other_displays_are_told_what_to_write(args, options):
    with pytest.raises(TypeError, match=r"needs no X.*effects=\[0, \(0, 1\)\].*target is output"):
        EffectDisplay.from_estimator(PLANE, *args, **options)


def test_pairs_of_columns_are_not_taken_for_a_table():
    for effects in (np.array([[0, 1]]), [[0, 1]], [0, (0, 1)], np.array([0, 1]), ["x0", ("x0", 1)]):
        assert len(EffectDisplay.from_estimator(PLANE, effects).effects) == len(effects)
    with pytest.raises(ValueError, match=r"no effect \('x0', 'x1', 'x0'\)"):
        EffectDisplay.from_estimator(PLANE, [("x0", "x1", "x0")])


def test_axes_that_are_given_are_used():
    figure, axes = pyplot.subplots(1, 3)
    display = EffectDisplay.from_estimator(PLANE, [0, 1], ax=axes[:2])
    assert list(display.axes_) == list(axes[:2])
    split = EffectDisplay.from_estimator(PLANE, [0, 1, (0, 1)], ax=axes[2])
    assert split.axes_.shape == (1, 3)
    assert all(panel.figure is figure for panel in split.axes_.flat)
    assert not axes[2].axison
    with pytest.raises(ValueError, match=r"3 panels.*2 axes"):
        EffectDisplay.from_estimator(PLANE, [0, 1, (0, 1)], ax=axes[:2])


# --- paths --------------------------------------------------------------------------------------


def test_the_path_of_cross_validation_is_drawn():
    model = regressor_cv([0.3, 0.1, 0.03], cv=3).fit(X2, Y2)
    display = PathDisplay.from_estimator(model)
    above, below = display.axes_.flat
    assert_allclose(display.score_lines_[0].get_ydata(), model.score_path_.mean(axis=1))
    assert_allclose(display.neuron_lines_[0].get_ydata(), model.n_neurons_path_.mean(axis=1))
    for line in (*display.score_lines_, *display.neuron_lines_):
        assert_allclose(line.get_xdata(), model.alphas_)
    assert [line.get_xdata()[0] for line in display.chosen_lines_] == [model.alpha_] * 2
    assert above.get_xscale() == below.get_xscale() == "log"
    assert above.get_xlim() == below.get_xlim()
    error = model.score_path_.std(axis=1, ddof=1) / np.sqrt(3)
    top = display.bands_[0].get_paths()[0].vertices[:, 1].max()
    assert_allclose(top, (model.score_path_.mean(axis=1) + error).max())


def test_the_penalty_that_is_marked_is_one_that_was_scored():
    model = WedgeReLURegressorCV(effort="fast", interaction_order=1).fit(X2, Y2)
    display = PathDisplay.from_estimator(model)
    which, alpha = display.chosen
    assert alpha == model.best_params_["alpha"] != model.alpha_
    line = display.score_lines_[which]
    (at,) = np.flatnonzero(line.get_xdata() == alpha)
    assert_allclose(line.get_ydata()[at], model.best_score_)
    assert [line.get_xdata()[0] for line in display.chosen_lines_] == [alpha] * 2
    assert display.chosen_lines_[0].get_label().startswith("chosen of those tried: alpha = ")


def test_a_path_is_drawn_as_far_as_its_folds_went():
    options = {"cv": 3, "interaction_order": (1, 2), "patience": 1}
    model = regressor_cv(12, eps=1e-3, **options).fit(X2, Y2)
    means = model.score_path_.mean(axis=2)
    assert np.isnan(means).any()
    display = PathDisplay.from_estimator(model)
    for k, scores in enumerate(means):
        assert_array_equal(display.score_lines_[k].get_ydata(), scores)
        neurons = np.asarray(display.neuron_lines_[k].get_ydata())
        assert_array_equal(np.isnan(neurons), np.isnan(scores))
    assert display.chosen == ([1, 2].index(model.interaction_order_), model.alpha_)


def test_combinations_are_drawn_apart():
    model = classifier_cv(3, eps=0.1, cv=2, interaction_order=(1, 2)).fit(X2, Y2 > 0.6)
    display = PathDisplay.from_estimator(model)
    assert len(display.score_lines_) == len(display.neuron_lines_) == 2
    looks = {(line.get_color(), line.get_linestyle()) for line in display.score_lines_}
    assert len(looks) == 2
    for k, line in enumerate(display.neuron_lines_):
        assert_allclose(line.get_ydata(), model.n_neurons_path_[k].mean(axis=1))
        assert line.get_label() == f"order {k + 1}, l1"
    assert display.chosen == ([1, 2].index(model.interaction_order_), model.alpha_)


def test_neurons_of_a_fold_are_counted():
    model = regressor_cv([0.3, 0.1, 0.03], cv=3).fit(X2, Y2)
    assert model.n_neurons_path_.shape == model.score_path_.shape
    train = np.arange(20, 60)
    path = wedge_relu_path(X2[train], Y2[train], model.alphas_, pricing="search")
    counted = [len(network.neurons) for network in path.networks]
    assert_array_equal(model.n_neurons_path_[:, 0], counted)


@pytest.mark.parametrize("n_paths", [1, 12])
@pytest.mark.parametrize("scored", [True, False])
def test_the_legend_of_a_path_covers_nothing(n_paths, scored):
    display = PathDisplay(
        alphas=np.tile(np.geomspace(1, 1e-3, 6), (n_paths, 1)),
        n_neurons=np.tile(np.arange(6.0), (n_paths, 1)),
        scores=np.ones((n_paths, 6, 3)) if scored else None,
        labels=[f"order 2, l1, {k} blocks" for k in range(n_paths)],
        chosen=(0, 0.1),
    ).plot()
    display.figure_.canvas.draw()
    legends = [panel.get_legend() for panel in display.axes_.flat]
    assert [legend is not None for legend in legends] == [False] * scored + [True]
    legend = legends[-1].get_window_extent()
    assert 0 <= legend.y0 < legend.y1 < display.axes_[-1, 0].xaxis.get_tightbbox().y0
    assert all(panel.get_window_extent().height > 150 for panel in display.axes_.flat)
    assert display.figure_.bbox.x0 <= legend.x0 < legend.x1 <= display.figure_.bbox.x1


def test_the_legend_of_a_path_is_within_a_figure_that_makes_no_room_for_it():
    model = regressor_cv([0.3, 0.1, 0.03], cv=3).fit(X2, Y2)
    _, axes = pyplot.subplots(2)
    display = PathDisplay.from_estimator(model, ax=axes)
    display.figure_.canvas.draw()
    legend = axes[1].get_legend().get_window_extent()
    assert axes[1].get_window_extent().containsy(legend.y0)
    _, axes = pyplot.subplots(2, layout="constrained")
    display = PathDisplay.from_estimator(model, ax=axes)
    display.figure_.canvas.draw()
    legend = axes[1].get_legend().get_window_extent()
    assert 0 <= legend.y0 < legend.y1 < axes[1].get_window_extent().y0
    assert_allclose(display.figure_.get_size_inches(), pyplot.rcParams["figure.figsize"])


@pytest.mark.parametrize("eps", [0.3, 0.02, 1e-4])
def test_labels_of_the_penalties_stay_apart(eps):
    alphas = np.geomspace(1, eps, 6)
    display = PathDisplay(alphas=[alphas], n_neurons=[np.arange(6)]).plot()
    display.figure_.canvas.draw()
    axis = display.axes_[-1, 0].xaxis
    boxes = [
        label.get_window_extent()
        for label in axis.get_ticklabels(which="both")
        if label.get_text() and axis.get_view_interval()[0] <= label.get_position()[0]
    ]
    boxes = sorted((box.x0, box.x1) for box in boxes)
    assert len(boxes) >= 2
    assert all(left[1] < right[0] for left, right in pairwise(boxes))


def test_labels_of_the_penalties_are_those_of_the_ones_drawn():
    alphas = np.geomspace(0.4, 0.4e-4, 5)
    display = PathDisplay(alphas=[alphas], n_neurons=[[1, 2, *[np.nan] * 3]]).plot()
    display.figure_.canvas.draw()
    labels = [text.get_text() for text in display.axes_[0, 0].get_xticklabels()]
    assert {"0.05", "0.1", "0.2"} <= set(labels)


def test_a_path_of_networks_is_drawn():
    path = wedge_relu_path(X2, Y2, [0.3, 0.1, 0.03])
    display = PathDisplay.from_path(path)
    counted = [len(network.neurons) for network in path.networks]
    assert_array_equal(display.neuron_lines_[0].get_ydata(), counted)
    assert display.axes_.size == 1
    assert display.chosen_lines_ == []
    scored = PathDisplay.from_path(path, scores=[[1.0, 2.0], [3.0, 3.0], [2.0, 1.0]])
    assert scored.axes_.size == 2
    assert scored.chosen == (0, 0.1)
    assert_array_equal(scored.score_lines_[0].get_ydata(), [1.5, 3.0, 1.5])
    with pytest.raises(ValueError, match=r"shape \(2,\).*3 networks"):
        PathDisplay.from_path(path, scores=[1.0, 2.0])
    with pytest.raises(ValueError, match="has no path"):
        PathDisplay.from_estimator(PLANE)
    with pytest.raises(TypeError, match=r"wedge_relu_path.*WedgeReLURegressor.*from_estimator"):
        PathDisplay.from_path(PLANE)


# --- certificate and support --------------------------------------------------------------------


@pytest.mark.parametrize("pricing", ["exact", "search"])
def test_the_certificate_is_drawn_from_the_history(pricing, nothing_is_cheap):
    model = WedgeReLURegressor(0.01, pricing=pricing).fit(X2, Y2)
    display = CertificateDisplay.from_estimator(model)
    rounds, objective = display.objective_line_.get_data()
    assert_array_equal(rounds, np.arange(1, model.n_iter_ + 1))
    assert_array_equal(objective, [each.objective for each in model.history_])
    assert display.bound_line_.get_ydata()[-1] == model.certificate_.lower_bound
    assert np.isfinite(display.bound_line_.get_ydata()).all()
    legend = " ".join(text.get_text() for text in display.ax_.get_legend().get_texts())
    assert ("certified" in legend) == (pricing == "exact")
    low, high = display.ax_.get_ylim()
    assert low < model.certificate_.lower_bound < objective[0] < high
    assert f"{model.certificate_.relative_gap:.1e}" in display.ax_.get_title()


def test_the_relative_gap_is_one_number_wherever_it_is_told():
    """Where a search misses some of the gap, the last round alone would tell a smaller one."""
    model = WedgeReLURegressor(0.1, norm="l2", interaction_order=None, pricing="search")
    model.fit(IRIS, np.abs(IRIS[:, 0] - 6) + IRIS[:, 3])
    certificate, last = model.certificate_, model.history_[-1]
    told = certificate.relative_gap
    assert_allclose(told, certificate.gap / certificate.objective)
    assert last.objective - last.lower_bound < 0.5 * certificate.gap
    assert CertificateDisplay.from_estimator(model).ax_.get_title() == f"relative gap {told:.1e}"
    assert f"relative gap {told:.1e}, " in model._repr_html_()
    assert f"relative gap {told:.2e} (" in " ".join(model.summary().split())


def test_rows_of_the_support_are_drawn_where_they_are():
    X = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    model = WedgeReLURegressor(0.03).fit(X, IRIS[:, 3] + np.abs(IRIS[:, 0] - 6))
    display = SupportDisplay.from_estimator(model, X, columns=("c", 0))
    assert_array_equal(display.rings_.get_offsets(), IRIS[model.support_][:, [2, 0]])
    assert_array_equal(display.samples_.get_offsets(), IRIS[:, [2, 0]])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("c", "a")
    assert_allclose(display.shares.sum(), 1)
    neurons, expected = model.neurons_, np.zeros(len(IRIS))
    for rows, coef in zip(neurons.rows, neurons.coef[:, 0], strict=True):
        for row in rows[rows >= 0]:
            expected[row] += abs(coef) / np.sum(rows >= 0)
    assert_allclose(display.shares, expected[model.support_] / expected.sum())
    assert_array_equal(np.argmax(display.rings_.get_sizes()), np.argmax(display.shares))
    with pytest.raises(ValueError, match="must be two"):
        SupportDisplay.from_estimator(model, X, columns=("c",))
    with pytest.raises(ValueError, match="one column"):
        SupportDisplay.from_estimator(LINE, X1)


def test_the_plane_is_that_of_the_principal_components():
    model = WedgeReLURegressor(0.03).fit(IRIS, SPECIES)
    display = SupportDisplay.from_estimator(model, IRIS)
    inputs = (np.clip(IRIS, *model.clip_bounds_) - model.x_mean_) / model.x_scale_
    variances = np.sort(np.linalg.eigvalsh(np.cov(inputs.T)))[::-1]
    assert_allclose(np.cov(display.positions.T), np.diag(variances[:2]), atol=1e-10)
    assert f"{variances[0] / variances.sum():.0%}" in display.ax_.get_xlabel()


# --- without matplotlib -------------------------------------------------------------------------


def test_displays_without_matplotlib_say_how_to_install_it(monkeypatch):
    path = wedge_relu_path(X1, Y1, [0.1])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    wanted = r"pip install \"\.\[plot\]\" in a clone"
    for draw in (
        lambda: NeuronDisplay.from_estimator(PLANE, X2),
        lambda: EffectDisplay.from_estimator(PLANE),
        lambda: PathDisplay.from_path(path),
        lambda: CertificateDisplay.from_estimator(PLANE),
        lambda: SupportDisplay.from_estimator(PLANE, X2),
    ):
        with pytest.raises(ImportError, match=wanted):
            draw()
