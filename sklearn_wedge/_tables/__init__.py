"""From a table as it is given to the inputs of a network, which are complete numbers."""

from sklearn_wedge._tables.encoding import TableEncoding
from sklearn_wedge._tables.fitting import fitted_table

__all__ = ["TableEncoding", "fitted_table"]
