"""The part of lowering that every scheme shares: walking the graph, moving data, folding constants.

Which question this module answers: *how does a traced operation become operations of the chip,
whatever numbers it runs on?*
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.integer.units import UnitOutput
from pimsim.quantization.quantized import (
    Encoding,
    Execute,
    QuantizedOp,
    QuantizedTensor,
    QuantizedWorkload,
)
from pimsim.workload.graph import MOVEMENT_KINDS, PRODUCT_KINDS, Op, Workload
from pimsim.workload.reference import apply_movement, unfold_convolution
from pimsim.workload.shapes import Size

FLOAT32: Final = Encoding(bits=32, number="float", scale=None)


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the traced graph as the chip holds it."""

    name: str
    """Tensor of the quantized graph, or of the traced graph for a constant."""
    encoding: Encoding
    constant: NDArray[Any] | None = None
    """Real values of a stored constant; it takes part in operations as part of their tables."""
    is_constant: bool = False
    """Whether it is stored rather than computed; shape-only constants have no values."""


@dataclass(slots=True)
class GraphBuilder:
    """Collects the operations of the quantized graph while a scheme walks the traced one."""

    workload: Workload
    architecture: Architecture
    statistics: Mapping[str, float] | None
    """Calibrated peaks; ``None`` for a shape-only workload."""
    ops: list[QuantizedOp] = field(default_factory=list)
    tensors: dict[str, QuantizedTensor] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)

    @property
    def shape_only(self) -> bool:
        """Whether only the structure of the graph is wanted."""
        return self.statistics is None

    def shape(self, tensor: str) -> tuple[Size, ...]:
        """Shape of a tensor of the traced graph."""
        return self.workload.tensors[tensor].shape

    def emit(self, op: QuantizedOp, shape: Sequence[Size], encoding: Encoding) -> Value:
        """Add an operation and its output tensor."""
        self.ops.append(op)
        self.tensors[op.output] = QuantizedTensor(op.output, tuple(shape), encoding)
        return Value(op.output, encoding)

    def operand(self, tensor: str) -> Value:
        """The value of a tensor of the traced graph; stored ones are constants."""
        if tensor not in self.values:
            stored = self.workload.weights.get(tensor)
            self.values[tensor] = Value(tensor, FLOAT32, constant=stored, is_constant=True)
        return self.values[tensor]

    def move(self, op: Op) -> Value:
        """Lower data movement other than concatenation: the encoding stays what it was."""
        value = self.operand(op.inputs[0])
        if value.is_constant:
            return self._move_constant(op, value)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput(apply_movement(op, arrays, dims), 0)

        return self.emit(
            QuantizedOp(
                name=op.name,
                kind="movement",
                source=op.name,
                inputs=(value.name,),
                output=op.output,
                function=op.kind,
                execute=None if self.shape_only else execute,
                attributes=op.attributes,
                group=op.group,
            ),
            self.shape(op.output),
            value.encoding,
        )

    def _move_constant(self, op: Op, value: Value) -> Value:
        """Rearrange a stored constant at compile time; the batch axis stays 1 and broadcasts."""
        symbols = {size for size in self.shape(op.output) if isinstance(size, str)}
        if not symbols <= {"batch"}:
            raise QuantizationError(
                f"op {op.name!r}: a stored constant takes the symbolic shape "
                f"{self.shape(op.output)}; only the batch axis of a constant may be symbolic"
            )
        moved = None
        if value.constant is not None:
            moved = apply_movement(op, [value.constant], {"batch": 1})
        return replace(value, name=op.output, constant=moved)

    def concatenate(self, op: Op, parts: Sequence[Value], encoding: Encoding) -> Value:
        """Lower concatenation of parts that already share ``encoding``; constants are coded."""
        axis: int = op.attributes["axis"]
        constants = [self._coded(part, encoding) for part in parts]

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            computed = iter(arrays)
            pieces = [next(computed) if stored is None else stored for stored in constants]
            lead = next(piece for piece, c in zip(pieces, constants, strict=True) if c is None)
            shaped = [_spread(piece, lead, axis) for piece in pieces]
            return UnitOutput(np.concatenate(shaped, axis=axis), 0)

        return self.emit(
            QuantizedOp(
                name=op.name,
                kind="movement",
                source=op.name,
                inputs=tuple(part.name for part in parts if not part.is_constant),
                output=op.output,
                function=op.kind,
                execute=None if self.shape_only else execute,
                attributes=op.attributes,
                group=op.group,
            ),
            self.shape(op.output),
            encoding,
        )

    def _coded(self, part: Value, encoding: Encoding) -> NDArray[Any] | None:
        if not part.is_constant or part.constant is None:
            return None
        return code(part.constant, encoding)

    def product(
        self, op: Op, driven: Value, codes: NDArray[np.int64] | None, encoding: Encoding
    ) -> Value:
        """Lower a static product; a convolution runs on its unfolded patches."""
        weight_shape = self.shape(op.inputs[1])
        rows = int(np.prod([int(size) for size in weight_shape[1:]]))
        cols = int(weight_shape[0])
        source = driven
        shape: tuple[Size, ...] = (*self.shape(op.inputs[0])[:-1], cols)
        if op.kind == "convolution":
            positions = _positions(op, self.shape(op.output))
            source = self._unfold(op, driven, positions, rows)
            shape = (self.shape(op.output)[0], positions, cols)
        accumulated = f"{op.output}.accumulated"
        return self.emit(
            QuantizedOp(
                name=op.name,
                kind="static_product",
                source=op.name,
                inputs=(source.name,),
                output=accumulated,
                rows=rows,
                cols=cols,
                weights=codes,
                group=op.group,
            ),
            shape,
            encoding,
        )

    def dynamic_product(self, op: Op, driven: Value, stored: Value, encoding: Encoding) -> Value:
        """Lower a product of two computed operands; the second is written into the cells."""
        second = self.shape(op.inputs[1])
        return self.emit(
            QuantizedOp(
                name=op.name,
                kind="dynamic_product",
                source=op.name,
                inputs=(driven.name, stored.name),
                output=f"{op.output}.accumulated",
                rows=second[-2],
                cols=second[-1],
                group=op.group,
            ),
            self.shape(op.output),
            encoding,
        )

    def _unfold(self, op: Op, image: Value, positions: int, rows: int) -> Value:
        kernel = tuple(int(size) for size in self.shape(op.inputs[1])[2:])
        geometry = {
            name: (op.attributes[name][0], op.attributes[name][1])
            for name in ("stride", "padding", "dilation")
        }
        if op.attributes["groups"] != 1:
            raise QuantizationError(
                f"op {op.name!r}: a convolution with {op.attributes['groups']} groups has no "
                "crossbar form yet; only groups = 1"
            )

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            patches = unfold_convolution(arrays[0], (kernel[0], kernel[1]), **geometry)
            return UnitOutput(patches, 0)

        return self.emit(
            QuantizedOp(
                name=f"{op.name}.unfold",
                kind="movement",
                source=op.name,
                inputs=(image.name,),
                output=f"{op.output}.patches",
                function="unfold",
                execute=None if self.shape_only else execute,
            ),
            (self.shape(op.output)[0], positions, rows),
            image.encoding,
        )

    def fold(self, op: Op, pixels: Value) -> Value:
        """Bring (batch, position, channel) back to (batch, channel, height, width)."""
        _, channels, height, width = (size for size in self.shape(op.output))

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            image = arrays[0].transpose(0, 2, 1)
            return UnitOutput(image.reshape(len(image), int(channels), int(height), int(width)), 0)

        return self.emit(
            QuantizedOp(
                name=f"{op.name}.fold",
                kind="movement",
                source=op.name,
                inputs=(pixels.name,),
                output=f"{op.output}.image",
                function="fold",
                execute=None if self.shape_only else execute,
            ),
            self.shape(op.output),
            pixels.encoding,
        )

    def unit(
        self,
        *,
        name: str,
        op: Op,
        function: str,
        inputs: Sequence[Value],
        unit: Any,
        execute: Execute | None,
        encoding: Encoding,
        shape: Sequence[Size],
        output: str,
        stream_from: str | None = None,
    ) -> Value:
        """Add an operation of a digital unit."""
        return self.emit(
            QuantizedOp(
                name=name,
                kind="unit",
                source=op.name,
                inputs=tuple(value.name for value in inputs if not value.is_constant),
                output=output,
                function=function,
                execute=None if self.shape_only else execute,
                hardware=unit.hardware,
                stream_from=stream_from,
                group=op.group,
            ),
            shape,
            encoding,
        )

    def boundary(
        self,
        name: str,
        *,
        source: str,
        output: str,
        encoding: Encoding,
        execute: Execute,
        shape: Sequence[Size],
    ) -> Value:
        """Add a conversion between the host's floats and the chip's numbers."""
        return self.emit(
            QuantizedOp(
                name=name,
                kind="boundary",
                source=source,
                inputs=(source,),
                output=output,
                execute=None if self.shape_only else execute,
            ),
            shape,
            encoding,
        )

    def finish(self, scheme: str) -> QuantizedWorkload:
        """Close the graph."""
        for name in self.workload.inputs:
            self.tensors.setdefault(name, QuantizedTensor(name, self.shape(name), FLOAT32))
        return QuantizedWorkload(
            workload=self.workload,
            scheme=scheme,
            inputs=self.workload.inputs,
            outputs=self.workload.outputs,
            tensors=self.tensors,
            ops=tuple(self.ops),
        )


