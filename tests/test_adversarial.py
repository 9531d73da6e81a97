"""A share of ``benchmarks/adversarial.py``: fits that are hard are as good as they say."""

from dataclasses import replace

import pytest
from hard_problems import TURNS, hard_problem
from verdict import judged

from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._core.network import Network
from sklearn_wedge._core.neurons import NeuronClass
from sklearn_wedge._core.pricing import Pricing
from sklearn_wedge._core.pricing.pencils import PointTable
from sklearn_wedge._estimators.base import _WedgeNetwork

pytestmark = pytest.mark.newest

SHARE, MANY = range(2 * len(TURNS)), range(10 * len(TURNS))
# Where rounding moves a ramp off the samples that its end is through.
RAMP_OFF_ITS_SAMPLES = 174


@pytest.mark.parametrize("number", [*SHARE, RAMP_OFF_ITS_SAMPLES])
def test_a_hard_fit_is_as_good_as_it_says(number):
    problem = hard_problem(number)
    verdict = judged(problem)
    assert not verdict.failures, str(problem)
    # Nor do the bounds of the oracle leave any room, or contradict each other.
    assert -1e-12 <= verdict.oracle_gap <= 1e-6


def changed(change):
    """From a method to one with another result."""

    def broken(method):
        return lambda self, *args: change(method(self, *args))

    return broken


# What is broken, how, and which problems show it.
MUTATIONS = {
    "the largest value is 1 % too small": (
        Pricing,
        "price_exactly",
        changed(lambda priced: replace(priced, bound=0.99 * priced.bound)),
        {"loss": "squared"},
    ),
    "neurons of the last input are not priced": (
        PointTable,
        "varying_inputs",
        changed(lambda inputs: inputs[: max(1, len(inputs) - 1)]),
        {"loss": "squared"},
    ),
    "rejections are left out": (
        NeuronClass,
        "has_rejections",
        lambda _: property(lambda self: False),
        {"norm": "l2"},
    ),
    "coefficients need no sign": (
        NeuronClass,
        "coefficient_signs",
        changed(lambda signs: 0 * signs),
        {"norm": "l1"},
    ),
    "bounds are 1e-6 too high": (
        SquaredError,
        "dual_value",
        changed(lambda bound: bound + 1e-6),
        {"loss": "squared"},
    ),
    "losses are 1e-6 too small": (
        SquaredError,
        "value",
        changed(lambda loss: loss - 1e-6),
        {"loss": "squared"},
    ),
    "predictions are too large by 1e-6": (
        Network,
        "predict",
        changed(lambda outputs: outputs * (1 + 1e-6)),
        {"loss": "log loss"},
    ),
    "a fit that did not converge is silent": (
        _WedgeNetwork,
        "_warn_unless_converged",
        lambda _: lambda *args: None,
        {"stop": "few rounds"},
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_verdict_sees_every_mutation(mutation, monkeypatch):
    owner, name, broken, kind = MUTATIONS[mutation]
    monkeypatch.setattr(owner, name, broken(getattr(owner, name)))
    problems = (hard_problem(number) for number in MANY)
    shown = (problem for problem in problems if kind.items() <= problem.words.items())
    assert any(judged(problem).failures for problem in shown)
