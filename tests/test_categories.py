"""Tables with categories: the network is that of the table with indicators made by hand."""

import json
import math
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest
from exported import predict_by_hand
from numpy.testing import assert_allclose, assert_array_equal
from plain_cv import classifier_cv, regressor_cv
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    alpha_max,
    polish,
    wedge_relu_path,
)
from sklearn_wedge.inspection import EffectDisplay, NeuronDisplay, SupportDisplay

N = 120


def table(seed=0):
    """Numbers, a category with gaps, one of two levels, and one of forty."""
    rng = np.random.default_rng(seed)
    age = rng.normal(size=N)
    job, sex = rng.choice(["law", "art", "it"], N), rng.choice(["m", "f"], N)
    city = rng.choice([f"c{k:02}" for k in range(40)], N)
    of_city = pd.Series(city).str[1:].astype(int).to_numpy() / 20
    y = np.abs(age) + (job == "it") * np.maximum(age, 0) + (sex == "m") + of_city
    frame = pd.DataFrame({"age": age, "job": job, "sex": sex, "city": city})
    frame.loc[::9, "job"] = None
    frame.loc[::11, "age"] = np.nan
    return frame, y


FRAME, Y = table()
FEW = FRAME.drop(columns="city")
LABELS = np.digitize(Y, [1.5, 2.5])
FITTED = WedgeReLURegressor(0.01).fit(FEW, Y)
WITH_CITY = WedgeReLURegressor(0.02).fit(FRAME, Y)
NEW = FRAME.head(30).reset_index(drop=True).astype({"city": object})
NEW.loc[:3, "job"] = "none of them"
NEW.loc[2:5, "sex"] = None  # of which none was missing
NEW.loc[4:9, "city"] = "nowhere"
INPUTS = [
    *("age", "age is missing", "job = art", "job = it", "job = law", "job is missing"),
    "sex = m",
]


