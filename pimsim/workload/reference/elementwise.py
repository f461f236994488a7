"""Arithmetic, comparisons and logic, element by element.

Which question this module answers: *what does each element become?*
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pimsim.errors import WorkloadError
from pimsim.workload.element_types import DType, promoted
from pimsim.workload.graph import Op
from pimsim.workload.reference.functions import error_function
from pimsim.workload.reference.operands import Array, Function, converted, number
from pimsim.workload.shapes import resolve_number


def _pair(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> list[Array]:
    """Left and right operand in one element type; the attribute ``scalar`` may be either."""
    pair = converted(inputs, dtype)
    if len(pair) == 1:
        pair.append(number(op, op.attributes["scalar"], dims, dtype))
        if op.attributes.get("reverse", False):
            pair.reverse()
    return pair


def _binary(function: Callable[[Any, Any], Any]) -> Function:
    """Operate in the element type of the result."""

    def compute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
        result: Array = function(*_pair(op, inputs, dims, dtype))
        return result

    return compute


def _compare(function: Callable[[Any, Any], Any]) -> Function:
    """Operate in the element type in which the operands meet; the result is a truth value."""

    def compute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
        scalar = None if len(inputs) == 2 else resolve_number(op.attributes["scalar"], dims)
        result: Array = function(*_pair(op, inputs, dims, promoted(inputs, scalar)))
        return result

    return compute


def _divide_whole(function: Callable[[Any, Any], Any]) -> Function:
    """Divide and round down, or keep the rest: integers must not be divided by zero."""

    def compute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
        first, second = _pair(op, inputs, dims, dtype)
        if dtype.kind in "iu" and not second.all():
            raise WorkloadError(f"op {op.name!r} ({op.kind}): divides an integer by zero")
        result: Array = function(first, second)
        return result

    return compute


def _pow(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    base, exponent = _pair(op, inputs, dims, dtype)
    if dtype.kind in "iu" and (exponent < 0).any():
        raise WorkloadError(
            f"op {op.name!r} (pow): an integer has no negative power; cast it to float32 first"
        )
    by_number = len(inputs) == 1 and not op.attributes.get("reverse", False)
    if by_number and exponent == 2:
        result: Array = np.square(base)
    elif by_number and exponent == 3:
        result = np.square(base) * base
    else:
        result = np.power(base, exponent)
    return result


def _unary(function: Callable[[Any], Any]) -> Function:
    """Operate in the element type of the result."""

    def compute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
        result: Array = function(inputs[0].astype(dtype, copy=False))
        return result

    return compute


def _rounding(function: Callable[[Any], Any]) -> Function:
    """Round floating-point numbers; integers and truth values are whole already."""
    rounded = _unary(function)

    def compute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
        if inputs[0].dtype.kind != "f":
            return inputs[0]
        return rounded(op, inputs, dims, inputs[0].dtype)

    return compute


def _reciprocal_root(x: Array) -> Array:
    root: Array = np.reciprocal(np.sqrt(x))
    return root


def _sign(x: Array) -> Array:
    sign: Array = x if x.dtype.kind == "b" else np.sign(x)
    return sign


def _clamp(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    y = inputs[0].astype(dtype, copy=False)
    if "low" in op.attributes:
        y = np.maximum(y, number(op, op.attributes["low"], dims, dtype))
    if "high" in op.attributes:  # second, so that it wins where the bounds cross, as in PyTorch
        y = np.minimum(y, number(op, op.attributes["high"], dims, dtype))
    return y


def _logical_not(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    result: Array = np.logical_not(inputs[0])
    return result


def _cast(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    return inputs[0].astype(dtype, copy=False)


def _where(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    first, second = converted(inputs[1:], dtype)
    return np.where(inputs[0].astype(np.bool_, copy=False), first, second)


BINARIES: Final[Mapping[str, Function]] = {
    "add": _binary(np.add),
    "sub": _binary(np.subtract),
    "mul": _binary(np.multiply),
    "div": _binary(np.true_divide),
    "pow": _pow,
    "minimum": _binary(np.minimum),
    "maximum": _binary(np.maximum),
    "floor_divide": _divide_whole(np.floor_divide),
    "remainder": _divide_whole(np.remainder),
    "eq": _compare(np.equal),
    "ne": _compare(np.not_equal),
    "lt": _compare(np.less),
    "le": _compare(np.less_equal),
    "gt": _compare(np.greater),
    "ge": _compare(np.greater_equal),
    "logical_and": _compare(np.logical_and),
    "logical_or": _compare(np.logical_or),
    "logical_xor": _compare(np.logical_xor),
}
"""The same keys as :data:`pimsim.workload.graph.BINARY_KINDS`."""

UNARIES: Final[Mapping[str, Function]] = {
    "sqrt": _unary(np.sqrt),
    "rsqrt": _unary(_reciprocal_root),
    "exp": _unary(np.exp),
    "log": _unary(np.log),
    "neg": _unary(np.negative),
    "abs": _unary(np.absolute),
    "sin": _unary(np.sin),
    "cos": _unary(np.cos),
    "erf": _unary(error_function),
    "floor": _rounding(np.floor),
    "ceil": _rounding(np.ceil),
    "round": _rounding(np.rint),
    "sign": _unary(_sign),
    "logical_not": _logical_not,
    "clamp": _clamp,
    "cast": _cast,
}
"""The same keys as :data:`pimsim.workload.graph.UNARY_KINDS`."""

SELECTIONS: Final[Mapping[str, Function]] = {"where": _where}
