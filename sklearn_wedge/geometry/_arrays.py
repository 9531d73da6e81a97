"""What the functions of geometry take, and how they scale it."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def scale_by_power_of_two(
    array: FloatArray, axis: int | tuple[int, ...]
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Divide by ``2**exponent`` so that the largest entry along `axis` is in [0.5, 1).

    Products of many factors then neither overflow nor underflow, and no digit changes.
    """
    largest = np.abs(array).max(axis=axis, keepdims=True, initial=0.0)
    exponent = np.frexp(largest)[1]
    return np.ldexp(array, -exponent), exponent


def check_grade(d: int, k: int) -> tuple[int, int]:
    d, k = operator.index(d), operator.index(k)
    if d < 0 or k < 0:
        raise ValueError(
            f"the dimension d and the grade k must be at least 0, got d={d} and k={k}."
        )
    return d, k


def check_option(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}.")


def finite_array(values: ArrayLike, name: str, min_ndim: int) -> FloatArray:
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise ValueError(f"{name} must be real, got dtype {array.dtype}.")
    array = array.astype(np.float64, copy=False)
    if array.ndim < min_ndim:
        raise ValueError(
            f"{name} must have at least {min_ndim} dimensions (leading ones batch), got shape "
            f"{array.shape}; reshape it first."
        )
    finite = np.isfinite(array)
    if not finite.all():
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"{name} must be finite, got {array[first]} at index {first}; impute or drop it first."
        )
    return array


def finite_square(values: ArrayLike, name: str) -> FloatArray:
    array = finite_array(values, name, 2)
    if array.shape[-1] < 1 or array.shape[-1] != array.shape[-2]:
        raise ValueError(
            f"{name} must have shape (..., s, s) with s >= 1, that is s rows in R^s, got "
            f"{array.shape}; select as many rows as coordinates."
        )
    return array