def by_hand(frame):
    """Indicators of levels, one of two; the median where a number is missing."""
    age, job = frame["age"].to_numpy(), frame["job"]
    known = np.sort(age[~np.isnan(age)])
    columns = [np.where(np.isnan(age), known[(len(known) - 1) // 2], age), np.isnan(age)]
    columns += [job == level for level in ("art", "it", "law")]
    return np.column_stack([*columns, job.isna(), frame["sex"] == "m"]).astype(float)


# Pairs of inputs of which no two are levels of one column.
APART = [(i, j) for i in range(7) for j in range(i) if not (2 <= i <= 5 and 2 <= j <= 5)]


@pytest.mark.parametrize(
    "model",
    [
        WedgeReLURegressor(0.01, interaction_cst=None),
        WedgeReLURegressor(0.05, norm="l2"),
        WedgeReLURegressor(tol=1e-2),
        WedgeReLUClassifier(0.02),
        regressor_cv(alphas=[0.1, 0.03], cv=3),
        classifier_cv(alphas=[0.1, 0.03], cv=3),
    ],
    ids=["l1", "l2", "penalty chosen", "classes", "cross-validation", "cross-validation, classes"],
)
def test_the_network_is_that_of_indicators_made_by_hand(model):
    y = LABELS if "Classifier" in type(model).__name__ else Y
    model, other = clone(model).fit(FEW, y), clone(model).set_params(interaction_cst=APART)
    other = other.fit(by_hand(FEW), y)
    assert_array_equal(model.table_.transform(model.table_.codes(FEW).to_numpy()), by_hand(FEW))
    assert model.certificate_.exact == other.certificate_.exact
    # Under l2 neurons are searched for first, and of other classes of neurons others are found.
    near, bounds = (1e-4, 1e-3) if model.norm == "l2" else (1e-10, 1e-10)
    assert_allclose(model.certificate_.objective, other.certificate_.objective, rtol=near)
    assert_allclose(model.certificate_.lower_bound, other.certificate_.lower_bound, rtol=bounds)
    if model.norm == "l1":
        assert_allclose(model.predict(FEW), other.predict(by_hand(FEW)), rtol=1e-10)
    assert model.n_features_in_ == 3 and model.feature_names_in_.tolist() == ["age", "job", "sex"]


def test_two_levels_of_a_column_share_no_neuron():
    for options in ({}, {"interaction_order": 3, "norm": "l2", "tol": 1e-2}, {"n_blocks": 2}):
        model = WedgeReLURegressor(0.005, **options).fit(FEW, Y)
        assert model.neurons_.inputs.max() >= 2
        for inputs in model.neurons_.inputs.tolist():
            assert sum(2 <= k <= 5 for k in inputs) <= 1
    assert "no neuron with two levels of a category" in FITTED.certificate_.scope


# --- kinds of tables ----------------------------------------------------------------------------


def kinds():
    yield "category", FRAME.astype({"job": "category", "sex": "category", "city": "category"})
    backwards = pd.CategoricalDtype(["law", "it", "art", "no such level"])
    yield "levels in another order", FRAME.astype({"job": backwards})
    yield "objects", FRAME.astype({"job": object, "sex": object, "city": object})
    yield "pd.NA", FRAME.assign(job=FRAME["job"].astype(object).where(FRAME["job"].notna(), pd.NA))
    yield "text", FRAME.astype({"job": "string", "sex": "string", "city": "string"})
    yield "polars", pl.from_pandas(FRAME)
    enum = pl.Enum(["law", "art", "it"])
    yield "an enum of polars", pl.from_pandas(FRAME).with_columns(pl.col("job").cast(enum))
    yield "Arrow", pyarrow.Table.from_pandas(FRAME)
    yield "a batch of Arrow", pyarrow.RecordBatch.from_pandas(FRAME)


@pytest.mark.parametrize("given", [pytest.param(given, id=kind) for kind, given in kinds()])
def test_a_category_is_the_same_in_every_type_of_table(given):
    model = WedgeReLURegressor(0.02).fit(given, Y)
    assert_array_equal(model.predict(given), WITH_CITY.predict(FRAME))
    assert_array_equal(WITH_CITY.predict(given), WITH_CITY.predict(FRAME))


@pytest.mark.parametrize("given", [["job", "sex"], [1, 2], [False, True, True]], ids=str)
def test_every_way_to_name_categories_names_the_same(given):
    model = WedgeReLURegressor(0.01, categorical_features=given).fit(FEW, Y)
    assert_array_equal(model.predict(FEW), FITTED.predict(FEW))
    if not isinstance(given[0], str):
        array = FEW.to_numpy(object)
        model = WedgeReLURegressor(0.01, categorical_features=given).fit(array, Y)
        assert_array_equal(model.predict(array), FITTED.predict(FEW))


def test_numbers_may_be_levels():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=N), rng.integers(0, 3, N) + 2.0**60])
    model = WedgeReLURegressor(0.05, categorical_features=[1]).fit(X, X[:, 0])
    assert len(model.table_.input_names()) == 1 + len(np.unique(X[:, 1]))
    whole = pd.DataFrame({"x": X[:, 0], "code": rng.integers(0, 3, N)})
    model = WedgeReLURegressor(0.01, categorical_features=["code"]).fit(whole, Y)
    assert model.table_.input_names() == ["x", "code = 0", "code = 1", "code = 2"]
    assert_array_equal(model.predict(whole.astype(float)), model.predict(whole))
    flags = whole.assign(code=whole["code"] > 0)
    assert WedgeReLURegressor(0.1).fit(flags, Y).table_.input_names() == ["x", "code"]


@pytest.mark.parametrize("fitted, given", [("f4", "f8"), ("f8", "f4")])
def test_a_fraction_is_the_same_level_in_either_precision(fitted, given):
    code = np.resize([0.1, 0.7, 1.3, 2.0], N)[:, None]
    model = WedgeReLURegressor(0.01, categorical_features=[0])
    model.fit(code.astype(fitted), code[:, 0])
    codes = model.table_.codes(code.astype(given))
    assert_array_equal(codes, model.table_.codes(code.astype(fitted)))
    assert_array_equal(np.unique(codes), [0, 1, 2, 3])
    # A number nearby is another one, and so is a whole number beyond single precision.
    assert model.table_.codes(np.array([[0.1 + 1e-6]])) == 4
    assert model.table_.codes(np.array([[2.0 + 1e-12]])) == 4
    whole = np.resize([123456789.0, 5.0], N)[:, None]
    model = WedgeReLURegressor(0.1, categorical_features=[0]).fit(whole, Y)
    assert model.table_.codes(whole[:1] + 1) == 2


def test_text_in_the_place_of_numbers_is_warned_of():
    frame = pd.DataFrame({"code": np.resize([1.0, 2.0, 3.0], N)})
    model = WedgeReLURegressor(0.01, categorical_features=["code"]).fit(frame, Y)
    with pytest.warns(UserWarning, match=r"'code' of X has text, and its levels in fit were num"):
        model.predict(frame.astype(str))
    with pytest.warns(UserWarning, match=r"'sex' of X has numbers, .* were text"):
        FITTED.predict(FEW.assign(sex=1))
    with warnings.catch_warnings(action="error"):
        FITTED.predict(FEW.assign(sex="x"))
        FITTED.predict(FEW.assign(sex=None))


