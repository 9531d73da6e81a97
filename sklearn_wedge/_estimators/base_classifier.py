"""The classifier: labels around a network of log odds or margins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from sklearn_wedge._core.losses import Loss
from sklearn_wedge._core.rows import Chunk
from sklearn_wedge._estimators.base import _WedgeNetwork
from sklearn_wedge._estimators.callbacks import FitTask
from sklearn_wedge._estimators.found import Found
from sklearn_wedge._settings.inputs import is_one_target, validated_weight
from sklearn_wedge._settings.labels import refuse_odd_labels, warn_of_many_classes
from sklearn_wedge._settings.objectives import (
    check_solver,
    class_targets,
    classification_loss,
    decision_layer,
)
from sklearn_wedge._training.dask import dask_chunks
from sklearn_wedge._training.dask_inputs import target_array
from sklearn_wedge._training.dask_predictions import chunkwise


def class_chunk(
    chunk: Chunk, classes: NDArray, fitted: NDArray, factors: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Targets of the labels of a chunk, and its weights times those of the classes."""
    labels = chunk.target[:, 0]
    codes = np.searchsorted(classes, labels)
    return class_targets(labels, fitted), chunk.weight * factors[codes]


def _has_probabilities(estimator: _WedgeClassifier) -> bool:
    if estimator.loss == "log_loss":
        return True
    raise AttributeError(f"loss={estimator.loss!r} gives no probabilities; use loss='log_loss'.")


