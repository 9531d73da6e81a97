"""The methods that export a fitted estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from sklearn_wedge._text.dependencies import needs
from sklearn_wedge.export._convertible import Convertible

if TYPE_CHECKING:
    import onnx
    import torch
    from sklearn.neural_network import MLPClassifier, MLPRegressor


class ExportMixin(Convertible):
    """Methods of a fitted estimator: the same network elsewhere.

    They read public fitted attributes only. Clipping and encoding of the inputs are part of what
    they return.
    """

    def to_mlp(self) -> MLPRegressor | MLPClassifier:
        """The network as a fitted ``MLPRegressor`` or ``MLPClassifier`` of scikit-learn.

        Returns
        -------
        MLPRegressor or MLPClassifier
            Predicts the same up to rounding, probabilities included. Without clipping a network of
            one block has one hidden layer with ``coefs_`` and ``intercepts_`` as they are here; two
            more layers before it clip and encode. It refuses rows with missing values, as all
            networks of scikit-learn do.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If columns are categories, or single values of numbers have inputs, or several
            quantiles are predicted, or the loss is ``"poisson"`` or ``"gamma"`` and scikit-learn
            older than 1.7.

        Warns
        -----
        UserWarning
            If the loss is ``"hinge"`` or ``"squared_hinge"``: labels agree, but ``predict_proba``
            of the result means nothing. If values were missing in training: predictions agree on
            complete rows, and there are none of others.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_wedge import WedgeReLURegressor
        >>> X = np.linspace(-1, 1, 51)[:, None]
        >>> model = WedgeReLURegressor(alpha=0.01).fit(X, np.abs(X[:, 0]))
        >>> mlp = model.to_mlp()
        >>> mlp.hidden_layer_sizes
        (1, 1, 2)
        >>> np.allclose(mlp.predict([[-9.0], [0.3]]), model.predict([[-9.0], [0.3]]))
        True
        """
        from sklearn_wedge.export._mlp import to_mlp

        check_is_fitted(self)
        return to_mlp(self)

    def to_torch(self, dtype: torch.dtype | None = None) -> torch.nn.Sequential:
        """The network as a ``torch.nn.Sequential``.

        It takes inputs in original units, NaN where they are missing, and returns a tensor of shape
        (n_samples, n_outputs): for regression predictions (under a log link with the exponential),
        for classification what ``decision_function`` returns, in a column for two classes. Weights
        and biases can be trained further; what fills gaps, clips, encodes and scales inputs is in
        buffers.

        Parameters
        ----------
        dtype : torch.dtype, default=None
            Of parameters and inputs; None for ``torch.float64``.

        Returns
        -------
        torch.nn.Sequential
            Modules ``inputs``, ``hidden_1``, ``relu_1``, ..., ``output``, ``exp`` under a log link,
            and ``sort`` of several quantiles.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ImportError
            If PyTorch is not installed: ``pip install ".[torch]"``.
        ValueError
            If columns are categories, or single values of numbers have inputs.

        Examples
        --------
        >>> import pytest
        >>> torch = pytest.importorskip("torch")
        >>> import numpy as np
        >>> from sklearn_wedge import WedgeReLURegressor
        >>> X = np.linspace(-1, 1, 51)[:, None]
        >>> model = WedgeReLURegressor(alpha=0.01).fit(X, np.abs(X[:, 0]))
        >>> module = model.to_torch()
        >>> np.allclose(module(torch.tensor(X)).detach().numpy()[:, 0], model.predict(X))
        True
        """
        check_is_fitted(self)
        with needs("PyTorch", "to_torch", "torch"):
            from sklearn_wedge.export._torch import to_torch
        return to_torch(self, dtype)

    def to_onnx(self, dtype: Any = "float32", target_opset: int | None = None) -> onnx.ModelProto:
        """The network as an ONNX model, through skl2onnx.

        Its input is ``X``, of shape (n_samples, n_features), with NaN where values are missing.
        If some columns are categories, there is one for each column instead, in their order and by
        its name, of shape (n_samples, 1): text if its levels are text, else numbers. An empty text
        is a missing value there, unless it was a level in training (in ``predict`` it is always a
        level, or one that was not there): feed ``X[...].fillna("")``, as NaN among text becomes the
        text "nan". In names skl2onnx puts ``_`` in the place of what is no letter, digit or ``+``:
        ``[value.name for value in model.graph.input]`` has them as they are.
        Outputs are ``variable``, of shape (n_samples, n_outputs), for regression; ``label`` and
        ``probabilities``, both arrays, for classification. To convert a pipeline, see
        :func:`~sklearn_wedge.export.register_onnx_converters`.

        Parameters
        ----------
        dtype : {"float32", "float64"} or equivalent dtype, default="float32"
            Of the inputs, and of the arithmetic.
        target_opset : int or None, default=None
            Version of the ONNX operators, 9 or newer; None for the newest that skl2onnx supports.

        Returns
        -------
        onnx.ModelProto
            Write it with ``open(path, "wb").write(model.SerializeToString())``.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ImportError
            If skl2onnx is not installed: ``pip install ".[onnx]"``.
        ValueError
            If ``dtype`` or ``target_opset`` is another one, or labels are numbers with a fractional
            part.

        Notes
        -----
        Inputs are centred and scaled first, so that single precision loses little. What it cannot
        hold is lost with the input: two values of a column that differ by less than 1e-7 of their
        size become one; two such levels of a category are both the first.

        Under the hinge losses ``probabilities`` are margins; for two classes of both of them
        (``-decision``, ``decision``).

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_wedge import WedgeReLURegressor
        >>> X = np.linspace(-1, 1, 51)[:, None]
        >>> model = WedgeReLURegressor(alpha=0.01).fit(X, np.abs(X[:, 0]))
        >>> [value.name for value in model.to_onnx().graph.input]
        ['X']
        """
        check_is_fitted(self)
        with needs("skl2onnx", "to_onnx", "onnx"):
            from sklearn_wedge.export._onnx import to_onnx
        return to_onnx(self, dtype, target_opset)

    def to_dict(self) -> dict[str, Any]:
        """The network as plain data, in original units, that ``json.dumps`` writes.

        To predict, put the inputs in a table of values by name. An input is the value of its
        ``column``, or what stands for that if it is missing; if the input ``is_missing``, 1 where
        that value is missing and 0 elsewhere; clipped to ``lower`` and ``upper`` and, if it
        has an ``encoding``, mapped to what the straight lines from knot to knot say. Then add the
        neurons in their order; read off the outputs. A neuron is
        ``max(0, bias + Σ weight · value)`` and an output ``bias + Σ weight · value``, over the
        names in its ``weights``. ``examples/plot_export.py`` does so, for any table.

        Returns
        -------
        dict
            - ``format``, ``version``: ``"sklearn_wedge.network"`` and 5.
            - ``estimator``: name of the class.
            - ``link``: ``"identity"``, the outputs are predicted; ``"sorted"``, these in ascending
              order, as several quantiles; ``"log"``, their exponentials;
              ``"logit"``, the output is the log odds of the second class; ``"softmax"``, outputs
              are log probabilities up to a constant; ``"margin"``, as the last two without
              probabilities (the second class if positive, or the class of the largest).
            - ``columns``: ``name``, ``median`` and ``levels`` of each column in order: numbers have
              no levels (None), categories no median.
            - ``filling``: None, and medians stand for missing numbers; or ``sweeps`` and
              ``columns``: ``name``, ``mean``, ``scale``, ``lower``, ``upper`` and ``weights``, a
              dict by name, of each column of numbers. Then take ``z``, the values clipped, less
              ``mean``, divided by ``scale``, and 0 where one is missing; in each sweep, those that
              are missing become the sums of ``weight · z``, all at once; what stands for a value is
              ``mean + scale · z``. See :class:`Filling`.
            - ``inputs``: ``name``, ``column``, ``is_missing``, ``lower`` and ``upper`` of each,
              bounds None where not clipped; ``values``, None or, of an input made of a category
              or of single values of numbers, these ``levels``, its value ``of_levels``, in their
              order, ``of_others`` and where ``missing``; a number that is none of the levels is the
              first one with a fraction that agrees with it in single precision, if there is one;
              ``encoding``, None or ``kind``, ``knots`` (ascending) and ``values`` at the knots,
              those of the first and the last also beyond.
            - ``neurons``: ``name`` (``h0``, ``h1``, ..., as in ``neurons_frame``), ``block`` (from
              1), ``bias`` and ``weights`` of each, a dict by name of inputs and neurons of earlier
              blocks. A ramp is two of them, the second of which comes after all others of its
              block.
            - ``outputs``: ``bias`` and ``weights`` of each, by name of neurons.
            - ``classes``: the labels, of classifiers.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If two columns have the same name, or labels are neither strings nor numbers.

        Examples
        --------
        >>> import json
        >>> import numpy as np
        >>> from sklearn_wedge import WedgeReLURegressor
        >>> X = np.linspace(-1, 1, 51)[:, None]
        >>> record = WedgeReLURegressor(alpha=0.01).fit(X, np.abs(X[:, 0])).to_dict()
        >>> record["columns"]
        [{'name': 'x0', 'median': 0.0, 'levels': None}]
        >>> record["inputs"][0]["name"], record["inputs"][0]["upper"]
        ('x0', 1.0)
        >>> [list(neuron["weights"]) for neuron in record["neurons"]]
        [['x0'], ['x0']]
        >>> json.loads(json.dumps(record, allow_nan=False)) == record
        True
        """
        from sklearn_wedge.export._record import to_dict

        check_is_fitted(self)
        return to_dict(self)
