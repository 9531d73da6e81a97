"""What is shared by all that speaks: names, formulas, words, optional dependencies."""
