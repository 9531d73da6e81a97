"""Tables from anywhere are fitted, or refused with what is wrong, where, and advice."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from odd_tables import odd_tables, outcome

from sklearn_wedge import WedgeReLURegressor


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(odd_tables())
def test_a_table_is_fitted_or_refused_with_an_error_that_says_enough(table):
    outcome(table)


def test_some_tables_are_fitted_and_others_refused_in_several_ways():
    found = Counter()

    @settings(
        max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(odd_tables())
    def count(table):
        found[outcome(table)] += 1

    count()
    assert found["fit"] >= 10 and len(found) >= 3


@pytest.mark.parametrize("levels", [["a", "b"], pd.to_datetime(["2020-01-01", "2020-01-02"])])
def test_categories_that_are_to_be_numbers_are_refused_by_row_and_column(levels):
    frame = pd.DataFrame({"x": range(4), "kind": pd.Categorical.from_codes([0, 1, 1, 0], levels)})
    with pytest.raises((ValueError, TypeError), match="row 0, column 'kind'"):
        WedgeReLURegressor(0.1, categorical_features=None).fit(frame, range(4))
