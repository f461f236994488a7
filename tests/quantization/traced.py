"""Small traced workloads, built by hand, for the tests of quantization and of what runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pimsim.config import load_architecture
from pimsim.config.architecture import Architecture
from pimsim.functional import FunctionalRun, IdealEngine, execute
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.quantization import quantize
from pimsim.workload import reference
from pimsim.workload.checks import check_graph, check_weights
from pimsim.workload.element_types import natural_type
from pimsim.workload.graph import AttentionGroup, Op, Samples, TensorSpec, Workload
from pimsim.workload.shape_inference import output_shape
from pimsim.workload.shapes import Size, resolve_shape

PROBES = {"batch": 97, "seq": 89}
"""Sizes that no hand-made axis has: they mark the symbolic axes in inferred shapes."""
VOCABULARY = 11
"""Token ids are drawn from 0 to 10."""
RAP, CONVENTIONAL = load_architecture("rap_int8"), load_architecture("conventional")


class Traced:
    """Collects tensors, weights and operations; shapes follow from the operations."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)
        self.tensors: dict[str, TensorSpec] = {}
        self.weights: dict[str, np.ndarray] = {}
        self.ops: list[Op] = []

    def input(self, name: str, *shape: Size) -> str:
        self.tensors[name] = TensorSpec(name, ("batch", *shape), "float32", "input")
        return name

    def integers(self, name: str, *shape: Size, dtype: str = "int64") -> str:
        """Token ids, or truth values: inputs that never enter a crossbar."""
        self.tensors[name] = TensorSpec(name, ("batch", *shape), dtype, "input")
        return name

    def mask(self, name: str, *shape: Size) -> str:
        return self.integers(name, *shape, dtype="bool")

    def stored(self, name: str, value: Any) -> str:
        array = np.asarray(value, np.float32)
        self.tensors[name] = TensorSpec(name, array.shape, "float32", "weight")
        self.weights[name] = array
        return name

    def random(self, name: str, *shape: int, spread: float = 1.0) -> str:
        return self.stored(name, spread * self.generator.standard_normal(shape))

    def op(
        self, name: str, kind: str, *inputs: str, group: AttentionGroup | None = None, **more: Any
    ) -> str:
        made = Op(name, kind, inputs, (f"{name}:out",), more, group)
        symbols = {size: symbol for symbol, size in PROBES.items()}
        shapes = [self.tensors[tensor].resolved(PROBES) for tensor in inputs]
        shape = tuple(symbols.get(size, size) for size in output_shape(made, shapes, PROBES))
        operands = [np.zeros(1, self.tensors[tensor].dtype) for tensor in inputs]
        dtype = str(np.dtype(natural_type(made, operands, [])))
        self.tensors[made.output] = TensorSpec(made.output, shape, dtype, "activation")
        self.ops.append(made)
        return made.output

    def linear(self, name: str, x: str, cols: int, *, bias: bool = True) -> str:
        rows = resolve_shape(self.tensors[x].shape[-1:], {})[0]
        operands = [self.random(f"{name}.weight", cols, rows, spread=rows**-0.5)]
        if bias:
            operands.append(self.random(f"{name}.bias", cols, spread=0.5))
        return self.op(name, "linear", x, *operands)

    def layer_norm(self, name: str, x: str, epsilon: float = 1e-5, axes: int = 1) -> str:
        shape = resolve_shape(self.tensors[x].shape[-axes:], {})
        gain = self.stored(f"{name}.weight", 1 + 0.2 * self.generator.standard_normal(shape))
        bias = self.random(f"{name}.bias", *shape, spread=0.3)
        return self.op(name, "layer_norm", x, gain, bias, epsilon=epsilon, normalized_axes=axes)

    def attention(self, name: str, x: str, heads: int) -> str:
        """Multi-head self-attention as a trace shows it, scale folded into a constant factor."""
        batch, tokens, width = self.tensors[x].shape
        depth = resolve_shape((width,), {})[0] // heads
        parts = {}
        for role, axes in (("q", (0, 2, 1, 3)), ("k", (0, 2, 3, 1)), ("v", (0, 2, 1, 3))):
            flat = self.linear(f"{name}.{role}", x, heads * depth)
            seen = self.op(f"{name}.{role}.view", "view", flat, shape=(batch, tokens, heads, depth))
            parts[role] = self.op(f"{name}.{role}.heads", "permute", seen, axes=axes)
        logits = self.op(f"{name}.logits", "matmul", parts["q"], parts["k"])
        scaled = self.op(f"{name}.scale", "mul", logits, scalar=depth**-0.5)
        weights = self.op(f"{name}.softmax", "softmax", scaled, axis=-1)
        context = self.op(f"{name}.context", "matmul", weights, parts["v"])
        turned = self.op(f"{name}.turn", "permute", context, axes=(0, 2, 1, 3))
        merged = self.op(f"{name}.merge", "view", turned, shape=(batch, tokens, width))
        return self.linear(f"{name}.o", merged, heads * depth)

    def build(
        self,
        *outputs: str,
        calibration: int | Mapping[str, np.ndarray] = 40,
        evaluation: int | Mapping[str, np.ndarray] = 6,
        labels: Sequence[int] | None = None,
        seq: tuple[int, int] | None = None,
        sample_seq: int = 5,
    ) -> Workload:
        """Close and check the graph; samples are drawn from one distribution unless given."""
        inputs = tuple(name for name, spec in self.tensors.items() if spec.kind == "input")
        dims = {"batch": (1, 4096)} | ({} if seq is None else {"seq": seq})
        workload = Workload(
            name="by_hand",
            task=None,
            factory=None,
            dims=dims,
            inputs=inputs,
            outputs=outputs,
            tensors=dict(self.tensors),
            ops=tuple(self.ops),
            weights=dict(self.weights),
            samples=Samples(
                calibration=self._samples(inputs, calibration, sample_seq),
                evaluation=self._samples(inputs, evaluation, sample_seq),
                labels=None if labels is None else np.array(labels, np.int64),
                reference={},
            ),
        )
        check_graph(workload, "by hand")
        check_weights(workload, "by hand")
        return workload

    def _samples(
        self, inputs: Sequence[str], wanted: int | Mapping[str, np.ndarray], seq: int
    ) -> dict[str, np.ndarray]:
        if not isinstance(wanted, int):
            return {
                name: values.astype(self.tensors[name].dtype) for name, values in wanted.items()
            }
        dims = {"batch": wanted, "seq": seq}
        return {name: self._drawn(self.tensors[name], dims) for name in inputs}

    def _drawn(self, spec: TensorSpec, dims: Mapping[str, int]) -> np.ndarray:
        shape = spec.resolved(dims)
        if spec.dtype == "float32":
            return self.generator.uniform(-1, 1, shape).astype(np.float32)
        return self.generator.integers(0, 2 if spec.dtype == "bool" else VOCABULARY, shape).astype(
            spec.dtype
        )


