"""What lets ``skl2onnx`` convert the estimators of this package."""

from __future__ import annotations

from sklearn_wedge._text.dependencies import needs


def register_onnx_converters() -> None:
    """Let ``skl2onnx`` convert the estimators of this package, also inside pipelines.

    Call it once, in any session that converts; ``to_onnx`` does so by itself. The converters are
    those of skl2onnx's own regressors and classifiers in all that shows: the same outputs
    (``variable``; ``label`` and ``probabilities``) and, of classifiers, the options ``zipmap``,
    ``nocl``, ``output_class_labels`` and ``raw_scores``. :class:`~sklearn_wedge.WedgeFeatures` is
    converted as skl2onnx converts transformers.

    Raises
    ------
    ImportError
        If skl2onnx is not installed: ``pip install ".[onnx]"``.

    Notes
    -----
    Hinge losses give no probabilities: the second output then holds margins, for two classes of
    both (``-decision``, ``decision``), as under ``raw_scores=True``.

    Examples
    --------
    >>> import numpy as np
    >>> import skl2onnx
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_wedge import WedgeReLURegressor
    >>> from sklearn_wedge.export import register_onnx_converters
    >>> X = np.linspace(-1, 1, 51)[:, None]
    >>> network = WedgeReLURegressor(alpha=0.01)
    >>> pipeline = make_pipeline(StandardScaler(), network).fit(X, np.abs(X[:, 0]))
    >>> register_onnx_converters()
    >>> skl2onnx.to_onnx(pipeline, X.astype(np.float32)).graph.output[0].name
    'variable'
    """
    with needs("skl2onnx", "register_onnx_converters", "onnx"):
        from sklearn_wedge.export._onnx import register
    register()
