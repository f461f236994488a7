"""Reductions along axes, and running sums.

Which question this module answers: *what is the sum, the mean, the largest entry along an axis?*
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from pimsim.workload.element_types import DType
from pimsim.workload.graph import Op
from pimsim.workload.reference.operands import Array, Function


def _reduction(function: Callable[..., Any]) -> Function:
    """Reduce in the element type of the result, without a converted copy of the operand."""

    def compute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
        result: Array = function(
            inputs[0],
            axis=tuple(op.attributes["axes"]),
            keepdims=op.attributes["keepdims"],
            dtype=dtype,
        )
        return result

    return compute


def _extremum(function: Callable[..., Any]) -> Function:
    """Reduce in the element type of the operand: the result is one of its entries or a truth."""

    def compute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
        axes = tuple(op.attributes["axes"])
        result: Array = function(inputs[0], axis=axes, keepdims=op.attributes["keepdims"])
        return result

    return compute


def _position(function: Callable[..., Any]) -> Function:
    """Find the first entry that is the extremum, counted along one axis."""

    def compute(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
        axis: int = op.attributes["axis"]
        result: Array = function(inputs[0], axis=axis, keepdims=op.attributes["keepdims"])
        return result

    return compute


def _cumsum(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    return np.cumsum(inputs[0], axis=op.attributes["axis"], dtype=dtype)


REDUCTIONS: Final[Mapping[str, Function]] = {
    "sum": _reduction(np.sum),
    "mean": _reduction(np.mean),
    "max": _extremum(np.max),
    "min": _extremum(np.min),
    "any": _extremum(np.any),
    "all": _extremum(np.all),
    "argmax": _position(np.argmax),
    "argmin": _position(np.argmin),
    "cumsum": _cumsum,
}
"""The same keys as :data:`pimsim.workload.graph.REDUCTION_KINDS`."""
