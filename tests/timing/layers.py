"""Attention layers for the tests of dataflows."""

from dataclasses import replace

from pimsim.quantization.quantized import QuantizedWorkload
from pimsim.workload.graph import AttentionGroup, AttentionRole
from tests.mapping.graphs import Graph, attention

ROLES: dict[str, AttentionRole] = {
    "query": "query",
    "key": "key",
    "value": "value",
    "logits": "logits",
    "softmax": "softmax",
    "context": "context",
    "output": "output",
}


def grouped(quantized: QuantizedWorkload, name: str = "layer") -> QuantizedWorkload:
    """The same graph, with what is inside the attention layer marked as such."""
    ops = []
    for op in quantized.ops:
        role = ROLES.get(op.name.removesuffix(".q"))
        group = None if role is None else AttentionGroup(name, role, 1, 1, causal=False)
        ops.append(replace(op, group=group))
    return replace(quantized, ops=tuple(ops))


def layer(tokens: int, width: int, heads: int) -> QuantizedWorkload:
    """Normalization, attention and residual; batch symbolic."""
    return grouped(attention(tokens, width, heads))


def bare_attention(tokens: int, width: int, depth: int | None = None) -> QuantizedWorkload:
    """One head without requantization: the seven steps of an attention layer."""
    graph, depth = Graph(), depth or width
    x = graph.input("x", "batch", tokens, width)
    query, key, value = (graph.linear(role, x, depth, bits=4) for role in ("query", "key", "value"))
    turned = graph.move("key.t", "permute", [key], ("batch", depth, tokens), axes=(0, 2, 1))
    logits = graph.matmul("logits", query, turned, bits=4)
    soft = graph.unit("softmax", "softmax", logits, stream_from="logits", axis=-1)
    context = graph.matmul("context", soft, value, bits=4)
    return grouped(graph.build(graph.linear("output", context, width, bits=4)))
