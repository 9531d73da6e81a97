"""Shared by all tests."""

import matplotlib
import pytest

from sklearn_wedge._threads import single_threaded_blas

matplotlib.use("agg")


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_linear_algebra():
    """As inside a fit, also for tests that call the numerical core directly."""
    with single_threaded_blas():
        yield