def code(values: NDArray[Any], encoding: Encoding) -> NDArray[Any]:
    """Round real values to the codes of an encoding, saturating symmetrically."""
    if encoding.scale is None:
        return values.astype(np.float32)
    limit = (1 << (encoding.bits - 1)) - 1
    dtype = np.int8 if encoding.bits <= 8 else np.int16 if encoding.bits <= 16 else np.int32
    codes = np.rint(values.astype(np.float64) / encoding.scale)
    return np.clip(codes, -limit, limit).astype(dtype)


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


def final_readers(
    workload: Workload, readers: Mapping[str, list[Op]], tensor: str
) -> list[tuple[Op | None, float]]:
    """Who reads a tensor after movement and constant factors, each with the factor in between.

    ``None`` stands for an output of the graph.
    """
    found: list[tuple[Op | None, float]] = [(None, 1.0)] if tensor in workload.outputs else []
    for op in readers.get(tensor, []):
        if not passes_through(op):
            found.append((op, 1.0))
            continue
        factor = float(op.attributes.get("scalar", 1.0)) if op.kind == "mul" else 1.0
        for reader, between in final_readers(workload, readers, op.output):
            found.append((reader, factor * between))
    return found


def feeds_only_products(found: Sequence[tuple[Op | None, float]]) -> bool:
    """Whether every final reader is a crossbar product."""
    return bool(found) and all(op is not None and op.kind in PRODUCT_KINDS for op, _ in found)


def lower_all(
    builder: GraphBuilder, handlers: Mapping[str, Callable[[Op], Value]], scheme: str
) -> None:
    """Walk the traced graph in order, lowering each operation by its kind.

    Raises
    ------
    QuantizationError
        If the scheme has no form for a kind.
    """
    for op in builder.workload.ops:
        if op.kind not in handlers:
            raise QuantizationError(
                f"op {op.name!r}: scheme {scheme!r} has no form for {op.kind!r}; it has: "
                f"{', '.join(sorted(handlers))}"
            )
        builder.values[op.output] = handlers[op.kind](op)


def _positions(op: Op, shape: Sequence[Size]) -> int:
    height, width = shape[2], shape[3]
    if not isinstance(height, int) or not isinstance(width, int):
        raise QuantizationError(f"op {op.name!r}: a convolution needs a fixed image size")
    return height * width


def _spread(piece: NDArray[Any], lead: NDArray[Any], axis: int) -> NDArray[Any]:
    """Broadcast a constant part to the other axes of a computed one."""
    shape = list(lead.shape)
    shape[axis] = piece.shape[axis]
    return np.broadcast_to(piece, shape)
