"""Converters for skl2onnx; imported only where it is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import skl2onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    guess_proto_type,
)
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from skl2onnx.common.utils_classifier import get_label_classes
from sklearn.base import ClassifierMixin, TransformerMixin

from sklearn_wedge.export._convertible import convertible_estimators
from sklearn_wedge.export._layers import HiddenNetwork, Pieces, unit_layers
from sklearn_wedge.export._outputs import link_of

OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [True, False],
}


# From this version of the operators on, missing values can be replaced.
OLDEST_OPSET = 9


def to_onnx(model: Any, dtype: Any, target_opset: int | None) -> ModelProto:
    """See ``ExportMixin.to_onnx``."""
    tensor = _tensor_type(dtype)
    register()
    return skl2onnx.to_onnx(
        model,
        initial_types=[("X", tensor([None, model.n_features_in_]))],
        options={id(model): {"zipmap": False}} if hasattr(model, "classes_") else None,
        target_opset=target_opset,
    )


def _tensor_type(dtype: Any) -> type:
    types = {np.dtype("float32"): FloatTensorType, np.dtype("float64"): DoubleTensorType}
    try:
        given = None if dtype is None else np.dtype(dtype)
    except TypeError:
        given = None
    if given not in types:
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}.")
    return types[given]


def register() -> None:
    """Make the converters known to skl2onnx, under the names of the classes."""
    for kind in convertible_estimators():
        if issubclass(kind, ClassifierMixin):
            skl2onnx.update_registered_converter(
                kind,
                kind.__name__,
                calculate_linear_classifier_output_shapes,
                _convert_classifier,
                options=OPTIONS,
            )
        elif issubclass(kind, TransformerMixin):
            skl2onnx.update_registered_converter(
                kind, kind.__name__, _shape_of_features, _convert_features
            )
        else:
            skl2onnx.update_registered_converter(
                kind, kind.__name__, _shape_of_predictions, _convert_regressor
            )


class _Graph:
    """Nodes of one estimator in the arithmetic of its input: double, or else single precision."""

    def __init__(self, scope: Any, operator: Any, container: Any):
        if container.target_opset < OLDEST_OPSET:
            raise ValueError(
                f"target_opset={container.target_opset} cannot prepare the inputs of "
                f"{type(operator.raw_operator).__name__}: use {OLDEST_OPSET} or newer."
            )
        self.scope, self.operator, self.container = scope, operator, container
        double = guess_proto_type(operator.inputs[0].type) == TensorProto.DOUBLE
        self.type = TensorProto.DOUBLE if double else TensorProto.FLOAT

    def node(self, kind: str, *inputs: str, called: str | None = None, **attributes: Any) -> str:
        """Add a node; the name of its output, which is ``called`` if given."""
        output = called or self.scope.get_unique_variable_name(kind.lower())
        name = self.scope.get_unique_operator_name(kind)
        self.container.add_node(kind, list(inputs), output, name=name, **attributes)
        return output

    def constant(self, values: NDArray, data_type: int | None = None) -> str:
        """Add a constant; numbers in the arithmetic of the graph unless another type is given."""
        name = self.scope.get_unique_variable_name("constant")
        data_type = self.type if data_type is None else data_type
        self.container.add_initializer(name, data_type, values.shape, values.ravel().tolist())
        return name

    def complete(self, table: str, encoding: Any) -> str:
        """Inputs of the columns of a table: medians for missing values, then the indicators."""
        missing = self.node("IsNaN", table)
        inputs = self.node("Where", missing, self.constant(encoding.medians), table)
        if not len(encoding.with_indicator):
            return inputs
        columns = self.constant(encoding.with_indicator, TensorProto.INT64)
        indicators = self.node("Cast", missing, to=self.type)
        indicators = self.node("Gather", indicators, columns, axis=1)
        return self.node("Concat", inputs, indicators, axis=1)

    def encoded(self, inputs: str, pieces: Pieces) -> str:
        """The sums of the pieces of inputs; 0 of those that have none."""
        values = self.node(
            "Gather", inputs, self.constant(pieces.column, TensorProto.INT64), axis=1
        )
        values = self.node("Sub", values, self.constant(pieces.near_start))
        values = self.node("Sub", values, self.constant(pieces.rest_of_start))
        values = self.node("Div", values, self.constant(pieces.width))
        values = self.node("Max", values, self.constant(np.zeros(1)))
        values = self.node("Min", values, self.constant(np.ones(1)))
        values = self.node("MatMul", values, self.constant(pieces.rises))
        return self.node("Add", values, self.constant(pieces.shift))

    def outputs_of_network(self, model: Any) -> str:
        """The network's outputs, of shape (n, q)."""
        units, layers = unit_layers(model)
        table = self.node("Cast", self.operator.inputs[0].full_name, to=self.type)
        inputs = self.complete(table, model.table_)
        values = self.node("Sub", inputs, self.constant(units.center))
        values = self.node("Div", values, self.constant(units.scale))
        values = self.node("Max", values, self.constant(units.lower))
        values = self.node("Min", values, self.constant(units.upper))
        if units.pieces is not None:
            values = self.node("Add", values, self.encoded(inputs, units.pieces))
        for number, layer in enumerate(layers):
            if number:
                values = self.node("Relu", values)
            values = self.node("MatMul", values, self.constant(layer.weights))
            values = self.node("Add", values, self.constant(layer.bias))
        return values


