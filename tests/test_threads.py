"""Fits and predictions that overlap in threads: the process is left as it was, and so are results.

What is set for the whole process is looked at in processes of their own: here, a fixture of all
tests has linear algebra on one thread.
"""

import json
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from threading import Barrier, current_thread

import joblib
import numpy as np
import pytest
import sklearn
from joblib._parallel_backends import SequentialBackend
from plain_cv import regressor_cv
from sklearn.base import clone
from threadpoolctl import threadpool_info

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)
from sklearn_wedge._core.losses import OwnLoss, SquaredError
from sklearn_wedge._core.pricing.pencils import KeptWhileThereIsRoom
from sklearn_wedge._core.threads import _OneThread
from sklearn_wedge._estimators.workers import Workers
from sklearn_wedge._settings import options as options_module
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem

N_THREADS, PREDICTIONS_PER_FIT = 8, 10


def absolute(f, y):
    import cvxpy

    return cvxpy.abs(f - y)


# Estimators, rows and columns; a few tables are large enough for BLAS to share out products.
KINDS = [
    (WedgeReLURegressor(0.05), 20, 1),
    (WedgeReLURegressor(0.1), 30, 2),
    (WedgeReLUClassifier(0.05), 20, 1),
    (WedgeFeatures(WedgeReLURegressor(0.1)), 20, 2),
    (WedgeReLURegressor(0.1, n_jobs=2), 20, 3),
    (WedgeReLURegressor(0.2, interaction_order=None, norm="l2"), 12, 3),
    (WedgeReLURegressor(0.4, pricing="search", interaction_order=1), 600, 12),
    (WedgeReLURegressor(0.3, loss="absolute_error"), 10, 1),
    (WedgeReLURegressor(0.3, loss=absolute), 10, 1),
]
CHEAP, COSTLY = 5, len(KINDS)


def outcome(kind):
    """The bits of a fit and of some predictions."""
    model, n, d = KINDS[kind]
    rng = np.random.default_rng(kind)
    X = rng.normal(size=(n, d))
    y = np.abs(X[:, 0]) + X[:, -1] + 0.1 * rng.normal(size=n)
    labels = y > y.mean() if isinstance(model, WedgeReLUClassifier) else y
    fitted = type(model)(**model.get_params(deep=False)).fit(X, labels)
    outputs_of = fitted.transform if isinstance(model, WedgeFeatures) else fitted.predict
    outputs = [outputs_of(np.tile(X, (1 + j, 1))) for j in range(PREDICTIONS_PER_FIT)]
    network = getattr(fitted, "estimator_", fitted)
    arrays = [*network.coefs_, *network.intercepts_, *outputs]
    return sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def in_threads():
    """100 fits with ten predictions each, in threads."""
    kinds = [*(k % CHEAP for k in range(82)), *(k % COSTLY for k in range(18))]
    with ThreadPoolExecutor(N_THREADS) as pool:
        return kinds, list(pool.map(outcome, kinds))


def under_dask():
    """As tasks of dask's threads; also fits and predictions of dask arrays among them."""
    import dask
    from dask import array

    kinds = [k % COSTLY for k in range(18)]
    X = np.random.default_rng(0).normal(size=(300, 9))
    blocks = array.from_array(X, chunks=(100, -1)), array.from_array(np.abs(X[:, 0]), chunks=100)
    with dask.config.set(scheduler="threads", num_workers=N_THREADS):
        with ThreadPoolExecutor(2) as pool:
            fits = [pool.submit(WedgeReLURegressor(0.2).fit, *blocks) for _ in range(2)]
            found = list(dask.compute(*(dask.delayed(outcome)(kind) for kind in kinds)))
        predicted = [fit.result().predict(blocks[0]) for fit in fits]
        first, second = dask.compute(*predicted)
    alone = WedgeReLURegressor(0.2).fit(*blocks).predict(X)
    assert np.array_equal(first, alone)
    assert np.array_equal(second, alone)
    return kinds, found


def state():
    """What a fit might change for the whole process."""
    return [info["num_threads"] for info in threadpool_info()], list(warnings.filters)


