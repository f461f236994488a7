"""A quantized graph without a chip: exact products, no placement.

Which question this module answers: *what does a numerics scheme alone make of these samples?*

The same values as on a perfect chip, for networks and schemes that no chip of the library holds,
and faster: products of groups are those of the shifted codes as wide integers, which is the same
number. Real numbers are multiplied in single precision (scheme ``float32``).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError, SimulationError
from pimsim.functional.engines import exact_matmul
from pimsim.functional.executor import shifts_of
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload

Values = NDArray[Any]


def run_exact(
    quantized: QuantizedWorkload,
    inputs: Mapping[str, Values],
    dims: Mapping[str, int],
    *,
    observe: Callable[[QuantizedOp, Values, int], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Run samples through a quantized graph.

    Parameters
    ----------
    quantized
        A graph with values.
    inputs
        Input → values, first axis = sample.
    dims
        Numbers of the symbolic dimensions, the batch apart: it is the number of samples.
    observe
        Called with each operation, its output and how many elements of it were saturated, in
        order.

    Returns
    -------
    dict
        Output of the workload → values.

    Raises
    ------
    SimulationError
        If the graph is shape-only.
    """
    if quantized.shape_only:
        raise SimulationError("a shape-only workload has no values to run")
    sizes = {**dims, "batch": len(next(iter(inputs.values())))}
    values: dict[str, Values] = dict(inputs)
    last_use = {name: index for index, op in enumerate(quantized.ops) for name in op.inputs}
    for index, op in enumerate(quantized.ops):
        saturations = _execute(op, values, sizes)
        if observe is not None:
            observe(op, values[op.output], saturations)
        for name in op.inputs:
            if last_use[name] == index and name not in quantized.outputs:
                values.pop(name, None)
    pairs = zip(quantized.workload.outputs, quantized.outputs, strict=True)
    return {name: values[tensor] for name, tensor in pairs}


def _execute(op: QuantizedOp, values: dict[str, Values], dims: Mapping[str, int]) -> int:
    """Compute an operation, and return how many elements were saturated."""
    operands = [values[name] for name in op.inputs]
    if op.is_product:
        values[op.output] = exact_product(op, operands)
        return 0
    if op.execute is None:
        raise SimulationError(f"op {op.name!r} has nothing to execute")
    try:
        output = op.execute(operands, dims)
    except ModelRangeError as error:
        raise ModelRangeError(f"op {op.name!r}: {error}") from error
    values[op.output] = output.values
    if op.shifts is not None:
        values[op.shifts] = shifts_of(op, output)
    return output.saturations


def exact_product(op: QuantizedOp, operands: list[Values]) -> Values:
    """Multiply the operands of a product as the numbers that their codes stand for.

    Raises
    ------
    SimulationError
        If a static product has no weights.
    """
    driven = operands[0]
    stored = operands[1] if op.kind == "dynamic_product" else op.weights
    if stored is None:
        raise SimulationError(f"op {op.name!r} has no weights to multiply with")
    if op.groups is not None:
        by_name = dict(zip(op.inputs, operands, strict=True))
        shifts = op.groups.weights if op.groups.stored is None else by_name[op.groups.stored]
        stored = expanded(stored, shifts, op.groups.size, axis=-2)
        own = None if op.groups.driven is None else by_name[op.groups.driven]
        driven = expanded(driven, own, op.groups.size, axis=-1)
    if driven.dtype.kind == "f" or stored.dtype.kind == "f":
        return np.asarray(driven @ stored, np.float32)
    return exact_matmul(driven, stored)


def expanded(codes: Values, shifts: Values | None, size: int, *, axis: int) -> Values:
    """Return what codes with one shift per group stand for; codes without stand for themselves.

    Examples
    --------
    >>> expanded(np.array([3, -1, 7]), np.array([2, 0]), 2, axis=-1)
    array([12, -4,  7])
    """
    if shifts is None:
        return codes
    places = np.repeat(shifts.astype(np.int64), size, axis=axis)
    kept = np.take(places, np.arange(codes.shape[axis]), axis=axis)
    return np.left_shift(codes.astype(np.int64), kept)
