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
    Int64TensorType,
    StringTensorType,
)
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from skl2onnx.common.utils_classifier import get_label_classes
from sklearn.base import ClassifierMixin, TransformerMixin

from sklearn_wedge._tables import fractions_in_single
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
        initial_types=_initial_types(model, tensor),
        options={id(model): {"zipmap": False}} if hasattr(model, "classes_") else None,
        target_opset=target_opset,
    )


def _initial_types(model: Any, tensor: type) -> list[tuple[str, Any]]:
    """One input of all columns; if some are categories, one for each column, by its name."""
    table = model.table_
    if len(table.numbers) == table.n_columns:
        return [("X", tensor([None, model.n_features_in_]))]
    kinds = [StringTensorType if _is_text(table, k) else tensor for k in range(table.n_columns)]
    if len(set(table.column_names)) < table.n_columns:
        raise ValueError(
            "to_onnx makes an input of each column, by name, and several columns have the same "
            f"name: {list(table.column_names)}. Rename them before the fit."
        )
    return [(name, kind([None, 1])) for name, kind in zip(table.column_names, kinds, strict=True)]


def _is_text(table: Any, column: int) -> bool:
    """Whether a column is a category whose levels are text."""
    category = table.category_of(column)
    return category is not None and isinstance(category.levels[0], str)


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
                _shape_of_classes,
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
        double = _is_double(operator)
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

    def inputs_of_network(self, table: Any) -> str:
        """The inputs of the network, of a table in one input or of columns in one each."""
        given = [each.full_name for each in self.operator.inputs]
        if len(table.numbers) == table.n_columns:
            numbers = self.node("Cast", given[0], to=self.type)
            parts = [self.complete(numbers, table)]
            return self.joined(parts + self.of_values(numbers, table))
        if len(given) != table.n_columns:
            raise ValueError(
                f"A table with categories has an input for each of its {table.n_columns} columns, "
                f"as those that to_onnx makes, and {len(given)} were given: convert the estimator "
                "by to_onnx."
            )
        parts = []
        if len(table.numbers):
            columns = [self.node("Cast", given[k], to=self.type) for k in table.numbers]
            numbers = self.node("Concat", *columns, axis=1)
            parts.append(self.complete(numbers, table))
        for each in table.categories:
            if each.is_of_numbers:
                continue
            code = self.code_of_text if isinstance(each.levels[0], str) else self.code_of_number
            values = self.constant(each.values)
            parts.append(self.node("Gather", values, code(given[each.column], each), axis=0))
        if len(table.numbers):
            parts += self.of_values(numbers, table)
        return self.joined(parts)

    def joined(self, parts: list[str]) -> str:
        """Columns side by side."""
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=1)

    def of_values(self, numbers: str, table: Any) -> list[str]:
        """What is made of single values of numbers, which come after the categories."""
        parts = []
        for each in table.categories:
            if each.is_of_numbers:
                place = np.searchsorted(table.numbers, [each.column])
                place = self.constant(place, TensorProto.INT64)
                code = self.code_of_number(self.node("Gather", numbers, place, axis=1), each)
                parts.append(self.node("Gather", self.constant(each.values), code, axis=0))
        return parts

    def code_of_text(self, column: str, category: Any) -> str:
        """The row of a category's values; empty text is a missing value, unless it is a level."""
        keys, n = list(category.levels), len(category.levels)
        places = list(range(n))
        if "" not in keys:
            keys, places = [*keys, ""], [*places, n + 1]
        keys = [key.encode() for key in keys]
        codes = self.node(
            "LabelEncoder",
            column,
            op_domain="ai.onnx.ml",
            op_version=2,
            keys_strings=keys,
            values_int64s=places,
            default_int64=n,
        )
        return self.node("Reshape", codes, self.constant(np.array([-1]), TensorProto.INT64))

    def code_of_number(self, column: str, category: Any) -> str:
        """The row of a category's values; NaN is a missing value."""
        levels, n = np.array(category.levels, dtype=np.float64), len(category.levels)
        value = self.node("Cast", column, to=self.type)
        double = self.type == TensorProto.DOUBLE
        with np.errstate(over="ignore"):
            held = levels if double else levels.astype(np.float32)
        # Of levels that are one number in this arithmetic, the first.
        row = self.row_of_key(value, self.type, *np.unique(held, return_index=True), n)
        keys, places = fractions_in_single(levels)
        if double and len(keys):
            single = self.node("Cast", value, to=TensorProto.FLOAT)
            near = self.row_of_key(single, TensorProto.FLOAT, keys, places, n)
            unknown = self.constant(np.array([float(n)]), TensorProto.FLOAT)
            row = self.node("Where", self.node("Equal", row, unknown), near, row)
        missing = self.node("Cast", self.node("IsNaN", value), to=TensorProto.FLOAT)
        row = self.node("Cast", self.node("Add", row, missing), to=TensorProto.INT64)
        return self.node("Reshape", row, self.constant(np.array([-1]), TensorProto.INT64))

    def row_of_key(
        self, value: str, data_type: int, keys: NDArray, rows: NDArray[np.intp], unknown: int
    ) -> str:
        """The row of the key that each value is, (n, 1); the keys are distinct."""
        known = self.node("Equal", value, self.constant(keys[None], data_type))
        known = self.node("Cast", known, to=TensorProto.FLOAT)
        # One mark at most: the row of what is not known, and from there to that of the mark.
        steps = self.constant(rows[:, None] - float(unknown), TensorProto.FLOAT)
        start = self.constant(np.array([float(unknown)]), TensorProto.FLOAT)
        return self.node("Add", self.node("MatMul", known, steps), start)

    def complete(self, table: str, encoding: Any) -> str:
        """Inputs of the numbers of a table: missing values filled in, then the indicators."""
        missing = self.node("IsNaN", table)
        given = self.constant(encoding.unknown)
        if encoding.filling is not None:
            given = self.filled(table, missing, encoding.filling)
        inputs = self.node("Where", missing, given, table)
        if not len(encoding.with_indicator):
            return inputs
        places = np.searchsorted(encoding.numbers, encoding.with_indicator)
        columns = self.constant(places, TensorProto.INT64)
        indicators = self.node("Cast", missing, to=self.type)
        indicators = self.node("Gather", indicators, columns, axis=1)
        return self.node("Concat", inputs, indicators, axis=1)

    def filled(self, table: str, missing: str, filling: Any) -> str:
        """What stands for missing values of each row."""
        means, scales = self.constant(filling.means), self.constant(filling.scales)
        values = self.node("Max", table, self.constant(filling.lower))
        values = self.node("Min", values, self.constant(filling.upper))
        values = self.node("Div", self.node("Sub", values, means), scales)
        values = self.node("Where", missing, self.constant(np.zeros(1)), values)
        weights = self.constant(filling.weights.T)
        for _ in range(filling.sweeps):
            values = self.node("Where", missing, self.node("MatMul", values, weights), values)
        return self.node("Add", self.node("Mul", values, scales), means)

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

    def sorted(self, values: str, n_columns: int) -> str:
        """Values of each row in ascending order: neighbours change places until all are.

        As ONNX has it, sorting is no operator of old versions, and one of others in new ones.
        """
        places = (self.constant(np.array([k]), TensorProto.INT64) for k in range(n_columns))
        columns = [self.node("Gather", values, place, axis=1) for place in places]
        for last in range(n_columns - 1, 0, -1):
            for k in range(last):
                pair = columns[k], columns[k + 1]
                columns[k], columns[k + 1] = self.node("Min", *pair), self.node("Max", *pair)
        return self.joined(columns)

    def outputs_of_network(self, model: Any) -> str:
        """The network's outputs, of shape (n, q)."""
        units, layers = unit_layers(model)
        inputs = self.inputs_of_network(model.table_)
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


