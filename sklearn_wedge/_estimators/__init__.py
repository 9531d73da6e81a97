"""The scikit-learn front: estimators, cross-validation, features."""
