"""Integers with real scales: what the schemes that rescale by a multiplier and a shift share.

Which question this module answers: *at which width and scale is a tensor kept, and how does it come
to another one?*

Tensors that feed only products have the scheme's operand width; those that enter a function or an
addition have 16 bits, with one bit of headroom over the calibrated peak. One 15-bit multiplier and
a shift bring codes to another scale; sums and products of two tensors rescale their operands or
their result the same way. Real scales exist at compile time alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.multiply import DyadicMultiply
from pimsim.integer.rectify import Rectify
from pimsim.integer.requantize import DyadicAdd, DyadicRequantize
from pimsim.integer.units import UnitOutput
from pimsim.quantization import constants, unit_constants
from pimsim.quantization.builder import (
    FLOAT32,
    GraphBuilder,
    Value,
    check_last_axis,
    host_side,
)
from pimsim.quantization.calibration import symmetric_scale
from pimsim.quantization.encodings import (
    code,
    constant_factor,
    feeds_only_products,
    final_readers,
    operand_places,
)
from pimsim.quantization.forms import ProductForms
from pimsim.quantization.host import look_up
from pimsim.quantization.lowering import unmasked
from pimsim.quantization.observers import operand_range
from pimsim.quantization.quantized import Encoding, Execute
from pimsim.quantization.unit_choice import unit_model
from pimsim.workload.graph import Op

WIDE_BITS: Final = 16
ACCUMULATOR_BITS: Final = 32
WIDE_HEADROOM: Final = 2.0
"""16-bit tensors reach twice the calibrated peak before they saturate."""

_NOMINAL_SCALE: Final = 2.0**-10
"""Stands for the unknown scale when only the hardware of a shape-only graph is wanted."""


@dataclass(frozen=True, slots=True)
class _Operand:
    """One operand of an addition or multiplication of two tensors."""

    codes: NDArray[Any] | None
    """Values of a stored operand; ``None`` for a computed one."""
    scale: float
    bits: int


@dataclass(frozen=True, slots=True)
class DyadicLowering:
    """Encodings, rescaling and element-wise operations of an integer scheme."""

    builder: GraphBuilder
    readers: Mapping[str, list[Op]]
    connected: Mapping[str, tuple[str, ...]]
    forms: ProductForms
    """Integers in which the operands of products meet."""
    gains: Mapping[str, float]
    """Traced tensor → what undoes the shrinking of codes whose bits are cut; absent: none."""
    own_forms: Mapping[str, ProductForms]
    """Product → its forms, where ``numerics.overrides`` names others."""
    encodings: dict[tuple[str, ...], Encoding] = field(default_factory=dict)

    # --- encodings -------------------------------------------------------------------------------

    def _encoding(self, tensor: str) -> Encoding:
        """Width and scale in which a computed tensor, and all that is moved with it, is kept."""
        group = self.connected[tensor]
        if group not in self.encodings:
            self.encodings[group] = self._choose(group)
        return self.encodings[group]

    def _choose(self, group: Sequence[str]) -> Encoding:
        workload = self.builder.workload
        found = [one for name in group for one in final_readers(workload, self.readers, name)]
        operand_only = feeds_only_products(found)
        bits = self._operand_bits(group) if operand_only else WIDE_BITS
        if self.builder.statistics is None:
            return Encoding(bits, "integer", None)
        statistics = self.builder.statistics
        if operand_only:
            return Encoding(bits, "integer", self._operand_scale(group, bits))
        peak = max(statistics[name] for name in group)
        scale = symmetric_scale(peak, bits, headroom=WIDE_HEADROOM)
        for op, factor in found:
            if op is not None and op.kind == "softmax":
                scale = max(scale, constants.SOFTMAX_SMALLEST_SCALE / factor)
            if op is not None and op.kind in ("gelu", "silu"):
                scale = max(scale, constants.GELU_SMALLEST_SCALE / factor)
        return Encoding(bits, "integer", scale)

    def _operand_scale(self, tensors: Sequence[str], bits: int) -> float:
        """Scale of what enters products, from the calibrated ranges of tensors that share codes.

        Powers of two stay powers of two: their largest takes the last bit below the sign.
        """
        statistics = self.builder.statistics or {}
        peak = max(operand_range(statistics, name, bits) for name in tensors)
        softmax = self.builder.architecture.units.softmax.model
        if softmax in unit_constants.POWERS_OF_TWO and self._has_probabilities(tensors):
            return math.ldexp(1.0, math.ceil(math.log2(peak or 1.0)) - (bits - 2))
        return symmetric_scale(peak, bits)

    def _has_probabilities(self, tensors: Sequence[str]) -> bool:
        """Whether a softmax makes one of the tensors."""
        made = {op.output for op in self.builder.workload.ops if op.kind == "softmax"}
        return not made.isdisjoint(tensors)

    def _operand_bits(self, group: Sequence[str]) -> int:
        """Width that serves every product that takes a tensor: what is stored may be narrower."""
        workload = self.builder.workload
        places = {place for name in group for place in operand_places(workload, self.readers, name)}
        pairs = [(self._forms_of(op), place) for op, place in places]
        return max(
            (forms.stored if place == 1 else forms.driven).basis_bits for forms, place in pairs
        )

    def _forms_of(self, op: str) -> ProductForms:
        """Integers in which the operands of one product meet."""
        return self.own_forms.get(op, self.forms)

    def _scale(self, value: Value) -> float:
        return _NOMINAL_SCALE if value.encoding.scale is None else value.encoding.scale

    # --- edges of the chip -----------------------------------------------------------------------

    def _send(self, name: str) -> Value:
        """Bring an input of the graph, or a number of the host's, onto the chip."""
        encoding = self._encoding(name)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput(code(arrays[0], encoding), 0)

        return self.builder.boundary(
            f"{name}.quantize", source=name, output=f"{name}.codes", encoding=encoding,
            execute=execute, shape=self.builder.shape(name),
        )  # fmt: skip

    def _output(self, name: str) -> None:
        value = unmasked(self.builder.computed(name))
        scale = self._scale(value)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput((arrays[0] * scale).astype(np.float32), 0)

        self.builder.boundary(
            f"{name}.dequantize", source=value.name, output=host_side(name),
            encoding=Encoding(32, "float", None), execute=execute, shape=self.builder.shape(name),
        )  # fmt: skip

    def _rescale(
        self, op: Op, value: Value, *, name: str, ratio: float, encoding: Encoding, output: str
    ) -> Value:
        multiplier, shift = constants.dyadic(ratio)
        unit = DyadicRequantize(
            multiplier=multiplier, shift=shift, input_bits=value.encoding.bits,
            output_bits=encoding.bits, symmetric=True,
        )  # fmt: skip
        return self.builder.unit(
            name=name, op=op, function="requantize", inputs=(value,), unit=unit,
            execute=lambda arrays, dims: unit(arrays[0]), encoding=encoding,
            shape=self.builder.tensors[value.name].shape, output=output,
        )  # fmt: skip

    def _made(self, bits: int, scale: float) -> Encoding:
        """An encoding whose scale a unit dictates; a shape-only graph has no scales."""
        return Encoding(bits, "integer", None if self.builder.shape_only else scale)

    def _narrowed(
        self, op: Op, function: str, value: Value, *, unit: Any, scale: float,
        bits: int = ACCUMULATOR_BITS, execute: Execute | None = None, also: Sequence[Value] = (),
    ) -> Value:  # fmt: skip
        """A function whose wide output comes to its tensor's scale afterwards."""
        wide = self.builder.unit(
            name=op.name, op=op, function=function, inputs=(value, *also), unit=unit,
            execute=execute or (lambda arrays, dims: unit(arrays[0])),
            encoding=self._made(bits, scale), shape=self.builder.shape(op.output),
            output=f"{op.output}.wide",
        )  # fmt: skip
        return self._to_own_scale(op, wide)

    def _to_own_scale(self, op: Op, wide: Value) -> Value:
        """Bring the last step of an operation to the encoding of the operation's tensor."""
        encoding = self._encoding(op.output)
        ratio = 1.0 if encoding.scale is None else self._scale(wide) / encoding.scale
        name = f"{op.name}.requantize"
        return self._rescale(op, wide, name=name, ratio=ratio, encoding=encoding, output=op.output)

    # --- normalization ---------------------------------------------------------------------------

    def _layer_norm(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        value = unmasked(self.builder.computed(op.inputs[0]))
        gain, bias = (self.builder.stored(name) for name in op.inputs[1:])
        if gain is None or bias is None:  # shape-only
            length = int(self.builder.shape(op.inputs[1])[0])
            gain, bias = np.ones(length), np.zeros(length)
        model, epsilon = self.builder.architecture.units.layer_norm.model, op.attributes["epsilon"]
        unit, scale = unit_constants.layer_norm(
            model, self._scale(value), value.encoding.bits, gain, bias, epsilon=epsilon
        )
        return self._narrowed(op, "layer_norm", value, unit=unit, scale=scale)

    def _rms_norm(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        model = unit_model(self.builder.architecture, "rms_norm", "ibert_rms_norm")
        value = unmasked(self.builder.computed(op.inputs[0]))
        gain = self.builder.stored(op.inputs[1])
        if gain is None:  # shape-only
            gain = np.ones(int(self.builder.shape(op.inputs[1])[0]))
        unit, scale = unit_constants.rms_norm(
            model, self._scale(value), value.encoding.bits, gain, op.attributes["epsilon"]
        )
        return self._narrowed(op, "rms_norm", value, unit=unit, scale=scale)

    # --- element by element ----------------------------------------------------------------------

    def elementwise(self) -> dict[str, Callable[[Op], Value]]:
        """Kinds that every integer scheme takes, with what becomes of them."""
        return {
            "embedding": lambda op: look_up(self.builder, op, self._encoding(op.output)),
            "add": self._add,
            "mul": self._mul,
            "div": self._div,
            "relu": self._relu,
            "cat": self._cat,
        }

    def _factor(self, op: Op, factor: float) -> Value:
        """A constant factor changes what the codes stand for, not the codes."""
        value = self.builder.computed(op.inputs[0])
        scale = None if value.encoding.scale is None else value.encoding.scale * factor
        encoding = Encoding(value.encoding.bits, "integer", scale)
        return Value(value.name, encoding, keep=value.keep)

    def _div(self, op: Op) -> Value:
        factor = constant_factor(op)
        if factor is None:
            raise QuantizationError("only a division by a positive constant has an integer form")
        return self._factor(op, factor)

    def _mul(self, op: Op) -> Value:
        factor = constant_factor(op)
        if factor is not None:
            return self._factor(op, factor)
        if len(op.inputs) != 2:
            raise QuantizationError(
                "only a product with a positive constant, or of two tensors, has an integer form"
            )
        a, b = (unmasked(self.builder.operand(name)) for name in op.inputs)
        encoding = self._encoding(op.output)
        parts = [self._constant_operand(value) for value in (a, b)]
        scale = parts[0].scale * parts[1].scale
        multiplier, shift = constants.dyadic(
            1.0 if encoding.scale is None else scale / encoding.scale
        )
        unit = DyadicMultiply(
            multiplier=multiplier, shift=shift, input_bits=(parts[0].bits, parts[1].bits),
            output_bits=encoding.bits, symmetric=True,
        )  # fmt: skip
        return self._pairwise(op, (a, b), parts, unit, encoding)

    def _add(self, op: Op) -> Value:
        a = unmasked(self.builder.operand(op.inputs[0]))
        b = (
            self._scalar(op)
            if len(op.inputs) == 1
            else unmasked(self.builder.operand(op.inputs[1]))
        )
        encoding = self._encoding(op.output)
        parts = [self._constant_operand(value) for value in (a, b)]
        pairs = [
            constants.dyadic(1.0 if encoding.scale is None else part.scale / encoding.scale)
            for part in parts
        ]
        unit = DyadicAdd(
            multipliers=(pairs[0][0], pairs[1][0]), shifts=(pairs[0][1], pairs[1][1]),
            input_bits=(parts[0].bits, parts[1].bits), output_bits=encoding.bits, symmetric=True,
        )  # fmt: skip
        return self._pairwise(op, (a, b), parts, unit, encoding)

    def _scalar(self, op: Op) -> Value:
        scalar = op.attributes["scalar"]
        if not isinstance(scalar, (int, float)):
            raise QuantizationError(
                f"adding the size {scalar!r} to an activation has no integer form"
            )
        return Value(f"{op.name}.scalar", FLOAT32, np.full(1, scalar, np.float32), is_constant=True)

    def _pairwise(
        self, op: Op, values: tuple[Value, Value], parts: Sequence["_Operand"],
        unit: DyadicAdd | DyadicMultiply, encoding: Encoding,
    ) -> Value:  # fmt: skip
        """A unit of two operands, of which stored ones are part of its tables."""

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            computed = iter(arrays)
            first, second = (next(computed) if one.codes is None else one.codes for one in parts)
            return unit(first, second)

        return self.builder.unit(
            name=op.name, op=op, function="requantize", inputs=values, unit=unit, execute=execute,
            encoding=encoding, shape=self.builder.shape(op.output), output=op.output,
        )  # fmt: skip

    def _constant_operand(self, value: Value) -> "_Operand":
        """Codes of a stored operand, or none for a computed one, with scale and width."""
        if not value.is_constant:
            return _Operand(None, self._scale(value), value.encoding.bits)
        if value.constant is None:
            return _Operand(None, _NOMINAL_SCALE, WIDE_BITS)
        peak = float(np.abs(value.constant).max(initial=0.0))
        own = Encoding(WIDE_BITS, "integer", symmetric_scale(peak, WIDE_BITS))
        return _Operand(code(value.constant, own), own.scale or 1.0, WIDE_BITS)

    def _relu(self, op: Op) -> Value:
        value = unmasked(self.builder.computed(op.inputs[0]))
        unit = Rectify(input_bits=value.encoding.bits)
        return self._narrowed(
            op, "requantize", value, unit=unit, scale=self._scale(value), bits=value.encoding.bits
        )

    def _cat(self, op: Op) -> Value:
        """Parts are brought to the scale of the whole, then laid side by side.

        A part has that scale already unless a unit or a constant factor dictates another. Identity
        of encodings tells, not equality, so that a graph without scales has the same operations.
        """
        encoding = self._encoding(op.output)
        parts = []
        for index, tensor in enumerate(op.inputs):
            value = unmasked(self.builder.operand(tensor))
            if not value.is_constant and value.encoding is not encoding:
                ratio = 1.0 if encoding.scale is None else self._scale(value) / encoding.scale
                name = f"{op.name}.requantize_{index}"
                value = self._rescale(
                    op, value, name=name, ratio=ratio, encoding=encoding, output=f"{name}.out"
                )
            parts.append(value)
        return self.builder.concatenate(op, parts, encoding)
