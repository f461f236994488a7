"""Number and element types of the operands that each kind of operation takes.

Which question this module answers: *can this operation be computed from these tensors, apart from
their shapes?*
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from pimsim.errors import WorkloadError
from pimsim.workload.element_types import FLOATING_KINDS
from pimsim.workload.graph import (
    BINARY_KINDS,
    MOVEMENT_KINDS,
    REDUCTION_KINDS,
    SOURCE_KINDS,
    UNARY_KINDS,
    Op,
    TensorSpec,
)

_MANY: Final = 1024

OPERANDS: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(MOVEMENT_KINDS | UNARY_KINDS | REDUCTION_KINDS, (1, 1)),
    **dict.fromkeys(BINARY_KINDS, (1, 2)),
    **dict.fromkeys(SOURCE_KINDS, (0, 0)),
    **dict.fromkeys(("softmax", "gelu", "relu", "silu", "sigmoid", "tanh"), (1, 1)),
    **dict.fromkeys(("matmul", "rms_norm", "mask", "embedding", "gather"), (2, 2)),
    **dict.fromkeys(("layer_norm", "rotary", "where"), (3, 3)),
    **dict.fromkeys(("linear", "convolution"), (2, 3)),
    "cat": (1, _MANY),
    "index": (2, 9),
}
"""Fewest and most inputs of each kind."""

_INDICES: Final[Mapping[str, slice]] = {
    "embedding": slice(0, 1),
    "gather": slice(1, 2),
    "index": slice(1, None),
}
"""Which operands of a kind are indices."""


def check_operands(op: Op, place: str) -> None:
    """Check the number of inputs.

    Raises
    ------
    WorkloadError
        If there are too few or too many, or a binary operation has not exactly two operands, of
        which one may be the attribute ``scalar``.
    """
    fewest, most = OPERANDS[op.kind]
    count = len(op.inputs)
    if not fewest <= count <= most:
        allowed = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise WorkloadError(f"{place}: kind {op.kind!r} takes {allowed} inputs, got {count}")
    if op.kind not in BINARY_KINDS:
        return
    if (count == 1) != ("scalar" in op.attributes):
        raise WorkloadError(
            f"{place}: kind {op.kind!r} takes two inputs, or one and the attribute 'scalar'; "
            f"got {count} and {'a' if 'scalar' in op.attributes else 'no'} scalar"
        )
    if count == 2 and op.attributes.get("reverse", False):
        raise WorkloadError(
            f"{place}: 'reverse' makes a scalar the left operand; exchange the two inputs instead"
        )


def check_types(op: Op, tensors: Mapping[str, TensorSpec], place: str) -> None:
    """Check that the operation can give the element type that its output declares.

    Raises
    ------
    WorkloadError
        If an index is no integer, or a function of real numbers is to give integers.
    """
    for name in op.inputs[_INDICES.get(op.kind, slice(0, 0))]:
        dtype = tensors[name].dtype
        if np.dtype(dtype).kind not in "iu":
            raise WorkloadError(
                f"{place} ({op.kind}): indices must be integers, but {name!r} is {dtype}; cast it, "
                "or choose by a truth value with 'where'"
            )
    declared = tensors[op.output].dtype
    if op.kind in FLOATING_KINDS and np.dtype(declared).kind != "f":
        raise WorkloadError(
            f"{place} ({op.kind}): gives floating-point numbers, but tensors.{op.output} declares "
            f"{declared}; declare float32 and cast the result"
        )
