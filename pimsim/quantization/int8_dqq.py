"""INT8 products between floating-point dequantize and quantize: the conventional way.

Which question this module answers: *what does the transformer compute on a chip whose crossbars are
integer and whose other units are floating-point?*

Operands of products are 8-bit codes with one scale per tensor (absolute maximum on the calibration
samples), weights with one per output channel. Every accumulator is dequantized to single precision,
softmax, GELU, LayerNorm and additions run in single precision, and the next product's operand is
quantized again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.integer.units import UnitOutput
from pimsim.quantization import constants
from pimsim.quantization.builder import (
    FLOAT32,
    GraphBuilder,
    Value,
    check_last_axis,
    host_side,
    lower_all,
)
from pimsim.quantization.calibration import symmetric_scale
from pimsim.quantization.float_units import (
    Fp32Add,
    Fp32Gelu,
    Fp32LayerNorm,
    Fp32Requantize,
    Fp32Softmax,
)
from pimsim.quantization.int8_dyadic import check_units
from pimsim.quantization.quantized import Encoding, QuantizedWorkload
from pimsim.workload.graph import Op, Workload

SCHEME: Final = "int8_dqq"
PRODUCT_BITS: Final = 8
ACCUMULATOR: Final = Encoding(32, "integer", None)

_UNITS: Final = {
    "softmax": "fp32_softmax",
    "layer_norm": "fp32_layer_norm",
    "gelu": "fp32_gelu",
    "requantize": "fp32_requantize",
}


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None
) -> QuantizedWorkload:
    """Lower a workload to integer products and floating-point functions.

    Parameters and errors are those of :func:`pimsim.quantization.int8_dyadic.quantize`.
    """
    check_units(architecture, _UNITS, SCHEME)
    return _Lowering(GraphBuilder(workload, architecture, statistics)).run()


@dataclass(frozen=True, slots=True)
class _Lowering:
    builder: GraphBuilder

    def run(self) -> QuantizedWorkload:
        builder = self.builder
        for name in builder.workload.inputs:
            self._copy(f"{name}.send", name, f"{name}.received")
            builder.values[name] = Value(f"{name}.received", FLOAT32)
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
        movement = dict.fromkeys(("view", "permute", "expand", "slice", "select"), builder.move)
        lower_all(builder, {**movement, **handlers}, SCHEME)
        for name in builder.workload.outputs:
            value = self._plain(builder.computed(name))
            self._copy(f"{name}.fetch", value.name, host_side(name))
        return builder.finish(SCHEME)

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
        statistics = self.builder.statistics
        scale = 1.0 if statistics is None else symmetric_scale(statistics[tensor], PRODUCT_BITS)
        narrow = f"{tensor}.int8"  # not of value.name: a constant factor shares its operand
        if narrow in self.builder.tensors:
            return Value(narrow, self.builder.tensors[narrow].encoding), scale
        unit = Fp32Requantize(scale=(scale / _factor(value),), bits=PRODUCT_BITS)
        encoding = Encoding(PRODUCT_BITS, "integer", None if statistics is None else scale)
        codes = self.builder.unit(
            name=narrow, op=op, function="requantize", inputs=(value,), unit=unit,
            execute=lambda arrays, dims: unit(arrays[0]), encoding=encoding,
            shape=self.builder.tensors[value.name].shape, output=narrow,
        )  # fmt: skip
        return codes, scale

    def _static(self, op: Op) -> Value:
        builder = self.builder
        driven, scale = self._as_operand(op.inputs[0], op)
        weight = builder.stored(op.inputs[1])
        bias = builder.stored(op.inputs[2]) if len(op.inputs) > 2 else None
        codes, scales = None, np.ones(1)
        if weight is not None:
            matrix = weight.reshape(len(weight), -1).T
            codes, scales = constants.quantize_weights(matrix, PRODUCT_BITS)
        accumulated = builder.product(op, driven, codes, ACCUMULATOR)
        output = f"{op.output}.pixels" if op.kind == "convolution" else op.output
        result = self._dequantize(op, accumulated, scales=scales * scale, bias=bias, output=output)
        return builder.fold(op, result) if op.kind == "convolution" else result

    def _matmul(self, op: Op) -> Value:
        (driven, a), (stored, b) = (self._as_operand(name, op) for name in op.inputs)
        accumulated = self.builder.dynamic_product(op, driven, stored, ACCUMULATOR)
        return self._dequantize(
            op, accumulated, scales=np.array([a * b]), bias=None, output=op.output
        )

    def _dequantize(
        self,
        op: Op,
        accumulated: Value,
        *,
        scales: NDArray[Any],
        bias: NDArray[Any] | None,
        output: str,
    ) -> Value:
        unit = Fp32Requantize(
            scale=tuple(float(scale) for scale in scales),
            bias=(0.0,) if bias is None else tuple(float(value) for value in bias),
        )
        return self.builder.unit(
            name=f"{op.name}.dequantize", op=op, function="requantize", inputs=(accumulated,),
            unit=unit, execute=lambda arrays, dims: unit(arrays[0]), encoding=FLOAT32,
            shape=self.builder.tensors[accumulated.name].shape, output=output, stream_from=op.name,
        )  # fmt: skip

    # --- functions -------------------------------------------------------------------------------

    def _softmax(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        value = self.builder.computed(op.inputs[0])
        return self._function(op, "softmax", value, Fp32Softmax(op=op, factor=_factor(value)))

    def _gelu(self, op: Op) -> Value:
        value = self._plain(self.builder.computed(op.inputs[0]))
        return self._function(op, "gelu", value, Fp32Gelu(op=op))

    def _layer_norm(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        gain, bias = (self.builder.stored(name) for name in op.inputs[1:])
        unit = Fp32LayerNorm(
            op=op,
            gain=() if gain is None else tuple(gain.tolist()),
            bias=() if bias is None else tuple(bias.tolist()),
        )
        value = self._plain(self.builder.computed(op.inputs[0]))
        return self._function(op, "layer_norm", value, unit)

    def _function(self, op: Op, function: str, value: Value, unit: Any) -> Value:
        return self.builder.unit(
            name=op.name, op=op, function=function, inputs=(value,), unit=unit,
            execute=lambda arrays, dims: unit(arrays[0]), encoding=FLOAT32,
            shape=self.builder.shape(op.output), output=op.output,
        )  # fmt: skip

    def _plain(self, value: Value) -> Value:
        """A value without a waiting factor: only softmax and products take one along."""
        if _factor(value) != 1.0:
            raise QuantizationError(
                f"tensor {value.name!r} comes multiplied by a constant; scheme {SCHEME!r} takes a "
                "constant factor only into softmax and products"
            )
        return value

    def _add(self, op: Op) -> Value:
        if len(op.inputs) != 2:
            raise QuantizationError("adding a scalar is not supported yet")
        parts = [self._plain(self.builder.operand(name)) for name in op.inputs]
        unit = Fp32Add()

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            computed = iter(arrays)
            a, b = (next(computed) if part.constant is None else part.constant for part in parts)
            return unit(a, b)

        return self.builder.unit(
            name=op.name, op=op, function="requantize", inputs=parts, unit=unit, execute=execute,
            encoding=FLOAT32, shape=self.builder.shape(op.output), output=op.output,
        )  # fmt: skip

    def _mul(self, op: Op) -> Value:
        """A constant factor waits for the function that reads the tensor."""
        value = self.builder.operand(op.inputs[0])
        scalar = op.attributes.get("scalar")
        if scalar is None or scalar <= 0 or value.is_constant:
            raise QuantizationError("only a product with a positive constant is supported yet")
        return Value(value.name, Encoding(32, "float", _factor(value) * scalar))

    def _cat(self, op: Op) -> Value:
        parts = [self._plain(self.builder.operand(name)) for name in op.inputs]
        return self.builder.concatenate(op, parts, FLOAT32)


def _factor(value: Value) -> float:
    """Constant factor that still has to be applied to a floating-point tensor."""
    return 1.0 if value.encoding.scale is None else value.encoding.scale