def _is_double(operator: Any) -> bool:
    """Whether numbers among the inputs are of double precision."""
    return any(isinstance(each.type, DoubleTensorType) for each in operator.inputs)


def _shape_of_classes(operator: Any) -> None:
    """As skl2onnx has it; its function refuses several inputs, and text."""
    if len(operator.inputs) == 1:
        calculate_linear_classifier_output_shapes(operator)
        return
    model, n = operator.raw_operator, operator.inputs[0].get_first_dimension()
    are_text = model.classes_.dtype.kind not in "iufb"
    operator.outputs[0].type = (StringTensorType if are_text else Int64TensorType)([n])
    kind = DoubleTensorType if _is_double(operator) else FloatTensorType
    operator.outputs[1].type = kind([n, len(model.classes_)])


def _set_shape(operator: Any, n_outputs: int) -> None:
    double = _is_double(operator)
    shape = [operator.inputs[0].get_first_dimension(), n_outputs]
    operator.outputs[0].type = (DoubleTensorType if double else FloatTensorType)(shape)


def _shape_of_predictions(operator: Any) -> None:
    _set_shape(operator, len(operator.raw_operator.intercepts_[-1]))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    graph, model = _Graph(scope, operator, container), operator.raw_operator
    outputs, link = graph.outputs_of_network(model), link_of(model)
    if link == "sorted":
        outputs = graph.sorted(outputs, len(model.intercepts_[-1]))
    last = "Exp" if link == "log" else "Identity"
    graph.node(last, outputs, called=operator.outputs[0].full_name)


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
