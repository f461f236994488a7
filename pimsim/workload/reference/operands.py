"""What every family of operations needs: operands in one element type, numbers, index bounds.

Which question this module answers: *on which arrays, of which element type, does this operation
work?*
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import WorkloadError
from pimsim.workload.element_types import DType
from pimsim.workload.graph import Op
from pimsim.workload.shapes import Number, resolve_number

Array = NDArray[Any]

Function = Callable[[Op, Sequence[Array], Mapping[str, int], DType], Array]
"""Computes an operation from its inputs, the dimensions and the element type of the result.

The result may share memory with an input; no function writes into one.
"""


def converted(inputs: Sequence[Array], dtype: DType) -> list[Array]:
    """Return the operands in one element type, without a copy of those that have it."""
    return [x.astype(dtype, copy=False) for x in inputs]


def number(op: Op, value: Number, dims: Mapping[str, int], dtype: DType) -> Array:
    """Return an attribute's value as an array of rank 0.

    Raises
    ------
    WorkloadError
        If an integer type cannot hold the value.
    """
    resolved = resolve_number(value, dims)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if resolved != resolved // 1 or not limits.min <= resolved <= limits.max:
            raise WorkloadError(
                f"op {op.name!r} ({op.kind}): {dtype} cannot hold {resolved}; trace the model again"
            )
    return np.asarray(resolved, dtype)


def check_range(op: Op, indices: Array, length: int, *, lowest: int = 0) -> None:
    """Check that every index lies on its axis: NumPy would wrap or fail without a place.

    Raises
    ------
    WorkloadError
        With the index furthest outside.
    """
    if indices.size == 0:
        return
    for index in (int(indices.min()), int(indices.max())):
        if not lowest <= index < length:
            raise WorkloadError(
                f"op {op.name!r} ({op.kind}): index {index} is outside {lowest} to {length - 1}; "
                "give inputs that the model knows, or trace it with the right table"
            )
