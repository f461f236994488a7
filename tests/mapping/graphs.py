"""Small integer graphs and small chips, built by hand, for the tests of mapping and timing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pimsim.config.architecture import Architecture
from pimsim.quantization.quantized import (
    Encoding,
    QuantizedOp,
    QuantizedTensor,
    QuantizedWorkload,
)
from pimsim.workload.graph import Workload
from pimsim.workload.shapes import Size


class Graph:
    """Collects tensors and operations, then makes a shape-only workload of them."""

    def __init__(self) -> None:
        self.tensors: dict[str, QuantizedTensor] = {}
        self.inputs: list[str] = []
        self.ops: list[QuantizedOp] = []

    def tensor(self, name: str, shape: Sequence[Size], bits: int, number: Any = "integer") -> str:
        self.tensors[name] = QuantizedTensor(name, tuple(shape), Encoding(bits, number, None))
        return name

    def input(self, name: str, *shape: Size, bits: int = 4) -> str:
        self.inputs.append(name)
        return self.tensor(name, shape, bits)

    def op(
        self,
        name: str,
        kind: Any,
        inputs: Sequence[str],
        shape: Sequence[Size],
        bits: int,
        **more: Any,
    ) -> str:
        output = self.tensor(f"{name}:out", shape, bits)
        self.ops.append(QuantizedOp(name, kind, name, tuple(inputs), output, **more))
        return output

    def linear(
        self, name: str, x: str, cols: int, bits: int = 16, weights: np.ndarray | None = None
    ) -> str:
        shape = self.tensors[x].shape
        return self.op(
            name,
            "static_product",
            [x],
            (*shape[:-1], cols),
            bits,
            rows=shape[-1],
            cols=cols,
            weights=weights,
        )

    def matmul(self, name: str, a: str, b: str, bits: int = 16) -> str:
        rows, cols = self.tensors[b].shape[-2:]
        shape = (*self.tensors[a].shape[:-1], cols)
        return self.op(name, "dynamic_product", [a, b], shape, bits, rows=rows, cols=cols)

    def unit(
        self,
        name: str,
        function: str | None,
        *inputs: str,
        bits: int = 4,
        stream_from: str | None = None,
        shape: Sequence[Size] | None = None,
        **attributes: Any,
    ) -> str:
        return self.op(
            name,
            "unit",
            inputs,
            self.tensors[inputs[0]].shape if shape is None else shape,
            bits,
            function=function,
            stream_from=stream_from,
            attributes=attributes,
        )

    def move(
        self, name: str, kind: str, inputs: Sequence[str], out: Sequence[Size], /, **attributes: Any
    ) -> str:
        bits = self.tensors[inputs[0]].encoding.bits
        return self.op(name, "movement", inputs, out, bits, function=kind, attributes=attributes)

    def boundary(self, name: str, x: str, bits: int) -> str:
        return self.op(name, "boundary", [x], self.tensors[x].shape, bits)

    def build(self, *outputs: str) -> QuantizedWorkload:
        workload = Workload(
            name="by_hand",
            task=None,
            factory=None,
            dims={"batch": (1, 64)},
            inputs=tuple(self.inputs),
            outputs=outputs,
            tensors={},
            ops=(),
        )
        return QuantizedWorkload(
            workload, "by_hand", tuple(self.inputs), outputs, dict(self.tensors), tuple(self.ops)
        )


MEMORY = {
    "technology": "lpddr4",
    "capacity_bytes": 1 << 30,
    "bandwidth_bits_per_ns": 1.0,
    "latency_ns": 1.0,
}
REPROGRAM = {"row_time_ns": 100.0, "endurance_cycles": 1000}


def macro(rows: int, cols: int, bits: int, *, writable: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "writable": writable,
        "sync": "plane",
        "crossbar": {
            "rows": rows,
            "cols": cols,
            "active_rows": 1,
            "cell": {"model": "ideal", "bits": 1},
        },
        "weights": {"coding": "twos_complement", "bits": bits},
        "inputs": {"coding": "twos_complement", "bits": 4, "bits_per_cycle": 1},
        "zero_skipping": {"model": "none"},
        "read_time_ns": 1.0,
        "adc": {
            "model": "flash",
            "levels": 9,
            "columns_per_adc": 1,
            "conversion_time_ns": 1.0,
            "reference": "fixed",
            "trim": "none",
        },
    }
    if writable:
        made["write"] = {"port": "row", "cycle_time_ns": 1.0}
    return made


def chip(
    *,
    rows: int = 8,
    cols: int = 8,
    bits: int = 4,
    tiles: int = 1,
    macros: Mapping[str, int] | None = None,
    noc: str = "mesh",
    buffer_bytes: int = 1 << 20,
    global_bytes: int = 1 << 20,
    memory: Mapping[str, Any] | None = None,
    io: bool = False,
    reprogram: Mapping[str, Any] | None = None,
    units: Mapping[str, Any] | None = None,
    **mapping: Any,
) -> Architecture:
    """A chip of ``mram`` (static) and ``sram`` (dynamic) macros of one size.

    ``mapping``: keys of that section.
    """
    unit = {"model": "dyadic_requantize", "lanes": 4}
    return Architecture.model_validate(
        {
            "schema_version": 1,
            "name": "by_hand",
            "node_nm": 28.0,
            "macros": {
                "mram": {**macro(rows, cols, bits, writable=False), "reprogram": reprogram},
                "sram": macro(rows, cols, bits, writable=True),
            },
            "units": {
                "softmax": {"model": "ibert_softmax", "lanes": 4},
                "layer_norm": {"model": "ibert_layer_norm", "lanes": 4},
                "gelu": {"model": "ibert_gelu", "lanes": 4},
                "requantize": unit,
                **(units or {}),
            },
            "tile": {
                "macros": {"mram": 8, "sram": 8} if macros is None else dict(macros),
                "buffer": {"capacity_bytes": buffer_bytes, "bandwidth_bits_per_ns": 1.0},
            },
            "chip": {
                "tiles": tiles,
                "clock_ghz": 1.0,
                "noc": {"model": noc, "link_bits_per_ns": 1.0, "router_delay_ns": 1.0},
                "global_buffer": {"capacity_bytes": global_bytes, "bandwidth_bits_per_ns": 1.0},
                "memory": memory,
                "io": {"bandwidth_bits_per_ns": 1.0} if io else None,
            },
            "mapping": {
                "policy": "layer_order",
                "time_multiplex": False,
                "dataflow": "layer_by_layer",
                **mapping,
            },
            "numerics": {"scheme": "int8_dyadic"},
            "pvt": {"process": "tt", "supply_v": 0.9, "temperature_degc": 25.0},
            "cost": {"default": "modelled", "variants": {"modelled": {}}},
        }
    )


def attention(tokens: int, width: int, heads: int) -> QuantizedWorkload:
    """One attention layer with its residual, normalization and requantization, batch symbolic.

    Every product streams into a requantization; the last one also adds the residual.
    """
    graph, depth = Graph(), width // heads
    x = graph.boundary("enter", graph.input("x", "batch", tokens, width, bits=32), 4)
    normal = graph.unit("norm", "layer_norm", x)
    split = ("batch", heads, tokens, depth)
    projected = {}
    for role in ("query", "key", "value"):
        acc = graph.linear(role, normal, width)
        code = graph.unit(f"{role}.q", "requantize", acc, stream_from=role)
        seen = graph.move(f"{role}.view", "view", [code], ("batch", tokens, heads, depth))
        projected[role] = graph.move(f"{role}.heads", "permute", [seen], split, axes=(0, 2, 1, 3))
    turned = graph.move(
        "key.t", "permute", [projected["key"]], ("batch", heads, depth, tokens), axes=(0, 1, 3, 2)
    )
    logits = graph.matmul("logits", projected["query"], turned)
    probabilities = graph.unit("softmax", "softmax", logits, stream_from="logits", axis=-1)
    context = graph.matmul("context", probabilities, projected["value"])
    code = graph.unit("context.q", "requantize", context, stream_from="context")
    back = graph.move(
        "merge", "permute", [code], ("batch", tokens, heads, depth), axes=(0, 2, 1, 3)
    )
    flat = graph.move("merge.view", "view", [back], ("batch", tokens, width))
    acc = graph.linear("output", flat, width)
    y = graph.unit("residual", "requantize", acc, normal, stream_from="output")
    return graph.build(graph.boundary("leave", y, 32))
