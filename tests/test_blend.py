"""CV estimators average networks of several kinds where rows held out gain by it."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_wedge import (
    WedgeReLUClassifier,
    WedgeReLUClassifierCV,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)
from sklearn_wedge._core.losses import Pinball, SquaredError
from sklearn_wedge._estimators import blend
from sklearn_wedge._estimators.blend import (
    PARTS_OF_A_BLEND,
    ROUGHLY,
    Blend,
    _losses,
    _of_runners,
    selected_shares,
)
from sklearn_wedge._estimators.fold_paths import Combination, FoldPath
from sklearn_wedge._estimators.folds import Fold, Task
from sklearn_wedge._estimators.held_out import held_out_shift
from sklearn_wedge._estimators.race import Outcome, Runner
from sklearn_wedge._estimators.race_plan import Stage
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge.inspection import CertificateDisplay

pytestmark = pytest.mark.newest

LOSS = SquaredError()


def data(n=150, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 3))
    smooth = np.sin(3 * X[:, 0]) + np.sin(3 * X[:, 1]) + np.sin(3 * X[:, 2] + X[:, 0])
    return X, smooth + 0.4 * rng.normal(size=n)


X, Y = data()
NEW, _ = data(500, seed=2)


def cv(**parameters):
    """Kinds that are close to each other on these data, and differ."""
    return WedgeReLURegressorCV(interaction_order=(1, 2), n_blocks=1, **parameters)


@pytest.fixture(scope="module", autouse=True)
def any_gain_is_enough():
    """On which side of the least gain so few rows are depends on versions of libraries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blend, "LEAST_GAIN", 0.0)
        patch.setattr(blend, "NOISE", 0.0)
        yield


@pytest.fixture(scope="module")
def blended():
    model = cv().fit(X, Y)
    assert len(model.members_) > 1
    return model


@pytest.fixture(scope="module")
def alone():
    return cv(blend=False).fit(X, Y)


# Shares


def shares_of(*predictions, target):
    columns = [np.reshape(each, (-1, 1)) for each in predictions]
    weight = np.full(len(target), 1 / len(target))
    return selected_shares(LOSS, columns, np.reshape(target, (-1, 1)), weight)


def test_errors_that_cancel_have_equal_shares():
    target, error = np.zeros(4), np.array([1.0, -1.0, 2.0, -2.0])
    assert_array_equal(shares_of(error, -error, target=target), [0.5, 0.5])


def test_what_only_makes_it_worse_has_no_share():
    target = np.arange(5.0)
    assert_array_equal(shares_of(target, target + 1, target=target), [1.0, 0.0])


def test_shares_are_near_those_of_least_squares():
    rng = np.random.default_rng(0)
    target, one, other = rng.normal(size=(3, 400))
    first, second = target + one, target + 0.5 * other
    found = shares_of(first, second, target=target)
    between = first - second
    best = between @ (target - second) / (between @ between)
    assert found.sum() == pytest.approx(1.0)
    assert_allclose(found[0], best, atol=1 / PARTS_OF_A_BLEND)


# Estimators


def test_the_network_chosen_is_the_first_member_as_it_is_alone(blended, alone):
    first = blended.members_[0]
    assert blended.best_params_ == alone.best_params_
    assert first.params == {**blended.best_params_, "alpha": blended.alpha_}
    assert first.certificate == blended.certificate_ == alone.certificate_
    assert first.n_neurons == alone.n_neurons_ == alone.members_[0].n_neurons
    most = sum(each.n_neurons for each in blended.members_)
    assert first.n_neurons < blended.n_neurons_ <= most


def test_it_predicts_the_average_of_its_members(blended, alone):
    first, *others = blended.members_
    assert sum(each.share for each in blended.members_) == pytest.approx(1.0)
    expected = first.share * alone.predict(NEW)
    for each in others:
        # Its penalty means the same in a fit of one's own, which is closer to the optimum.
        model = WedgeReLURegressor(**each.params, tol=1e-3).fit(X, Y)
        expected += each.share * model.predict(NEW)
    distance = np.sqrt(np.mean((blended.predict(NEW) - expected) ** 2))
    assert distance < 0.03 * Y.std()
    assert distance < 0.7 * np.sqrt(np.mean((alone.predict(NEW) - expected) ** 2))


