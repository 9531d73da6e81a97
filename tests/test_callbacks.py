"""Callbacks of scikit-learn (from 1.9 on) are told of every part of a fit, and may end it."""

import warnings

import joblib
import numpy as np
import pytest
from plain_cv import classifier_cv, regressor_cv
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wedge import (
    WedgeFeatures,
    WedgeReLUClassifier,
    WedgeReLURegressor,
    WedgeReLURegressorCV,
)
from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._estimators import blend
from sklearn_wedge._settings.options import FitOptions
from sklearn_wedge._training.problems import build_problem, solve_alphas

callback = pytest.importorskip("sklearn.callback")

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, size=(60, 2))
y = np.abs(X[:, 0]) - X[:, 1] + 0.1 * rng.normal(size=60)
labels = np.where(y > 0, "above", "below")


class Recorder:
    """Keeps what it is told; asks to stop where ``stop`` says so."""

    def __init__(self, stop=lambda context: False):
        self.events, self.predictions, self.stop = [], [], stop

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", self.path(context)))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.events.append(("end", self.path(context)))
        if hasattr(fitted_estimator, "predict"):
            self.predictions.append(fitted_estimator.predict(X))
        return self.stop(context)

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name))

    def path(self, context):
        above = () if context.parent is None else self.path(context.parent)
        return (*above, f"{context.task_name} #{context.task_id}")

    def ended(self, level):
        return [path for what, path in self.events if what == "end" and len(path) == level]


def is_round(context):
    return context.task_name == "round"


@pytest.mark.parametrize(
    ("estimator", "target"),
    [(WedgeReLURegressor(alpha=0.01), y), (WedgeReLUClassifier(alpha=0.01), labels)],
)
def test_every_task_is_told_and_ends_where_it_began(estimator, target):
    recorder = Recorder()
    model = estimator.set_callbacks(recorder).fit(X, target)
    assert recorder.events[0] == ("setup", "fit")
    assert recorder.events[1] == ("begin", ("fit #0",))
    assert recorder.events[-2:] == [("end", ("fit #0",)), ("teardown", "fit")]
    open_tasks = []
    for what, path in recorder.events[1:-1]:
        if what == "begin":
            open_tasks.append(path)
            assert path[:-1] == (open_tasks[-2] if len(open_tasks) > 1 else ())
        else:
            assert open_tasks.pop() == path
    penalties = recorder.ended(2)
    values = [float(path[1].split()[1]) for path in penalties]
    assert values == sorted(values, reverse=True)
    assert len(values) > 2
    assert values[-1] == 0.01
    assert sum(path[1] == penalties[-1][1] for path in recorder.ended(3)) == model.n_iter_


def test_the_network_of_a_round_is_the_one_that_the_fit_would_end_with():
    recorder = Recorder()
    model = WedgeReLURegressor(alpha=0.01).set_callbacks(recorder).fit(X, y)
    assert np.array_equal(recorder.predictions[-1], model.predict(X))  # of the whole fit
    assert np.array_equal(recorder.predictions[-2], model.predict(X))  # of the last round
    errors = [np.mean((predicted - y) ** 2) for predicted in recorder.predictions]
    assert errors[0] > 2 * errors[-1]


class Reader(Recorder):
    """Reads the network of each round, as users do."""

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        if is_round(context):
            network = fitted_estimator
            assert len(network.neurons_frame()) == network.n_neurons_
            assert "Importances" not in network.summary()
            assert not hasattr(network, "feature_importances_")
            explained = network.explain(X)
            total = explained.intercept + explained.contributions.sum(axis=1)
            self.predictions.append(np.ptp(total - network.to_mlp().predict(X)))
        return False


def test_the_network_of_a_round_can_be_read_and_is_that_of_this_fit():
    reader = Reader()
    model = WedgeReLURegressor(alpha=0.01).set_callbacks(reader)
    # Fitted again on fewer columns: nothing of the first fit may show.
    model.fit(X, y).fit(X[:, :1], y)
    assert len(reader.predictions) > 10
    assert max(reader.predictions) < 1e-9
    assert "Importances" in model.summary()


def test_a_callback_leaves_the_fit():
    watched = WedgeReLURegressor(alpha=0.01).set_callbacks(Recorder()).fit(X, y)
    alone = WedgeReLURegressor(alpha=0.01).fit(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(watched.coefs_, alone.coefs_, strict=True))
    assert watched.certificate_ == alone.certificate_


def test_a_callback_can_stop_a_fit_and_its_bound_holds():
    full = WedgeReLURegressor(alpha=1e-3).fit(X, y)
    stopped = WedgeReLURegressor(alpha=1e-3).set_callbacks(Recorder(stop=is_round))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # asked for
        stopped.fit(X, y)
    assert stopped.n_iter_ == 1 < full.n_iter_
    certificate = stopped.certificate_
    assert certificate.lower_bound <= full.certificate_.objective
    # What the full fit has gained is part of the gap that was left.
    gained = certificate.objective - full.certificate_.objective
    assert 0 < gained <= certificate.gap


def test_a_fit_that_was_stopped_adds_no_further_blocks():
    full = WedgeReLURegressor(alpha=1e-3, n_blocks=2).set_callbacks(Recorder()).fit(X, y)
    stopped = WedgeReLURegressor(alpha=1e-3, n_blocks=2).set_callbacks(Recorder(stop=is_round))
    assert stopped.fit(X, y).n_blocks_ == 1 < full.n_blocks_


