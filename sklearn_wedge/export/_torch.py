"""A fitted network as ``torch.nn.Sequential``; imported only where PyTorch is wanted."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from sklearn_wedge.export._layers import InputUnits, Layer, unit_layers
from sklearn_wedge.export._outputs import link_of, refuse_categories

# What is known of pieces, to be kept as buffers.
PIECES = ("near_start", "rest_of_start", "width", "rises", "shift")
FILLING = ("scales", "lower", "upper", "weights")


class ClippedInputs(torch.nn.Module):
    """Inputs made complete, centred, scaled, clipped and encoded; nothing of it is trained.

    Parameters
    ----------
    table : TableEncoding
    units : InputUnits
    dtype : torch.dtype
    """

    def __init__(self, table: Any, units: InputUnits, dtype: torch.dtype):
        super().__init__()
        self.register_buffer("unknown", torch.tensor(table.unknown, dtype=dtype))
        self.sweeps = 0 if table.filling is None else table.filling.sweeps
        for name in FILLING if self.sweeps else ():
            values = getattr(table.filling, name)
            self.register_buffer(f"filling_{name}", torch.tensor(values, dtype=dtype))
        self.register_buffer("with_indicator", torch.tensor(table.with_indicator))
        for name in ("center", "scale", "lower", "upper"):
            self.register_buffer(name, torch.tensor(getattr(units, name), dtype=dtype))
        self.encoded = units.pieces is not None
        if self.encoded:
            for name in PIECES:
                self.register_buffer(name, torch.tensor(getattr(units.pieces, name), dtype=dtype))
            self.register_buffer("column", torch.tensor(units.pieces.column))

    def forward(self, table: torch.Tensor) -> torch.Tensor:
        missing = torch.isnan(table)
        given = self.filled(table, missing) if self.sweeps else self.unknown
        inputs = torch.where(missing, given, table)
        if len(self.with_indicator):
            indicators = missing[:, self.with_indicator].to(inputs.dtype)
            inputs = torch.cat([inputs, indicators], dim=1)
        values = (inputs - self.center) / self.scale
        values = torch.minimum(torch.maximum(values, self.lower), self.upper)
        if not self.encoded:
            return values
        pieces = inputs[:, self.column] - self.near_start - self.rest_of_start
        pieces = pieces / self.width
        return values + pieces.clamp(0, 1) @ self.rises + self.shift

    def filled(self, table: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
        """What stands for missing values of each row."""
        values = torch.minimum(torch.maximum(table, self.filling_lower), self.filling_upper)
        values = (values - self.unknown) / self.filling_scales
        values = torch.where(missing, 0.0, values)
        for _ in range(self.sweeps):
            values = torch.where(missing, values @ self.filling_weights.T, values)
        return self.unknown + self.filling_scales * values


class Exponential(torch.nn.Module):
    """From the logarithm of a mean to the mean."""

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        return torch.exp(outputs)


class Sorted(torch.nn.Module):
    """Outputs of each row in ascending order."""

    def forward(self, outputs: torch.Tensor) -> torch.Tensor:
        return torch.sort(outputs, dim=1).values


def to_torch(model: Any, dtype: torch.dtype | None) -> torch.nn.Sequential:
    """See ``ExportMixin.to_torch``."""
    refuse_categories(model, "to_torch")
    dtype = torch.float64 if dtype is None else dtype
    units, layers = unit_layers(model)
    modules = OrderedDict(inputs=ClippedInputs(model.table_, units, dtype))
    for number, layer in enumerate(layers[:-1], start=1):
        modules[f"hidden_{number}"] = _linear(layer, dtype)
        modules[f"relu_{number}"] = torch.nn.ReLU()
    modules["output"] = _linear(layers[-1], dtype)
    if link_of(model) == "log":
        modules["exp"] = Exponential()
    elif link_of(model) == "sorted":
        modules["sort"] = Sorted()
    return torch.nn.Sequential(modules)


def _linear(layer: Layer, dtype: torch.dtype) -> torch.nn.Linear:
    linear = torch.nn.utils.skip_init(torch.nn.Linear, *layer.weights.shape, dtype=dtype)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(layer.weights.T))
        linear.bias.copy_(torch.tensor(layer.bias))
    return linear
