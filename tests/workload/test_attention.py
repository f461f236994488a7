"""Attention layers are found by their pattern, wherever scales and reshapes stand."""

import pytest

from pimsim.workload.attention import with_groups
from pimsim.workload.graph import Op, TensorSpec

Graph = tuple[tuple[Op, ...], dict[str, TensorSpec]]


def graph(*rows: tuple[str, str, str, tuple[int | str, ...]]) -> Graph:
    """Ops from (name, kind, inputs, shape); a ``mul`` has a scalar."""
    ops = tuple(
        Op(name, kind, tuple(inputs.split()), (name,), {"scalar": 0.5} if kind == "mul" else {})
        for name, kind, inputs, _ in rows
    )
    return ops, {
        name: TensorSpec(name, shape, "float32", "activation") for name, _, _, shape in rows
    }


SPLIT = ("batch", 8, 5, 4)
ROWS = (
    ("layer.self.query", "linear", "x wq", ("batch", 5, 32)),
    ("layer.self.scale", "mul", "layer.self.query", ("batch", 5, 32)),
    ("layer.self.q", "view", "layer.self.scale", SPLIT),
    ("layer.self.key", "linear", "x wk", ("batch", 5, 8)),
    ("layer.self.k", "expand", "layer.self.key", ("batch", 8, 4, 5)),
    ("layer.self.value", "linear", "x wv", ("batch", 5, 8)),
    ("layer.self.v", "expand", "layer.self.value", SPLIT),
    ("layer.self.logits", "matmul", "layer.self.q layer.self.k", ("batch", 8, 5, 5)),
    ("layer.self.softmax", "softmax", "layer.self.logits", ("batch", 8, 5, 5)),
    ("layer.self.context", "matmul", "layer.self.softmax layer.self.v", SPLIT),
    ("layer.self.merge", "view", "layer.self.context", ("batch", 5, 32)),
    ("layer.output.dense", "linear", "layer.self.merge wo", ("batch", 5, 32)),
    ("head", "linear", "layer.output.dense wh", ("batch", 5, 7)),
    ("head.softmax", "softmax", "head", ("batch", 5, 7)),
)


def roles(result: tuple[Op, ...]) -> dict[str, str]:
    return {op.name: op.group.role for op in result if op.group is not None}


def test_all_roles_are_found_with_the_scale_on_the_queries_and_shared_keys() -> None:
    result = with_groups(*graph(*ROWS))
    assert roles(result) == {
        "layer.self.query": "query",
        "layer.self.scale": "scale",
        "layer.self.key": "key",
        "layer.self.value": "value",
        "layer.self.logits": "logits",
        "layer.self.softmax": "softmax",
        "layer.self.context": "context",
        "layer.output.dense": "output",
    }
    group = next(op.group for op in result if op.group is not None)
    assert (group.name, group.heads, group.kv_heads, group.causal) == ("layer", 8, 2, False)


def test_tagging_changes_nothing_but_the_groups() -> None:
    ops, tensors = graph(*ROWS)
    for before, after in zip(ops, with_groups(ops, tensors), strict=True):
        assert (before.name, before.kind, before.inputs, before.outputs, before.attributes) == (
            after.name, after.kind, after.inputs, after.outputs, after.attributes,
        )  # fmt: skip


def test_a_fused_projection_has_no_single_role_but_the_rest_is_found() -> None:
    shape = ("batch", 1, 5, 4)
    result = with_groups(
        *graph(
            ("a.qkv", "linear", "x w", ("batch", 5, 12)),
            ("a.q", "slice", "a.qkv", shape),
            ("a.k", "slice", "a.qkv", ("batch", 1, 4, 5)),
            ("a.v", "slice", "a.qkv", shape),
            ("a.logits", "matmul", "a.q a.k", ("batch", 1, 5, 5)),
            ("a.softmax", "softmax", "a.logits", ("batch", 1, 5, 5)),
            ("a.context", "matmul", "a.softmax a.v", shape),
        )
    )
    assert roles(result) == {"a.logits": "logits", "a.softmax": "softmax", "a.context": "context"}


@pytest.mark.parametrize("missing", ["layer.self.logits", "layer.self.context"])
def test_a_softmax_without_both_products_is_not_attention(missing: str) -> None:
    rows = [(name, "gelu" if name == missing else kind, *rest) for name, kind, *rest in ROWS]
    assert roles(with_groups(*graph(*rows))) == {}  # type: ignore[arg-type]


def test_two_layers_of_one_path_get_different_names() -> None:
    second = [
        tuple(
            part.replace("layer.", "layer.other_") if isinstance(part, str) else part
            for part in row
        )
        for row in ROWS[:12]
    ]
    result = with_groups(*graph(*ROWS[:12], *second))  # type: ignore[arg-type]
    assert {op.group.name for op in result if op.group is not None} == {"layer", "layer_1"}