def main(how):
    alone = [outcome(kind) for kind in range(COSTLY)]
    before = state()
    kinds, found = {"threads": in_threads, "dask": under_dask}[how]()
    after = state()
    report = {
        "kinds that differ": sorted(
            {kind for kind, bits in zip(kinds, found, strict=True) if bits != alone[kind]}
        ),
        "threads before": before[0],
        "threads after": after[0],
        "same warnings": before[1] == after[1],
    }
    print(json.dumps(report))


@pytest.mark.parametrize("how", ["threads", pytest.param("dask", marks=pytest.mark.newest)])
def test_overlapping_fits_and_predictions_leave_the_process_and_each_other(how):
    if how == "dask":
        pytest.importorskip("dask.array")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, __file__, how], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert max(report["threads before"]) > 1, "nothing could be seen here"
    assert report["threads after"] == report["threads before"]
    assert report["kinds that differ"] == []
    assert report["same warnings"]


# --- one limit, in any order --------------------------------------------------------------------


class ProcessLibrary:
    """Threads of the whole process, as OpenBLAS has them."""

    threading_layer = "pthreads"

    def __init__(self, n_threads):
        self.n_threads = n_threads

    def get_num_threads(self):
        return self.n_threads

    def set_num_threads(self, n_threads):
        self.n_threads = n_threads


class OwnedLibrary(ProcessLibrary):
    """The same, and only the thread that set a limit is heard, as in threadpoolctl from 3.8 on."""

    owner = None

    def set_num_threads(self, n_threads):
        self.owner = self.owner or current_thread()
        if self.owner is current_thread():
            self.n_threads = n_threads

    def clear_controlling_thread(self, force=False):
        if force or self.owner is current_thread():
            self.owner = None


class ThreadLibrary:
    """Threads of each calling thread, as OpenBLAS on top of OpenMP has them."""

    threading_layer = "openmp"

    def __init__(self, n_threads):
        self.n_threads, self.default = {}, n_threads

    def get_num_threads(self):
        return self.n_threads.get(current_thread(), self.default)

    def set_num_threads(self, n_threads):
        self.n_threads[current_thread()] = n_threads

    def clear_controlling_thread(self, force=False):
        pass


@pytest.mark.parametrize("kind", [ProcessLibrary, OwnedLibrary, ThreadLibrary])
@pytest.mark.parametrize("first_out", ["first in", "last in"])
def test_a_limit_ends_with_the_last_who_needs_it(kind, first_out):
    one_thread, library = _OneThread(), kind(4)
    one_thread._libraries = [library]
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:

        def seen():
            return [pool.submit(library.get_num_threads).result() for pool in (one, two)]

        before = one.submit(one_thread.enter).result(), two.submit(one_thread.enter).result()
        assert seen() == [1, 1]
        inside = [(one, before[0]), (two, before[1])]
        inside = inside if first_out == "first in" else inside[::-1]
        (leaver, given), (last, given_last) = inside
        leaver.submit(one_thread.leave, given).result()
        assert last.submit(library.get_num_threads).result() == 1
        last.submit(one_thread.leave, given_last).result()
        assert seen() == [4, 4]
        # What comes later may set limits of its own again.
        one.submit(library.set_num_threads, 3).result()
        assert one.submit(library.get_num_threads).result() == 3


# --- what threads share -------------------------------------------------------------------------


def test_what_two_threads_compute_at_once_takes_up_room_once():
    class Result:
        n_bytes = 60

    kept, both = KeptWhileThereIsRoom(100), Barrier(2)

    def compute(key):
        both.wait(timeout=60)
        return Result()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda key: kept.get(key, compute), ["same", "same"]))
    assert kept.has_room("same", 60)
    assert kept.has_room("another", 40)


def test_two_fits_of_one_loss_do_not_share_what_it_keeps_of_a_sample():
    loss = OwnLoss(absolute)
    problems = []
    for n in (10, 20):
        X = np.linspace(0.0, 1.0, n)[:, None]
        problem, sample = build_problem(X, X, np.ones(n), FitOptions(), loss)
        problem.loss.units(sample.target, sample.weight)
        problems.append(problem)
    first, second = problems
    # A fold of a cross-validation may ask this while another one is being fitted.
    assert first.loss._kept["target"] is first.sample.target
    assert second.loss._kept["target"] is second.sample.target


if __name__ == "__main__":
    main(sys.argv[1])


