"""Frames of dask, and categories in chunks: the table that memory has, found by sums over rows."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_wedge import WedgeFeatures, WedgeReLUClassifier, WedgeReLURegressor
from sklearn_wedge._core.rows import LocalChunks
from sklearn_wedge._tables import Levels, categories_of_rows, fitted_table
from sklearn_wedge._tables.parts import parts_by_content

dask = pytest.importorskip("dask")
frames = pytest.importorskip("dask.dataframe")
array = pytest.importorskip("dask.array")

N = 300
# Working memory, in MiB, beyond which a table of so many rows is fitted in chunks.
LITTLE = 0.2


def table(n=N, seed=0):
    """Numbers with gaps, two categories of few levels, one with gaps, and one of thirty levels."""
    rng = np.random.default_rng(seed)
    age, city = rng.normal(size=n), rng.integers(0, 30, n)
    job = rng.choice(["law", "art", "it"], n).astype(object)
    y = np.abs(age) + 2.0 * (job == "it") + city / 15
    age[::11], job[::9] = np.nan, None
    flag = np.where(rng.random(n) < 0.5, "u", "v")
    frame = pd.DataFrame({"age": age, "job": job, "flag": pd.Categorical(flag)})
    return frame.assign(city=[f"c{k:02}" for k in city]), pd.Series(y, name="cost")


FRAME, Y = table()
FEW = FRAME.drop(columns="city")
WEIGHT = pd.Series(np.random.default_rng(1).integers(0, 3, N).astype(float))
MODEL = WedgeReLURegressor(0.08, tol=0.1, interaction_order=1)


def lazy(data, n=2):
    return frames.from_pandas(data, npartitions=n)


def in_chunks(X, y, weight=None):
    """The network of a table in memory that is fitted in chunks."""
    with sklearn.config_context(working_memory=LITTLE):
        return sklearn.clone(MODEL).fit(X, y, weight)


IN_CHUNKS = in_chunks(FEW, Y)
FITTED = sklearn.clone(MODEL).fit(lazy(FEW), lazy(Y))
WITH_CITY = sklearn.clone(MODEL).fit(lazy(FRAME), lazy(Y), WEIGHT)
CLASSIFIER = WedgeReLUClassifier(0.1, tol=0.1, interaction_order=1)


def test_a_frame_has_the_network_of_the_same_table_in_chunks():
    other = in_chunks(FEW, Y, WEIGHT)
    model = sklearn.clone(MODEL).fit(lazy(FEW), lazy(Y, 2), lazy(WEIGHT, 4))
    assert model.table_.input_names() == other.table_.input_names()
    assert_allclose(model.certificate_.objective, other.certificate_.objective, rtol=1e-9)
    assert_allclose(model.predict(FEW), other.predict(FEW), rtol=1e-9)
    assert_array_equal(model.support_, other.support_)
    assert model.feature_names_in_.tolist() == ["age", "job", "flag"]
    assert model.target_names_in_.tolist() == ["cost"]


def halves_of(number):
    return (FEW[:150], FEW[150:150], FEW[150:])[number]


def kinds():
    yield "text", lazy(FEW.astype({"flag": str}))
    with dask.config.set({"dataframe.convert-string": False}):
        yield "objects", lazy(FEW.astype({"flag": object}))
    unknown = lazy(FEW.assign(flag=FEW["flag"].astype(str)))
    yield "levels that are not known", unknown.assign(flag=unknown["flag"].astype("category"))
    yield "a partition without rows", frames.from_map(halves_of, [0, 1, 2], meta=FEW[:0])


@pytest.mark.parametrize("X", [pytest.param(X, id=kind) for kind, X in kinds()])
def test_a_category_is_the_same_in_every_type_of_frame(X):
    model = sklearn.clone(MODEL).fit(X, Y)
    assert_allclose(model.predict(FEW), IN_CHUNKS.predict(FEW), rtol=1e-9)
    assert_array_equal(model.predict(X).compute(), model.predict(FEW))


@pytest.mark.parametrize("as_numbers", [True, False])
def test_columns_of_an_array_are_categories_if_they_are_named(as_numbers):
    codes = {"art": 10.0, "it": 20.0, "law": 30.0} if as_numbers else {}
    X = FEW[["age", "job"]].replace({"job": codes}).to_numpy(float if as_numbers else object)
    chunks = array.from_array(X, chunks=(110, 1))
    model = sklearn.clone(MODEL).set_params(categorical_features=[1]).fit(chunks, Y)
    other = in_chunks(FEW[["age", "job"]], Y)
    assert_allclose(model.predict(X), other.predict(FEW[["age", "job"]]), rtol=1e-9)
    assert_array_equal(model.predict(chunks).compute(), model.predict(X))


def test_target_means_are_those_of_all_rows_in_memory():
    labels = pd.Series(np.digitize(Y, [1, 2]))
    classes = sklearn.clone(CLASSIFIER).fit(lazy(FRAME), lazy(labels), WEIGHT)
    for there, y in ((WITH_CITY, Y), (classes, labels)):
        here = sklearn.clone(there).fit(FRAME, y, WEIGHT)
        assert there.table_.input_names() == here.table_.input_names()
        for one, other in zip(there.table_.categories, here.table_.categories, strict=True):
            assert (one.levels, one.kind, one.labels) == (other.levels, other.kind, other.labels)
            assert_allclose(one.values, other.values, rtol=1e-12)
            assert_allclose(one.shares, other.shares, rtol=1e-12)
        assert abs(there.score(FRAME, y) - here.score(FRAME, y)) < 0.05
        assert_array_equal(there.predict(lazy(FRAME)).compute(), there.predict(FRAME))


def rows_of(codes, target, weight, at_most=64):
    return LocalChunks(codes[:, None].astype(float), target, weight, at_most)


def own_means_by_hand(codes, y, weight, part):
    """The mean of a level in the other parts, shrunk by ten of the lightest rows to that of all."""
    prior = 10 * weight.min()
    mean, found = np.average(y, weights=weight), np.empty(len(y))
    for row, code in enumerate(codes):
        others = (codes == code) & (part != part[row])
        found[row] = weight[others] @ y[others] + prior * mean
        found[row] /= weight[others].sum() + prior
    return found


@pytest.mark.parametrize("at_most", [64, 1000])
def test_the_rows_themselves_have_target_means_of_the_other_parts(at_most):
    rng = np.random.default_rng(0)
    codes, y, weight = rng.permutation(600) % 25, rng.normal(size=600), rng.uniform(1, 3, 600)
    rows = rows_of(codes, y[:, None], weight, at_most)
    fitted = categories_of_rows(rows, Levels({0: tuple(range(25))}), ["city"])
    part = np.concatenate(rows.map(fitted.parts))
    encoding = fitted_table(rows, ["city"], fitted.categories)
    inputs = np.concatenate(rows.map(fitted.inputs_of_chunk, encoding))
    assert np.bincount(part).min() > 80 and len(np.unique(part)) == 5
    assert_allclose(inputs[:, 0], own_means_by_hand(codes, y, weight, part), rtol=1e-12)


def test_parts_depend_on_the_row_alone_unless_most_rows_differ_in_their_class_alone():
    rng = np.random.default_rng(0)
    x, codes, weight = rng.normal(size=500), rng.integers(0, 25, 500), np.ones(500)
    classes = (rng.random(500) < 0.5).astype(float)[:, None]
    X = np.column_stack([x, codes])
    order, copies = rng.permutation(500), np.repeat(np.arange(500), 2)
    rows = LocalChunks(X, classes, weight, 90)
    parts = parts_by_content(rows, 25)
    part = np.concatenate(rows.map(parts))
    assert not parts.one_by_one and not parts.counted.any()
    shuffled = LocalChunks(X[order], classes[order], weight, 70)
    assert_array_equal(np.concatenate(shuffled.map(parts_by_content(shuffled, 25))), part[order])
    twice = LocalChunks(X[copies], classes[copies], np.ones(1000), 90)
    assert_array_equal(np.concatenate(twice.map(parts_by_content(twice, 25))), part[copies])
    # Of the category alone each level would be in one part, and have no mean in the others.
    alone = rows_of(codes, classes, weight)
    parts = parts_by_content(alone, 25)
    part = np.concatenate(alone.map(parts))
    assert parts.one_by_one
    assert min(len(np.unique(part[codes == code])) for code in range(25)) >= 4


def test_a_category_alone_tells_its_levels_apart():
    rng = np.random.default_rng(0)
    share = np.linspace(0.05, 0.95, 25)
    city = rng.integers(0, 25, 1000)
    labels = pd.Series((rng.random(1000) < share[city]).astype(int))
    frame = pd.DataFrame({"city": [f"c{k}" for k in city]})
    model = sklearn.clone(CLASSIFIER).set_params(alpha=0.01).fit(lazy(frame), labels)
    found = model.predict_proba(frame)[:, 1]
    assert np.abs(found - share[city]).mean() < 0.1


def test_partitions_on_workers_have_the_network_of_one_machine():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False}
    with (
        distributed.LocalCluster(**options, dashboard_address=":0") as cluster,
        distributed.Client(cluster),
    ):
        model = sklearn.clone(MODEL).fit(lazy(FRAME), lazy(Y), WEIGHT)
        predicted = model.predict(lazy(FRAME)).compute()
    difference = model.certificate_.objective - WITH_CITY.certificate_.objective
    assert abs(difference) < 1e-9
    assert_allclose(predicted, WITH_CITY.predict(FRAME), rtol=1e-9)


def test_levels_that_were_not_there_are_predicted_as_in_memory():
    new = FEW.assign(job="none of them", flag=None)
    assert_array_equal(FITTED.predict(lazy(new)).compute(), FITTED.predict(new))
    features = WedgeFeatures(MODEL).fit(lazy(FEW), lazy(Y))
    assert_array_equal(features.transform(lazy(new)).compute(), features.transform(new))


def test_columns_that_are_not_those_of_the_fit_are_refused():
    with pytest.raises(ValueError, match="feature names should match"):
        FITTED.predict(lazy(FEW[["job", "age", "flag"]]))
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        FITTED.predict(lazy(FEW[["age", "job"]]))


def test_target_means_are_of_the_target_where_some_partition_has_no_weight():
    weight = WEIGHT.where(np.arange(N) >= N // 2, 0.0)
    model = WedgeReLURegressor(
        0.02, loss="quantile", quantile=(0.1, 0.9), tol=0.1, interaction_order=1
    ).fit(lazy(FRAME), lazy(Y), weight)
    assert [name for name in model.table_.input_names() if "city" in name] == [
        "city as target mean"
    ]
    assert np.isfinite(model.predict(FRAME)).all()


def test_target_means_of_several_classes_say_of_which():
    labels = pd.cut(Y, [-1.0, 1.0, 2.0, 9.0], labels=["few", "some", "many"]).astype(str)
    model = WedgeReLUClassifier(0.1, tol=0.1, interaction_order=1)
    model.fit(lazy(FRAME[["city"]]), lazy(labels))
    inputs = [f"city as target mean of {name}" for name in ("few", "many", "some")]
    assert model.table_.input_names() == inputs


def test_an_error_names_the_block_of_an_array_of_objects():
    X = np.array([[1.0, "a"], [2.0, "b"], [4.0, "a"]] * 20, dtype=object)
    model = WedgeReLURegressor(0.01, tol=0.1, interaction_order=1, categorical_features=[1])
    model.fit(array.from_array(X, chunks=(30, 2)), np.arange(60.0))
    X[40, 0] = np.inf
    with pytest.raises(ValueError, match=r"In block 1 of the rows.*infinity"):
        model.predict(array.from_array(X, chunks=(30, 2))).compute()


def test_errors_say_where_something_is_wrong():
    with dask.config.set({"dataframe.convert-string": False}):
        mixed = FEW.assign(job=np.where(FEW.index == 120, 7, FEW["job"]))
        with pytest.raises(
            ValueError, match=r"In partition \d of X.* text.* in row \d+, column 'job'"
        ):
            MODEL.fit(lazy(mixed), Y)
        levels = WedgeReLURegressor(0.1, categorical_features=["job"])
        with pytest.raises(ValueError, match=r"those of column 'job' of X are of the types"):
            levels.fit(lazy(mixed), Y)
    infinite = FEW.assign(age=np.where(FEW.index == 120, np.inf, FEW["age"]))
    with pytest.raises(ValueError, match=r"contains infinity.* row 120, column 'age'"):
        MODEL.fit(lazy(infinite), Y)
    with pytest.raises(
        ValueError, match=r"In partition 0 of X, .*infinity.* row 120, column 'age'"
    ):
        FITTED.predict(lazy(infinite)).compute()
    with pytest.raises(ValueError, match="All values of column 'job'"):
        MODEL.fit(lazy(FEW.assign(job=pd.Categorical([None] * N, ["a"]))), Y)
    with pytest.raises(TypeError, match="dates or times: column 'day'"):
        MODEL.fit(lazy(FEW.assign(day=pd.Timestamp("2020"))), Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples: 300 and 299"):
        MODEL.fit(lazy(FEW), lazy(Y[1:]))
    with pytest.raises(ValueError, match="categorical_features has 'jobs'"):
        WedgeReLURegressor(0.1, categorical_features=["jobs"]).fit(lazy(FEW), Y)
    with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
        MODEL.fit(lazy(Y), Y)
    bag = pytest.importorskip("dask.bag").from_sequence([1, 2])
    with pytest.raises(TypeError, match="X is a dask Bag: pass a dask array, or a data frame"):
        MODEL.fit(bag, Y)


def test_text_of_numbers_is_warned_of():
    codes = FEW.assign(job=[str(k % 40) for k in range(N)])
    with pytest.warns(UserWarning, match="'job' of X is text, and 40 of its 40 levels are numbers"):
        MODEL.fit(lazy(codes), Y)