def test_all_members_have_inputs_as_the_one_chosen(blended):
    for each in blended.members_:
        for name in ("encoding", "clip_quantile"):
            assert each.params[name] == blended.best_params_[name]


def test_kinds_that_ran_to_be_averaged_are_the_last_stage_and_ranked_last():
    model = WedgeReLURegressorCV().fit(X, Y)
    ran, before = model.cv_results_, clone(model).set_params(blend=False).fit(X, Y).cv_results_
    assert ran["iter"].max() == before["iter"].max() + 1
    assert ran["params"][np.argmin(ran["rank_test_score"])] == model.best_params_
    n_before = len(before["iter"])
    assert_array_equal(ran["mean_test_score"][:n_before], before["mean_test_score"])
    assert_array_equal(ran["rank_test_score"][:n_before], before["rank_test_score"])
    assert ran["rank_test_score"][n_before:].min() > before["rank_test_score"].max()


@pytest.mark.parametrize("parameters", [{"blend": False}, {"effort": "fast"}])
def test_without_it_there_is_one_member(parameters):
    model = WedgeReLURegressorCV(**parameters).fit(X, Y)
    (member,) = model.members_
    assert member.share == 1.0
    assert member.n_neurons == model.n_neurons_


def test_a_grid_of_candidates_chooses_one_network():
    one = {"n_blocks": 1, "encoding": None, "clip_quantile": None}
    kinds = {"interaction_order": (1, 2), "norm": ("l1", "l2")}
    assert len(WedgeReLURegressorCV(5, **kinds, **one, cv=3).fit(X, Y).members_) == 1


def test_where_nothing_can_be_validated_there_is_one_member():
    assert len(WedgeReLURegressorCV().fit(X[:5], Y[:5]).members_) == 1


def test_a_weight_is_as_many_copies(blended):
    weight = np.random.default_rng(0).integers(0, 3, len(Y))
    weighted = cv().fit(X, Y, sample_weight=weight)
    copies = cv().fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight))
    assert [each.share for each in weighted.members_] == [each.share for each in copies.members_]
    assert_allclose(weighted.predict(NEW), copies.predict(NEW), rtol=1e-5, atol=1e-6)


def test_the_order_of_rows_is_nothing(blended):
    order = np.random.default_rng(0).permutation(len(Y))
    other = cv().fit(X[order], Y[order])
    assert [each.share for each in other.members_] == [each.share for each in blended.members_]
    assert_allclose(other.predict(NEW), blended.predict(NEW), rtol=1e-5, atol=1e-6)


def test_it_is_read_and_saved_as_one_network(blended):
    copied = pickle.loads(pickle.dumps(blended))
    assert_array_equal(copied.predict(NEW), blended.predict(NEW))
    assert blended.feature_importances_.sum() == pytest.approx(1.0)
    assert len(blended.neurons_frame()) == blended.n_neurons_
    text = blended.summary()
    assert f"Average of {len(blended.members_)} networks" in text
    assert f"{blended.members_[0].share:.2f} of" in text


def test_effects_of_an_average_add_up_to_it(blended):
    explanation = blended.explain(NEW)
    parts = explanation.contributions.sum(axis=1) + explanation.intercept
    assert_allclose(parts, blended.predict(NEW), rtol=1e-6, atol=1e-6)


def test_log_odds_are_averaged_of_classifiers():
    X, y = data(200, 3)
    labels = (y + 0.2 * np.random.default_rng(3).normal(size=200) > 1).astype(int)
    kinds = {"interaction_order": (1, 2), "norm": ("l1", "l2"), "n_blocks": 1}
    model = WedgeReLUClassifierCV(**kinds).fit(X, labels)
    assert len(model.members_) > 1
    alone = clone(model).set_params(blend=False).fit(X, labels)
    assert model.members_[0].certificate == alone.certificate_
    expected = model.members_[0].share * alone.decision_function(NEW)
    for each in model.members_[1:]:
        one = WedgeReLUClassifier(**each.params, tol=1e-3).fit(X, labels)
        expected += each.share * one.decision_function(NEW)
    off = model.decision_function(NEW) - expected
    assert np.std(off) < 0.5 * np.std(alone.decision_function(NEW) - expected)


