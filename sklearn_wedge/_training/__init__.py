"""From validated data and options to solutions: which problem, and where its rows are."""
