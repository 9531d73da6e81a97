"""Shared by all tests."""

import os

# Before anything reads it: processes of tests share the cores, each fit has one unless told more.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from functools import partial
from importlib import import_module
from pathlib import Path

import matplotlib
import pytest

from sklearn_wedge._core import kernels
from sklearn_wedge._core.pricing import SearchBudget
from sklearn_wedge._core.threads import single_threaded_blas

matplotlib.use("agg")


def pytest_configure(config):
    """Where tests run in several processes each compiles some of the loops, and reads the others.

    Those that take longest come first, so that all are ready at the same time.
    """
    if not hasattr(config, "workerinput"):
        return
    of_all_processes = Path(config.option.basetemp).parent
    files = Path(kernels.__file__).parent.glob("[!_]*.py")
    for file in sorted(files, key=lambda file: -file.stat().st_size):
        try:
            (of_all_processes / f"compiles_{file.stem}").touch(exist_ok=False)
        except FileExistsError:
            continue
        import_module(f"{kernels.__name__}.{file.stem}")


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