def test_a_column_of_numbers_and_text_is_refused_with_remedies_that_work():
    mixed = FEW.assign(job=pd.Series([None, "a", 1, 2.5, "b"] * (N // 5), dtype=object))
    says = (
        r"mixes text and numbers: 'a' \(str\) in row 1, column {}, and 1 \(int\) in row 2\. Wedge.*"
        r"map\(str, na_action='ignore'\).*pandas.to_numeric\(X\[\.\.\.\], errors='coerce'\)"
    )
    model = WedgeReLURegressor(0.1, interaction_order=1)
    with pytest.raises(ValueError, match=says.format("'job'")):
        model.fit(mixed, Y)
    with pytest.raises(ValueError, match=says.format(1)):
        clone(model).set_params(categorical_features=[2]).fit(mixed.to_numpy(), Y)
    for named in ("from_dtype", ["job", "sex"]):
        model = clone(model).set_params(categorical_features=named)
        text = mixed.assign(job=mixed["job"].map(str, na_action="ignore"))
        levels = ["job = 1", "job = 2.5", "job = a", "job = b", "job is missing"]
        assert model.fit(text, Y).table_.input_names() == [
            "age",
            "age is missing",
            *levels,
            "sex = m",
        ]
    numbers = mixed.assign(job=pd.to_numeric(mixed["job"], errors="coerce"))
    model = clone(model).set_params(categorical_features="from_dtype").fit(numbers, Y)
    assert model.table_.input_names()[:2] == ["age", "job"]
    # After a fit to numbers, text is what is wrong.
    with pytest.raises(ValueError, match=r"X contains text: 'a' in row 1, column 'job'.*In fit"):
        model.predict(mixed)


def test_an_error_says_what_is_wrong():
    bad = [
        (["jobs"], FEW, r"'jobs', and X has no such column"),
        ([3], FEW, r"has 3, and X has no such column: give names, numbers from 0 to 2"),
        ([True, False], FEW, "mask of 2 columns, and X has 3"),
        ([[0]], FEW, "in one dimension"),
        (["job"], FEW.to_numpy(object), "X has no names"),
        (None, FEW, r"X contains text: '\w+' in row 0, column 'sex'"),
        ("from_dtype", FEW.to_numpy(object), r"X contains text"),
        (
            ["job"],
            FEW.assign(job=[1, "a"] * (N // 2)),
            r"'job' of X are of the types \['float', 'str'\].*map\(str, na_action='ignore'\)",
        ),
        (["job", "sex"], FEW.assign(job=None), "All values of column 'job' of X are missing"),
    ]
    for given, X, message in bad:
        with pytest.raises(ValueError, match=message):
            WedgeReLURegressor(0.1, categorical_features=given).fit(X, Y)
    dates = FEW.assign(day=pd.date_range("2020", periods=N))
    with pytest.raises(TypeError, match=r"dates or times: column 'day'.*days since"):
        WedgeReLURegressor(0.1).fit(dates, Y)
    with pytest.raises(ValueError, match="for the category 'job', whose levels are in no order"):
        WedgeReLURegressor(0.1, monotonic_cst={"job": 1}).fit(FEW, Y)
    with pytest.raises(ValueError, match=r"categorical_features.*must be"):
        WedgeReLURegressor(0.1, categorical_features="all").fit(FEW, Y)
    with pytest.raises(ValueError, match="feature"):
        FITTED.predict(FEW.iloc[:, :2])
    path = wedge_relu_path(FEW, Y, [0.1])
    features = WedgeFeatures(WedgeReLURegressor(0.1)).fit(FEW, Y)
    for predict in (FITTED.predict, features.transform, path.inputs):
        with (
            warnings.catch_warnings(action="error"),
            pytest.raises(ValueError, match="must be in the same order"),
        ):
            predict(FEW[FEW.columns[::-1]])


# --- rows ---------------------------------------------------------------------------------------


def test_a_level_that_is_not_known_is_the_mean_of_its_column():
    model = FITTED
    row = FEW.iloc[[1]]
    unknown = model.inputs_frame(row.assign(job="none", sex="x")).iloc[0]
    mean = model.inputs_frame(FEW).mean()
    assert_allclose(unknown.iloc[2:], mean.iloc[2:])
    missing = model.inputs_frame(row.assign(job=None, sex=None)).iloc[0]
    assert missing["job is missing"] == 1 and missing["job = art"] == 0
    assert missing["sex = m"] == mean["sex = m"]  # none was missing in training


def test_weights_are_copies_and_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(1)
    weight, order = rng.integers(0, 3, N), rng.permutation(N)
    copies = np.repeat(np.arange(N), weight)
    for model, y in ((WedgeReLURegressor(0.02), Y), (WedgeReLUClassifier(0.05), LABELS)):
        weighted = clone(model).fit(FRAME, y, weight)
        copied = clone(model).fit(FRAME.iloc[copies], y[copies])
        assert weighted.table_.input_names() == copied.table_.input_names()
        assert_allclose(weighted.predict(FRAME), copied.predict(FRAME), rtol=1e-9)
        shuffled = clone(model).fit(FRAME.iloc[order], y[order])
        assert_allclose(
            shuffled.predict(FRAME), clone(model).fit(FRAME, y).predict(FRAME), rtol=1e-9
        )


def test_a_row_does_not_see_its_own_target():
    """Targets that nothing explains: means of the same rows would explain them."""
    rng = np.random.default_rng(0)
    city = pd.DataFrame({"city": [f"c{k}" for k in rng.integers(0, 60, 400)]})
    noise = rng.normal(size=400)
    model = WedgeReLURegressor().fit(city, noise)
    held_out = model.score(city.sample(frac=1, random_state=0), noise)
    assert held_out < 0.05
    signal = noise + city["city"].str[1:].astype(int) / 10
    assert WedgeReLURegressor().fit(city, signal).score(city, signal) > 0.6


def test_scores_of_cross_validation_are_hardly_better_than_those_of_new_rows():
    gaps = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        of_city = 0.7 * rng.normal(size=80)
        city = rng.integers(0, 80, 4400)
        X = pd.DataFrame({"city": [f"c{k}" for k in city]})
        y = of_city[city] + rng.normal(size=4400)
        model = regressor_cv(alphas=[0.03], cv=4).fit(X[:400], y[:400])
        gaps.append(model.best_score_ + np.mean((model.predict(X[400:]) - y[400:]) ** 2))
    assert np.mean(gaps) < 0.12  # 0.24 if rows held out had their own target in their means


def test_target_means_do_not_tell_the_target_of_their_row():
    """Targets that nothing explains: no score is clearly better than that of the constant."""
    rng = np.random.default_rng(0)
    city = pd.DataFrame({"city": [f"c{k}" for k in rng.integers(0, 80, 400)]})
    noise = rng.normal(size=400)
    for scoring in (None, "r2"):
        cv = regressor_cv(alphas=[10.0, 0.1, 0.01], cv=4, scoring=scoring).fit(city, noise)
        constant, *others = cv.score_path_.mean(axis=-1)
        assert max(others) < constant + 0.03
    labels, other = (noise > 0).astype(int), rng.choice(["u", "v", "w"], 400)
    cv = classifier_cv(alphas=[10.0, 0.1, 0.01], cv=4).fit(city.assign(other=other), labels)
    constant, *others = cv.score_path_.mean(axis=-1)
    assert max(others) < constant + 0.02


@pytest.mark.parametrize("factor", [1000.0, 2.0**-7, 0.3])
def test_target_means_do_not_depend_on_units(factor):
    other = FRAME.assign(age=FRAME["age"] * factor)
    assert_allclose(
        WedgeReLURegressor(0.02).fit(other, Y * factor).predict(other),
        WITH_CITY.predict(FRAME) * factor,
        rtol=1e-6,
    )
    parts = WITH_CITY.table_.categories[-1].values
    scaled = WedgeReLURegressor(0.02).fit(other, Y * factor)
    assert_allclose(scaled.table_.categories[-1].values, parts * factor)


def test_rare_levels_are_pooled():
    many = pd.DataFrame({"city": [f"c{k % 25}" for k in range(250)] + ["rare", "rarer"]})
    y = np.append(np.arange(250) % 25, [900.0, 900.0])
    (category,) = WedgeReLURegressor(0.1).fit(many, y).table_.categories
    values = dict(zip(category.names(), category.values[:, 0], strict=True))
    assert values[" = rare"] == values[" = rarer"] == values[" is of another level"]
    assert values[" = c3"] < values[" = c20"] < values[" = rare"]


@pytest.mark.parametrize("n_known", [0, 40])
def test_a_category_most_of_whose_rows_are_of_rare_levels_is_warned_of(n_known):
    table = FEW.assign(day=["unknown" if k < n_known else f"{k}/1/2020" for k in range(N)])
    n_levels = N - n_known + (n_known > 0)
    says = rf"Most rows of 'day' are .* {N - n_known} of {n_levels} levels .* days since"
    with pytest.warns(UserWarning, match=says) as told:
        WedgeReLURegressor(0.1).fit(table, Y)
    assert [each.filename for each in told] == [__file__]
    with warnings.catch_warnings(action="error"):
        WedgeReLURegressor(0.1).fit(table.assign(day=[f"day {k // 5}" for k in range(N)]), Y)


# --- reading ------------------------------------------------------------------------------------


def test_words_speak_of_levels():
    assert FITTED.table_.input_names() == INPUTS
    text = " ".join(WITH_CITY.summary().split())
    assert "job (3 levels), sex (2 levels) as indicators" in text
    assert re.search(r"city \(\d\d levels\) as target means", text)
    assert "(sex = m)" in text
    assert any("job = it" in names for names in FITTED.neurons_frame()["inputs"])


def test_target_means_of_several_classes_and_targets_say_of_which():
    city = pd.DataFrame({"city": [f"c{k % 24:02}" for k in range(N)]})
    y = np.arange(N) % 24 / 24.0 + 1e-4 * np.arange(N)
    names = np.array(["few", "some", "many"])[np.digitize(y, [0.3, 0.7])]
    model = WedgeReLUClassifier(0.02, interaction_order=1).fit(city, names)
    inputs = [f"city as target mean of {name}" for name in ("few", "many", "some")]
    assert model.table_.input_names() == inputs
    assert "(city as target mean of few)" in model.summary()
    record = model.to_dict()
    assert [each["name"] for each in record["inputs"]] == inputs
    assert set().union(*(neuron["weights"] for neuron in record["neurons"])) <= set(inputs)
    both = np.column_stack([y, -y])
    for targets, called in ((both, "01"), (pd.DataFrame(both, columns=["u", "v"]), "uv")):
        model = WedgeReLURegressor(0.1, interaction_order=1).fit(city, targets)
        assert model.table_.input_names() == [f"city as target mean of {name}" for name in called]
    path = wedge_relu_path(city, both, [0.1])
    assert path.table.input_names() == ["city as target mean of 0", "city as target mean of 1"]
    for one, model in ((names == "few", WedgeReLUClassifier(0.02)), (y, WedgeReLURegressor(0.02))):
        model = model.set_params(interaction_order=1).fit(city, one)
        assert model.table_.input_names() == ["city as target mean"]
        assert "(city as target mean)" in model.summary()


def test_the_summary_names_the_columns_that_lacked_values_categories_too():
    says = "in age; replaced by medians, with an input that says so; in job a level of its own"
    assert f"Missing values: {says}" in " ".join(FITTED.summary().split())
    complete = FEW.assign(age=0.5)
    text = WedgeReLURegressor(0.1).fit(complete, Y).summary()
    assert "Missing values: in job a level of its own\n" in text
    rare = FRAME.assign(job="it", age=0.5)
    rare.loc[:2, "city"] = None
    text = WedgeReLURegressor(0.1).fit(rare, Y).summary()
    assert "Missing values: in city counted as a rare level\n" in text
    assert "Missing" not in WedgeReLURegressor(0.1).fit(rare.fillna("c01"), Y).summary()


def test_an_input_that_is_made_of_a_column_is_in_one_pair_of_parentheses():
    flag = pd.DataFrame({"job": np.where(np.arange(60) % 3, "it", "law")})
    model = WedgeReLURegressor(0.01, interaction_order=1, standardize=False)
    hinges = WedgeFeatures(model).fit(flag, 1.0 * (flag["job"] == "law"))
    (name,) = hinges.get_feature_names_out()
    (formula,) = hinges.estimator_.neurons_frame()["formula"]
    assert name == "relu(job = law)"
    assert formula.split(" · ")[1] == "(job = law)₊"


def test_effects_are_by_column():
    found = WITH_CITY.explain(NEW)
    total = found.intercept + found.contributions.sum(axis=1)
    assert_allclose(total, WITH_CITY.predict(NEW), rtol=1e-9)
    assert {"age", "job", "sex", "city"} <= set(found.names)
    assert "city is of another level" in found.summary(row=4, most=20)
    assert "sex = " in found.summary(row=8, most=20)
    importances = WITH_CITY.feature_importances_
    assert importances.shape == (4,) and np.isclose(importances.sum(), 1)


def test_displays_name_levels():
    pytest.importorskip("matplotlib").use("agg")
    display = EffectDisplay.from_estimator(FITTED, ["job", ("age", "job")])
    job, pair = display.effects
    assert job.levels == (("art", "it", "law"),) and pair.levels == (None, ("art", "it", "law"))
    rows = pd.DataFrame({"age": 0.0, "job": ["art", "it", "law", None], "sex": "m"})
    found = FITTED.explain(rows)
    values = found.contributions[:, found.names.index("job")]
    assert_allclose([*job.values, job.missing], values, atol=1e-12)
    labels = [text.get_text() for text in display.axes_.flat[0].get_xticklabels()]
    assert labels == ["art", "it", "law"]
    assert display.artists_[0].get_linestyle() == "None"  # levels have no order
    assert EffectDisplay.from_estimator(WITH_CITY).effects
    assert np.isfinite(SupportDisplay.from_estimator(FITTED, FEW).positions).all()
    assert SupportDisplay.from_estimator(WITH_CITY, FRAME)
    with pytest.raises(ValueError, match=r"NeuronDisplay draws .* without missing values and cat"):
        NeuronDisplay.from_estimator(WedgeReLURegressor(0.1).fit(FEW[["sex"]], Y), FEW[["sex"]])


def test_a_display_says_of_how_many_levels_it_draws_those_of_the_most_rows():
    pytest.importorskip("matplotlib").use("agg")
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(25), np.arange(6, 31))
    table = pd.DataFrame({"city": [f"c{k:02}" for k in rows], "age": rng.normal(size=len(rows))})
    y = np.sin(rows) * table["age"].to_numpy() + rows % 3
    model = WedgeReLURegressor(0.01, tol=0.01).fit(table, y)
    display = EffectDisplay.from_estimator(model, ["city", "age", ("age", "city")])
    city, _, pair = display.effects
    assert city.levels == (tuple(f"c{k:02}" for k in range(5, 25)),)
    assert (city.n_levels, pair.n_levels) == ((25,), (25, 0))
    assert (city.names, pair.names) == (("city",), ("city", "age"))
    labels = [(panel.get_xlabel(), panel.get_ylabel()) for panel in display.axes_.flat]
    note = "city (20 of 25 levels)"
    assert labels == [(note, "effect on target"), ("age", "effect on target"), (note, "age")]
    few = EffectDisplay.from_estimator(FITTED, ["job"])
    assert few.axes_.flat[0].get_xlabel() == "job" and few.effects[0].n_levels == (3,)


# --- out of the door ----------------------------------------------------------------------------


def test_lines_of_python_predict_the_same():
    record = json.loads(json.dumps(WITH_CITY.to_dict(), allow_nan=False))
    rows = [
        {k: None if isinstance(x, float) and math.isnan(x) else x for k, x in row.items()}
        for row in NEW.astype(object).where(NEW.notna(), None).to_dict("records")
    ]
    got = [predict_by_hand(record, row) for row in rows]
    assert_allclose(got, WITH_CITY.predict(NEW), rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_graph_of_onnx_predicts_the_same(dtype):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    frame = FRAME.assign(code=np.where(np.arange(N) % 7, np.arange(N) % 3, np.nan))
    rows = NEW.assign(code=np.resize([0.0, 1.0, np.nan, 7.0], len(NEW)))
    named = ["job", "sex", "city", "code"]
    models = (
        WedgeReLURegressor(0.02, categorical_features=named).fit(frame, Y),
        WedgeReLUClassifier(0.05, categorical_features=named).fit(frame, LABELS),
    )
    for model in models:
        session = runtime.InferenceSession(model.to_onnx(dtype).SerializeToString())
        feed = {}
        for each in session.get_inputs():
            column = rows[each.name]
            if "string" in each.type:  # empty text stands for what is missing
                column = column.astype(object).where(column.notna(), "").to_numpy(object)
            feed[each.name] = np.asarray(column).reshape(-1, 1)
            if "string" not in each.type:
                feed[each.name] = feed[each.name].astype(dtype)
        assert list(feed) == [*FRAME.columns, "code"]
        got = session.run(None, feed)[-1]
        is_classifier = hasattr(model, "classes_")
        wanted = model.predict_proba(rows) if is_classifier else model.predict(rows)[:, None]
        assert_allclose(got, wanted, atol=1e-5 if dtype == "float32" else 1e-12)


def predictions_of_graph(model, frame, dtype):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    session = runtime.InferenceSession(model.to_onnx(dtype).SerializeToString())
    feed = {name: frame[[name]].to_numpy().astype(dtype) for name in frame}
    return session.run(None, feed)[0][:, 0]


def with_codes(codes):
    """A number, and a category of numbers, each with an effect of its own."""
    code = np.resize(codes, N)
    frame = pd.DataFrame({"x": np.linspace(-1, 1, N), "code": code})
    return frame, frame["x"] + np.searchsorted(np.sort(codes), code) ** 2


def test_levels_that_are_one_number_in_single_precision_are_the_first_in_a_graph():
    frame, y = with_codes([2.0**24, 2.0**24 + 1, 2.0**24 + 5, 7.0])
    model = WedgeReLURegressor(0.01, categorical_features=["code"]).fit(frame, y)
    assert_allclose(predictions_of_graph(model, frame, "float64"), model.predict(frame), atol=1e-10)
    held = frame.assign(code=frame["code"].replace(2.0**24 + 1, 2.0**24))
    wanted = model.predict(held)
    assert_allclose(predictions_of_graph(model, frame, "float32"), wanted, atol=1e-4)


@pytest.mark.parametrize("fitted", ["f4", "f8"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fractions_are_the_same_levels_in_a_graph_and_in_plain_data(fitted, dtype):
    frame, y = with_codes([0.1, 0.7, 1.3, 2.0])
    model = WedgeReLURegressor(0.01, categorical_features=["code"])
    model.fit(frame.astype({"code": fitted}), y)
    new = pd.DataFrame({"x": 0.5, "code": [0.1, np.float32(0.1), 0.7, 1.3, 2.0, 0.11, 5.0, np.nan]})
    wanted = model.predict(new)
    assert wanted[0] == wanted[1]
    assert_allclose(predictions_of_graph(model, new, dtype), wanted, atol=1e-4)
    rows = new.astype(object).where(new.notna(), None).to_dict("records")
    assert_allclose([predict_by_hand(model.to_dict(), row) for row in rows], wanted, rtol=1e-9)


def test_networks_on_numbers_refuse_categories():
    with pytest.raises(ValueError, match=r"to_mlp makes .* on numbers, and of \['job', 'sex'\]"):
        FITTED.to_mlp()
    complete = WedgeReLURegressor(0.01).fit(FITTED.inputs_frame(FEW), Y)
    wanted = complete.predict(FITTED.inputs_frame(FEW))
    assert_allclose(complete.to_mlp().predict(FITTED.inputs_frame(FEW)), wanted)


def test_searches_copies_and_features_take_categories_and_polish_refuses_them():
    search = GridSearchCV(WedgeReLURegressor(tol=1e-2), {"alpha": [0.1, 0.03]}, cv=3).fit(FRAME, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert_array_equal(pickle.loads(pickle.dumps(WITH_CITY)).predict(NEW), WITH_CITY.predict(NEW))
    skops = pytest.importorskip("skops.io")
    saved = skops.dumps(WITH_CITY)
    loaded = skops.loads(saved, trusted=skops.get_untrusted_types(data=saved))
    assert_array_equal(loaded.predict(NEW), WITH_CITY.predict(NEW))
    features = WedgeFeatures(WedgeReLURegressor(0.02)).set_output(transform="pandas").fit(FRAME, Y)
    assert features.transform(NEW).shape == (len(NEW), features.estimator_.n_neurons_)
    by_scorer = regressor_cv(alphas=[0.1], cv=2, scoring="r2").fit(pl.from_pandas(FRAME), Y)
    assert np.isfinite(by_scorer.score_path_).all()
    mlp = MLPRegressor(hidden_layer_sizes=2, solver="lbfgs", max_iter=5, random_state=0)
    with warnings.catch_warnings(action="ignore"):
        mlp.fit(by_hand(FEW)[:, :3], Y)
        with pytest.raises(ValueError, match="X contains text"):
            polish(mlp, FEW, Y, alpha=0.1)


@pytest.mark.parametrize("given", [FRAME, pl.from_pandas(FRAME)], ids=["pandas", "polars"])
def test_a_path_is_that_of_the_estimator(given):
    path = wedge_relu_path(given, Y, [0.1, 0.02])
    assert path.table.input_names() == WITH_CITY.table_.input_names()
    new = NEW if given is FRAME else pl.from_pandas(NEW)
    assert_allclose(
        path.networks[-1].predict(path.inputs(new))[:, 0], WITH_CITY.predict(NEW), atol=1e-2
    )
    assert_allclose(path.certificates[-1].objective, WITH_CITY.certificate_.objective, rtol=2e-4)
    largest = alpha_max(given, Y)
    with pytest.warns(UserWarning, match="constant"):
        assert not WedgeReLURegressor(1.01 * largest).fit(FRAME, Y).n_neurons_
    assert WedgeReLURegressor(0.99 * largest).fit(FRAME, Y).n_neurons_
    with pytest.raises(ValueError, match="wedge_relu_path needs numbers"):
        wedge_relu_path(given, Y, [0.1], categorical_features=None)


@pytest.mark.parametrize("with_category", [True, False])
def test_a_path_refuses_other_columns_as_estimators_do(with_category):
    frame = FRAME if with_category else pd.DataFrame({"a": range(N), "b": np.arange(N) ** 2.0})
    estimator, path = WedgeReLURegressor(0.1).fit(frame, Y), wedge_relu_path(frame, Y, [0.1])
    assert path.n_features_in_ == frame.shape[1]
    assert_array_equal(path.feature_names_in_, frame.columns)
    others = [frame[frame.columns[::-1]], frame.iloc[:, :-1], frame.assign(more=1.0)]
    others += [] if with_category else [np.ones((2, 3)), np.ones((2, 1))]
    for other in others:
        with pytest.raises(ValueError) as wanted:
            estimator.predict(other)
        with pytest.raises(ValueError) as got:
            path.inputs(other)
        assert str(got.value) == str(wanted.value).replace("WedgeReLURegressor", "WedgePath")


def of_levels(frame, labels):
    """The share of the second class in each level, as good as it can be told."""
    own = frame.assign(y=labels).groupby("city")["y"].agg(["sum", "count"])
    return ((own["sum"] + 10 * labels.mean()) / (own["count"] + 10)).loc[frame["city"]].to_numpy()


@pytest.mark.parametrize("others", [{}, {"sex": ["m", "f"]}], ids=["alone", "beside two values"])
def test_the_only_category_tells_its_levels_apart(others):
    rng = np.random.default_rng(0)
    share = rng.uniform(0.05, 0.95, 40)
    city = rng.integers(0, 40, 1500)
    labels = (rng.random(1500) < share[city]).astype(int)
    frame = pd.DataFrame({"city": [f"c{k}" for k in city]})
    frame = frame.assign(**{name: rng.choice(levels, 1500) for name, levels in others.items()})
    model = WedgeReLUClassifier(0.01).fit(frame, labels)
    wanted = of_levels(frame, labels)
    assert np.abs(model.predict_proba(frame)[:, 1] - wanted).max() < 0.15
    order = rng.permutation(1500)
    shuffled = WedgeReLUClassifier(0.01).fit(frame.iloc[order], labels[order])
    assert_allclose(shuffled.predict_proba(frame), model.predict_proba(frame), rtol=1e-9)


def test_numbers_written_as_text_become_levels_with_a_warning():
    frame = pd.DataFrame({"power": [str(k) if k else "?" for k in range(60)], "x": range(60)})
    with pytest.warns(UserWarning, match=r"'power' of X is text, and 59 of its 60 levels are num"):
        WedgeReLURegressor(0.01).fit(frame, range(60))
    commas = frame.assign(power=[f"{k},5" for k in range(60)])
    with pytest.warns(
        UserWarning, match=r"60 of its 60 levels are numbers: .*replace\(',', '\.'\)"
    ):
        WedgeReLURegressor(0.01).fit(commas, range(60))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".* levels are numbers")
        WedgeReLURegressor(0.01).fit(frame.astype({"power": "category"}), range(60))
        WedgeReLURegressor(0.01, categorical_features=["power"]).fit(frame, range(60))
        few = (frame["x"] % 9).astype(str)
        WedgeReLURegressor(0.01).fit(frame.assign(power=few), range(60))


def test_warnings_of_numbers_as_text_name_the_line_of_the_user():
    frame = pd.DataFrame({"power": [str(k) for k in range(60)], "x": range(60)})
    fits = (
        WedgeReLURegressor(0.01).fit,
        WedgeFeatures(WedgeReLURegressor(0.01)).fit,
        regressor_cv(alphas=[0.1], cv=2).fit,
        lambda X, y: wedge_relu_path(X, y, [0.1]),
        alpha_max,
    )
    for fit in fits:
        with pytest.warns(UserWarning) as told:
            fit(frame, np.arange(60.0))
        (line,) = (each.filename for each in told if "are numbers" in str(each.message))
        assert line == __file__


def test_names_of_rows_do_not_tell_parts_of_the_rows_apart():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"id": [f"u{k}" for k in range(300)], "a": rng.normal(size=300)})
    model = WedgeReLURegressor(alpha=0.003).fit(table, rng.normal(size=300))
    assert model.feature_importances_[0] == 0
    assert np.unique(model.inputs_frame(table)["id as target mean"]).size == 1


@pytest.mark.parametrize("n_levels", [3, 25])
def test_levels_of_a_type_of_categories_may_be_numbers(n_levels):
    codes, noise = np.arange(200) % n_levels, np.random.default_rng(0).normal(size=200)
    frame = pd.DataFrame({"code": pd.Categorical(codes), "noise": noise})
    model = WedgeReLURegressor(1e-3, interaction_order=1).fit(frame, codes + 0.01 * noise)
    assert model.score(frame, codes) > 0.9
