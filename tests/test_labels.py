"""Labels that no classifier can take, or that look like something else, before any fit."""

import warnings

import numpy as np
import pytest
from plain_cv import classifier_cv

from sklearn_wedge import WedgeReLUClassifier

X = np.random.default_rng(0).normal(size=(40, 2))
LABELS = ["a", "b"] * 20


def labels_with(value, row=7):
    return [*LABELS[:row], value, *LABELS[row + 1 :]]


def as_object(labels):
    return np.array(labels, dtype=object)


def as_dask(labels):
    return pytest.importorskip("dask.array").from_array(as_object(labels), chunks=5)


def as_pandas(labels):
    return pytest.importorskip("pandas").Series(labels)


def as_polars(labels):
    return pytest.importorskip("polars").Series(labels)


@pytest.mark.parametrize("kind", [list, as_object, as_dask, as_pandas, as_polars])
@pytest.mark.parametrize("value", [None, np.nan, "pd.NA"])
def test_a_missing_label_is_no_class_and_is_found(kind, value):
    if kind is as_polars and value is not None:
        pytest.skip("no such value among text")
    if value == "pd.NA":
        value = pytest.importorskip("pandas").NA
    data = pytest.importorskip("dask.array").from_array(X, chunks=5) if kind is as_dask else X
    with pytest.raises(ValueError, match=r"y contains (None|nan|<NA>) in row 7: .*label of their"):
        WedgeReLUClassifier(0.01).fit(data, kind(labels_with(value)))


def test_a_missing_label_among_numbers_is_no_class_and_is_found():
    for labels in ([0, 1, None] * 13 + [0], [True, False, None] * 13 + [True]):
        for kind in (list, as_object, as_dask):
            data = pytest.importorskip("dask.array").from_array(X, 5) if kind is as_dask else X
            with pytest.raises(ValueError, match="y contains None in row 2"):
                WedgeReLUClassifier(0.01).fit(data, kind(labels))


def test_numbers_among_text_are_a_clear_error():
    for value in (3, 2.5):
        with pytest.raises(ValueError, match=rf"text and labels of type {type(value).__name__}"):
            classifier_cv(2).fit(X, as_object(labels_with(value)))


@pytest.mark.parametrize("kind", [list, as_object, as_dask, as_pandas, as_polars])
def test_labels_of_text_are_taken(kind):
    data = pytest.importorskip("dask.array").from_array(X, chunks=5) if kind is as_dask else X
    assert WedgeReLUClassifier(10.0).fit(data, kind(LABELS)).classes_.tolist() == ["a", "b"]


@pytest.mark.parametrize("dask", [False, True])
def test_a_quantity_fitted_as_classes_is_warned_of(dask):
    inputs, y = np.arange(44.0)[:, None], np.repeat(np.arange(22.0), 2)
    model = WedgeReLUClassifier(10.0, max_iter=1)

    def said(target):
        data = inputs[: len(target)], target
        if dask:
            array = pytest.importorskip("dask.array")
            data = (array.from_array(each, chunks=(20, *each.shape[1:])) for each in data)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(*data)
        return [each for each in caught if "distinct" in str(each.message)]

    (warning,) = said(y)
    assert "22 distinct floating-point numbers" in str(warning.message)
    assert "use WedgeReLURegressor" in str(warning.message)
    assert warning.filename == __file__
    assert not said(y.astype(int))
    assert not said(y % 20)
