"""Find the attention layers of a traced graph.

Which question this module answers: *which operations form one attention layer, and what does each
do in it?*

Attention is recognized by its pattern: a softmax; back to the product of queries and keys through
masks, biases and scales; forward to the product with the values; and from both on, through
reshapes, normalizations and rotary embeddings, to the projections. One projection of queries, keys
and values together, or of keys and values, has a role of its own. A softmax without that
surrounding is left alone.

A layer is causal if no query sees a later key: everything between the product and the softmax is
evaluated at a small size with all logits zero, and the softmax must be zero above the diagonal. How
the mask is written does not matter.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np

from pimsim.workload.graph import MOVEMENT_KINDS, AttentionGroup, AttentionRole, Op, Workload
from pimsim.workload.probe import Probe

_HEADS_RANK: Final = 4
"""(batch, heads, queries, keys)."""

_TO_LOGITS: Final = MOVEMENT_KINDS | {
    "add", "sub", "mul", "div", "mask", "where", "tanh", "clamp", "cast", "minimum", "maximum",
}  # fmt: skip
"""What may stand between Q·Kᵀ and the softmax."""
_TO_PROJECTION: Final = MOVEMENT_KINDS | {
    "add", "mul", "div", "rotary", "rms_norm", "layer_norm", "clamp", "cast",
}  # fmt: skip
"""What may stand between a projection and the product that its result goes into."""
_AFTER: Final = MOVEMENT_KINDS | {"mask", "cast"}
"""What may stand behind the softmax and behind the context."""

_HIDDEN: Final = -1e30
"""A row of equal logits whose largest is below this has no key at all."""

_FUSED: Final[Mapping[frozenset[str], AttentionRole]] = {
    frozenset({"query", "key", "value"}): "query_key_value",
    frozenset({"key", "value"}): "key_value",
}


def with_groups(workload: Workload) -> Workload:
    """Return the workload with the members of attention layers tagged.

    Parameters
    ----------
    workload
        With or without weights; without them, a mask that is stored as a buffer is not seen.

    Returns
    -------
    Workload
        Equal but for the ``group`` of its operations. A layer is named by the module path that its
        operations share; ``heads`` is the second axis of the logits, ``kv_heads`` how many keys
        there were before they were repeated for the queries that share them.
    """
    graph = _Graph(workload.ops)
    probe, inverse = Probe(workload), Probe(workload, inputs=0)
    groups: dict[str, AttentionGroup] = {}
    names: set[str] = set()
    for op in workload.ops:
        layer = _layer(graph, op) if op.kind == "softmax" else None
        if layer is None or not layer.roles.keys().isdisjoint(groups):
            continue
        heads, kv_heads = _heads(graph, layer, probe)
        name = _unused(_shared_path(layer.roles), names)
        names.add(name)
        causal = _is_causal(layer, probe, inverse)
        for member, role in layer.roles.items():
            groups[member] = AttentionGroup(name, role, heads, kv_heads, causal)
    return replace(
        workload, ops=tuple(replace(op, group=groups.get(op.name)) for op in workload.ops)
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    softmax: Op
    logits: Op
    roles: Mapping[str, AttentionRole]
    """By name of the operation."""


@final
class _Graph:
    """Producers and readers of every tensor."""

    def __init__(self, ops: Iterable[Op]) -> None:
        self.producer: dict[str, Op] = {}
        self.readers: dict[str, list[Op]] = {}
        for op in ops:
            self.producer[op.output] = op
            for name in op.inputs:
                self.readers.setdefault(name, []).append(op)

    def back(self, tensor: str, goal: str, through: frozenset[str]) -> tuple[Op | None, list[Op]]:
        """Walk towards the inputs to the nearest operation of a kind.

        Returns
        -------
        tuple
            The operation, ``None`` if there is none, and what was passed on the way to it.
        """
        trail: list[tuple[str, tuple[Op, ...]]] = [(tensor, ())]
        seen: set[str] = set()
        while trail:
            name, passed = trail.pop()
            op = self.producer.get(name)
            if op is None or name in seen:
                continue
            seen.add(name)
            if op.kind == goal:
                return op, list(passed)
            if op.kind in through:
                trail += [(source, (*passed, op)) for source in reversed(_carriers(op))]
        return None, []

    def forward(self, tensor: str) -> Op | None:
        """Walk towards the outputs through movement to the one operation that reads a tensor."""
        while True:
            readers = self.readers.get(tensor, [])
            if len(readers) != 1:
                return None
            if readers[0].kind not in _AFTER or readers[0].inputs[0] != tensor:
                return readers[0]
            tensor = readers[0].output


def _carriers(op: Op) -> Sequence[str]:
    """Operands that carry the values on; indices, conditions and gains do not."""
    if op.kind in ("add", "sub", "minimum", "maximum", "cat"):
        return op.inputs
    return op.inputs[1:] if op.kind == "where" else op.inputs[:1]


def _is_scaling(op: Op) -> bool:
    return op.kind in ("mul", "div") and "scalar" in op.attributes


def _layer(graph: _Graph, softmax: Op) -> _Layer | None:
    """The layer around one softmax; ``None`` if it is not attention."""
    logits, masking = graph.back(softmax.inputs[0], "matmul", _TO_LOGITS)
    context = graph.forward(softmax.output)
    if logits is None or context is None or context.kind != "matmul":
        return None
    scales = _first_scaling(reversed(masking))
    found: dict[str, list[AttentionRole]] = {}
    sources: tuple[tuple[AttentionRole, str], ...] = (
        ("query", logits.inputs[0]),
        ("key", logits.inputs[1]),
        ("value", context.inputs[1]),
    )
    for role, tensor in sources:
        projection, passed = graph.back(tensor, "linear", _TO_PROJECTION)
        if projection is not None:
            found.setdefault(projection.name, []).append(role)
            scales += [op for op in passed if _is_scaling(op) and role != "value"]
    output = graph.forward(context.output)
    if output is not None and output.kind == "linear":
        found.setdefault(output.name, []).append("output")
    roles: dict[str, AttentionRole] = {scale.name: "scale" for scale in scales}
    roles |= {logits.name: "logits", softmax.name: "softmax", context.name: "context"}
    for name, parts in found.items():
        role_of_all = parts[0] if len(parts) == 1 else _FUSED.get(frozenset(parts))
        if role_of_all is not None:
            roles[name] = role_of_all
    return _Layer(softmax, logits, roles)


def _first_scaling(after_logits: Iterable[Op]) -> list[Op]:
    """The scale of the logits: what comes first behind their product, movement apart."""
    for op in after_logits:
        if op.kind not in MOVEMENT_KINDS:
            return [op] if _is_scaling(op) else []
    return []


def _heads(graph: _Graph, layer: _Layer, probe: Probe) -> tuple[int, int]:
    """Heads of the queries and of the keys."""
    shape = probe.shape(layer.softmax.inputs[0])
    if len(shape) == _HEADS_RANK:
        batch, heads = shape[:2]
    elif len(shape) == _HEADS_RANK - 1 and "batch" in probe.dims:
        batch, heads = probe.dims["batch"], shape[0] // probe.dims["batch"]  # one axis for both
    else:
        return 1, 1
    depth = probe.shape(layer.logits.inputs[0])[-1]
    keys = layer.logits.inputs[1]
    fewest = math.prod(probe.shape(keys))
    while True:
        op = graph.producer.get(keys)
        if op is None or op.kind not in ("view", "permute", "expand", "rotary"):
            break
        keys = op.inputs[0]
        fewest = min(fewest, math.prod(probe.shape(keys)))
    return heads, max(1, fewest // (batch * shape[-1] * depth))


def _is_causal(layer: _Layer, *probes: Probe) -> bool:
    """Whether the softmax of equal logits gives no weight to later keys.

    Inputs may say which keys to see or which to hide. Tried first is all ones, and where that
    leaves a query without any key, all zeros.
    """
    if layer.softmax.inputs[0] == layer.logits.output:
        return False
    for probe in probes:
        zeros = np.zeros(probe.shape(layer.logits.output), np.float32)
        masked = probe.value(layer.softmax.inputs[0], {layer.logits.output: zeros})
        queries, keys = masked.shape[-2:]
        if queries != keys or queries == 1:
            return False
        highest = masked.max(axis=-1, keepdims=True)
        if np.all(highest > _HIDDEN):
            return not np.any(np.triu(np.exp(masked - highest), 1))
    return False


def _shared_path(names: Iterable[str]) -> str:
    """Longest run of leading path parts that all names share, without the last part of any."""
    paths = [name.split(".")[:-1] for name in names]
    shared: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared) or "attention"


def _unused(name: str, taken: set[str]) -> str:
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    return candidate