class _WedgeClassifier(ClassifierMixin, _WedgeNetwork):
    """Labels of classes and what is predicted for them."""

    def _validated_labels(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray, NDArray, NDArray[np.float64], NDArray[np.float64]]:
        """Inputs, labels, weights, and these times those of the classes.

        ``classes_`` and ``fitted_classes_`` come with them.
        """
        refuse_odd_labels(y)
        X, y = self._validated_inputs(X, y=y)
        check_classification_targets(y)
        weight = validated_weight(sample_weight, len(X), self)
        classes, codes = np.unique(y, return_inverse=True)
        warn_of_many_classes(classes, type(self).__name__)
        totals = np.bincount(codes, weight)
        factors = self._class_factors(classes, totals)
        self._set_classes(classes, totals * factors)
        return X, y, weight, weight * factors[codes]

    def _set_classes(self, classes: NDArray, weights: NDArray) -> None:
        """Set ``classes_``, and those of them that are fitted: the ones with weight."""
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least two classes, and y has one "
                f"class: {classes.tolist()[0]!r}."
            )
        self.classes_, self.fitted_classes_ = classes, classes[weights > 0]

    def _class_factors(self, classes: NDArray, weights: NDArray) -> NDArray[np.float64]:
        """What the rows of each class, of this total weight, are multiplied by."""
        if self.class_weight is None:
            return np.ones(len(classes))
        present = weights > 0
        if isinstance(self.class_weight, str):
            # By weight rather than by count: a weight of k is k copies.
            mean = weights.sum() / np.count_nonzero(present)
            per_class = np.divide(mean, weights, out=np.ones(len(classes)), where=present)
        else:
            per_class = compute_class_weight(self.class_weight, classes=classes, y=classes)
        if not np.all((per_class >= 0) & np.isfinite(per_class)):
            raise ValueError(
                f"class_weight={self.class_weight!r} has weights for the classes "
                f"{classes.tolist()} that are negative or not finite: give each a finite weight of "
                "0 or more."
            )
        largest = np.max(per_class[present])
        if largest == 0:
            raise ValueError(
                f"class_weight={self.class_weight!r} leaves no weight to any of the classes "
                f"{classes[present].tolist()} that have samples with weight: give one of them a "
                "positive weight."
            )
        # A common factor changes nothing: with the largest one 1, no product overflows.
        return np.where(present, per_class / largest, 0.0)

    def _fit_on_dask(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        """Fit where the chunks of dask arrays are."""
        y = target_array(self, y, numeric=False)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(f"y should be a 1d array, got an array of shape {y.shape} instead.")
        is_one_target(y)  # a warning, if they are a column
        chunks = dask_chunks(self, X, y, sample_weight)
        classes, totals = chunks.classes()
        # Each of them twice: as many classes as rows are none to scikit-learn.
        check_classification_targets(np.tile(classes, 2))
        warn_of_many_classes(classes, type(self).__name__)
        factors = self._class_factors(classes, totals)
        self._set_classes(classes, totals * factors)
        fitted = self.fitted_classes_
        chunks = chunks.with_targets(class_chunk, classes, fitted, factors)
        self._fit_chunks(chunks, 1 if len(fitted) == 2 else len(fitted), self._loss())

    def _fit_at(
        self,
        alpha: float,
        X: NDArray,
        y: NDArray,
        weight: NDArray,
        task: FitTask,
        found: Found | None = None,
    ) -> None:
        """Fit on validated data; the weights are those of rows times those of classes."""
        target = class_targets(y, self.fitted_classes_)
        self._fit_network(alpha, X, target, weight, self._loss(), task, found)

    def _loss(self) -> Loss:
        loss = classification_loss(self.loss, len(self.fitted_classes_))
        check_solver(loss, repr(self.loss), self.solver)
        return loss

    @chunkwise
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's outputs: log odds, or log probabilities up to a constant.

        Parameters
        ----------
        X : array-like, dask array or dask frame of shape (n_samples, n_features)
            Inputs in original units. Missing numbers are filled in as in ``fit``, also in columns
            that lacked none there (if none did, with medians); then inputs are clipped and encoded.
            A category that is missing, and was in training, has a level of its own; otherwise it
            counts as a level that was not there: as the mean over the training rows or, with target
            means, as the rarest levels.

        Returns
        -------
        ndarray or dask array of shape (n_samples,) or (n_samples, n_classes)
            For two classes positive where ``classes_[1]`` is predicted; for several, the largest
            is that of the class predicted. Under the hinge losses they are margins, not log odds.
            A class that is not in ``fitted_classes_`` has -3.4e38, the least number of single
            precision; if it is one of two classes, the other has 3.4e38 everywhere.
        """
        output = self._forward(X)
        if len(self.fitted_classes_) < len(self.classes_):
            weights, offsets = decision_layer(self.loss, self.classes_, self.fitted_classes_)
            output = output @ weights + offsets
        return output[:, 0] if len(self.classes_) == 2 else output

    @chunkwise
    def predict(self, X: ArrayLike) -> NDArray:
        """The most likely class.

        Parameters
        ----------
        X : array-like, dask array or dask frame of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray or dask array of shape (n_samples,)
            Labels, as given to ``fit``.
        """
        decision = self.decision_function(X)
        chosen = (decision > 0).astype(np.intp) if decision.ndim == 1 else decision.argmax(axis=1)
        return self.classes_[chosen]

    @available_if(_has_probabilities)
    @chunkwise
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities of the classes; only with ``loss="log_loss"``.

        Parameters
        ----------
        X : array-like, dask array or dask frame of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray or dask array of shape (n_samples, n_classes)
            In the order of ``classes_``; exactly 0 for classes that are not in
            ``fitted_classes_``.
        """
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return np.column_stack([expit(-decision), expit(decision)])
        return softmax(decision, axis=1)

    @available_if(_has_probabilities)
    @chunkwise
    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Logarithms of the probabilities; finite where these underflow.

        Parameters
        ----------
        X : array-like, dask array or dask frame of shape (n_samples, n_features)
            Inputs in original units.

        Returns
        -------
        ndarray or dask array of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        decision = self.decision_function(X)
        if decision.ndim == 1:
            return -np.column_stack([np.logaddexp(0.0, decision), np.logaddexp(0.0, -decision)])
        return log_softmax(decision, axis=1)
