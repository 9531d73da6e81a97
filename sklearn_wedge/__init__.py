"""Globally optimal ReLU networks for scikit-learn, trained by convex optimisation."""

from sklearn_wedge._cv import WedgeReLURegressorCV
from sklearn_wedge._estimators import WedgeReLURegressor
from sklearn_wedge._solution import Certificate
from sklearn_wedge.path import WedgePath, alpha_max, wedge_relu_path

__all__ = [
    "Certificate",
    "WedgePath",
    "WedgeReLURegressor",
    "WedgeReLURegressorCV",
    "alpha_max",
    "wedge_relu_path",
]

__version__ = "0.1.0.dev0"
