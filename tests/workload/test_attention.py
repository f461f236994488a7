"""Attention layers are found by their pattern, wherever scales and reshapes stand."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pimsim.workload.attention import with_groups
from pimsim.workload.graph import Op, TensorSpec, Workload

Row = tuple[str, str, str, tuple[int | str, ...]]


def graph(
    *rows: Row,
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    inputs: Mapping[str, str] | None = None,
    constants: Mapping[str, np.ndarray] | None = None,
) -> Workload:
    """Ops from (name, kind, inputs, shape); a ``mul`` has a scalar, comparisons give truth."""
    given = attributes or {}
    ops = tuple(
        Op(
            name,
            kind,
            tuple(operands.split()),
            (name,),
            given.get(name, {"scalar": 0.5} if kind == "mul" else {}),
        )
        for name, kind, operands, _ in rows
    )
    types = {"arange": "int64", "le": "bool", "lt": "bool", "eq": "bool", "logical_and": "bool"}
    tensors = {
        name: TensorSpec(name, shape, types.get(kind, "float32"), "activation")
        for name, kind, _, shape in rows
    }
    for name, dtype in (inputs or {}).items():
        tensors[name] = TensorSpec(name, ("batch", 1, 1, 5), dtype, "input")
    stored = dict(constants or {})
    for name, value in stored.items():
        tensors[name] = TensorSpec(name, value.shape, str(value.dtype), "constant")
    return Workload(
        name="probe",
        task=None,
        factory=None,
        dims={"batch": (1, 8)},
        inputs=tuple(inputs or {}),
        outputs=(ops[-1].output,),
        tensors=tensors,
        ops=ops,
        weights=stored,
    )


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


def roles(result: Workload) -> dict[str, str]:
    return {op.name: op.group.role for op in result.ops if op.group is not None}


def test_all_roles_are_found_with_the_scale_on_the_queries_and_shared_keys() -> None:
    result = with_groups(graph(*ROWS))
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
    group = next(op.group for op in result.ops if op.group is not None)
    assert (group.name, group.heads, group.kv_heads, group.causal) == ("layer", 8, 2, False)


def test_tagging_changes_nothing_but_the_groups() -> None:
    workload = graph(*ROWS)
    for before, after in zip(workload.ops, with_groups(workload).ops, strict=True):
        assert (before.name, before.kind, before.inputs, before.outputs, before.attributes) == (
            after.name, after.kind, after.inputs, after.outputs, after.attributes,
        )  # fmt: skip


def test_one_projection_of_queries_keys_and_values_has_a_role_of_its_own() -> None:
    shape = ("batch", 1, 5, 4)
    result = with_groups(
        graph(
            ("a.qkv", "linear", "x w", ("batch", 5, 12)),
            ("a.q", "slice", "a.qkv", shape),
            ("a.k", "slice", "a.qkv", ("batch", 1, 4, 5)),
            ("a.v", "slice", "a.qkv", shape),
            ("a.logits", "matmul", "a.q a.k", ("batch", 1, 5, 5)),
            ("a.softmax", "softmax", "a.logits", ("batch", 1, 5, 5)),
            ("a.context", "matmul", "a.softmax a.v", shape),
        )
    )
    assert roles(result) == {
        "a.qkv": "query_key_value",
        "a.logits": "logits",
        "a.softmax": "softmax",
        "a.context": "context",
    }


@pytest.mark.parametrize("missing", ["layer.self.logits", "layer.self.context"])
def test_a_softmax_without_both_products_is_not_attention(missing: str) -> None:
    rows = [(name, "gelu" if name == missing else kind, *rest) for name, kind, *rest in ROWS]
    assert roles(with_groups(graph(*rows))) == {}  # type: ignore[arg-type]


def test_two_layers_of_one_path_get_different_names() -> None:
    second = [
        tuple(
            part.replace("layer.", "layer.other_") if isinstance(part, str) else part
            for part in row
        )
        for row in ROWS[:12]
    ]
    result = with_groups(graph(*ROWS[:12], *second))  # type: ignore[arg-type]
    assert {op.group.name for op in result.ops if op.group is not None} == {"layer", "layer_1"}


SQUARE = ("batch", 8, 5, 5)
POSITIONS = (
    ("rows", "arange", "", (5,)),
    ("row", "view", "rows", (5, 1)),
    ("keep", "le", "rows row", (5, 5)),
)
RANGE = {"rows": {"start": 0, "stop": 5, "step": 1}, "row": {"shape": (5, 1)}}


def masked(*rows: Row, masked_logits: str, **options: Any) -> bool:
    """Whether the layer is causal whose softmax reads ``masked_logits``."""
    before = [row for row in ROWS if row[0] != "layer.self.softmax"]
    cut = [row[0] for row in before].index("layer.self.context")
    softmax = ("layer.self.softmax", "softmax", masked_logits, SQUARE)
    result = with_groups(graph(*before[:cut], *rows, softmax, *before[cut:], **options))
    groups = {op.group.causal for op in result.ops if op.group is not None}
    assert len(groups) == 1
    return groups.pop()


@pytest.mark.parametrize("fill", [-np.inf, -3.4028234663852886e38])
def test_a_mask_made_from_positions_is_causal(fill: float) -> None:
    assert masked(
        *POSITIONS,
        ("layer.self.mask", "mask", "layer.self.logits keep", SQUARE),
        masked_logits="layer.self.mask",
        attributes={**RANGE, "layer.self.mask": {"fill": fill}},
    )


def test_a_mask_the_other_way_round_is_not_causal() -> None:
    assert not masked(
        *POSITIONS[:2],
        ("keep", "le", "row rows", (5, 5)),
        ("layer.self.mask", "mask", "layer.self.logits keep", SQUARE),
        masked_logits="layer.self.mask",
        attributes={**RANGE, "layer.self.mask": {"fill": -np.inf}},
    )


def test_a_stored_mask_that_is_added_is_causal() -> None:
    table = np.triu(np.full((5, 5), -np.inf, np.float32), 1)
    assert masked(
        ("layer.self.sum", "add", "layer.self.logits table", SQUARE),
        masked_logits="layer.self.sum",
        constants={"table": table},
    )
    assert not masked(
        ("layer.self.sum", "add", "layer.self.logits table", SQUARE),
        masked_logits="layer.self.sum",
        constants={"table": np.zeros((5, 5), np.float32)},
    )


@pytest.mark.parametrize("hides", [False, True])
def test_padding_alone_is_not_causal_whatever_a_one_means(hides: bool) -> None:
    """``padding`` says which keys to see, or which to hide: an input of ones hides all of them."""
    rows: tuple[Row, ...] = (
        ("seen", "eq", "padding", ("batch", 1, 1, 5)),
        ("layer.self.mask", "mask", "layer.self.logits seen", SQUARE),
    )
    assert not masked(
        *rows,
        masked_logits="layer.self.mask",
        inputs={"padding": "int64"},
        attributes={"seen": {"scalar": 0 if hides else 1}, "layer.self.mask": {"fill": -np.inf}},
    )


def test_padding_and_positions_together_are_causal() -> None:
    assert masked(
        *POSITIONS,
        ("seen", "eq", "padding", ("batch", 1, 1, 5)),
        ("both", "logical_and", "seen keep", ("batch", 1, 5, 5)),
        ("layer.self.mask", "mask", "layer.self.logits both", SQUARE),
        masked_logits="layer.self.mask",
        inputs={"padding": "int64"},
        attributes={**RANGE, "seen": {"scalar": 1}, "layer.self.mask": {"fill": -np.inf}},
    )
