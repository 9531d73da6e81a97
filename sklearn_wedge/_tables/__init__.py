"""From a table as it is given to the inputs of a network, which are complete numbers."""

from sklearn_wedge._tables.categories import Category
from sklearn_wedge._tables.encoding import TableEncoding
from sklearn_wedge._tables.filling import Filling
from sklearn_wedge._tables.fitting import (
    FittedCategories,
    categories_of_array,
    categories_of_rows,
    fitted_table,
)
from sklearn_wedge._tables.levels import (
    AS_TEXT,
    Levels,
    candidates,
    fitted_levels,
    found_levels,
    fractions_in_single,
    is_missing,
    is_no_value,
    levels_of_table,
)

__all__ = [
    "AS_TEXT",
    "Category",
    "Filling",
    "FittedCategories",
    "Levels",
    "TableEncoding",
    "candidates",
    "categories_of_array",
    "categories_of_rows",
    "fitted_levels",
    "fitted_table",
    "found_levels",
    "fractions_in_single",
    "is_missing",
    "is_no_value",
    "levels_of_table",
]
