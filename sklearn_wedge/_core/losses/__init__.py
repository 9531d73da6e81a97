"""Convex losses as pure functions of prediction and target, with their duals."""

from sklearn_wedge._core.losses.base import KinkedLoss, Loss, SmoothLoss, Units, balanced
from sklearn_wedge._core.losses.classification import Hinge, LogLoss, Multinomial, SquaredHinge
from sklearn_wedge._core.losses.own import OwnLoss
from sklearn_wedge._core.losses.own_gradient import LossWithGradient, OwnSmoothLoss, root_of_slope
from sklearn_wedge._core.losses.piecewise import PiecewiseLinear, Smoothed
from sklearn_wedge._core.losses.regression import Gamma, Huber, Pinball, Poisson, SquaredError
from sklearn_wedge._core.losses.solver import FAILED, ONE_AT_A_TIME, solve_in_place

__all__ = [
    "FAILED",
    "ONE_AT_A_TIME",
    "Gamma",
    "Hinge",
    "Huber",
    "KinkedLoss",
    "LogLoss",
    "Loss",
    "LossWithGradient",
    "Multinomial",
    "OwnLoss",
    "OwnSmoothLoss",
    "PiecewiseLinear",
    "Pinball",
    "Poisson",
    "SmoothLoss",
    "Smoothed",
    "SquaredError",
    "SquaredHinge",
    "Units",
    "balanced",
    "root_of_slope",
    "solve_in_place",
]
