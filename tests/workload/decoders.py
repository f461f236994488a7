"""A small decoder written down op by op, for tests that need no PyTorch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pimsim.workload.graph import AttentionGroup, Op, Samples, TensorSpec, Workload
from pimsim.workload.shapes import Size

VOCABULARY, WIDTH, HEADS, DEPTH, POSITIONS = 11, 12, 4, 3, 16


class Graph:
    """Collects operations; every tensor is called as the operation that yields it."""

    def __init__(self, seed: int = 0) -> None:
        self.tensors: dict[str, TensorSpec] = {}
        self.ops: list[Op] = []
        self.weights: dict[str, np.ndarray] = {}
        self.inputs: list[str] = []
        self._random = np.random.default_rng(seed)

    def input(self, name: str, *shape: Size, dtype: str = "int64") -> str:
        self.tensors[name] = TensorSpec(name, shape, dtype, "input")
        self.inputs.append(name)
        return name

    def weight(self, name: str, *shape: int) -> str:
        self.tensors[name] = TensorSpec(name, shape, "float32", "weight")
        self.weights[name] = self._random.normal(0, 0.4, shape).astype(np.float32)
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self.tensors[name] = TensorSpec(name, value.shape, str(value.dtype), "constant")
        self.weights[name] = value
        return name

    def op(
        self,
        name: str,
        kind: str,
        inputs: Sequence[str],
        out: Sequence[Size],
        /,
        *,
        dtype: str = "float32",
        group: AttentionGroup | None = None,
        **attributes: Any,
    ) -> str:
        self.tensors[name] = TensorSpec(name, tuple(out), dtype, "activation")
        self.ops.append(Op(name, kind, tuple(inputs), (name,), attributes, group))
        return name

    def view(self, name: str, kind: str, x: str, *shape: Size) -> str:
        return self.op(name, kind, [x], shape, dtype=self.tensors[x].dtype, shape=shape)

    def permute(self, name: str, x: str, *axes: int) -> str:
        shape = self.tensors[x].shape
        return self.op(name, "permute", [x], [shape[axis] for axis in axes], axes=axes)

    def linear(self, name: str, x: str, width: int) -> str:
        shape = self.tensors[x].shape
        weight = self.weight(f"{name}.weight", width, int(shape[-1]))
        return self.op(name, "linear", [x, weight], (*shape[:-1], width))

    def build(self, *outputs: str, **more: Any) -> Workload:
        return Workload(
            name="decoder",
            task=None,
            factory=None,
            dims={"batch": (1, 64), "seq": (1, 4096)},
            inputs=tuple(self.inputs),
            outputs=outputs,
            tensors=self.tensors,
            ops=tuple(self.ops),
            weights=self.weights,
            **more,
        )


def positions(graph: Graph) -> tuple[str, str]:
    """Numbers of the tokens along queries and along keys."""
    numbers = graph.op("positions", "arange", [], ("seq",), dtype="int64",
                       start=0, stop="seq", step=1)  # fmt: skip
    return (
        graph.view("positions.queries", "view", numbers, "seq", 1),
        graph.view("positions.keys", "view", numbers, 1, "seq"),
    )


def attention(
    graph: Graph,
    name: str,
    x: str,
    *,
    kv_heads: int = HEADS,
    causal: bool = True,
    rotary: bool = False,
    keep: str | None = None,
) -> str:
    """Self-attention with a fused projection, keys and values shared by groups of query heads."""

    def role(which: Any) -> AttentionGroup:
        return AttentionGroup(name, which, HEADS, kv_heads, causal)

    sizes = {"query": HEADS, "key": kv_heads, "value": kv_heads}
    fused = graph.linear(f"{name}.qkv", x, sum(sizes.values()) * DEPTH)
    start, heads = 0, {}
    for part, count in sizes.items():
        width = count * DEPTH
        cut = graph.op(f"{name}.{part}", "slice", [fused], ("batch", "seq", width),
                       axis=2, start=start, stop=start + width, step=1)  # fmt: skip
        start += width
        split = graph.view(f"{name}.{part}.split", "view", cut, "batch", "seq", count, DEPTH)
        heads[part] = graph.permute(f"{name}.{part}.heads", split, 0, 2, 1, 3)
    if rotary:
        for part in ("query", "key"):
            shape = graph.tensors[heads[part]].shape
            heads[part] = graph.op(f"{name}.{part}.rotary", "mul", [heads[part], "turn"], shape)
    for part in ("key", "value"):
        if kv_heads < HEADS:
            ratio = HEADS // kv_heads
            one = graph.view(f"{name}.{part}.one", "view", heads[part],
                             "batch", kv_heads, 1, "seq", DEPTH)  # fmt: skip
            many = graph.view(f"{name}.{part}.many", "expand", one,
                              "batch", kv_heads, ratio, "seq", DEPTH)  # fmt: skip
            heads[part] = graph.view(f"{name}.{part}.all_heads", "view", many,
                                     "batch", HEADS, "seq", DEPTH)  # fmt: skip
    turned = graph.permute(f"{name}.key.turned", heads["key"], 0, 1, 3, 2)
    square = ("batch", HEADS, "seq", "seq")
    scores = graph.op(f"{name}.scores", "matmul", [heads["query"], turned], square,
                      group=role("logits"))  # fmt: skip
    scaled = graph.op(f"{name}.scaled", "mul", [scores], square, scalar=0.5, group=role("scale"))
    if keep is not None:
        scaled = graph.op(f"{name}.masked", "mask", [scaled, keep], square, fill=-1e4)
    soft = graph.op(f"{name}.softmax", "softmax", [scaled], square, axis=-1,
                    group=role("softmax"))  # fmt: skip
    context = graph.op(f"{name}.context", "matmul", [soft, heads["value"]],
                       ("batch", HEADS, "seq", DEPTH), group=role("context"))  # fmt: skip
    merged = graph.permute(f"{name}.merged", context, 0, 2, 1, 3)
    flat = graph.view(f"{name}.flat", "view", merged, "batch", "seq", WIDTH)
    return graph.linear(f"{name}.output", flat, WIDTH)


def decoder(
    *,
    layers: int = 2,
    kv_heads: int = 2,
    causal: bool = True,
    rotary: bool = False,
    with_mask: bool = False,
    only_last: bool = False,
    samples: Samples | None = None,
) -> Workload:
    """A language model of ``layers`` blocks with learned positions and tied output weights."""
    graph = Graph()
    ids = graph.input("input_ids", "batch", "seq")
    if with_mask:
        graph.input("attention_mask", "batch", "seq")
    table = graph.weight("tokens.weight", VOCABULARY, WIDTH)
    where = graph.weight("where.weight", POSITIONS, WIDTH)
    rows, columns = positions(graph)
    x = graph.op("tokens", "embedding", [ids, table], ("batch", "seq", WIDTH))
    place = graph.op("where", "embedding", ["positions", where], ("seq", WIDTH))
    x = graph.op("embedded", "add", [x, place], ("batch", "seq", WIDTH))
    keep = None
    if causal:
        keep = graph.op("causal", "le", [columns, rows], ("seq", "seq"), dtype="bool")
    if with_mask:
        seen = graph.op("seen", "ne", ["attention_mask"], ("batch", "seq"), dtype="bool", scalar=0)
        seen = graph.view("seen.keys", "view", seen, "batch", 1, 1, "seq")
        keep = graph.op("keep", "logical_and", [seen, keep or seen], ("batch", 1, "seq", "seq"),
                        dtype="bool")  # fmt: skip
    if rotary:
        angle = graph.op("angle", "cast", [rows], ("seq", 1))
        graph.op("turn", "cos", [angle], ("seq", 1))
    for layer in range(layers):
        y = attention(graph, f"layers.{layer}", x, kv_heads=kv_heads, causal=causal,
                      rotary=rotary, keep=keep)  # fmt: skip
        x = graph.op(f"layers.{layer}.sum", "add", [x, y], ("batch", "seq", WIDTH))
        # as GPT-2's Conv1D does: batch and tokens along one axis
        flat = graph.view(f"layers.{layer}.rows", "view", x, "batch*seq", WIDTH)
        wide = graph.linear(f"layers.{layer}.up", flat, 20)
        wide = graph.op(f"layers.{layer}.relu", "relu", [wide], ("batch*seq", 20))
        back = graph.linear(f"layers.{layer}.down", wide, WIDTH)
        back = graph.view(f"layers.{layer}.tokens", "view", back, "batch", "seq", WIDTH)
        x = graph.op(f"layers.{layer}.out", "add", [x, back], ("batch", "seq", WIDTH))
    if only_last:
        x = graph.op("newest", "select", [x], ("batch", WIDTH), axis=1, index=-1)
    shape = graph.tensors[x].shape
    logits = graph.op("logits", "linear", [x, table], (*shape[:-1], VOCABULARY))
    return graph.build(logits, samples=samples)


def tokens(batch: int, seq: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, VOCABULARY, (batch, seq))


def inputs_of(workload: Workload, ids: np.ndarray) -> Mapping[str, np.ndarray]:
    return {name: ids if name == "input_ids" else np.ones_like(ids) for name in workload.inputs}
