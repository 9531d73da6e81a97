"""The plan of a race: stages, rows, folds and candidates, before anything is fitted."""

from itertools import pairwise

import numpy as np
import pytest

from sklearn_wedge._core.losses import SquaredError
from sklearn_wedge._estimators import race_rows
from sklearn_wedge._estimators.folds import Task
from sklearn_wedge._estimators.race_plan import (
    BY_EFFORT,
    EFFORTS,
    PARTS,
    ROWS_PER_OUTPUT,
    VARIANTS,
    FoldCounts,
    Size,
    most_folds,
    others,
    planned,
)
from sklearn_wedge._estimators.race_rows import MOST_ROWS, fewer, folds_by_content, rows_of


def parts_of(n_rows, effort):
    """Fifths of the rows, as they are held out if nobody gives folds."""
    return FoldCounts(most_folds(effort), min(n_rows, MOST_ROWS) / PARTS, are_given=False)


@pytest.mark.parametrize("n_rows", [30, 300, 3_000, 30_000])
def test_more_effort_is_no_less_work(n_rows):
    def work(effort):
        stages, candidates = planned(effort, Size(n_rows, 5), parts_of(n_rows, effort), {}, {})
        return len(candidates), sum(stage.n_rows * stage.n_folds for stage in stages)

    fast, balanced, thorough = (work(effort) for effort in BY_EFFORT)
    assert fast[0] <= balanced[0] <= thorough[0]
    assert fast[1] <= balanced[1] <= thorough[1]
    assert sum(fast) < sum(thorough)


def test_costly_fits_have_no_more_rows_than_cheap_ones():
    few, many = (
        planned(
            "balanced", Size(30_000, 5, cost_of_loss=cost), parts_of(30_000, "balanced"), {}, {}
        )[0]
        for cost in (10, 1)
    )
    assert all(a.n_rows <= b.n_rows for a, b in zip(few, many, strict=True))


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("n_outputs", [3, 10, 26])
@pytest.mark.parametrize("n_rows", [900, 30_000])
def test_each_of_many_classes_has_rows_in_every_stage(effort, n_outputs, n_rows):
    size = Size(n_rows, 5, n_outputs)
    stages, _ = planned(effort, size, parts_of(n_rows, effort), {}, {})
    rows = [stage.n_rows for stage in stages]
    assert min(rows) >= min(ROWS_PER_OUTPUT * n_outputs, n_rows)
    assert rows == sorted(rows)


@pytest.mark.parametrize("effort", EFFORTS)
def test_many_classes_are_judged_on_as_many_rows_in_the_end_as_one_output(effort):
    one, ten = (
        planned(effort, Size(1_500, 5, q), parts_of(1_500, effort), {}, {})[0][-1] for q in (1, 10)
    )
    assert ten.n_folds == one.n_folds > 1


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("n_rows", [30, 120, 500, 900])
def test_a_small_table_is_judged_by_several_folds(effort, n_rows):
    stages, _ = planned(effort, Size(n_rows, 5), parts_of(n_rows, effort), {}, {})
    assert all(stage.n_folds > 1 for stage in stages)
    assert stages[-1].n_folds >= min(stage.n_folds for stage in stages)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("n_rows", [30, 120, 500, 900, 3_000, 9_000, 30_000])
def test_a_stage_has_variants_more_rows_or_folds_or_closer_fits_than_the_one_before(effort, n_rows):
    stages, _ = planned(effort, Size(n_rows, 5), parts_of(n_rows, effort), {}, {})
    assert len(stages) >= 2
    for before, stage in pairwise(stages[1:]):
        more = stage.n_rows > before.n_rows or stage.n_folds > before.n_folds
        assert stage.variants or more or stage.roughly < before.roughly


def test_three_blocks_are_tried_but_not_of_neurons_of_any_order():
    for order, most in ((None, 2), (2, 3)):
        tried = others("n_blocks", (1, 2, 3), {"interaction_order": order, "n_blocks": 1})
        assert tried == list(range(2, most + 1))


@pytest.mark.parametrize("effort", ["balanced", "thorough"])
@pytest.mark.parametrize("n_rows", [30, 500, 3_000, 30_000])
def test_fits_of_the_last_stage_are_closer_to_the_optimum(effort, n_rows):
    stages, _ = planned(effort, Size(n_rows, 5), parts_of(n_rows, effort), {}, {})
    assert stages[-1].roughly < min(stage.roughly for stage in stages[:-1])


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("n_rows", [30, 300, 900, 3_000, 30_000])
def test_rows_are_dealt_again_for_those_only_that_the_last_stage_keeps(effort, n_rows):
    stages, _ = planned(effort, Size(n_rows, 5), parts_of(n_rows, effort), {}, {})
    assert all(stage.n_folds == stage.n_first <= PARTS for stage in stages[:-1])
    assert stages[-1].n_first == min(stages[-1].n_folds, PARTS)
    few = n_rows < BY_EFFORT[effort].stages[-1].n_scored
    assert (stages[-1].n_folds > PARTS) == (few and effort != "fast")


@pytest.mark.parametrize("n_rows", [300, 900, 3_000, 30_000])
def test_nothing_is_varied_twice_on_the_same_rows(n_rows):
    stages, _ = planned("balanced", Size(n_rows, 5), parts_of(n_rows, "balanced"), {}, {})
    varied = [(name, s.n_rows, s.n_first) for s in stages for name in s.variants]
    assert {name for name, *_ in varied} == set(VARIANTS)
    assert len(varied) == len(set(varied))


def test_what_would_be_varied_roughly_on_the_rows_of_the_last_stage_is_varied_in_it():
    stages, _ = planned("balanced", Size(277, 6), parts_of(277, "balanced"), {}, {})
    assert [set(stage.variants) for stage in stages] == [
        set(),
        {"encoding"},
        {"n_blocks", "clip_quantile"},
    ]
    assert (stages[-1].n_kept, stages[-1].kinds_first) == (4, False)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("n_rows", [300, 1_500, 9_000, 30_000])
@pytest.mark.parametrize(("n_folds", "of_a_fold"), [(3, 0.3), (10, 0.1), (40, 0.01)])
def test_the_last_stage_is_on_all_folds_that_are_given(effort, n_rows, n_folds, of_a_fold):
    folds = FoldCounts(n_folds, of_a_fold * n_rows, are_given=True)
    stages, _ = planned(effort, Size(n_rows, 5), folds, {}, {})
    assert stages[-1].n_folds == n_folds
    for stage, counts in zip(stages[:2], BY_EFFORT[effort].stages[:2], strict=True):
        n_scored = stage.n_folds * folds.n_scored
        assert stage.n_folds == n_folds or n_scored >= counts.n_scored
        assert n_scored < counts.n_scored + folds.n_scored


@pytest.mark.parametrize("n_rows", [40, 70])
def test_a_stage_is_fitted_on_as_many_rows_as_it_says_however_many_there_are(monkeypatch, n_rows):
    monkeypatch.setattr(race_rows, "MOST_ROWS", 100)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 2)), rng.normal(size=400)
    task = Task(X, y, y[:, None], np.ones(400), SquaredError())
    rows = rows_of(task)
    folds = folds_by_content(task, rows, 2, None)
    stage = fewer(folds, rows, n_rows, 2)
    assert [rows.n_distinct(fold.train) for fold in stage] == [n_rows, n_rows]
    assert all(set(few.train) < set(fold.train) for few, fold in zip(stage, folds, strict=True))
