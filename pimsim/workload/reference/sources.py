"""Tensors made from nothing but the dimensions: positions and constants.

Which question this module answers: *what does an operation without inputs give?*
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from pimsim.workload.element_types import DType
from pimsim.workload.graph import Op
from pimsim.workload.reference.operands import Array, Function, number
from pimsim.workload.shapes import arange_length, resolve_number, resolve_shape


def _arange(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    start, stop, step = (op.attributes[name] for name in ("start", "stop", "step"))
    positions = np.arange(arange_length(start, stop, step, dims))
    first, stride = resolve_number(start, dims), resolve_number(step, dims)
    result: Array = first + stride * positions  # exact, or in float64, before it is rounded
    return result


def _full(op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DType) -> Array:
    value = number(op, op.attributes["value"], dims, dtype)
    return np.broadcast_to(value, resolve_shape(op.attributes["shape"], dims))


SOURCES: Final[Mapping[str, Function]] = {"arange": _arange, "full": _full}
"""The same keys as :data:`pimsim.workload.graph.SOURCE_KINDS`."""
