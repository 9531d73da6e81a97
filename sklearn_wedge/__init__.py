"""Globally optimal ReLU networks for scikit-learn, trained by convex optimisation."""

from sklearn_wedge._core.encoding import Encoding
from sklearn_wedge._core.losses import LossWithGradient
from sklearn_wedge._core.marginals import Marginal
from sklearn_wedge._core.network import Block, HiddenNeurons, Network
from sklearn_wedge._core.solution import Certificate, Round
from sklearn_wedge._estimators.blend import Member
from sklearn_wedge._estimators.classifier import WedgeReLUClassifier
from sklearn_wedge._estimators.classifier_cv import WedgeReLUClassifierCV
from sklearn_wedge._estimators.features import WedgeFeatures
from sklearn_wedge._estimators.regressor import WedgeReLURegressor
from sklearn_wedge._estimators.regressor_cv import WedgeReLURegressorCV
from sklearn_wedge._polish.polish import PolishedNetwork, polish
from sklearn_wedge._tables import Category, Filling, TableEncoding
from sklearn_wedge._version import __version__
from sklearn_wedge.path import WedgePath, alpha_max, wedge_relu_path

__all__ = [
    "Block",
    "Category",
    "Certificate",
    "Encoding",
    "Filling",
    "HiddenNeurons",
    "LossWithGradient",
    "Marginal",
    "Member",
    "Network",
    "PolishedNetwork",
    "Round",
    "TableEncoding",
    "WedgeFeatures",
    "WedgePath",
    "WedgeReLUClassifier",
    "WedgeReLUClassifierCV",
    "WedgeReLURegressor",
    "WedgeReLURegressorCV",
    "__version__",
    "alpha_max",
    "polish",
    "wedge_relu_path",
]
