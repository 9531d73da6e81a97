"""From a table as it is given to the inputs of a network, which are complete numbers."""

from sklearn_wedge._tables.categories import Category
from sklearn_wedge._tables.encoding import TableEncoding
from sklearn_wedge._tables.filling import Filling
from sklearn_wedge._tables.fitting import FittedCategories, fitted_categories, fitted_table
from sklearn_wedge._tables.levels import (
    Levels,
    categorical_columns,
    fitted_levels,
    fractions_in_single,
    is_missing,
    is_no_value,
    warn_of_numbers_as_text,
)

__all__ = [
    "Category",
    "Filling",
    "FittedCategories",
    "Levels",
    "TableEncoding",
    "categorical_columns",
    "fitted_categories",
    "fitted_levels",
    "fitted_table",
    "fractions_in_single",
    "is_missing",
    "is_no_value",
    "warn_of_numbers_as_text",
]
