"""Which tensors of the traced graph share their codes, and who reads them in the end.

Which question this module answers: *what must a tensor's width and scale serve?*

Data movement changes no code, so a tensor, its views, slices and the concatenations it enters have
one encoding, which must serve all their readers. A factor by a constant only changes what codes
stand for. What the host computes (:mod:`pimsim.quantization.host`) is linked to nothing.
"""

from collections.abc import Container, Mapping, Sequence
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
    """Whether an operation leaves codes as they are.

    Movement does, and so do the masking of logits, which the softmax heeds, and a constant factor.
    """
    return op.kind in MOVEMENT_KINDS or op.kind == "mask" or constant_factor(op) is not None


def constant_factor(op: Op) -> float | None:
    """Positive number that an operation multiplies by; ``None`` if it does something else."""
    scalar = op.attributes.get("scalar")
    if not isinstance(scalar, (int, float)) or isinstance(scalar, bool) or scalar <= 0:
        return None
    if op.kind == "mul":
        return float(scalar)
    if op.kind == "div" and not op.attributes.get("reverse", False):
        return 1.0 / float(scalar)
    return None


def appended_states(workload: Workload) -> dict[str, Op]:
    """State inputs that lie in crossbars, each with the concatenation that appends to it.

    Only data movement stands between that and the products that take it, as their stored operand.
    """
    readers = consumers(workload)

    def stored_only(tensor: str) -> bool:
        taken = tensor not in workload.outputs and bool(readers.get(tensor))
        for op in readers.get(tensor, []):
            if op.kind in MOVEMENT_KINDS:
                taken = taken and stored_only(op.output)
            else:
                taken = taken and op.kind == "matmul" and op.inputs[0] != tensor
        return taken

    return {
        op.inputs[0]: op
        for op in workload.ops
        if op.kind == "cat"
        and workload.tensors[op.inputs[0]].kind == "state"
        and readers[op.inputs[0]] == [op]
        and stored_only(op.output)
    }


def data_operands(op: Op) -> tuple[str, ...]:
    """Inputs of a movement whose elements it moves, without those that say which."""
    return op.inputs[:1] if op.kind in ("gather", "index") else op.inputs


def without_activations(workload: Workload) -> tuple[frozenset[str], frozenset[str]]:
    """Tensors that no activation enters: those of the host, and the chip's constants.

    Returns
    -------
    tuple
        *Host*: integers and truth values among the inputs, and all that is computed from them. An
        embedding's output is an activation, and so is a floating-point input. *Constants*: stored
        values and what is computed from them alone, in a shape without symbols (the batch apart),
        so that it can be computed before the run.
    """
    host = {
        name for name in workload.inputs if not workload.tensors[name].dtype.startswith("float")
    }
    constants = set(workload.stored)
    for op in workload.ops:
        if not all(name in host or name in constants for name in op.inputs):
            continue
        symbols = {size for size in workload.tensors[op.output].shape if isinstance(size, str)}
        if op.inputs and constants.issuperset(op.inputs) and symbols <= {"batch"}:
            constants.add(op.output)
        elif op.kind != "embedding":
            host.add(op.output)
    return frozenset(host), frozenset(constants)


def final_readers(workload: Workload, readers: Mapping[str, list[Op]], tensor: str) -> list[Reader]:
    """Who reads a tensor after movement and constant factors, each with the factor in between.

    ``None`` stands for an output of the graph.
    """
    found: list[Reader] = [(None, 1.0)] if tensor in workload.outputs else []
    for op in readers.get(tensor, []):
        if not passes_through(op):
            found.append((op, 1.0))
            continue
        factor = constant_factor(op) or 1.0
        for reader, between in final_readers(workload, readers, op.output):
            found.append((reader, factor * between))
    return found


def operand_places(
    workload: Workload, readers: Mapping[str, list[Op]], tensor: str
) -> frozenset[tuple[str, int]]:
    """Final readers, and the places among their inputs at which a tensor stands, movement apart.

    Of a product, place 0 is driven on the word lines, and place 1 stored in the cells.
    """
    places: set[tuple[str, int]] = set()
    for op in readers.get(tensor, []):
        if passes_through(op):
            places |= operand_places(workload, readers, op.output)
        else:
            places |= {(op.name, place) for place, name in enumerate(op.inputs) if name == tensor}
    return frozenset(places)


def feeds_only_products(found: Sequence[Reader]) -> bool:
    """Whether every final reader is a crossbar product."""
    return bool(found) and all(op is not None and op.kind in PRODUCT_KINDS for op, _ in found)


def connected_by_movement(
    workload: Workload, apart: Container[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Every computed tensor → all tensors that movement links it to, itself included, in order.

    Stored tensors are coded like what they are laid beside, and link nothing. Neither does what the
    concatenations named in ``apart`` append to their first part.
    """
    computed = [*workload.inputs, *(op.output for op in workload.ops)]
    host, _ = without_activations(workload)
    groups = {name: [name] for name in computed}
    for op in workload.ops:
        if op.kind not in MOVEMENT_KINDS or op.output in host:
            continue
        for name in data_operands(op)[: 1 if op.name in apart else None]:
            mine, other = groups[op.output], groups.get(name)
            if other is None or other is mine:
                continue
            mine.extend(other)
            groups.update(dict.fromkeys(other, mine))
    return {name: tuple(sorted(group)) for name, group in groups.items()}


def appended_apart(workload: Workload, readers: Mapping[str, list[Op]]) -> frozenset[str]:
    """Concatenations that append to a cache something that is also driven on word lines.

    One linear layer may make queries, keys and values in one tensor. Where stored operands are
    narrower than driven ones, what is appended must change its width before it enters the cache,
    so that the cache stays in its cells.
    """
    connected = connected_by_movement(workload)
    return frozenset(
        op.name
        for op in appended_states(workload).values()
        if any(
            place == 0
            for name in connected[op.output]
            for _, place in operand_places(workload, readers, name)
        )
    )


def code(values: NDArray[Any], encoding: Encoding) -> NDArray[Any]:
    """Round real values to the codes of an encoding, saturating symmetrically."""
    if encoding.scale is None:
        return values.astype(np.float32)
    limit = (1 << (encoding.bits - 1)) - 1
    dtype = np.int8 if encoding.bits <= 8 else np.int16 if encoding.bits <= 16 else np.int32
    codes = np.rint(values.astype(np.float64) / encoding.scale)
    return np.clip(codes, -limit, limit).astype(dtype)
