"""Run a graph op by op: bind the dimensions, compute, check the shape, free what is done with.

Which question this module answers: *in which order, with which element types and in how much memory
does the reference run?*
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import DTypeLike

from pimsim.errors import UnsupportedOpError, WorkloadError
from pimsim.workload.element_types import natural_type
from pimsim.workload.graph import MOVEMENT_KINDS, Op, Workload
from pimsim.workload.reference.elementwise import BINARIES, SELECTIONS, UNARIES
from pimsim.workload.reference.functions import FUNCTIONS
from pimsim.workload.reference.movement import apply_movement
from pimsim.workload.reference.operands import Array, Function
from pimsim.workload.reference.products import PRODUCTS
from pimsim.workload.reference.reductions import REDUCTIONS
from pimsim.workload.reference.sources import SOURCES
from pimsim.workload.shapes import Size, SizeTable, resolve_number

Observer = Callable[[str, Array], None]
"""Called with name and value of each tensor as it is produced; must not change the value."""

COMPUTED: Final[Mapping[str, Function]] = {
    **PRODUCTS,
    **FUNCTIONS,
    **BINARIES,
    **UNARIES,
    **SELECTIONS,
    **REDUCTIONS,
    **SOURCES,
}
"""One function per kind that is not data movement."""

_NUMBERS: Final = ("scalar", "fill", "low", "high")
"""Attributes whose type enters that of the result."""
_SOURCE_NUMBERS: Final = ("start", "stop", "step", "value")


def run(workload: Workload, *inputs: Array, observe: Observer | None = None) -> dict[str, Array]:
    """Execute the workload in float32.

    Parameters
    ----------
    workload
        A workload with weights.
    *inputs
        One array per entry of ``workload.inputs``, in that order; of a decoding step these include
        the keys and values of earlier tokens (kind ``state``).
    observe
        Called with every input and every op's output, in execution order.

    Returns
    -------
    dict
        Output name to value. A tensor is freed after its last use, so the peak memory is that of
        the widest part of the graph.

    Raises
    ------
    WorkloadError
        If the workload has no weights, an input does not fit, an index lies outside its table, or
        an op gives another shape than the graph declares.
    UnsupportedOpError
        If an op is of a kind that has no function here.
    """
    if workload.shape_only:
        raise WorkloadError(
            f"workload {workload.name!r} has shapes only, no weights: there is nothing to execute; "
            "trace it again with weights"
        )
    dims = SizeTable(bind_inputs(workload, inputs))
    notify = observe if observe is not None else _ignore
    values: dict[str, Array] = dict(workload.weights)
    for name, value in zip(workload.inputs, inputs, strict=True):
        values[name] = value
        notify(name, value)
    last_use = _last_use(workload)
    for position, op in enumerate(workload.ops):
        operands = [values[name] for name in op.inputs]
        spec = workload.tensors[op.output]
        value = execute(op, operands, dims, spec.dtype)
        declared = spec.resolved(dims)
        if value.shape != declared:
            raise WorkloadError(
                f"workload {workload.name!r}, op {op.name!r}: computed shape {value.shape}, but "
                f"graph.json declares {declared} for {op.output!r}; trace the model again"
            )
        values[op.output] = value
        notify(op.output, value)
        del operands, value
        for name in {*op.inputs, *op.outputs}:
            if last_use.get(name, position) == position:
                del values[name]
    return {name: values[name] for name in workload.outputs}


def execute(
    op: Op, inputs: Sequence[Array], dims: Mapping[str, int], dtype: DTypeLike | None = None
) -> Array:
    """Compute one operation.

    Parameters
    ----------
    op
        An operation of any kind.
    inputs
        Its operands. The result may share their memory: do not write into it.
    dims
        The number that each symbolic dimension stands for.
    dtype
        Element type of the result, as the graph declares it; by default the one that PyTorch would
        give it. Overflow, division by zero and NaN follow IEEE 754 without a warning, as they do
        there.

    Raises
    ------
    WorkloadError
        If an index lies outside its axis, an integer is divided by zero or raised to a negative
        power, or an attribute does not fit the element type.
    UnsupportedOpError
        If the kind has no function.

    Examples
    --------
    >>> half = Op("half", "div", ("x",), ("y",), {"scalar": 2})
    >>> execute(half, [np.array([1, 3])], {})
    array([0.5, 1.5], dtype=float32)
    """
    if op.kind in MOVEMENT_KINDS:
        moved = apply_movement(op, inputs, dims)
        return moved if dtype is None else moved.astype(dtype, copy=False)
    if op.kind not in COMPUTED:
        raise UnsupportedOpError(
            f"op {op.name!r}: kind {op.kind!r} has no reference function; supported: "
            f"{', '.join(sorted({*COMPUTED, *MOVEMENT_KINDS}))}"
        )
    if dtype is None:
        names = _NUMBERS if inputs else _SOURCE_NUMBERS
        given = [op.attributes[name] for name in names if name in op.attributes]
        result = natural_type(op, inputs, [resolve_number(value, dims) for value in given])
    else:
        result = np.dtype(dtype)
    with np.errstate(all="ignore"):
        value = COMPUTED[op.kind](op, inputs, dims, result)
        return np.asarray(value).astype(result, copy=False)


def bind_inputs(workload: Workload, inputs: Sequence[Array]) -> dict[str, int]:
    """Find the number of every symbolic dimension from the shapes of real inputs.

    Dimensions that no input carries alone on an axis take their smallest value.

    Raises
    ------
    WorkloadError
        If the count, an element type or a shape of the inputs does not fit the graph, or a
        dimension lies outside what the trace allows.
    """
    where = f"workload {workload.name!r}"
    if len(inputs) != len(workload.inputs):
        raise WorkloadError(
            f"{where} takes {len(workload.inputs)} inputs ({', '.join(workload.inputs)}), "
            f"got {len(inputs)}"
        )
    found: dict[str, int] = {}
    for name, value in zip(workload.inputs, inputs, strict=True):
        spec = workload.tensors[name]
        expected = f"{where}, input {name!r}: expected {spec.dtype} of shape {_text(spec.shape)}"
        if value.dtype != np.dtype(spec.dtype):
            raise WorkloadError(f"{expected}, got element type {value.dtype}; convert it")
        if value.ndim != len(spec.shape):
            raise WorkloadError(f"{expected}, got {value.ndim} axes: {_text(value.shape)}")
        for size, length in zip(spec.shape, value.shape, strict=True):
            if size not in workload.dims:
                continue
            if found.setdefault(str(size), length) != length:
                raise WorkloadError(
                    f"{expected}, got {_text(value.shape)}: {size} is {found[str(size)]} elsewhere"
                )
    dims = workload.bind(**found)
    for name, value in zip(workload.inputs, inputs, strict=True):
        spec = workload.tensors[name]
        if value.shape != spec.resolved(dims):
            raise WorkloadError(
                f"{where}, input {name!r}: expected shape {_text(spec.shape)}, "
                f"got {_text(value.shape)}"
            )
    return dims


def _ignore(name: str, value: Array) -> None:
    """Observe nothing."""


def _last_use(workload: Workload) -> dict[str, int]:
    """Index of the last op that reads each tensor; an output of the graph is never dropped."""
    uses = {name: index for index, op in enumerate(workload.ops) for name in op.inputs}
    return {**uses, **dict.fromkeys(workload.outputs, len(workload.ops))}


def _text(shape: Sequence[Size]) -> str:
    return "(" + ", ".join(str(size) for size in shape) + ")"
