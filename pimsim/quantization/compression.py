"""Operands in groups that share a shift: the step from evenly spaced integers to few bits.

Which question this module answers: *which operation compresses an operand, and what does it yield?*

One operation of the requantization unit reads a tensor of integers and yields two: the codes, and
one shift (flag) per group. Both travel to the macros of the products that take them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.integer.leading_one import GroupCodes
from pimsim.quantization.builder import GraphBuilder, Value
from pimsim.quantization.forms import OperandForm
from pimsim.quantization.quantized import Encoding, QuantizedOp, QuantizedTensor
from pimsim.workload.graph import Op
from pimsim.workload.shapes import Size


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand of a product."""

    value: Value
    shifts: str | None = None
    """Tensor with one shift per group; ``None``: codes stand for themselves."""


def compress(
    builder: GraphBuilder, op: Op, value: Value, form: OperandForm, *, axis: int, name: str
) -> Operand:
    """Keep the leading bits of each group of a tensor.

    Parameters
    ----------
    builder
        Takes the operation.
    op
        The product that asks for it.
    value
        Integers of at most ``form.basis_bits``.
    form
        Says how; a form without compression leaves the integers as they are.
    axis
        Along which groups lie: -1 of a driven operand, -2 of a stored one.
    name
        Of the operation and the codes; what is there already is taken again.
    """
    if form.compression is None:
        return Operand(value)
    shifts = f"{name}.shifts"
    if name in builder.tensors:
        return Operand(Value(name, builder.tensors[name].encoding), shifts)
    unit = replace(form.compression, input_bits=value.encoding.bits)
    size = unit.group_size or 1
    shape = list(builder.tensors[value.name].shape)
    groups = shape.copy()
    groups[axis] = group_count(shape[axis], size)
    flag = Encoding(form.flag_bits, "integer", None if builder.shape_only else 1.0)
    builder.tensors[shifts] = QuantizedTensor(shifts, tuple(groups), flag)

    def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> GroupCodes:
        return unit.encode(arrays[0], axis=axis)

    codes = builder.emit(
        QuantizedOp(
            name=name,
            kind="unit",
            source=op.name,
            inputs=(value.name,),
            output=name,
            function="requantize",
            shifts=shifts,
            execute=None if builder.shape_only else execute,
            hardware=unit.hardware,
            attributes={"axis": axis},
            group=op.group,
        ),
        shape,
        Encoding(form.bits, "integer", value.encoding.scale),
    )
    return Operand(codes, shifts)


def compressed_weights(
    codes: NDArray[np.int64], form: OperandForm
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Codes of a (rows, cols) matrix and the shifts (groups, cols) along its rows, if any."""
    if form.compression is None:
        return codes, None
    found = form.compression.encode(codes, axis=0)
    return found.values.astype(np.int64), found.shifts.astype(np.int64)


def group_count(length: Size, size: int) -> Size:
    """Groups along an axis, of which the last may be shorter.

    Examples
    --------
    >>> group_count(17, 16), group_count("seq + 1", 16)
    (2, '(seq + 1 + 15) // 16')
    """
    return -(-length // size) if isinstance(length, int) else f"({length} + {size - 1}) // {size}"