def transformer_block(
    *, seed: int = 0, tokens: Size = 5, width: int = 8, heads: int = 2, **build: Any
) -> Workload:
    """A small encoder block with a class token, positions and a classifier of 3 classes."""
    traced = Traced(seed)
    x = traced.linear("embed", traced.input("x", tokens, width), width)
    if tokens != "seq":
        token = traced.op(
            "token", "expand", traced.random("cls", 1, 1, width), shape=("batch", 1, width)
        )
        x = traced.op("join", "cat", token, x, axis=1)
    normal = traced.layer_norm("norm1", x)
    x = traced.op("add1", "add", x, traced.attention("attn", normal, heads))
    hidden = traced.linear("up", traced.layer_norm("norm2", x), 2 * width)
    hidden = traced.op("gelu", "gelu", hidden, approximate="none")
    x = traced.op("add2", "add", x, traced.linear("down", hidden, width))
    first = traced.op("first", "select", traced.layer_norm("norm3", x), axis=1, index=0)
    return traced.build(traced.linear("head", first, 3), **build)


def shapes_only(workload: Workload) -> Workload:
    """The same graph without weights and samples."""
    return replace(workload, weights={}, samples=None)


def mapped(
    workload: Workload, architecture: Architecture = RAP, *, batch: int = 1, **dims: int
) -> MappedWorkload:
    """The workload, quantized and mapped."""
    return map_workload(quantize(workload, architecture), architecture, {"batch": batch, **dims})


def run_ideal(workload: Workload, architecture: Architecture = RAP, **dims: int) -> FunctionalRun:
    """All evaluation samples through the integer graph on a perfect chip."""
    assert workload.samples is not None
    placed = mapped(workload, architecture, **dims)
    return execute(placed, workload.samples.evaluation, IdealEngine())


def run_float(workload: Workload) -> dict[str, np.ndarray]:
    """All evaluation samples through the float32 reference."""
    assert workload.samples is not None
    return reference.run(workload, *(workload.samples.evaluation[name] for name in workload.inputs))
