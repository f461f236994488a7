"""INT8 without floating point: I-BERT functions and dyadic rescaling.

Which question this module answers: *what does the transformer compute when every number on the chip
is an integer?*

Products take signed 8-bit operands and accumulate exactly; one 15-bit multiplier and a shift bring
an accumulator to the next tensor's scale. Tensors that feed only products have 8 bits; those that
enter softmax, GELU, LayerNorm or a residual addition have 16, with one bit of headroom over the
calibrated peak. Weights have one scale per output channel, activations one per tensor. Softmax
yields 15-bit codes, of which the 8 bits below the calibrated peak are kept, so that rows of any
length use all codes. Only the conversion of the network's input and output, on the host, uses
floating point.

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.integer.requantize import DyadicAdd, DyadicRequantize
from pimsim.integer.units import UnitOutput
from pimsim.quantization import constants
from pimsim.quantization.builder import (
    GraphBuilder,
    Value,
    check_last_axis,
    host_side,
    lower_all,
)
from pimsim.quantization.calibration import symmetric_scale
from pimsim.quantization.encodings import (
    code,
    connected_by_movement,
    consumers,
    feeds_only_products,
    final_readers,
)
from pimsim.quantization.quantized import Encoding, QuantizedWorkload
from pimsim.workload.graph import Op, Workload

SCHEME: Final = "int8_dyadic"
PRODUCT_BITS: Final = 8
WIDE_BITS: Final = 16
ACCUMULATOR_BITS: Final = 32
WIDE_HEADROOM: Final = 2.0
"""16-bit tensors reach twice the calibrated peak before they saturate."""

_UNITS: Final = {
    "softmax": "ibert_softmax",
    "layer_norm": "ibert_layer_norm",
    "gelu": "ibert_gelu",
    "requantize": "dyadic_requantize",
}
_NOMINAL_SCALE: Final = 2.0**-10
"""Stands for the unknown scale when only the hardware of a shape-only graph is wanted."""


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None
) -> QuantizedWorkload:
    """Lower a workload to the integer graph.

    Parameters
    ----------
    workload
        The traced graph.
    architecture
        Its ``units`` must name the integer units of this scheme.
    statistics
        Peaks from :func:`pimsim.quantization.calibration.calibrate`; ``None`` for a shape-only
        workload, which yields the graph without numbers.

    Raises
    ------
    QuantizationError
        If the graph has an operation without integer form here, or the architecture names other
        units.
    """
    check_units(architecture, _UNITS, SCHEME)
    builder = GraphBuilder(workload, architecture, statistics)
    return _Lowering(builder, consumers(workload), connected_by_movement(workload)).run()


def check_units(architecture: Architecture, needed: Mapping[str, str], scheme: str) -> None:
    """Raise if ``architecture.units`` names a unit that the scheme does not build."""
    for function, model in needed.items():
        named = getattr(architecture.units, function).model
        if named != model:
            raise QuantizationError(
                f"architecture {architecture.name!r}: units.{function}.model is {named!r}, but "
                f"numerics.scheme {scheme!r} builds {model!r}; change one of the two"
            )


@dataclass(frozen=True, slots=True)
class _Lowering:
    builder: GraphBuilder
    readers: Mapping[str, list[Op]]
    connected: Mapping[str, tuple[str, ...]]
    encodings: dict[tuple[str, ...], Encoding] = field(default_factory=dict)

    def run(self) -> QuantizedWorkload:
        for name in self.builder.workload.inputs:
            self._input(name)
        handlers = {
            "linear": self._static,
            "convolution": self._static,
            "matmul": self._matmul,
            "softmax": self._softmax,
            "layer_norm": self._layer_norm,
            "gelu": self._gelu,
            "add": self._add,
            "mul": self._mul,
            "cat": self._cat,
        }
        movement = dict.fromkeys(
            ("view", "permute", "expand", "slice", "select"), self.builder.move
        )
        lower_all(self.builder, {**movement, **handlers}, SCHEME)
        for name in self.builder.workload.outputs:
            self._output(name)
        return self.builder.finish(SCHEME)

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
        bits = PRODUCT_BITS if feeds_only_products(found) else WIDE_BITS
        if self.builder.statistics is None:
            return Encoding(bits, "integer", None)
        peak = max(self.builder.statistics[name] for name in group)
        headroom = 1.0 if bits == PRODUCT_BITS else WIDE_HEADROOM
        scale = symmetric_scale(peak, bits, headroom=headroom)
        for op, factor in found:
            if op is not None and op.kind == "softmax":
                scale = max(scale, constants.SOFTMAX_SMALLEST_SCALE / factor)
            if op is not None and op.kind == "gelu":
                scale = max(scale, constants.GELU_SMALLEST_SCALE / factor)
        return Encoding(bits, "integer", scale)

    def _scale(self, value: Value) -> float:
        return _NOMINAL_SCALE if value.encoding.scale is None else value.encoding.scale

    # --- edges of the chip -----------------------------------------------------------------------

    def _input(self, name: str) -> None:
        encoding = self._encoding(name)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput(code(arrays[0], encoding), 0)

        self.builder.values[name] = self.builder.boundary(
            f"{name}.quantize", source=name, output=f"{name}.codes", encoding=encoding,
            execute=execute, shape=self.builder.shape(name),
        )  # fmt: skip

    def _output(self, name: str) -> None:
        value = self.builder.computed(name)
        scale = self._scale(value)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput((arrays[0] * scale).astype(np.float32), 0)

        self.builder.boundary(
            f"{name}.dequantize", source=value.name, output=host_side(name),
            encoding=Encoding(32, "float", None), execute=execute, shape=self.builder.shape(name),
        )  # fmt: skip

    # --- products --------------------------------------------------------------------------------

    def _as_operand(self, op: Op, tensor: str) -> Value:
        """A tensor in the 8 bits of a product; a wider one is requantized once."""
        value = self.builder.computed(tensor)
        if value.encoding.bits <= PRODUCT_BITS:
            return value
        narrow = f"{tensor}.int8"  # not of value.name: a constant factor shares its operand's codes
        if narrow in self.builder.tensors:
            return Value(narrow, self.builder.tensors[narrow].encoding)
        peak = None if self.builder.statistics is None else self.builder.statistics[tensor]
        scale = None if peak is None else symmetric_scale(peak, PRODUCT_BITS)
        encoding = Encoding(PRODUCT_BITS, "integer", scale)
        ratio = self._scale(value) / scale if scale is not None else 1.0
        return self._rescale(op, value, name=narrow, ratio=ratio, encoding=encoding, output=narrow)

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

    def _static(self, op: Op) -> Value:
        builder = self.builder
        driven = self._as_operand(op, op.inputs[0])
        weight = builder.stored(op.inputs[1])
        bias = builder.stored(op.inputs[2]) if len(op.inputs) > 2 else None
        codes, scales = None, np.ones(int(builder.shape(op.inputs[1])[0]))
        if weight is not None:
            matrix, step = weight.reshape(len(weight), -1).T, self._scale(driven)
            smallest = 0.0 if bias is None else np.abs(bias) / (step * constants.LARGEST_BIAS)
            codes, scales = constants.quantize_weights(matrix, PRODUCT_BITS, smallest=smallest)
            scales = scales * step
        accumulated = builder.product(
            op, driven, codes, Encoding(ACCUMULATOR_BITS, "integer", None)
        )
        output = f"{op.output}.pixels" if op.kind == "convolution" else op.output
        result = self._requantize(op, accumulated, scales=scales, bias=bias, output=output)
        return builder.fold(op, result) if op.kind == "convolution" else result

    def _matmul(self, op: Op) -> Value:
        driven, stored = (self._as_operand(op, name) for name in op.inputs)
        accumulated = self.builder.dynamic_product(
            op, driven, stored, Encoding(ACCUMULATOR_BITS, "integer", None)
        )
        scale = np.array([self._scale(driven) * self._scale(stored)])
        return self._requantize(op, accumulated, scales=scale, bias=None, output=op.output)

    def _requantize(
        self,
        op: Op,
        accumulated: Value,
        *,
        scales: NDArray[Any],
        bias: NDArray[Any] | None,
        output: str,
    ) -> Value:
        """Add the bias and bring an accumulator to its tensor's scale, as it leaves the macro."""
        encoding = self._encoding(op.output)
        addend = np.zeros(1, np.int64)
        if bias is not None:
            addend = np.rint(bias.astype(np.float64) / scales).astype(np.int64)
        ratios = np.ones(len(scales)) if encoding.scale is None else scales / encoding.scale
        multiplier, shift = constants.dyadic_per_channel(ratios)
        unit = DyadicRequantize(
            multiplier=multiplier, shift=shift, input_bits=ACCUMULATOR_BITS,
            output_bits=encoding.bits, symmetric=True,
        )  # fmt: skip
        return self.builder.unit(
            name=f"{op.name}.requantize", op=op, function="requantize", inputs=(accumulated,),
            unit=unit, execute=lambda arrays, dims: unit(arrays[0] + addend), encoding=encoding,
            shape=self.builder.tensors[accumulated.name].shape, output=output, stream_from=op.name,
        )  # fmt: skip

    # --- functions -------------------------------------------------------------------------------

    def _softmax(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        value = self.builder.computed(op.inputs[0])
        unit = constants.ibert_softmax(self._scale(value), value.encoding.bits)
        scale = 2.0**-constants.SOFTMAX_OUTPUT_BITS
        return self._narrowed(op, "softmax", value, unit=unit, scale=scale, bits=WIDE_BITS)

    def _gelu(self, op: Op) -> Value:
        value = self.builder.computed(op.inputs[0])
        unit, scale = constants.ibert_gelu(self._scale(value), value.encoding.bits)
        return self._narrowed(op, "gelu", value, unit=unit, scale=scale)

    def _layer_norm(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        value = self.builder.computed(op.inputs[0])
        gain, bias = (self.builder.stored(name) for name in op.inputs[1:])
        if gain is None or bias is None:  # shape-only
            length = int(self.builder.shape(op.inputs[1])[0])
            gain, bias = np.ones(length), np.zeros(length)
        unit, scale = constants.ibert_layer_norm(
            self._scale(value), value.encoding.bits, gain, bias, op.attributes["epsilon"]
        )
        return self._narrowed(op, "layer_norm", value, unit=unit, scale=scale)

    def _made(self, bits: int, scale: float) -> Encoding:
        """An encoding whose scale a unit dictates; a shape-only graph has no scales."""
        return Encoding(bits, "integer", None if self.builder.shape_only else scale)

    def _narrowed(
        self, op: Op, function: str, value: Value, *, unit: Any, scale: float,
        bits: int = ACCUMULATOR_BITS,
    ) -> Value:  # fmt: skip
        """A function whose wide output comes to its tensor's scale afterwards."""
        wide = self._function(
            op, function, value, unit=unit, encoding=self._made(bits, scale),
            output=f"{op.output}.wide",
        )  # fmt: skip
        encoding = self._encoding(op.output)
        ratio = 1.0 if encoding.scale is None else scale / encoding.scale
        name = f"{op.name}.requantize"
        return self._rescale(op, wide, name=name, ratio=ratio, encoding=encoding, output=op.output)

    def _function(
        self, op: Op, function: str, value: Value, *, unit: Any, encoding: Encoding, output: str
    ) -> Value:
        return self.builder.unit(
            name=op.name, op=op, function=function, inputs=(value,), unit=unit,
            execute=lambda arrays, dims: unit(arrays[0]), encoding=encoding,
            shape=self.builder.shape(op.output), output=output,
        )  # fmt: skip

    def _mul(self, op: Op) -> Value:
        """A constant factor changes what the codes stand for, not the codes."""
        value = self.builder.operand(op.inputs[0])
        scalar = op.attributes.get("scalar")
        if scalar is None or scalar <= 0 or value.is_constant:
            raise QuantizationError("only a product with a positive constant has an integer form")
        scale = None if value.encoding.scale is None else value.encoding.scale * scalar
        encoding = Encoding(value.encoding.bits, "integer", scale)
        return Value(value.name, encoding)

    def _add(self, op: Op) -> Value:
        if len(op.inputs) != 2:
            raise QuantizationError("adding a scalar has no integer form yet")
        a, b = (self.builder.operand(name) for name in op.inputs)
        encoding = self._encoding(op.output)
        stored = [self._constant_operand(value, encoding) for value in (a, b)]
        pairs = [
            constants.dyadic(1.0 if encoding.scale is None else part[1] / encoding.scale)
            for part in stored
        ]
        unit = DyadicAdd(
            multipliers=(pairs[0][0], pairs[1][0]), shifts=(pairs[0][1], pairs[1][1]),
            input_bits=(stored[0][2], stored[1][2]), output_bits=encoding.bits, symmetric=True,
        )  # fmt: skip

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            computed = iter(arrays)
            first, second = (next(computed) if part[0] is None else part[0] for part in stored)
            return unit(first, second)

        return self.builder.unit(
            name=op.name, op=op, function="requantize", inputs=(a, b), unit=unit, execute=execute,
            encoding=encoding, shape=self.builder.shape(op.output), output=op.output,
        )  # fmt: skip

    def _constant_operand(
        self, value: Value, encoding: Encoding
    ) -> tuple[NDArray[Any] | None, float, int]:
        """Codes of a stored addend (``None`` for a computed one), its scale and its width."""
        if not value.is_constant:
            return None, self._scale(value), value.encoding.bits
        if value.constant is None:
            return None, _NOMINAL_SCALE, WIDE_BITS
        peak = float(np.abs(value.constant).max(initial=0.0))
        own = Encoding(WIDE_BITS, "integer", symmetric_scale(peak, WIDE_BITS))
        return code(value.constant, own), own.scale or 1.0, WIDE_BITS

    def _cat(self, op: Op) -> Value:
        """Parts are brought to the scale of the whole, then laid side by side.

        A part has that scale already unless a unit or a constant factor dictates another. Identity
        of encodings tells, not equality, so that a graph without scales has the same operations.
        """
        encoding = self._encoding(op.output)
        parts = []
        for index, tensor in enumerate(op.inputs):
            value = self.builder.operand(tensor)
            if not value.is_constant and value.encoding is not encoding:
                ratio = 1.0 if encoding.scale is None else self._scale(value) / encoding.scale
                name = f"{op.name}.requantize_{index}"
                value = self._rescale(
                    op, value, name=name, ratio=ratio, encoding=encoding, output=f"{name}.out"
                )
            parts.append(value)
        return self.builder.concatenate(op, parts, encoding)
