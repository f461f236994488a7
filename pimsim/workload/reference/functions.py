"""Activation functions, normalizations, rotary embedding, attention mask and table look-up.

Which question this module answers: *what do the functions of a row or of an element give?*

Intermediate results are written over one another, so that a function needs little more memory than
its result.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from pimsim.workload.element_types import DType
from pimsim.workload.graph import Op
from pimsim.workload.reference.operands import Array, Function, check_range, converted, number

_TANH_GELU_SCALE: Final = 0.7978845608028654
"""sqrt(2 / pi), Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415, section 2."""
_TANH_GELU_CUBIC: Final = 0.044715
"""Coefficient of the cubic term, same place."""


def error_function(x: Array) -> Array:
    """Return erf(x) in the element type of ``x``; SciPy is loaded when it is first needed."""
    from scipy.special import erf

    return np.asarray(erf(x), x.dtype)


def _softmax(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    (x,), axis = converted(inputs, dtype), op.attributes["axis"]
    y: Array = x - x.max(axis=axis, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return y


def _layer_norm(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    x, gain, bias = converted(inputs, dtype)
    axes = tuple(range(-op.attributes["normalized_axes"], 0))
    y: Array = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(y).mean(axis=axes, keepdims=True)
    y /= np.sqrt(variance + dtype.type(op.attributes["epsilon"]))
    y *= gain
    y += bias
    return y


def _rms_norm(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    x, gain = converted(inputs, dtype)
    axes = tuple(range(-op.attributes["normalized_axes"], 0))
    power = np.square(x).mean(axis=axes, keepdims=True)
    y: Array = x / np.sqrt(power + dtype.type(op.attributes["epsilon"]))
    y *= gain
    return y


def _gelu(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    (x,) = converted(inputs, dtype)
    if op.attributes["approximate"] == "tanh":
        y = x.copy()
        y *= dtype.type(_TANH_GELU_CUBIC)
        y *= x
        y *= x
        y += x
        y *= dtype.type(_TANH_GELU_SCALE)
        np.tanh(y, out=y)
    else:
        y = error_function(np.asarray(x * dtype.type(np.sqrt(0.5))))
    y += dtype.type(1)
    y *= x
    y *= dtype.type(0.5)
    return y


def _relu(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    rectified: Array = np.maximum(inputs[0].astype(dtype, copy=False), dtype.type(0))
    return rectified


def _sigmoid(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    y = np.array(inputs[0], dtype)  # a copy to write into
    np.negative(y, out=y)
    np.exp(y, out=y)  # infinite for very negative values, whose sigmoid is then exactly 0
    y += dtype.type(1)
    np.reciprocal(y, out=y)
    return y


def _silu(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    y = _sigmoid(op, inputs, dims, dtype)
    y *= inputs[0].astype(dtype, copy=False)
    return y


def _tanh(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    result: Array = np.tanh(inputs[0].astype(dtype, copy=False))
    return result


def _rotary(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    x, cos, sin = converted(inputs, dtype)
    rotated = np.empty_like(x)
    if op.attributes.get("interleaved", False):
        np.negative(x[..., 1::2], out=rotated[..., 0::2])
        rotated[..., 1::2] = x[..., 0::2]
    else:
        half = x.shape[-1] // 2
        np.negative(x[..., half:], out=rotated[..., :half])
        rotated[..., half:] = x[..., :half]
    rotated *= sin
    rotated += x * cos
    return rotated


def _mask(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    x, keep = inputs
    fill = number(op, op.attributes["fill"], dims, dtype)
    return np.where(keep.astype(np.bool_, copy=False), x.astype(dtype, copy=False), fill)


def _embedding(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    indices, table = inputs
    check_range(op, indices, len(table))
    rows: Array = table[indices]
    return rows


FUNCTIONS: Final[Mapping[str, Function]] = {
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "gelu": _gelu,
    "relu": _relu,
    "silu": _silu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "rotary": _rotary,
    "mask": _mask,
    "embedding": _embedding,
}
"""The same keys as :data:`pimsim.workload.graph.FUNCTION_KINDS`."""
