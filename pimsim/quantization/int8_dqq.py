"""INT8 products between floating-point dequantize and quantize: the conventional way.

Which question this module answers: *what does the transformer compute on a chip whose crossbars are
integer and whose other units are floating-point?*

Operands of products are 8-bit codes with one scale per tensor (absolute maximum on the calibration
samples), weights with one per output channel. Every accumulator is dequantized to floating point,
softmax, GELU, LayerNorm and additions run in single or half precision, as the chip's units do, and
the next product's operand is quantized again. Additions are the requantization unit's, and what
comes from the host is in single precision. The cache of a decoding step holds codes; only the new
token's are quantized. The softmax may be an integer unit instead, which takes codes and yields
those that drive P·V: :mod:`pimsim.quantization.dqq_softmax`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.integer.units import UnitOutput
from pimsim.quantization import constants
from pimsim.quantization.builder import FLOAT32, GraphBuilder, Value, check_last_axis, host_side
from pimsim.quantization.calibration import symmetric_scale
from pimsim.quantization.dqq_softmax import SoftmaxLowering, check_softmax
from pimsim.quantization.encodings import appended_states, code, constant_factor
from pimsim.quantization.float_units import ELEMENTWISE_COSTS
from pimsim.quantization.host import look_up
from pimsim.quantization.lowering import MOVEMENTS, lower_all, unmasked
from pimsim.quantization.observers import operand_range
from pimsim.quantization.precision import FP16_BITS
from pimsim.quantization.quantized import Encoding, Execute, QuantizedWorkload
from pimsim.quantization.unit_choice import check_units, unit_model
from pimsim.registry import UNITS
from pimsim.workload.graph import Op, Workload

SCHEME: Final = "int8_dqq"
PRODUCT_BITS: Final = 8
ACCUMULATOR: Final = Encoding(32, "integer", None)
FLOAT16: Final = Encoding(16, "float", None)

_FUNCTIONS: Final = (
    "softmax", "layer_norm", "gelu", "requantize", "rms_norm", "silu", "rotary",
)  # fmt: skip
_UNITS: Final = {function: (f"fp16_{function}", f"fp32_{function}") for function in _FUNCTIONS}


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None
) -> QuantizedWorkload:
    """Lower a workload to integer products and floating-point functions.

    Parameters and errors are those of :func:`pimsim.quantization.int8_dyadic.quantize`.
    """
    others = {function: models for function, models in _UNITS.items() if function != "softmax"}
    check_units(architecture, others, SCHEME, from_scale=False)
    check_softmax(architecture, _UNITS["softmax"], SCHEME)
    builder = GraphBuilder(workload, architecture, statistics)
    return _Lowering(builder, appended_states(workload), SoftmaxLowering(builder)).run()


@dataclass(frozen=True, slots=True)
class _Lowering:
    builder: GraphBuilder
    caches: Mapping[str, Op]
    """State that is kept as codes → the concatenation that appends to it."""
    integer: SoftmaxLowering

    def run(self) -> QuantizedWorkload:
        builder = self.builder
        builder.send = self._send
        for name in builder.workload.inputs:
            if name not in builder.host:
                builder.values[name] = self._send(name)
        handlers = {
            **dict.fromkeys(MOVEMENTS, self.integer.move),
            "linear": self._static,
            "convolution": self._static,
            "matmul": self._matmul,
            "softmax": self._softmax,
            "layer_norm": self._layer_norm,
            "rms_norm": self._rms_norm,
            "gelu": self._gelu,
            "silu": self._silu,
            "rotary": self._rotary,
            "add": self._add,
            "mul": self._mul,
            "div": self._div,
            "cat": self._cat,
            "embedding": lambda op: look_up(builder, op, FLOAT32),
        }
        others = dict.fromkeys(ELEMENTWISE_COSTS, self._elementwise)
        lower_all(builder, {**others, **handlers}, SCHEME)
        for name in builder.workload.outputs:
            value = self._plain(builder.computed(name))
            self._copy(f"{name}.fetch", value.name, host_side(name))
        return replace(builder.finish(SCHEME), probes=tuple(self.integer.probes))

    def _send(self, name: str) -> Value:
        """Bring an input of the graph, or a number of the host's, onto the chip."""
        if name in self.caches:
            return self._cached(name)
        self._copy(f"{name}.send", name, f"{name}.received")
        return Value(f"{name}.received", FLOAT32)

    def _cached(self, name: str) -> Value:
        """Earlier tokens, which the chip holds as codes."""
        encoding = self._operand_encoding(self.caches[name].output)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput(code(arrays[0], encoding), 0)

        return self.builder.boundary(
            f"{name}.send", source=name, output=f"{name}.received", encoding=encoding,
            execute=execute, shape=self.builder.shape(name),
        )  # fmt: skip

    def _copy(self, name: str, source: str, output: str) -> None:
        """Cross the chip's edge: real numbers stay real."""

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput(arrays[0].astype(np.float32), 0)

        tensors = self.builder.tensors
        shape = tensors[source].shape if source in tensors else self.builder.shape(source)
        self.builder.boundary(
            name, source=source, output=output, encoding=FLOAT32, execute=execute, shape=shape
        )

    # --- products --------------------------------------------------------------------------------

    def _as_operand(self, tensor: str, op: Op) -> tuple[Value, float]:
        """A tensor as 8-bit codes, quantized once, and the real value of one code."""
        value = self.builder.computed(tensor)
        if value.encoding.number == "integer":
            return value, value.encoding.scale or 1.0
        encoding = self._operand_encoding(tensor)
        scale = encoding.scale or 1.0
        narrow = f"{tensor}.int8"  # not of value.name: a constant factor shares its operand
        if narrow in self.builder.tensors:
            return Value(narrow, self.builder.tensors[narrow].encoding), scale
        return self._narrowed(value, op, encoding, narrow), scale

    def _operand_encoding(self, tensor: str) -> Encoding:
        statistics = self.builder.statistics
        scale = None if statistics is None else _operand_scale(statistics, tensor)
        return Encoding(PRODUCT_BITS, "integer", scale)

    def _narrowed(self, value: Value, op: Op, encoding: Encoding, name: str) -> Value:
        """Quantize a floating-point tensor."""
        unit = self._made(
            "requantize", scale=((encoding.scale or 1.0) / _factor(value),), bits=encoding.bits
        )
        return self.builder.unit(
            name=name, op=op, function="requantize", inputs=(value,), unit=unit,
            execute=lambda arrays, dims: unit(arrays[0]), encoding=encoding,
            shape=self.builder.tensors[value.name].shape, output=name,
        )  # fmt: skip

    def _static(self, op: Op) -> Value:
        builder = self.builder
        driven, scale = self._as_operand(op.inputs[0], op)
        weight = builder.stored(op.inputs[1])
        bias = builder.stored(op.inputs[2]) if len(op.inputs) > 2 else None
        codes, scales = None, np.ones(1)
        if weight is not None:
            matrix = weight.reshape(len(weight), -1).T
            codes, scales = constants.quantize_weights(
                matrix, PRODUCT_BITS, per_channel=builder.per_channel
            )
        accumulated = builder.product(
            op, builder.rows_of(op, driven), codes, ACCUMULATOR, bits=PRODUCT_BITS
        )
        output = f"{op.output}.pixels" if op.kind == "convolution" else op.output
        result = self._dequantize(op, accumulated, scales=scales * scale, bias=bias, output=output)
        return builder.fold(op, result)

    def _matmul(self, op: Op) -> Value:
        (driven, a), (stored, b) = (self._as_operand(name, op) for name in op.inputs)
        accumulated = self.builder.dynamic_product(op, driven, stored, ACCUMULATOR)
        means = self.integer.means(op, driven, stored, accumulated)
        step = self.integer.product_step(driven, a)
        return self._dequantize(op, means, scales=np.array([step * b]), bias=None, output=op.output)

    def _dequantize(
        self,
        op: Op,
        accumulated: Value,
        *,
        scales: NDArray[Any],
        bias: NDArray[Any] | None,
        output: str,
    ) -> Value:
        unit = self._made(
            "requantize",
            scale=tuple(float(scale) for scale in scales),
            bias=(0.0,) if bias is None else tuple(float(value) for value in bias),
        )
        return self.builder.unit(
            name=f"{op.name}.dequantize", op=op, function="requantize", inputs=(accumulated,),
            unit=unit, execute=lambda arrays, dims: unit(arrays[0]), encoding=_encoding(unit),
            shape=self.builder.tensors[accumulated.name].shape, output=output, stream_from=op.name,
        )  # fmt: skip

    def _made(self, function: str, *, kind: str | None = None, **constants: Any) -> Any:
        """The chip's unit for a function, or what its unit does besides (``kind``)."""
        model = unit_model(self.builder.architecture, function, f"fp32_{function}")
        return UNITS[model.replace(function, kind or function)](**constants)

    # --- functions -------------------------------------------------------------------------------

    def _softmax(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        value = self.builder.computed(op.inputs[0])
        model = unit_model(self.builder.architecture, "softmax", "fp32_softmax")
        if model not in _UNITS["softmax"]:
            return self.integer.softmax(
                op, value, self._operand_encoding(op.output), self._narrowed
            )
        unit = self._made("softmax", op=op, factor=_factor(value))
        also = [] if value.keep is None else [Value(value.keep, FLOAT32)]
        return self._function(
            op, "softmax", value, unit, execute=lambda arrays, dims: unit(*arrays), also=also
        )

    def _gelu(self, op: Op) -> Value:
        value = self._plain(self.builder.computed(op.inputs[0]))
        return self._function(op, "gelu", value, self._made("gelu", op=op))

    def _layer_norm(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        gain, bias = (self.builder.stored(name) for name in op.inputs[1:])
        unit = self._made(
            "layer_norm",
            op=op,
            gain=() if gain is None else tuple(gain.tolist()),
            bias=() if bias is None else tuple(bias.tolist()),
        )
        value = self._plain(self.builder.computed(op.inputs[0]))
        return self._function(op, "layer_norm", value, unit)

    def _rms_norm(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        gain = self.builder.stored(op.inputs[1])
        gains = () if gain is None else tuple(gain.tolist())
        unit = self._made("rms_norm", op=op, gain=gains)
        value = self._plain(self.builder.computed(op.inputs[0]))
        return self._function(op, "rms_norm", value, unit)

    def _silu(self, op: Op) -> Value:
        value = self._plain(self.builder.computed(op.inputs[0]))
        return self._function(op, "silu", value, self._made("silu", op=op))

    def _rotary(self, op: Op) -> Value:
        unit = self._made("rotary", op=op)
        value = self._plain(self.builder.operand(op.inputs[0]))
        turns = [self._turns(name) for name in op.inputs[1:]]
        return self._function(
            op, "rotary", value, unit, execute=lambda arrays, dims: unit(*arrays), also=turns
        )

    def _turns(self, tensor: str) -> Value:
        """Cosines or sines of the positions; stored ones are the host's to provide."""
        value = self._plain(self.builder.operand(tensor))
        given = self.builder.from_host(tensor) if value.is_constant else None
        if given is None:
            return value
        sent = f"{tensor}.received"
        if sent not in self.builder.tensors:
            self._copy(f"{tensor}.send", given, sent)
        return Value(sent, FLOAT32)

    def _function(
        self, op: Op, function: str, value: Value, unit: Any, *, execute: Execute | None = None,
        also: Sequence[Value] = (),
    ) -> Value:  # fmt: skip
        return self.builder.unit(
            name=op.name, op=op, function=function, inputs=(value, *also), unit=unit,
            execute=execute or (lambda arrays, dims: unit(arrays[0])), encoding=_encoding(unit),
            shape=self.builder.shape(op.output), output=op.output,
        )  # fmt: skip

    def _plain(self, value: Value) -> Value:
        """A value without a waiting factor or mask: only softmax and products take one along."""
        if _factor(value) != 1.0:
            raise QuantizationError(
                f"tensor {value.name!r} comes multiplied by a constant; scheme {SCHEME!r} takes a "
                "constant factor only into softmax and products"
            )
        return unmasked(value)

    def _add(self, op: Op) -> Value:
        if len(op.inputs) != 2:
            return self._elementwise(op)
        return self._pointwise(op, self._made("requantize", kind="add"))

    def _mul(self, op: Op) -> Value:
        """A positive constant factor waits for the function that reads the tensor."""
        factor = constant_factor(op)
        return self._elementwise(op) if factor is None else self._waiting(op, factor)

    def _div(self, op: Op) -> Value:
        factor = constant_factor(op)
        return self._elementwise(op) if factor is None else self._waiting(op, factor)

    def _waiting(self, op: Op, factor: float) -> Value:
        value = self.builder.computed(op.inputs[0])
        encoding = replace(value.encoding, scale=_factor(value) * factor)
        return Value(value.name, encoding, keep=value.keep)

    def _elementwise(self, op: Op) -> Value:
        return self._pointwise(op, self._made("requantize", kind="elementwise", op=op))

    def _pointwise(self, op: Op, unit: Any) -> Value:
        """An operation of the vector unit on whole tensors; stored ones are part of its tables."""
        parts = [self._plain(self.builder.operand(name)) for name in op.inputs]

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            computed = iter(arrays)
            taken = (next(computed) if p.constant is None else p.constant for p in parts)
            output: UnitOutput = unit(*taken)
            return output

        return self.builder.unit(
            name=op.name, op=op, function="requantize", inputs=parts, unit=unit, execute=execute,
            encoding=_encoding(unit), shape=self.builder.shape(op.output), output=op.output,
        )  # fmt: skip

    def _cat(self, op: Op) -> Value:
        if op.inputs[0] in self.caches:
            encoding, (past, *added) = self._operand_encoding(op.output), op.inputs
            codes = [
                self._narrowed(self.builder.computed(name), op, encoding, f"{op.name}.new_{index}")
                for index, name in enumerate(added)
            ]
            return self.builder.concatenate(op, [self.builder.computed(past), *codes], encoding)
        parts = [self._plain(self.builder.operand(name)) for name in op.inputs]
        widest = max((part.encoding for part in parts), key=lambda encoding: encoding.bits)
        return self.builder.concatenate(op, parts, widest)


def _operand_scale(statistics: Mapping[str, float], tensor: str) -> float:
    return symmetric_scale(operand_range(statistics, tensor, PRODUCT_BITS), PRODUCT_BITS)


def _encoding(unit: Any) -> Encoding:
    """How the results of a floating-point unit are stored."""
    return FLOAT16 if unit.precision.bits == FP16_BITS else FLOAT32


def _factor(value: Value) -> float:
    """Constant factor that still has to be applied to a floating-point tensor."""
    return 1.0 if value.encoding.scale is None else value.encoding.scale
