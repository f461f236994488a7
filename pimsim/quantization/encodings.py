"""Which tensors of the traced graph share their codes, and who reads them in the end.

Which question this module answers: *what must a tensor's width and scale serve?*

Data movement changes no code, so a tensor, its views, slices and the concatenations it enters have
one encoding, which must serve all their readers. A factor by a constant only changes what codes
stand for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.quantization.quantized import Encoding
from pimsim.workload.graph import MOVEMENT_KINDS, PRODUCT_KINDS, Op, Workload

Reader = tuple[Op | None, float]
"""An operation that computes, ``None`` for an output of the graph, and the factor before it."""


def consumers(workload: Workload) -> dict[str, list[Op]]:
    """Operations that read each tensor."""
    readers: dict[str, list[Op]] = {}
    for op in workload.ops:
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    return readers


def passes_through(op: Op) -> bool:
    """Whether an operation leaves codes as they are: movement, or a scale change by a constant."""
    return op.kind in MOVEMENT_KINDS or (op.kind == "mul" and "scalar" in op.attributes)


def final_readers(workload: Workload, readers: Mapping[str, list[Op]], tensor: str) -> list[Reader]:
    """Who reads a tensor after movement and constant factors, each with the factor in between.

    ``None`` stands for an output of the graph.
    """
    found: list[Reader] = [(None, 1.0)] if tensor in workload.outputs else []
    for op in readers.get(tensor, []):
        if not passes_through(op):
            found.append((op, 1.0))
            continue
        factor = float(op.attributes.get("scalar", 1.0)) if op.kind == "mul" else 1.0
        for reader, between in final_readers(workload, readers, op.output):
            found.append((reader, factor * between))
    return found


def feeds_only_products(found: Sequence[Reader]) -> bool:
    """Whether every final reader is a crossbar product."""
    return bool(found) and all(op is not None and op.kind in PRODUCT_KINDS for op, _ in found)


def connected_by_movement(workload: Workload) -> dict[str, tuple[str, ...]]:
    """Every computed tensor → all tensors that movement links it to, itself included, in order.

    Stored tensors are coded like what they are laid beside, and link nothing.
    """
    computed = [*workload.inputs, *(op.output for op in workload.ops)]
    groups = {name: [name] for name in computed}
    for op in workload.ops:
        if op.kind not in MOVEMENT_KINDS:
            continue
        for name in op.inputs:
            mine, other = groups[op.output], groups.get(name)
            if other is None or other is mine:
                continue
            mine.extend(other)
            groups.update(dict.fromkeys(other, mine))
    return {name: tuple(sorted(group)) for name, group in groups.items()}


def code(values: NDArray[Any], encoding: Encoding) -> NDArray[Any]:
    """Round real values to the codes of an encoding, saturating symmetrically."""
    if encoding.scale is None:
        return values.astype(np.float32)
    limit = (1 << (encoding.bits - 1)) - 1
    dtype = np.int8 if encoding.bits <= 8 else np.int16 if encoding.bits <= 16 else np.int32
    codes = np.rint(values.astype(np.float64) / encoding.scale)
    return np.clip(codes, -limit, limit).astype(dtype)
