"""Shared by all tests."""

import os

# Before anything reads it: processes of tests share the cores, each fit has one unless told more.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from functools import partial

import matplotlib
import pytest

from sklearn_wedge._core.pricing import SearchBudget
from sklearn_wedge._core.threads import single_threaded_blas

matplotlib.use("agg")


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_linear_algebra():
    """As inside a fit, also for tests that call the numerical core directly."""
    with single_threaded_blas():
        yield


@pytest.fixture
def nothing_is_cheap(monkeypatch):
    """A search is one: on few rows it would price the whole class, which costs less."""
    budget = partial(SearchBudget, exact_instead=0, exact_at_once=0)
    monkeypatch.setattr("sklearn_wedge._settings.options.SearchBudget", budget)