def test_other_kinds_have_as_many_layers_as_are_given():
    kinds = {"interaction_order": (1, 2), "encoding": None, "clip_quantile": None}
    model = WedgeReLURegressorCV(n_blocks=2, norm="l1", **kinds).fit(X, Y)
    assert {each.params["n_blocks"] for each in model.members_} == {2}
    assert set(model.cv_results_["param_n_blocks"]) == {2}


def test_whose_certificate_is_shown_is_said(blended, alone):
    whose = f"of the first of {len(blended.members_)} networks averaged"
    assert whose in blended._repr_html_()
    assert whose not in alone._repr_html_()
    title = CertificateDisplay.from_estimator(blended).ax_.get_title()
    assert title.endswith(whose)
    assert [block.certificate for block in blended.blocks_] == [None]


def test_a_fold_without_weight_does_not_count():
    folds = [(np.arange(75, 150), np.arange(75)), (np.arange(75), np.arange(75, 150))]
    weight = np.where(np.arange(150) < 75, 0.0, 1.0)
    target = Y[:, None]
    task = Task(X, Y, target, weight, LOSS)
    some = [Fold(*fold, place, 2) for place, fold in enumerate(folds)]

    def outcome(factor):
        said = tuple(FoldPath(held_out=(factor * target[fold.test],)) for fold in some)
        return SimpleNamespace(at=0, folds=some, paths=said)

    half = Blend((outcome(0.5), outcome(1.5)), (0.5, 0.5))
    assert_allclose(_losses(task, half, some), [0.0])


@pytest.mark.parametrize(("error", "is_enough"), [(0.98, True), (0.999, False)])
def test_an_average_has_to_gain_a_hundredth_of_the_loss(monkeypatch, error, is_enough):
    monkeypatch.setattr(blend, "LEAST_GAIN", 0.01)
    target = np.ones((150, 1))
    task = Task(X, Y, target, np.ones(150), LOSS)
    folds = [Fold(np.arange(0), np.arange(150), 0, 1)]

    def outcome(off):
        return SimpleNamespace(at=0, folds=folds, paths=[FoldPath(held_out=(target + off,))])

    alone = outcome(1.0)
    together = Blend((alone, outcome(2 * error - 1)), (0.5, 0.5))
    gain = blend._gain(task, together, folds)
    assert gain == pytest.approx(1 - error**2 if is_enough else 0.0)


def test_predictions_that_are_no_numbers_have_no_share():
    assert_array_equal(shares_of([0.0, 0.0], [np.nan, 1.0], [1.0, 1.0], target=[1, 1])[1], 0.0)
    assert shares_of([0.0, 0.0], [np.nan, 1.0], [1.0, 1.0], target=[1.0, 1.0])[2] > 0.9


def test_what_an_average_says_of_rows_held_out_is_the_average_of_what_its_members_say():
    folds = [Fold(np.arange(6), np.arange(2), 0, 2), Fold(np.arange(6), np.arange(2, 5), 1, 2)]

    def outcome(factor, n_folds):
        said = [factor * np.ones((len(fold.test), 1)) for fold in folds[:n_folds]]
        paths = [FoldPath(held_out=(each * np.nan, each)) for each in said]
        return SimpleNamespace(at=1, folds=folds[:n_folds], paths=paths)

    two, one = (Blend((outcome(1.0, 2), outcome(5.0, n)), (0.75, 0.25)) for n in (2, 1))
    assert [each.tolist() for each in two.held_out] == [[[2.0]] * 2, [[2.0]] * 3]
    # A kind that ran on fewer folds says nothing of the rest.
    assert [each.tolist() for each in one.held_out] == [[[2.0]] * 2]


