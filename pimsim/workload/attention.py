"""Find the attention layers of a traced graph.

Which question this module answers: *which operations form one attention layer, and what does each
do in it?*

Eager attention, written with products and a softmax, is recognized by its pattern: the softmax,
back to the product of queries and keys, forward to the product with the values, and from both on
through reshapes to the four projections. A softmax without that surrounding is left alone, as is
the projection of a layer that computes queries, keys and values with one fused matrix. Causal
masks are not recognized: ``causal`` is always ``False``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, final

from pimsim.workload.graph import (
    MOVEMENT_KINDS,
    AttentionGroup,
    AttentionRole,
    Op,
    TensorSpec,
)

_LOGITS_RANK: Final = 4
"""(batch, heads, queries, keys); with fewer axes the heads cannot be told from the batch."""


def with_groups(ops: Sequence[Op], tensors: Mapping[str, TensorSpec]) -> tuple[Op, ...]:
    """Return the operations with the members of attention layers tagged.

    Parameters
    ----------
    ops
        In execution order.
    tensors
        Specs of all tensors of the graph.

    Returns
    -------
    tuple of Op
        Equal but for ``group``. A layer is named by the module path that its operations share;
        ``heads`` is the second axis of the logits, ``kv_heads`` the width of the key projection
        in heads.
    """
    graph = _Graph(ops)
    groups: dict[str, AttentionGroup] = {}
    for op in ops:
        if op.kind != "softmax":
            continue
        roles = _roles(graph, op)
        if roles is None or not roles.keys().isdisjoint(groups):
            continue
        heads, kv_heads = _heads(graph, roles, tensors)
        name = _unused(_shared_path(roles), {group.name for group in groups.values()})
        for member, role in roles.items():
            groups[member] = AttentionGroup(name, role, heads, kv_heads, causal=False)
    return tuple(replace(op, group=groups.get(op.name)) for op in ops)


@final
class _Graph:
    """Producers and consumers of every tensor."""

    def __init__(self, ops: Iterable[Op]) -> None:
        self.by_name: dict[str, Op] = {}
        self.producer: dict[str, Op] = {}
        self.consumers: dict[str, list[Op]] = {}
        for op in ops:
            self.by_name[op.name] = op
            self.producer[op.output] = op
            for name in op.inputs:
                self.consumers.setdefault(name, []).append(op)

    def back(self, tensor: str, passed: list[Op] | None = None) -> Op | None:
        """Walk towards the inputs through movement and scaling to the op that computes a tensor."""
        op = self.producer.get(tensor)
        while op is not None and (op.kind in MOVEMENT_KINDS or _is_scaling(op)):
            if passed is not None and _is_scaling(op):
                passed.append(op)
            op = self.producer.get(op.inputs[0])
        return op

    def forward(self, tensor: str) -> Op | None:
        """Walk towards the outputs through movement to the one op that consumes a tensor."""
        while True:
            consumers = self.consumers.get(tensor, [])
            if len(consumers) != 1:
                return None
            if consumers[0].kind not in MOVEMENT_KINDS:
                return consumers[0]
            tensor = consumers[0].output


def _is_scaling(op: Op) -> bool:
    return op.kind == "mul" and "scalar" in op.attributes


def _roles(graph: _Graph, softmax: Op) -> dict[str, AttentionRole] | None:
    """Op names and their roles in the layer around one softmax; ``None`` if it is not attention."""
    scales: list[Op] = []
    logits = graph.back(softmax.inputs[0], scales)
    context = graph.forward(softmax.output)
    if logits is None or logits.kind != "matmul" or context is None or context.kind != "matmul":
        return None
    projections: dict[AttentionRole, Op | None] = {
        "query": graph.back(logits.inputs[0], scales),
        "key": graph.back(logits.inputs[1], scales),
        "value": graph.back(context.inputs[1]),
        "output": graph.forward(context.output),
    }
    roles: dict[str, AttentionRole] = {scale.name: "scale" for scale in scales}
    roles |= {logits.name: "logits", softmax.name: "softmax", context.name: "context"}
    linears = {role: op.name for role, op in projections.items() if op and op.kind == "linear"}
    names = list(linears.values())
    roles |= {name: role for role, name in linears.items() if names.count(name) == 1}
    return roles


def _heads(
    graph: _Graph, roles: Mapping[str, AttentionRole], tensors: Mapping[str, TensorSpec]
) -> tuple[int, int]:
    """Heads of the queries and of the keys."""
    members = {role: graph.by_name[name] for name, role in roles.items()}
    logits = tensors[members["logits"].output].shape
    heads = logits[1] if len(logits) == _LOGITS_RANK else 1
    width = tensors[members["logits"].inputs[0]].shape[-1]
    if not isinstance(heads, int) or not isinstance(width, int):
        return 1, 1
    key = members.get("key")
    key_width = tensors[key.output].shape[-1] if key is not None else heads * width
    return heads, key_width // width if isinstance(key_width, int) else heads


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
