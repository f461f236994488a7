"""The operations of RAP's integer graph, one by one.

Which question this module answers: *which units does each traced operation become, at which widths
and scales?*

:mod:`pimsim.quantization.rap_int8p1` says what codes which tensor has, and why.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.leading_one import emsb_q
from pimsim.integer.requantize import DyadicRequantize
from pimsim.integer.token_shift import BIAS_BITS
from pimsim.integer.vdr_normalize import GUARD_BITS, VdrNormalize
from pimsim.quantization import constants, rap_constants, unit_constants
from pimsim.quantization.builder import Value
from pimsim.quantization.calibration import symmetric_scale
from pimsim.quantization.dyadic import ACCUMULATOR_BITS, WIDE_BITS
from pimsim.quantization.encodings import operand_places
from pimsim.quantization.host import look_up
from pimsim.quantization.lowering import MOVEMENTS, lower_all, unmasked
from pimsim.quantization.quantized import (
    Encoding,
    QuantizedWorkload,
)
from pimsim.quantization.rap_rows import KEPT_BITS, Bias
from pimsim.quantization.rap_softmax import SoftmaxLowering
from pimsim.quantization.rap_streams import depends_on_inputs, destination, is_embedding
from pimsim.quantization.row_tensors import RowTensor
from pimsim.workload.graph import Op
from pimsim.workload.shapes import Size, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class RapLowering(SoftmaxLowering):
    """Products and functions under RAP's scheme."""

    def run(self, scheme: str) -> QuantizedWorkload:
        """Lower the whole graph."""
        builder = self.builder
        builder.send = self._send
        for name in builder.workload.inputs:
            if name not in builder.host:
                builder.values[name] = self._send(name)
        handlers = {
            **dict.fromkeys(MOVEMENTS, self._move),
            "linear": self._static,
            "convolution": self._static,
            "matmul": self._matmul,
            "softmax": self._softmax,
            "layer_norm": self._normal,
            "rms_norm": self._rms_norm,
            "gelu": self._gelu,
            "relu": self._relu,
            "add": self._add_stream,
            "mul": self._mul,
            "div": self._div,
            "cat": self._join,
            "embedding": self._embedding,
        }
        lower_all(builder, handlers, scheme)
        for name in builder.workload.outputs:
            self._output(name)
        return replace(builder.finish(scheme), probes=tuple(self.probes))

    # --- products --------------------------------------------------------------------------------

    def _driven(self, op: Op, tensor: str) -> Value:
        """A tensor as sign + 8, or as the unsigned 8 bits of a softmax."""
        value = unmasked(self.builder.computed(tensor))
        bits = self.forms.driven.basis_bits
        if value.name in self.wide:
            return self._to_operand(op, value)
        if value.encoding.bits <= bits:
            return value
        return self._static_form(op, tensor, value, bits)

    def _held(self, op: Op, tensor: str) -> Value:
        """A tensor as it is written into cells."""
        value = unmasked(self.builder.computed(tensor))
        if value.name in self.shifts or value.name in self.wide:
            raise QuantizationError(
                f"tensor {tensor!r} has a shift per row and cannot be written into cells, where "
                "all rows share one scale"
            )
        bits = self.forms.stored.basis_bits
        return value if value.encoding.bits <= bits else self._static_form(op, tensor, value, bits)

    def _static_form(self, op: Op, tensor: str, value: Value, bits: int) -> Value:
        """A tensor on a static scale, requantized once for all products that take it."""
        name = f"{tensor}.int{bits}"
        if name in self.builder.tensors:
            return Value(name, self.builder.tensors[name].encoding)
        scale = None if self.builder.shape_only else self._operand_scale((tensor,), bits)
        ratio = 1.0 if scale is None else self._scale(value) / scale
        encoding = Encoding(bits, "integer", scale)
        return self._rescale(op, value, name=name, ratio=ratio, encoding=encoding, output=name)

    def _static(self, op: Op) -> Value:
        builder = self.builder
        driven = self._driven(op, op.inputs[0])
        if op.kind == "convolution" and driven.name in self.shifts:
            raise QuantizationError("an image whose rows have shifts has no convolution here")
        rows = builder.rows_of(op, driven)
        goes = destination(builder.workload, self.readers, op)
        codes, scale, bias = self._weights(op, driven)
        length = math.prod(int(size) for size in builder.shape(op.inputs[1])[1:])
        encoding = self._accumulator(length, driven, self.forms.weights.basis_bits, scale)
        accumulated = builder.product(op, rows, codes, encoding, bits=self.forms.weights.basis_bits)
        if driven.name in self.shifts:
            self.shifts[accumulated.name] = self.shifts[driven.name]
        if goes == "stored":
            return self._stored_cut(op, accumulated, bias, length)
        if goes == "rows":
            return self._rows(op, accumulated, bias, output=op.output)
        return builder.fold(op, self._to_static(op, accumulated, bias))

    def _weights(self, op: Op, driven: Value) -> tuple[NDArray[Any] | None, float | None, Bias]:
        """Codes of a matrix, step of its accumulators, and its bias on them."""
        bits, step = self.forms.weights.basis_bits, self._scale(driven)
        weight = self.builder.stored(op.inputs[1])
        stored_bias = self.builder.stored(op.inputs[2]) if len(op.inputs) > 2 else None
        if weight is None:
            empty: Bias = None
            if len(op.inputs) > 2:
                empty = ((0,) * int(self.builder.shape(op.inputs[2])[0]), 0)
            return None, None, empty
        matrix = weight.reshape(len(weight), -1).T.astype(np.float64)
        if op.name in self.input_gains:
            matrix = matrix * self.input_gains[op.name][:, np.newaxis]
        _, scales = constants.quantize_weights(matrix, bits, per_channel=False)
        smallest = 0.0
        stream = self._stream_scale(op) if self.settings.branch_scale == "pow2" else None
        if stream is not None:
            smallest = rap_constants.next_power(float(scales[0]) * step, stream) / step
        codes, scales = constants.quantize_weights(
            matrix, bits, smallest=smallest, per_channel=False
        )
        scale = float(scales[0]) * step
        bias = None if stored_bias is None else rap_constants.bias_mantissas(stored_bias, scale)
        return codes, scale, bias

    def _stream_scale(self, op: Op) -> float | None:
        """Scale of the residual stream that a product's output enters as a branch."""
        readers = self.readers.get(op.output, [])
        goes = destination(self.builder.workload, self.readers, op)
        if goes != "rows" or len(readers) != 1 or readers[0].kind != "add":
            return None
        return self._encoding(readers[0].output).scale

    def _accumulator(
        self, length: Size, driven: Value, stored_bits: int, scale: float | None
    ) -> Encoding:
        """As wide as the largest sum of so many products, and a bit for reads that err upwards."""
        highest = {name: high for name, (_, high) in self.builder.workload.dims.items()}
        magnitude = driven.encoding.bits - (1 if driven.encoding.signed else 0)
        largest = ((1 << magnitude) - 1) * ((1 << stored_bits - 1) - 1)
        bits = (resolve(length, highest) * largest).bit_length() + 2
        return Encoding(bits, "integer", scale)

    def _biased_bits(self, accumulated: Value, bias: Bias) -> int:
        """Width of an accumulator with its bias."""
        if bias is None:
            return accumulated.encoding.bits
        return max(accumulated.encoding.bits, BIAS_BITS + bias[1]) + 1

    def _rows(self, op: Op, accumulated: Value, bias: Bias, *, output: str) -> Value:
        """Keep sign + 8 of each row."""
        leading = emsb_q(input_bits=self._biased_bits(accumulated, bias), kept_bits=KEPT_BITS)
        return self._keep_leading(
            op, accumulated, leading, name=f"{op.name}.requantize", output=output, bias=bias,
            streams=True,
        )  # fmt: skip

    def _stored_cut(self, op: Op, accumulated: Value, bias: Bias, length: int) -> Value:
        """Cut keys or values at one place for all tokens."""
        chosen = self.settings
        if accumulated.name in self.shifts:
            raise QuantizationError(
                "keys and values must come from rows without shifts, so that all tokens share a "
                "scale"
            )
        place = rap_constants.datapath_msb(length)
        if chosen.kv_msb == "calibrated" and self.builder.statistics is not None:
            peak = self.builder.statistics[op.output]
            place = rap_constants.calibrated_msb(peak, self._scale(accumulated))
        leading = emsb_q(
            input_bits=self._biased_bits(accumulated, bias), kept_bits=chosen.kv_bits - 1,
            rounding=chosen.kv_round, msb_bits=place,
        )  # fmt: skip
        return self._keep_leading(
            op, accumulated, leading, name=f"{op.name}.requantize", output=op.output, bias=bias,
            streams=True,
        )  # fmt: skip

    def _to_static(self, op: Op, accumulated: Value, bias: Bias) -> Value:
        """Bring sums to a static scale: sign + 8 of an embedding, 16 bits before a function."""
        output = f"{op.output}.pixels" if op.kind == "convolution" else op.output
        encoding = self._encoding(op.output)
        if is_embedding(self.builder.workload, op):
            bits = self.forms.driven.basis_bits
            encoding = self._made(bits, self._static_scale(op.output, bits))
        if accumulated.name in self.shifts:
            rows = self._rows(op, accumulated, bias, output=f"{output}.rows")
            return self._scaled(op, rows, encoding, name=f"{op.name}.rescale", output=output)
        bits = self._biased_bits(accumulated, bias)
        ratio = 1.0 if encoding.scale is None else self._scale(accumulated) / encoding.scale
        multiplier, shift = constants.dyadic(ratio)
        unit = DyadicRequantize(
            multiplier=multiplier, shift=shift, input_bits=bits, output_bits=encoding.bits,
            symmetric=True,
        )  # fmt: skip
        addend = np.int64(0) if bias is None else np.array(bias[0], np.int64) << bias[1]
        return self.builder.unit(
            name=f"{op.name}.requantize", op=op, function="requantize", inputs=(accumulated,),
            unit=unit, execute=lambda arrays, dims: unit(arrays[0] + addend), encoding=encoding,
            shape=self.builder.tensors[accumulated.name].shape, output=output, stream_from=op.name,
        )  # fmt: skip

    def _static_scale(self, tensor: str, bits: int) -> float:
        statistics = self.builder.statistics
        return 1.0 if statistics is None else symmetric_scale(statistics[tensor], bits)

    def _matmul(self, op: Op) -> Value:
        builder = self.builder
        driven, held = self._driven(op, op.inputs[0]), self._held(op, op.inputs[1])
        length = builder.shape(op.inputs[1])[-2]
        scale = None if builder.shape_only else self._scale(driven) * self._scale(held)
        encoding = self._accumulator(length, driven, held.encoding.bits, scale)
        accumulated = builder.dynamic_product(op, driven, held, encoding)
        if driven.name in self.sums:
            return self._normalized(op, accumulated, self.sums[driven.name], held)
        if not driven.encoding.signed and destination(builder.workload, self.readers, op) == "rows":
            return self._kept_wide(op, accumulated, accumulated.encoding)
        if driven.name in self.shifts:
            self.shifts[accumulated.name] = self.shifts[driven.name]
        places = operand_places(builder.workload, self.readers, op.output)
        kinds = {other.name: other.kind for other in builder.workload.ops}
        if places and all(kinds[name] == "softmax" for name, _ in places):
            return self._rows(op, accumulated, None, output=op.output)
        return self._to_static(op, accumulated, None)

    def _normalized(self, op: Op, accumulated: Value, sums: RowTensor, held: Value) -> Value:
        """Take the sums of exponentials out of P·V, as far as ``normalization`` says."""
        method, own = self.settings.normalization, self._gain(op)
        if method == "paper":
            scale = None if own is None else self._scale(accumulated) * own
            return self._kept_wide(op, accumulated, replace(accumulated.encoding, scale=scale))
        unit = VdrNormalize(
            method=method, input_bits=accumulated.encoding.bits,
            output_bits=held.encoding.bits + GUARD_BITS + 2,
        )  # fmt: skip
        scale = None if own is None else self._scale(held) * 2.0**-GUARD_BITS * own
        value = self._row_unit(
            op, (accumulated.name, sums.name), unit,
            lambda arrays, dims: unit(arrays[0], sums.aligned(arrays[1], dims)),
            name=f"{op.name}.normalize", output=op.output, rows=None,
            shape=self.builder.shape(op.output),
            encoding=Encoding(unit.output_bits, "integer", scale), stream_from=op.name,
        )  # fmt: skip
        self.wide.add(value.name)
        self._probe(op, value)
        return value

    def _kept_wide(self, op: Op, accumulated: Value, encoding: Encoding) -> Value:
        """Leave sums as they are until a product takes them, heads together."""
        value = Value(accumulated.name, encoding)
        self.wide.add(value.name)
        self._probe(op, value)
        return value

    def _gain(self, op: Op) -> float | None:
        """Largest static gain of the heads, the others' share of it going into W_O's inputs."""
        if self.builder.shape_only:
            return None
        if self.settings.normalization == "reciprocal_lut":
            return 1.0
        layer = self.attentions.get(op.name)
        if layer is None or layer.output is None or layer.heads is None:
            raise QuantizationError(
                f"normalization {self.settings.normalization!r} needs an output projection behind "
                "every attention layer, whose weights take the mean of what is not normalized; "
                "choose 'reciprocal_lut'"
            )
        step = self.builder.operand(op.inputs[0]).encoding.scale or 1.0
        by_head = rap_constants.mean_gains(
            self.largest[layer.softmax.output], step,
            shifted=self.settings.normalization == "shift",
        )  # fmt: skip
        largest = float(by_head.max())
        share = by_head / largest
        self.input_gains[layer.output.name] = share[layer.heads]
        instances = self.builder.shape(op.output)[1:-2]
        self.factors[op.output] = self.factors.get(op.output, np.ones(1)) * share.reshape(
            *(int(size) for size in instances), 1, 1
        )
        return largest

    # --- functions -------------------------------------------------------------------------------

    def _normal(self, op: Op) -> Value:
        value = self._layer_norm(op)
        self._probe(op, value)
        return value

    def _gelu(self, op: Op) -> Value:
        """Sign + 8 of each row where products take it, cut to 16 bits in between."""
        value = unmasked(self.builder.computed(op.inputs[0]))
        model = self.builder.architecture.units.gelu.model
        unit, scale = unit_constants.gelu(model, self._scale(value), value.encoding.bits)
        if destination(self.builder.workload, self.readers, op) != "rows":
            return self._narrowed(op, "gelu", value, unit=unit, scale=scale)
        function: Any = unit
        made = self.builder.unit(
            name=op.name, op=op, function="gelu", inputs=(value,), unit=function,
            execute=lambda arrays, dims: function(arrays[0]),
            encoding=self._made(ACCUMULATOR_BITS, scale), shape=self.builder.shape(op.output),
            output=f"{op.output}.wide",
        )  # fmt: skip
        cut = emsb_q(
            input_bits=ACCUMULATOR_BITS, kept_bits=WIDE_BITS - 1, msb_bits=ACCUMULATOR_BITS - 1
        )
        narrow = self._keep_leading(op, made, cut, name=f"{op.name}.cut", output=op.output)
        self.wide.add(narrow.name)
        return narrow

    # --- the residual stream ---------------------------------------------------------------------

    def _join(self, op: Op) -> Value:
        """Lay tensors with one static scale each side by side."""
        for tensor in op.inputs:
            name = self.builder.operand(tensor).name
            if name in self.shifts or name in self.sums or name in self.wide:
                raise QuantizationError(
                    f"part {tensor!r} has a shift or a sum per row; only tensors on static scales "
                    "are laid side by side here"
                )
        return self._cat(op)

    def _embedding(self, op: Op) -> Value:
        """Rows of a table: sign + 8 of what depends on the inputs, 16 bits of positions."""
        encoding = self._encoding(op.output)
        if depends_on_inputs(self.builder.workload, op.inputs[0]):
            bits = self.forms.driven.basis_bits
            encoding = self._made(bits, self._static_scale(op.output, bits))
        return look_up(self.builder, op, encoding)

    def _add_stream(self, op: Op) -> Value:
        """Add to the residual stream: one operand is on its scale, the other comes to it."""
        builder = self.builder
        first = unmasked(builder.operand(op.inputs[0]))
        second = (
            self._scalar(op) if len(op.inputs) == 1 else unmasked(builder.operand(op.inputs[1]))
        )
        encoding = self._encoding(op.output)
        ready = [
            value.is_constant or (value.encoding is encoding and value.name not in self.shifts)
            for value in (first, second)
        ]
        swapped = first.is_constant or (ready[0] and not ready[1])
        branch, stream = (second, first) if swapped else (first, second)
        if any(ready):
            return self._scaled(op, branch, encoding, name=op.name, output=op.output, addend=stream)
        name = f"{op.name}.stream"
        stream = self._scaled(op, stream, encoding, name=name, output=name)
        return self._scaled(op, branch, encoding, name=op.name, output=op.output, addend=stream)