def test_a_quantile_is_shifted_by_what_the_average_is_off():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(400, 1))
    task = Task(rng.normal(size=(400, 2)), target[:, 0], target, np.ones(400), Pinball(0.8, 0.2))
    fold = Fold(np.arange(0), np.arange(400), 0, 1)

    def outcome(constant):
        path = FoldPath(held_out=(np.full((400, 1), constant),))
        return SimpleNamespace(at=0, folds=[fold], paths=[path])

    shift = held_out_shift(task, Blend((outcome(-1.0), outcome(1.0)), (0.5, 0.5)))
    assert_allclose(shift, np.quantile(target, 0.8), rtol=0.02)


class FakeRace:
    """A race in which each runner has the score of its order."""

    def __init__(self, scores):
        self.scores, self.calls = scores, []

    def folds_of(self, stage):
        return [Fold(np.arange(stage.n_rows), np.arange(3), 0, 1)]

    def n_distinct(self, fold):
        return len(fold.train)

    def outcomes(self, stage, runners, folds, told, number):
        self.calls.append((stage.n_rows, stage.roughly, number, [r.before for r in runners]))
        return [
            outcome_of(r.parameters["interaction_order"], self.scores, stage.n_rows, folds)
            for r in runners
        ]


def outcome_of(order, scores, n_rows, folds):
    path = FoldPath(scores=(-9.0, scores[order]), losses=(9.0, -scores[order]))
    alphas, candidates = np.array([1.0, 0.1]), (order, "l1", 1, None, None)
    options = FitOptions(interaction_order=order)
    return Outcome(Combination(candidates, options, alphas, None), folds, [path], n_rows)


def test_other_kinds_run_on_fewer_rows_first_and_drop_out_there_if_far_behind():
    race = FakeRace({1: -4.0, 2: -1.2, 3: -1.0})
    few, many = Stage(4_000, None, 4), Stage(20_000, None, 4, is_last=True)
    rivals = [outcome_of(3, race.scores, 4_000, race.folds_of(few))]
    best = outcome_of(3, race.scores, 20_000, race.folds_of(many))
    runners = [Runner({"interaction_order": order}) for order in (1, 2)]
    before, last = _of_runners(race, [few, many], runners, [rivals, [best]], None, best)
    assert [each.combination.parameters["interaction_order"] for each in before] == [1, 2]
    assert [each.combination.parameters["interaction_order"] for each in last] == [2]
    rough = [(4_000, few.roughly, 2, [None, None]), (20_000, ROUGHLY, 3, [before[1]])]
    assert race.calls == rough


@pytest.mark.parametrize("n_rows", [4_000, 20_000])
def test_a_kind_that_ran_on_as_many_rows_does_not_run_on_them_again(n_rows):
    race = FakeRace({1: -4.0, 2: -1.2, 3: -1.0})
    few, many = Stage(4_000, None, 4), Stage(20_000, None, 4, is_last=True)
    best = outcome_of(3, race.scores, 20_000, race.folds_of(many))
    before = outcome_of(2, race.scores, n_rows, race.folds_of(few))
    runners = [Runner(before.combination.parameters, before)]
    (last,) = _of_runners(race, [few, many], runners, [[before], [best]], None, best)
    assert [call[0] for call in race.calls] == [20_000]
    assert len(last) == 1


def test_other_kinds_run_on_all_rows_at_once_if_these_are_few():
    race = FakeRace({1: -4.0, 2: -1.2, 3: -1.0})
    stages = [Stage(500, None, 4), Stage(500, None, 4, is_last=True)]
    best = outcome_of(3, race.scores, 500, race.folds_of(stages[1]))
    runners = [Runner({"interaction_order": order}) for order in (1, 2)]
    (last,) = _of_runners(race, stages, runners, [[best], [best]], None, best)
    assert len(last) == 2


def test_losses_with_kinks_have_no_average():
    model = cv(loss="absolute_error", encoding=None, clip_quantile=None).fit(X[:60], Y[:60])
    assert [each.share for each in model.members_] == [1.0]
    assert model.blend_gain_ == 0.0
    assert not model._blends(SimpleNamespace(loss=Pinball(0.5, 0.5)))
    assert model._blends(SimpleNamespace(loss=SquaredError()))
