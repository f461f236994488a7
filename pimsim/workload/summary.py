"""Count what a workload stores and computes, and tell one workload from another.

Which question this module answers: *how many parameters, multiply-accumulates and bytes of
activations does it have, and is it the same as that one?*

One MAC is one multiplication and one addition, two operations. Static MACs multiply by stored
values, which a chip programs once; dynamic MACs multiply two values computed at run time, as
Q·Kᵀ and P·V do. Not counted: biases, softmax, normalization, look-ups and every other element-wise
function, as is the field's habit. Two MACs are what ``torch.utils.flop_counter`` counts of the
model with eager attention.

Activation bytes are those of the results that operations compute, in the element types of the
graph; data movement computes nothing and has none.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.workload.graph import MOVEMENT_KINDS, PRODUCT_KINDS, Op, Workload
from pimsim.workload.shapes import SizeTable, elements


@dataclass(frozen=True, slots=True)
class MacCounts:
    """Multiply-accumulates by the origin of their second operand."""

    static: int
    """With a stored weight."""
    dynamic: int
    """Between two values computed at run time."""

    @property
    def total(self) -> int:
        """Static and dynamic together."""
        return self.static + self.dynamic


@dataclass(frozen=True, slots=True)
class OpCounts:
    """What one operation, or all of them, stores and computes."""

    parameters: int
    """Trained parameters; those that several operations share count for the first."""
    macs: MacCounts
    activation_bytes: int
    """Of its result; 0 for data movement."""


def counts_by_op(workload: Workload, dims: Mapping[str, int]) -> dict[str, OpCounts]:
    """Count everything of every operation, by op name, in execution order.

    Parameters
    ----------
    workload
        With or without weights.
    dims
        A number for every symbolic dimension, as :meth:`Workload.bind` gives.
    """
    products, table = macs_by_op(workload, dims), SizeTable(dims)
    seen: set[str] = set()
    found: dict[str, OpCounts] = {}
    for op in workload.ops:
        mine = {name for name in op.inputs if workload.tensors[name].kind == "weight"} - seen
        seen |= mine
        result = workload.tensors[op.output]
        size_bytes = elements(result.shape, table) * np.dtype(result.dtype).itemsize
        found[op.name] = OpCounts(
            parameters=sum(elements(workload.tensors[name].shape, {}) for name in mine),
            macs=products.get(op.name, MacCounts(0, 0)),
            activation_bytes=0 if op.kind in MOVEMENT_KINDS else size_bytes,
        )
    return found


def counts(workload: Workload, dims: Mapping[str, int]) -> OpCounts:
    """Count everything of the whole workload; with ``batch=1`` that of one inference.

    Examples
    --------
    >>> from pimsim.workload import load_workload
    >>> found = counts(load_workload("vit_digits"), {"batch": 1})
    >>> found.parameters, found.macs.static, found.macs.dynamic
    (202186, 3347072, 147968)
    """
    by_op = counts_by_op(workload, dims).values()
    return OpCounts(
        parameters=parameters(workload),
        macs=macs(workload, dims),
        activation_bytes=sum(found.activation_bytes for found in by_op),
    )


def parameters(workload: Workload) -> int:
    """Count the trained parameters: elements of the tensors of kind ``weight``.

    A shape-only workload has as many as one with weights.
    """
    return sum(
        elements(spec.shape, {}) for spec in workload.tensors.values() if spec.kind == "weight"
    )


def macs(workload: Workload, dims: Mapping[str, int]) -> MacCounts:
    """Count the multiply-accumulates of one pass at the given dimensions.

    Parameters
    ----------
    workload
        With or without weights.
    dims
        A number for every symbolic dimension, as :meth:`Workload.bind` gives; with ``batch=1`` the
        counts are those of one inference.
    """
    by_op = macs_by_op(workload, dims).values()
    return MacCounts(
        static=sum(counts.static for counts in by_op),
        dynamic=sum(counts.dynamic for counts in by_op),
    )


def macs_by_op(workload: Workload, dims: Mapping[str, int]) -> dict[str, MacCounts]:
    """Count the multiply-accumulates of every product, by op name, in execution order."""
    table, stored = SizeTable(dims), set(workload.stored)
    counts: dict[str, MacCounts] = {}
    for op in workload.ops:
        if op.kind in MOVEMENT_KINDS and stored.issuperset(op.inputs):
            stored.add(op.output)  # what is moved only is stored still
        if op.kind in PRODUCT_KINDS:
            count = _macs_of(workload, op, table)
            static = not stored.isdisjoint(op.inputs[:2])
            counts[op.name] = MacCounts(count, 0) if static else MacCounts(0, count)
    return counts


def content_hash(workload: Workload) -> str:
    """Return a SHA-256 that is equal for equal graphs, weights and samples.

    The folder's place and the layout of its files do not matter; the name, every attribute, every
    weight and every sample do.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    from pimsim.workload.schema import render

    digest = hashlib.sha256(render(workload, f"workload {workload.name!r}"))
    arrays: dict[str, Mapping[str, NDArray[Any]]] = {"weights": workload.weights}
    if (samples := workload.samples) is not None:
        arrays |= {
            "calibration": samples.calibration,
            "evaluation": samples.evaluation,
            "reference": samples.reference,
            "labels": {} if samples.labels is None else {"labels": samples.labels},
        }
    for role, members in arrays.items():
        for name, array in sorted(members.items()):
            digest.update(f"\n{role} {name!r} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _macs_of(workload: Workload, op: Op, dims: Mapping[str, int]) -> int:
    """One MAC per output element and element of the summed axis or receptive field."""
    outputs = elements(workload.tensors[op.output].shape, dims)
    if op.kind == "convolution":
        _, *field = workload.tensors[op.inputs[1]].shape  # channels of one group, height, width
        return outputs * elements(field, dims)
    return outputs * elements(workload.tensors[op.inputs[0]].shape[-1:], dims)
