"""The part of lowering that every scheme shares: walking the graph, moving data, folding constants.

Which question this module answers: *how does a traced operation become operations of the chip,
whatever numbers it runs on?*
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.integer.units import UnitOutput
from pimsim.quantization.convolution import fold, unfold
from pimsim.quantization.encodings import code, without_activations
from pimsim.quantization.quantized import (
    Encoding,
    Execute,
    Groups,
    QuantizedOp,
    QuantizedTensor,
    QuantizedWorkload,
)
from pimsim.workload.graph import Op, Workload
from pimsim.workload.reference import apply_movement
from pimsim.workload.reference import execute as execute_reference
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
    keep: str | None = None
    """Truth values that say which elements a softmax takes; ``None``: all."""


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
    host: frozenset[str] = field(init=False)
    """Tensors of the traced graph that the host computes: :mod:`pimsim.quantization.host`."""
    constants: frozenset[str] = field(init=False)
    """Stored tensors of the traced graph, and those that follow from them alone."""
    send: Callable[[str], Value] | None = None
    """The scheme's way of bringing a number of the host onto the chip."""

    def __post_init__(self) -> None:
        self.host, self.constants = without_activations(self.workload)

    @property
    def shape_only(self) -> bool:
        """Whether only the structure of the graph is wanted."""
        return self.statistics is None

    @property
    def per_channel(self) -> bool:
        """Whether static weights have one scale per output channel rather than one for all."""
        return self.architecture.numerics.weight_scales == "per_channel"

    def shape(self, tensor: str) -> tuple[Size, ...]:
        """Shape of a tensor of the traced graph."""
        return self.workload.tensors[tensor].shape

    def emit(
        self,
        op: QuantizedOp,
        shape: Sequence[Size],
        encoding: Encoding,
        *,
        keep: str | None = None,
    ) -> Value:
        """Add an operation and its output tensor."""
        self.ops.append(op)
        self.tensors[op.output] = QuantizedTensor(op.output, tuple(shape), encoding)
        return Value(op.output, encoding, keep=keep)

    def operand(self, tensor: str) -> Value:
        """The value of a tensor of the traced graph; stored ones are constants.

        A number that the host computed crosses to the chip where it is first taken.
        """
        if tensor not in self.values and tensor in self.host and self.send is not None:
            self.values[tensor] = self.send(tensor)
        if tensor not in self.values:
            stored = self.workload.weights.get(tensor)
            self.values[tensor] = Value(tensor, FLOAT32, constant=stored, is_constant=True)
        return self.values[tensor]

    def from_host(self, tensor: str) -> str | None:
        """Name under which the host has a tensor; ``None`` if activations enter it.

        What follows from stored constants alone, such as the mask or the angles of the length that
        is run, the host provides as it is.
        """
        if tensor in self.host:
            return tensor
        if tensor not in self.constants:
            return None
        name = f"{tensor}.provided"
        if name not in self.tensors:
            value = self.stored(tensor)
            provide = None if value is None else lambda _arrays, _dims: UnitOutput(value, 0)
            operation = QuantizedOp(
                name=name, kind="boundary", source=tensor, inputs=(), output=name, execute=provide
            )
            self.emit(operation, self.shape(tensor), FLOAT32)
        return name

    def stored(self, tensor: str) -> NDArray[Any] | None:
        """Values of an operand that the chip holds from the start; ``None`` when shape-only."""
        value = self.operand(tensor)
        if not value.is_constant:
            raise QuantizationError(
                f"tensor {tensor!r} is computed; only a stored one, moved at most, can be built in"
            )
        return value.constant

    def computed(self, tensor: str) -> Value:
        """The value of a tensor that must not be a stored constant."""
        value = self.operand(tensor)
        if value.is_constant:
            raise QuantizationError(f"tensor {tensor!r} is a stored constant, not computed")
        return value

    def move(self, op: Op) -> Value:
        """Lower data movement other than concatenation: the encoding stays what it was."""
        value = self.operand(op.inputs[0])
        indices = self._indices(op)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput(apply_movement(op, arrays, dims), 0)

        return self.emit(
            QuantizedOp(
                name=op.name,
                kind="movement",
                source=op.name,
                inputs=(value.name, *indices),
                output=op.output,
                function=op.kind,
                execute=None if self.shape_only else execute,
                attributes=op.attributes,
                group=op.group,
            ),
            self.shape(op.output),
            value.encoding,
            keep=value.keep,
        )

    def _indices(self, op: Op) -> tuple[str, ...]:
        """Names of the index operands of a movement, which only the host may compute."""
        found = []
        for name in op.inputs[1:]:
            index = self.from_host(name)
            if index is None:
                raise QuantizationError(
                    f"the index {name!r} is computed from activations; only indices that follow "
                    "from token ids, masks and positions have a form"
                )
            found.append(index)
        return tuple(found)

    def fold_constants(self, op: Op) -> Value:
        """Compute what follows from stored constants alone; the batch axis is 1 and broadcasts."""
        stored = [self.operand(name).constant for name in op.inputs]
        given = [values for values in stored if values is not None]
        folded = None
        if len(given) == len(stored):
            folded = execute_reference(op, given, {"batch": 1}, self._dtype(op.output))
        return Value(op.output, FLOAT32, constant=folded, is_constant=True)

    def _dtype(self, tensor: str) -> str:
        return self.workload.tensors[tensor].dtype

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

    def rows_of(self, op: Op, driven: Value) -> Value:
        """The driven operand of a static product, vector by vector: patches of a convolution."""
        if op.kind != "convolution":
            return driven
        return unfold(self, op, driven)

    def fold(self, op: Op, pixels: Value) -> Value:
        """The result of a static product in the shape that was traced: an image, if need be."""
        return fold(self, op, pixels) if op.kind == "convolution" else pixels

    def product(
        self, op: Op, driven: Value, codes: NDArray[Any] | None, encoding: Encoding, *,
        bits: int | None = None, groups: Groups | None = None,
    ) -> Value:  # fmt: skip
        """Lower a static product.

        Parameters
        ----------
        op
            The traced operation.
        driven
            From :meth:`rows_of`, possibly in other codes.
        codes
            Static operand, (rows, cols); ``None`` when shape-only.
        encoding
            Of the accumulator.
        bits
            Width of the static operand. [bit]
        groups
            Shifts of the operands, if they have any.
        """
        weight_shape = self.shape(op.inputs[1])
        rows = int(np.prod([int(size) for size in weight_shape[1:]]))
        cols = int(weight_shape[0])
        return self.emit(
            QuantizedOp(
                name=op.name,
                kind="static_product",
                source=op.name,
                inputs=(driven.name, *_shift_tensors(groups)),
                output=f"{op.output}.accumulated",
                rows=rows,
                cols=cols,
                weights=codes,
                weight_bits=bits,
                groups=groups,
                group=op.group,
            ),
            (*self.tensors[driven.name].shape[:-1], cols),
            encoding,
        )

    def dynamic_product(
        self, op: Op, driven: Value, stored: Value, encoding: Encoding, *,
        groups: Groups | None = None,
    ) -> Value:  # fmt: skip
        """Lower a product of two computed operands; the second is written into the cells.

        One matrix per sample, and per head of the first operand or for all of its heads.
        """
        first, second = (self.shape(name) for name in op.inputs)
        shared = len(first) == len(second) and all(size == 1 for size in second[1:-2])
        if not first[:-2] or second[:1] != first[:1] or not (second[:-2] == first[:-2] or shared):
            raise QuantizationError(
                f"the operands have shapes {first} and {second}; their leading axes must be equal, "
                "or 1 in the second operand after the batch"
            )
        return self.emit(
            QuantizedOp(
                name=op.name,
                kind="dynamic_product",
                source=op.name,
                inputs=(driven.name, stored.name, *_shift_tensors(groups)),
                output=f"{op.output}.accumulated",
                rows=second[-2],
                cols=second[-1],
                groups=groups,
                group=op.group,
            ),
            self.shape(op.output),
            encoding,
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
            outputs=tuple(host_side(name) for name in self.workload.outputs),
            tensors=self.tensors,
            ops=tuple(self.ops),
        )


def host_side(output: str) -> str:
    """Name of the tensor that the host gets for an output of the traced graph."""
    return f"{output}.real"


def check_last_axis(builder: GraphBuilder, op: Op) -> None:
    """Raise unless a row of the operation, a softmax or layer norm, is the last axis alone."""
    rank = len(builder.shape(op.inputs[0]))
    axis: int = op.attributes.get("axis", -1)
    axes: int = op.attributes.get("normalized_axes", 1)
    if axis not in (-1, rank - 1) or axes != 1:
        where = f"{axes} axes" if axes != 1 else f"axis {axis} of {rank}"
        raise QuantizationError(f"{op.kind} over {where}; the unit works along the last one")


def _shift_tensors(groups: Groups | None) -> tuple[str, ...]:
    """Tensors of shifts that a product takes beside its operands."""
    if groups is None:
        return ()
    return tuple(name for name in (groups.driven, groups.stored) if name is not None)


def _spread(piece: NDArray[Any], lead: NDArray[Any], axis: int) -> NDArray[Any]:
    """Broadcast a constant part to the other axes of a computed one."""
    shape = list(lead.shape)
    shape[axis] = piece.shape[axis]
    return np.broadcast_to(piece, shape)
