"""Fitted networks elsewhere: scikit-learn's MLP, PyTorch, ONNX, JSON.

Every fitted network has the methods ``to_mlp``, ``to_torch``, ``to_onnx`` and ``to_dict``. A
pipeline that ends in one, or has ``WedgeFeatures``, is converted by ``skl2onnx.to_onnx`` after
:func:`register_onnx_converters` has been called.
"""

from sklearn_wedge.export._registration import register_onnx_converters

__all__ = ["register_onnx_converters"]