class OnlyWholeFits(SequentialBackend):
    """A backend that takes no work from within a fit, as workers that all wait for theirs."""

    uses_threads = supports_sharedmem = True

    def configure(self, *args, **kwargs):
        raise AssertionError("part of a fit was handed to the workers that run fits")


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_fit_does_not_wait_for_the_workers_that_run_fits_of_a_search(n_jobs):
    X = np.random.default_rng(0).uniform(-1, 1, size=(60, 3))
    model = WedgeReLURegressor(0.1, n_jobs=n_jobs)
    joblib.register_parallel_backend("only whole fits", OnlyWholeFits)
    with joblib.parallel_config(backend="only whole fits"):
        with pytest.raises(AssertionError, match="part of a fit"):  # the backend is in use
            joblib.Parallel(prefer="threads")([joblib.delayed(abs)(1)])
        model.fit(X, np.abs(X[:, 0] - X[:, 1]))
    assert model.certificate_.exact


class TwoAtATime:
    """A scorer that waits until it runs in two threads at once."""

    def __init__(self):
        self.met, self.threads = Barrier(2), set()

    def __call__(self, model, X, y):
        self.threads.add(current_thread())
        self.met.wait(timeout=60)
        return model.score(X, y)


@pytest.fixture
def two_threads(monkeypatch):
    """Cores that a fit may use."""
    monkeypatch.setattr(options_module, "_openmp_effective_n_threads", lambda: 2)


def test_folds_share_the_threads_that_a_fit_may_use(two_threads):
    X = np.random.default_rng(0).uniform(-1, 1, size=(60, 2))
    scorer = TwoAtATime()
    regressor_cv([0.1], cv=2, scoring=scorer).fit(X, np.abs(X[:, 0]))
    assert len(scorer.threads) == 2


def test_folds_have_one_thread_if_told_so(two_threads):
    X = np.random.default_rng(0).uniform(-1, 1, size=(60, 2))
    scorer = TwoAtATime()
    scorer.met = Barrier(1)
    regressor_cv([0.1], cv=2, scoring=scorer, n_jobs=1).fit(X, np.abs(X[:, 0]))
    assert scorer.threads == {current_thread()}


def test_folds_of_a_loss_that_cvxpy_solves_have_one_thread(two_threads):
    assert Workers.of(FitOptions(), OwnLoss(absolute)).n_threads == 1
    assert Workers.of(FitOptions(solver="cvxpy"), SquaredError()).n_threads == 1
    assert Workers.of(FitOptions(), SquaredError()).n_threads == 2


def test_parts_that_choose_alpha_have_no_more_threads_than_a_fit_is_given(two_threads):
    one = Workers.of(FitOptions(n_jobs=1), SquaredError())
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert one.parallel(3).n_jobs == 1
        # Who has a context of several workers shares them out.
        assert Workers.of(FitOptions(), SquaredError()).parallel(3).n_jobs == 1
    assert one.parallel(3).n_jobs == 1
    assert Workers.of(FitOptions(), SquaredError()).parallel(3).n_jobs == 2


def test_tasks_at_once_leave_the_filters_of_warnings_as_they_are_and_know_the_configuration():
    at_once = Barrier(2)

    def seen(_):
        at_once.wait(timeout=60)
        return sklearn.get_config()["assume_finite"]

    with warnings.catch_warnings(), sklearn.config_context(assume_finite=True):
        warnings.simplefilter("ignore")
        before = list(warnings.filters)
        assert Workers(2).map(seen, [(k,) for k in range(20)]) == [True] * 20
        assert warnings.filters == before


@pytest.mark.parametrize("model", [WedgeReLURegressor(), WedgeReLURegressorCV(effort="fast")])
def test_what_is_chosen_does_not_depend_on_the_threads_of_folds(model, monkeypatch):
    X = np.random.default_rng(0).uniform(-1, 1, size=(120, 3))
    y = np.abs(X[:, 0] - X[:, 1]) + 0.1 * np.random.default_rng(1).normal(size=120)
    found = []
    for n_threads in (1, 2, 4):
        monkeypatch.setattr(options_module, "_openmp_effective_n_threads", lambda k=n_threads: k)
        fit = clone(model).fit(X, y)
        found.append((fit.alpha_, fit.predict(X).tobytes()))
    assert found[0] == found[1] == found[2]
