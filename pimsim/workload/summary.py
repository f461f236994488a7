"""Count what a workload stores and computes, and tell one workload from another.

Which question this module answers: *how many parameters and multiply-accumulates does it have, and
is it the same as that one?*

One MAC is one multiplication and one addition, two operations. Static MACs multiply by stored
weights, which a chip programs once; dynamic MACs multiply two values computed at run time, as
Q·Kᵀ and P·V do. Not counted: biases, softmax, normalization and every other element-wise
function, as is the field's habit.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.workload.graph import PRODUCT_KINDS, Op, Workload
from pimsim.workload.shapes import elements


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
    counts: dict[str, MacCounts] = {}
    for op in workload.ops:
        if op.kind not in PRODUCT_KINDS:
            continue
        count = _macs_of(workload, op, dims)
        stored = any(
            workload.tensors[name].kind in ("weight", "constant") for name in op.inputs[:2]
        )
        counts[op.name] = MacCounts(count, 0) if stored else MacCounts(0, count)
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