def _set_shape(operator: Any, n_outputs: int) -> None:
    double = isinstance(operator.inputs[0].type, DoubleTensorType)
    shape = [operator.inputs[0].get_first_dimension(), n_outputs]
    operator.outputs[0].type = (DoubleTensorType if double else FloatTensorType)(shape)


def _shape_of_predictions(operator: Any) -> None:
    _set_shape(operator, len(operator.raw_operator.intercepts_[-1]))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, model = _Graph(scope, operator, container), operator.raw_operator
    last = "Exp" if link_of(model) == "log" else "Identity"
    graph.node(last, graph.outputs_of_network(model), called=operator.outputs[0].full_name)


def _shape_of_features(operator: Any) -> None:
    _set_shape(operator, operator.raw_operator.estimator_.n_neurons_)


def _convert_features(scope: Any, operator: Any, container: Any) -> None:
    graph = _Graph(scope, operator, container)
    hidden = HiddenNetwork.of(operator.raw_operator.estimator_)
    graph.node("Identity", graph.outputs_of_network(hidden), called=operator.outputs[0].full_name)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    graph, model = _Graph(scope, operator, container), operator.raw_operator
    label, second = (output.full_name for output in operator.outputs)
    decision = graph.outputs_of_network(model)
    if len(model.classes_) == 2:
        chosen = graph.node("Greater", decision, graph.constant(np.zeros(1)))
        chosen = graph.node("Cast", chosen, to=TensorProto.INT64)
        decision = graph.node("Concat", graph.node("Neg", decision), decision, axis=1)
    else:
        chosen = graph.node("ArgMax", decision, axis=1, keepdims=1)
    flat = graph.node("Reshape", chosen, graph.constant(np.array([-1]), TensorProto.INT64))
    graph.node("Gather", _labels(graph, model), flat, called=label)
    raw = scope.get_options(model, {"raw_scores": False})["raw_scores"]
    if raw or link_of(model) == "margin":
        graph.node("Identity", decision, called=second)
    elif link_of(model) == "logit":
        graph.node("Sigmoid", decision, called=second)
    else:
        graph.node("Softmax", decision, called=second, axis=1)


def _labels(graph: _Graph, model: Any) -> str:
    """Strings as they are; numbers as integers, as skl2onnx does."""
    labels = get_label_classes(graph.scope, model)
    if labels.dtype.kind in "iufb":
        whole = labels.astype(np.int64)
        if np.any(whole != labels):
            raise ValueError(f"ONNX labels are whole numbers or strings, not {labels.tolist()}.")
        return graph.constant(whole, TensorProto.INT64)
    encoded = np.array([str(label).encode() for label in labels], dtype=object)
    return graph.constant(encoded, TensorProto.STRING)