def test_who_stops_the_last_fit_has_no_average(monkeypatch):
    # Whether an average gains anything on so few rows may be a matter of rounding.
    monkeypatch.setattr(blend, "_gain", lambda *_: 0.1)
    monkeypatch.setattr(
        blend, "selected_shares", lambda _, said, *__: np.ones(len(said)) / len(said)
    )
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, size=(150, 3))
    y = np.sin(3 * X[:, 0]) * X[:, 1] + np.exp(X[:, 2] * X[:, 0]) + 0.05 * rng.normal(size=150)
    model = WedgeReLURegressorCV(interaction_order=(1, 2), n_blocks=1)
    watched = clone(model).set_callbacks(Recorder()).fit(X, y)
    stopped = clone(model).set_callbacks(Recorder(stop=is_round)).fit(X, y)
    assert len(watched.members_) > 1
    (member,) = stopped.members_
    assert member.share == 1.0
    assert stopped.blend_gain_ == 0.0 < watched.blend_gain_
    assert stopped.n_iter_ == 1


def test_a_callback_that_stops_the_way_to_the_penalty_leaves_its_warning():
    def on_the_way(context):
        return is_round(context) and not context.parent.task_name.endswith(" 0.001")

    model = WedgeReLURegressor(alpha=1e-3, max_iter=2).set_callbacks(Recorder(stop=on_the_way))
    with pytest.warns(ConvergenceWarning, match="stopped after 2 pricing rounds"):
        model.fit(X, y)


def test_an_error_in_fit_tears_callbacks_down():
    recorder = Recorder()
    model = WedgeReLURegressor(0.01, pricing="exact", norm="l2", interaction_order=None)
    wide = rng.normal(size=(60, 4))
    with pytest.raises(ValueError, match="out of reach"):
        model.set_callbacks(recorder).fit(wide, y)
    assert recorder.events[-1] == ("teardown", "fit")


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (regressor_cv(alphas=3, eps=0.1, interaction_order=(1, 2), cv=3), y),
        (classifier_cv(alphas=3, eps=0.1, interaction_order=(1, 2), cv=3), labels),
    ],
)
def test_each_fold_of_each_combination_and_the_refit_are_told(estimator, target):
    recorder = Recorder()
    with joblib.parallel_config(backend="threading"):
        model = estimator.set_params(n_jobs=2).set_callbacks(recorder).fit(X, target)
    folds = [path[3] for path in recorder.ended(4) if path[2] == "stage 1 #0"]
    assert sorted(folds) == [f"fold #{k}" for k in range(6)]
    refit = [path for path in recorder.ended(4) if path[1] == "refit #1"]
    assert len(refit) >= model.n_iter_
    assert recorder.ended(2) == [("fit #0", "cross-validation #0"), ("fit #0", "refit #1")]


def test_a_progress_bar_shows_a_cross_validation_on_workers(capsys):
    folds = KFold(3).split(X)  # a generator cannot be pickled
    model = regressor_cv(alphas=3, eps=0.1, cv=folds, n_jobs=2)
    model.set_callbacks(callback.ProgressBar()).fit(X, y)
    printed = capsys.readouterr().out
    assert "cross-validation" in printed
    assert "refit" in printed
    assert "100%" in printed


def test_a_progress_bar_of_a_search_over_a_pipeline_shows_the_network(capsys):
    pipeline = make_pipeline(StandardScaler(), WedgeReLURegressor(0.01))
    search = GridSearchCV(pipeline, {"wedgereluregressor__alpha": [0.1, 0.03]}, cv=2)
    bar = callback.ProgressBar(max_propagation_depth=None)
    search.set_callbacks(bar).fit(X, y)
    assert "WedgeReLURegressor - penalty" in capsys.readouterr().out


def test_features_hand_callbacks_to_their_network():
    recorder = Recorder()
    recorder.max_propagation_depth = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WedgeFeatures(WedgeReLURegressor(alpha=0.1)).set_callbacks(recorder).fit(X, y)
    (network,) = {path[1] for path in recorder.ended(2)}
    assert network == "fit #0"
    assert any("penalty" in path[2] for path in recorder.ended(3))


def test_a_scoring_monitor_has_a_score_for_each_round():
    monitor = callback.ScoringMonitor(scoring="r2")
    model = WedgeReLURegressor(alpha=0.01).set_callbacks(monitor).fit(X, y)
    scores = [row["r2"] for row in monitor.get_logs().data if row["task_name"] == "round"]
    assert len(scores) > 3
    assert scores[-1] == pytest.approx(model.score(X, y), rel=1e-12)


def test_column_generation_calls_a_plain_function_every_round():
    told = []
    options = FitOptions(watch=lambda progress: told.append(progress))
    problem, _ = build_problem(X, y[:, None], np.ones(60), options, SquaredError())
    (solution,) = solve_alphas(problem, np.array([0.01]), options)
    last = [progress.n_rounds for progress in told if progress.alpha == 0.01]
    assert last == list(range(len(solution.history) + 1))
    assert [progress.finished for progress in told if progress.alpha == 0.01][-1]
    assert told[-1].reached().certificate == solution.certificate
