"""Patient fits of deep networks: they end by what new neurons gain, not by a tolerance."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sklearn_wedge import WedgeReLURegressorCV
from sklearn_wedge._core import deep
from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._estimators.base import OF_OWN
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem, solve_blocks

pytestmark = pytest.mark.newest

OPTIONS = FitOptions(
    interaction_order=3, n_blocks=2, pricing="search", tol=1e-3, patient=True, roughly=OF_OWN
)
QUICK = replace(OPTIONS, tol=1e-4, rough=True, patient=False)


def table(n=250, d=8):
    """Kinks of kinks in three inputs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = np.abs(np.abs(X[:, 0] + X[:, 1] - X[:, 2]) - np.abs(X[:, 3] - X[:, 4] + X[:, 5]))
    return X, y + 0.05 * rng.normal(size=n)


def last_solution(options, alpha=2e-3):
    X, y = table()
    given = build_problem(X, y[:, None], np.ones(len(y)), options, SquaredError())
    ((*_, blocks),) = solve_blocks(*given, np.array([alpha]), options)
    assert len(blocks) == 2
    return blocks[-1].solution


def long_searches(solution):
    return [each.pricing for each in solution.history].count("long search")


def test_a_patient_fit_is_lower_than_a_quick_one():
    patient, quick = map(last_solution, (OPTIONS, QUICK))
    assert patient.certificate.objective < 0.97 * quick.certificate.objective
    assert long_searches(patient) >= 2
    assert long_searches(quick) == 0


def test_long_searches_after_the_turns_find_what_local_moves_do_not(monkeypatch):
    found = last_solution(OPTIONS)
    monkeypatch.setattr(deep, "searched_far", lambda whole, rule: whole)
    without = last_solution(OPTIONS)
    assert found.certificate.objective < 0.99 * without.certificate.objective
    assert long_searches(without) == 0


def test_no_more_rounds_are_made_than_are_allowed():
    assert len(last_solution(replace(OPTIONS, max_iter=4)).history) <= 4


def test_neurons_that_local_moves_find_need_no_long_search():
    assert long_searches(last_solution(replace(OPTIONS, interaction_order=2))) == 0


def test_a_deep_network_that_a_race_has_chosen_does_not_warn_of_its_tolerance():
    X = np.random.default_rng(0).normal(size=(120, 4))
    y = np.abs(np.abs(X[:, 0]) - np.abs(X[:, 1] + X[:, 2]))
    kind = {"interaction_order": 3, "norm": "l1", "n_blocks": 2, "encoding": None}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = WedgeReLURegressorCV(clip_quantile=None, cv=2, blend=False, **kind).fit(X, y)
    assert model.n_blocks_ == 2
    assert not model.certificate_.exact
    assert "long search" in {each.pricing for each in model.history_}


def test_the_first_block_of_a_patient_fit_is_solved_to_its_tolerance():
    X, y = table()
    given = build_problem(X, y[:, None], np.ones(len(y)), OPTIONS, SquaredError())
    patient, plain = (
        next(solve_blocks(*given, np.array([2e-3]), options))[0][0].solution
        for options in (OPTIONS, replace(OPTIONS, patient=False, n_blocks=1))
    )
    assert patient.converged
    assert patient.certificate == plain.certificate
